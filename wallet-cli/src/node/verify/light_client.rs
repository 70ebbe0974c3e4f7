//! The light client: asks the nodes, believes the most work, and names those who lie.

use super::report::{Liar, Report};
use super::{check, check::Lie, fact::Claimed, kept};
use crate::node::error::{ClientError, NodeError, Result};
use crate::node::nodes::{Nodes, Trust};
use crate::{clock::now, node::client::Node, random};
use cairn_genesis::Network;
use cairn_ledger::light::{BURIAL, LightRequest, VerifiedTip};
use cairn_ledger::{Address, Hash, Header, Timestamp, Work, accounts::Account};
use cairn_rpc::types::{AccountJson, AddressHistory, HistoryCursor, NodeInfo};
use cairn_rpc::{HexBytes, error::Code, policy::BARE_HEADERS};
use std::path::{Path, PathBuf};

/// Attempts a node has to prove its tip: the chain may move in between, twice at most.
pub(crate) const ATTEMPTS: usize = 3;

/// A node that proved its tip.
pub(super) struct Candidate<'a> {
    pub(super) node: Node<'a>,
    pub(super) tip: VerifiedTip,
    bytes: usize,
    pub(super) info: Box<NodeInfo>,
}

/// The nodes' chains, the one with the most work first, and what is known against those who lied.
pub(crate) struct LightClient<'a> {
    network: &'a Network,
    pub(super) candidates: Vec<Candidate<'a>>,
    /// The chain with the most work that was proven: what is proven about payments is proven under its tip.
    pub(super) best: VerifiedTip,
    /// The most work that this wallet has proven, then or before.
    most: Work,
    liars: Vec<Liar>,
    /// Nodes that were named and told nothing, while others did.
    silent: Vec<String>,
    seen: Option<VerifiedTip>,
    pub(super) bytes: usize,
    /// The block an account was read at, where too little work lies above it.
    shallow: Option<u64>,
    /// Where the place is kept, when every header is checked instead of samples.
    every: Option<PathBuf>,
    /// The place up to which every header was checked.
    place: Option<VerifiedTip>,
    /// How far the nodes' clocks are ahead of this one, in milliseconds.
    clocks: Vec<i128>,
    /// Nodes whose tips are from the future by this clock.
    early: usize,
}

/// An account, proven at two blocks of one chain.
pub(crate) struct ProvenAccount {
    /// The block it is read at.
    pub at: Header,
    /// Whether enough work lies above that block.
    buried: bool,
    /// What it had there.
    pub settled: Option<Account>,
    /// What it has at the tip, which the last blocks may still change.
    pub newest: Option<Account>,
    /// What the node says about payments that wait.
    pub claimed: Claimed<AccountJson>,
}

/// Why a candidate is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum CandidateError {
    #[error(transparent)]
    Lies(#[from] Lie),
    #[error(transparent)]
    Fails(#[from] ClientError),
}

/// Whether a proof may continue the tip that is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Yes: only what is new comes.
    Kept,
    /// No: everything comes, for somebody who has kept nothing; the samples follow from the tip.
    Genesis,
}

/// How far below the tip the place is kept up to which every header was checked: reorganisations are rarely deeper, and
/// if one is, all is checked again.
const PLACE_BELOW: u64 = 512;

impl<'a> LightClient<'a> {
    /// Asks every node for its tip and proofs of it, and keeps the best.
    pub async fn open(nodes: &Nodes, network: &'a Network, begin: Begin) -> Result<Self> {
        let (tips, genesis_id) = (&nodes.data.tips, network.id());
        let path = kept::path(tips, &genesis_id);
        let every = (nodes.trust == Trust::EveryHeader).then(|| kept::place_path(tips, &genesis_id));
        let mut client = Self {
            network,
            candidates: Vec::new(),
            best: VerifiedTip::genesis(&network.spec),
            most: Work::ZERO,
            liars: Vec::new(),
            silent: Vec::new(),
            seen: kept::read(&path, &network.spec)?,
            bytes: 0,
            shallow: None,
            place: match &every {
                Some(path) => kept::read(path, &network.spec)?,
                None => None,
            },
            every,
            clocks: Vec::new(),
            early: 0,
        };
        let mut failure = None;
        for node in nodes.all(network)? {
            let url = node.url.clone();
            match client.ask(node, begin).await {
                Ok(candidate) => client.candidates.push(candidate),
                Err(CandidateError::Lies(lie)) => {
                    client.early += usize::from(lie.is_early());
                    client.liars.push(Liar { node: url, claim: lie.to_string() });
                }
                Err(CandidateError::Fails(error)) => {
                    client.silent.push(format!("the node at {url} was of no help: {error}"));
                    failure = failure.or(Some(error));
                }
            }
        }
        // Blocks from the future, and the nodes' clocks say that it is the present: then it is this clock that is
        // wrong.
        if let Ok(behind_ms @ 1..) = u64::try_from(client.clock_offset())
            && 2 * client.early > client.clocks.len()
        {
            return Err(NodeError::Clock { behind_ms, nodes: client.clocks.len() });
        }
        // The first of equals stays first.
        client.candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.tip.total_work()));
        let Some(best) = client.candidates.first() else { return Err(client.nobody(failure)) };
        if client.seen.as_ref().is_none_or(|seen| seen.total_work() < best.tip.total_work()) {
            kept::write(&path, &network.spec, &best.tip)?;
        }
        client.best = best.tip.clone();
        client.most = client.best.total_work().max(client.seen.as_ref().map_or(Work::ZERO, VerifiedTip::total_work));
        Ok(client)
    }

    async fn ask(&mut self, node: Node<'a>, begin: Begin) -> Result<Candidate<'a>, CandidateError> {
        let info = node.info().await?;
        self.clocks.push(i128::from(info.time) - i128::from(now()));
        let info = Box::new(info);
        let kept = self.seen.as_ref().filter(|_| begin == Begin::Kept);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let claimed = node.tip().await?;
            let header = check::header(&claimed.raw.0)?;
            // Rules that one side does not know are no lie: what stands under them cannot be judged here.
            node.check_rules(&header)?;
            let tip = header.id();
            let request = match begin {
                Begin::Kept => LightRequest { tip, random: fresh()? },
                Begin::Genesis => LightRequest::of_tip(tip),
            };
            let answer = match &self.every {
                Some(path) if begin == Begin::Kept => self.every_header(&node, path, &header).await,
                _ => self.proven(&node, kept, &request).await,
            };
            let (verified, bytes) = match answer {
                // The chain moved between the two questions. Not too often, or it waits for samples it likes.
                Err(CandidateError::Fails(ClientError::Refused { code: Code::BlockNotFound, .. }))
                    if attempts < ATTEMPTS =>
                {
                    continue;
                }
                Err(CandidateError::Fails(ClientError::Refused { code: Code::BlockNotFound, .. })) => {
                    return Err(Lie::Evasive { tip }.into());
                }
                answer => answer?,
            };
            let (got, proven) = (claimed.work.0, verified.total_work());
            if got != proven {
                return Err(Lie::Work { got, proven }.into());
            }
            return Ok(Candidate { node, tip: verified, bytes, info });
        }
    }

    /// The tip by a light proof, or by what came since the one that is kept; and the bytes of that.
    async fn proven(
        &self,
        node: &Node<'_>,
        kept: Option<&VerifiedTip>,
        request: &LightRequest,
    ) -> Result<(VerifiedTip, usize), CandidateError> {
        let answer = node.light_proof(request, kept.map(VerifiedTip::id)).await?;
        let verified = check::tip(&self.network.spec, kept, request, &answer, moment())?;
        Ok((verified, answer.raw.0.len()))
    }

    /// The tip by every header since the place that is kept in `path`, or since block 0; and the bytes of that.
    async fn every_header(
        &self,
        node: &Node<'_>,
        path: &Path,
        claimed: &Header,
    ) -> Result<(VerifiedTip, usize), CandidateError> {
        let (spec, tip, height) = (&self.network.spec, claimed.id(), claimed.height.get());
        let mut at = self.place.clone().unwrap_or_else(|| VerifiedTip::genesis(spec));
        let (mut bytes, mut begun) = (0, false);
        while at.id() != tip {
            let left = height.checked_sub(at.height().get()).filter(|left| *left > 0).ok_or(Lie::Evasive { tip })?;
            let to_place = left.saturating_sub(PLACE_BELOW);
            let wanted = if to_place > 0 { to_place } else { left }.min(BARE_HEADERS);
            let raw = match node.bare_headers(at.id(), tip, wanted).await {
                // The chain has left the place: once more from the beginning.
                Err(ClientError::Refused { code: Code::BlockNotFound, .. }) if !begun && at.height().get() > 0 => {
                    at = VerifiedTip::genesis(spec);
                    continue;
                }
                answer => answer?.0,
            };
            begun = true;
            bytes += raw.len();
            at = check::further(spec, &at, &raw, tip, moment())?;
            if to_place > 0 {
                // That it could not be kept costs no more than to check it again.
                let _again = kept::write(path, spec, &at);
            }
        }
        Ok((at, bytes))
    }

    /// How far the nodes' clocks are ahead of this one by their median, in milliseconds; 0 when that is no more than
    /// blocks may be ahead.
    fn clock_offset(&self) -> i128 {
        let mut clocks = self.clocks.clone();
        clocks.sort_unstable();
        let offset = clocks.get(clocks.len() / 2).copied().unwrap_or_default();
        if offset.unsigned_abs() > self.network.spec.params().max_future_ms.into() { offset } else { 0 }
    }

    /// What to say when no node is left.
    pub(super) fn nobody(&self, failure: Option<ClientError>) -> NodeError {
        match failure {
            Some(error) if self.liars.is_empty() => error.into(),
            _ => NodeError::Lies { liars: self.liars.clone() },
        }
    }

    /// Whether this wallet has proven no chain with more work before.
    pub fn is_newest(&self) -> bool {
        self.best.total_work() >= self.most
    }

    /// What stands behind what was read so far.
    pub fn report(&self) -> Option<Report> {
        let best = self.candidates.first()?;
        let seen = self.seen.as_ref().map(VerifiedTip::total_work);
        let mut report = Report::new(&best.node.url, &best.tip, seen, moment());
        report.bytes = (self.bytes + best.bytes) as u64;
        report.liars.clone_from(&self.liars);
        report.warnings.extend(self.silent.iter().cloned());
        if let Some(height) = self.shallow {
            report.warnings.push(format!(
                "little work lies above block {height}, which the account was read at: one miner could have made it \
                 up; wait for more blocks, or ask several nodes"
            ));
        }
        if let Ok(ahead_ms @ 1..) = u64::try_from(-self.clock_offset()) {
            // Nothing is refused for it, so it may as well be the nodes that are wrong.
            report.warnings.push(format!(
                "this computer's clock is {} s ahead of the nodes' ({} asked): one of the two is wrong, and with it the \
                 ages of blocks that are shown",
                ahead_ms / 1_000,
                self.clocks.len()
            ));
        }
        for behind in self.candidates.iter().skip(1).filter(|other| other.tip.total_work() < best.tip.total_work()) {
            let (url, height) = (&behind.node.url, behind.tip.height());
            report.warnings.push(format!("the node at {url} is behind: it proves block {height} and less work"));
        }
        Some(report)
    }

    /// Reads an account from the chain with the most work whose node proves it.
    pub async fn account(&mut self, address: &Address, shown: &str) -> Result<ProvenAccount> {
        let mut failure = None;
        while let Some(best) = self.candidates.first() {
            match best.account(address, shown).await {
                Ok((account, bytes)) => {
                    self.bytes += bytes;
                    self.best = best.tip.clone();
                    let height = account.at.height.get();
                    self.shallow = (!account.buried).then_some(height);
                    return Ok(account);
                }
                Err(CandidateError::Lies(lie)) => self.disbelieve(0, &lie),
                Err(CandidateError::Fails(error)) => {
                    failure = failure.or(Some(error));
                    self.candidates.remove(0);
                }
            }
        }
        Err(self.nobody(failure))
    }

    /// What touched an address, as the first node that keeps an index tells it. Nothing of that is proven.
    pub async fn history(&self, address: &str, before: Option<HistoryCursor>) -> Result<AddressHistory> {
        let mut failure = None;
        for candidate in &self.candidates {
            match candidate.node.history(address, before).await {
                Ok(page) => return Ok(page),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.map_or_else(|| self.nobody(None), NodeError::from))
    }

    pub(super) fn disbelieve(&mut self, place: usize, lie: &Lie) {
        let liar = self.candidates.remove(place);
        self.liars.push(Liar { node: liar.node.url.clone(), claim: lie.to_string() });
    }
}

impl Candidate<'_> {
    /// The tip's header.
    fn tip(&self) -> Result<&Header, Lie> {
        self.tip.header_at(self.tip.height()).ok_or(Lie::Evasive { tip: self.tip.id() })
    }

    async fn account(&self, address: &Address, shown: &str) -> Result<(ProvenAccount, usize), CandidateError> {
        let tip = self.tip()?;
        let settled_at = self.tip.settled().ok_or(Lie::Evasive { tip: self.tip.id() })?;
        let (mut at, mut buried) = (settled_at.header.clone(), settled_at.buried);
        let mut bytes = 0;
        let mut read = async |header: &Header| -> Result<Option<Account>, CandidateError> {
            let HexBytes(raw) = self.node.account_proof(shown, header.id()).await?;
            bytes += raw.len();
            Ok(check::account(&raw, address, header)?)
        };
        let settled = match read(&at).await {
            // Difficulty has fallen so far that the block with enough work above it is deeper than nodes keep states.
            Err(CandidateError::Fails(ClientError::Refused { code: Code::StateNotKept, .. }))
                if at.height < tip.height =>
            {
                let shallow = self.tip.header_at(tip.height.saturating_sub(BURIAL)).unwrap_or(tip);
                (at, buried) = (shallow.clone(), false);
                read(&at).await?
            }
            read => read?,
        };
        let newest = if at.height == tip.height { settled } else { read(tip).await? };
        let claimed = self.node.account(shown).await?;
        let proven = newest.unwrap_or_default().balance;
        // The node may have moved on since; of the tip it proved it has to say the same.
        if claimed.block.0 == self.tip.id() && claimed.balance.0 != proven {
            return Err(Lie::Balance { got: claimed.balance.0, proven, height: claimed.height }.into());
        }
        Ok((ProvenAccount { at, buried, settled, newest, claimed: Claimed::new(claimed) }, bytes))
    }
}

pub(super) fn moment() -> Timestamp {
    Timestamp::from_millis(now())
}

fn fresh() -> Result<Hash, ClientError> {
    let bytes = random().map_err(|error| ClientError::NoRandomness { reason: error.to_string() })?;
    Ok(Hash::from_bytes(bytes))
}

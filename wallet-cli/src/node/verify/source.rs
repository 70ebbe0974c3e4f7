//! Where a command's facts come from: proofs, of all the nodes that were named; or, because the owner says so, the word
//! of one.

use super::fact::{Claimed, Proven, Sender, TrustNode};
use super::light_client::{Begin, LightClient};
use super::{payment::PaymentStatus, report::Report};
use crate::node::client::{Node, lag, other_rules};
use crate::node::error::{ClientError, NodeError, Result};
use crate::node::nodes::{Nodes, Trust};
use crate::output::Output;
use cairn_genesis::Network;
use cairn_ledger::{Address, Amount, BlockId, TxId, accounts::Account};
use cairn_rpc::policy::BURIED;
use cairn_rpc::types::{AccountJson, AddressHistory, HistoryCursor, NodeInfo};
use std::io;

/// Whom a command asks, and what decides.
pub(crate) enum Source<'a> {
    /// Proofs.
    Proven(Box<LightClient<'a>>),
    /// The first node that answers, and what it says.
    Trusted(TrustNode, Box<Node<'a>>, Box<NodeInfo>),
}

/// The sender's account.
pub(crate) struct SenderView {
    /// What is proven of it.
    pub sender: Proven<Sender>,
    /// What the node says of it, and of payments that wait.
    pub claimed: Claimed<AccountJson>,
    /// Whether there is one.
    pub exists: bool,
    /// What it had before the last blocks.
    pub settled: SettledAccount,
}

/// The account at the block it is read at, below which little changes any more.
pub(crate) struct SettledAccount {
    pub height: u64,
    pub block: BlockId,
    pub balance: Amount,
    pub nonce: u64,
}

impl<'a> Source<'a> {
    /// Asks the nodes: all of them for proofs, or one that is to be believed.
    pub async fn open(nodes: &Nodes, network: &'a Network) -> Result<Self> {
        let Some(owner) = TrustNode::of(nodes.trust == Trust::Node) else {
            return Ok(Self::Proven(Box::new(LightClient::open(nodes, network, Begin::Kept).await?)));
        };
        let mut failure = None;
        for node in nodes.all(network)? {
            match node.info().await {
                Ok(info) => return Ok(Self::Trusted(owner, Box::new(node), Box::new(info))),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.map_or(NodeError::Lies { liars: Vec::new() }, NodeError::from))
    }

    /// Tells of nodes that lag behind or have other rules, of liars, and of what is not quite as it should be.
    pub fn report_to(&self, network: &Network, output: &mut Output<'_>) -> io::Result<()> {
        let infos = self.infos();
        for (url, info) in &infos {
            for notice in [lag(info), other_rules(info, network)].into_iter().flatten() {
                if infos.len() > 1 {
                    output.note(format_args!("{url}: {notice}"))?;
                } else {
                    output.note(notice)?;
                }
            }
        }
        let report = self.report();
        report.iter().flat_map(Report::complaints).try_for_each(|complaint| output.warn(complaint))
    }

    /// What the nodes say of themselves, the one that is believed first.
    pub fn infos(&self) -> Vec<(&str, &NodeInfo)> {
        match self {
            Self::Proven(client) => {
                client.candidates.iter().map(|known| (known.node.url.as_str(), &*known.info)).collect()
            }
            Self::Trusted(_, node, info) => vec![(node.url.as_str(), info)],
        }
    }

    /// The node that is believed, or whose chain is.
    pub fn node(&self) -> Option<&str> {
        self.infos().first().map(|(url, _)| *url)
    }

    /// What stands behind what was read; `None` where a node is believed.
    pub fn report(&self) -> Option<Report> {
        match self {
            Self::Proven(client) => client.report(),
            Self::Trusted(..) => None,
        }
    }

    /// Whether the believed node says that it lags behind its peers.
    pub fn lag(&self) -> Option<String> {
        self.infos().first().and_then(|(_, info)| lag(info))
    }

    /// Whether what it gives is proven, and not merely believed.
    pub fn is_proven(&self) -> bool {
        matches!(self, Self::Proven(_))
    }

    /// The sender's account. It is asked for before any payment of it is: what is mined in between is then found there.
    pub async fn sender(&mut self, address: &Address, shown: &str) -> Result<SenderView> {
        match self {
            Self::Proven(client) => {
                let account = client.account(address, shown).await?;
                let (height, newest) = (client.best.height().get(), client.is_newest());
                let at_tip = account.newest.unwrap_or_default();
                let (at, exists) = (&account.at, account.newest.or(account.settled).is_some());
                // On a chain so short that nothing is buried, nothing is settled.
                let deep = height.saturating_sub(at.height.get()).saturating_add(1) >= BURIED;
                let Account { balance, nonce } = account.settled.unwrap_or_default();
                let settled = SettledAccount { height: at.height.get(), block: at.id(), balance, nonce };
                let sender = Sender {
                    height,
                    nonce: at_tip.nonce,
                    settled: if deep { nonce } else { 0 },
                    balance: at_tip.balance,
                    newest,
                };
                Ok(SenderView { sender: Proven::new(sender), claimed: account.claimed, exists, settled })
            }
            Self::Trusted(owner, node, _) => {
                let claimed = node.account(shown).await?;
                let (height, block, exists) = (claimed.height, claimed.block.0, claimed.exists);
                let (nonce, balance) = (claimed.nonce.0, claimed.balance.0);
                let sender = Claimed::new(Sender { height, nonce, settled: nonce, balance, newest: true });
                let settled = SettledAccount { height, block, balance, nonce };
                Ok(SenderView { sender: sender.believe(*owner), claimed: Claimed::new(claimed), exists, settled })
            }
        }
    }

    /// What touched an address, as a node that keeps an index tells it. Nothing of that is proven.
    pub async fn history(&self, address: &str, before: Option<HistoryCursor>) -> Result<AddressHistory> {
        match self {
            Self::Proven(client) => client.history(address, before).await,
            Self::Trusted(_, node, _) => Ok(node.history(address, before).await?),
        }
    }

    /// What became of a payment.
    pub async fn payment_status(&mut self, txid: TxId) -> Result<PaymentStatus> {
        match self {
            Self::Proven(client) => client.payment(txid).await,
            Self::Trusted(owner, node, _) => {
                Ok(PaymentStatus::believed(Claimed::new(node.status(txid).await?), *owner))
            }
        }
    }

    /// The least fee rate that a node takes: of several, the lowest, so that one that lies does not make it dear.
    pub async fn min_fee_rate(&self) -> Result<Claimed<u64>> {
        let rates = self.answers(async |node: &Node<'_>| node.min_fee_rate().await).await?;
        Ok(Claimed::new(rates.into_iter().min().unwrap_or_default()))
    }

    /// Whether an address has an account, as a node says. What is reserved for one that is there is not spent.
    pub async fn exists(&self, shown: &str) -> Result<Claimed<bool>> {
        let accounts = self.answers(async |node: &Node<'_>| node.account(shown).await).await?;
        // One that knows of none counts: too much is reserved rather than too little.
        Ok(Claimed::new(accounts.iter().all(|account| account.exists)))
    }

    /// What the nodes that answered so far say to a question: one at least, or why none does.
    async fn answers<T>(&self, question: impl AsyncFn(&Node<'a>) -> Result<T, ClientError>) -> Result<Vec<T>> {
        let nodes: Vec<&Node<'a>> = match self {
            Self::Proven(client) => client.candidates.iter().map(|known| &known.node).collect(),
            Self::Trusted(_, node, _) => vec![node],
        };
        let (mut answers, mut failure) = (Vec::new(), None);
        for node in nodes {
            match question(node).await {
                Ok(answer) => answers.push(answer),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if answers.is_empty() {
            return Err(failure.map_or(NodeError::Lies { liars: Vec::new() }, NodeError::from));
        }
        Ok(answers)
    }
}

//! A small world with its own clock: a model of the chain, and peers that
//! are honest, slow, lying or gone, behind lines of any speed.

use crate::sync::machine::{Machine, SyncAction, SyncEvent};
use crate::sync::presync::{Presync, PresyncRules};
use crate::wire::{Bodies, MAX_HEADERS, Message as _, StretchName};
use crate::{NetworkEvent, PeerKind, PeerStatus, RequestError, sync::handle::SyncPhase, sync::sync_peers::JOBS_EACH};
use cairn_chain::{BlockOutcome, HeaderOutcome, Misbehaviour, PeerNumber, Tip, store::BLOCK_BYTES};
use cairn_ledger::block::{Body, HEADER_BYTES, Header, block_size};
use cairn_ledger::error::{BlockError, ExecutionError};
use cairn_ledger::fork_choice::{NEAR_BLOCKS, near_tip_work};
use cairn_ledger::hash::{BlockId, Hash};
use cairn_ledger::testing::{HeaderChain, easy_network, key, payment};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::validate::{ChainContext, LinkedHeader, check_header, check_work};
use cairn_ledger::{chain_spec::ChainSpec, codec::BoundedVec, pow::Work};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use std::{cell::RefCell, sync::LazyLock};

/// How a peer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    /// It never answers.
    Silent,
    /// It answers headers, but no bodies.
    Stalls,
    /// It says that it has no bodies.
    Withholds,
    /// It gives other bodies than those asked for.
    Lies,
    /// It gives the first headers of its chain again and again, whatever it is asked.
    Repeats,
    /// It claims a chain and has no headers.
    Boasts,
    /// It gives headers without a parent here.
    Detached,
}

pub(super) struct Peer {
    /// Its chain without block 0.
    pub(super) chain: Vec<Header>,
    pub(super) places: BTreeMap<BlockId, usize>,
    pub(super) manner: Manner,
    pub(super) delay: Duration,
    /// The blocks it claims, where those are not its own.
    pub(super) claims: Option<u64>,
    /// The lowest block whose body it keeps.
    pub(super) lowest_body: u64,
    /// What it keeps below that, and says so.
    pub(super) stretches: Vec<(u64, u64)>,
    pub(super) kind: PeerKind,
    /// Bytes a second; without it all comes at once.
    pub(super) rate: Option<f64>,
    /// When its line has carried all that was asked for.
    pub(super) free: Option<Instant>,
}

/// What the chain would do: headers are judged by the rules, and all blocks have the same body.
pub(super) struct Chain {
    pub(super) headers: BTreeMap<BlockId, LinkedHeader>,
    contexts: BTreeMap<BlockId, ChainContext>,
    /// Headers that were linked with no more work than the tip: the chain keeps few.
    low: usize,
    pub(super) bodies: BTreeSet<BlockId>,
    /// Bodies that are not on the followed chain, by total work.
    pub(super) waiting: BTreeSet<(Work, BlockId)>,
    /// From block 0 to the tip.
    pub(super) followed: Vec<BlockId>,
    pub(super) invalid: Option<BlockId>,
    /// That one once it was found out, and what came of those above it since.
    pub(super) refused: BTreeSet<BlockId>,
    pub(super) body: Body,
    /// What was missing below a block when it was last looked at: long runs need not be walked again.
    lacking: RefCell<BTreeMap<BlockId, BlockId>>,
    /// Whether headers are from the future.
    pub(super) is_early: bool,
    /// Whether it has stopped taking blocks in.
    pub(super) is_stuck: bool,
}

pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) chain: Chain,
    pub(super) peers: BTreeMap<PeerNumber, Peer>,
    pub(super) queue: BTreeMap<(Instant, u64), SyncEvent>,
    pub(super) sequence: u64,
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) log: Vec<SyncAction>,
    /// The bytes that each request for bodies brings, while it is on the way.
    pub(super) on_the_way: BTreeMap<u64, usize>,
}

pub(super) fn spec() -> &'static ChainSpec {
    static NETWORK: LazyLock<ChainSpec> = LazyLock::new(easy_network);
    &NETWORK
}

pub(super) fn genesis() -> Header {
    spec().genesis().clone()
}

/// The work of so many blocks, one interval apart: two attempts each.
pub(super) fn work(blocks: u64) -> Work {
    Work::from_u64(2 * blocks)
}

/// `count` headers after the last of `base`, one interval apart.
pub(super) fn grow(base: &[Header], count: usize, salt: u64) -> Vec<Header> {
    let mut chain = HeaderChain::new(spec().clone());
    base.iter().for_each(|header| chain.push(header.clone()));
    chain.beneficiary = key(salt).address();
    chain.grow(count as u64);
    chain.headers.split_off(1)
}

/// Later than any header.
fn late() -> Timestamp {
    Timestamp::from_millis(u64::MAX / 2)
}

impl Chain {
    /// A chain that follows these headers.
    pub(super) fn following(chain: &[Header]) -> Self {
        let start = LinkedHeader::genesis(spec());
        let (headers, contexts) = (BTreeMap::from([(start.id(), start.clone())]), BTreeMap::new());
        let (waiting, body, lacking) = (BTreeSet::new(), Body::default(), RefCell::default());
        let (bodies, followed) = (BTreeSet::from([start.id()]), vec![start.id()]);
        let mut all = Self {
            headers,
            contexts,
            low: 0,
            bodies,
            waiting,
            followed,
            invalid: None,
            refused: BTreeSet::new(),
            body,
            lacking,
            is_early: false,
            is_stuck: false,
        };
        all.contexts.insert(start.id(), ChainContext::genesis(spec()));
        for header in chain {
            assert!(matches!(all.link(header, false), HeaderOutcome::Linked(_)));
            all.bodies.insert(header.id());
            all.followed.push(header.id());
        }
        all
    }

    pub(super) fn tip(&self) -> Tip {
        let tip = &self.headers[self.followed.last().expect("block 0")];
        Tip { header: tip.header().clone(), id: tip.id(), total_work: tip.total_work() }
    }

    pub(super) fn locator(&self) -> Vec<BlockId> {
        let steps = (0..10).chain((4..20).map(|power| 1 << power));
        let ids = steps.filter_map(|step| self.followed.iter().rev().nth(step).copied());
        ids.chain(self.followed.first().copied()).collect()
    }

    pub(super) fn link(&mut self, header: &Header, is_presynced: bool) -> HeaderOutcome {
        let id = header.id();
        if self.refused.contains(&id) || self.refused.contains(&header.parent) {
            self.refused.insert(id);
            return HeaderOutcome::InvalidAncestor;
        }
        if self.bodies.contains(&id) {
            return HeaderOutcome::Known {
                total_work: self.contexts.get(&id).map_or(Work::ZERO, ChainContext::total_work),
            };
        }
        if let Some(known) = self.headers.get(&id) {
            return HeaderOutcome::Linked(known.clone());
        }
        let Some(context) = self.contexts.get(&header.parent) else {
            return HeaderOutcome::Orphan { parent: header.parent };
        };
        if self.is_early {
            return HeaderOutcome::Early;
        }
        let sealed = match check_work(spec(), header.clone()) {
            Ok(sealed) => sealed,
            Err(error) => return HeaderOutcome::Invalid(error),
        };
        let total = context.total_work().checked_add(sealed.work()).expect("no overflow");
        let is_low = !is_presynced && total <= self.tip().total_work;
        if is_low && (total < self.near_tip_work() || self.low >= 4_000) {
            return HeaderOutcome::Unwanted;
        }
        match check_header(spec(), context, sealed, late()) {
            Ok(linked) => {
                let child = context.extend(&linked);
                self.low += usize::from(is_low);
                self.contexts.insert(id, child);
                self.headers.insert(id, linked.clone());
                HeaderOutcome::Linked(linked)
            }
            Err(error) => HeaderOutcome::Invalid(error),
        }
    }

    fn near_tip_work(&self) -> Work {
        let tip = &self.headers[self.followed.last().expect("block 0")];
        let base = self.followed.len().saturating_sub(1 + NEAR_BLOCKS as usize);
        let base = self.headers[&self.followed[base]].total_work();
        near_tip_work(tip.total_work(), tip.work(), tip.total_work().checked_sub(base).expect("work rises"))
    }

    pub(super) fn context(&self, id: &BlockId) -> Option<ChainContext> {
        self.contexts.get(id).cloned()
    }

    /// Forgets the headers whose bodies are not here.
    pub(super) fn forget_headers(&mut self) {
        let bodies = &self.bodies;
        self.headers.retain(|id, _| bodies.contains(id));
        self.contexts.retain(|id, _| bodies.contains(id));
    }

    /// Imports a block, and follows the best complete chain.
    pub(super) fn import(&mut self, id: BlockId, body: &Body) -> (Result<BlockOutcome, BlockError>, Vec<BlockId>) {
        if *body != self.body {
            return (Err(BlockError::TxsRoot { got: Hash::ZERO, expected: Hash::ZERO }), vec![]);
        }
        if !self.headers.contains_key(&id) {
            return (Ok(BlockOutcome::Unwanted), vec![]);
        }
        let is_better = self.headers[&id].total_work() > self.tip().total_work;
        if self.invalid == Some(id) && is_better {
            self.refuse(id);
            let error = ExecutionError::UnknownSender { sender: key(1).address() };
            return (Ok(BlockOutcome::Invalid(BlockError::Execution { index: 0, error })), vec![]);
        }
        if !self.bodies.insert(id) {
            return (Ok(BlockOutcome::Known), vec![]);
        }
        self.waiting.insert((self.headers[&id].total_work(), id));
        let mut connected = Vec::new();
        if is_better && self.path_to(&id).is_none() {
            return (Ok(BlockOutcome::Waiting), connected);
        }
        while let Some(path) = self.better_path() {
            // Below the tip's work it was stored, and nobody looked into it until now: nobody is told, either.
            if let Some(invalid) = self.invalid.filter(|invalid| path.contains(invalid)) {
                self.refuse(invalid);
                continue;
            }
            let first = self.headers[&path[0]].header().height;
            for id in self.followed.split_off(first.get() as usize) {
                self.waiting.insert((self.headers[&id].total_work(), id));
            }
            self.followed.extend(&path);
            self.waiting.retain(|(_, id)| !path.contains(id));
            connected.extend(path);
        }
        let outcome = if connected.contains(&id) { BlockOutcome::Connected } else { BlockOutcome::Waiting };
        (Ok(outcome), connected)
    }

    /// Refuses a block for ever, and all that is above it.
    fn refuse(&mut self, id: BlockId) {
        let mut above: Vec<&LinkedHeader> = self.headers.values().collect();
        above.sort_unstable_by_key(|linked| linked.header().height);
        self.refused.insert(id);
        for linked in above {
            if self.refused.contains(&linked.header().parent) {
                self.refused.insert(linked.id());
            }
        }
        let refused = &self.refused;
        self.headers.retain(|id, _| !refused.contains(id));
        self.contexts.retain(|id, _| !refused.contains(id));
        self.bodies.retain(|id| !refused.contains(id));
        self.waiting.retain(|(_, id)| !refused.contains(id));
        self.lacking.borrow_mut().clear();
    }

    /// The blocks from the followed chain up to a complete block with more work.
    pub(super) fn better_path(&self) -> Option<Vec<BlockId>> {
        let tip = self.tip().total_work;
        let mut better = self.waiting.iter().rev().take_while(|(work, _)| *work > tip);
        better.find_map(|(_, best)| self.path_to(best))
    }

    /// The blocks from the followed chain up to this one, when all are here.
    pub(super) fn path_to(&self, id: &BlockId) -> Option<Vec<BlockId>> {
        let (mut path, mut at) = (Vec::new(), &self.headers[id]);
        while self.followed.get(at.header().height.get() as usize) != Some(&at.id()) {
            let known = self.lacking.borrow().get(&at.id()).copied();
            let lacking = known.filter(|lacking| !self.bodies.contains(lacking));
            let lacking = lacking.or_else(|| (!self.bodies.contains(&at.id())).then(|| at.id()));
            if let Some(lacking) = lacking {
                self.lacking.borrow_mut().insert(*id, lacking);
                return None;
            }
            path.push(at.id());
            at = &self.headers[&at.header().parent];
        }
        path.reverse();
        Some(path)
    }
}

impl Peer {
    pub(super) fn honest(chain: &[Header]) -> Self {
        let places = chain.iter().map(Header::id).zip(0..).collect();
        let delay = Duration::from_millis(20);
        let (claims, kind, rate, free) = (None, PeerKind::default(), None, None);
        let (manner, lowest_body, stretches) = (Manner::Honest, 0, Vec::new());
        Self { chain: chain.to_vec(), places, manner, delay, claims, lowest_body, stretches, kind, rate, free }
    }

    pub(super) fn of(manner: Manner, chain: &[Header]) -> Self {
        Self { manner, ..Self::honest(chain) }
    }

    /// One that the operator has named.
    pub(super) fn named(self) -> Self {
        Self { kind: PeerKind { named: true, ..PeerKind::default() }, ..self }
    }

    /// The total work of its chain.
    fn own_work(&self) -> Work {
        let mut chain = HeaderChain::new(spec().clone());
        self.chain.iter().for_each(|header| chain.push(header.clone()));
        chain.tip.total_work()
    }

    pub(super) fn status(&self) -> PeerStatus {
        let tip = self.chain.last().cloned().unwrap_or_else(genesis);
        let claimed = self.claims.unwrap_or(tip.height.get());
        let name = |(from, to): &(u64, u64)| StretchName { from: Height::new(*from), to: Height::new(*to) };
        PeerStatus {
            genesis_id: genesis().id(),
            tip: if self.claims.is_some() { BlockId::from_bytes([9; 32]) } else { tip.id() },
            height: Height::new(claimed),
            total_work: self.claims.map_or_else(|| self.own_work(), work),
            now: Timestamp::from_millis(0),
            lowest_body: Height::new(self.lowest_body),
            snapshots: BoundedVec::default(),
            rules_id: Hash::ZERO,
            upgrades: BoundedVec::default(),
            stretches: BoundedVec::new(self.stretches.iter().map(name).collect()).expect("a few"),
        }
    }

    pub(super) fn headers(&self, locator: &[BlockId]) -> Option<Vec<Header>> {
        let after = |id: &BlockId| self.places.get(id).map(|at| at + 1);
        let start = match self.manner {
            Manner::Silent => return None,
            Manner::Boasts => return Some(vec![]),
            Manner::Repeats => 0,
            Manner::Detached => 1,
            _ => locator.iter().find_map(after).unwrap_or(0),
        };
        Some(self.chain.iter().skip(start).take(MAX_HEADERS).cloned().collect())
    }

    pub(super) fn bodies(&self, ids: &[BlockId], body: &Body) -> Option<Vec<Body>> {
        // Places begin with 0 for block 1.
        let in_stretch = |height| self.stretches.iter().any(|(from, to)| (*from..*to).contains(&height));
        let keeps = |height| height >= self.lowest_body || in_stretch(height);
        let has = |id: &&BlockId| self.places.get(id).is_some_and(|place| keeps(*place as u64 + 1));
        let count = ids.iter().take_while(has).count();
        let wrong = payment(&easy_network(), &key(1), 0, key(2).address(), 1, 1);
        match self.manner {
            Manner::Silent | Manner::Stalls => None,
            Manner::Withholds => Some(vec![]),
            Manner::Lies => Some(vec![Body::new(vec![wrong]).expect("one"); count]),
            _ => {
                // As much as an answer holds.
                let size = weight(body);
                Some(vec![body.clone(); count.min((Bodies::MAX_BYTES / size.max(1)).max(1))])
            }
        }
    }

    /// How long so many bytes are on the way, behind what was asked for before.
    pub(super) fn carry(&mut self, bytes: usize, now: Instant) -> Duration {
        let Some(rate) = self.rate else { return self.delay };
        let begins = self.free.unwrap_or(now).max(now);
        let free = begins + Duration::from_secs_f64(bytes as f64 / rate);
        self.free = Some(free);
        free - now + self.delay
    }
}

/// The bytes of a body.
pub(super) fn weight(body: &Body) -> usize {
    block_size(body.iter()) - HEADER_BYTES
}

/// A body with a payment to `count` receivers.
pub(super) fn body_of(count: usize) -> Body {
    let mut wide = payment(&easy_network(), &key(1), 7, key(2).address(), 1, 1);
    let output = wide.body.outputs.iter().next().cloned().expect("one receiver");
    wide.body.outputs = BoundedVec::new(vec![output; count]).expect("at most 1 024");
    Body::new(vec![wide]).expect("it fits")
}

impl World {
    pub(super) fn new(own: &[Header]) -> Self {
        Self::of(own, false)
    }

    /// On a local network.
    pub(super) fn local(own: &[Header]) -> Self {
        Self::of(own, true)
    }

    fn of(own: &[Header], is_local: bool) -> Self {
        let (chain, now) = (Chain::following(own), Instant::now());
        let machine = Machine::new(chain.tip(), is_local, BLOCK_BYTES, now);
        let (peers, queue, on_the_way) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut world =
            Self { machine, chain, peers, queue, sequence: 0, now, start: now, log: Vec::new(), on_the_way };
        world.after(Duration::ZERO, SyncEvent::Tick);
        world
    }

    pub(super) fn after(&mut self, delay: Duration, event: SyncEvent) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), event);
    }

    pub(super) fn join(&mut self, number: u64, peer: Peer) -> PeerNumber {
        let number = PeerNumber(number);
        let kind = PeerKind { neighbourhood: number.0.to_le_bytes().to_vec(), ..peer.kind.clone() };
        self.after(
            Duration::ZERO,
            SyncEvent::Network(NetworkEvent::PeerUp { peer: number, kind, status: peer.status() }),
        );
        self.peers.insert(number, peer);
        number
    }

    pub(super) fn leave(&mut self, number: PeerNumber) {
        self.peers.remove(&number);
        self.after(Duration::ZERO, SyncEvent::Network(NetworkEvent::PeerDown { peer: number }));
    }

    /// Kills the node and starts it again: what is not on the followed chain is lost, and peers come anew.
    pub(super) fn kill(&mut self) {
        let stored: BTreeSet<BlockId> = self.chain.followed.iter().copied().collect();
        self.chain.bodies.retain(|id| stored.contains(id));
        self.chain.forget_headers();
        self.chain.waiting.clear();
        self.machine = Machine::new(self.chain.tip(), false, BLOCK_BYTES, self.now);
        self.queue.clear();
        self.on_the_way.clear();
        self.after(Duration::ZERO, SyncEvent::Tick);
        for (number, mut peer) in std::mem::take(&mut self.peers) {
            peer.free = None;
            self.join(number.0, peer);
        }
    }

    pub(super) fn step(&mut self) {
        let ((at, _), event) = self.queue.pop_first().expect("there is always a tick");
        self.now = at;
        if let SyncEvent::Bodies { job, .. } = &event {
            self.on_the_way.remove(job);
        }
        if matches!(event, SyncEvent::Tick) {
            self.after(Duration::from_millis(250), SyncEvent::Tick);
        }
        for action in self.machine.on_event(at, self.chain.tip().height(), event).unwrap_or_default() {
            self.log.push(action.clone());
            self.act(action);
        }
        let most = self.machine.max_bytes() + Bodies::MAX_BYTES;
        assert!(self.machine.bytes_on_the_way() <= most, "{} bytes", self.machine.bytes_on_the_way());
        let jobs = self.on_the_way.len();
        assert!(jobs <= self.machine.max_jobs() + JOBS_EACH * self.peers.len(), "{jobs} requests");
    }

    pub(super) fn act(&mut self, action: SyncAction) {
        let soon = Duration::from_millis(1);
        match action {
            SyncAction::FetchHeaders { job, peer, branch } => {
                let locator: Vec<BlockId> = branch.into_iter().chain(self.chain.locator()).collect();
                let (answer, delay) = self.ask(peer, |peer| peer.headers(&locator), Duration::from_secs(10));
                self.after(delay, SyncEvent::Headers { job, answer });
            }
            SyncAction::FetchBodies { job, peer, ids } => {
                let body = self.chain.body.clone();
                let (answer, mut delay) = self.ask(peer, |peer| peer.bodies(&ids, &body), Duration::from_secs(20));
                let bytes = answer.as_ref().map_or(0, |bodies| bodies.iter().map(weight).sum());
                if let Some(peer) = self.peers.get_mut(&peer).filter(|_| answer.is_ok()) {
                    delay = peer.carry(bytes, self.now);
                }
                self.on_the_way.insert(job, bytes);
                self.after(delay, SyncEvent::Bodies { job, answer });
            }
            SyncAction::Link { job, headers, is_presynced, .. } => {
                let mut outcomes = Vec::new();
                for header in &headers {
                    outcomes.push(self.chain.link(header, is_presynced));
                    if matches!(outcomes.last(), Some(HeaderOutcome::Invalid(_) | HeaderOutcome::Unwanted)) {
                        break;
                    }
                }
                self.after(soon, SyncEvent::Linked { job, outcomes });
            }
            SyncAction::BeginPresync { job, fork, claimed } => {
                let context = self.chain.context(&fork);
                let presync = context.map(|context| Box::new(Presync::new(context, claimed, &[7; 32])));
                self.after(soon, SyncEvent::PresyncBegun { job, presync });
            }
            SyncAction::Presync { job, mut presync, headers } => {
                let rules = PresyncRules { spec: spec(), now: late(), tip: self.chain.tip().total_work };
                let step = presync.take(&rules, headers);
                self.after(soon, SyncEvent::Presynced { job, presync, step });
            }
            SyncAction::Import { .. } if self.chain.is_stuck => {}
            SyncAction::Import { peer, header, body } => {
                let (result, connected) = self.chain.import(header.id(), &body);
                if !connected.is_empty() {
                    self.after(soon, SyncEvent::TipMoved { tip: self.chain.tip(), connected });
                }
                self.after(soon, SyncEvent::Imported { id: header.id(), peer, result });
            }
            // The network parts from whoever has sent two wrong bodies.
            SyncAction::Report { peer, misbehaviour: Misbehaviour::MutatedBody } => {
                if self.peers.contains_key(&peer) && self.misbehaviours(peer).len() >= 2 {
                    self.leave(peer);
                }
            }
            SyncAction::Report { .. } | SyncAction::SeekOthers { .. } => {}
        }
    }

    pub(super) fn ask<T>(
        &self,
        peer: PeerNumber,
        question: impl Fn(&Peer) -> Option<T>,
        timeout: Duration,
    ) -> (Result<T, RequestError>, Duration) {
        match self.peers.get(&peer) {
            None => (Err(RequestError::Gone), Duration::ZERO),
            Some(peer) => match question(peer) {
                Some(answer) => (Ok(answer), peer.delay),
                None => (Err(RequestError::Timeout), timeout),
            },
        }
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Runs until the chain follows this header; fails when that takes longer than `limit`.
    pub(super) fn run_until(&mut self, goal: &Header, limit: Duration) {
        let end = self.now + limit;
        while self.chain.tip().id != goal.id() {
            assert!(self.now < end, "still at {} after {limit:?}", self.chain.tip().height());
            self.step();
        }
        // Those who claim more are asked for it first.
        let end = self.now + Duration::from_secs(30);
        while self.machine.status(self.now).phase != SyncPhase::CaughtUp && self.now < end {
            self.run_for(Duration::from_secs(2));
        }
        assert_eq!(self.machine.status(self.now).phase, SyncPhase::CaughtUp);
    }

    pub(super) fn misbehaviours(&self, number: PeerNumber) -> Vec<Misbehaviour> {
        let reported = self.log.iter().filter_map(|action| match action {
            SyncAction::Report { peer, misbehaviour } if *peer == number => Some(misbehaviour.clone()),
            _ => None,
        });
        reported.collect()
    }

    /// How many bodies a peer was asked for.
    pub(super) fn bodies_asked(&self, number: PeerNumber) -> usize {
        let asked = self.log.iter().filter_map(|action| match action {
            SyncAction::FetchBodies { peer, ids, .. } if *peer == number => Some(ids.len()),
            _ => None,
        });
        asked.sum()
    }

    pub(super) fn headers_asked(&self) -> usize {
        self.log.iter().filter(|action| matches!(action, SyncAction::FetchHeaders { .. })).count()
    }
}

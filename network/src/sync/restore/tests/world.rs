//! A world with its own clock: a model of what is here, and peers that are honest, slow, lying or gone.

use crate::sync::presync::{Presync, PresyncRules, Step};
use crate::sync::restore::machine::{
    End, HeadersHere, JOBS_EACH, MAX_RUNS, Machine, Pivot, RestoreAction, RestoreEvent, RunFailure,
};
use crate::wire::{MAX_HEADERS, SnapshotName};
use crate::{NetworkEvent, PeerKind, PeerStatus, RequestError};
use cairn_chain::{Misbehaviour, PeerNumber, RestoreRefusal, StateProgress};
use cairn_ledger::accounts::{Account, Leaf, RUN_LEAVES, RunTree, StateRun, run_root};
use cairn_ledger::testing::{HeaderChain, easy_network, key};
use cairn_ledger::validate::{check_header, check_work};
use cairn_ledger::{Address, Amount, BlockId, Hash, Header, Height, Timestamp, Work};
use cairn_ledger::{chain_spec::ChainSpec, codec::BoundedVec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Heights at which there are snapshots are divisible by this.
pub(super) const EVERY: u64 = 300;
/// How many runs the accounts of every snapshot are: enough for as many to be on the way as may be.
pub(super) const RUNS: u64 = 120;
/// How many accounts; the last run is short.
const ACCOUNTS: u64 = (RUNS - 1) * RUN_LEAVES as u64 + 77;

/// How a peer gives runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    /// It never answers.
    Silent,
    /// It says it does not have them.
    NotHere,
    /// One leaf is another.
    WrongLeaf,
    /// The right leaves stand in another order.
    WrongOrder,
    /// It gives the next run.
    WrongNumber,
    /// The last leaf is not there.
    Truncated,
}

/// How a peer gives headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Headers {
    Honest,
    /// It never answers.
    Silent,
    /// They begin one above what was asked for.
    Detached,
}

#[derive(Clone)]
pub(super) struct Peer {
    /// Its chain without block 0.
    pub(super) chain: Vec<Header>,
    pub(super) headers: Headers,
    pub(super) runs: Manner,
    /// Whether it says it holds the snapshot.
    pub(super) holds: bool,
    /// What it claims beyond its chain.
    pub(super) boast: u64,
    pub(super) kind: PeerKind,
    pub(super) delay: Duration,
}

impl Peer {
    /// An honest holder of the snapshot.
    pub(super) fn holder(chain: &[Header]) -> Self {
        let (delay, kind) = (Duration::from_millis(50), PeerKind::default());
        let (headers, runs) = (Headers::Honest, Manner::Honest);
        Self { chain: chain.to_vec(), headers, runs, holds: true, boast: 0, kind, delay }
    }

    /// One that holds none.
    pub(super) fn other(chain: &[Header]) -> Self {
        Self { holds: false, ..Self::holder(chain) }
    }

    fn status(&self) -> PeerStatus {
        let tip = self.chain.last().cloned().unwrap_or_else(|| spec().genesis().clone());
        let work = chain_of(&self.chain).tip.total_work();
        let name = |pivot: Pivot| SnapshotName { height: pivot.height, state_root: pivot.state_root };
        let held = pivot(tip.height.get()).filter(|_| self.holds).map(name);
        PeerStatus {
            genesis_id: spec().genesis_id(),
            tip: tip.id(),
            height: tip.height.saturating_add(self.boast),
            total_work: work.checked_add(Work::from_u64(2 * self.boast)).expect("little work"),
            now: Timestamp::from_millis(0),
            lowest_body: Height::GENESIS,
            snapshots: BoundedVec::new(held.into_iter().collect()).expect("one"),
            rules_id: Hash::ZERO,
            upgrades: BoundedVec::default(),
            stretches: BoundedVec::default(),
        }
    }

    fn headers_after(&self, locator: &[BlockId]) -> Option<Vec<Header>> {
        let places: BTreeMap<BlockId, usize> = self.chain.iter().map(Header::id).zip(1..).collect();
        let after = locator.iter().find_map(|id| places.get(id)).copied().unwrap_or(0);
        let skip = match self.headers {
            Headers::Silent => return None,
            Headers::Detached => after + 1,
            Headers::Honest => after,
        };
        Some(self.chain.iter().skip(skip).take(MAX_HEADERS).cloned().collect())
    }

    fn run(&self, number: u64) -> Option<Option<StateRun>> {
        let changed = |change: &dyn Fn(&mut Vec<Leaf>)| {
            let mut run = state().runs[number as usize].clone();
            let mut leaves = run.leaves.to_vec();
            change(&mut leaves);
            run.leaves = BoundedVec::new(leaves).expect("a run");
            Some(Some(run))
        };
        match self.runs {
            Manner::Silent => None,
            Manner::NotHere => Some(None),
            Manner::Honest => changed(&|_| ()),
            Manner::WrongLeaf => changed(&|leaves| leaves[7].account.nonce += 1),
            Manner::WrongOrder => changed(&|leaves| leaves.swap(3, 4)),
            Manner::Truncated => changed(&|leaves| leaves.truncate(leaves.len() - 1)),
            Manner::WrongNumber => Some(Some(state().runs[((number + 1) % RUNS) as usize].clone())),
        }
    }
}

pub(super) fn spec() -> &'static ChainSpec {
    static NETWORK: LazyLock<ChainSpec> = LazyLock::new(easy_network);
    &NETWORK
}

/// The accounts of every snapshot here.
pub(super) struct State {
    pub(super) root: Hash,
    pub(super) runs: Vec<StateRun>,
}

pub(super) fn state() -> &'static State {
    static STATE: LazyLock<State> = LazyLock::new(|| {
        let leaf = |index: u64| Leaf {
            address: Address::from_bytes([index.to_le_bytes(); 4].concat().try_into().expect("32 bytes")),
            next: Address::ZERO,
            account: Account { balance: Amount::ZERO, nonce: index },
        };
        let leaves: Vec<Leaf> = (0..ACCOUNTS).map(leaf).collect();
        let roots = leaves.chunks(RUN_LEAVES).map(|run| run_root(ACCOUNTS, run)).collect();
        let tree = RunTree::new(ACCOUNTS, roots).expect("all runs");
        let run = |(number, leaves): (u64, &[Leaf])| {
            tree.run(number, BoundedVec::new(leaves.to_vec()).expect("a run")).expect("there is one")
        };
        State { root: tree.state_root(), runs: (0..).zip(leaves.chunks(RUN_LEAVES)).map(run).collect() }
    });
    &STATE
}

/// The pivot of a chain of that height.
pub(super) fn pivot(height: u64) -> Option<Pivot> {
    let pivot = height.checked_sub(EVERY)? / EVERY * EVERY;
    (pivot > 0).then(|| Pivot { height: Height::new(pivot), state_root: state().root })
}

fn chain_of(headers: &[Header]) -> HeaderChain {
    let mut chain = HeaderChain::new(spec().clone());
    headers.iter().for_each(|header| chain.push(header.clone()));
    chain
}

/// `count` headers after the last of `base`; where `salt` differs, other ones.
pub(super) fn grow(base: &[Header], count: u64, salt: u64) -> Vec<Header> {
    let mut chain = chain_of(base);
    chain.beneficiary = key(salt).address();
    chain.grow(count);
    chain.headers.split_off(1)
}

/// The same with a header in their middle that breaks a rule.
pub(super) fn broken(good: u64, more: u64) -> Vec<Header> {
    let mut chain = chain_of(&grow(&[], good, 3));
    chain.beneficiary = Address::ZERO;
    chain.mine(spec().params().interval_ms);
    chain.beneficiary = key(3).address();
    chain.grow(more);
    chain.headers.split_off(1)
}

/// What is here: headers, judged by the rules, and runs.
pub(super) struct Here {
    pub(super) chain: HeaderChain,
    pub(super) runs: BTreeSet<u64>,
    /// The pivot of which runs are here.
    pub(super) pivot: Option<Pivot>,
}

impl Here {
    fn facts(&self) -> HeadersHere {
        let height = self.chain.tip.header().height;
        let steps = (0..10).chain((4..20).map(|power| 1 << power));
        let ids = steps.filter_map(|step| self.chain.headers.iter().rev().nth(step)).map(Header::id);
        let locator = ids.chain([spec().genesis_id()]).collect();
        let newest = pivot(height.get());
        // The snapshots that others keep are not lower.
        let pivot = self.pivot.filter(|kept| newest.is_none_or(|newest| kept.height >= newest.height)).or(newest);
        HeadersHere { height, total_work: self.chain.tip.total_work(), locator, pivot }
    }

    fn presync(&self, claimed: Work, headers: &[Header]) -> Option<Box<Presync>> {
        let parent = headers.first()?.parent;
        let place = self.chain.headers.iter().rposition(|header| header.id() == parent)?;
        let fork = chain_of(self.chain.headers.get(1..=place).unwrap_or_default()).tip;
        Some(Box::new(Presync::new(fork, claimed, &[7; 32])))
    }

    fn take_headers(&mut self, headers: Vec<Header>, may_replace: bool) -> Option<RestoreRefusal> {
        let parent = headers.first().map(|header| header.parent);
        let place = self.chain.headers.iter().rposition(|header| Some(header.id()) == parent);
        let is_last = |place: &usize| place + 1 == self.chain.headers.len();
        let Some(place) = place.filter(|place| may_replace || is_last(place)) else {
            return Some(RestoreRefusal::Unlinked);
        };
        let mut chain = if place + 1 == self.chain.headers.len() {
            self.chain.clone()
        } else {
            chain_of(&self.chain.headers[1..=place])
        };
        for header in headers {
            let linked = check_work(spec(), header.clone())
                .and_then(|sealed| check_header(spec(), &chain.tip, sealed, Timestamp::from_millis(u64::MAX / 2)));
            if let Err(error) = linked {
                return Some(RestoreRefusal::Invalid(error));
            }
            chain.push(header);
        }
        self.chain = chain;
        None
    }

    fn progress(&self) -> StateProgress {
        let runs = (!self.runs.is_empty()).then_some(RUNS);
        StateProgress { runs, have: self.runs.iter().copied().collect() }
    }
}

pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) here: Here,
    pub(super) peers: BTreeMap<PeerNumber, Peer>,
    pub(super) queue: BTreeMap<(Instant, u64), RestoreEvent>,
    sequence: u64,
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) log: Vec<RestoreAction>,
    pub(super) end: Option<End>,
    /// Whether what came is not taken in any more.
    pub(super) is_stuck: bool,
    /// Requests for runs on the way, with whom.
    asked: BTreeMap<u64, PeerNumber>,
    /// Who joins when holders are sought.
    pub(super) hidden: Option<Peer>,
}

impl World {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let here = Here { chain: HeaderChain::new(spec().clone()), runs: BTreeSet::new(), pivot: None };
        let mut world = Self {
            machine: Machine::new(here.facts(), false, now),
            here,
            peers: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            now,
            start: now,
            log: Vec::new(),
            end: None,
            is_stuck: false,
            asked: BTreeMap::new(),
            hidden: None,
        };
        world.after(Duration::ZERO, RestoreEvent::Tick);
        world
    }

    /// Kills the node and starts it again: what is here stays, and peers come anew.
    pub(super) fn restart(&mut self) {
        self.machine = Machine::new(self.here.facts(), false, self.now);
        self.queue.clear();
        self.asked.clear();
        self.after(Duration::ZERO, RestoreEvent::Tick);
        for (number, peer) in std::mem::take(&mut self.peers) {
            self.join(number.0, peer);
        }
    }

    pub(super) fn after(&mut self, delay: Duration, event: RestoreEvent) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), event);
    }

    pub(super) fn join(&mut self, number: u64, peer: Peer) -> PeerNumber {
        let number = PeerNumber(number);
        let up = NetworkEvent::PeerUp { peer: number, kind: peer.kind.clone(), status: peer.status() };
        self.after(Duration::ZERO, RestoreEvent::Network(up));
        self.peers.insert(number, peer);
        number
    }

    pub(super) fn leave(&mut self, number: PeerNumber) {
        self.peers.remove(&number);
        self.after(Duration::ZERO, RestoreEvent::Network(NetworkEvent::PeerDown { peer: number }));
    }

    /// A peer behaves otherwise from now on, and says where it stands.
    pub(super) fn change(&mut self, number: PeerNumber, change: impl FnOnce(&mut Peer)) {
        let peer = self.peers.get_mut(&number).expect("it is connected");
        change(peer);
        let (kind, status) = (peer.kind.clone(), peer.status());
        self.after(Duration::ZERO, RestoreEvent::Network(NetworkEvent::PeerStatus { peer: number, kind, status }));
    }

    pub(super) fn step(&mut self) {
        let ((at, _), event) = self.queue.pop_first().expect("there is always a tick");
        self.now = at;
        match &event {
            RestoreEvent::Tick => self.after(Duration::from_millis(250), RestoreEvent::Tick),
            RestoreEvent::Run { job, .. } => drop(self.asked.remove(job)),
            RestoreEvent::Network(NetworkEvent::PeerDown { peer }) => self.asked.retain(|_, of| of != peer),
            _ => {}
        }
        for action in self.machine.on_event(at, event) {
            self.log.push(action.clone());
            self.act(action);
        }
        assert!(self.machine.on_the_way() <= MAX_RUNS, "{} runs", self.machine.on_the_way());
        for peer in self.peers.keys() {
            assert!(self.asked.values().filter(|of| *of == peer).count() <= JOBS_EACH);
        }
    }

    fn act(&mut self, action: RestoreAction) {
        let soon = Duration::from_millis(1);
        match action {
            RestoreAction::FetchHeaders { job, peer, locator } => {
                let (answer, delay) = self.ask(peer, |peer| peer.headers_after(&locator), Duration::from_secs(10));
                self.after(delay, RestoreEvent::Headers { job, answer });
            }
            RestoreAction::FetchRun { job, peer, state_root, number } => {
                assert_eq!(state_root, state().root);
                let (answer, delay) = self.ask(peer, |peer| peer.run(number), Duration::from_secs(20));
                let check = |run: StateRun| run.verify(number, &state_root).map(|_| Box::new(run));
                let answer = match answer {
                    Ok(run) => run.map(check).transpose().map_err(RunFailure::Wrong),
                    Err(error) => Err(RunFailure::Request(error)),
                };
                self.asked.insert(job, peer);
                self.after(delay, RestoreEvent::Run { job, answer });
            }
            RestoreAction::Presync { job, claimed, look, headers } => {
                let begun = look.or_else(|| self.here.presync(claimed, &headers));
                let (look, step) = match begun {
                    None => (None, Step::Differs),
                    Some(mut look) => {
                        let (now, tip) = (Timestamp::from_millis(u64::MAX / 2), self.here.chain.tip.total_work());
                        let step = look.take(&PresyncRules { spec: spec(), now, tip }, headers);
                        (Some(look), step)
                    }
                };
                self.after(soon, RestoreEvent::Presynced { job, look, step });
            }
            RestoreAction::TakeHeaders { job, headers, may_replace } => {
                let refusal = self.here.take_headers(headers, may_replace);
                self.after(soon, RestoreEvent::HeadersTaken { job, refusal, here: self.here.facts() });
            }
            RestoreAction::BeginState => {
                let pivot = self.here.facts().pivot;
                if self.here.pivot.take_if(|kept| Some(*kept) != pivot).is_some() {
                    self.here.runs.clear();
                }
                let progress = self.here.progress();
                self.after(soon, RestoreEvent::StateBegun { progress });
            }
            RestoreAction::TakeRun(_) if self.is_stuck => {}
            RestoreAction::TakeRun(run) => {
                assert!(run.verify(run.number, &state().root).is_ok(), "nothing is taken in unchecked");
                assert!(self.here.runs.insert(run.number), "each once");
                self.here.pivot = self.here.facts().pivot;
                let (number, is_complete) = (run.number, self.here.runs.len() as u64 == RUNS);
                self.after(soon, RestoreEvent::RunTaken { number, progress: self.here.progress(), is_complete });
            }
            RestoreAction::SeekHolders { state_root } => {
                assert_eq!(state_root, state().root);
                if let Some(hidden) = self.hidden.take() {
                    self.join(99, hidden);
                }
            }
            RestoreAction::Report { .. } => {}
            RestoreAction::End(end) => assert_eq!(self.end.replace(end), None, "it ends once"),
        }
    }

    fn ask<T>(
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

    /// Runs until it ends, and says how and after how long.
    pub(super) fn run_to_end(&mut self, limit: Duration) -> (End, Duration) {
        let start = self.now;
        self.run_until(limit, |world| world.end.is_some());
        (self.end.expect("it has ended"), self.now - start)
    }

    /// Runs until something holds; fails when that takes longer than `limit`.
    pub(super) fn run_until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) {
        let end = self.now + limit;
        while !holds(self) {
            let status = self.machine.status(self.now);
            assert!(self.now < end, "still at {status:?} after {limit:?}");
            self.step();
        }
    }

    pub(super) fn misbehaviours(&self, number: PeerNumber) -> Vec<Misbehaviour> {
        let reported = self.log.iter().filter_map(|action| match action {
            RestoreAction::Report { peer, misbehaviour } if *peer == number => Some(misbehaviour.clone()),
            _ => None,
        });
        reported.collect()
    }

    /// How many runs a peer was asked for.
    pub(super) fn runs_asked(&self, number: PeerNumber) -> usize {
        let is_asked =
            |action: &&RestoreAction| matches!(action, RestoreAction::FetchRun { peer, .. } if *peer == number);
        self.log.iter().filter(is_asked).count()
    }

    /// How often a peer was asked for headers.
    pub(super) fn headers_asked(&self, number: PeerNumber) -> usize {
        let is_asked =
            |action: &&RestoreAction| matches!(action, RestoreAction::FetchHeaders { peer, .. } if *peer == number);
        self.log.iter().filter(is_asked).count()
    }

    pub(super) fn searches(&self) -> usize {
        self.log.iter().filter(|action| matches!(action, RestoreAction::SeekHolders { .. })).count()
    }
}

//! The machine among scripted peers: a small world with its own clock, a model of the chain, and peers that
//! are honest, slow, lying or gone.

use super::{
    machine::{Action, Event, Machine},
    mailbox::SyncPhase,
};
use crate::{
    chain::{BlockOutcome, HeaderOutcome, Tip},
    network::{PeerStatus, RequestError, wire::MAX_HEADERS},
    verdict::{Offence, PeerNumber},
};
use cairn_ledger::{
    block::{Body, Header},
    codec::BoundedVec,
    error::{BlockError, ExecutionError},
    hash::{BlockId, Hash},
    pow::Work,
    testing::{easy_network, key, payment},
    units::{Height, Timestamp},
    validate::LinkedHeader,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How a peer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
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

struct Peer {
    /// Its chain without block 0.
    chain: Vec<Header>,
    places: BTreeMap<BlockId, usize>,
    manner: Manner,
    delay: Duration,
    claims: Option<u64>,
}

/// What the chain would do: every header weighs one, and a body is right when it is empty.
struct Chain {
    headers: BTreeMap<BlockId, LinkedHeader>,
    bodies: BTreeSet<BlockId>,
    /// Bodies that are not on the followed chain, by height.
    waiting: BTreeSet<(Height, BlockId)>,
    /// From block 0 to the tip.
    followed: Vec<BlockId>,
    invalid: Option<BlockId>,
}

struct World {
    machine: Machine,
    chain: Chain,
    peers: BTreeMap<PeerNumber, Peer>,
    queue: BTreeMap<(Instant, u64), Event>,
    sequence: u64,
    now: Instant,
    start: Instant,
    log: Vec<Action>,
}

fn genesis() -> Header {
    easy_network().genesis().clone()
}

/// `count` headers after the last of `base`.
fn grow(base: &[Header], count: usize, salt: u64) -> Vec<Header> {
    let mut chain = base.to_vec();
    let mut parent = chain.last().cloned().unwrap_or_else(genesis);
    for _ in 0..count {
        let mut header = parent.clone();
        header.parent = parent.id();
        header.height = parent.height.next().expect("a low height");
        header.nonce = salt;
        chain.push(header.clone());
        parent = header;
    }
    chain
}

fn linked(header: &Header) -> LinkedHeader {
    LinkedHeader::restore(header.clone(), header.id(), Work::from_u64(header.height.get()), vec![])
}

impl Chain {
    /// A chain that follows these headers.
    fn following(chain: &[Header]) -> Self {
        let all: Vec<LinkedHeader> = std::iter::once(&genesis()).chain(chain).map(linked).collect();
        let followed: Vec<BlockId> = all.iter().map(LinkedHeader::id).collect();
        let headers = all.into_iter().map(|header| (header.id(), header)).collect();
        let bodies = followed.iter().copied().collect();
        Self { headers, bodies, waiting: BTreeSet::new(), followed, invalid: None }
    }

    fn tip(&self) -> Tip {
        let tip = &self.headers[self.followed.last().expect("block 0")];
        Tip { header: tip.header().clone(), id: tip.id(), total_work: tip.total_work() }
    }

    fn locator(&self) -> Vec<BlockId> {
        let steps = (0..10).chain((4..20).map(|power| 1 << power));
        let ids = steps.filter_map(|step| self.followed.iter().rev().nth(step).copied());
        ids.chain(self.followed.first().copied()).collect()
    }

    fn link(&mut self, header: &Header) -> HeaderOutcome {
        let id = header.id();
        if self.bodies.contains(&id) {
            return HeaderOutcome::Known;
        }
        if !self.headers.contains_key(&header.parent) {
            return HeaderOutcome::Orphan { parent: header.parent };
        }
        HeaderOutcome::Linked(self.headers.entry(id).or_insert_with(|| linked(header)).clone())
    }

    /// Imports a block, and follows the best complete chain.
    fn import(&mut self, id: BlockId, body: &Body) -> (Result<BlockOutcome, BlockError>, Vec<BlockId>) {
        if !body.is_empty() {
            return (Err(BlockError::TxsRoot { got: Hash::ZERO, expected: Hash::ZERO }), vec![]);
        }
        if !self.headers.contains_key(&id) {
            return (Ok(BlockOutcome::Unwanted), vec![]);
        }
        if self.invalid == Some(id) {
            let error = ExecutionError::UnknownSender { sender: key(1).address() };
            return (Ok(BlockOutcome::Invalid(BlockError::Execution { index: 0, error })), vec![]);
        }
        if !self.bodies.insert(id) {
            return (Ok(BlockOutcome::Known), vec![]);
        }
        self.waiting.insert((self.headers[&id].header().height, id));
        let mut connected = Vec::new();
        if self.path_to(&id).is_none() {
            return (Ok(BlockOutcome::Waiting), connected);
        }
        while let Some(path) = self.better_path() {
            let first = self.headers[&path[0]].header().height;
            for id in self.followed.split_off(first.get() as usize) {
                self.waiting.insert((self.headers[&id].header().height, id));
            }
            self.followed.extend(&path);
            self.waiting.retain(|(_, id)| !path.contains(id));
            connected.extend(path);
        }
        let outcome = if connected.contains(&id) { BlockOutcome::Connected } else { BlockOutcome::Waiting };
        (Ok(outcome), connected)
    }

    /// The blocks from the followed chain up to a complete block with more work.
    fn better_path(&self) -> Option<Vec<BlockId>> {
        let tip = self.tip().height();
        let mut better = self.waiting.iter().rev().take_while(|(height, _)| *height > tip);
        better.find_map(|(_, best)| self.path_to(best))
    }

    /// The blocks from the followed chain up to this one, when all are here.
    fn path_to(&self, id: &BlockId) -> Option<Vec<BlockId>> {
        let (mut path, mut at) = (Vec::new(), &self.headers[id]);
        while self.followed.get(at.header().height.get() as usize) != Some(&at.id()) {
            if !self.bodies.contains(&at.id()) {
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
    fn honest(chain: &[Header]) -> Self {
        let places = chain.iter().map(Header::id).zip(0..).collect();
        let delay = Duration::from_millis(20);
        Self { chain: chain.to_vec(), places, manner: Manner::Honest, delay, claims: None }
    }

    fn of(manner: Manner, chain: &[Header]) -> Self {
        Self { manner, ..Self::honest(chain) }
    }

    fn status(&self) -> PeerStatus {
        let tip = self.chain.last().cloned().unwrap_or_else(genesis);
        let claimed = self.claims.unwrap_or(tip.height.get());
        PeerStatus {
            genesis_id: genesis().id(),
            tip: if self.claims.is_some() { BlockId::from_bytes([9; 32]) } else { tip.id() },
            height: Height::new(claimed),
            total_work: Work::from_u64(claimed),
            now: Timestamp::from_millis(0),
            lowest_body: Height::GENESIS,
            snapshots: BoundedVec::default(),
        }
    }

    fn headers(&self, locator: &[BlockId]) -> Option<Vec<Header>> {
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

    fn bodies(&self, ids: &[BlockId]) -> Option<Vec<Body>> {
        let count = ids.iter().take_while(|id| self.places.contains_key(id)).count();
        let wrong = payment(&easy_network(), &key(1), 0, key(2).address(), 1, 1);
        match self.manner {
            Manner::Silent | Manner::Stalls => None,
            Manner::Withholds => Some(vec![]),
            Manner::Lies => Some(vec![Body::new(vec![wrong]).expect("one"); count]),
            _ => Some(vec![Body::default(); count]),
        }
    }
}

impl World {
    fn new(own: &[Header]) -> Self {
        let (chain, now) = (Chain::following(own), Instant::now());
        let machine = Machine::new(chain.tip(), now);
        let (peers, queue) = (BTreeMap::new(), BTreeMap::new());
        let mut world = Self { machine, chain, peers, queue, sequence: 0, now, start: now, log: Vec::new() };
        world.after(Duration::ZERO, Event::Tick);
        world
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), event);
    }

    fn join(&mut self, number: u64, peer: Peer) -> PeerNumber {
        let number = PeerNumber(number);
        self.after(Duration::ZERO, Event::PeerUp { peer: number, status: peer.status() });
        self.peers.insert(number, peer);
        number
    }

    fn leave(&mut self, number: PeerNumber) {
        self.peers.remove(&number);
        self.after(Duration::ZERO, Event::PeerDown { peer: number });
    }

    fn step(&mut self) {
        let ((at, _), event) = self.queue.pop_first().expect("there is always a tick");
        self.now = at;
        if matches!(event, Event::Tick) {
            self.after(Duration::from_millis(250), Event::Tick);
        }
        for action in self.machine.on_event(at, event) {
            self.log.push(action.clone());
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        let soon = Duration::from_millis(1);
        match action {
            Action::FetchHeaders { job, peer, branch } => {
                let locator: Vec<BlockId> = branch.into_iter().chain(self.chain.locator()).collect();
                let (answer, delay) = self.ask(peer, |peer| peer.headers(&locator), Duration::from_secs(10));
                self.after(delay, Event::Headers { job, answer });
            }
            Action::FetchBodies { job, peer, ids } => {
                let (answer, delay) = self.ask(peer, |peer| peer.bodies(&ids), Duration::from_secs(20));
                self.after(delay, Event::Bodies { job, answer });
            }
            Action::Link { job, headers, .. } => {
                let outcomes = headers.iter().map(|header| self.chain.link(header)).collect();
                self.after(soon, Event::Linked { job, outcomes });
            }
            Action::Import { peer, header, body } => {
                let (result, connected) = self.chain.import(header.id(), &body);
                if !connected.is_empty() {
                    self.after(soon, Event::TipMoved { tip: self.chain.tip(), connected });
                }
                self.after(soon, Event::Imported { id: header.id(), peer, result });
            }
            Action::Charge { .. } => {}
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

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Runs until the chain follows this header; fails when that takes longer than `limit`.
    fn run_until(&mut self, goal: &Header, limit: Duration) {
        let end = self.now + limit;
        while self.chain.tip().id != goal.id() {
            assert!(self.now < end, "still at {} after {limit:?}", self.chain.tip().height());
            self.step();
        }
        self.run_for(Duration::from_secs(2));
        assert_eq!(self.machine.status(self.now).phase, SyncPhase::CaughtUp);
    }

    fn offences(&self, number: PeerNumber) -> Vec<Offence> {
        let charged = self.log.iter().filter_map(|action| match action {
            Action::Charge { peer, offence } if *peer == number => Some(offence.clone()),
            _ => None,
        });
        charged.collect()
    }

    /// How many bodies a peer was asked for.
    fn bodies_asked(&self, number: PeerNumber) -> usize {
        let asked = self.log.iter().filter_map(|action| match action {
            Action::FetchBodies { peer, ids, .. } if *peer == number => Some(ids.len()),
            _ => None,
        });
        asked.sum()
    }

    fn headers_asked(&self) -> usize {
        self.log.iter().filter(|action| matches!(action, Action::FetchHeaders { .. })).count()
    }
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_late_joiner_gets_everything_and_says_how_far_it_is() {
    let chain = grow(&[], 5_000, 1);
    let mut world = World::new(&[]);
    assert_eq!(world.machine.status(world.now).phase, SyncPhase::Discovering);
    let peer = world.join(1, Peer::honest(&chain));
    world.step();
    world.step();
    let status = world.machine.status(world.now);
    assert_eq!((status.phase, status.target), (SyncPhase::Headers, Height::new(5_000)));
    world.run_until(&chain[4_999], seconds(30));
    assert_eq!(world.offences(peer), []);
    assert_eq!(world.bodies_asked(peer), 5_000, "each body once");
    assert_eq!(world.headers_asked(), 3, "2 000, 2 000, and the last 1 000");
}

#[test]
fn peers_share_the_work() {
    let chain = grow(&[], 5_000, 1);
    let mut world = World::new(&[]);
    let peers = [1, 2, 3].map(|number| world.join(number, Peer::honest(&chain)));
    world.run_until(&chain[4_999], seconds(30));
    let shares = peers.map(|peer| world.bodies_asked(peer));
    assert_eq!(shares.iter().sum::<usize>(), 5_000);
    assert!(shares.iter().all(|share| *share > 500), "{shares:?}");
}

#[test]
fn a_stalling_peer_is_replaced_within_seconds() {
    for manner in [Manner::Stalls, Manner::Silent] {
        let chain = grow(&[], 1_000, 1);
        let mut world = World::new(&[]);
        // It claims more than the honest one, so it is asked first.
        let staller = world.join(1, Peer { claims: Some(1_001), ..Peer::of(manner, &chain) });
        let honest = world.join(2, Peer::honest(&chain));
        world.run_until(&chain[999], seconds(20));
        assert!(world.offences(staller).iter().all(|offence| *offence == Offence::Stalled), "{manner:?}");
        assert!(!world.offences(staller).is_empty(), "{manner:?}");
        assert_eq!(world.offences(honest), [], "{manner:?}");
    }
}

#[test]
fn a_lying_peer_is_charged_and_only_its_pieces_are_asked_again() {
    let chain = grow(&[], 2_000, 1);
    let mut world = World::new(&[]);
    let liar = world.join(1, Peer::of(Manner::Lies, &chain));
    let honest = world.join(2, Peer::honest(&chain));
    world.run_until(&chain[1_999], seconds(30));
    assert!(world.offences(liar).contains(&Offence::MutatedBody));
    assert_eq!(world.offences(honest), []);
    assert_eq!(world.bodies_asked(honest), 2_000, "what the liar had sent and no more");
}

#[test]
fn whoever_withholds_bodies_is_passed_over() {
    let chain = grow(&[], 500, 1);
    let mut world = World::new(&[]);
    let withholder = world.join(1, Peer::of(Manner::Withholds, &chain));
    let honest = world.join(2, Peer::honest(&chain));
    world.run_until(&chain[499], seconds(20));
    assert!(world.offences(withholder).iter().all(|offence| *offence == Offence::Stalled));
    assert_eq!(world.offences(honest), []);
}

#[test]
fn a_peer_that_vanishes_leaves_nothing_undone() {
    let chain = grow(&[], 3_000, 1);
    let mut world = World::new(&[]);
    let first = world.join(1, Peer::honest(&chain));
    let second = world.join(2, Peer::honest(&chain));
    while world.chain.tip().height() < Height::new(200) {
        world.step();
    }
    // The chain forgets the headers of a peer that is gone.
    world.leave(first);
    let bodies = world.chain.bodies.clone();
    world.chain.headers.retain(|id, _| bodies.contains(id));
    world.run_until(&chain[2_999], seconds(30));
    assert_eq!(world.offences(second), []);
}

#[test]
fn a_branch_with_more_work_wins_over_our_own() {
    let common = grow(&[], 100, 1);
    let (ours, theirs) = (grow(&common, 30, 2), grow(&common, 50, 3));
    let mut world = World::new(&ours);
    let peer = world.join(1, Peer::honest(&theirs));
    world.run_until(&theirs[149], seconds(10));
    assert_eq!(world.bodies_asked(peer), 50);
}

#[test]
fn a_long_branch_is_followed_by_its_headers_until_it_has_more_work() {
    let (ours, theirs) = (grow(&[], 3_000, 2), grow(&[], 5_000, 3));
    let mut world = World::new(&ours);
    let peer = world.join(1, Peer::honest(&theirs));
    world.step();
    world.run_for(Duration::from_millis(30));
    assert_eq!(world.bodies_asked(peer), 0, "the first 2 000 headers have less work than our chain");
    world.run_until(&theirs[4_999], seconds(30));
    assert_eq!(world.offences(peer), []);
}

#[test]
fn a_branch_with_less_work_costs_no_bodies() {
    let (ours, theirs) = (grow(&[], 3_000, 2), grow(&[], 2_500, 3));
    let mut world = World::new(&ours);
    let peer = world.join(1, Peer::honest(&theirs));
    world.after(seconds(1), Event::UnknownParent { peer, id: theirs[2_499].id() });
    world.run_for(seconds(120));
    assert_eq!((world.bodies_asked(peer), world.headers_asked()), (0, 2));
    assert_eq!(world.machine.status(world.now).phase, SyncPhase::CaughtUp);
}

#[test]
fn a_block_without_a_parent_brings_its_branch() {
    let common = grow(&[], 100, 1);
    let (ours, theirs) = (grow(&common, 5, 2), grow(&common, 9, 3));
    let mut world = World::new(&ours);
    // Its status is old: only gossip shows that it knows more.
    let peer = world.join(1, Peer { claims: Some(100), ..Peer::honest(&theirs) });
    world.run_for(seconds(1));
    assert_eq!(world.headers_asked(), 0);
    world.after(Duration::ZERO, Event::UnknownParent { peer, id: theirs[108].id() });
    world.run_until(&theirs[108], seconds(5));
}

#[test]
fn empty_claims_never_keep_sync_busy() {
    for manner in [Manner::Boasts, Manner::Silent, Manner::Repeats, Manner::Detached] {
        let chain = grow(&[], 2_500, 1);
        let mut world = World::new(&chain[..100]);
        let theirs = if manner == Manner::Detached { grow(&[], 500, 7) } else { chain[..100].to_vec() };
        let boaster = world.join(1, Peer { claims: Some(1_000_000), ..Peer::of(manner, &theirs) });
        let honest = world.join(2, Peer::honest(&chain));
        world.run_until(&chain[2_499], seconds(30));
        world.log.clear();
        world.run_for(seconds(600));
        assert!(world.headers_asked() <= 100, "{manner:?}: {}", world.headers_asked());
        assert_eq!(world.bodies_asked(boaster), 0, "{manner:?}");
        assert_eq!(world.offences(honest), [], "{manner:?}");
        assert_eq!(world.machine.status(world.now).phase, SyncPhase::CaughtUp, "{manner:?}");
    }
}

#[test]
fn headers_without_bodies_do_not_keep_sync_busy() {
    let chain = grow(&[], 200, 1);
    let better = grow(&chain, 2, 5);
    let mut world = World::new(&chain);
    let honest = world.join(1, Peer::honest(&chain));
    world.run_for(seconds(1));
    let withholder = world.join(2, Peer::of(Manner::Withholds, &better));
    world.run_for(seconds(600));
    assert_eq!(world.machine.status(world.now).phase, SyncPhase::CaughtUp, "two blocks behind is not behind");
    assert!(world.bodies_asked(honest) + world.bodies_asked(withholder) <= 600);
    assert!(!world.offences(withholder).is_empty());
    assert_eq!(world.offences(honest), []);
}

#[test]
fn whoever_follows_an_invalid_chain_is_charged_and_left() {
    let honest_chain = grow(&[], 300, 1);
    let bad_chain = grow(&honest_chain[..200], 200, 2);
    let mut world = World::new(&[]);
    world.chain.invalid = Some(bad_chain[250].id());
    let bad = world.join(1, Peer::of(Manner::Honest, &bad_chain));
    let honest = world.join(2, Peer::honest(&honest_chain));
    world.run_until(&honest_chain[299], seconds(30));
    assert!(world.offences(bad).iter().any(|offence| matches!(offence, Offence::InvalidBlock(_))));
    assert_eq!(world.offences(honest), []);
}

#[test]
fn missed_moves_of_the_chain_are_made_up_for() {
    let chain = grow(&[], 1_000, 1);
    let mut world = World::new(&[]);
    world.join(1, Peer::honest(&chain));
    while world.chain.tip().height() < Height::new(100) {
        world.step();
    }
    world.queue.retain(|_, event| !matches!(event, Event::TipMoved { .. }));
    let tip = world.chain.tip();
    world.after(Duration::ZERO, Event::MovesMissed { tip });
    world.run_until(&chain[999], seconds(30));
}

#[test]
fn the_same_events_give_the_same_actions() {
    let chain = grow(&[], 1_500, 1);
    let run = || {
        let mut world = World::new(&[]);
        world.join(1, Peer::of(Manner::Lies, &chain));
        world.join(2, Peer::of(Manner::Stalls, &chain));
        world.join(3, Peer::honest(&chain));
        world.run_until(&chain[1_499], seconds(60));
        (world.now - world.start, world.log)
    };
    assert_eq!(run(), run());
}

//! The address book against its rules, whatever happens to it: a plain model knows of each address what was found
//! there.

use super::*;
use crate::addrman::file;
use crate::addrman::node_address::tests::at;
use cairn_ledger::hash::BlockId;
use proptest::{prelude::*, test_runner::RngSeed};
use std::collections::{BTreeMap, BTreeSet};

impl AddressBook {
    /// Its invariants: each address has the place that follows from it, alone, and no place is out of its table.
    pub(crate) fn check(&self) {
        assert_eq!(self.places.len(), self.entries.len(), "one place for each address");
        assert!(self.entries.len() <= MAX_ENTRIES);
        for ((tried, bucket, place), address) in &self.places {
            let entry = self.entries.get(address).expect("whoever has a place is in the book");
            assert_eq!(self.place_of(address, entry), (*tried, *bucket, *place));
            assert!(
                u64::from(*bucket) < if *tried { TRIED_BUCKETS } else { NEW_BUCKETS } && u64::from(*place) < BUCKET
            );
        }
    }
}

/// Addresses of the model: many for the few buckets that they reach.
const HOSTS: u64 = 900;

#[derive(Clone, Debug)]
enum Op {
    /// So many in a row are heard of, from one of a few sources.
    Add(u64, u64, u64),
    /// So many in a row are found.
    Reached(u64, u64),
    /// So many in a row fail, so many times.
    Failed(u64, u64, u32),
    /// One is dialled.
    Dialling(u64),
    /// Somebody is drawn.
    Draw(bool),
    /// Some are told to others.
    Sample(usize),
    /// A ban forgets one in so many.
    Forget(u64),
    /// So many seconds pass.
    Wait(u64),
    /// The node starts again.
    Restart,
}

fn any_op() -> impl Strategy<Value = Op> {
    let (host, count) = (0..HOSTS, 1..60_u64);
    prop_oneof![
        6 => (host.clone(), count.clone(), 0..4_u64).prop_map(|(from, count, source)| Op::Add(from, count, source)),
        6 => (host.clone(), count.clone()).prop_map(|(from, count)| Op::Reached(from, count)),
        4 => (host.clone(), count, 1..5_u32).prop_map(|(from, count, times)| Op::Failed(from, count, times)),
        2 => host.prop_map(Op::Dialling),
        2 => any::<bool>().prop_map(Op::Draw),
        2 => (0..80_usize).prop_map(Op::Sample),
        1 => (2..50_u64).prop_map(Op::Forget),
        2 => prop_oneof![1..100_u64, 10_000..100_000_u64, 3_000_000..4_000_000_u64].prop_map(Op::Wait),
        1 => Just(Op::Restart),
    ]
}

/// What is known of an address in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    heard: u64,
    reached: Option<u64>,
    dialled: Option<u64>,
    failures: u32,
}

struct Model {
    book: AddressBook,
    known: BTreeMap<NodeAddress, Known>,
    /// What was dropped for its failures, and when; a restart forgets it.
    given_up: BTreeMap<NodeAddress, u64>,
    now: u64,
}

/// The n-th host, in one of three neighbourhoods.
fn host(n: u64) -> NodeAddress {
    at(n, [20 + (n % 3) as u8, 7, (n / 250) as u8, (n % 250 + 1) as u8])
}

impl Model {
    fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn is_tried(&self, address: &NodeAddress) -> bool {
        self.book.entries.get(address).is_some_and(|entry| entry.tried)
    }

    /// Those that no rule lets anybody displace: what was reached and did not fail since, in the tried table; and what
    /// was reached ever, in the new one.
    fn firm(&self) -> BTreeSet<NodeAddress> {
        let firm = |(address, known): (&NodeAddress, &Known)| {
            let is_firm = if self.is_tried(address) { known.failures == 0 } else { known.reached.is_some() };
            is_firm.then_some(*address)
        };
        self.known.iter().filter_map(firm).collect()
    }

    /// Hearsay that gives way to other hearsay.
    fn is_poor(&self, known: &Known) -> bool {
        known.reached.is_none() && (known.failures > 0 || self.now.saturating_sub(known.heard) > STALE_MS)
    }

    /// Drops from the model what is no more in the book, and says what that was.
    fn lost(&mut self) -> Vec<(NodeAddress, Known)> {
        let is_gone = |(address, _): &(&NodeAddress, &Known)| !self.book.entries.contains_key(address);
        let gone: Vec<_> = self.known.iter().filter(is_gone).map(|(address, known)| (*address, *known)).collect();
        self.known.retain(|address, _| self.book.entries.contains_key(address));
        gone
    }

    fn add(&mut self, address: NodeAddress, source: u64) {
        let neighbourhood = source.to_le_bytes();
        let source = if source == 0 { Source::Search } else { Source::Node(&neighbourhood) };
        let (was_known, firm) = (self.known.contains_key(&address), self.firm());
        let is_new = self.book.add(address, source, self.time());
        assert_eq!(is_new, !was_known && self.book.entries.contains_key(&address));
        let is_resting = |at: &u64| self.now - at < GIVEN_UP_MS;
        assert!(!is_new || !self.given_up.get(&address).is_some_and(is_resting), "it was given up a while ago");
        let lost = self.lost();
        assert!(lost.len() <= usize::from(is_new), "one goes for one that comes");
        assert!(lost.iter().all(|(address, known)| self.is_poor(known) && !firm.contains(address)), "{lost:?}");
        let hearsay = Known { heard: self.now, reached: None, dialled: None, failures: 0 };
        if was_known || is_new {
            let known = self.known.entry(address).or_insert(hearsay);
            known.heard = known.heard.max(self.now);
        }
    }

    fn reached(&mut self, address: NodeAddress) {
        let mut firm = self.firm();
        firm.remove(&address);
        let tried_before: BTreeSet<NodeAddress> =
            firm.iter().filter(|address| self.is_tried(address)).copied().collect();
        self.book.reached(address, self.time());
        self.given_up.remove(&address);
        let lost: Vec<_> = self.lost().into_iter().filter(|(other, _)| *other != address).collect();
        assert!(lost.len() <= 2, "one hearsay, and one that had failed");
        for (other, known) in &lost {
            assert!(!firm.contains(other) && (self.is_poor(known) || known.failures > 0), "{known:?}");
        }
        assert!(tried_before.iter().all(|address| self.is_tried(address)), "whoever has not failed keeps its place");
        if self.book.entries.contains_key(&address) {
            let heard = self.known.get(&address).map_or(self.now, |known| known.heard.max(self.now));
            let (reached, dialled) = (Some(self.now), Some(self.now));
            self.known.insert(address, Known { heard, reached, dialled, failures: 0 });
        } else {
            // It has no room in either table: both places are held.
            self.known.remove(&address);
            let occupant = self.book.places.get(&self.book.tried_place(&address));
            assert!(occupant.is_some_and(|occupant| self.known[occupant].failures == 0));
        }
    }

    fn failed(&mut self, address: NodeAddress) {
        self.book.failed(&address, self.time());
        let Some(known) = self.known.get_mut(&address) else { return };
        known.failures += 1;
        let limit = if known.reached.is_some() { GIVE_UP.1 } else { GIVE_UP.0 };
        let is_given_up = known.failures >= limit;
        if is_given_up {
            self.given_up.insert(address, self.now);
        }
        let lost = self.lost();
        assert_eq!(
            lost.iter().map(|(lost, _)| *lost).collect::<Vec<_>>(),
            if is_given_up { vec![address] } else { vec![] }
        );
    }

    fn is_due(&self, known: &Known) -> bool {
        let pause = (FIRST_PAUSE_MS << known.failures.min(16)).min(LONGEST_PAUSE_MS);
        known.dialled.is_none_or(|dialled| self.now - dialled >= pause)
    }

    fn draw(&mut self, tried: bool) {
        let time = self.time();
        let table = if tried { Table::Tried } else { Table::New };
        let drawn = self.book.draw(table, time, |_| true);
        let due = |(address, known): (&NodeAddress, &Known)| self.is_tried(address) == tried && self.is_due(known);
        assert_eq!(drawn.is_some(), self.known.iter().any(due), "somebody is drawn whenever somebody is due");
        assert!(drawn.is_none_or(|address| due((&address, &self.known[&address]))));
    }

    fn sample(&mut self, max: usize) {
        let time = self.time();
        let told: BTreeSet<NodeAddress> = self.book.sample(max, time).into_iter().collect();
        let is_fresh = |known: &Known| known.failures == 0 && known.reached.is_some_and(|at| self.now - at <= FRESH_MS);
        let fresh = self.known.values().filter(|known| is_fresh(known)).count();
        assert_eq!(told.len(), fresh.min(max), "as many as there are, nobody twice");
        assert!(told.iter().all(|address| is_fresh(&self.known[address])));
    }

    fn restart(&mut self) {
        let genesis = BlockId::ZERO;
        let again = file::decode(&file::encode(&self.book, &genesis), &genesis, true).expect("what was saved");
        assert_eq!(again.entries, self.book.entries, "nobody is lost");
        assert_eq!(again.places, self.book.places);
        self.book = again;
        self.given_up.clear();
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Add(from, count, source) => (from..from + count).for_each(|n| self.add(host(n % HOSTS), source)),
            Op::Reached(from, count) => (from..from + count).for_each(|n| self.reached(host(n % HOSTS))),
            Op::Failed(from, count, times) => {
                (from..from + count).for_each(|n| (0..times).for_each(|_| self.failed(host(n % HOSTS))));
            }
            Op::Dialling(n) => {
                let (address, now) = (host(n), self.now);
                self.book.dialling(&address, self.time());
                self.known.entry(address).and_modify(|known| known.dialled = Some(now));
            }
            Op::Draw(tried) => self.draw(tried),
            Op::Sample(max) => self.sample(max),
            Op::Forget(each) => {
                let gone: BTreeSet<NodeAddress> = (0..HOSTS).step_by(each as usize).map(host).collect();
                self.book.forget(|address| gone.contains(address));
                assert!(self.lost().iter().all(|(address, _)| gone.contains(address)));
            }
            Op::Wait(seconds) => self.now += seconds * 1_000,
            Op::Restart => self.restart(),
        }
    }

    /// The book says of each address what is known of it.
    fn assert_same(&self) {
        self.book.check();
        assert!(self.book.entries.keys().eq(self.known.keys()), "the same addresses");
        for (address, entry) in &self.book.entries {
            let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
            let (heard, failures) = (entry.heard.millis(), entry.failures);
            let known = Known { heard, reached: millis(entry.reached), dialled: millis(entry.dialled), failures };
            assert_eq!(known, self.known[address]);
            assert!(!entry.tried || entry.reached.is_some(), "only what was reached is tried");
        }
        let tried = self.book.entries.values().filter(|entry| entry.tried).count();
        assert_eq!(self.book.count(), (self.known.len() - tried, tried));
    }
}

proptest! {
    // The same cases on every run.
    #![proptest_config(ProptestConfig { cases: 48, rng_seed: RngSeed::Fixed(0xca12), ..ProptestConfig::default() })]

    #[test]
    fn the_address_book_is_the_model(ops in prop::collection::vec(any_op(), 1..60)) {
        let mut model = Model { book: AddressBook::new([7; 16], true), known: BTreeMap::new(), given_up: BTreeMap::new(), now: 1_700_000_000_000 };
        for op in ops {
            model.step(op);
            model.assert_same();
        }
    }
}

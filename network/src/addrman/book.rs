//! The address book: where other nodes are said to be, and where they were found. Pure: the time and the
//! secret are arguments.
//!
//! The idea is Bitcoin Core's addrman. What is only hearsay is kept apart from what was once reached: the
//! *new* table and the *tried* one, both of fixed size. The place of an address in its table is a keyed hash,
//! so nobody knows whom an address would displace; one source reaches only few buckets of the new table, one
//! neighbourhood only few of the tried one, so nobody can fill either alone (Heilman et al., "Eclipse Attacks
//! on Bitcoin's Peer-to-Peer Network", 2015). An address that was reached is displaced only once it fails.

use crate::addrman::node_address::NodeAddress;
use crate::ids::{Multiaddr, PeerId};
use cairn_common::cache::FifoCache;
use cairn_ledger::codec::{Decode, Encode};
use cairn_ledger::units::Timestamp;
use siphasher::sip::SipHasher24;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

/// Buckets of the new table.
const NEW_BUCKETS: u64 = 256;
/// Buckets of the new table that one source reaches: a sixteenth.
const NEW_BUCKETS_EACH: u64 = 16;
/// Buckets of the tried table.
const TRIED_BUCKETS: u64 = 64;
/// Buckets of the tried table that one neighbourhood reaches.
const TRIED_BUCKETS_EACH: u64 = 4;
/// Places in a bucket.
const BUCKET: u64 = 32;
/// The most addresses in the book: about 2 MB.
pub(crate) const MAX_ENTRIES: usize = ((NEW_BUCKETS + TRIED_BUCKETS) * BUCKET) as usize;
/// Failures in a row after which hearsay is dropped, and after which an address that was once reached is.
const GIVE_UP: (u32, u32) = (3, 10);
/// An address that was dropped for its failures is not heard of again for so long: whoever names it again and again has
/// nodes dial it no more often than that.
const GIVEN_UP_MS: u64 = 600_000;
/// So many of them are remembered, the last: about 100 kB.
const GIVEN_UP: usize = 1_024;
/// The pause after the first failure; it doubles with each.
const FIRST_PAUSE_MS: u64 = 10_000;
/// The longest pause.
const LONGEST_PAUSE_MS: u64 = 3_600_000;
/// Hearsay older than this makes room for newer.
const STALE_MS: u64 = 30 * 86_400_000;
/// An address is told to others only if it was reached within this time and has not failed since.
const FRESH_MS: u64 = 86_400_000;

/// Addresses taken from what is said of one peer.
const ADDRESSES_EACH: usize = 8;

/// What places depend on; drawn once for each book, and never told.
pub(crate) type Secret = [u8; 16];

/// Who told of an address, as the place in the book depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// A node in this neighbourhood ([`ip_groups::neighbourhood`](crate::addrman::ip_groups::neighbourhood)).
    Node(&'a [u8]),
    /// Searches in the DHT, whoever answered them.
    Search,
    /// The operator, or this node's own experience.
    Own,
}

/// What is known of an address.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub(crate) struct Entry {
    /// The keyed hash of whoever told of it first.
    source: u64,
    /// When it was last told of.
    heard: Timestamp,
    /// When it was last reached.
    reached: Option<Timestamp>,
    /// When it was last dialled.
    dialled: Option<Timestamp>,
    /// Failures since it was last reached.
    failures: u32,
    /// Whether it is in the tried table.
    tried: bool,
    /// Whether this node was connected to it when it stopped.
    anchor: bool,
}

impl Entry {
    /// Hearsay.
    fn new(source: u64, heard: Timestamp) -> Self {
        Self { source, heard, reached: None, dialled: None, failures: 0, tried: false, anchor: false }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let pause = FIRST_PAUSE_MS.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE_MS);
        // A clock that was set back makes nobody wait for it.
        self.dialled.is_none_or(|dialled| now.since(dialled) >= pause || dialled > now.saturating_add(pause))
    }

    /// Whether hearsay may be displaced by other hearsay.
    fn is_poor(&self, now: Timestamp) -> bool {
        self.reached.is_none() && (self.failures > 0 || now.since(self.heard) > STALE_MS)
    }
}

/// A table, a bucket in it and a place in the bucket.
type Place = (bool, u16, u8);

/// The book.
#[derive(Debug)]
pub(crate) struct AddressBook {
    secret: Secret,
    allow_private: bool,
    entries: BTreeMap<NodeAddress, Entry>,
    places: BTreeMap<Place, NodeAddress>,
    /// What was dropped for its failures, and when.
    given_up: FifoCache<NodeAddress, Timestamp>,
    draws: u64,
    changed: bool,
}

/// Which table to draw from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// Hearsay.
    New,
    /// What was reached.
    Tried,
}

impl AddressBook {
    /// An empty book.
    pub(crate) fn new(secret: Secret, allow_private: bool) -> Self {
        let (entries, places, given_up) = (BTreeMap::new(), BTreeMap::new(), FifoCache::new(GIVEN_UP));
        Self { secret, allow_private, entries, places, given_up, draws: 0, changed: false }
    }

    /// The same book as before a restart, as far as its entries still are what may be in it. At most
    /// [`MAX_ENTRIES`] are asked for, tried ones first, so that they win their places.
    pub(crate) fn restore(secret: Secret, allow_private: bool, mut entries: Vec<(NodeAddress, Entry)>) -> Self {
        let mut book = Self::new(secret, allow_private);
        entries.sort_by_key(|(_, entry)| !entry.tried);
        for (address, entry) in entries {
            book.put(book.place_of(&address, &entry), address, entry);
        }
        book.changed = false;
        book
    }

    /// What places depend on.
    pub(crate) fn secret(&self) -> Secret {
        self.secret
    }

    /// Whether private addresses belong into it.
    pub(crate) fn allows_private(&self) -> bool {
        self.allow_private
    }

    /// All entries.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&NodeAddress, &Entry)> {
        self.entries.iter()
    }

    /// How many are hearsay, and how many were reached.
    pub(crate) fn count(&self) -> (usize, usize) {
        let tried = self.entries.values().filter(|entry| entry.tried).count();
        (self.entries.len() - tried, tried)
    }

    /// Whether there is something to save, once.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Takes in hearsay; `false` when it is known already or there is no room for it.
    pub(crate) fn add(&mut self, address: NodeAddress, source: Source<'_>, now: Timestamp) -> bool {
        if let Some(known) = self.entries.get_mut(&address) {
            known.heard = known.heard.max(now);
            return false;
        }
        // A clock that was set back makes nobody wait for it.
        if self.given_up.get(&address).is_some_and(|at| *at <= now && now.since(*at) < GIVEN_UP_MS) {
            return false;
        }
        self.given_up.remove(&address);
        let source = self.source(source);
        let place = self.new_place(&address, source);
        if let Some(occupant) = self.places.get(&place).copied() {
            if !self.entries.get(&occupant).is_some_and(|entry| entry.is_poor(now)) {
                return false;
            }
            self.remove(&occupant);
        }
        self.put(place, address, Entry::new(source, now));
        true
    }

    /// Takes in hearsay of where a peer is, and says which of the addresses are some.
    pub(crate) fn learn(
        &mut self,
        peer: PeerId,
        addresses: &[Multiaddr],
        source: Source<'_>,
        now: Timestamp,
    ) -> Vec<NodeAddress> {
        let known = addresses.iter().filter_map(|address| NodeAddress::new(peer, address, self.allow_private));
        let known: Vec<NodeAddress> = known.take(ADDRESSES_EACH).collect();
        for address in &known {
            self.add(*address, source, now);
        }
        known
    }

    /// Notes that an address is being dialled.
    pub(crate) fn dialling(&mut self, address: &NodeAddress, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(address) {
            entry.dialled = Some(now);
        }
    }

    /// Notes that nobody, or somebody else, was found there. What fails again and again is dropped, and not taken in
    /// again for a while.
    pub(crate) fn failed(&mut self, address: &NodeAddress, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(address) else { return };
        entry.failures = entry.failures.saturating_add(1);
        self.changed = true;
        let (hearsay, reached) = GIVE_UP;
        if entry.failures >= if entry.reached.is_some() { reached } else { hearsay } {
            self.remove(address);
            self.given_up.insert(*address, now);
        }
    }

    /// Notes that a node of this network was found there. It moves to the tried table, unless its place is
    /// held by one that has not failed.
    pub(crate) fn reached(&mut self, address: NodeAddress, now: Timestamp) {
        self.given_up.remove(&address);
        self.add(address, Source::Own, now);
        let own = self.source(Source::Own);
        let mut entry = self.remove(&address).unwrap_or_else(|| Entry::new(own, now));
        (entry.reached, entry.failures, entry.dialled) = (Some(now), 0, Some(now));
        self.changed = true;
        let place = self.tried_place(&address);
        let occupant = self.places.get(&place).copied();
        let is_good = |occupant: &NodeAddress| self.entries.get(occupant).is_some_and(|entry| entry.failures == 0);
        entry.tried = !occupant.as_ref().is_some_and(is_good);
        if !entry.tried {
            return self.put(self.new_place(&address, entry.source), address, entry);
        }
        let displaced = occupant.and_then(|occupant| Some((occupant, self.remove(&occupant)?)));
        self.put(place, address, entry);
        // It was good once: back to hearsay, if there is room.
        if let Some((occupant, displaced)) = displaced {
            let back = self.new_place(&occupant, displaced.source);
            self.put(back, occupant, Entry { tried: false, ..displaced });
        }
    }

    /// Marks these as the ones to return to after a restart, and no others.
    pub(crate) fn set_anchors(&mut self, anchors: &[NodeAddress]) {
        for (address, entry) in &mut self.entries {
            let anchor = anchors.contains(address);
            self.changed |= entry.anchor != anchor;
            entry.anchor = anchor;
        }
    }

    /// The ones to return to.
    pub(crate) fn anchors(&self) -> Vec<NodeAddress> {
        self.entries.iter().filter(|(_, entry)| entry.anchor).map(|(address, _)| *address).collect()
    }

    /// Hearsay that was found right within the longest pause, and has not failed since: it needs no trial, though
    /// another holds its place in the tried table.
    pub(crate) fn confirmed(&self, now: Timestamp) -> BTreeSet<NodeAddress> {
        let lately = |reached: Timestamp| reached <= now && now.since(reached) < LONGEST_PAUSE_MS;
        let is_confirmed = |entry: &Entry| !entry.tried && entry.failures == 0 && entry.reached.is_some_and(lately);
        self.entries.iter().filter(|(_, entry)| is_confirmed(entry)).map(|(address, _)| *address).collect()
    }

    /// Draws somebody to dial: any bucket of the table that has somebody is as likely as any other, so a few
    /// full ones weigh no more than as many nearly empty ones.
    pub(crate) fn draw(
        &mut self,
        table: Table,
        now: Timestamp,
        wanted: impl Fn(&NodeAddress) -> bool,
    ) -> Option<NodeAddress> {
        let tried = table == Table::Tried;
        let mut buckets: BTreeMap<u16, Vec<NodeAddress>> = BTreeMap::new();
        for ((_, bucket, _), address) in self.places.range((tried, 0, 0)..=(tried, u16::MAX, u8::MAX)) {
            if self.entries.get(address).is_some_and(|entry| entry.is_due(now)) && wanted(address) {
                buckets.entry(*bucket).or_default().push(*address);
            }
        }
        let (bucket, place) = (self.dice(buckets.len()), self.dice(usize::MAX));
        let addresses = buckets.into_values().nth(bucket)?;
        addresses.get(place % addresses.len()).copied()
    }

    /// A random choice of what may be told to others: what was reached lately, and nothing else.
    pub(crate) fn sample(&mut self, max: usize, now: Timestamp) -> Vec<NodeAddress> {
        let fresh = |entry: &Entry| {
            entry.failures == 0 && entry.reached.is_some_and(|reached| now.since(reached) <= FRESH_MS && reached <= now)
        };
        let mut all: Vec<NodeAddress> =
            self.entries.iter().filter(|(_, entry)| fresh(entry)).map(|(address, _)| *address).collect();
        // The first `max` places of a Fisher-Yates shuffle.
        for at in 0..max.min(all.len()) {
            let other = at + self.dice(all.len() - at);
            all.swap(at, other);
        }
        all.truncate(max);
        all
    }

    /// Forgets those addresses.
    pub(crate) fn forget(&mut self, wanted: impl Fn(&NodeAddress) -> bool) {
        let all: Vec<NodeAddress> = self.entries.keys().filter(|address| wanted(address)).copied().collect();
        for address in &all {
            self.remove(address);
        }
    }

    /// A number for a group of addresses that nobody can foretell.
    pub(crate) fn keyed_group(&self, group: &[u8]) -> u64 {
        self.keyed(9, &[group])
    }

    /// A number below `bound`, or 0: random to whoever lacks the secret.
    pub(crate) fn dice(&mut self, bound: usize) -> usize {
        self.draws = self.draws.wrapping_add(1);
        let drawn = self.keyed(0, &[&self.draws.to_le_bytes()]);
        usize::try_from(drawn % (bound.max(1) as u64)).unwrap_or_default()
    }

    fn put(&mut self, place: Place, address: NodeAddress, entry: Entry) {
        if !self.places.contains_key(&place) && !self.entries.contains_key(&address) {
            self.places.insert(place, address);
            self.entries.insert(address, entry);
            self.changed = true;
        }
    }

    fn remove(&mut self, address: &NodeAddress) -> Option<Entry> {
        let entry = self.entries.remove(address)?;
        self.places.remove(&self.place_of(address, &entry));
        self.changed = true;
        Some(entry)
    }

    fn place_of(&self, address: &NodeAddress, entry: &Entry) -> Place {
        if entry.tried { self.tried_place(address) } else { self.new_place(address, entry.source) }
    }

    fn source(&self, source: Source<'_>) -> u64 {
        match source {
            Source::Node(neighbourhood) => self.keyed(1, &[neighbourhood]),
            Source::Search => self.keyed(2, &[]),
            Source::Own => self.keyed(3, &[]),
        }
    }

    fn new_place(&self, address: &NodeAddress, source: u64) -> Place {
        let source = source.to_le_bytes();
        let within = self.keyed(4, &[&source, &address.group_bytes()]) % NEW_BUCKETS_EACH;
        let bucket = self.keyed(5, &[&source, &within.to_le_bytes()]) % NEW_BUCKETS;
        self.place(false, bucket, address)
    }

    fn tried_place(&self, address: &NodeAddress) -> Place {
        let within = self.keyed(6, &[address.multiaddr().as_ref(), &address.peer().to_bytes()]) % TRIED_BUCKETS_EACH;
        let bucket = self.keyed(7, &[&address.group_bytes(), &within.to_le_bytes()]) % TRIED_BUCKETS;
        self.place(true, bucket, address)
    }

    fn place(&self, tried: bool, bucket: u64, address: &NodeAddress) -> Place {
        let parts =
            [&[u8::from(tried)][..], &bucket.to_le_bytes(), address.multiaddr().as_ref(), &address.peer().to_bytes()]
                .concat();
        let place = self.keyed(8, &[&parts]) % BUCKET;
        (tried, bucket as u16, place as u8)
    }

    /// The keyed hash of parts, each with its length in front.
    fn keyed(&self, purpose: u8, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write(&[purpose]);
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) mod model;

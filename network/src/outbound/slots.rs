//! Whom this node dials by itself: it keeps its outbound slots filled from the address book, spread over
//! address groups, and tries hearsay out with short connections (feelers), so that the book knows what is
//! really there.
//!
//! An outbound slot is the node's own choice, which is what protects it from being surrounded: nobody gets one
//! by connecting, by answering searches, or by being many in one neighbourhood. Connections that Kademlia or
//! boot nodes brought along are *passing*: they get a free slot, or go. A few providers of what sync lacks may
//! stay for a while without a slot.

use crate::addrman::book::{AddressBook, Table};
use crate::addrman::ip_groups::{self, Prefix};
use crate::event::{Context, Dial, DialCondition, DialFailure, SwarmAction};
use crate::ids::{ConnectionNumber, DialNumber, PeerId};
use crate::outbound::{backoff::Backoff, persistent::PersistentPeers};
use crate::peers::table::{Peer, PeerTable};
use crate::{addrman::node_address::NodeAddress, peers::access::Access};
use cairn_ledger::units::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Outbound slots a node keeps filled, of those it is allowed: as many as Bitcoin Core's full-relay ones.
const SLOTS: usize = 8;
/// Dials of ours in progress.
const DIALS: usize = 8;
/// Outbound peers to return to after a restart: whoever restarts a victim does not choose its peers.
const ANCHORS: usize = 4;
/// With fewer addresses than this that were reached, hearsay is tried out at every tick.
const FEW_TRIED: usize = 16;
/// How often it is tried out otherwise.
const FEELER_EVERY: Duration = Duration::from_secs(60);
/// How long a connection that this node did not choose may stay while all slots are taken.
const PASSING: Duration = Duration::from_secs(20);
/// How many of them may: whoever answers searches decides whom Kademlia dials, and must not take what slots need.
const MOST_PASSING: usize = 8;
/// How often a slot may be taken from a peer that has long been useless.
const ROTATE_EVERY: Duration = Duration::from_secs(600);
/// The longest pause before an address is dialled again while this node has no peer at all.
const ALONE_PAUSE: Duration = Duration::from_secs(60);

/// Providers dialled, or connected, because sync looked for them; a place is free again when its time is over.
const PROVIDERS: usize = 3;
/// How long such a provider may stay without a slot: to fetch gigabytes from it.
const PROVIDER_STAYS: Duration = Duration::from_secs(1800);

/// Why an address is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DialPurpose {
    /// To fill a slot.
    Slot,
    /// To see whether it is there.
    Feeler,
}

#[derive(Debug)]
struct Attempt {
    address: NodeAddress,
    purpose: DialPurpose,
}

/// What decides who may be dialled, and when.
pub(crate) struct Surroundings<'a> {
    own: PeerId,
    peers: &'a PeerTable,
    persistent: &'a PersistentPeers,
    access: &'a Access,
    now: Instant,
    clock: Timestamp,
}

impl<'a> Surroundings<'a> {
    pub(crate) fn new(
        own: PeerId,
        peers: &'a PeerTable,
        persistent: &'a PersistentPeers,
        access: &'a Access,
        cx: &Context,
    ) -> Self {
        Self { own, peers, persistent, access, now: cx.now, clock: cx.clock }
    }

    fn may_dial(&self, address: &NodeAddress) -> bool {
        let peer = address.peer();
        peer != self.own && self.access.refusal(peer, &address.multiaddr(), self.clock).is_none()
    }
}

/// Dials of ours, and what came of them.
#[derive(Debug)]
pub(crate) struct Slots {
    /// How many slots there are.
    count: usize,
    dials: BTreeMap<DialNumber, Attempt>,
    last_dial: u64,
    /// Connected peers that hold a slot.
    chosen: BTreeSet<PeerId>,
    /// Connected peers that are only looked at.
    feelers: BTreeSet<PeerId>,
    /// Those whom sync had looked for, and until when they may stay.
    providers: BTreeMap<PeerId, (DialNumber, Instant)>,
    /// Dialled in vain while this node has no peer at all. Its own line may be down, so the book does not hear of it,
    /// which gives addresses up and waits for up to an hour.
    while_alone: BTreeMap<NodeAddress, Backoff>,
    /// From before the restart; dialled first.
    anchors: Vec<NodeAddress>,
    next_feeler: Instant,
    next_rotation: Instant,
}

impl Slots {
    /// At most this many, with these peers to return to.
    pub(crate) fn new(max: usize, anchors: Vec<NodeAddress>, now: Instant) -> Self {
        Self {
            count: SLOTS.min(max),
            dials: BTreeMap::new(),
            last_dial: 0,
            chosen: BTreeSet::new(),
            feelers: BTreeSet::new(),
            providers: BTreeMap::new(),
            while_alone: BTreeMap::new(),
            anchors,
            next_feeler: now,
            next_rotation: now + ROTATE_EVERY,
        }
    }

    /// Forgets a peer that is gone.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.chosen.remove(peer);
        self.feelers.remove(peer);
        self.providers.remove(peer);
    }

    /// Dials in progress, and slots that are held.
    pub(crate) fn in_hand(&self) -> (usize, usize) {
        (self.dials.len(), self.chosen.len())
    }

    /// Whether a slot is free.
    pub(crate) fn is_free(&self) -> bool {
        self.chosen.len() + self.for_slots().count() < self.count
    }

    fn for_slots(&self) -> impl Iterator<Item = &Attempt> {
        self.dials.values().filter(|dial| dial.purpose == DialPurpose::Slot)
    }

    /// Whether an address is not being dialled, and was not in vain a moment ago.
    fn is_due(&self, address: &NodeAddress, now: Instant) -> bool {
        !self.dials.values().any(|dial| dial.address.peer() == address.peer())
            && self.while_alone.get(address).is_none_or(|backoff| backoff.is_due(now))
    }

    /// Fills slots, tries hearsay out, and parts from those who are of no use.
    pub(crate) fn tick(&mut self, around: &Surroundings<'_>, book: &mut AddressBook, cx: &mut Context) {
        self.part(around, cx);
        if around.peers.len() > 0 {
            self.while_alone.clear();
        }
        while self.is_free() && self.dials.len() < DIALS {
            let Some(address) = self.candidate(around, book) else { break };
            self.dial(address, DialPurpose::Slot, book, cx);
        }
        if self.next_feeler <= around.now && self.dials.len() < DIALS {
            let (_, tried) = book.count();
            if tried >= FEW_TRIED {
                self.next_feeler = around.now + FEELER_EVERY;
            }
            // Hearsay of strangers, and of peers who say where they can be dialled.
            let confirmed = book.confirmed(around.clock);
            let wanted = |address: &NodeAddress| {
                around.may_dial(address) && self.is_due(address, around.now) && !confirmed.contains(address)
            };
            if let Some(address) = book.draw(Table::New, around.clock, wanted) {
                self.dial(address, DialPurpose::Feeler, book, cx);
            }
        }
    }

    /// Somebody for a slot: an anchor, or as likely one that was reached as one that is hearsay, in a group
    /// where this node has nobody yet.
    fn candidate(&mut self, around: &Surroundings<'_>, book: &mut AddressBook) -> Option<NodeAddress> {
        let taken = self.taken_groups(around.peers);
        let wanted = |address: &NodeAddress| {
            let peer = address.peer();
            around.peers.number(&peer).is_none()
                && self.is_due(address, around.now)
                && !around.persistent.is_named(&peer)
                && is_elsewhere(address, &taken)
                && around.may_dial(address)
        };
        if let Some(at) = self.anchors.iter().position(wanted) {
            return Some(self.anchors.swap_remove(at));
        }
        let (first, second) = if book.dice(2) == 0 { (Table::Tried, Table::New) } else { (Table::New, Table::Tried) };
        book.draw(first, around.clock, wanted).or_else(|| book.draw(second, around.clock, wanted))
    }

    /// The groups in which this node has an outbound peer, or soon will.
    fn taken_groups(&self, peers: &PeerTable) -> BTreeSet<Prefix> {
        let dialled = self.for_slots().filter_map(|dial| public_group(&dial.address));
        let chosen = peers.iter().filter(|(_, peer)| self.chosen.contains(&peer.id));
        dialled.chain(chosen.filter_map(|(_, peer)| group_of_peer(peer))).collect()
    }

    /// Whether a slot is free for somebody in this group; those groups that cannot be told apart are everywhere.
    fn has_room_for(&self, group: Option<Prefix>, peers: &PeerTable) -> bool {
        self.is_free() && group.is_none_or(|group| !self.taken_groups(peers).contains(&group))
    }

    fn number(&mut self) -> DialNumber {
        self.last_dial += 1;
        DialNumber(self.last_dial)
    }

    fn dial(&mut self, address: NodeAddress, purpose: DialPurpose, book: &mut AddressBook, cx: &mut Context) {
        book.dialling(&address, cx.clock);
        let condition = match purpose {
            DialPurpose::Slot => DialCondition::DisconnectedAndNotDialling,
            // A second connection tells as much.
            DialPurpose::Feeler => DialCondition::NotDialling,
        };
        let (number, addresses) = (self.number(), vec![address.multiaddr()]);
        self.dials.insert(number, Attempt { address, purpose });
        let (peer, number) = (address.peer(), Some(number));
        cx.push(SwarmAction::Dial(Dial { peer, addresses, condition, number, is_own: true }));
    }

    /// Dials somebody who is said to have what sync needs, where Kademlia knows it to be. It gets no slot, but may
    /// stay for a while.
    pub(crate) fn dial_provider(&mut self, peer: PeerId, around: &Surroundings<'_>, cx: &mut Context) {
        self.providers.retain(|_, (_, until)| *until > around.now);
        let is_wanted = self.providers.len() < PROVIDERS
            && peer != around.own
            && around.peers.number(&peer).is_none()
            && !self.providers.contains_key(&peer)
            && !around.access.bans(|bans| bans.covers_peer(peer, around.clock));
        if !is_wanted {
            return;
        }
        tracing::info!(target: "cairn::network", %peer, "dialling a provider of what sync needs");
        let number = self.number();
        self.providers.insert(peer, (number, around.now + PROVIDER_STAYS));
        let (condition, number) = (DialCondition::DisconnectedAndNotDialling, Some(number));
        cx.push(SwarmAction::Dial(Dial { peer, addresses: Vec::new(), condition, number, is_own: false }));
    }

    /// A connection stands that this node dialled. `true` when it was only to see whether the address of a peer is
    /// right, and is closed again.
    pub(crate) fn on_reached(
        &mut self,
        dial: DialNumber,
        connection: ConnectionNumber,
        around: &Surroundings<'_>,
        book: &mut AddressBook,
        cx: &mut Context,
    ) -> bool {
        let Some(Attempt { address, purpose }) = self.dials.remove(&dial) else { return false };
        let peer = address.peer();
        let Some(known) = around.peers.number(&peer).and_then(|number| around.peers.get(number)) else {
            match purpose {
                DialPurpose::Slot => self.chosen.insert(peer),
                DialPurpose::Feeler => self.feelers.insert(peer),
            };
            return false;
        };
        if known.status.is_some() {
            book.reached(address, around.clock);
        }
        // Two who dial each other at once would each close its own, and have none: only feelers are closed.
        if purpose == DialPurpose::Feeler {
            cx.push(SwarmAction::Close(connection));
        }
        purpose == DialPurpose::Feeler
    }

    /// A dial has failed.
    pub(crate) fn on_unreached(
        &mut self,
        dial: DialNumber,
        failure: &DialFailure,
        peers: &PeerTable,
        book: &mut AddressBook,
        cx: &Context,
    ) {
        self.providers.retain(|_, (dialled, _)| *dialled != dial);
        let Some(Attempt { address, .. }) = self.dials.remove(&dial) else { return };
        if *failure == DialFailure::NotDialled {
            return;
        }
        if peers.len() > 0 {
            book.failed(&address, cx.clock);
        } else {
            self.while_alone.entry(address).or_default().tried(cx.now, ALONE_PAUSE);
        }
    }

    /// A peer has said, for the first time, where it stands, and is of this network.
    pub(crate) fn on_acquainted(
        &mut self,
        peer: &Peer,
        around: &Surroundings<'_>,
        book: &mut AddressBook,
        cx: &mut Context,
    ) {
        if !peer.inbound
            && let Some(address) = NodeAddress::new(peer.id, &peer.address, book.allows_private())
        {
            book.reached(address, around.clock);
        }
        if self.feelers.remove(&peer.id) {
            // Hearsay is tried out wherever it leads: a neighbourhood that told of itself gets no more slots.
            if self.has_room_for(group_of_peer(peer), around.peers) {
                self.chosen.insert(peer.id);
            } else {
                cx.push(SwarmAction::Disconnect(peer.id));
            }
        }
    }

    /// Parts from the silent, from passing acquaintances when no slot is free for them, and from one peer
    /// that has long been useless.
    fn part(&mut self, around: &Surroundings<'_>, cx: &mut Context) {
        let Surroundings { peers, now, .. } = *around;
        for peer in peers.silent(now) {
            // The operator's own are redialled anyway.
            tracing::info!(target: "cairn::network", %peer, "parting from a silent peer");
            cx.push(SwarmAction::Disconnect(peer));
        }
        let passing = peers.iter().map(|(_, peer)| peer).filter(|peer| self.is_passing(peer, around));
        let mut staying = 0;
        for peer in passing.collect::<Vec<_>>() {
            if self.has_room_for(group_of_peer(peer), peers) {
                self.chosen.insert(peer.id);
            } else if peer.connected_for(now) <= PASSING && staying < MOST_PASSING {
                staying += 1;
            } else {
                cx.push(SwarmAction::Disconnect(peer.id));
            }
        }
        if self.next_rotation <= now && !self.is_free() {
            let chosen = &self.chosen;
            if let Some(peer) = peers.stalest(|peer| chosen.contains(&peer.id), now) {
                tracing::info!(target: "cairn::network", %peer, "a peer was of no use for long; somebody else gets its slot");
                self.next_rotation = now + ROTATE_EVERY;
                cx.push(SwarmAction::Disconnect(peer));
            }
        }
    }

    /// Whether this node dialled somebody without having chosen it. A connection through a relay is nobody's
    /// choice of address, and stays.
    fn is_passing(&self, peer: &Peer, around: &Surroundings<'_>) -> bool {
        let may_stay = self.providers.get(&peer.id).is_some_and(|(_, until)| *until > around.now);
        !peer.inbound
            && !may_stay
            && peer.status.is_some()
            && !self.chosen.contains(&peer.id)
            && !self.feelers.contains(&peer.id)
            && !around.persistent.is_named(&peer.id)
            && !ip_groups::is_relayed(&peer.address)
    }

    /// Marks whom to return to after a restart: those who have held a slot longest.
    pub(crate) fn mark_anchors(&self, peers: &PeerTable, book: &mut AddressBook) {
        let allow_private = book.allows_private();
        let chosen = peers.iter().filter(|(_, peer)| self.chosen.contains(&peer.id));
        let addresses = chosen.filter_map(|(_, peer)| NodeAddress::new(peer.id, &peer.address, allow_private));
        let anchors: Vec<NodeAddress> = addresses.take(ANCHORS).collect();
        // A node that has just lost everybody keeps those it had.
        if !anchors.is_empty() {
            book.set_anchors(&anchors);
        }
    }
}

/// The group of an address that can be told from others.
fn public_group(address: &NodeAddress) -> Option<Prefix> {
    Some(address.ip()).filter(|ip| !ip_groups::is_private(*ip)).map(ip_groups::group_of)
}

/// Whether an address is in none of these groups; those that cannot be told apart are everywhere.
fn is_elsewhere(address: &NodeAddress, taken: &BTreeSet<Prefix>) -> bool {
    public_group(address).is_none_or(|group| !taken.contains(&group))
}

fn group_of_peer(peer: &Peer) -> Option<Prefix> {
    ip_groups::ip_of(&peer.address).filter(|ip| !ip_groups::is_private(*ip)).map(ip_groups::group_of)
}

#[cfg(test)]
mod eclipse;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addrman::book::{AddressBook, Source};
    use crate::addrman::node_address::tests::at;
    use crate::testing::{context, on_swarm};

    /// Draws as many outbound peers as there are slots, spread over groups or not.
    fn fill(book: &mut AddressBook, spread: bool) -> Vec<Prefix> {
        let mut groups = Vec::new();
        for _ in 0..SLOTS {
            let taken: BTreeSet<Prefix> = if spread { groups.iter().copied().collect() } else { BTreeSet::new() };
            let drawn = book.draw(Table::New, cairn_common::clock::now(), |address| is_elsewhere(address, &taken));
            groups.extend(drawn.as_ref().and_then(public_group));
        }
        groups
    }

    #[test]
    fn eclipse_a_neighbourhood_that_fills_the_book_gets_one_slot() {
        let mut book = AddressBook::new([3; 16], false);
        let attacker = at(0, [66, 6, 0, 1]);
        for n in 0..5_000_u64 {
            let address = at(n, [66, 6, (n / 250) as u8, (n % 250) as u8 + 1]);
            // Told by as many neighbourhoods as it likes, so that no share of the book protects.
            let teller = at(n, [(n % 100) as u8 + 100, (n / 100) as u8, 1, 1]);
            book.add(address, Source::Node(&teller.group_bytes()), cairn_common::clock::now());
        }
        for n in 0..20 {
            let honest = at(10_000 + n, [50, n as u8, 1, 1]);
            book.add(honest, Source::Node(&honest.group_bytes()), cairn_common::clock::now());
        }
        let of_the_attacker =
            |groups: &[Prefix]| groups.iter().filter(|it| Some(**it) == public_group(&attacker)).count();
        let spread = fill(&mut book, true);
        assert_eq!(spread.iter().collect::<BTreeSet<_>>().len(), SLOTS, "eight groups");
        assert!(of_the_attacker(&spread) <= 1);
        // The control: without the spread it gets most.
        assert!(of_the_attacker(&fill(&mut book, false)) > SLOTS / 2);
    }

    #[test]
    fn slots_are_filled_one_a_group_and_what_was_given_up_is_free_again() {
        let mut cx = context();
        let mut book = AddressBook::new([3; 16], false);
        for n in 0..30 {
            let address = at(n, [50 + (n % 3) as u8, 1, 1, n as u8 + 1]);
            book.add(address, Source::Node(&address.group_bytes()), cx.clock);
        }
        let (peers, persistent, access) = (PeerTable::default(), PersistentPeers::default(), Access::default());
        let around = Surroundings::new(PeerId::random(), &peers, &persistent, &access, &cx);
        let mut slots = Slots::new(16, Vec::new(), cx.now);
        slots.tick(&around, &mut book, &mut cx);
        let dials: Vec<Dial> = on_swarm(&mut cx)
            .into_iter()
            .filter_map(|action| if let SwarmAction::Dial(dial) = action { Some(dial) } else { None })
            .collect();
        let (for_slots, feelers): (Vec<&Dial>, Vec<&Dial>) =
            dials.iter().partition(|dial| dial.condition == DialCondition::DisconnectedAndNotDialling);
        assert_eq!((for_slots.len(), feelers.len()), (3, 1), "three groups, and hearsay tried out");
        assert!(slots.is_free());
        let number = for_slots[0].number.expect("it is counted");
        slots.on_unreached(number, &DialFailure::Unreachable, &peers, &mut book, &cx);
        slots.tick(&around, &mut book, &mut cx);
        let again = on_swarm(&mut cx);
        assert!(again.iter().any(|action| matches!(action, SwarmAction::Dial(dial) if dial.condition == DialCondition::DisconnectedAndNotDialling)));
    }

    /// A node that had nobody once dialled every address it knew at every tick.
    #[test]
    fn a_node_without_peers_dials_nobody_more_than_once_a_minute_for_long() {
        let (mut cx, mut book) = (context(), AddressBook::new([3; 16], false));
        let address = at(1, [50, 1, 1, 1]);
        book.add(address, Source::Own, cx.clock);
        let (peers, persistent, access) = (PeerTable::default(), PersistentPeers::default(), Access::default());
        let mut slots = Slots::new(16, Vec::new(), cx.now);
        let mut seconds = Vec::new();
        for second in (0..600).step_by(10) {
            let around = Surroundings::new(PeerId::random(), &peers, &persistent, &access, &cx);
            slots.tick(&around, &mut book, &mut cx);
            for action in on_swarm(&mut cx) {
                let SwarmAction::Dial(Dial { number: Some(number), .. }) = action else { continue };
                seconds.push(second);
                slots.on_unreached(number, &DialFailure::Unreachable, &peers, &mut book, &cx);
            }
            (cx.now, cx.clock) = (cx.now + Duration::from_secs(10), cx.clock.saturating_add(10_000));
        }
        assert_eq!(seconds, [0, 10, 20, 30, 40, 60, 100, 160, 220, 280, 340, 400, 460, 520, 580]);
        assert_eq!(book.count(), (1, 0), "the line may be its own: nobody is given up");
        let mut peers = PeerTable::default();
        peers.connected(PeerId::random(), at(2, [51, 1, 1, 1]).multiaddr(), true, cx.now);
        let around = Surroundings::new(PeerId::random(), &peers, &persistent, &access, &cx);
        slots.tick(&around, &mut book, &mut cx);
        assert!(on_swarm(&mut cx).iter().any(|action| matches!(action, SwarmAction::Dial(_))), "no longer alone");
    }

    #[test]
    fn on_a_network_of_private_addresses_neighbours_are_taken() {
        let (first, second) = (at(1, [127, 0, 0, 1]), at(2, [10, 0, 0, 1]));
        assert_eq!((public_group(&first), public_group(&second)), (None, None));
        assert!(is_elsewhere(&first, &BTreeSet::from([ip_groups::group_of(first.ip())])));
    }
}

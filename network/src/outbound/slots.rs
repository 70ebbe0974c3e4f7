//! Whom this node dials by itself: it keeps its outbound slots filled from the address book, spread over
//! address groups, and tries hearsay out with short connections (feelers), so that the book knows what is
//! really there.
//!
//! An outbound slot is the node's own choice, which is what protects it from being surrounded: nobody gets one
//! by connecting, by answering searches, or by being many in one neighbourhood. Connections that Kademlia or
//! boot nodes brought along are *passing*: they get a free slot, or go. A few providers of what sync lacks may
//! stay for a while without a slot.

use crate::{
    addrman::{
        book::Table,
        ip_groups::{self, Group},
        node_address::NodeAddress,
    },
    peers::table::Peer,
    service::Service,
};
use cairn_common::clock;
use libp2p::{
    PeerId,
    swarm::{
        ConnectionId, DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

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
/// How often a slot may be taken from a peer that has long been useless.
const ROTATE_EVERY: Duration = Duration::from_secs(600);

/// Providers dialled, or connected, because sync looked for them; a place is free again when its time is over.
const PROVIDERS: usize = 3;
/// How long such a provider may stay without a slot: to fetch gigabytes from it.
const PROVIDER_STAYS: Duration = Duration::from_secs(1800);

/// Why an address is dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To fill a slot.
    Slot,
    /// To see whether it is there.
    Feeler,
}

#[derive(Debug)]
struct Dial {
    address: NodeAddress,
    purpose: Purpose,
}

/// Dials of ours, and what came of them.
#[derive(Debug)]
pub(crate) struct Outbound {
    dials: BTreeMap<ConnectionId, Dial>,
    /// Connected peers that hold a slot.
    chosen: BTreeSet<PeerId>,
    /// Connected peers that are only looked at.
    feelers: BTreeSet<PeerId>,
    /// Those whom sync had looked for, and until when they may stay.
    providers: BTreeMap<PeerId, (ConnectionId, Instant)>,
    /// From before the restart; dialled first.
    anchors: Vec<NodeAddress>,
    next_feeler: Instant,
    next_rotation: Instant,
}

impl Outbound {
    /// With these peers to return to.
    pub(crate) fn new(anchors: Vec<NodeAddress>, now: Instant) -> Self {
        let (dials, chosen, feelers) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let providers = BTreeMap::new();
        Self { dials, chosen, feelers, providers, anchors, next_feeler: now, next_rotation: now + ROTATE_EVERY }
    }

    /// Forgets a peer that is gone.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.chosen.remove(peer);
        self.feelers.remove(peer);
        self.providers.remove(peer);
    }

    fn is_dialling(&self, peer: &PeerId) -> bool {
        self.dials.values().any(|dial| dial.address.peer() == *peer)
    }

    /// Slots that are taken, or soon will be.
    fn taken(&self) -> usize {
        self.chosen.len() + self.dials.values().filter(|dial| dial.purpose == Purpose::Slot).count()
    }
}

impl Service {
    /// How many outbound slots this node keeps filled.
    fn slots(&self) -> usize {
        SLOTS.min(self.config.max_outbound)
    }

    /// Whether a slot is free.
    pub(crate) fn wants_peers(&self) -> bool {
        self.outbound.taken() < self.slots()
    }

    /// Fills slots, tries hearsay out, and parts from those who are of no use.
    pub(crate) fn reach_out(&mut self, now: Instant) {
        self.part(now);
        while self.wants_peers() && self.outbound.dials.len() < DIALS {
            let Some(address) = self.candidate() else { break };
            self.dial(address, Purpose::Slot);
        }
        if self.outbound.next_feeler <= now && self.outbound.dials.len() < DIALS {
            let (_, tried) = self.book.count();
            if tried >= FEW_TRIED {
                self.outbound.next_feeler = now + FEELER_EVERY;
            }
            if let Some(address) = self.doubtful() {
                self.dial(address, Purpose::Feeler);
            }
        }
    }

    /// Somebody for a slot: an anchor, or as likely one that was reached as one that is hearsay, in a group
    /// where this node has nobody yet.
    fn candidate(&mut self) -> Option<NodeAddress> {
        let taken = self.taken_groups();
        let (swarm, outbound, persistent_peers) = (&self.swarm, &self.outbound, &self.persistent_peers);
        let wanted = |address: &NodeAddress| {
            let peer = address.peer();
            !swarm.is_connected(&peer)
                && peer != *swarm.local_peer_id()
                && !outbound.is_dialling(&peer)
                && !persistent_peers.is_named(&peer)
                && is_elsewhere(address, &taken)
                && swarm.behaviour().gate.refusal(peer, &address.multiaddr()).is_none()
        };
        if let Some(at) = outbound.anchors.iter().position(wanted) {
            return Some(self.outbound.anchors.swap_remove(at));
        }
        let now = clock::now();
        let (first, second) =
            if self.book.dice(2) == 0 { (Table::Tried, Table::New) } else { (Table::New, Table::Tried) };
        self.book.draw(first, now, wanted).or_else(|| self.book.draw(second, now, wanted))
    }

    /// Hearsay to try out: of strangers, and of peers who say where they can be dialled.
    fn doubtful(&mut self) -> Option<NodeAddress> {
        let (swarm, outbound) = (&self.swarm, &self.outbound);
        let wanted = |address: &NodeAddress| {
            let peer = address.peer();
            peer != *swarm.local_peer_id()
                && !outbound.is_dialling(&peer)
                && swarm.behaviour().gate.refusal(peer, &address.multiaddr()).is_none()
        };
        self.book.draw(Table::New, clock::now(), wanted)
    }

    /// The groups in which this node has an outbound peer, or soon will.
    fn taken_groups(&self) -> BTreeSet<Group> {
        let dialled = self.outbound.dials.values().filter(|dial| dial.purpose == Purpose::Slot);
        let dialled = dialled.filter_map(|dial| public_group(&dial.address));
        let chosen = self.peers.iter().filter(|(_, peer)| self.outbound.chosen.contains(&peer.id));
        dialled.chain(chosen.filter_map(|(_, peer)| group_of_peer(peer))).collect()
    }

    /// Whether this node has nobody in a group yet; those that cannot be told apart are everywhere.
    fn is_welcome(&self, group: Option<Group>) -> bool {
        group.is_none_or(|group| !self.taken_groups().contains(&group))
    }

    fn dial(&mut self, address: NodeAddress, purpose: Purpose) {
        self.book.dialling(&address, clock::now());
        let condition = match purpose {
            Purpose::Slot => PeerCondition::DisconnectedAndNotDialing,
            // A second connection tells as much.
            Purpose::Feeler => PeerCondition::NotDialing,
        };
        let options =
            DialOpts::peer_id(address.peer()).condition(condition).addresses(vec![address.multiaddr()]).build();
        let connection = options.connection_id();
        self.outbound.dials.insert(connection, Dial { address, purpose });
        self.swarm.behaviour_mut().announce(connection);
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(target: "cairn::network", peer = %address.peer(), %error, "not dialling");
            self.outbound.dials.remove(&connection);
            self.swarm.behaviour_mut().retract(connection);
        }
    }

    /// Dials somebody who is said to have what sync needs, where Kademlia knows it to be. It gets no slot, but may
    /// stay for a while.
    pub(crate) fn dial_provider(&mut self, peer: PeerId) {
        let now = Instant::now();
        self.outbound.providers.retain(|_, (_, until)| *until > now);
        let is_wanted = self.outbound.providers.len() < PROVIDERS
            && peer != *self.swarm.local_peer_id()
            && !self.swarm.is_connected(&peer)
            && !self.swarm.behaviour().gate.bans.covers_peer(peer, clock::now());
        if !is_wanted {
            return;
        }
        let options = DialOpts::peer_id(peer).condition(PeerCondition::DisconnectedAndNotDialing).build();
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => {
                tracing::info!(target: "cairn::network", %peer, "dialling a provider of what sync needs");
                self.outbound.providers.insert(peer, (connection, now + PROVIDER_STAYS));
            }
            Err(error) => tracing::debug!(target: "cairn::network", %peer, %error, "not dialling a provider"),
        }
    }

    /// A connection stands. `true` when it was only to see whether the address of a peer is right, and is
    /// closed again.
    pub(crate) fn on_reached(&mut self, connection: ConnectionId, peer: PeerId, is_first: bool) -> bool {
        let Some(Dial { address, purpose }) = self.outbound.dials.remove(&connection) else { return false };
        if is_first {
            match purpose {
                Purpose::Slot => self.outbound.chosen.insert(peer),
                Purpose::Feeler => self.outbound.feelers.insert(peer),
            };
            return false;
        }
        if self.peers.by_id_mut(&peer).is_some_and(|peer| peer.status.is_some()) {
            self.book.reached(address, clock::now());
        }
        // Two who dial each other at once would each close its own, and have none: only feelers are closed.
        if purpose == Purpose::Feeler {
            self.swarm.close_connection(connection);
        }
        purpose == Purpose::Feeler
    }

    /// A dial has failed.
    pub(crate) fn on_unreached(&mut self, connection: ConnectionId, error: &DialError) {
        self.outbound.providers.retain(|_, (dialled, _)| *dialled != connection);
        let Some(Dial { address, .. }) = self.outbound.dials.remove(&connection) else { return };
        let is_its_fault = match error {
            DialError::Transport(_) | DialError::WrongPeerId { .. } => true,
            // Our own limits and decisions.
            DialError::LocalPeerId { .. }
            | DialError::NoAddresses
            | DialError::DialPeerConditionFalse(_)
            | DialError::Aborted
            | DialError::Denied { .. } => false,
        };
        // With no peer at all it may be our own line: nobody is given up for that.
        if is_its_fault && self.peers.len() > 0 {
            self.book.failed(&address);
        }
    }

    /// A peer has said, for the first time, where it stands, and is of this network.
    pub(crate) fn on_acquainted(&mut self, peer: &PeerId) {
        let allow_private = self.book.allows_private();
        let Some(known) = self.peers.by_id_mut(peer) else { return };
        let group = group_of_peer(known);
        if !known.inbound
            && let Some(address) = NodeAddress::new(*peer, &known.address, allow_private)
        {
            self.book.reached(address, clock::now());
        }
        if self.outbound.feelers.remove(peer) {
            // Hearsay is tried out wherever it leads: a neighbourhood that told of itself gets no more slots.
            if self.wants_peers() && self.is_welcome(group) {
                self.outbound.chosen.insert(*peer);
            } else {
                self.disconnect(peer);
            }
        }
    }

    /// Parts from the silent, from passing acquaintances when no slot is free for them, and from one peer
    /// that has long been useless.
    fn part(&mut self, now: Instant) {
        for peer in self.peers.silent(now) {
            // The operator's own are redialled anyway.
            tracing::info!(target: "cairn::network", %peer, "parting from a silent peer");
            self.disconnect(&peer);
        }
        let passing: Vec<(PeerId, Option<Group>, bool)> = self
            .peers
            .iter()
            .filter(|(_, peer)| self.is_passing(peer, now))
            .map(|(_, peer)| (peer.id, group_of_peer(peer), peer.connected_for(now) > PASSING))
            .collect();
        for (peer, group, is_old) in passing {
            if self.wants_peers() && self.is_welcome(group) {
                self.outbound.chosen.insert(peer);
            } else if is_old {
                self.disconnect(&peer);
            }
        }
        if self.outbound.next_rotation <= now && !self.wants_peers() {
            let chosen = &self.outbound.chosen;
            if let Some(peer) = self.peers.stalest(|peer| chosen.contains(&peer.id), now) {
                tracing::info!(target: "cairn::network", %peer, "a peer was of no use for long; somebody else gets its slot");
                self.outbound.next_rotation = now + ROTATE_EVERY;
                self.disconnect(&peer);
            }
        }
    }

    /// Whether this node dialled somebody without having chosen it. A connection through a relay is nobody's
    /// choice of address, and stays.
    fn is_passing(&self, peer: &Peer, now: Instant) -> bool {
        let may_stay = self.outbound.providers.get(&peer.id).is_some_and(|(_, until)| *until > now);
        !peer.inbound
            && !may_stay
            && peer.status.is_some()
            && !self.outbound.chosen.contains(&peer.id)
            && !self.outbound.feelers.contains(&peer.id)
            && !self.persistent_peers.is_named(&peer.id)
            && !ip_groups::is_relayed(&peer.address)
    }

    /// Marks whom to return to after a restart: those who have held a slot longest.
    pub(crate) fn mark_anchors(&mut self) {
        let allow_private = self.book.allows_private();
        let chosen = self.peers.iter().filter(|(_, peer)| self.outbound.chosen.contains(&peer.id));
        let places = chosen.filter_map(|(_, peer)| NodeAddress::new(peer.id, &peer.address, allow_private));
        let anchors: Vec<NodeAddress> = places.take(ANCHORS).collect();
        // A node that has just lost everybody keeps those it had.
        if !anchors.is_empty() {
            self.book.set_anchors(&anchors);
        }
    }
}

/// The group of an address that can be told from others.
fn public_group(address: &NodeAddress) -> Option<Group> {
    Some(address.ip()).filter(|ip| !ip_groups::is_private(*ip)).map(ip_groups::group_of)
}

/// Whether an address is in none of these groups; those that cannot be told apart are everywhere.
fn is_elsewhere(address: &NodeAddress, taken: &BTreeSet<Group>) -> bool {
    public_group(address).is_none_or(|group| !taken.contains(&group))
}

fn group_of_peer(peer: &Peer) -> Option<Group> {
    ip_groups::ip_of(&peer.address).filter(|ip| !ip_groups::is_private(*ip)).map(ip_groups::group_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        addrman::book::{AddressBook, Source},
        addrman::node_address::tests::at,
    };

    /// Draws as many outbound peers as there are slots, spread over groups or not.
    fn fill(book: &mut AddressBook, spread: bool) -> Vec<Group> {
        let mut groups = Vec::new();
        for _ in 0..SLOTS {
            let taken: BTreeSet<Group> = if spread { groups.iter().copied().collect() } else { BTreeSet::new() };
            let drawn = book.draw(Table::New, clock::now(), |address| is_elsewhere(address, &taken));
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
            book.add(address, Source::Node(&teller.group_bytes()), clock::now());
        }
        for n in 0..20 {
            let honest = at(10_000 + n, [50, n as u8, 1, 1]);
            book.add(honest, Source::Node(&honest.group_bytes()), clock::now());
        }
        let of_the_attacker =
            |groups: &[Group]| groups.iter().filter(|it| Some(**it) == public_group(&attacker)).count();
        let spread = fill(&mut book, true);
        assert_eq!(spread.iter().collect::<BTreeSet<_>>().len(), SLOTS, "eight groups");
        assert!(of_the_attacker(&spread) <= 1);
        // The control: without the spread it gets most.
        assert!(of_the_attacker(&fill(&mut book, false)) > SLOTS / 2);
    }

    #[test]
    fn on_a_network_of_private_addresses_neighbours_are_taken() {
        let (first, second) = (at(1, [127, 0, 0, 1]), at(2, [10, 0, 0, 1]));
        assert_eq!((public_group(&first), public_group(&second)), (None, None));
        assert!(is_elsewhere(&first, &BTreeSet::from([Group::V4([127, 0])])));
    }
}

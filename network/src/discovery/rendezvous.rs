//! Rendezvous points: boot nodes, and whoever chooses to be one, keep registrations of nodes for a few hours.
//! This node registers with the points it is connected to, and asks them for others while slots are free.

use crate::addrman::book::{AddressBook, Source};
use crate::event::{Context, SwarmAction};
use crate::ids::{Multiaddr, PeerId};
use crate::{addrman::ip_groups, outbound::backoff::Backoff, peers::table::PeerTable};
use cairn_chain::Misbehaviour;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Points used at once.
const POINTS: usize = 4;
/// The longest pause before a point is asked or registered with again.
const RETRY_EVERY: Duration = Duration::from_secs(60);
/// Registrations asked for; a point that answers with more breaks the protocol.
const REGISTRATIONS: usize = 64;
/// What answering a question counts for, besides a share for each registration in the answer.
const ANSWER_BYTES: usize = 1024;
const REGISTRATION_BYTES: usize = 256;

/// What is done at one point.
#[derive(Debug, Default)]
struct Point {
    register: Backoff,
    discover: Backoff,
}

/// The points that are used.
#[derive(Debug)]
pub(crate) struct Rendezvous {
    own: PeerId,
    is_on: bool,
    points: BTreeMap<PeerId, Point>,
}

impl Rendezvous {
    /// Of this node.
    pub(crate) fn new(own: PeerId, is_on: bool) -> Self {
        Self { own, is_on, points: BTreeMap::new() }
    }

    /// This node is reached elsewhere from now on: every point is to know at once.
    pub(crate) fn register_again(&mut self) {
        self.points.values_mut().for_each(|point| point.register = Backoff::default());
    }

    /// Forgets a peer that is gone.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.points.remove(peer);
    }

    /// Registers with the points that are connected, and asks them for others while slots are free.
    pub(crate) fn tick(&mut self, peers: &PeerTable, wants_peers: bool, cx: &mut Context) {
        if !self.is_on {
            return;
        }
        let points = peers.iter().map(|(_, peer)| peer);
        let mut points: Vec<_> = points
            .filter(|peer| peer.services.rendezvous && peer.status.is_some())
            .map(|peer| (peer.inbound, peer.id))
            .collect();
        // Those first whom this node dialled: anybody may come and say that they are points.
        points.sort_by_key(|(inbound, _)| *inbound);
        for (_, point) in points.into_iter().take(POINTS) {
            let Point { register, discover } = self.points.entry(point).or_default();
            if register.is_due(cx.now) {
                register.tried(cx.now, RETRY_EVERY);
                cx.push(SwarmAction::Register { point });
            }
            if wants_peers && discover.is_due(cx.now) {
                discover.tried(cx.now, RETRY_EVERY);
                cx.push(SwarmAction::Discover { point, max: REGISTRATIONS as u64 });
            }
        }
    }

    /// A point keeps this node's registration for so many seconds.
    pub(crate) fn on_registered(&mut self, point: &PeerId, seconds: u64, now: Instant) {
        let again = Duration::from_secs(seconds / 2).max(RETRY_EVERY);
        if let Some(point) = self.points.get_mut(point) {
            point.register.rest(now, again);
        }
    }

    /// A point names others: whoever can be dialled goes into the book; those behind routers, which come and go, are
    /// returned.
    pub(crate) fn on_registrations(
        &self,
        point: &PeerId,
        found: &[(PeerId, Vec<Multiaddr>)],
        peers: &mut PeerTable,
        book: &mut AddressBook,
        cx: &mut Context,
    ) -> Vec<(PeerId, Multiaddr)> {
        let Some(number) = peers.number(point) else { return Vec::new() };
        if found.len() > REGISTRATIONS {
            cx.report(number, Misbehaviour::WrongAnswer);
            return Vec::new();
        }
        let source = peers.get(number).map(|peer| ip_groups::neighbourhood(&peer.address)).unwrap_or_default();
        let mut relayed = Vec::new();
        for (peer, addresses) in found.iter().filter(|(peer, _)| *peer != self.own) {
            let known = book.learn(*peer, addresses, Source::Node(&source), cx.clock);
            let relay = addresses.iter().find(|address| ip_groups::is_relayed(address));
            relayed.extend(relay.filter(|_| known.is_empty()).map(|address| (*peer, address.clone())));
        }
        peers.heard(number, cx.now);
        relayed
    }

    /// This point was asked. The library answers at once; whoever asks too much pays here.
    pub(crate) fn on_asked(&self, peer: &PeerId, registrations: usize, peers: &mut PeerTable, cx: &mut Context) {
        let Some(number) = peers.number(peer) else { return };
        peers.count_bytes(number, ANSWER_BYTES + registrations * REGISTRATION_BYTES, cx.now);
        if !peers.may_ask(number, cx.now) {
            cx.report(number, Misbehaviour::Flooding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{acquainted, at, context, multiaddr, on_swarm};
    use crate::{addrman::node_address::tests::peer, peers::table::Services};

    const POINT: Services = Services { rendezvous: true, relay: false, dials_back: false };

    #[test]
    fn points_are_registered_with_and_asked_while_slots_are_free() {
        let (mut cx, mut peers) = (context(), PeerTable::default());
        let start = cx.now;
        let (_, point) = acquainted(&mut peers, "/ip4/1.2.3.4/tcp/1", false, POINT, &cx);
        acquainted(&mut peers, "/ip4/1.2.3.5/tcp/1", false, Services::default(), &cx);
        let mut rendezvous = Rendezvous::new(PeerId::random(), true);
        rendezvous.tick(&peers, false, &mut cx);
        assert!(matches!(&on_swarm(&mut cx)[..], [SwarmAction::Register { point: asked }] if *asked == point));
        rendezvous.tick(&peers, true, &mut cx);
        assert!(matches!(&on_swarm(&mut cx)[..], [SwarmAction::Discover { point: asked, .. }] if *asked == point));
        rendezvous.on_registered(&point, 7200, start);
        rendezvous.tick(&peers, false, at(&mut cx, start + Duration::from_secs(3000)));
        assert_eq!(on_swarm(&mut cx).len(), 0, "half of the time has not passed");
        rendezvous.register_again();
        rendezvous.tick(&peers, false, at(&mut cx, start + Duration::from_secs(3000)));
        assert_eq!(on_swarm(&mut cx).len(), 1);
    }

    /// Four strangers that said they were points were once the only ones that a node used.
    #[test]
    fn strangers_that_say_they_are_points_take_no_place_of_those_whom_this_node_dialled() {
        let (mut cx, mut peers) = (context(), PeerTable::default());
        for n in 0..8 {
            acquainted(&mut peers, &format!("/ip4/9.2.3.{n}/tcp/1"), true, POINT, &cx);
        }
        let (_, own) = acquainted(&mut peers, "/ip4/1.2.3.4/tcp/1", false, POINT, &cx);
        let mut rendezvous = Rendezvous::new(PeerId::random(), true);
        rendezvous.tick(&peers, false, &mut cx);
        let registered = on_swarm(&mut cx);
        assert_eq!(registered.len(), POINTS);
        assert!(matches!(registered[0], SwarmAction::Register { point } if point == own), "{registered:?}");
    }

    #[test]
    fn whoever_can_be_dialled_goes_into_the_book_and_those_behind_relays_are_returned() {
        let (mut cx, mut peers) = (context(), PeerTable::default());
        let (_, point) = acquainted(&mut peers, "/ip4/1.2.3.4/tcp/1", false, POINT, &cx);
        let (own, public, hidden) = (PeerId::random(), peer(2), PeerId::random());
        let rendezvous = Rendezvous::new(own, true);
        let mut book = AddressBook::new([7; 16], false);
        let through = multiaddr(&format!("/ip4/8.8.8.8/tcp/1/p2p/{point}/p2p-circuit"));
        let found = [
            (own, vec![multiaddr("/ip4/9.9.9.9/tcp/1")]),
            (public, vec![multiaddr("/ip4/9.9.9.8/tcp/1")]),
            (hidden, vec![through.clone()]),
        ];
        let relayed = rendezvous.on_registrations(&point, &found, &mut peers, &mut book, &mut cx);
        assert_eq!((relayed, book.count()), (vec![(hidden, through)], (1, 0)));
        let many = vec![(public, Vec::new()); REGISTRATIONS + 1];
        rendezvous.on_registrations(&point, &many, &mut peers, &mut book, &mut cx);
        assert_eq!(cx.take_reports().len(), 1, "more than were asked for");
    }
}

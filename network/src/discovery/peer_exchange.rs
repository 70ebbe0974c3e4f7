//! `addresses/1`: peers ask each other whom they know. An answer is a random choice of what the asked node has
//! lately reached itself; what comes is hearsay until it is tried out.

use crate::addrman::book::{AddressBook, Source};
use crate::event::{Context, Received, SwarmAction};
use crate::wire::{Addresses, GetAddresses, MAX_ADDRESSES, Message as _};
use crate::{
    addrman::ip_groups, addrman::node_address::NodeAddress, ids::PeerId, outbound::backoff::Backoff,
    peers::table::PeerTable, peers::traffic::Protocol, requests::class::Class, requests::queue::Request,
};
use cairn_chain::{Misbehaviour, PeerNumber};
use cairn_ledger::{codec::BoundedVec, units::Timestamp};
use std::{collections::BTreeMap, time::Duration};

/// The longest pause before a peer is asked again while slots are free. What peers are allowed is more.
const ASK_EVERY: Duration = Duration::from_secs(120);
/// Peers asked at one tick.
const ASKED_AT_ONCE: usize = 2;

/// Whom this node has asked, and when it may again.
#[derive(Debug)]
pub(crate) struct PeerExchange {
    own: PeerId,
    /// Whether this way of finding peers is used: otherwise nobody is asked, and nothing told.
    is_on: bool,
    backoffs: BTreeMap<PeerNumber, Backoff>,
}

impl PeerExchange {
    /// Of this node.
    pub(crate) fn new(own: PeerId, is_on: bool) -> Self {
        Self { own, is_on, backoffs: BTreeMap::new() }
    }

    /// Forgets a peer that is gone.
    pub(crate) fn forget(&mut self, number: PeerNumber) {
        self.backoffs.remove(&number);
    }

    /// Asks some peers whom they know; while slots are free.
    pub(crate) fn ask(&mut self, peers: &mut PeerTable, cx: &mut Context) {
        if !self.is_on {
            return;
        }
        let is_due = |number: &PeerNumber| self.backoffs.get(number).is_none_or(|backoff| backoff.is_due(cx.now));
        let due = peers.iter().filter(|(number, peer)| peer.status.is_some() && is_due(number));
        let due: Vec<(PeerNumber, PeerId)> = due.map(|(number, peer)| (number, peer.id)).take(ASKED_AT_ONCE).collect();
        for (number, peer) in due {
            self.backoffs.entry(number).or_default().tried(cx.now, ASK_EVERY);
            let question = GetAddresses { max: MAX_ADDRESSES as u16 }.to_bytes();
            peers.sent(number, Protocol::Addresses, question.len());
            cx.push(SwarmAction::Ask { peer, class: Class::Addresses, question });
        }
    }

    /// A peer asks whom this node knows.
    pub(crate) fn on_request(
        &self,
        request: &Request,
        peers: &mut PeerTable,
        book: &mut AddressBook,
        cx: &mut Context,
    ) {
        let (number, request, question) = (request.peer, request.number, GetAddresses::from_bytes(&request.question));
        let question = match question {
            Ok(question) => question,
            Err(error) => return cx.refuse(request, number, Misbehaviour::Undecodable(error)),
        };
        if !peers.receive(number, Protocol::Addresses, GetAddresses::MAX_BYTES, cx.now) {
            return cx.refuse(request, number, Misbehaviour::Flooding);
        }
        let asker = peers.get(number).map(|peer| peer.id);
        let answer = self.sample(asker, usize::from(question.max), book, cx.clock).to_bytes();
        peers.sent(number, Protocol::Addresses, answer.len());
        cx.push(SwarmAction::Answer { request, answer });
    }

    fn sample(&self, asker: Option<PeerId>, max: usize, book: &mut AddressBook, clock: Timestamp) -> Addresses {
        if !self.is_on {
            return Addresses::default();
        }
        let sample = book.sample(max.min(MAX_ADDRESSES), clock);
        let others = sample.into_iter().filter(|address| Some(address.peer()) != asker);
        Addresses { addresses: BoundedVec::new(others.filter_map(NodeAddress::to_wire).collect()).unwrap_or_default() }
    }

    /// A peer has answered.
    pub(crate) fn on_answer(
        &self,
        number: PeerNumber,
        answer: Received,
        peers: &mut PeerTable,
        book: &mut AddressBook,
        cx: &mut Context,
    ) {
        peers.got(number, Protocol::Addresses, answer.as_ref().map_or(0, Vec::len));
        let answer = match answer.and_then(|bytes| Addresses::from_bytes(&bytes)) {
            Ok(answer) => answer,
            Err(error) => return cx.report(number, Misbehaviour::Undecodable(error)),
        };
        let Some(peer) = peers.get(number) else { return };
        let source = ip_groups::neighbourhood(&peer.address);
        let allow_private = book.allows_private();
        let addresses = answer.addresses.iter().filter_map(|wire| NodeAddress::from_wire(wire, allow_private));
        for address in addresses.filter(|address| address.peer() != self.own) {
            book.add(address, Source::Node(&source), cx.clock);
        }
        peers.heard(number, cx.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{acquainted, context, on_swarm};
    use crate::{addrman::node_address::tests::at, ids::RequestNumber};

    fn book() -> AddressBook {
        AddressBook::new([7; 16], true)
    }

    #[test]
    fn a_peer_is_asked_once_in_a_while_and_nobody_where_it_is_switched_off() {
        let (mut cx, mut peers) = (context(), PeerTable::default());
        let (number, _) = acquainted(&mut peers, "/ip4/1.2.3.4/tcp/1", false, Default::default(), &cx);
        PeerExchange::new(PeerId::random(), false).ask(&mut peers, &mut cx);
        assert_eq!(on_swarm(&mut cx).len(), 0);
        let mut exchange = PeerExchange::new(PeerId::random(), true);
        exchange.ask(&mut peers, &mut cx);
        exchange.ask(&mut peers, &mut cx);
        assert!(matches!(&on_swarm(&mut cx)[..], [SwarmAction::Ask { class: Class::Addresses, .. }]));
        exchange.forget(number);
        exchange.ask(&mut peers, &mut cx);
        assert_eq!(on_swarm(&mut cx).len(), 1, "the control: a new connection is asked at once");
    }

    #[test]
    fn what_a_peer_says_is_hearsay_but_for_what_it_says_of_this_node() {
        let (mut cx, mut peers) = (context(), PeerTable::default());
        let (number, _) = acquainted(&mut peers, "/ip4/1.2.3.4/tcp/1", false, Default::default(), &cx);
        let (own, other) = (at(1, [5, 6, 7, 8]), at(2, [9, 9, 9, 9]));
        let exchange = PeerExchange::new(own.peer(), true);
        let told = [own, other].into_iter().filter_map(NodeAddress::to_wire).collect();
        let answer = Addresses { addresses: BoundedVec::new(told).expect("two") }.to_bytes();
        let mut book = book();
        exchange.on_answer(number, Ok(answer), &mut peers, &mut book, &mut cx);
        assert_eq!((book.count(), cx.take_reports().len()), ((1, 0), 0));
        exchange.on_answer(number, Ok(vec![255; 9]), &mut peers, &mut book, &mut cx);
        assert_eq!(cx.take_reports().len(), 1, "what is no message is reported");
    }

    #[test]
    fn who_asks_is_answered_and_who_floods_is_reported() {
        let (mut cx, mut peers) = (context(), PeerTable::default());
        let (peer, _) = acquainted(&mut peers, "/ip4/1.2.3.4/tcp/1", true, Default::default(), &cx);
        let (exchange, mut book) = (PeerExchange::new(PeerId::random(), true), book());
        let (mut answered, mut refused) = (0, 0);
        for n in 0..100 {
            let question = GetAddresses { max: 3 }.to_bytes();
            let request = Request { number: RequestNumber(n), peer, class: Class::Addresses, question };
            exchange.on_request(&request, &mut peers, &mut book, &mut cx);
            match &on_swarm(&mut cx)[..] {
                [SwarmAction::Answer { .. }] => answered += 1,
                [SwarmAction::Drop(_)] => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(answered + refused, 100);
        assert_eq!(cx.take_reports().len(), refused);
        assert!((1..=8).contains(&answered), "{answered}");
    }
}

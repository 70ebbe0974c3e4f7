//! `addresses/1`: peers ask each other whom they know. An answer is a random choice of what the asked node has
//! lately reached itself; what comes is hearsay until it is tried out.

use crate::{
    addrman::{
        book::{AddressBook, Source},
        ip_groups,
        node_address::NodeAddress,
    },
    event::{Actions, Moment, PeerId, Received, SwarmAction},
    outbound::backoff::Backoff,
    peers::{table::PeerTable, traffic::Protocol},
    requests::{class::Class, queue::Request},
    wire::{Addresses, GetAddresses, MAX_ADDRESSES, Message as _},
};
use cairn_chain::verdict::{Misbehaviour, PeerNumber};
use cairn_ledger::{codec::BoundedVec, units::Timestamp};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

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
    pub(crate) fn ask(&mut self, peers: &mut PeerTable, now: Instant, out: &mut Actions) {
        if !self.is_on {
            return;
        }
        let is_due = |number: &PeerNumber| self.backoffs.get(number).is_none_or(|backoff| backoff.is_due(now));
        let due = peers.iter().filter(|(number, peer)| peer.status.is_some() && is_due(number));
        let due: Vec<(PeerNumber, PeerId)> = due.map(|(number, peer)| (number, peer.id)).take(ASKED_AT_ONCE).collect();
        for (number, peer) in due {
            self.backoffs.entry(number).or_default().tried(now, ASK_EVERY);
            let question = GetAddresses { max: MAX_ADDRESSES as u16 }.to_bytes();
            peers.sent(number, Protocol::Addresses, question.len());
            out.push(SwarmAction::Ask { peer, class: Class::Addresses, question });
        }
    }

    /// A peer asks whom this node knows.
    pub(crate) fn on_request(
        &self,
        request: &Request,
        peers: &mut PeerTable,
        book: &mut AddressBook,
        moment: &Moment,
        out: &mut Actions,
    ) {
        let (number, request, question) = (request.peer, request.number, GetAddresses::from_bytes(&request.question));
        let question = match question {
            Ok(question) => question,
            Err(error) => {
                out.push(SwarmAction::Drop(request));
                return out.report(number, Misbehaviour::Undecodable(error));
            }
        };
        if !peers.receive(number, Protocol::Addresses, GetAddresses::MAX_BYTES, moment.now) {
            out.push(SwarmAction::Drop(request));
            return out.report(number, Misbehaviour::Flooding);
        }
        let asker = peers.get(number).map(|peer| peer.id);
        let answer = self.sample(asker, usize::from(question.max), book, moment.clock).to_bytes();
        peers.sent(number, Protocol::Addresses, answer.len());
        out.push(SwarmAction::Answer { request, answer });
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
        moment: &Moment,
        out: &mut Actions,
    ) {
        peers.got(number, Protocol::Addresses, answer.as_ref().map_or(0, Vec::len));
        let answer = match answer.and_then(|bytes| Addresses::from_bytes(&bytes)) {
            Ok(answer) => answer,
            Err(error) => return out.report(number, Misbehaviour::Undecodable(error)),
        };
        let Some(peer) = peers.get(number) else { return };
        let source = ip_groups::neighbourhood(&peer.address);
        let allow_private = book.allows_private();
        let addresses = answer.addresses.iter().filter_map(|wire| NodeAddress::from_wire(wire, allow_private));
        for address in addresses.filter(|address| address.peer() != self.own) {
            book.add(address, Source::Node(&source), moment.clock);
        }
        peers.heard(number, moment.now);
    }
}

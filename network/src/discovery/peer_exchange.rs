//! `addresses/1`: peers ask each other whom they know. An answer is a random choice of what the asked node has
//! lately reached itself; what comes is hearsay until it is tried out.

use crate::{
    addrman::{book::Source, ip_groups, node_address::NodeAddress},
    outbound::backoff::Backoff,
    peers::traffic::Protocol,
    service::Service,
    swarm::{behaviour::Requests, codec::Received},
    wire::{Addresses, GetAddresses, MAX_ADDRESSES, Message as _},
};
use cairn_chain::verdict::{Misbehaviour, PeerNumber};
use cairn_common::clock;
use cairn_ledger::codec::BoundedVec;
use libp2p::{PeerId, request_response};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// The longest pause before a peer is asked again while slots are free. What peers are allowed is more.
const ASK_EVERY: Duration = Duration::from_secs(120);
/// Peers asked at one tick.
const ASKED_AT_ONCE: usize = 2;

/// Whom this node has asked, and when it may again.
#[derive(Debug, Default)]
pub(crate) struct PeerExchange(BTreeMap<PeerNumber, Backoff>);

impl PeerExchange {
    /// Forgets a peer that is gone.
    pub(crate) fn forget(&mut self, number: PeerNumber) {
        self.0.remove(&number);
    }
}

impl Service {
    fn address_requests(&mut self) -> &mut Requests {
        &mut self.swarm.behaviour_mut().addresses
    }

    /// Asks some peers whom they know, while slots are free.
    pub(crate) fn exchange_addresses(&mut self, now: Instant) {
        if !self.config.discovery.exchange || !self.wants_peers() {
            return;
        }
        let peer_exchange = &self.peer_exchange;
        let is_due = |number: &PeerNumber| peer_exchange.0.get(number).is_none_or(|backoff| backoff.is_due(now));
        let known = self.peers.iter().filter(|(number, peer)| peer.status.is_some() && is_due(number));
        let asked: Vec<(PeerNumber, PeerId)> =
            known.map(|(number, peer)| (number, peer.id)).take(ASKED_AT_ONCE).collect();
        for (number, id) in asked {
            self.peer_exchange.0.entry(number).or_default().tried(now, ASK_EVERY);
            let question = GetAddresses { max: MAX_ADDRESSES as u16 }.to_bytes();
            self.peers.sent(number, Protocol::Addresses, question.len());
            self.address_requests().send_request(&id, Ok(question));
        }
    }

    /// What peers ask and answer.
    pub(crate) fn on_addresses_event(&mut self, event: request_response::Event<Received, Received>) {
        let request_response::Event::Message { peer, message, .. } = event else { return };
        let Some(number) = self.peers.number(&peer) else { return };
        match message {
            request_response::Message::Request { request, channel, .. } => {
                let question = match request.and_then(|bytes| GetAddresses::from_bytes(&bytes)) {
                    Ok(question) => question,
                    Err(error) => return self.report(number, &Misbehaviour::Undecodable(error)),
                };
                if !self.peers.receive(number, Protocol::Addresses, GetAddresses::MAX_BYTES, Instant::now()) {
                    return self.report(number, &Misbehaviour::Flooding);
                }
                let answer = self.known_addresses(&peer, usize::from(question.max)).to_bytes();
                self.peers.sent(number, Protocol::Addresses, answer.len());
                // Whoever asked may be gone.
                let _ = self.address_requests().send_response(channel, Ok(answer));
            }
            request_response::Message::Response { response, .. } => {
                let bytes = response.as_ref().map_or(0, Vec::len);
                self.peers.got(number, Protocol::Addresses, bytes);
                match response.and_then(|bytes| Addresses::from_bytes(&bytes)) {
                    Ok(answer) => self.take_addresses(number, answer),
                    Err(error) => self.report(number, &Misbehaviour::Undecodable(error)),
                }
            }
        }
    }

    /// What this node tells a peer: nothing when it has this way of finding peers switched off.
    fn known_addresses(&mut self, asker: &PeerId, max: usize) -> Addresses {
        if !self.config.discovery.exchange {
            return Addresses::default();
        }
        let sample = self.book.sample(max.min(MAX_ADDRESSES), clock::now());
        let others = sample.into_iter().filter(|address| address.peer() != *asker);
        Addresses { addresses: BoundedVec::new(others.filter_map(NodeAddress::to_wire).collect()).unwrap_or_default() }
    }

    fn take_addresses(&mut self, number: PeerNumber, answer: Addresses) {
        let Some(peer) = self.peers.get(number) else { return };
        let source = ip_groups::neighbourhood(&peer.address);
        let (own, allow_private) = (*self.swarm.local_peer_id(), self.book.allows_private());
        let places = answer.addresses.iter().filter_map(|wire| NodeAddress::from_wire(wire, allow_private));
        for address in places.filter(|address| address.peer() != own) {
            self.book.add(address, Source::Node(&source), clock::now());
        }
        self.peers.heard(number, Instant::now());
    }
}

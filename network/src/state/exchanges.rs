//! Requests, answers and gossip, where they mean something to several machines.

use super::{NetworkState, UNHEARD};
use crate::event::{Action, Context, Gossiped, Job, Received, SwarmAction, Topic};
use crate::handle::{NetworkEvent, Provider};
use crate::ids::{Multiaddr, PeerId, RequestNumber, SearchNumber};
use crate::{
    gossip::judge::Judged, gossip::relay::Learned, gossip::relay::Unlooked, outbound::slots::Surroundings,
    peers::status, pool_sync::rounds::FetchedPool, requests::class::Class, requests::queue::Request,
};
use cairn_chain::{ChainEvent, Misbehaviour, Verdict};
use cairn_ledger::codec::DecodeError;

impl NetworkState {
    /// A peer asks for something.
    pub(super) fn on_request(
        &mut self,
        id: PeerId,
        class: Class,
        number: RequestNumber,
        question: Received,
        cx: &mut Context,
    ) {
        let Some(peer) = self.peers.number(&id) else { return cx.push(SwarmAction::Drop(number)) };
        let question = match question {
            Ok(question) => question,
            Err(error) => return cx.refuse(number, peer, Misbehaviour::Undecodable(error)),
        };
        let request = Request { number, peer, class, question };
        match class {
            Class::Status => {
                if !status::may_ask(peer, &mut self.peers, cx) {
                    return cx.push(SwarmAction::Drop(number));
                }
                let answer = self.status.tell(peer, &mut self.peers, cx);
                cx.push(SwarmAction::Answer { request: number, answer });
                self.on_status(id, Ok(request.question), cx);
            }
            Class::Addresses => {
                self.exchange.on_request(&request, &mut self.peers, &mut self.book, cx);
            }
            Class::Headers | Class::Bodies | Class::BlockTxs | Class::Pool | Class::Snapshot => {
                self.requests.on_request(request, &mut self.peers, cx);
            }
        }
    }

    /// A peer has answered this node's status, or whom it knows.
    pub(super) fn on_answer(&mut self, peer: PeerId, class: Class, answer: Received, cx: &mut Context) {
        if class == Class::Status {
            self.on_status(peer, answer, cx);
        } else if let Some(number) = self.peers.number(&peer) {
            self.exchange.on_answer(number, answer, &mut self.peers, &mut self.book, cx);
        }
    }

    /// A peer has answered another question with so many bytes.
    pub(super) fn on_answered(
        &mut self,
        peer: &PeerId,
        class: Class,
        bytes: Result<usize, DecodeError>,
        cx: &mut Context,
    ) {
        let Some(number) = self.peers.number(peer) else { return };
        match bytes {
            Err(error) => cx.report(number, Misbehaviour::Undecodable(error)),
            Ok(bytes) => {
                self.peers.got(number, class.protocol(), bytes);
                match class {
                    Class::Headers | Class::Bodies | Class::Snapshot => self.peers.gave(number, bytes, cx.now),
                    // What these are worth shows when the block is whole, and when the pool has admitted them.
                    Class::BlockTxs | Class::Pool => self.peers.was_useful(number, cx.now),
                    Class::Status | Class::Addresses => {}
                }
            }
        }
    }

    /// A peer does not answer with its status.
    pub(super) fn on_no_status(&mut self, peer: PeerId, is_timeout: bool, cx: &mut Context) {
        match self.peers.number(&peer) {
            // Where something else of it comes, its line is slow, which is nobody's fault.
            Some(number) if is_timeout => {
                if self.peers.get(number).is_some_and(|known| known.silent_for(cx.now) > UNHEARD) {
                    cx.report(number, Misbehaviour::Stalled);
                }
            }
            None if is_timeout => {}
            // Another network, or another program: of no use to each other.
            _ => cx.push(SwarmAction::Disconnect(peer)),
        }
    }

    /// A message was gossiped by a peer.
    pub(super) fn on_gossiped(&mut self, gossiped: Gossiped, cx: &mut Context) {
        let id = gossiped.peer;
        match (self.relay.on_gossip(gossiped, &mut self.peers, cx), self.peers.number(&id)) {
            (Some(Unlooked::Transactions), _) => self.pool_rounds.missed(id, cx.now),
            (Some(Unlooked::Block(id)), Some(peer)) => self.backlog.push(NetworkEvent::MissedBlock { peer, id }),
            (Some(Unlooked::Block(_)), None) | (None, _) => {}
        }
    }

    /// A gossiped message was judged.
    pub(super) fn on_judged(&mut self, job: &Job, judged: Judged, travels: bool, cx: &mut Context) {
        let Judged { verdict, misbehaviour, finding, pooled } = judged;
        self.peers.end_judging(job.sender, job.topic, job.bytes);
        pooled.into_iter().for_each(|txid| self.relay.is_known_to_others(txid));
        match self.relay.learn(job.sender, finding, travels, &mut self.peers, cx) {
            Learned::Nothing => {}
            Learned::ForSync(id) => self.backlog.push(NetworkEvent::MissedBlock { peer: job.sender, id }),
            Learned::SenderIsBehind => {
                if let Some(id) = self.peers.get(job.sender).map(|peer| peer.id) {
                    self.status.ask(id, &mut self.peers, cx);
                }
            }
        }
        if let Verdict::Reject(misbehaviour) = verdict {
            cx.report(job.sender, misbehaviour);
        }
        if let Some(misbehaviour) = misbehaviour {
            cx.report(job.sender, misbehaviour);
        }
        self.relay.send_batch(cx);
    }

    /// A peer's pool was looked through.
    pub(super) fn on_pool_fetched(&mut self, fetched: FetchedPool, cx: &mut Context) {
        let FetchedPool { from, admitted, bytes, pass_on, seen, outcome } = fetched;
        self.pool_rounds.end(from, outcome, cx.now);
        seen.iter().for_each(|txid| self.relay.is_known_to_others(*txid));
        if admitted.is_empty() {
            return;
        }
        let count = admitted.len();
        tracing::info!(target: "cairn::network", peer = from.0, count, bytes, "took transactions from a peer's pool");
        self.peers.gave(from, bytes, cx.now);
        admitted.into_iter().for_each(|txid| self.relay.is_known_to_others(txid));
        pass_on.into_iter().for_each(|transaction| self.relay.pass_on(transaction, cx.now));
        self.relay.send_batch(cx);
    }

    /// A rendezvous point names others.
    pub(super) fn on_registrations(&mut self, point: &PeerId, found: &[(PeerId, Vec<Multiaddr>)], cx: &mut Context) {
        let relayed = self.rendezvous.on_registrations(point, found, &mut self.peers, &mut self.book, cx);
        for (peer, address) in relayed.into_iter().filter(|_| self.slots.is_free()) {
            self.nat.dial(peer, address, &self.peers, cx);
        }
    }

    /// A search has found some providers.
    pub(super) fn on_providers(&mut self, search: SearchNumber, providers: &[PeerId], is_last: bool, cx: &mut Context) {
        if self.dht.on_providers(search, providers) {
            for peer in providers {
                let around = Surroundings::new(self.own, &self.peers, &self.persistent, &self.access, cx);
                self.slots.dial_provider(*peer, &around, cx);
            }
        }
        if let Some(found) = self.dht.end(search, is_last) {
            let show = |peer: PeerId| Provider {
                peer_id: peer.to_string(),
                connected: self.peers.number(&peer).is_some(),
                own: peer == self.own,
            };
            cx.push(Action::EndSearch { search, found: found.into_iter().map(show).collect() });
        }
    }

    /// A peer has sent more of a protocol of the library's than it may.
    pub(super) fn on_exceeded(&mut self, peer: &PeerId, cx: &mut Context) {
        if let Some(number) = self.peers.number(peer) {
            cx.report(number, Misbehaviour::Flooding);
        }
    }

    /// Gossip had no room for messages to some peer.
    pub(super) fn on_gossip_dropped(&mut self, topic: Topic, messages: u64, cx: &Context) {
        self.relay.on_dropped(messages);
        // Transactions are found when pools are compared.
        if topic == Topic::Blocks {
            self.status.tell_soon(true, cx.now);
        }
    }

    /// The chain has another tip.
    pub(super) fn on_chain_moved(&mut self, event: &ChainEvent, cx: &mut Context) {
        if let Some(at_once) = self.relay.on_chain_moved(event, cx) {
            self.status.tell_soon(at_once, cx.now);
        }
    }
}

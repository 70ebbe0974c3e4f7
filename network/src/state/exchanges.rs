//! Requests, answers and gossip, where they mean something to several machines.

use super::NetworkState;
use crate::{
    event::{Action, Actions, Job, Moment, Received, SwarmAction},
    gossip::{judge::Judged, relay::Learned},
    handle::{NetworkEvent, Provider},
    ids::{PeerId, SearchNumber},
    outbound::slots::Surroundings,
    peers::{status, traffic::Protocol},
    pool_sync::rounds::FetchedPool,
    requests::{class::Class, queue::Request},
    wire::Message as _,
};
use cairn_chain::verdict::{Misbehaviour, Verdict};
use cairn_ledger::codec::DecodeError;
use std::time::Instant;

impl NetworkState {
    /// A peer asks for something.
    pub(super) fn on_request(&mut self, peer: PeerId, request: Request, moment: &Moment, out: &mut Actions) {
        match request.class {
            Class::Status => {
                if !status::may_ask(request.peer, &mut self.peers, moment.now, out) {
                    return out.push(SwarmAction::Drop(request.number));
                }
                let answer = status::own(&self.spec, moment).to_bytes();
                self.peers.sent(request.peer, Protocol::Status, answer.len());
                out.push(SwarmAction::Answer { request: request.number, answer });
                self.on_status(peer, Ok(request.question), moment, out);
            }
            Class::Addresses => {
                self.exchange.on_request(&request, &mut self.peers, &mut self.book, moment, out);
            }
            Class::Headers | Class::Bodies | Class::BlockTxs | Class::Pool => {
                self.requests.on_request(request, &mut self.peers, moment, out);
            }
        }
    }

    /// A peer has answered this node's status, or whom it knows.
    pub(super) fn on_answer(
        &mut self,
        peer: PeerId,
        class: Class,
        answer: Received,
        moment: &Moment,
        out: &mut Actions,
    ) {
        if class == Class::Status {
            self.on_status(peer, answer, moment, out);
        } else if let Some(number) = self.peers.number(&peer) {
            self.exchange.on_answer(number, answer, &mut self.peers, &mut self.book, moment, out);
        }
    }

    /// A peer has answered another question with so many bytes.
    pub(super) fn on_answered(
        &mut self,
        peer: &PeerId,
        class: Class,
        bytes: Result<usize, DecodeError>,
        now: Instant,
        out: &mut Actions,
    ) {
        let Some(number) = self.peers.number(peer) else { return };
        match bytes {
            Err(error) => out.report(number, Misbehaviour::Undecodable(error)),
            Ok(bytes) => {
                self.peers.got(number, class.protocol(), bytes);
                match class {
                    Class::Headers | Class::Bodies => self.peers.gave(number, bytes, now),
                    // What these are worth shows when the block is whole, and when the pool has admitted them.
                    Class::BlockTxs | Class::Pool => self.peers.was_useful(number, now),
                    Class::Status | Class::Addresses => {}
                }
            }
        }
    }

    /// A gossiped message was judged.
    pub(super) fn on_judged(&mut self, job: &Job, judged: Judged, travels: bool, moment: &Moment, out: &mut Actions) {
        let Judged { verdict, misbehaviour, finding } = judged;
        self.peers.end_judging(job.sender);
        self.relay.end_judging(job);
        match self.relay.learn(job.sender, finding, travels, &mut self.peers, moment.now, out) {
            Learned::Nothing => {}
            Learned::UnknownParent(id) => self.backlog.push(NetworkEvent::UnknownParent { peer: job.sender, id }),
            Learned::SenderIsBehind => {
                if let Some(id) = self.peers.get(job.sender).map(|peer| peer.id) {
                    status::ask(id, &self.spec, &mut self.peers, moment, out);
                }
            }
        }
        if let Verdict::Reject(misbehaviour) = verdict {
            out.report(job.sender, misbehaviour);
        }
        if let Some(misbehaviour) = misbehaviour {
            out.report(job.sender, misbehaviour);
        }
        self.relay.send_batch(moment.now, out);
    }

    /// A peer's pool was looked through.
    pub(super) fn on_pool_fetched(&mut self, fetched: FetchedPool, now: Instant, out: &mut Actions) {
        self.pool_rounds.end();
        let FetchedPool { from, admitted, bytes, pass_on } = fetched;
        if admitted.is_empty() {
            return;
        }
        let count = admitted.len();
        tracing::info!(target: "cairn::network", peer = from.0, count, bytes, "took transactions from a peer's pool");
        self.peers.gave(from, bytes, now);
        admitted.into_iter().for_each(|txid| self.relay.is_known_to_others(txid));
        pass_on.into_iter().for_each(|transaction| self.relay.pass_on(transaction, now));
        self.relay.send_batch(now, out);
    }

    /// A search has found some providers.
    pub(super) fn on_providers(
        &mut self,
        search: SearchNumber,
        providers: &[PeerId],
        is_last: bool,
        moment: &Moment,
        out: &mut Actions,
    ) {
        if self.dht.on_providers(search, providers) {
            for peer in providers {
                let around = Surroundings::new(self.own, &self.peers, &self.persistent, &self.access, moment);
                self.slots.dial_provider(*peer, &around, out);
            }
        }
        if let Some(found) = self.dht.end(search, is_last) {
            let show = |peer: PeerId| Provider {
                peer_id: peer.to_string(),
                connected: self.peers.number(&peer).is_some(),
                own: peer == self.own,
            };
            out.push(Action::EndSearch { search, found: found.into_iter().map(show).collect() });
        }
    }
}

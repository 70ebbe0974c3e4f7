//! What is looked at from time to time.

use super::{FEW_PEERS, NetworkState, SEARCH_EVERY};
use crate::{
    addrman::file,
    event::{Actions, Dial, DialCondition, Moment, SwarmAction, TaskAction},
    ids::PeerId,
    outbound::slots::Surroundings,
    peers::status,
    persistence::WithBook,
};
use std::{path::PathBuf, time::Instant};

impl NetworkState {
    pub(super) fn on_tick(&mut self, moment: &Moment, out: &mut Actions) {
        let now = moment.now;
        self.dial_persistent(now, out);
        if self.slots.is_free() {
            if self.next_search <= now {
                self.next_search = now + SEARCH_EVERY;
                out.push(SwarmAction::SearchDht);
            }
            self.exchange.ask(&mut self.peers, now, out);
        }
        self.rendezvous.tick(&self.peers, self.slots.is_free(), now, out);
        let around = Surroundings::new(self.own, &self.peers, &self.persistent, &self.access, moment);
        self.slots.tick(&around, &mut self.book, out);
        self.dht.provide(&self.spec.genesis_id(), now, out);
        self.relay_client.tick(&self.peers, now, out);
        if self.persistence.measures_memory(now) {
            out.push(TaskAction::MeasureMemory);
        }
        if let Some(with_book) = self.persistence.is_due(now) {
            let files = self.unsaved(with_book);
            self.persistence.begin(&files);
            if !files.is_empty() {
                out.push(TaskAction::Save(files));
            }
        }
        if let Some(peer) = self.pool_rounds.next(&self.peers, moment.tip.total_work, now) {
            out.push(TaskAction::FetchPool(peer));
        }
        if self.status.is_due(now) {
            let everybody: Vec<PeerId> = self.peers.iter().map(|(_, peer)| peer.id).collect();
            for peer in everybody {
                status::ask(peer, &self.spec, &mut self.peers, moment, out);
            }
        }
        self.relay.send_batch(now, out);
    }

    /// Dials whom the operator named; while too few are connected, boot nodes and neighbours, too.
    pub(super) fn dial_persistent(&mut self, now: Instant, out: &mut Actions) {
        let is_lonely = self.peers.len() < FEW_PEERS;
        for (peer, addresses) in self.persistent.due(is_lonely, now) {
            let condition = DialCondition::DisconnectedAndNotDialling;
            out.push(SwarmAction::Dial(Dial { peer, addresses, condition, number: None, is_own: true }));
        }
    }

    pub(super) fn on_memory_measured(&mut self, mib: Option<usize>) {
        let limit_mib = self.persistence.limit_mib();
        if self.access.set_crowded(mib.is_some_and(|held| held > limit_mib)) {
            tracing::warn!(
                target: "cairn::network",
                limit_mib,
                "the process holds more memory than it should: no new peers come in (network.max_memory_mib)"
            );
        }
    }

    /// The files that have changed, with their content; the node is stopping.
    pub(crate) fn unsaved_at_end(&mut self) -> Vec<(PathBuf, Vec<u8>)> {
        self.unsaved(WithBook(true))
    }

    fn unsaved(&mut self, WithBook(with_book): WithBook) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        if with_book {
            self.slots.mark_anchors(&self.peers, &mut self.book);
        }
        if with_book && self.book.take_changed() {
            files.push((self.files.book.clone(), file::encode(&self.book, &self.spec.genesis_id())));
        }
        if with_book && let Some(bytes) = self.requests.upload_target().take_changed() {
            files.push((self.files.upload.clone(), bytes));
        }
        if self.persistence.take_bans_changed() {
            files.push((self.files.bans.clone(), self.access.encode_bans()));
        }
        files
    }
}

//! What is looked at from time to time.

use super::{FEW_PEERS, NetworkState, SEARCH_EVERY};
use crate::discovery::resource::Resource;
use crate::event::{Context, Dial, DialCondition, SwarmAction, TaskAction};
use crate::{addrman::file, outbound::slots::Surroundings, peers::bans::Bans, snapshots::Snapshots};
use std::path::PathBuf;

impl NetworkState {
    pub(super) fn on_tick(&mut self, cx: &mut Context) {
        self.dial_persistent(cx);
        if self.slots.is_free() {
            if self.next_search <= cx.now {
                self.next_search = cx.now + SEARCH_EVERY;
                cx.push(SwarmAction::SearchDht);
            }
            self.exchange.ask(&mut self.peers, cx);
        }
        self.rendezvous.tick(&self.peers, self.slots.is_free(), cx);
        let around = Surroundings::new(self.own, &self.peers, &self.persistent, &self.access, cx);
        self.slots.tick(&around, &mut self.book, cx);
        self.provide(cx);
        if self.snapshots.is_due(cx.tip.height(), cx.now) {
            cx.push(TaskAction::ReadSnapshots);
        }
        self.nat.tick(&self.peers, cx);
        if self.persistence.measures_memory(cx.now) {
            cx.push(TaskAction::MeasureMemory);
        }
        if let Some(with_book) = self.persistence.is_due(cx.now) {
            let files = self.unsaved(with_book);
            if !files.is_empty() {
                self.persistence.begin();
                cx.push(TaskAction::Save(files));
            }
        }
        if let Some(peer) = self.pool_rounds.next(&self.peers, cx.tip.total_work, cx.now) {
            cx.push(TaskAction::FetchPool { peer, unseen: self.relay.unseen() });
        }
        self.status.tick(&mut self.peers, cx);
        self.relay.send_again(cx);
        self.relay.send_batch(cx);
    }

    /// Has the DHT told what this node provides.
    fn provide(&mut self, cx: &mut Context) {
        let history = self.status.keeps_all().then(|| Resource::full_history(&self.spec.genesis_id()));
        let snapshots = self.snapshots.held().iter().map(|held| Resource::snapshot(&held.state_root));
        let kept = self.status.kept();
        let whole = kept.stretches().iter().filter(|stretch| self.stretches.is_whole(stretch, kept.lowest()));
        let genesis_id = self.spec.genesis_id();
        let stretches = whole.map(|stretch| {
            Resource::stretch(&genesis_id, self.stretches.number_of(stretch.from), self.stretches.blocks)
        });
        let resources: Vec<Resource> = history.into_iter().chain(snapshots).chain(stretches).collect();
        self.dht.provide(&resources, cx);
        // The one that the tip is in has blocks that some have pruned already.
        let known = self.stretches.number_of(cx.tip.height()) + 1;
        if std::mem::replace(&mut self.known_stretches, known) != known {
            cx.push(SwarmAction::KnowStretches { blocks: self.stretches.blocks, count: known });
        }
    }

    /// What snapshots there are was read.
    pub(super) fn on_snapshots_read(&mut self, snapshots: Snapshots, cx: &mut Context) {
        if self.snapshots.on_read(snapshots, cx.now) {
            cx.push(SwarmAction::KnowSnapshots(self.snapshots.roots().to_vec()));
            self.status.set_snapshots(self.snapshots.held(), cx.now);
            self.provide(cx);
        }
    }

    /// Dials whom the operator named; while too few are connected, boot nodes and neighbours, too.
    pub(super) fn dial_persistent(&mut self, cx: &mut Context) {
        // Those who dialled this node are not counted: a few strangers would keep it from the nodes that it was told
        // of.
        let is_lonely = self.peers.len() - self.peers.inbound() < FEW_PEERS;
        for (peer, addresses) in self.persistent.due(is_lonely, cx.now) {
            let condition = DialCondition::DisconnectedAndNotDialling;
            cx.push(SwarmAction::Dial(Dial { peer, addresses, condition, number: None, is_own: true }));
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

    /// The files that have changed, with their content; `with_book`: that of the address book, and what was given
    /// today.
    pub(crate) fn unsaved(&mut self, with_book: bool) -> Vec<(PathBuf, Vec<u8>)> {
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
        if let Some(bytes) = self.access.bans(Bans::take_changed) {
            files.push((self.files.bans.clone(), bytes));
        }
        files
    }
}

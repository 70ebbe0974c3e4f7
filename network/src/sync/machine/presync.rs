//! Who may have a [`Presync`], and what follows from its steps. One peer has one, a few have one at once; those that
//! nobody named are of different neighbourhoods each, those that dialled this node come last, and one that gets on
//! slowly makes room after a while.

use super::{Machine, SyncAction, headers::Stage};
use crate::sync::presync::{Presync, Step};
use crate::sync::sync_peers::{Look, SyncPeer};
use crate::sync::tree::{MAX_AHEAD, Node};
use cairn_chain::PeerNumber;
use cairn_ledger::{block::Header, hash::BlockId, units::Height};
use std::time::Duration;

/// Presyncs of peers that nobody named, at once.
const SLOTS: usize = 4;
/// After so long a presync has to have brought headers at this rate, or another may take its slot.
const PROBATION: Duration = Duration::from_secs(60);
const LEAST_PER_SECOND: u64 = 300;

impl Machine {
    /// The headers of a peer are of a chain that has to be presynced.
    pub(super) fn go_deep(&mut self, peer: PeerNumber, parent: &BlockId) {
        // From the followed chain on: what is known of the branch may be forgotten meanwhile.
        let fork = self.tree.below(parent);
        self.change(peer, |source, _| source.deep = Some(fork));
    }

    /// Whether a peer has a slot, or would get one.
    pub(super) fn may_presync(&self, peer: PeerNumber, source: &SyncPeer) -> bool {
        if source.look.is_some() || source.kind.named {
            return true;
        }
        let others = self.sources.iter().filter(|(other, source)| **other != peer && !source.kind.named);
        let looking: Vec<&SyncPeer> = others.map(|(_, other)| other).filter(|other| other.look.is_some()).collect();
        looking.len() < SLOTS && looking.iter().all(|other| other.kind.neighbourhood != source.kind.neighbourhood)
    }

    /// Whether there is room for what a presync would let through next: its headers wait here until their bodies
    /// have come.
    pub(super) fn has_room_for_presync(&self, source: &SyncPeer) -> bool {
        let Some(look) = &source.look else { return false };
        let (Some((id, height)), Some(base)) = (source.reached, look.base) else { return true };
        let lowest = match self.tree.end() {
            Some(end) if end == id => self.tree.lowest().map_or(height, Node::height),
            // Another branch is fetched first, or none: this one's bodies did not come.
            _ if self.tree.contains(&id) => base,
            // All of it is here.
            _ => height,
        };
        height.get().saturating_sub(lowest.get()) < MAX_AHEAD
    }

    pub(super) fn on_presync_begun(&mut self, job: u64, presync: Option<Box<Presync>>) {
        let Some(peer) = self.headers.remove(&job).map(|job| job.peer) else { return };
        match presync {
            None => self.rest(peer),
            Some(presync) => {
                if let Some(source) = self.sources.get_mut(&peer) {
                    source.reached = None;
                    source.look = Some(Look { presync: Some(presync), since: self.now, headers: 0, base: None });
                }
            }
        }
    }

    /// An answer for a presync has come.
    pub(super) fn judge_presync(&mut self, job: u64, peer: PeerNumber, headers: Vec<Header>) {
        let Some(look) = self.sources.get_mut(&peer).and_then(|source| source.look.as_mut()) else { return };
        let Some(presync) = look.presync.take() else { return };
        look.headers += headers.len() as u64;
        self.hold(job, peer, Stage::Judging);
        self.actions.push(SyncAction::Presync { job, presync, headers });
    }

    pub(super) fn on_presynced(&mut self, job: u64, presync: Box<Presync>, step: Step) {
        let Some(peer) = self.headers.remove(&job).map(|job| job.peer) else { return };
        let Some(source) = self.sources.get_mut(&peer) else { return };
        match step {
            Step::Ask | Step::Link { .. } => {
                source.showed();
                self.progress = self.now;
                let work = presync.proven();
                if let Some(look) = &mut source.look {
                    look.presync = Some(presync);
                }
                if let (Step::Link { headers, is_done }, Some(work)) = (step, work) {
                    let with_ids = headers.iter().map(|header| (header.id(), header.clone())).collect();
                    self.hold(job, peer, Stage::LinkingPresync { headers: with_ids, work, is_done });
                    self.actions.push(SyncAction::Link { job, peer, headers, is_presynced: true });
                }
            }
            Step::NoMore | Step::Early => {
                source.is_early = step == Step::Early;
                (source.deep, source.look) = (None, None);
                source.succeed();
                self.end_run(peer);
            }
            // It begins anew, after a rest.
            Step::Differs => self.rest(peer),
            Step::Misbehaviour(misbehaviour) => {
                self.end_run(peer);
                self.fail(peer, misbehaviour);
            }
        }
    }

    /// What a presync let through is linked.
    pub(super) fn on_presynced_linked(&mut self, peer: PeerNumber, headers: &[(BlockId, Header)], is_done: bool) {
        let (Some(source), Some((_, first))) = (self.sources.get_mut(&peer), headers.first()) else { return };
        source.reached = headers.last().map(|(id, header)| (*id, header.height));
        if let Some(look) = &mut source.look {
            look.base.get_or_insert(first.height);
        }
        if is_done {
            (source.deep, source.look) = (None, None);
        }
        self.note_best();
        self.tree.trim();
    }

    /// Takes a slot from a presync that gets on slowly, where somebody waits for it.
    pub(super) fn pass_slots_on(&mut self) {
        let waits = |(peer, source): (&PeerNumber, &SyncPeer)| {
            source.deep.is_some()
                && source.look.is_none()
                && !source.is_resting(self.now)
                && !self.may_presync(*peer, source)
        };
        if !self.sources.iter().any(waits) {
            return;
        }
        let is_slow = |look: &Look| {
            let time = self.now.saturating_duration_since(look.since);
            time > PROBATION && look.headers < time.as_secs() * LEAST_PER_SECOND
        };
        let slow =
            self.sources.iter().filter(|(_, source)| !source.kind.named && source.look.as_ref().is_some_and(is_slow));
        if let Some(peer) = slow.map(|(peer, _)| *peer).next() {
            self.headers.retain(|_, job| job.peer != peer);
            self.rest(peer);
        }
    }

    /// How high the first passes that are under way have come.
    pub(super) fn presynced(&self) -> Option<Height> {
        let looks = self.sources.values().filter_map(|source| source.look.as_ref());
        looks.filter_map(|look| look.presync.as_ref()?.height()).max()
    }
}

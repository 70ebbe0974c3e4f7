//! What the operator does about peers while the node runs: bans, and who is admitted to a private network; and
//! what is kept in files.

use crate::{
    addrman::file,
    handle::{AdmitError, BanInfo},
    peers::bans::{self, Ban, Banned},
    process,
    service::Service,
    small_file,
};
use cairn_common::clock;
use libp2p::PeerId;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// How often the book is saved when it has changed.
const SAVE_BOOK_EVERY: Duration = Duration::from_secs(60);
/// How often memory is looked at.
const WEIGH_EVERY: Duration = Duration::from_secs(5);
/// Identities a private network may have.
pub(crate) const MAX_ADMITTED: usize = 10_000;

/// What waits to be written, and when.
#[derive(Debug)]
pub(crate) struct Upkeep {
    bans_changed: bool,
    save_book: Instant,
    weigh: Instant,
    limit_mib: usize,
}

impl Upkeep {
    /// With the most MiB that the process may hold.
    pub(crate) fn new(max_memory_mib: Option<usize>, now: Instant) -> Self {
        let limit_mib = max_memory_mib.unwrap_or_else(process::default_limit_mib);
        // The first peers are worth saving soon.
        Self { bans_changed: false, save_book: now + Duration::from_secs(5), weigh: now, limit_mib }
    }

    /// The bans are to be saved.
    pub(crate) fn note_bans(&mut self) {
        self.bans_changed = true;
    }
}

impl Service {
    /// Looks after files and memory.
    pub(crate) fn keep_up(&mut self, now: Instant) {
        if self.upkeep.weigh <= now {
            self.upkeep.weigh = now + WEIGH_EVERY;
            let is_crowded = process::resident_mib().is_some_and(|held| held > self.upkeep.limit_mib);
            let gate = &mut self.swarm.behaviour_mut().gate;
            if is_crowded && !gate.is_crowded {
                tracing::warn!(
                    target: "cairn::network",
                    limit_mib = self.upkeep.limit_mib,
                    "the process holds more memory than it should: no new peers come in (network.max_memory_mib)"
                );
            }
            gate.is_crowded = is_crowded;
        }
        // One writer at a time: a later file never loses to an earlier one.
        if !self.saves.is_empty() {
            return;
        }
        let book_is_due = self.upkeep.save_book <= now;
        if book_is_due {
            self.upkeep.save_book = now + SAVE_BOOK_EVERY;
            self.mark_anchors();
        }
        for (path, bytes) in self.unsaved(book_is_due) {
            self.saves.spawn_blocking(move || save(&path, &bytes));
        }
    }

    /// The files that have changed, with their content.
    fn unsaved(&mut self, with_book: bool) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        if with_book && self.book.take_changed() {
            let bytes = file::encode(&self.book, &self.judge.spec.genesis_id());
            files.push((self.files.book.clone(), bytes));
        }
        if with_book && let Some(bytes) = self.upload_target.take_changed() {
            files.push((self.files.upload.clone(), bytes));
        }
        if std::mem::take(&mut self.upkeep.bans_changed) {
            files.push((self.files.bans.clone(), bans::encode(&self.swarm.behaviour().gate.bans)));
        }
        files
    }

    /// Writes what is not written yet; the node is stopping.
    pub(crate) async fn save_all(&mut self) {
        while self.saves.join_next().await.is_some() {}
        self.mark_anchors();
        for (path, bytes) in self.unsaved(true) {
            self.saves.spawn_blocking(move || save(&path, &bytes));
        }
        while self.saves.join_next().await.is_some() {}
    }

    /// Refuses whoever an operator names, and parts from those it covers.
    pub(crate) fn ban(&mut self, banned: Banned, seconds: u64, reason: String) {
        let until = clock::now().saturating_add(seconds.saturating_mul(1000));
        tracing::info!(target: "cairn::network", target = %banned, seconds, reason, "banned by the operator");
        self.swarm.behaviour_mut().gate.ban(banned, Ban { until, reason });
        self.upkeep.note_bans();
        self.part_from_refused();
    }

    /// Lifts a ban; whether there was one.
    pub(crate) fn unban(&mut self, banned: &Banned) -> bool {
        let lifted = self.swarm.behaviour_mut().gate.bans.remove(banned);
        if lifted {
            tracing::info!(target: "cairn::network", target = %banned, "a ban was lifted by the operator");
            self.upkeep.note_bans();
        }
        lifted
    }

    /// The bans that hold.
    pub(crate) fn list_bans(&self) -> Vec<BanInfo> {
        let bans = self.swarm.behaviour().gate.bans.list(clock::now());
        let show = |(banned, ban): (&Banned, &Ban)| BanInfo {
            target: banned.to_string(),
            until: ban.until,
            reason: ban.reason.clone(),
        };
        bans.map(show).collect()
    }

    /// Lets a peer into this private network; whether it was out.
    pub(crate) fn admit(&mut self, peer: PeerId) -> Result<bool, AdmitError> {
        let admitted = self.swarm.behaviour_mut().gate.admitted.as_mut().ok_or(AdmitError::NotPrivate)?;
        if admitted.len() >= MAX_ADMITTED && !admitted.contains(&peer) {
            return Err(AdmitError::TooMany { max: MAX_ADMITTED });
        }
        tracing::info!(target: "cairn::network", %peer, "admitted by the operator");
        Ok(admitted.insert(peer))
    }

    /// Shuts a peer out of this private network, now; whether it was in.
    pub(crate) fn revoke(&mut self, peer: &PeerId) -> Result<bool, AdmitError> {
        let admitted = self.swarm.behaviour_mut().gate.admitted.as_mut().ok_or(AdmitError::NotPrivate)?;
        let was_in = admitted.remove(peer);
        tracing::info!(target: "cairn::network", %peer, "its admission was revoked by the operator");
        self.part_from_refused();
        Ok(was_in)
    }

    /// Closes the connections with all whom the gate would not let in now.
    fn part_from_refused(&mut self) {
        let gate = &self.swarm.behaviour().gate;
        let refused = self.peers.iter().filter(|(_, peer)| gate.refusal(peer.id, &peer.address).is_some());
        let refused: Vec<PeerId> = refused.map(|(_, peer)| peer.id).collect();
        refused.iter().for_each(|peer| self.disconnect(peer));
    }
}

/// Writes a small file. Without it the node is as well as before; with the disk full, the chain says so.
fn save(path: &std::path::Path, bytes: &[u8]) {
    if let Err(error) = small_file::write(path, bytes) {
        tracing::warn!(target: "cairn::network", path = %path.display(), %error, "not saved");
    }
}

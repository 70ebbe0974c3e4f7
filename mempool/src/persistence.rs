//! The pool across a restart: loaded at the start, saved now and then and at the end.

use super::file::{self, Loaded, Lost, Saved};
use super::handle::{GATHERING, PoolHandle};
use super::pool::Pool;
use cairn_common::clock;
use cairn_common::runtime::{self, JoinHandle};
use cairn_host::files;
use cairn_ledger::BlockId;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often the pool is saved while it changes.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// The file of the pool, if it has one.
pub(super) struct Persistence {
    genesis_id: BlockId,
    path: Option<PathBuf>,
    /// Ends once all of what was saved is in the pool.
    loading: Option<JoinHandle<()>>,
    /// Whether anything came or went since the pool was last saved.
    pub changed: bool,
    saved_at: Instant,
    saving: Option<JoinHandle<()>>,
}

impl Persistence {
    /// Begins to load what was saved, at most `max` bytes of it.
    pub(super) fn load(pool: &PoolHandle, genesis_id: BlockId, path: Option<PathBuf>, max: u64) -> Self {
        let loading = path.clone().map(|path| runtime::spawn(load(pool.clone(), genesis_id, path, max)));
        Self { genesis_id, path, loading, changed: false, saved_at: clock::instant(), saving: None }
    }

    /// Saves the pool now and then, too: a node that is killed, or whose machine loses its power, keeps what had been
    /// waiting for a while.
    pub(super) fn save_sometimes(&mut self, pool: &Pool) {
        let is_saved = self.saving.as_ref().is_none_or(JoinHandle::is_finished);
        if !self.changed || !is_saved || clock::instant().duration_since(self.saved_at) < SAVE_EVERY {
            return;
        }
        if let Some(write) = self.write(pool) {
            (self.changed, self.saved_at) = (false, clock::instant());
            self.saving = Some(runtime::spawn_blocking(move || {
                write();
            }));
        }
    }

    /// Saves the pool a last time.
    pub(super) async fn save(mut self, pool: &Pool) {
        if let Some(saving) = self.saving.take() {
            // Its failure was logged.
            let _ = saving.await;
        }
        let Some(write) = self.write(pool) else {
            if let Some(loading) = self.loading {
                loading.abort();
            }
            return;
        };
        match runtime::blocking(write).await {
            Ok(Some(count)) => tracing::info!(target: "cairn::mempool", count, "saved the pool"),
            Ok(None) => {}
            Err(error) => tracing::error!(target: "cairn::mempool", %error, "saving the pool panicked"),
        }
    }

    /// Writes the pool as it is at this moment; gives how many transactions were saved. None as long as what was saved
    /// is not all here: the file is the better copy then.
    fn write(&self, pool: &Pool) -> Option<impl FnOnce() -> Option<usize> + Send + use<>> {
        let path = self.path.clone()?;
        if self.loading.as_ref().is_some_and(|loading| !loading.is_finished()) {
            return None;
        }
        let genesis_id = self.genesis_id;
        // Shared, not copied.
        let waiting: Vec<_> = pool.transactions().map(|entry| (entry.added, entry.transaction.clone())).collect();
        Some(move || {
            let saved =
                waiting.iter().map(|(added, one)| Saved { added: *added, transaction: one.transaction().clone() });
            let saved: Vec<_> = saved.collect();
            match files::save(&path, &file::encode(&genesis_id, &saved)) {
                Ok(()) => Some(saved.len()),
                // The pool is a convenience: losing it stops nothing.
                Err(error) => {
                    tracing::warn!(target: "cairn::mempool", %error, "could not save the pool");
                    None
                }
            }
        })
    }
}

/// Submits what was saved, in pieces, so that others are not kept waiting. Listeners do not hear
/// of it: the network would take it for new.
async fn load(pool: PoolHandle, genesis_id: BlockId, path: PathBuf, max: u64) {
    let source = path.clone();
    let read = runtime::blocking(move || file::load(&source, &genesis_id, max)).await;
    let read = read.map_err(|error| error.to_string()).and_then(|read| read.map_err(|error| error.to_string()));
    let Loaded { saved, lost } = match read {
        Ok(loaded) => loaded,
        Err(reason) => {
            let path = path.display();
            tracing::warn!(target: "cairn::mempool", %path, reason, "began empty: the saved pool is unreadable");
            return;
        }
    };
    if let Some(Lost { at, bytes }) = lost {
        tracing::warn!(
            target: "cairn::mempool", path = %path.display(), at, bytes, kept = saved.len(),
            "a part of the saved pool is damaged, or more than the pool may hold; the rest is kept"
        );
    }
    let (found, mut kept) = (saved.len(), 0);
    let mut rest = saved.into_iter().map(|saved| (saved.transaction, Some(saved.added))).peekable();
    while rest.peek().is_some() {
        let piece = rest.by_ref().take(GATHERING).collect();
        let Ok(answers) = pool.submit_piece(None, piece).await else { return };
        kept += answers.iter().filter(|answer| answer.is_ok()).count();
    }
    tracing::info!(target: "cairn::mempool", found, kept, "loaded the saved pool");
}

//! The pool across a restart: loaded at the start, saved now and then and at the end.

use super::file::{self, FileError, Loaded, Lost, Saved};
use super::handle::{GATHERING, PoolHandle};
use super::pool::Pool;
use cairn_common::clock;
use cairn_common::runtime::{self, JoinHandle};
use cairn_host::files;
use cairn_ledger::{BlockId, TxId};
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often the pool is saved while it changes.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// The file of the pool, if it has one.
pub(super) struct Persistence {
    genesis_id: BlockId,
    path: Option<PathBuf>,
    /// So much of the file is read.
    max: u64,
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
        Self { genesis_id, path, max, loading, changed: false, saved_at: clock::instant(), saving: None }
    }

    /// Saves the pool now and then, too: a node that is killed, or whose machine loses its power, keeps what had been
    /// waiting for a while.
    pub(super) fn save_sometimes(&mut self, pool: &Pool) {
        let is_saved = self.saving.as_ref().is_none_or(JoinHandle::is_finished);
        if !self.changed
            || !is_saved
            || self.is_loading()
            || clock::instant().duration_since(self.saved_at) < SAVE_EVERY
        {
            return;
        }
        if let Some(write) = self.write(pool, false) {
            (self.changed, self.saved_at) = (false, clock::instant());
            self.saving = Some(runtime::spawn_blocking(move || {
                write();
            }));
        }
    }

    fn is_loading(&self) -> bool {
        self.loading.as_ref().is_some_and(|loading| !loading.is_finished())
    }

    /// Saves the pool a last time. What was saved before and is not all here yet is kept.
    pub(super) async fn save(mut self, pool: &Pool) {
        if let Some(saving) = self.saving.take() {
            // Its failure was logged.
            let _ = saving.await;
        }
        let is_loading = self.is_loading();
        if let Some(loading) = self.loading.take() {
            loading.abort();
        }
        let Some(write) = self.write(pool, is_loading) else { return };
        match runtime::blocking(write).await {
            Ok(Some(count)) => tracing::info!(target: "cairn::mempool", count, "saved the pool"),
            Ok(None) => {}
            Err(error) => tracing::error!(target: "cairn::mempool", %error, "saving the pool panicked"),
        }
    }

    /// Writes the pool as it is at this moment, and what the file has besides where that `stays`; gives how many
    /// transactions were saved.
    fn write(&self, pool: &Pool, stays: bool) -> Option<impl FnOnce() -> Option<usize> + Send + use<>> {
        let (path, genesis_id, max) = (self.path.clone()?, self.genesis_id, self.max);
        // Shared, not copied.
        let waiting: Vec<_> = pool.transactions().map(|entry| (entry.added, entry.transaction.clone())).collect();
        Some(move || {
            let mut saved = match stays.then(|| file::load(&path, &genesis_id, max)) {
                Some(Ok(before)) => before.saved,
                Some(Err(FileError::Io(error))) => {
                    tracing::warn!(
                        target: "cairn::mempool", path = %path.display(), %error,
                        "cannot read the saved pool, so it stays as it is; what came since is not saved"
                    );
                    return None;
                }
                Some(Err(FileError::NotAPool | FileError::OtherNetwork { .. })) | None => Vec::new(),
            };
            let known: HashSet<TxId> = saved.iter().map(|one| one.transaction.id()).collect();
            let new = waiting.iter().filter(|(_, one)| !known.contains(&one.txid()));
            saved.extend(new.map(|(added, one)| Saved { added: *added, transaction: one.transaction().clone() }));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{PoolConfig, Standing};
    use cairn_ledger::accounts::Account;
    use cairn_ledger::testing::{checked, easy_network, key, payment, pebbles};
    use cairn_ledger::units::{Height, Timestamp};
    use std::collections::BTreeSet;
    use std::future;
    use std::path::Path;

    /// A pool that changed long ago, and whose file is still being read.
    fn still_loading(genesis_id: BlockId, path: &Path) -> Persistence {
        let (path, loading) = (Some(path.to_owned()), Some(runtime::spawn(future::pending())));
        let saved_at = clock::instant().checked_sub(2 * SAVE_EVERY).expect("a time");
        Persistence { genesis_id, path, max: 1 << 20, loading, changed: true, saved_at, saving: None }
    }

    /// A payment that was taken while the saved pool was still being read was once lost when the node stopped then.
    #[tokio::test]
    async fn what_came_while_the_saved_pool_was_loading_is_saved_beside_it() {
        let (spec, directory) = (easy_network(), tempfile::tempdir().expect("a directory"));
        let (genesis_id, path) = (spec.genesis_id(), directory.path().join("mempool.bin"));
        let [before, both, new] = [1, 2, 3].map(|from| payment(&spec, &key(from), 0, key(50).address(), 10, 1_000));
        let at = Timestamp::from_millis;
        let saved = [&before, &both].map(|one| Saved { added: at(5), transaction: one.clone() });
        for (in_file, expected) in [
            (file::encode(&genesis_id, &saved), BTreeSet::from([(5, before.id()), (5, both.id()), (7, new.id())])),
            (b"nothing good".to_vec(), BTreeSet::from([(7, both.id()), (7, new.id())])),
        ] {
            files::save(&path, &in_file).expect("a writable directory");
            let mut pool = Pool::new(PoolConfig::default(), Height::GENESIS);
            let account = Some(Account { nonce: 0, balance: pebbles(1_000_000) });
            for one in checked(&spec, vec![both.clone(), new.clone()]) {
                pool.admit(one, &Standing { account, mined: false, price: 0 }, at(7), at(7)).expect("it is taken");
            }
            let mut persistence = still_loading(genesis_id, &path);
            persistence.save_sometimes(&pool);
            assert!(persistence.saving.is_none(), "the file is the better copy meanwhile");
            persistence.save(&pool).await;
            let loaded = file::load(&path, &genesis_id, 1 << 20).expect("a saved pool");
            let got = loaded.saved.iter().map(|one| (one.added.millis(), one.transaction.id()));
            assert_eq!(got.collect::<BTreeSet<_>>(), expected);
        }
    }

    /// A node that stopped before it had read its saved pool, and could not read it then, once wrote an empty one over
    /// it.
    #[tokio::test]
    async fn a_saved_pool_that_cannot_be_read_while_loading_is_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("mempool.bin");
        // It cannot be opened, but it can be replaced.
        std::os::unix::fs::symlink(&path, &path).expect("a writable directory");
        let pool = Pool::new(PoolConfig::default(), Height::GENESIS);
        still_loading(easy_network().genesis_id(), &path).save(&pool).await;
        assert!(path.is_symlink());
    }
}

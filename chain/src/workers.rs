//! The threads that check and hash, one for each core, and those that wait for the disk, of which there are more. A
//! simulated node has none: whoever gives them something to do does it.

use crate::store::StoreError;
use cairn_common::runtime;
use rayon::{ThreadPool, prelude::*};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Reads of the disk that are under way at once: a fast one answers as many in the time that it takes for one.
const READERS: usize = 32;

/// The threads: one for each core. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Workers {
    pool: Option<Arc<ThreadPool>>,
    /// Those that wait for the disk, once there is something to wait for; `None` where the system refused them.
    readers: Arc<OnceLock<Option<ThreadPool>>>,
    /// Blocks that are being checked, or wait for a worker.
    blocks: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts them.
    pub(crate) fn start() -> Result<Self, StoreError> {
        let pool = || rayon::ThreadPoolBuilder::new().thread_name(|n| format!("precheck-{n}")).build().map(Arc::new);
        let pool = if runtime::is_simulated() { None } else { Some(pool()) };
        let pool = pool.transpose().map_err(|error| StoreError::Workers { reason: error.to_string() })?;
        Ok(Self { pool, readers: Arc::default(), blocks: Arc::default() })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    /// Blocks that are being checked, or wait for a worker.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.load(Ordering::Relaxed)
    }

    /// Has a worker check a block, some time soon.
    pub(crate) fn spawn_block(&self, check: impl FnOnce(&Self) + Send + 'static) {
        self.blocks.fetch_add(1, Ordering::Relaxed);
        let workers = self.clone();
        match &self.pool {
            Some(pool) => pool.spawn(move || check(&workers)),
            None => check(&workers),
        }
    }

    /// Counts a block off that was checked.
    pub(crate) fn end_block(&self) {
        self.blocks.fetch_sub(1, Ordering::Relaxed);
    }

    /// Works among them, and waits for the end.
    pub(crate) fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Reads something for each of many, as many at once as the disk is good for; the results in their order.
    pub(crate) fn read_each<T: Sync, R: Send>(
        &self,
        of: &[T],
        read: impl Fn(&T) -> Result<R, StoreError> + Send + Sync,
    ) -> Result<Vec<R>, StoreError> {
        let threads = || rayon::ThreadPoolBuilder::new().num_threads(READERS).thread_name(|n| format!("reader-{n}"));
        let readers = match of {
            [] | [_] => None,
            _ if self.pool.is_none() => None,
            _ => self.readers.get_or_init(|| threads().build().ok()).as_ref(),
        };
        match readers {
            Some(readers) => readers.install(|| of.par_iter().with_max_len(1).map(read).collect()),
            None => of.iter().map(read).collect(),
        }
    }

    /// Does two things: at once, if no blocks keep two of the workers from it. Otherwise the caller is sooner done
    /// alone.
    pub(crate) fn join<A: Send, B: Send>(
        &self,
        first: impl FnOnce() -> A + Send,
        second: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        match &self.pool {
            Some(pool) if self.blocks() + 2 <= self.count() => pool.join(first, second),
            _ => (first(), second()),
        }
    }
}

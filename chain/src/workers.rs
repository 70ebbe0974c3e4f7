//! The threads that check and hash, one for each core. A simulated node has none: whoever gives them something to do
//! does it.

use crate::store::StoreError;
use cairn_common::runtime;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The threads: one for each core. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Workers {
    pool: Option<Arc<rayon::ThreadPool>>,
    /// Blocks that are being checked, or wait for a worker.
    blocks: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts them.
    pub(crate) fn start() -> Result<Self, StoreError> {
        let pool = || rayon::ThreadPoolBuilder::new().thread_name(|n| format!("precheck-{n}")).build().map(Arc::new);
        let pool = if runtime::is_simulated() { None } else { Some(pool()) };
        let pool = pool.transpose().map_err(|error| StoreError::Workers { reason: error.to_string() })?;
        Ok(Self { pool, blocks: Arc::default() })
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

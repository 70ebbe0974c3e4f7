//! The pool as it is shown to peers: listed once for all who ask within a moment, so that the number of askers
//! costs the pool nothing. Whoever has come since it was listed is shown a new list: what was gossiped in between it
//! has from nobody else.

use cairn_common::{clock, runtime};
use cairn_ledger::validate::CheckedTransaction;
use cairn_mempool::PoolHandle;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long a list is shown: what came since travels by gossip anyway.
const FRESH: Duration = Duration::from_secs(2);

/// The least time between two lists, however many come and go.
const LEAST: Duration = Duration::from_millis(500);

type List = Arc<Vec<CheckedTransaction>>;

/// What can be mined, the best paying first and each sender's in order of nonce. Cloning shares it.
#[derive(Clone)]
pub(crate) struct PoolSnapshot {
    pool: PoolHandle,
    last: Arc<Mutex<Option<(Instant, List)>>>,
}

impl PoolSnapshot {
    /// Of this pool.
    pub(crate) fn new(pool: PoolHandle) -> Self {
        Self { pool, last: Arc::default() }
    }

    /// The list for somebody who has been here since then; empty when the node is stopping.
    pub(crate) async fn get(&self, since: Instant) -> List {
        // Whoever asks meanwhile waits here, and finds it made.
        let mut last = self.last.lock().await;
        if let Some((made, list)) = &*last {
            if clock::instant().duration_since(*made) < FRESH && *made >= since {
                return list.clone();
            }
            runtime::sleep(LEAST.saturating_sub(clock::instant().duration_since(*made))).await;
        }
        // Before it is taken: whoever connects meanwhile may hear of what it lacks from nobody else.
        let made = clock::instant();
        let list = List::new(self.pool.select(usize::MAX).await.unwrap_or_default());
        *last = Some((made, list.clone()));
        list
    }

    /// Forgets a list that is shown no more: it keeps transactions in memory that have left the pool.
    pub(crate) fn tidy(&self) {
        if let Ok(mut last) = self.last.try_lock()
            && last.as_ref().is_some_and(|(made, _)| clock::instant().duration_since(*made) >= FRESH)
        {
            *last = None;
        }
    }
}

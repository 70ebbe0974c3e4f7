//! What handlers have: handles to the parts, and a bounded way to read the chain.

use crate::{NAME, error, limits};
use cairn_chain::{ChainHandle, Reader, store::StoreError};
use cairn_common::tasks::TaskError;
use cairn_ledger::{address::AddressPrefix, chain_spec::ChainSpec, keys::Address};
use cairn_maintenance::{background_validation::ValidationHandle, disk_budget::BudgetHandle, health::HealthHandle};
use cairn_mempool::PoolHandle;
use cairn_miner::{MinerHandle, MiningConfig};
use cairn_network::{NetworkHandle, sync::SyncHandle};
use cairn_rpc::error::{Code, RpcError};
use jsonrpsee::SubscriptionMessage;
use std::ops::{Deref, RangeInclusive};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit, broadcast, mpsc};

/// Handles to the parts of a node.
#[derive(Clone)]
pub struct Handles {
    /// The chain.
    pub chain: ChainHandle,
    /// The pool.
    pub pool: PoolHandle,
    /// The peers.
    pub network: NetworkHandle,
    /// The synchronisation.
    pub sync: SyncHandle,
    /// The miner.
    pub miner: MinerHandle,
    /// The room that the data takes.
    pub budget: BudgetHandle,
    /// How well the node is.
    pub health: HealthHandle,
    /// The execution of the blocks below a snapshot, where they would be kept.
    pub history: Option<ValidationHandle>,
}

/// What JSON-RPC makes reachable.
#[derive(Clone)]
pub struct Services {
    /// The rules of the network.
    pub spec: Arc<ChainSpec>,
    /// Whether the network is local, so that blocks may be generated.
    pub local: bool,
    /// When the node started.
    pub started: Instant,
    /// What the miner was told to do.
    pub mining: MiningConfig,
    /// The most bytes of memory that the process may hold, if that is known.
    pub max_memory_bytes: Option<u64>,
    /// The parts.
    pub handles: Handles,
    /// Where the node is told to stop.
    pub stop: mpsc::Sender<()>,
}

/// What handlers have. Cloning shares it.
#[derive(Clone)]
pub struct Context(Arc<Shared>);

pub struct Shared {
    services: Services,
    reads: Semaphore,
    proofs: Semaphore,
    heads: broadcast::Sender<SubscriptionMessage>,
    failed: mpsc::Sender<TaskError>,
}

impl Deref for Context {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0.services
    }
}

impl Context {
    /// `failed` is told why the node must stop, when a handler finds out.
    pub fn new(services: Services, failed: mpsc::Sender<TaskError>) -> Self {
        Self(Arc::new(Shared {
            services,
            reads: Semaphore::new(limits::READS),
            proofs: Semaphore::new(limits::PROOFS),
            heads: broadcast::channel(limits::HEADS_BEHIND).0,
            failed,
        }))
    }

    /// What the network's addresses begin with.
    pub fn prefix(&self) -> &AddressPrefix {
        &self.spec.params().prefix
    }

    /// Heads as JSON, on their way to subscribers.
    pub fn heads(&self) -> &broadcast::Sender<SubscriptionMessage> {
        &self.0.heads
    }

    /// Reads an address of the network.
    pub fn address(&self, text: &str) -> Result<Address, RpcError> {
        Ok(self.prefix().decode(text)?)
    }

    /// Reads the chain on a thread that may wait for the disk.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, RpcError> {
        self.read_within(&self.0.reads, read).await
    }

    /// The same for proofs, which take many reads: few are made at a time, so that the others are not held up.
    pub async fn prove<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, RpcError> {
        self.read_within(&self.0.proofs, read).await
    }

    async fn read_within<T: Send + 'static>(
        &self,
        bound: &Semaphore,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let permit = place(bound).await?;
        let reader = self.handles.chain.reader().clone();
        let result = tokio::task::spawn_blocking(move || read(&reader)).await;
        drop(permit);
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(StoreError::Pruned { height, kept })) => Err(error::pruned(height, kept)),
            Ok(Err(failure)) => {
                self.fail(TaskError::Failed { name: NAME, reason: failure.to_string(), storage: true });
                Err(error::storage())
            }
            Err(failure) => {
                // The runtime cancels reads only when it ends; then the node is stopping already.
                self.fail(TaskError::Panicked { name: NAME, reason: failure.to_string() });
                Err(error::stopping())
            }
        }
    }

    fn fail(&self, failure: TaskError) {
        // When there is no room, an earlier failure is stopping the node already.
        let _ = self.0.failed.try_send(failure);
    }
}

/// Waits for a place among the calls of a kind.
pub async fn place(places: &Semaphore) -> Result<SemaphorePermit<'_>, RpcError> {
    match tokio::time::timeout(limits::READ_WITHIN, places.acquire()).await {
        Ok(place) => Ok(place.expect("the semaphore is never closed")),
        Err(_) => Err(RpcError::new(Code::Busy, "the node is busy; ask again later")),
    }
}

/// A number of things to show, within its range; the most where nothing was said.
pub fn count(wanted: Option<u64>, range: &RangeInclusive<u64>) -> Result<u64, RpcError> {
    let count = wanted.unwrap_or(*range.end());
    if range.contains(&count) {
        return Ok(count);
    }
    let expected = format!("{} to {}", range.start(), range.end());
    let message = format!("got {count}, expected {expected}");
    Err(RpcError::new(Code::BadCount, message).with(count, expected))
}

/// Whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_outside_its_range_is_refused_with_the_range() {
        assert_eq!(count(None, &(1..=100)).ok(), Some(100));
        assert_eq!(count(Some(7), &(1..=100)).ok(), Some(7));
        for wrong in [0, 101, u64::MAX] {
            let error = count(Some(wrong), &(1..=100)).expect_err("outside");
            assert_eq!((error.code, error.expected.as_deref()), (Code::BadCount, Some("1 to 100")));
        }
    }
}

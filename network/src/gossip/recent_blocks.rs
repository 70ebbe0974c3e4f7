//! Bodies of blocks that were passed on lately. A block travels before it is executed and stored: whoever gets
//! it from here and lacks some of it asks before the store has it.

use cairn_chain::BlockBody;
use cairn_common::cache::FifoCache;
use cairn_ledger::{hash::BlockId, transaction::Transaction, validate::Candidate};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bodies kept: what comes within seconds even when two branches race; older ones are in the store.
const BODIES: usize = 8;
/// Bytes of their transactions, most of which the pool shares: five of the largest blocks.
const BYTES: usize = 16 << 20;

/// Bodies. Cloning shares them.
#[derive(Clone)]
pub(crate) struct RecentBlocks(Arc<Mutex<Bodies>>);

type Bodies = FifoCache<BlockId, Arc<BlockBody>>;

impl Default for RecentBlocks {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Bodies::weighted(BODIES, BYTES))))
    }
}

impl RecentBlocks {
    /// Keeps a body that was found to be this block's; the oldest make room.
    pub(crate) fn put(&self, id: BlockId, body: Arc<BlockBody>) {
        let size = transactions(&body).map(Transaction::size).sum();
        self.bodies().insert_weighted(id, body, size);
    }

    /// The body of a block, while it is kept.
    pub(crate) fn get(&self, id: &BlockId) -> Option<Arc<BlockBody>> {
        self.bodies().get(id).cloned()
    }

    fn bodies(&self) -> MutexGuard<'_, Bodies> {
        // Nobody panics between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The transactions of a body, in order.
pub(crate) fn transactions(body: &BlockBody) -> Box<dyn Iterator<Item = &Transaction> + '_> {
    match body {
        BlockBody::Decoded(body) => Box::new(body.iter()),
        BlockBody::Resolved(candidates) => Box::new(candidates.iter().map(Candidate::transaction)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::block::Body;
    use cairn_ledger::testing::{arbitrary_hash, easy_network, key, payment};

    fn id(n: u64) -> BlockId {
        BlockId::from_bytes(*arbitrary_hash(n).as_bytes())
    }

    fn body(count: usize) -> Arc<BlockBody> {
        let transaction = payment(&easy_network(), &key(1), 0, key(2).address(), 5, 185);
        Arc::new(Body::new(vec![transaction; count]).expect("few").into())
    }

    #[test]
    fn the_newest_bodies_are_kept_and_no_more_than_the_bounds() {
        let recent_blocks = RecentBlocks::default();
        for n in 0..20 {
            recent_blocks.put(id(n), body(1));
            recent_blocks.put(id(n), body(1));
        }
        let kept: Vec<u64> = (0..20).filter(|n| recent_blocks.get(&id(*n)).is_some()).collect();
        assert_eq!(kept, (12..20).collect::<Vec<_>>());
        // Few large ones push out as many small ones as their bytes need.
        for n in 20..27 {
            recent_blocks.put(id(n), body(17_000));
        }
        let bodies = recent_blocks.bodies();
        assert!(bodies.weight() <= BYTES && bodies.len() < BODIES, "{} bytes", bodies.weight());
    }
}

//! Builds the index of addresses for blocks that were imported while it was off.
//!
//! The writer does this itself while nobody asks it anything, in steps so small that no import waits for long. A
//! block goes in as one batch together with how far the index reaches: what a crash or a reorganisation takes is
//! the block at hand, and that is read again.

use super::{Touch, in_order, makes_no_account, stored_key, touches};
use crate::store::{
    ChainStore, Durability, StoreError, put_indexed,
    schema::{TouchByAccount, TouchKey},
};
use cairn_ledger::{chain_spec::ChainSpec, units::Height, validate::LinkedHeader};

/// Accounts looked up in one step: a few milliseconds, also where each is a read from the disk.
const STEP: usize = 512;
/// How often it logs how far it is, in blocks.
const LOG_EVERY: u64 = 100_000;

/// Builds the index of addresses, block by block.
#[derive(Default)]
pub(crate) struct Indexer {
    at: Option<Building>,
}

/// A block being added.
struct Building {
    header: LinkedHeader,
    touches: std::vec::IntoIter<Touch>,
    keys: Vec<TouchKey>,
    /// Whether its reward may have been burned.
    small_reward: bool,
}

impl Indexer {
    /// Goes on by one step; whether there is more to do.
    pub(crate) fn step(&mut self, store: &ChainStore, spec: &ChainSpec) -> Result<bool, StoreError> {
        // What was imported meanwhile may have taken the block at hand off the chain, or added it itself.
        let at = match self.at.take() {
            Some(at) if store.is_connected(&at.header)? && store.indexed()? == at.header.header().height.previous() => {
                at
            }
            _ => match begin(store, spec)? {
                Some(at) => at,
                None => return Ok(false),
            },
        };
        self.at = at.go_on(store)?;
        Ok(true)
    }
}

/// The first block that is not covered; `None` when all are, or the index is off.
fn begin(store: &ChainStore, spec: &ChainSpec) -> Result<Option<Building>, StoreError> {
    let Some(height) = store.indexed()?.and_then(Height::next) else { return Ok(None) };
    let Some(id) = store.id_at(height)? else {
        tracing::info!(target: "cairn::chain", height = height.get() - 1, "the index of addresses is whole");
        return Ok(None);
    };
    if height.get() % LOG_EVERY == 1 {
        tracing::info!(target: "cairn::chain", height = height.get(), "building the index of addresses");
    }
    let header = store.expect_header(&id)?;
    let body = store.expect_body(&id)?;
    let touches = touches(spec, header.header(), body.iter());
    let (keys, small_reward) = (Vec::with_capacity(touches.len()), makes_no_account(spec, header.header(), &body));
    Ok(Some(Building { header, keys, touches: touches.into_iter(), small_reward }))
}

impl Building {
    /// Looks up some accounts; after the last, writes all.
    fn go_on(mut self, store: &ChainStore) -> Result<Option<Self>, StoreError> {
        let height = self.header.header().height;
        for touch in self.touches.by_ref().take(STEP) {
            self.keys.extend(stored_key(store, height, touch, self.small_reward)?);
        }
        if !self.touches.as_slice().is_empty() {
            return Ok(Some(self));
        }
        let mut batch = store.batch(0);
        in_order(self.keys).iter().for_each(|key| batch.put::<TouchByAccount>(key, &()));
        put_indexed(&mut batch, height);
        // What a power cut takes is built again.
        batch.write(Durability::Buffered)?;
        Ok(None)
    }
}

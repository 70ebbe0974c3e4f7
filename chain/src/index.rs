//! The index of addresses: in which blocks, and where in them, each account was touched.
//!
//! It covers the followed chain from block 1 up to a height that stands beside it, and nothing above that. An
//! import changes it in its own batch: a block on top of what is covered is added, one that is covered and leaves
//! the chain is taken out. So one number says what is missing, whatever happened, and a crash changes nothing of it.
//! Blocks that were imported while it was off the writer adds while nobody asks it anything, one at a time. Pruned
//! blocks are not covered.

use crate::state::accounts::{Accounts, missing};
use crate::store::schema::{TouchByAccount, TouchKey};
use crate::store::{Batch, ChainStore, Durability, REWARD, StoreError, drop_index, put_indexed};
use cairn_ledger::{Address, ChainSpec, Header, Height, Transaction};
use std::collections::HashMap;

/// How often it is logged how far the index is built, in blocks.
const LOG_EVERY: u64 = 100_000;

/// The keys of the touches by a block, in the order of the table, each once: a sorted batch goes in at half the cost.
/// `index_of` knows the accounts it created.
fn keys<'a>(
    spec: &ChainSpec,
    header: &Header,
    transactions: impl IntoIterator<Item = &'a Transaction>,
    index_of: impl Fn(&Address) -> Option<u64>,
) -> Result<Vec<TouchKey>, StoreError> {
    let key = |address: &Address, place| match index_of(address) {
        Some(account) => Ok(TouchKey { account, height: header.height, place }),
        None => Err(missing(address)),
    };
    let (mut keys, mut reward) = (Vec::new(), spec.subsidy(header.height).pebbles());
    for (transaction, place) in transactions.into_iter().zip(0..) {
        let body = &transaction.body;
        reward = reward.saturating_add(body.fee.pebbles());
        keys.push(key(&body.sender, place)?);
        for output in body.outputs.iter() {
            keys.push(key(&output.to, place)?);
        }
    }
    // A block that pays nothing does not touch its beneficiary; one without an account had its reward burned.
    if reward > 0 {
        keys.extend(key(&header.beneficiary, REWARD).ok());
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// The same for a block that is stored; there may be accounts that came later.
pub(crate) fn stored_keys(
    store: &ChainStore,
    spec: &ChainSpec,
    header: &Header,
    body: &[Transaction],
) -> Result<Vec<TouchKey>, StoreError> {
    let outputs = body.iter().flat_map(|transaction| transaction.body.outputs.iter());
    let senders = body.iter().map(|transaction| transaction.body.sender);
    let touched: Vec<Address> = outputs.map(|output| output.to).chain(senders).chain([header.beneficiary]).collect();
    let indices: HashMap<_, _> = touched.iter().zip(store.indices_of(&touched)?).collect();
    let mut keys = keys(spec, header, body, |address| indices.get(address).copied().flatten())?;
    let fees = body.iter().map(|transaction| transaction.body.fee.pebbles());
    let reward = fees.fold(spec.subsidy(header.height).pebbles(), u64::saturating_add);
    // Too small to make an account, it was burned if there was none.
    if reward <= spec.rules_at(header.height).account_price.pebbles() {
        let after = store.count_after(header.height)?;
        keys.retain(|key| key.place != REWARD || key.account < after);
    }
    Ok(keys)
}

/// Adds the next block that is not covered; whether there was one.
pub(crate) fn build_next(store: &ChainStore, spec: &ChainSpec) -> Result<bool, StoreError> {
    let Some(next) = store.indexed()?.and_then(Height::next) else { return Ok(false) };
    // What was pruned is not covered.
    let height = next.max(store.lowest_body());
    let Some(id) = store.id_at(height)? else {
        tracing::info!(target: "cairn::chain", height = height.get() - 1, "the index of addresses is whole");
        return Ok(false);
    };
    if height.get() % LOG_EVERY == 1 {
        tracing::info!(target: "cairn::chain", height = height.get(), "building the index of addresses");
    }
    let header = store.expect_header(&id)?;
    let body = store.expect_body(&header)?;
    let mut batch = store.batch(0);
    let keys = stored_keys(store, spec, header.header(), &body)?;
    keys.iter().for_each(|key| batch.put::<TouchByAccount>(key, &()));
    put_indexed(&mut batch, height);
    // What a power cut takes is built again.
    batch.write(Durability::Buffered)?;
    Ok(true)
}

/// Puts the index in order at the start: as it is when it is to be kept, new and empty when there is none, gone
/// when it is not. Returns whether it is kept.
pub(crate) fn prepare(store: &ChainStore, keep: bool) -> Result<bool, StoreError> {
    let there = store.indexed()?.is_some();
    if keep != there {
        let mut batch = store.batch(0);
        match keep {
            true => put_indexed(&mut batch, Height::GENESIS),
            false => drop_index(&mut batch),
        }
        batch.write(Durability::Synced)?;
        tracing::info!(target: "cairn::chain", kept = keep, "the index of addresses was switched");
    }
    Ok(keep)
}

/// The index during an import.
pub(crate) struct AddressIndex<'a> {
    spec: &'a ChainSpec,
    /// The last block it covers on disk, and with what was added to the batch.
    stored: Option<Height>,
    built: Option<Height>,
}

impl<'a> AddressIndex<'a> {
    /// The index as it is on disk.
    pub(crate) fn load(store: &ChainStore, spec: &'a ChainSpec) -> Result<Self, StoreError> {
        let stored = store.indexed()?;
        Ok(Self { spec, stored, built: stored })
    }

    /// Takes out a block that leaves the chain, if it is covered. `accounts` still has those it created, and all it
    /// touched loaded.
    pub(crate) fn disconnect<'b>(
        &mut self,
        batch: &mut Batch<'_>,
        header: &Header,
        transactions: impl Iterator<Item = &'b Transaction>,
        accounts: &Accounts,
    ) -> Result<(), StoreError> {
        let height = header.height;
        if self.built.is_some_and(|built| built >= height) {
            keys(self.spec, header, transactions, |address| Some(accounts.get(address)?.0))?
                .iter()
                .for_each(|key| batch.delete::<TouchByAccount>(key));
            self.built = height.previous();
        }
        Ok(())
    }

    /// Adds a block that came onto the chain, if all below it are covered. `accounts` has those it created, and all it
    /// touched loaded.
    pub(crate) fn connect<'b>(
        &mut self,
        batch: &mut Batch<'_>,
        header: &Header,
        transactions: impl Iterator<Item = &'b Transaction>,
        accounts: &Accounts,
    ) -> Result<(), StoreError> {
        let height = header.height;
        if self.built.is_some_and(|built| built.next() == Some(height)) {
            keys(self.spec, header, transactions, |address| Some(accounts.get(address)?.0))?
                .iter()
                .for_each(|key| batch.put::<TouchByAccount>(key, &()));
            self.built = Some(height);
        }
        Ok(())
    }

    /// Adds how far it reaches now to the batch.
    pub(crate) fn write(self, batch: &mut Batch<'_>) {
        if let Some(built) = self.built.filter(|built| self.stored != Some(*built)) {
            put_indexed(batch, built);
        }
    }
}

//! The index of addresses: in which blocks, and where in them, each account was touched.
//!
//! It covers the followed chain from block 1 up to a height that stands beside it, and nothing above that. An
//! import changes it in its own batch: a block on top of what is covered is added, one that is covered and leaves
//! the chain is taken out. So one number says what is missing, whatever happened, and a crash changes nothing of it.

mod builder;

pub(crate) use builder::Indexer;

use crate::{
    state::accounts::{Accounts, missing},
    store::{
        Batch, ChainStore, Durability, REWARD, StoreError, drop_index, put_indexed,
        schema::{TouchByAccount, TouchKey},
    },
};
use cairn_ledger::{block::Header, chain_spec::ChainSpec, keys::Address, transaction::Transaction, units::Height};

/// Where in a block an address is touched: the place of a transaction, or [`REWARD`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touch {
    pub address: Address,
    pub place: u32,
}

/// Where a block touches each address: its transactions' places and [`REWARD`], some of them twice. Its reward may have
/// been burned: see [`rewarded`].
pub(crate) fn touches<'a>(
    spec: &ChainSpec,
    header: &Header,
    transactions: impl IntoIterator<Item = &'a Transaction>,
) -> Vec<Touch> {
    let (mut touches, mut reward) = (Vec::new(), spec.subsidy(header.height).pebbles());
    for (transaction, place) in transactions.into_iter().zip(0..) {
        let body = &transaction.body;
        reward = reward.saturating_add(body.fee.pebbles());
        touches.push(Touch { address: body.sender, place });
        touches.extend(body.outputs.iter().map(|output| Touch { address: output.to, place }));
    }
    // A block that pays nothing does not touch its beneficiary, who may have no account.
    if reward > 0 {
        touches.push(Touch { address: header.beneficiary, place: REWARD });
    }
    touches
}

/// Whether the account of a beneficiary, which may have come later, had the reward of the block at `height` on the
/// followed chain. Without an account after that block the reward was too small for one, and was burned.
pub(crate) fn rewarded(store: &ChainStore, height: Height, account: u64) -> Result<bool, StoreError> {
    let after = match height.next().map(|next| store.id_at(next)).transpose()?.flatten() {
        Some(next) => store.undo(&next)?.count,
        None => store.account_count()?,
    };
    Ok(account < after)
}

/// Whether a block's reward is too small to make an account.
pub(crate) fn makes_no_account(spec: &ChainSpec, header: &Header, body: &[Transaction]) -> bool {
    let fees = body.iter().map(|transaction| transaction.body.fee.pebbles());
    let reward = fees.fold(spec.subsidy(header.height).pebbles(), u64::saturating_add);
    reward <= spec.rules_at(header.height).account_price.pebbles()
}

/// The key of a touch by a block that is stored: `None` for a reward that was burned.
pub(crate) fn stored_key(
    store: &ChainStore,
    height: Height,
    Touch { address, place }: Touch,
    small_reward: bool,
) -> Result<Option<TouchKey>, StoreError> {
    let may_be_burned = small_reward && place == REWARD;
    match store.index_of(&address)? {
        None if may_be_burned => Ok(None),
        None => Err(missing(&address)),
        Some(account) if may_be_burned && !rewarded(store, height, account)? => Ok(None),
        Some(account) => Ok(Some(TouchKey { account, height, place })),
    }
}

/// The keys of a block's touches in the order of the table, each once: a sorted batch goes in at half the cost.
pub(crate) fn in_order(mut keys: Vec<TouchKey>) -> Vec<TouchKey> {
    keys.sort_unstable();
    keys.dedup();
    keys
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

    /// Takes out a block that leaves the chain, if it is covered. `accounts` still has those it created.
    pub(crate) fn disconnect<'b>(
        &mut self,
        batch: &mut Batch<'_>,
        header: &Header,
        transactions: impl Iterator<Item = &'b Transaction>,
        accounts: &Accounts,
    ) -> Result<(), StoreError> {
        let height = header.height;
        if self.built.is_some_and(|built| built >= height) {
            self.keys(header, transactions, accounts)?.iter().for_each(|key| batch.delete::<TouchByAccount>(key));
            self.built = height.previous();
        }
        Ok(())
    }

    /// Adds a block that came onto the chain, if all below it are covered. `accounts` has those it created.
    pub(crate) fn connect<'b>(
        &mut self,
        batch: &mut Batch<'_>,
        header: &Header,
        transactions: impl Iterator<Item = &'b Transaction>,
        accounts: &Accounts,
    ) -> Result<(), StoreError> {
        let height = header.height;
        if self.built.is_some_and(|built| built.next() == Some(height)) {
            self.keys(header, transactions, accounts)?.iter().for_each(|key| batch.put::<TouchByAccount>(key, &()));
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

    fn keys<'b>(
        &self,
        header: &Header,
        transactions: impl Iterator<Item = &'b Transaction>,
        accounts: &Accounts,
    ) -> Result<Vec<TouchKey>, StoreError> {
        let keys = touches(self.spec, header, transactions).into_iter().filter_map(|Touch { address, place }| {
            match accounts.get(&address) {
                Some((account, _)) => Some(Ok(TouchKey { account, height: header.height, place })),
                // Whoever else a connected block touches has an account: this reward was burned.
                None if place == REWARD => None,
                None => Some(Err(missing(&address))),
            }
        });
        Ok(in_order(keys.collect::<Result<_, StoreError>>()?))
    }
}

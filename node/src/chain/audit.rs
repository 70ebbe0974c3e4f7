//! The store's invariants as code: a short look at every start, the whole on demand.

use super::{index, precheck::Workers, state::State};
use crate::store::{ChainStore, DbOptions, StoreError};
use cairn_ledger::{
    accounts::Leaf,
    chain_spec::ChainSpec,
    keys::Address,
    merkle::txs_root,
    transaction::Transaction,
    units::{Amount, Height},
    validate::ChainContext,
};
use std::path::Path;

/// Loads and hashes all accounts, loads the tip, and makes sure that they belong together.
pub(super) fn load(store: &ChainStore, workers: &Workers) -> Result<(State, ChainContext), StoreError> {
    let header = store.expect_header(&store.tip()?)?;
    let tip = store.context_at(header.header().height)?;
    let state = workers.load_state(store)?;
    let (got, expected) = (state.tree.state_root(), tip.header().state_root);
    if got != expected {
        return Err(StoreError::StateMismatch { got, expected });
    }
    Ok((state, tip))
}

/// What a whole audit looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Connected blocks, block 0 included.
    pub blocks: u64,
    /// Their transactions.
    pub transactions: u64,
    /// Accounts, the sentinel not counted.
    pub accounts: u64,
    /// The sum of all balances.
    pub supply: Amount,
}

/// An invariant that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database failed, or a record that must be there is not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block stands at a height that is not its own, or on another parent.
    #[error("the block at height {height} does not follow the one below it")]
    BrokenChain {
        /// The height.
        height: Height,
    },
    /// A stored body is not its header's.
    #[error("the body of the block at height {height} is not its header's")]
    Body {
        /// The height.
        height: Height,
    },
    /// A transaction is not found where it is.
    #[error("the index does not lead to a transaction of the block at height {height}")]
    Location {
        /// The height.
        height: Height,
    },
    /// The index of addresses lacks a touch.
    #[error("the index of addresses does not say that the block at height {height} touches {address}")]
    Untold {
        /// Who is touched.
        address: Address,
        /// The height.
        height: Height,
    },
    /// The index of addresses has touches that no block makes.
    #[error("the index of addresses has {got} entries, expected {expected}; switch index.addresses off and on again")]
    Touches {
        /// Entries.
        got: u64,
        /// Touches of the blocks it covers.
        expected: u64,
    },
    /// The accounts' order is broken.
    #[error("the account of {address} does not name the next one")]
    Order {
        /// The account.
        address: Address,
    },
    /// Money appeared or vanished.
    #[error("all balances together are {got} pebbles, expected {expected}")]
    Supply {
        /// The sum.
        got: u128,
        /// Allocations plus subsidies.
        expected: Amount,
    },
}

/// Opens a store that no node is using, and checks every invariant of it.
///
/// # Errors
/// The first that does not hold.
pub fn check(spec: &ChainSpec, path: &Path, options: DbOptions) -> Result<AuditReport, AuditError> {
    audit(&ChainStore::open(path, spec, options)?, spec)
}

/// Checks every invariant of the store. It reads everything once.
///
/// # Errors
/// The first that does not hold.
pub fn audit(store: &ChainStore, spec: &ChainSpec) -> Result<AuditReport, AuditError> {
    let (_, tip) = load(store, &Workers::start()?)?;
    let (mut transactions, mut parent) = (0, None);
    for height in (0..=tip.header().height.get()).map(Height::new) {
        let broken = AuditError::BrokenChain { height };
        let Some(id) = store.id_at(height)? else { return Err(broken) };
        let block = store.block(&id)?.ok_or(AuditError::BrokenChain { height })?;
        let header = &block.block.header;
        if header.height != height || parent.is_some_and(|parent| parent != header.parent) {
            return Err(broken);
        }
        let txids: Vec<_> = block.block.body.iter().map(Transaction::id).collect();
        if txs_root(&txids) != header.txs_root {
            return Err(AuditError::Body { height });
        }
        for (txid, place) in txids.iter().zip(0..) {
            if store.location(txid)?.is_none_or(|found| (found.height, found.place) != (height, place)) {
                return Err(AuditError::Location { height });
            }
        }
        if height != Height::GENESIS {
            store.undo(&id)?;
        }
        transactions += txids.len() as u64;
        parent = Some(id);
    }
    index::audit(store, spec)?;
    let (accounts, supply) = audit_accounts(store, spec.supply(tip.header().height))?;
    Ok(AuditReport { blocks: tip.header().height.get() + 1, transactions, accounts, supply })
}

fn audit_accounts(store: &ChainStore, expected: Amount) -> Result<(u64, Amount), AuditError> {
    let (mut count, mut sum) = (0_u64, 0_u128);
    let mut previous: Option<Leaf> = None;
    for entry in store.leaves()? {
        let (index, leaf) = entry?;
        let address = leaf.address;
        if previous.is_some_and(|leaf| leaf.next != address) || store.address_at(index)? != Some(address) {
            return Err(AuditError::Order { address });
        }
        count += 1;
        sum += u128::from(leaf.account.balance.pebbles());
        previous = Some(leaf);
    }
    if let Some(last) = previous.filter(|leaf| leaf.next != Address::ZERO) {
        return Err(AuditError::Order { address: last.address });
    }
    if sum != u128::from(expected.pebbles()) {
        return Err(AuditError::Supply { got: sum, expected });
    }
    Ok((count.saturating_sub(1), expected))
}

//! The store's invariants as code: a short look at every start, the whole on demand.

use crate::heal::{HealedTables, Others, Wanted};
use crate::store::schema::read_all;
use crate::store::{ChainStore, DbOptions, MemoryDisk, StoreError};
use crate::{index, state, workers::Workers, writer::heal};
use cairn_ledger::{Address, Amount, Block, ChainSpec, Height, Transaction, merkle::txs_root};
use std::path::Path;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

/// Tables that say nothing of the chain that others do not, but that a start reads, or that those who join are given.
const ASIDE: [&str; 5] = ["roots_by_part", "snapshot_by_height", "leaves_by_run", "root_by_run", "restored_header"];

/// What a whole audit looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Connected blocks, block 0 included.
    pub blocks: u64,
    /// Of how many of them the bodies were pruned.
    pub pruned: u64,
    /// The transactions of the others.
    pub transactions: u64,
    /// Accounts, the sentinel not counted.
    pub accounts: u64,
    /// The sum of all balances.
    pub supply: Amount,
    /// What was burned, as far as was not pruned.
    pub burned: Amount,
}

/// An invariant that does not hold.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what the fields are")]
pub enum AuditError {
    /// The database failed, or a record that must be there is not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block stands at a height that is not its own, or on another parent.
    #[error("the block at height {height} does not follow the one below it")]
    BrokenChain { height: Height },
    /// A stored body is not its header's.
    #[error("the body of the block at height {height} is not its header's")]
    Body { height: Height },
    /// A transaction is not found where it is.
    #[error("the index does not lead to a transaction of the block at height {height}")]
    Location { height: Height },
    /// The index of addresses lacks a touch.
    #[error("the index of addresses does not say that the block at height {height} touches {address}")]
    Unindexed { address: Address, height: Height },
    /// The index of addresses has touches that no block makes.
    #[error("the index of addresses has {got} entries, expected {expected}; switch index.addresses off and on again")]
    Touches { got: u64, expected: u64 },
    /// Records of blocks that were left, or of none, stand among those of the chain's.
    #[error("there are {got} {what}, expected {expected}")]
    Leftovers { what: &'static str, got: u64, expected: u64 },
    /// An address does not lead to its account.
    #[error("the address {address} does not lead to its account")]
    Order { address: Address },
    /// Money appeared or vanished.
    #[error("all balances together are {got} pebbles and {burned} were burned, expected {expected} in all")]
    Supply { got: u128, burned: u128, expected: u64 },
}

/// Opens a store that no node is using, and checks every invariant of it.
///
/// # Errors
/// The first that does not hold.
pub fn check(spec: &ChainSpec, path: &Path, options: DbOptions) -> Result<AuditReport, AuditError> {
    audit(&ChainStore::open_read_only(path, spec, options)?, spec)
}

/// Opens a store that no node is using, mends what is damaged where it lies, by what is asked of others too, and checks
/// every invariant; how many tables were mended.
///
/// # Errors
/// What does not hold and cannot be mended.
pub fn mend(
    spec: &ChainSpec,
    path: &Path,
    options: DbOptions,
    others: mpsc::Sender<Wanted>,
) -> Result<(AuditReport, u64), AuditError> {
    let store = ChainStore::open(path, spec, options)?;
    let (asked, mut healed) = (Others::default(), HealedTables::default());
    asked.set(others);
    heal::search((&store, spec, options), (&asked, &mut healed))?;
    loop {
        match audit(&store, spec) {
            Err(AuditError::Store(damage)) => heal::heal((&store, spec, options), (&asked, &mut healed), damage)?,
            Err(broken) => return Err(broken),
            Ok(report) => {
                store.flush()?;
                return Ok((report, healed.count().load(Ordering::Acquire)));
            }
        }
    }
}

/// Checks every invariant of a store that is only in memory.
///
/// # Errors
/// The first that does not hold.
pub fn check_in_memory(spec: &ChainSpec, disk: MemoryDisk) -> Result<AuditReport, AuditError> {
    audit(&ChainStore::open_in_memory(disk, spec)?, spec)
}

/// Checks every invariant of the store. It reads everything once.
///
/// # Errors
/// The first that does not hold.
pub fn audit(store: &ChainStore, spec: &ChainSpec) -> Result<AuditReport, AuditError> {
    // That all leaves hash to the tip's root says that they are right, their order with them.
    let tip = state::check(store, spec, &Workers::start()?)?;
    let (mut transactions, mut parent, mut burned) = (0, None, 0);
    for height in (0..=tip.header().height.get()).map(Height::new) {
        let broken = AuditError::BrokenChain { height };
        let Some(id) = store.id_at(height)? else { return Err(broken) };
        let linked = store.expect_header(&id)?;
        let header = linked.header();
        if header.height != height || parent.is_some_and(|parent| parent != header.parent) {
            return Err(broken);
        }
        parent = Some(id);
        if !store.is_kept(height) {
            continue;
        }
        let block = store.block(&id)?.ok_or(broken)?;
        let txids: Vec<_> = block.block.body.iter().map(Transaction::id).collect();
        if txs_root(&txids) != header.txs_root {
            return Err(AuditError::Body { height });
        }
        for (txid, place) in txids.iter().zip(0..) {
            if store.location(txid)?.is_none_or(|found| (found.height, found.place) != (height, place)) {
                return Err(AuditError::Location { height });
            }
        }
        // What takes a block back says how many accounts there were.
        if height != Height::GENESIS && store.is_whole(height) {
            burned += burned_by(store, spec, &block.block, store.undo(&linked)?.count)?;
        }
        transactions += txids.len() as u64;
    }
    match ASIDE.iter().find_map(|table| read_all(store, table)) {
        Some(damage) => return Err(damage.into()),
        None => audit_records(store, tip.header().height, transactions)?,
    }
    audit_index(store, spec)?;
    let (accounts, sum) = audit_accounts(store)?;
    let expected = spec.supply(tip.header().height).pebbles();
    let amount = |pebbles: u128| u64::try_from(pebbles).ok().and_then(|pebbles| Amount::from_pebbles(pebbles).ok());
    match (amount(sum), amount(burned)) {
        // What pruned blocks burned is not known.
        (Some(supply), Some(burned))
            if supply.pebbles() + burned.pebbles() == expected
                || (store.lowest_body() > Height::GENESIS && supply.pebbles() + burned.pebbles() < expected) =>
        {
            let blocks = tip.header().height.get() + 1;
            let pruned = store.kept().pruned();
            Ok(AuditReport { blocks, pruned, transactions, accounts, supply, burned })
        }
        _ => Err(AuditError::Supply { got: sum, burned, expected }),
    }
}

/// No record of a connected block is left of one that is not.
fn audit_records(store: &ChainStore, tip: Height, transactions: u64) -> Result<(), AuditError> {
    let records = store.connected_records()?;
    let all = [
        ("blocks by height", records.heights, tip.get() + 1),
        ("places of transactions", records.locations, transactions),
        ("records to undo blocks", records.undos, tip.get() - store.lowest_body().get().saturating_sub(1)),
    ];
    match all.into_iter().find(|(_, got, expected)| got != expected) {
        Some((what, got, expected)) => Err(AuditError::Leftovers { what, got, expected }),
        None => Ok(()),
    }
}

/// What a block burned before which there were so many leaves: the price of those it created, and its reward where the
/// beneficiary got no account for it.
fn burned_by(store: &ChainStore, spec: &ChainSpec, block: &Block, before: u64) -> Result<u128, StoreError> {
    let height = block.header.height;
    let after = store.count_after(height)?;
    let price = u128::from(spec.rules_at(height).price_of(after.saturating_sub(before)));
    let has_account = store.account(&block.header.beneficiary)?.is_some_and(|(index, _)| index < after);
    let fees = block.body.iter().map(|transaction| u128::from(transaction.body.fee.pebbles()));
    let reward = fees.sum::<u128>() + u128::from(spec.subsidy(height).pebbles());
    Ok(if has_account { price } else { price + reward })
}

/// The number of accounts, and their balances together; each address leads to its account.
fn audit_accounts(store: &ChainStore) -> Result<(u64, u128), AuditError> {
    let (mut count, mut sum) = (0_u64, 0_u128);
    for leaves in store.leaves()? {
        let leaves = leaves?;
        let addresses: Vec<Address> = leaves.iter().map(|leaf| leaf.address).collect();
        for ((leaf, index), expected) in leaves.iter().zip(store.indices_of(&addresses)?).zip(count..) {
            if index != Some(expected) {
                return Err(AuditError::Order { address: leaf.address });
            }
            sum += u128::from(leaf.account.balance.pebbles());
        }
        count += leaves.len() as u64;
    }
    match store.address_count()? {
        got if got == count => Ok((count.saturating_sub(1), sum)),
        got => Err(AuditError::Leftovers { what: "addresses of accounts", got, expected: count }),
    }
}

/// Compares the index with the blocks it covers, if it is on.
fn audit_index(store: &ChainStore, spec: &ChainSpec) -> Result<(), AuditError> {
    let (mut expected, built) = (0_u64, store.indexed()?);
    for height in (store.lowest_body().get().max(1)..=built.map_or(0, Height::get)).map(Height::new) {
        let header = store.header_on_chain(height)?;
        let body = store.body(&header)?.ok_or(AuditError::BrokenChain { height })?;
        let keys = index::stored_keys(store, spec, header.header(), &body)?;
        for key in &keys {
            if !store.has_touch(key)? {
                let address = store.address_at(key.account)?.unwrap_or(Address::ZERO);
                return Err(AuditError::Unindexed { address, height });
            }
        }
        expected += keys.len() as u64;
    }
    let got = store.touches().try_fold(0_u64, |count, touch| touch.map(|_| count + 1))?;
    if got != expected {
        return Err(AuditError::Touches { got, expected });
    }
    Ok(())
}

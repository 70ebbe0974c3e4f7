//! How the database can fail.

use super::codec::Table;
use super::pruning::Kept;
use super::schema;
use cairn_ledger::{BlockId, Hash, Height};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// A failure of the database. It is never anybody's fault but ours, and it stops the node.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what the fields are")]
pub enum StoreError {
    /// RocksDB said no; `table` may also be what was being done.
    #[error("the database failed in {table}: {reason}")]
    Database { table: &'static str, reason: String },
    /// A record that is not one of ours.
    #[error("the database is corrupt: {table} holds a broken record at {key}")]
    Corrupt { table: &'static str, key: String },
    /// A record that must be there is not.
    #[error("the database is corrupt: {table} lacks {key}")]
    Missing { table: &'static str, key: String },
    /// A database of another version of this program.
    #[error("the database has format {got}, this program reads format {expected}; {}", format_advice(*got, *expected))]
    Format { got: u32, expected: u32 },
    /// A database that an earlier version made, without a table that this one has. Opened for writing it gets it.
    #[error(
        "the database has no table {table}: an earlier version of cairn-node made it; start the node, which adds it"
    )]
    NoTable { table: &'static str },
    /// A database of another network.
    #[error("the database belongs to the network {got}, this node is on {expected}; choose another --data-dir")]
    OtherNetwork { got: BlockId, expected: BlockId },
    /// A chain that was made under other upgrades than those of the network's file; `height` is the first that was
    /// looked at and differs.
    #[error(
        "the stored block {height} has version {got}, the upgrades in the network's file give that height version \
         {expected}; use the file that the chain was made with, or rebuild the database up to there with cairn-node db \
         repair --force"
    )]
    OtherRules { height: Height, got: u16, expected: u16 },
    /// What was asked for was pruned.
    #[error(
        "the block at height {height} was pruned: this node keeps the bodies of blocks {kept}; ask a node that keeps all"
    )]
    Pruned { height: Height, kept: Arc<Kept> },
    /// The chain with the most work leaves the stored one so deep that pruning took what would lead back.
    #[error(
        "the chain with the most work leaves the stored one after height {fork}, and blocks below height {lowest} were \
         pruned; delete db/ in the data directory, and the node fetches that chain anew"
    )]
    ForkPruned { fork: Height, lowest: Height },
    /// Too little memory for the accounts of the network, most of which may be on the disk; in bytes.
    #[error(
        "{} MiB are left for the {accounts} accounts of the network, which take {} MiB at the least; raise memory.max_bytes, or \
         the limit of the container, or take a machine with more memory",
        got >> 20,
        (expected >> 20) + 1
    )]
    NoMemory { accounts: u64, got: u64, expected: u64 },
    /// A crash has interrupted the installation of a snapshot: nothing is to be read of the chain.
    #[error("the accounts of a snapshot are only half in their place: start the node, which goes on with it")]
    Restoring,
    /// The accounts are not those of the tip.
    #[error("the database is corrupt: its accounts have the state root {got}, the tip has {expected}")]
    StateMismatch { got: Hash, expected: Hash },
    /// Some of the accounts are not those of the tip.
    #[error("the database is corrupt: accounts {first} to {last} are not those of the tip")]
    Accounts { first: u64, last: u64 },
    /// The operating system refused the threads that work on the chain.
    #[error("threads could not be started: {reason}")]
    Workers { reason: String },
}

/// What to do about a database of another format.
fn format_advice(got: u32, expected: u32) -> &'static str {
    if got > expected {
        "a later version of cairn-node wrote it: use that one"
    } else {
        "an earlier version of cairn-node wrote it: use that one, or a data directory of its own for this one"
    }
}

impl StoreError {
    /// Whether the storage, or what is on it, is broken.
    pub fn is_storage_failure(&self) -> bool {
        match self {
            Self::Database { .. }
            | Self::Corrupt { .. }
            | Self::Missing { .. }
            | Self::StateMismatch { .. }
            | Self::Accounts { .. } => true,
            // The data is well, but another program's or network's; or it was never looked at.
            Self::Format { .. }
            | Self::NoTable { .. }
            | Self::OtherNetwork { .. }
            | Self::OtherRules { .. }
            | Self::Pruned { .. }
            | Self::ForkPruned { .. }
            | Self::NoMemory { .. }
            | Self::Restoring
            | Self::Workers { .. } => false,
        }
    }

    /// Whether RocksDB has met damage while it merged files: then it writes nothing until it is opened again, which
    /// mends it.
    pub fn is_merge_damage(&self) -> bool {
        matches!(self, Self::Database { table: "write" | "flush", reason } if reason.starts_with("Corruption"))
    }

    /// The table that is damaged, where what can be read of it is not what was written.
    pub(crate) fn damaged_table(&self) -> Option<&'static str> {
        match self {
            Self::Corrupt { table, .. } | Self::Missing { table, .. } => Some(table),
            // RocksDB's own word for it. A disk that fails says something else.
            Self::Database { table, reason } if reason.starts_with("Corruption") => {
                schema::TABLES.iter().copied().find(|known| known == table)
            }
            Self::Accounts { .. } => Some(schema::AccountByIndex::NAME),
            _ => None,
        }
    }

    /// The accounts that are known to be wrong.
    pub(crate) fn damaged_accounts(&self) -> Option<RangeInclusive<u64>> {
        match self {
            Self::Accounts { first, last } => Some(*first..=*last),
            _ => None,
        }
    }
}

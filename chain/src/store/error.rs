//! How the database can fail.

use cairn_ledger::{
    hash::{BlockId, Hash},
    units::Height,
};

/// A failure of the database. It is never anybody's fault but ours, and it stops the node.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// RocksDB said no.
    #[error("the database failed in {table}: {reason}")]
    Database {
        /// The table, or what was being done.
        table: &'static str,
        /// What RocksDB said.
        reason: String,
    },
    /// A record that is not one of ours.
    #[error("the database is corrupt: {table} holds a broken record at {key}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The key, in hex.
        key: String,
    },
    /// A record that must be there is not.
    #[error("the database is corrupt: {table} lacks {key}")]
    Missing {
        /// The table.
        table: &'static str,
        /// The key, in hex.
        key: String,
    },
    /// A database of another version of this program.
    #[error("the database has format {got}, this program reads format {expected}; {}", format_advice(*got, *expected))]
    Format {
        /// The database's format.
        got: u32,
        /// This program's.
        expected: u32,
    },
    /// A database that an earlier version made, without a table that this one has. Opened for writing it gets it.
    #[error(
        "the database has no table {table}: an earlier version of cairn-node made it; start the node, which adds it"
    )]
    NoTable {
        /// The table.
        table: &'static str,
    },
    /// A database of another network.
    #[error("the database belongs to the network {got}, this node is on {expected}; choose another --data-dir")]
    OtherNetwork {
        /// The database's genesis id.
        got: BlockId,
        /// This node's.
        expected: BlockId,
    },
    /// A chain that was made under other upgrades than those of the network's file.
    #[error(
        "the stored block {height} has version {got}, the upgrades in the network's file give that height version \
         {expected}; use the file that the chain was made with, or rebuild the database up to there with cairn-node db \
         repair --force"
    )]
    OtherRules {
        /// The first height that was looked at and differs.
        height: Height,
        /// The stored header's version.
        got: u16,
        /// The file's.
        expected: u16,
    },
    /// The accounts are not those of the tip.
    #[error("the database is corrupt: its accounts have the state root {got}, the tip has {expected}")]
    StateMismatch {
        /// The root over the stored accounts.
        got: Hash,
        /// The root in the tip's header.
        expected: Hash,
    },
    /// The operating system refused the threads that work on the chain.
    #[error("threads could not be started: {reason}")]
    Workers {
        /// What it said.
        reason: String,
    },
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
            Self::Database { .. } | Self::Corrupt { .. } | Self::Missing { .. } | Self::StateMismatch { .. } => true,
            // The data is well, but another program's or network's; or it was never looked at.
            Self::Format { .. }
            | Self::NoTable { .. }
            | Self::OtherNetwork { .. }
            | Self::OtherRules { .. }
            | Self::Workers { .. } => false,
        }
    }
}

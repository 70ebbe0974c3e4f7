//! Transactions on their way, and the pool.

use super::TransactionJson;
use crate::text::{Pebbles, Text};
use cairn_ledger::hash::TxId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a dry run says of a transaction that would be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TxCheck {
    /// Its id.
    pub txid: Text<TxId>,
    /// Its size in bytes.
    pub size: u64,
    /// What it pays.
    pub fee: Pebbles,
    /// The least fee that the pool takes now for this size.
    pub min_fee: Pebbles,
    /// How many of its receivers have no account at the tip.
    pub new_accounts: u64,
    /// What creating those costs its sender on top, if the next block mines it; the price is burned.
    pub price: Pebbles,
}

/// The pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MempoolInfo {
    /// Transactions in it.
    pub count: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// How many it holds at most.
    pub max_count: u64,
    /// How many bytes it holds at most.
    pub max_bytes: u64,
    /// How many senders they have.
    pub senders: u64,
    /// The least fee it takes now, in pebbles for each byte.
    pub min_fee_rate: u64,
}

/// A transaction in the pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolEntry {
    /// It.
    pub transaction: TransactionJson,
    /// When it came to this node, Unix ms.
    pub added: u64,
    /// Whether it can be mined now: its sender's balance covers it, and none of its sender's is missing
    /// before it.
    pub ready: bool,
}

/// Transactions of the pool, in order of arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolPage {
    /// They.
    pub transactions: Vec<PoolEntry>,
    /// Where the next page begins, to be given as `after`; null when this is the last.
    pub next: Option<Text<PoolCursor>>,
}

/// A place in the order of arrival, as `added-txid`. It stays good when that transaction leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolCursor {
    /// When the last transaction before it came, Unix ms.
    pub added: u64,
    /// That transaction.
    pub txid: TxId,
}

/// Text that is no cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a place in the pool as mempool_content gave it in next")]
pub struct PoolCursorError;

impl fmt::Display for PoolCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.added, self.txid)
    }
}

impl FromStr for PoolCursor {
    type Err = PoolCursorError;

    fn from_str(text: &str) -> Result<Self, PoolCursorError> {
        let (added, txid) = text.split_once('-').ok_or(PoolCursorError)?;
        let added = added.parse().map_err(|_| PoolCursorError)?;
        Ok(Self { added, txid: txid.parse().map_err(|_| PoolCursorError)? })
    }
}

/// What a transaction should pay, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeeEstimateJson {
    /// Pebbles for each byte.
    pub fee_rate: u64,
    /// Within how many blocks it would be mined, if no better ones come.
    pub blocks: u64,
    /// How many bytes those blocks hold.
    pub block_bytes: u64,
    /// How many bytes wait that pay at least as much.
    pub bytes_ahead: u64,
    /// How many bytes wait altogether.
    pub bytes_pooled: u64,
}

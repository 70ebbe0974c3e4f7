//! Stretches of the chain.

use super::{BlockJson, HeaderJson, TransactionInfo};
use crate::text::{Pebbles, Text};
use cairn_ledger::hash::BlockId;
use cairn_ledger::pow::{CompactTarget, Work};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Headers of the followed chain, upward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderPage {
    /// They.
    pub headers: Vec<HeaderJson>,
    /// The height at which to go on; null when the tip is among them.
    pub next: Option<u64>,
}

/// Blocks of the followed chain, upward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockPage {
    /// They. Fewer than asked for when they are large.
    pub blocks: Vec<BlockJson>,
    /// The height at which to go on; null when the tip is among them.
    pub next: Option<u64>,
}

/// A place in the followed chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The block's height.
    pub height: u64,
    /// The transaction's number in it, from 0.
    pub place: u64,
}

/// Transactions of the followed chain, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionPage {
    /// They. There may be none although there are more: a page looks through a bounded number of blocks.
    pub transactions: Vec<TransactionInfo>,
    /// Where to go on; null when the tip was looked through.
    pub next: Option<Place>,
}

/// How much money there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Supply {
    /// After this block.
    pub height: u64,
    /// Allocated at block 0 and mined since.
    pub issued: Pebbles,
    /// What of it is gone: the price of all accounts that were created since block 0, and rewards too small for one.
    /// Known at the tip alone; null for another height.
    pub burned: Option<Pebbles>,
    /// What the next block adds.
    pub next_reward: Pebbles,
    /// What will have been issued in the end.
    pub in_the_end: Pebbles,
}

/// How hard blocks are to find.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DifficultyJson {
    /// The last block of the window: the tip.
    pub height: u64,
    /// How many blocks were looked at.
    pub window: u64,
    /// From the time of the block before them to that of the last, in ms.
    pub span_ms: u64,
    /// The mean time between two of them, in ms.
    pub mean_interval_ms: u64,
    /// The interval that the network aims at, in ms.
    pub interval_ms: u64,
    /// Expected attempts behind them.
    pub work: Text<Work>,
    /// Attempts a second that the whole network made.
    pub hash_rate: f64,
    /// What the next block has to meet.
    pub next_target: Text<CompactTarget>,
}

/// How the chain moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainMove {
    /// Blocks that are no longer on the chain, from the last down.
    pub disconnected: Vec<HeaderJson>,
    /// Blocks that now are, upward.
    pub connected: Vec<HeaderJson>,
    /// Where this leads: to be given as `since` by whoever resumes.
    pub tip: Text<BlockId>,
}

/// What a move of the chain did with the transactions of one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressMove {
    /// Its transactions that are no longer on the chain, the last first.
    pub disconnected: Vec<TransactionInfo>,
    /// Those that now are.
    pub connected: Vec<TransactionInfo>,
    /// Where this leads: to be given as `since` by whoever resumes.
    pub tip: Text<BlockId>,
}

//! The miner, and work for miners elsewhere.

use crate::text::{HexBytes, Pebbles, Text};
use cairn_ledger::hash::{BlockId, Hash};
use cairn_ledger::pow::{CompactTarget, Work};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The miner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MiningInfo {
    /// Threads that mine; 0 when it is off.
    pub threads: u64,
    /// The share of their time they spend, in percent.
    pub duty: u8,
    /// Who receives the rewards; null when none is set.
    pub beneficiary: Option<String>,
    /// Attempts per second, over the last seconds.
    pub hash_rate: f64,
    /// Blocks found since the node started.
    pub blocks_found: u64,
    /// Why it is not mining although it is on.
    pub paused: Option<String>,
    /// The height of the next block.
    pub next_height: u64,
    /// The target of the next block.
    pub next_target: Text<CompactTarget>,
    /// The expected number of attempts for the next block.
    pub next_work: Text<Work>,
}

/// What `mining_generate` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Generated {
    /// The ids of the new blocks, in order.
    pub blocks: Vec<Text<BlockId>>,
    /// Why there are fewer than asked for.
    pub stopped: Option<String>,
}

/// A block on the tip, complete but for its nonce. A nonce solves it when SHA-256 of SHA-256 of `seal` and the
/// nonce (8 bytes, little-endian), read big-endian, is not above the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkJson {
    /// All that is hashed besides the nonce; names the work in `mining_submit`.
    pub seal: Text<Hash>,
    /// What the block's id has to meet, in compact form.
    pub target: Text<CompactTarget>,
    /// The block's height.
    pub height: u64,
    /// The block it stands on. The work is stale when this is no longer the tip.
    pub parent: Text<BlockId>,
    /// The block's time, Unix ms.
    pub time: u64,
    /// The transactions in it.
    pub transactions: u64,
    /// What the beneficiary earns: the reward and the fees.
    pub earns: Pebbles,
    /// The header's bytes, with nonce 0.
    pub header: HexBytes,
}

/// A block that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundBlock {
    /// Its id; it is on the chain.
    pub block: Text<BlockId>,
}

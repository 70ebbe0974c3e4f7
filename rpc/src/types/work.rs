//! Work for miners elsewhere.

use crate::text::{HexBytes, Pebbles, Text};
use cairn_ledger::hash::{BlockId, Hash};
use cairn_ledger::pow::CompactTarget;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

//! Blocks and their headers.

use super::TransactionJson;
use crate::text::{HexBytes, Text};
use cairn_ledger::hash::{BlockId, Hash, TxId};
use cairn_ledger::pow::{CompactTarget, Work};
use cairn_ledger::{address::AddressPrefix, block::Header, codec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A block, named by its height on the followed chain (a number) or by its id (a string).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a block's height as a number or its id as 64 lower-case hex digits")]
pub enum BlockRef {
    /// The block at this height of the followed chain.
    Height(u64),
    /// The block with this id.
    Id(Text<BlockId>),
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderJson {
    /// The block's id.
    pub id: Text<BlockId>,
    /// What goes with the rules of its height: 1 before any upgrade.
    pub version: u16,
    /// Its place in the chain.
    pub height: u64,
    /// The id of the block before.
    pub parent: Text<BlockId>,
    /// When its miner says it was made, Unix ms.
    pub time: u64,
    /// What its id meets.
    pub target: Text<CompactTarget>,
    /// Who received its reward.
    pub beneficiary: String,
    /// The root over its transactions.
    pub txs_root: Text<Hash>,
    /// The root over all accounts after it.
    pub state_root: Text<Hash>,
    /// The root over all blocks before it.
    pub history_root: Text<Hash>,
    /// What its miner found.
    pub nonce: Text<u64>,
    /// The work of the chain up to and including it.
    pub work: Text<Work>,
    /// Its 190 bytes.
    pub raw: HexBytes,
}

impl HeaderJson {
    /// Writes a header; `work` is the chain's, up to and including it.
    pub fn new(header: &Header, work: Work, prefix: &AddressPrefix) -> Self {
        Self {
            id: Text(header.id()),
            version: header.version,
            height: header.height.get(),
            parent: Text(header.parent),
            time: header.time.millis(),
            target: Text(header.target),
            beneficiary: prefix.encode(&header.beneficiary),
            txs_root: Text(header.txs_root),
            state_root: Text(header.state_root),
            history_root: Text(header.history_root),
            nonce: Text(header.nonce),
            work: Text(work),
            raw: HexBytes(codec::encode(header)),
        }
    }
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockJson {
    /// Its header.
    pub header: HeaderJson,
    /// Encoded size in bytes.
    pub size: u64,
    /// Its transactions, in order.
    pub transactions: BlockTransactions,
}

/// The transactions of a block: their ids, or themselves when `full` was asked for. An empty list is an
/// empty list of either, and is read as one of ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BlockTransactions {
    /// Their ids.
    Ids(Vec<Text<TxId>>),
    /// Themselves.
    Full(Vec<TransactionJson>),
}

//! Transactions, and what became of them.

use crate::text::{HexBytes, Pebbles, Text};
use cairn_ledger::hash::{BlockId, TxId};
use cairn_ledger::transaction::{Output, Transaction};
use cairn_ledger::{address::AddressPrefix, codec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One payment of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutputJson {
    /// The receiver.
    pub to: String,
    /// What it receives.
    pub amount: Pebbles,
}

impl OutputJson {
    /// The payments of a transaction, in their order.
    pub fn list(outputs: &[Output], prefix: &AddressPrefix) -> Vec<Self> {
        outputs.iter().map(|output| Self { to: prefix.encode(&output.to), amount: Pebbles(output.amount) }).collect()
    }
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionJson {
    /// Its id.
    pub txid: Text<TxId>,
    /// 1.
    pub version: u8,
    /// Who pays.
    pub sender: String,
    /// How many of the sender's transactions come before it.
    pub nonce: Text<u64>,
    /// What its miner earns.
    pub fee: Pebbles,
    /// The most that the accounts it creates may cost its sender, on top of fee and amounts.
    pub max_price: Pebbles,
    /// The last height at which it may be mined; 0 for no limit.
    pub valid_until: u64,
    /// Who receives what.
    pub outputs: Vec<OutputJson>,
    /// Free bytes for the receiver.
    pub memo: HexBytes,
    /// Encoded size in bytes.
    pub size: u64,
    /// The sender's signature.
    pub signature: String,
    /// Its encoded bytes.
    pub raw: HexBytes,
}

impl TransactionJson {
    /// Writes a transaction.
    pub fn new(transaction: &Transaction, prefix: &AddressPrefix) -> Self {
        let body = &transaction.body;
        Self {
            txid: Text(transaction.id()),
            version: body.version,
            sender: prefix.encode(&body.sender),
            nonce: Text(body.nonce),
            fee: Pebbles(body.fee),
            max_price: Pebbles(body.max_price),
            valid_until: body.valid_until.get(),
            outputs: OutputJson::list(&body.outputs, prefix),
            memo: HexBytes(body.memo.to_vec()),
            size: transaction.size() as u64,
            signature: transaction.signature.to_string(),
            raw: HexBytes(codec::encode(transaction)),
        }
    }
}

/// A transaction, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionInfo {
    /// The transaction.
    pub transaction: TransactionJson,
    /// `mined` or `pooled`.
    pub state: TxState,
    /// The block it is in.
    pub block: Option<Text<BlockId>>,
    /// That block's height.
    pub height: Option<u64>,
    /// Blocks from that one to the tip, both counted; 0 in the pool.
    pub confirmations: u64,
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TxState {
    /// Neither in a block nor in the pool of this node, nor lately dropped from it.
    Unknown,
    /// In the pool.
    Pooled,
    /// In a block of the followed chain.
    Mined,
    /// Dropped from the pool; `reason` says why.
    Dropped,
    /// Dropped from the pool because its last height has passed: it can never be mined.
    Expired,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TxStatus {
    /// Its id.
    pub txid: Text<TxId>,
    /// Where it is.
    pub state: TxState,
    /// The block it is in.
    pub block: Option<Text<BlockId>>,
    /// That block's height.
    pub height: Option<u64>,
    /// Blocks from that one to the tip, both counted; 0 unless mined.
    pub confirmations: u64,
    /// Why it was dropped.
    pub reason: Option<String>,
}

/// An accepted transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Submitted {
    /// Its id.
    pub txid: Text<TxId>,
}

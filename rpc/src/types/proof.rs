//! Proofs, each with its encoded bytes: those are what counts.

use super::AccountValue;
use crate::text::{HexBytes, Pebbles, Text};
use cairn_ledger::accounts::{Account, AccountProof};
use cairn_ledger::hash::{BlockId, Hash, TxId};
use cairn_ledger::{block::Header, codec, pow::Work};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A leaf of the account tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeafJson {
    /// Whose account it is, as 64 hex digits: the sentinel has no address.
    pub address: String,
    /// The next address in ascending order, as 64 hex digits; zero after the last.
    pub next: String,
    /// Its money.
    pub balance: Pebbles,
    /// Its next nonce.
    pub nonce: Text<u64>,
}

/// A proof of a tip and of the work below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LightProofJson {
    /// The tip.
    pub tip: Text<BlockId>,
    /// Its height.
    pub height: u64,
    /// The work of the chain up to and including it, as the node says: what `raw` proves is what counts.
    pub work: Text<Work>,
    /// The verified tip that `raw` continues; null when it proves the chain from its block 0.
    pub since: Option<Text<BlockId>>,
    /// The encoded `LightProof`; with `since`, the headers after that block up to the tip, 190 bytes each.
    pub raw: HexBytes,
}

/// A proof that a transaction is in a block of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionProofJson {
    /// The transaction.
    pub txid: Text<TxId>,
    /// The block it is in.
    pub block: Text<BlockId>,
    /// That block's height.
    pub height: u64,
    /// The block that the proof stands under.
    pub at: Text<BlockId>,
    /// The encoded `TransactionProof`.
    pub raw: HexBytes,
}

/// A proof of an account, or of its absence, against the state root of a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProofJson {
    /// The header it stands against, as its 190 bytes.
    pub header: HexBytes,
    /// The address asked for.
    pub address: String,
    /// What it has; null when the proof shows that it has no account.
    pub account: Option<AccountValue>,
    /// The address's leaf, or the one below it.
    pub leaf: LeafJson,
    /// The leaf's place in the tree.
    pub index: u64,
    /// Leaves in the tree.
    pub count: u64,
    /// The siblings from the leaf upward.
    pub path: Vec<Text<Hash>>,
    /// The encoded `AccountProof`.
    pub raw: HexBytes,
}

impl ProofJson {
    /// Writes a proof about `address` (shown as `shown`), which stands at the state root of `header`.
    pub fn new(header: &Header, shown: String, account: Option<Account>, proof: &AccountProof) -> Self {
        Self {
            header: HexBytes(codec::encode(header)),
            address: shown,
            account: account.map(AccountValue::from),
            leaf: LeafJson {
                address: proof.leaf.address.to_string(),
                next: proof.leaf.next.to_string(),
                balance: Pebbles(proof.leaf.account.balance),
                nonce: Text(proof.leaf.account.nonce),
            },
            index: proof.index,
            count: proof.count,
            path: proof.path.iter().copied().map(Text).collect(),
            raw: HexBytes(codec::encode(proof)),
        }
    }
}

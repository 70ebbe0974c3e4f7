//! Accounts.

use crate::text::{Pebbles, Text};
use cairn_ledger::{accounts::Account, hash::BlockId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An account at the tip, and what the pool would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountJson {
    /// The address.
    pub address: String,
    /// Whether it has an account; without one, balance and nonce are 0.
    pub exists: bool,
    /// Its money.
    pub balance: Pebbles,
    /// How many of its transactions were mined: the nonce of the next.
    pub nonce: Text<u64>,
    /// The same with its transactions in the pool counted as mined; what it would receive is not.
    pub pending: PendingJson,
    /// The height of the block it was read at.
    pub height: u64,
    /// The id of that block.
    pub block: Text<BlockId>,
}

/// What an account's own transactions in the pool would make of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PendingJson {
    /// Its money without what they spend.
    pub balance: Pebbles,
    /// The first nonce that is neither mined nor in the pool.
    pub nonce: Text<u64>,
    /// How many they are.
    pub count: u64,
}

/// Balance and nonce of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountValue {
    /// Its money.
    pub balance: Pebbles,
    /// Its next nonce.
    pub nonce: Text<u64>,
}

impl From<Account> for AccountValue {
    fn from(account: Account) -> Self {
        Self { balance: Pebbles(account.balance), nonce: Text(account.nonce) }
    }
}

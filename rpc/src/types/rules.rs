//! The rules that may change.

use crate::text::{Pebbles, Text};
use cairn_ledger::{chain_spec::ChainSpec, hash::Hash, units::Height};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The rules of one block, of those that an upgrade may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RulesJson {
    /// The height of the block.
    pub height: u64,
    /// What its header has as version.
    pub version: u16,
    /// The largest block, in bytes.
    pub max_block_bytes: u64,
    /// The most accounts that it may create, its miner's not counted.
    pub max_new_accounts: u64,
    /// What creating an account costs whoever pays it first, on top of what it receives. It is burned.
    pub account_price: Pebbles,
    /// What tells all upgrades that the node knows; those of the same network and the same upgrades share it.
    pub id: Text<Hash>,
    /// The next upgrade, that is the first that begins after this block; null when none is known.
    pub next_upgrade: Option<UpgradeJson>,
}

/// A change of rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpgradeJson {
    /// The first block under the new rules.
    pub height: u64,
    /// What it is called.
    pub name: String,
}

impl RulesJson {
    /// What holds for the block at `height`.
    pub fn new(spec: &ChainSpec, height: Height) -> Self {
        let (rules, schedule) = (spec.rules_at(height), spec.schedule());
        let next = schedule.next_after(height);
        Self {
            height: height.get(),
            version: rules.version,
            max_block_bytes: rules.max_block_bytes,
            max_new_accounts: rules.max_new_accounts,
            account_price: Pebbles(rules.account_price),
            id: Text(schedule.id()),
            next_upgrade: next.map(|next| UpgradeJson { height: next.height.get(), name: next.name.clone() }),
        }
    }
}

//! What touched an address.

use super::TransactionJson;
use crate::text::{Pebbles, Text};
use cairn_ledger::hash::BlockId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What touched an address, the last first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressHistory {
    /// The address.
    pub address: String,
    /// What touched it. Fewer than asked for when blocks or transactions are large.
    pub entries: Vec<HistoryEntry>,
    /// Where older ones begin, to be given as `before`; null when there are none.
    pub next: Option<Text<HistoryCursor>>,
    /// When the chain was reorganised since the page that this one continues: the last block that stayed. What was
    /// told above it may no longer hold: begin anew. Null when nothing told has changed.
    pub reorganised_above: Option<u64>,
    /// The height of the tip at which it was read.
    pub height: u64,
    /// The id of that tip.
    pub block: Text<BlockId>,
}

/// How an address was touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// The height of the block.
    pub height: u64,
    /// Its id.
    pub block: Text<BlockId>,
    /// When its miner says it was made, Unix ms.
    pub time: u64,
    /// Blocks from that one to the tip, both counted.
    pub confirmations: u64,
    /// The transaction's number in the block, from 0; null for the block's reward.
    pub place: Option<u64>,
    /// What left the address: amounts, fee, and the price of the accounts it created.
    pub sent: Pebbles,
    /// That price alone: what was burned.
    pub price: Pebbles,
    /// What it received: amounts; or subsidy and fees, less the price where they made its account.
    pub received: Pebbles,
    /// The transaction; null for the block's reward.
    pub transaction: Option<TransactionJson>,
}

/// A place in the history of an address, as `height-place-tip`. New blocks do not move it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryCursor {
    /// The height of the last block told.
    pub height: u64,
    /// The place in it of the last entry told; the greatest there is for the reward.
    pub place: u32,
    /// The tip at which that was.
    pub tip: BlockId,
}

/// Text that is no cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a place in a history as state_getHistory gave it in next")]
pub struct HistoryCursorError;

impl fmt::Display for HistoryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.height, self.place, self.tip)
    }
}

impl FromStr for HistoryCursor {
    type Err = HistoryCursorError;

    fn from_str(text: &str) -> Result<Self, HistoryCursorError> {
        let (height, rest) = text.split_once('-').ok_or(HistoryCursorError)?;
        let (place, tip) = rest.split_once('-').ok_or(HistoryCursorError)?;
        Ok(Self {
            height: height.parse().map_err(|_| HistoryCursorError)?,
            place: place.parse().map_err(|_| HistoryCursorError)?,
            tip: tip.parse().map_err(|_| HistoryCursorError)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let cursor = HistoryCursor { height: 7, place: u32::MAX, tip: BlockId::from_bytes([9; 32]) };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for wrong in ["", "7", "7-1", "7-1-", "7-4294967296-00", "-1-1-1", &format!("7-1-{}x", "0".repeat(63))] {
            assert_eq!(wrong.parse::<HistoryCursor>(), Err(HistoryCursorError), "{wrong}");
        }
    }
}

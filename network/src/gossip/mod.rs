//! Blocks and transactions that are passed on: judged first, then relayed.

pub(crate) mod judge;
pub(crate) mod losses;
pub(crate) mod own_txs;
pub(crate) mod recent_blocks;
pub(crate) mod relay;
pub(crate) mod tx_batcher;

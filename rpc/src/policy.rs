//! What nodes and wallets have to agree on and is no rule of the chain: what pools take, when a payment counts as
//! final, how much an answer holds.

/// A pool takes only what can still be mined for so many blocks (docs/protocol.md, section 3).
pub const LIFETIME_BLOCKS: u64 = 4;
/// How many payments of one sender a pool takes unless its owner says otherwise (`max_per_sender`).
pub const MAX_PER_SENDER: u64 = 64;
/// How many blocks, its own counted, have to confirm what a block holds before that counts as final: the depth at which
/// a light proof reads accounts (docs/protocol.md, section 9).
pub const BURIED: u64 = cairn_ledger::light::BURIAL;

/// The largest answer of a node, a batch's together: the largest block in full, its transactions in hex and in fields,
/// fits.
pub const MAX_RESPONSE_BYTES: u32 = 16 << 20;
/// The most headers that `chain_getBareHeaders` gives at once: a megabyte in hex.
pub const BARE_HEADERS: u64 = 5_000;

/// How far a clock may be from the median of the peers' clocks, in ms: a block may be stamped `max_future_ms` ahead of
/// a node's clock, and half of it leaves room for the other's error.
pub const fn clock_tolerance_ms(max_future_ms: u64) -> u64 {
    max_future_ms / 2
}

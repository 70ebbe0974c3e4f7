//! What pools take and when a payment counts as final: policy that nodes and wallets have to agree on. None of it is a
//! rule of the chain.

/// A pool takes only what can still be mined for so many blocks (docs/protocol.md, section 3).
pub const LIFETIME_BLOCKS: u64 = 4;
/// How many payments of one sender a pool takes unless its owner says otherwise (`max_per_sender`).
pub const MAX_PER_SENDER: u64 = 64;
/// How many blocks, its own counted, have to confirm what a block holds before that counts as final: the depth at which
/// a light proof reads accounts (docs/protocol.md, section 9).
pub const BURIED: u64 = 6;

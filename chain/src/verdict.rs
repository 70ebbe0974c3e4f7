//! What is said of a peer's message: whether to pass it on, and what it proves about the peer.

use cairn_ledger::{BlockError, HeaderError, TxError, codec::DecodeError};

/// A connected peer, by the number of its connection; the network alone knows who is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerNumber(pub u64);

/// Where something came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// From this node: its miner, its RPC, its disk.
    Local,
    /// From a peer.
    Peer(PeerNumber),
}

/// Whether a gossiped message travels on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is valid and new: pass it on.
    Accept,
    /// It cannot be judged, or is not worth passing on; nobody is to blame.
    Ignore,
    /// Its very bytes are invalid, and whoever sent it should have known.
    Reject(Misbehaviour),
}

/// What a peer's own bytes or silence prove about it. The penalty for each stands in
/// `network/src/peers/score.rs` alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// Bytes that are no message.
    #[error("sent bytes that are no message: {0}")]
    Undecodable(DecodeError),
    /// A transaction that is invalid everywhere.
    #[error("sent an invalid transaction: {0}")]
    InvalidTransaction(TxError),
    /// A header that is invalid everywhere.
    #[error("sent an invalid header: {0}")]
    InvalidHeader(HeaderError),
    /// A block that is invalid everywhere, sent as its own answer to a request.
    #[error("sent an invalid block: {0}")]
    InvalidBlock(BlockError),
    /// A body that is not the one its header commits to.
    #[error("sent a body that does not belong to its header")]
    MutatedBody,
    /// An answer that does not fit the question.
    #[error("answered something that was not asked")]
    WrongAnswer,
    /// A chain with less work than it claims to follow, or nothing of it.
    #[error("claims a chain with more work than it has headers to show for")]
    Unkept,
    /// No answer in time.
    #[error("did not answer in time")]
    Stalled,
    /// More requests than the limits allow.
    #[error("asked for more than the limits allow")]
    Flooding,
}

//! Why the nodes were of no help.

use super::{client::ClientError, verify::report::Liar};
use cairn_host::files::FileError;
use cairn_ledger::hash::TxId;
use cairn_rpc::types::TxState;

/// What nodes prove or say, or why they were of no help.
pub type Result<T, E = NodeError> = std::result::Result<T, E>;

/// Why the nodes were of no help.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// One node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A pairing, or a tip that is kept.
    #[error(transparent)]
    File(#[from] FileError),
    /// No node told the truth.
    #[error(
        "no node could be believed: {}; name another with --node",
        liars.iter().map(|liar| format!("the node at {} lies: {}", liar.node, liar.claim)).collect::<Vec<_>>().join("; ")
    )]
    Lies { liars: Vec<Liar> },
    /// This computer's clock is the odd one out.
    #[error(
        "this computer's clock is {} s behind the nodes' ({nodes} asked), and their newest blocks are from its future: \
         set it, and try again",
        behind_ms / 1_000
    )]
    Clock { behind_ms: u64, nodes: usize },
    /// A payment that has no receipt.
    #[error("there is no receipt for {txid} yet: {}", match state {
        TxState::Pooled => "it waits for a block; try again once it is mined",
        TxState::Mined => "it was mined a moment ago; try again",
        _ => "no node proves that it is in a block",
    })]
    NoReceipt { txid: TxId, state: TxState },
}

impl NodeError {
    /// The kind in words, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Client(error) => error.kind(),
            Self::File(_) => "file",
            Self::Lies { .. } => "node_lies",
            Self::Clock { .. } => "clock_wrong",
            Self::NoReceipt { .. } => "no_receipt",
        }
    }

    /// Whether no node answered.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Client(error) if error.is_silence())
    }
}

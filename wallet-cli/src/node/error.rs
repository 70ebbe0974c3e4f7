//! Why a node gave no useful answer, and what to do about it; and why the nodes were of no help.

use super::verify::Liar;
use crate::network::Mismatch;
use cairn_host::FileError;
use cairn_ledger::TxId;
use cairn_rpc::{TxState, error::Code};

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

/// Why the node gave no useful answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Not the URL of a node.
    #[error("--node {url:?}: {reason}; expected a URL such as http://127.0.0.1:9741 or https://node.example.org:9741")]
    Url { url: String, reason: String },
    /// Nobody there, or too slow.
    #[error("no node answered at {url} ({reason}); start one with cairn-node run, or name another with --node")]
    NoAnswer { url: String, reason: String },
    /// A certificate that shows nobody, or somebody else.
    #[error(
        "the node at {url} was not asked: {reason}. If the node signed its own certificate, name it with the \
         certificate, as cairn-node token new prints it ({url}?cert=SHA256); if it has a new one, pair with it again"
    )]
    Certificate { url: String, reason: String },
    /// Something answered that does not speak this protocol.
    #[error("what answers at {url} is no Cairn node ({reason}); name one with --node")]
    Strange { url: String, reason: String },
    /// A node of another network.
    #[error("the node at {url} is on the network {mismatch}; choose with --chain or --node")]
    OtherNetwork { url: String, mismatch: Box<Mismatch> },
    /// A node whose tip stands under rules that this wallet does not know, or that does not know this wallet's.
    #[error(
        "the node at {url} is at block {height} under other rules than this wallet knows (header version {got}, expected \
         {expected}): update the wallet, or the network's file given with --chain; or the node has not been updated"
    )]
    OtherRules { url: String, height: u64, got: u16, expected: u16 },
    /// The node said no.
    #[error("the node refused: {message}{}", advice(*.code).map(|advice| format!("; {advice}")).unwrap_or_default())]
    Refused { code: Code, message: String },
    /// The system gives no random bytes to choose samples with.
    #[error("the system gave no random bytes: {reason}")]
    NoRandomness { reason: String },
    /// The node said no with a code this program does not know.
    #[error("the node refused with the code {code}: {message}")]
    Unknown { code: i32, message: String },
}

impl ClientError {
    /// The kind in words, as in JSON; that of the node's error when it said no.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Url { .. } => "bad_node_url",
            Self::NoAnswer { .. } => "no_answer",
            Self::Certificate { .. } => "bad_certificate",
            Self::Strange { .. } => "not_a_node",
            Self::OtherNetwork { .. } => "node_of_other_network",
            Self::OtherRules { .. } => "other_rules",
            Self::Refused { code, .. } => code.kind(),
            Self::Unknown { .. } => "unknown_refusal",
            Self::NoRandomness { .. } => "no_randomness",
        }
    }

    /// Whether no node answered: what was sent may or may not have arrived.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::NoAnswer { .. } | Self::Strange { .. })
    }

    /// The code and words of a refusal.
    pub fn refusal(&self) -> Option<(i32, &str)> {
        match self {
            Self::Refused { code, message } => Some((code.number(), message)),
            Self::Unknown { code, message } => Some((*code, message)),
            _ => None,
        }
    }
}

/// What to do about a refusal, where there is something to do.
fn advice(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::TxFeeTooLow => "pay more in its place, with `wallet bump --fee`",
        Code::TxReplacementFeeTooLow => {
            "a payment with this nonce waits already, perhaps from another wallet with the same words: at most one of the \
             two is mined; pay more in its place with `wallet bump`"
        }
        Code::TxPriceAboveMax => {
            "a receiver has no account yet, and the payment does not allow for the price of one: put one in its place that \
             does, with `wallet bump`"
        }
        Code::TxInsufficientBalance | Code::TxUnknownSender => "see what there is with `wallet balance`",
        Code::TxExpired | Code::TxExpiresSoon => {
            "put one in its place that may wait longer, with `wallet bump --valid-for`"
        }
        Code::TxSenderLimit | Code::TxNonceGap => {
            "wait until earlier payments are mined, then try again; `wallet repair` finds what holds them up"
        }
        Code::TxPoolFull => "pay more in its place with `wallet bump --fee`, or hand it over again later",
        Code::TokenNeeded | Code::BadToken | Code::ScopeMissing => {
            "ask its operator for a pairing line (cairn-node token new), and give it to `wallet pair`"
        }
        Code::IndexOff => "name one that keeps it with --node",
        Code::Busy | Code::Stopping | Code::TooFast | Code::BlockNotFound | Code::StateNotKept => {
            "try again in a moment"
        }
        Code::Storage => "its operator must look at its log; name another node with --node",
        _ => return None,
    })
}

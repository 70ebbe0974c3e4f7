//! What the writer answers, and what it tells.

use crate::headers::UnknownRules;
use cairn_common::mailbox::Stopped;
use cairn_ledger::{
    Account, AccountProof, Address, Amount, BlockError, BlockId, Body, ChainContext, CheckedBlock, CheckedTransaction,
    Header, HeaderError, Height, LinkedHeader, Timestamp, Work,
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Messages waiting for the writer. A full mailbox makes askers wait; it is nobody's fault.
pub(crate) const MAILBOX: usize = 64;
/// Events a slow listener may be behind before it is told that it missed some.
pub(crate) const EVENTS: usize = 256;

/// The last connected block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its header.
    pub header: Header,
    /// Its id.
    pub id: BlockId,
    /// The work of the chain, itself included.
    pub total_work: Work,
}

impl Tip {
    /// Its height.
    pub fn height(&self) -> Height {
        self.header.height
    }
}

impl From<&ChainContext> for Tip {
    fn from(context: &ChainContext) -> Self {
        Self { header: context.header().clone(), id: context.id(), total_work: context.total_work() }
    }
}

/// What is known of the chain above the tip.
#[derive(Clone, Debug)]
pub(crate) struct Ahead {
    /// The height of the linked header with the most work, the tip's where none has more.
    pub best_header: Height,
    /// The height at which the move under way ends; the tip's when none is.
    pub connecting: Height,
    /// The rules that the chain with the most work follows, if they are not known here.
    pub unknown_rules: Option<UnknownRules>,
}

/// The chain moved to a new tip. Sent after the batch that made it so, in order.
#[derive(Clone, Debug)]
pub struct ChainEvent {
    /// The new tip.
    pub tip: Arc<Tip>,
    /// The tip that was left, if the chain was reorganised: from there, the parents of stored blocks lead down to the
    /// chain.
    pub left: Option<BlockId>,
    /// The blocks that came onto the chain, upward to the new tip: all of them, or the last.
    pub connected: Arc<Vec<CheckedBlock>>,
    /// What those have now whose account was changed, in the order of the changes: of one address the last counts.
    /// Nothing, where the account is gone.
    pub accounts: Arc<Vec<(Address, Account)>>,
    /// Whether `connected` and `accounts` say all. After a reorganisation too long for memory they say the last of it,
    /// and the rest is read from the chain.
    pub is_whole: bool,
}

/// What became of a header.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names of the fields say what they are")]
pub enum HeaderOutcome {
    /// It follows every rule, and its block is wanted.
    Linked(LinkedHeader),
    /// Its block is here already, connected or waiting; its branch has so much work up to it.
    Known { total_work: Work },
    /// Its parent is unknown; when it showed enough work, it waits for the parent.
    Orphan { parent: BlockId },
    /// It is from the future: valid perhaps, later.
    Early,
    /// Its branch has less work than the followed chain, and either it is not near that chain's tip, or its sender has
    /// brought too much of the kind. It was not judged further; a longer branch comes by presync.
    Unwanted,
    /// It stands under rules that are not known here, or under those of somebody who has not updated: it follows the
    /// rules of headers, and nobody here can judge its block.
    OtherRules { version: u16, height: Height },
    /// It breaks a rule.
    Invalid(HeaderError),
    /// It descends from a block that is invalid.
    InvalidAncestor,
}

/// What became of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockOutcome {
    /// It is on the followed chain.
    Connected,
    /// It is valid in itself and waits for its parents, or for its branch to have the most work.
    Waiting,
    /// It was here already.
    Known,
    /// Nobody asked for it: its header is not linked here (any more).
    Unwanted,
    /// It breaks a rule.
    Invalid(BlockError),
}

/// Why the chain did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The node is stopping, or its storage failed and it is about to.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A long reorganisation is under way: there is no tip to build on, or to prove at.
    #[error("the chain is being reorganised; ask again")]
    Reorganising,
}

/// A block on its way: two answers, at two moments.
#[must_use = "an import goes on by itself, but its answers say what became of it"]
pub struct Import {
    pub(crate) matched: oneshot::Receiver<Result<(), BlockError>>,
    pub(crate) outcome: oneshot::Receiver<BlockOutcome>,
}

impl Import {
    /// Whether the body is the header's: from then on the block may be passed on.
    ///
    /// # Errors
    /// The outer: the node is stopping. The inner: the body is another one, or too large.
    pub async fn matched(&mut self) -> Result<Result<(), BlockError>, Stopped> {
        (&mut self.matched).await.map_err(|_| Stopped)
    }

    /// What became of the block.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn outcome(self) -> Result<BlockOutcome, Stopped> {
        self.outcome.await.map_err(|_| Stopped)
    }
}

/// A template is asked for.
#[derive(Clone, Debug)]
pub struct TemplateRequest {
    /// Who receives the reward.
    pub beneficiary: Address,
    /// What to include, in order; what does not fit the accounts is left out.
    pub transactions: Vec<CheckedTransaction>,
    /// The block's time; raised to one millisecond after the parent's when it is not later.
    pub time: Timestamp,
}

/// A block on the tip, complete but for its nonce.
#[derive(Clone, Debug)]
pub struct Template {
    /// The header, with nonce 0.
    pub header: Header,
    /// The transactions that are in it.
    pub transactions: Vec<CheckedTransaction>,
    /// Their fees together.
    pub fees: Amount,
    /// The earliest acceptable `now` for this header: before it, nodes would call the block early.
    pub not_before: Timestamp,
}

impl Template {
    /// The body to send with the sealed header.
    pub fn body(&self) -> Body {
        let transactions = self.transactions.iter().map(|checked| checked.transaction().clone());
        Body::new(transactions.collect()).unwrap_or_default()
    }
}

/// A proof at the tip, with the header whose state root it stands against.
#[derive(Clone, Debug)]
pub struct ProvenAccount {
    /// The tip.
    pub tip: Arc<Tip>,
    /// The address's leaf, or the one below it.
    pub proof: AccountProof,
}

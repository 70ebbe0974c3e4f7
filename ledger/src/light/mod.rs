//! Light proofs: a chain's tip and its work, for those who keep nothing but the genesis id.
//!
//! Variable-difficulty FlyClient (Bünz, Kiffer, Luu and Zamani, *FlyClient: Super-Light Clients for
//! Cryptocurrencies*, 2019), as docs/protocol.md has it: the last [`TAIL`] headers whole; of the blocks
//! before them, samples drawn by work, more of them the nearer the tail. Every header commits to the history
//! before it, so that one sample of an invented stretch is a contradiction. docs/light-proofs.md derives what
//! an adversary's chances are.
//!
//! # Map
//! | part | what |
//! |---|---|
//! | [`LightRequest`] | which tip, and the asker's 32 random bytes |
//! | [`LightPlan`] | the prover: names the nodes and headers it needs, and puts the proof together |
//! | [`LightProof`] | what travels; [`LightProof::verify`] is the verifier |
//! | [`VerifiedTip`] | what a verifier knows then, and keeps; [`VerifiedTip::extend`] takes what is new |
//! | [`TransactionProof`], [`Receipt`] | one transaction under a verified tip; the same for keeping |
//! | `sample` | the octaves and their offsets, drawn by work |
//! | `range` | one proof for many leaves of a history |
//!
//! # The path of a proof
//! request → [`LightPlan::new`] → [`LightPlan::wanted`] and [`LightPlan::take`] in turn, a level of the
//! history each time → [`LightPlan::assemble`] → bytes → [`LightProof::verify`] → [`VerifiedTip`].
//!
//! # Invariants
//! 1. A [`VerifiedTip`] is made by a check alone, or read back from where its owner kept it.
//! 2. Whoever proves cannot choose what is sampled: the asker's bytes come after the tip's id.
//! 3. A proof has one form: what the samples do not need is refused.
//! 4. What a proof may cost is bounded before it is looked at: by its bytes, and by the bound of each list.

mod error;
mod plan;
mod proof;
mod range;
mod receipt;
mod sample;
mod tip;

pub use error::LightError;
pub use plan::LightPlan;
pub use proof::LightProof;
pub use receipt::{
    MAX_TRANSACTION_PROOF_BYTES, MinedAt, Receipt, ReceiptError, TransactionProof, TransactionProofError,
};
pub use tip::VerifiedTip;

use crate::{
    hash::{BlockId, Hash, Tag},
    units::Height,
};

/// Headers below the tip that come whole: an adversary's own blocks are the likeliest to be there, and there
/// samples would have to be so dense that they are no cheaper.
pub const TAIL: u64 = 512;
/// Samples in each octave.
pub const SAMPLES: u64 = 32;
/// More octaves than this would mean a tail with less than 2^-64 of all work: such a chain is refused.
pub const MAX_OCTAVES: u32 = 64;
/// Accounts are read this far below the tip: the state root of one block costs one block's work to fake.
pub const BURIAL: u64 = 6;
/// The longest proof that is looked at: several times one of a chain of 2^40 blocks.
pub const MAX_LIGHT_PROOF_BYTES: usize = 4 << 20;

/// Headers of a tail, the first and the tip included.
const MAX_TAIL: usize = 513;
/// Sampled headers: three for each sample of each octave.
const MAX_SAMPLED: usize = 3 * 32 * 64;
/// Nodes between samples and peaks. A chain of 2^40 blocks of one work needs at most some 30 000.
const MAX_NODES: usize = 1 << 15;

/// What a verifier asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LightRequest {
    /// The tip, named by the prover before it saw `random`.
    pub tip: BlockId,
    /// What makes the samples the asker's: drawn afresh for each request, told after the tip's id is known.
    pub random: Hash,
}

impl LightRequest {
    /// A request whose samples follow from the tip alone, for proofs that are kept: to draw them again
    /// costs a block's work.
    pub fn of_tip(tip: BlockId) -> Self {
        Self { tip, random: Hash::ZERO }
    }

    /// `T("cairn/sample", tip id ‖ random)`.
    fn seed(&self) -> Hash {
        Tag::SAMPLE.hash(&[self.tip.as_bytes(), self.random.as_bytes()])
    }
}

/// Where the tail of the chain with a tip at `height` begins.
pub fn tail_start(height: Height) -> Height {
    height.saturating_sub(TAIL)
}

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
//! | [`LightProver`] | the prover: names the nodes and headers it needs, and puts the proof together |
//! | [`LightProof`] | what travels; [`LightProof::verify`] is the verifier |
//! | [`VerifiedTip`] | what a verifier knows then, and keeps; [`VerifiedTip::extend`] takes what is new |
//! | [`TransactionProof`], [`Receipt`] | one transaction under a verified tip; the same for keeping |
//! | [`BareHeader`] | a header without what follows from others, for who checks every header |
//! | `tiles` | the blocks before the tail: headers that are opened, and trees between them, without a gap |
//! | `difficulty_bounds` | what a tree may say of blocks nobody looked into |
//! | `sample` | the octaves and their offsets, drawn by work |
//! | `marks` | how much was mined when |
//!
//! # The path of a proof
//! request → [`LightProver::new`] → [`LightProver::wanted`] and [`LightProver::take`] in turn, a level of the
//! history each time → [`LightProver::assemble`] → bytes → [`LightProof::verify`] → [`VerifiedTip`].
//!
//! # Invariants
//! 1. A [`VerifiedTip`] is made by a check alone, or read back from where its owner kept it.
//! 2. Whoever proves cannot choose what is sampled: the asker's bytes come after the tip's id.
//! 3. A proof has one form: what the samples do not need is refused.
//! 4. Every header and every node of a proof is bound to block 0 on its left and to the tail on its right.
//! 5. What a proof may cost is bounded before it is looked at: by its bytes, and by the bound of each list.

mod bare;
mod difficulty_bounds;
mod error;
mod marks;
mod proof;
mod prover;
mod receipt;
mod sample;
mod tiles;
mod tip;

pub use bare::{BARE_HEADER_BYTES, BareHeader};
pub use difficulty_bounds::{DifficultyBounds, TreeBounds, TreeBoundsError};
pub use error::LightError;
pub use proof::LightProof;
pub use prover::LightProver;
pub use receipt::{
    BlockProof, MAX_TRANSACTION_PROOF_BYTES, MinedAt, Receipt, ReceiptError, TransactionProof, TransactionProofError,
};
pub use tip::{Settled, VerifiedTip};

use crate::hash::{BlockId, Hash, Tag};
use crate::units::Height;

/// Headers below the tip that come whole: an adversary's own blocks are the likeliest to be there, and there
/// samples would have to be so dense that they are no cheaper.
pub const TAIL: u64 = 512;
/// Samples in each octave.
pub const SAMPLES: u64 = 56;
/// Samples in each octave of a proof that is kept: its maker draws others at the price of a tip.
pub const KEPT_SAMPLES: u64 = 96;
/// More octaves than this would mean a tail with less than 2^-64 of all work: such a chain is refused.
pub const MAX_OCTAVES: u32 = 64;
/// Accounts are read from a block with this many blocks above it, and with this many times the work that a block of
/// its chain has: a state root costs one block's work to fake.
pub const BURIAL: u64 = 6;
/// The longest proof that is looked at: several times a kept one of a chain of 2^30 blocks.
pub const MAX_LIGHT_PROOF_BYTES: usize = 8 << 20;

/// Headers of a tail, the first and the tip included.
const MAX_TAIL: usize = 513;
/// Opened headers: three for each sample of each octave, and the last two.
const MAX_OPENED: usize = 3 * 96 * 64 + 2;
/// Trees between opened headers.
const MAX_NODES: usize = 1 << 16;

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

    /// Samples in each octave. Who sends no random bytes has them follow from the tip, and gets more of them.
    fn samples(&self) -> u64 {
        if self.random == Hash::ZERO { KEPT_SAMPLES } else { SAMPLES }
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

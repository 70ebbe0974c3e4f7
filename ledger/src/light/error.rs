//! Why a light proof proves nothing.

use super::difficulty_bounds::TreeBoundsError;
use crate::{error::HeaderError, hash::BlockId, mmr::MergeError, pow::Work, units::Height};
use alloc::string::{String, ToString};

/// Why a light proof proves nothing. Whoever gives such a proof lies, or is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LightError {
    /// Another tip than the one asked for; `None` when the proof has no header at all.
    #[error("the proof leads to {}, expected {expected}", named(.got.as_ref()))]
    Tip {
        /// The tip's id.
        got: Option<BlockId>,
        /// The id asked for.
        expected: BlockId,
    },
    /// The tail has another length than its tip's height asks for.
    #[error("got a tail of {got} headers, expected {expected}")]
    TailLength {
        /// Headers given.
        got: u64,
        /// Headers of a tail at this height.
        expected: u64,
    },
    /// Block 0 is not this network's.
    #[error("the proof begins with the block {got}, expected this network's block 0, {expected}")]
    Genesis {
        /// The id of the block given as block 0.
        got: BlockId,
        /// The id of this network's.
        expected: BlockId,
    },
    /// A header breaks a rule.
    #[error("header {height}: {error}")]
    Header {
        /// Its height.
        height: Height,
        /// Which rule.
        error: HeaderError,
    },
    /// Blocks nobody looked into cannot be what they are said to be.
    #[error("{blocks} blocks from {height} on: {error}")]
    Tile {
        /// The first of them.
        height: Height,
        /// How many they are.
        blocks: u64,
        /// Why they cannot.
        error: TreeBoundsError,
    },
    /// The tail has so little of all work that its samples are more than anybody should ask for.
    #[error("the tail has less than 2^-{max} of all work")]
    Octaves {
        /// How many octaves there may be.
        max: u32,
    },
    /// Opened headers are not in ascending order, or not between block 0 and the tail.
    #[error("the header {got} is out of order")]
    Order {
        /// Its height.
        got: Height,
    },
    /// No opened header has the work at this offset.
    #[error("the sample at work {offset} is missing")]
    SampleMissing {
        /// The offset that was drawn.
        offset: Work,
    },
    /// One of the two headers before a sample, or before the tail, is missing.
    #[error("header {height} is missing before a sample or before the tail")]
    HeaderMissing {
        /// Its height.
        height: Height,
    },
    /// A header that no sample needs.
    #[error("header {height} is needed by no sample")]
    Superfluous {
        /// Its height.
        height: Height,
    },
    /// Another number of trees than lie between the opened headers.
    #[error("got {got} nodes, expected {expected}")]
    Nodes {
        /// Nodes given.
        got: usize,
        /// Nodes needed.
        expected: usize,
    },
    /// Works that do not fit 256 bits.
    #[error("the works in the proof overflow")]
    Overflow,
    /// Nodes of the history that do not go on where others end.
    #[error("nodes of the history do not merge: {0}")]
    Merge(#[from] MergeError),
    /// More headers or nodes than a proof may have.
    #[error("the proof would have more than {max} headers or nodes")]
    TooMany {
        /// As many as it may have.
        max: usize,
    },
    /// The headers that are to continue a tip do not fit its height.
    #[error("got {got} headers to continue with, expected at most {max}")]
    TooManyHeaders {
        /// Headers given.
        got: usize,
        /// As many as a tail has.
        max: u64,
    },
}

fn named(id: Option<&BlockId>) -> String {
    id.map_or_else(|| String::from("no block"), BlockId::to_string)
}

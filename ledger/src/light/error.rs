//! Why a light proof proves nothing.

use crate::{
    error::HeaderError,
    hash::{BlockId, Hash},
    history::WorkOverflow,
    pow::Work,
    units::Height,
};
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
    /// The tail is preceded by another number of headers than its first target needs.
    #[error("got {got} headers before the tail, expected {expected}")]
    BeforeLength {
        /// Headers given.
        got: u64,
        /// Headers needed.
        expected: u64,
    },
    /// The peaks are not those of a history of this length.
    #[error("got {got} peaks for a history of {count} blocks, or works that overflow")]
    Peaks {
        /// Peaks given.
        got: usize,
        /// Blocks in the history.
        count: u64,
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
    /// A header has another height than its place says.
    #[error("got a header of height {got}, expected {expected}")]
    Height {
        /// Its height.
        got: Height,
        /// The height at its place.
        expected: Height,
    },
    /// The tail has so little of all work that its samples are more than anybody should ask for.
    #[error("the tail has less than 2^-{max} of all work")]
    Octaves {
        /// How many octaves there may be.
        max: u32,
    },
    /// Sampled headers are not in ascending order, or not below the tail.
    #[error("the sampled header {got} is out of order")]
    SampleOrder {
        /// Its height.
        got: Height,
    },
    /// No sampled header has the work at this offset.
    #[error("the sample at work {offset} is missing")]
    SampleMissing {
        /// The offset that was drawn.
        offset: Work,
    },
    /// One of the two headers before a sample is missing.
    #[error("header {height} is missing before a sample")]
    AncestorMissing {
        /// Its height.
        height: Height,
    },
    /// A header that no sample needs.
    #[error("header {height} is needed by no sample")]
    Superfluous {
        /// Its height.
        height: Height,
    },
    /// The samples do not stand where they should in the history.
    #[error("the samples lead to {got}, expected the peak {expected} of level {level}")]
    Peak {
        /// The hash they lead to.
        got: Hash,
        /// The peak's.
        expected: Hash,
        /// The peak's level.
        level: u32,
    },
    /// Another number of nodes than the samples need.
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

impl From<WorkOverflow> for LightError {
    fn from(WorkOverflow: WorkOverflow) -> Self {
        Self::Overflow
    }
}

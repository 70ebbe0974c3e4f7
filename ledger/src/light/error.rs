//! Why a light proof proves nothing.

use super::difficulty_bounds::TreeBoundsError;
use crate::{error::HeaderError, hash::BlockId, mmr::MergeError, pow::Work, units::Height};
use alloc::string::{String, ToString};

/// Why a light proof proves nothing. Whoever gives such a proof lies, or is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum LightError {
    /// Another tip than the one asked for; `None` when the proof has no header at all.
    #[error("the proof leads to {}, expected {expected}", named(.got.as_ref()))]
    Tip { got: Option<BlockId>, expected: BlockId },
    /// The tail has another length than its tip's height asks for.
    #[error("got a tail of {got} headers, expected {expected}")]
    TailLength { got: u64, expected: u64 },
    /// Block 0 is not this network's.
    #[error("the proof begins with the block {got}, expected this network's block 0, {expected}")]
    Genesis { got: BlockId, expected: BlockId },
    /// A header breaks a rule.
    #[error("header {height}: {error}")]
    Header { height: Height, error: HeaderError },
    /// Blocks nobody looked into cannot be what they are said to be.
    #[error("{blocks} blocks from {height} on: {error}")]
    Tile { height: Height, blocks: u64, error: TreeBoundsError },
    /// The tail has so little of all work that its samples are more than anybody should ask for.
    #[error("the tail has less than 2^-{max} of all work")]
    Octaves { max: u32 },
    /// Opened headers are not in ascending order, or not between block 0 and the tail.
    #[error("the header {got} is out of order")]
    Order { got: Height },
    /// No opened header has the work at this offset.
    #[error("the sample at work {offset} is missing")]
    SampleMissing { offset: Work },
    /// One of the two headers before a sample, or before the tail, is missing.
    #[error("header {height} is missing before a sample or before the tail")]
    HeaderMissing { height: Height },
    /// A header that no sample needs.
    #[error("header {height} is needed by no sample")]
    Superfluous { height: Height },
    /// Another number of trees than lie between the opened headers.
    #[error("got {got} nodes, expected {expected}")]
    Nodes { got: usize, expected: usize },
    /// Works that do not fit 256 bits.
    #[error("the works in the proof overflow")]
    Overflow,
    /// Nodes of the history that do not go on where others end.
    #[error("nodes of the history do not merge: {0}")]
    Merge(#[from] MergeError),
    /// More headers or nodes than a proof may have.
    #[error("the proof would have more than {max} headers or nodes")]
    TooMany { max: usize },
    /// The headers that are to continue a tip do not fit its height.
    #[error("got {got} headers to continue with, expected at most {max}")]
    TooManyHeaders { got: usize, max: u64 },
}

fn named(id: Option<&BlockId>) -> String {
    id.map_or_else(|| String::from("no block"), BlockId::to_string)
}

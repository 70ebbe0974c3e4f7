//! The kinds of request.

use crate::peers::traffic::Protocol;
use crate::wire::{Addresses, BlockTxs, Bodies, Headers, Message as _, PeerStatus, PoolAnswer, StateRuns};

/// Which kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// `status/1`.
    Status,
    /// `addresses/1`.
    Addresses,
    /// `headers/1`.
    Headers,
    /// `bodies/1`.
    Bodies,
    /// `block-txs/1`.
    BlockTxs,
    /// `pool/1`.
    Pool,
    /// `snapshot/1`.
    Snapshot,
}

impl Class {
    /// The protocol whose bytes these are.
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Status => Protocol::Status,
            Self::Addresses => Protocol::Addresses,
            Self::Headers => Protocol::Headers,
            Self::Bodies => Protocol::Bodies,
            Self::BlockTxs => Protocol::BlockTxs,
            Self::Pool => Protocol::Pool,
            Self::Snapshot => Protocol::Snapshot,
        }
    }

    /// The bytes of the longest answer.
    pub(crate) fn max_answer(self) -> usize {
        match self {
            Self::Status => PeerStatus::MAX_BYTES,
            Self::Addresses => Addresses::MAX_BYTES,
            Self::Headers => Headers::MAX_BYTES,
            Self::Bodies => Bodies::MAX_BYTES,
            Self::BlockTxs => BlockTxs::MAX_BYTES,
            Self::Pool => PoolAnswer::MAX_BYTES,
            Self::Snapshot => StateRuns::MAX_BYTES,
        }
    }
}

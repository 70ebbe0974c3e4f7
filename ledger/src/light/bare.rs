//! Headers without what follows from those before them, for who checks every header: three fifths of the bytes.

use crate::codec::{self, Decode, Encode};
use crate::{
    block::Header, chain_spec::ChainSpec, hash::Hash, keys::Address, units::Timestamp, validate::ChainContext,
};

/// Encoded size of a bare header.
pub const BARE_HEADER_BYTES: usize = 112;

/// What of a header does not follow from the chain before it.
///
/// Layout (112 bytes): `time u64 ‖ beneficiary 32 ‖ txs_root 32 ‖ state_root 32 ‖ nonce u64`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BareHeader {
    /// When the miner says it was made.
    pub time: Timestamp,
    /// Who receives subsidy and fees.
    pub beneficiary: Address,
    /// The root over the block's transactions.
    pub txs_root: Hash,
    /// The root over all accounts after this block.
    pub state_root: Hash,
    /// What miners vary.
    pub nonce: u64,
}

impl From<&Header> for BareHeader {
    fn from(header: &Header) -> Self {
        let Header { time, beneficiary, txs_root, state_root, nonce, .. } = *header;
        Self { time, beneficiary, txs_root, state_root, nonce }
    }
}

impl BareHeader {
    /// Reads a bare header from its 112 bytes.
    ///
    /// # Errors
    /// Refuses any other length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, codec::DecodeError> {
        codec::decode(bytes, BARE_HEADER_BYTES)
    }

    /// The header as a child of `parent`. Whatever was another before it was stripped has another id now, and so no
    /// work.
    pub fn complete(&self, spec: &ChainSpec, parent: &ChainContext) -> Header {
        let height = parent.header().height.saturating_add(1);
        Header {
            version: spec.rules_at(height).version,
            height,
            parent: parent.id(),
            time: self.time,
            target: parent.next_target(spec),
            beneficiary: self.beneficiary,
            txs_root: self.txs_root,
            state_root: self.state_root,
            history_root: parent.history().commitment(),
            nonce: self.nonce,
        }
    }
}

//! Answers of a node against the rules: pure.

use cairn_ledger::accounts::{Account, AccountProof, AccountProofError};
use cairn_ledger::light::{
    BARE_HEADER_BYTES, BareHeader, LightError, LightProof, LightRequest, MinedAt, TransactionProof,
    TransactionProofError, VerifiedTip,
};
use cairn_ledger::{
    Address, Amount, BlockId, Header, Timestamp, TxId, block::HEADER_BYTES, chain_spec::ChainSpec, codec,
    codec::DecodeError, error::HeaderError,
};
use cairn_rpc::types::LightProofJson;

/// The longest account proof: a leaf and a path of 64.
const MAX_ACCOUNT_PROOF_BYTES: usize = 4_096;

/// What is wrong with an answer: a node that gives it lies, or is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lie {
    /// Bytes that are not what they are said to be.
    #[error("its {what} cannot be read: {error}")]
    Unreadable { what: &'static str, error: DecodeError },
    /// The chain it claims is not proven.
    #[error("it claims the tip {tip}, and its proof does not hold: {error}")]
    Chain { tip: BlockId, error: Box<LightError> },
    /// It continues a tip that it was not asked about.
    #[error("it continues from the tip {got}, which this wallet did not ask about")]
    Since { got: BlockId },
    /// It claims another work than it proves.
    #[error("it claims {got} hashes of work, and proves {proven}")]
    Work { got: cairn_ledger::pow::Work, proven: cairn_ledger::pow::Work },
    /// An account is not proven.
    #[error("its proof of the account at block {height} does not hold: {error}")]
    Account { height: u64, error: AccountProofError },
    /// It says of the account what its own proof contradicts.
    #[error("it claims a balance of {got} CRN at block {height}, and proves {proven} CRN")]
    Balance { got: Amount, proven: Amount, height: u64 },
    /// A payment is not proven.
    #[error("it claims that the payment {txid} is in a block, and its proof does not hold: {error}")]
    Payment { txid: TxId, error: Box<TransactionProofError> },
    /// It proves another payment than it was asked about.
    #[error("it was asked about the payment {expected}, and proves {got}")]
    OtherPayment { got: TxId, expected: TxId },
    /// It claims that a payment is in a block, and proves nothing of the kind.
    #[error("it claims that the payment {txid} is in a block, and does not prove it: {reason}")]
    Unproven { txid: TxId, reason: String },
    /// It knows nothing of the very tip it named.
    #[error("it names the tip {tip} and will not prove it")]
    Evasive { tip: BlockId },
}

impl Lie {
    /// Whether all that is wrong is a block from the future: then it may be this clock that is wrong.
    pub fn is_early(&self) -> bool {
        let Self::Chain { error, .. } = self else { return false };
        matches!(**error, LightError::Header { error: HeaderError::TimeAhead { .. }, .. })
    }
}

/// The header in `raw`.
///
/// # Errors
/// Bytes that are none.
pub fn header(raw: &[u8]) -> Result<Header, Lie> {
    Header::from_bytes(raw).map_err(|error| Lie::Unreadable { what: "header", error })
}

/// The tip that `answer` proves for `request`; `kept` is the tip the node was told the wallet knows.
///
/// # Errors
/// Says what does not hold.
pub fn tip(
    spec: &ChainSpec,
    kept: Option<&VerifiedTip>,
    request: &LightRequest,
    answer: &LightProofJson,
    now: Timestamp,
) -> Result<VerifiedTip, Lie> {
    let raw = &answer.raw.0;
    let verified = match (answer.since, kept) {
        (None, _) => {
            let proof = LightProof::from_bytes(raw).map_err(|error| Lie::Unreadable { what: "proof", error })?;
            proof.verify(spec, request, now)
        }
        (Some(since), Some(kept)) if since.0 == kept.id() => {
            let headers = raw.chunks(HEADER_BYTES).map(header).collect::<Result<Vec<_>, _>>()?;
            kept.extend(spec, &request.tip, &headers, now)
        }
        (Some(since), _) => return Err(Lie::Since { got: since.0 }),
    };
    verified.map_err(|error| Lie::Chain { tip: request.tip, error: Box::new(error) })
}

/// The tip that follows from `tip` by the bare headers in `raw`; `claimed` is the tip that the node claims.
///
/// # Errors
/// Says what does not hold.
pub fn further(
    spec: &ChainSpec,
    tip: &VerifiedTip,
    raw: &[u8],
    claimed: BlockId,
    now: Timestamp,
) -> Result<VerifiedTip, Lie> {
    let read = raw.chunks(BARE_HEADER_BYTES).map(BareHeader::from_bytes).collect::<Result<Vec<_>, _>>();
    let headers = read.map_err(|error| Lie::Unreadable { what: "headers", error })?;
    if headers.is_empty() {
        return Err(Lie::Evasive { tip: claimed });
    }
    tip.extend_bare(spec, &headers, now).map_err(|error| Lie::Chain { tip: claimed, error: Box::new(error) })
}

/// What `raw` proves about `address` after the block `at`.
///
/// # Errors
/// Says what does not hold.
pub fn account(raw: &[u8], address: &Address, at: &Header) -> Result<Option<Account>, Lie> {
    let proof = codec::decode::<AccountProof>(raw, MAX_ACCOUNT_PROOF_BYTES);
    let proof = proof.map_err(|error| Lie::Unreadable { what: "account proof", error })?;
    proof.verify(address, &at.state_root).map_err(|error| Lie::Account { height: at.height.get(), error })
}

/// Where the payment `txid` is by the proof in `raw`, under `tip`; and the proof.
///
/// # Errors
/// Says what does not hold.
pub fn payment(
    spec: &ChainSpec,
    raw: &[u8],
    txid: &TxId,
    tip: &VerifiedTip,
) -> Result<(MinedAt, TransactionProof), Lie> {
    let proof = TransactionProof::from_bytes(raw);
    let proof = proof.map_err(|error| Lie::Unreadable { what: "proof of a payment", error })?;
    let got = proof.transaction.id();
    if got != *txid {
        return Err(Lie::OtherPayment { got, expected: *txid });
    }
    let mined = proof.verify(spec, tip).map_err(|error| Lie::Payment { txid: *txid, error: Box::new(error) })?;
    Ok((mined, proof))
}

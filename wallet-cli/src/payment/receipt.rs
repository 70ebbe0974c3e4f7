//! A receipt as a file: proof that a payment was mined, for who holds nothing but the genesis id.

use crate::network::{Mismatch, check_same};
use cairn_genesis::Network;
use cairn_host::Inert;
use cairn_ledger::light::{MinedAt, Receipt, ReceiptError, VerifiedTip};
use cairn_ledger::{BlockId, Timestamp, TxId, Work, codec, codec::DecodeError};
use cairn_rpc::{HexBytes, Text};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of the file.
const VERSION: u32 = 1;
/// The longest file that is read: the longest receipt in hex, and room for the rest.
pub const MAX_RECEIPT_BYTES: u64 = 2 * Receipt::MAX_BYTES as u64 + 4_096;

/// Why a file proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFileError {
    /// Not the JSON of a receipt.
    #[error("expected a file that `wallet receipt` printed: {reason}")]
    Form { reason: String },
    /// A version this program does not know.
    #[error("got version {got} of a receipt, expected {expected}")]
    Version { got: u32, expected: u32 },
    /// A receipt of another network.
    #[error("the receipt is for the network {0}; choose it with --chain")]
    OtherNetwork(Box<Mismatch>),
    /// Bytes that are no receipt.
    #[error("the receipt cannot be read: {0}")]
    Bytes(#[from] DecodeError),
    /// A receipt that proves nothing.
    #[error("the receipt proves nothing: {0}")]
    Proof(Box<ReceiptError>),
    /// It would cost too little to forge.
    #[error("{got} hashes of work lie above the payment, expected at least {expected}")]
    Work { got: Work, expected: Work },
    /// It proves another payment than it says.
    #[error("the receipt says it is for the payment {expected}, and proves {got}")]
    OtherPayment { got: TxId, expected: TxId },
}

/// The file. Whoever verifies, verifies `raw`; the rest says what it is.
#[derive(Serialize, Deserialize)]
pub struct ReceiptFile {
    cairn_receipt: u32,
    chain: String,
    genesis_id: Text<BlockId>,
    txid: Text<TxId>,
    height: u64,
    raw: HexBytes,
}

impl ReceiptFile {
    /// A receipt of the payment that was mined there.
    pub fn new(network: &Network, txid: TxId, receipt: &Receipt, mined: &MinedAt) -> Self {
        Self {
            cairn_receipt: VERSION,
            chain: network.spec.params().name.clone(),
            genesis_id: Text(network.id()),
            txid: Text(txid),
            height: mined.height.get(),
            raw: HexBytes(codec::encode(receipt)),
        }
    }

    /// Verifies the receipt in the bytes of a file: gives it, the tip of its chain, and where the payment was mined.
    ///
    /// # Errors
    /// Says why it proves nothing, or too little.
    pub fn verify(
        bytes: &[u8],
        network: &Network,
        min_work: Work,
        now: Timestamp,
    ) -> Result<(Receipt, VerifiedTip, MinedAt), ReceiptFileError> {
        let file: Self = serde_json::from_slice(bytes)
            .map_err(|error| ReceiptFileError::Form { reason: Inert(&error.to_string()).to_string() })?;
        if file.cairn_receipt != VERSION {
            return Err(ReceiptFileError::Version { got: file.cairn_receipt, expected: VERSION });
        }
        check_same(network, &file.chain, file.genesis_id.0).map_err(ReceiptFileError::OtherNetwork)?;
        let receipt = Receipt::from_bytes(&file.raw.0)?;
        let verified = receipt.verify(&network.spec, now);
        let (tip, mined) = verified.map_err(|error| ReceiptFileError::Proof(Box::new(error)))?;
        let got = receipt.transaction.transaction.id();
        if got != file.txid.0 {
            return Err(ReceiptFileError::OtherPayment { got, expected: file.txid.0 });
        }
        if mined.work_above < min_work {
            return Err(ReceiptFileError::Work { got: mined.work_above, expected: min_work });
        }
        Ok((receipt, tip, mined))
    }
}

impl fmt::Display for ReceiptFile {
    /// The file itself, so that it can be redirected.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

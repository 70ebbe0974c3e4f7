//! `wallet receipt` and `wallet verify-receipt`: proof that a payment was mined, for who holds nothing but the
//! genesis id.

use crate::{
    cli::VerifyReceiptArguments,
    clock::{Utc, now},
    error::WalletError,
    network::{Mismatch, check_same},
    node::verify::{
        kept, light_client,
        report::{Age, approximate},
    },
    output::Output,
    session::{Session, file_error},
};
use cairn_host::{files, inert::Inert};
use cairn_ledger::{
    codec::{self, DecodeError},
    hash::{BlockId, TxId},
    light::{Receipt, ReceiptError},
    pow::Work,
    units::Timestamp,
};
use cairn_rpc::{
    text::{HexBytes, Pebbles, Text},
    types::OutputJson,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of the file.
const VERSION: u32 = 1;
/// A receipt whose newest block is older than a day is called old.
const OLD_MS: u64 = 86_400_000;
/// The longest file that is read: the longest receipt in hex, and room for the rest.
const MAX_FILE_BYTES: u64 = 2 * Receipt::MAX_BYTES as u64 + 4_096;

/// Why a file proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFileError {
    /// Not the JSON of a receipt.
    #[error("expected a file that `wallet receipt` printed: {reason}")]
    Form {
        /// What is wrong.
        reason: String,
    },
    /// A version this program does not know.
    #[error("got version {got} of a receipt, expected {expected}")]
    Version {
        /// The file's.
        got: u32,
        /// The one that is known.
        expected: u32,
    },
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
    Work {
        /// The work above it.
        got: Work,
        /// What was asked for.
        expected: Work,
    },
    /// It proves another payment than it says.
    #[error("the receipt says it is for the payment {expected}, and proves {got}")]
    OtherPayment {
        /// What it proves.
        got: TxId,
        /// What it says.
        expected: TxId,
    },
}

/// The file. Whoever verifies, verifies `raw`; the rest says what it is.
#[derive(Serialize, Deserialize)]
struct ReceiptFile {
    cairn_receipt: u32,
    chain: String,
    genesis_id: Text<BlockId>,
    txid: Text<TxId>,
    height: u64,
    raw: HexBytes,
}

/// What a receipt proves.
#[derive(Serialize)]
struct Verified {
    chain: String,
    txid: Text<TxId>,
    sender: String,
    outputs: Vec<OutputJson>,
    fee: Pebbles,
    memo: HexBytes,
    block: Text<BlockId>,
    height: u64,
    time: u64,
    confirmations: u64,
    tip: Text<BlockId>,
    tip_time: u64,
    work: Text<Work>,
    /// What it costs at least to forge such a receipt.
    work_above: Text<Work>,
    samples: u64,
    /// Whether this wallet has verified a chain with more work: the receipt cannot know what came after it.
    newer_seen: bool,
    /// How long ago its newest block was made.
    age_ms: u64,
    /// Whether that is more than a day: much may have happened since.
    old: bool,
}

pub(crate) async fn make(session: &Session<'_>, txid: TxId, output: &mut Output<'_>) -> Result<(), WalletError> {
    let network = session.network()?;
    let (receipt, mined) = light_client::receipt(session, &network, txid).await?;
    output.result(&ReceiptFile {
        cairn_receipt: VERSION,
        chain: network.spec.params().name.clone(),
        genesis_id: Text(network.id()),
        txid: Text(txid),
        height: mined.height.get(),
        raw: HexBytes(codec::encode(&receipt)),
    })?;
    Ok(())
}

pub(crate) fn verify(
    session: &Session<'_>,
    options: &VerifyReceiptArguments,
    output: &mut Output<'_>,
) -> Result<(), WalletError> {
    let (network, path) = (session.network()?, &*options.file);
    let failed = |error| WalletError::Receipt { path: path.to_path_buf(), error };
    let bytes = files::read_bounded(path, MAX_FILE_BYTES).map_err(file_error("read", path))?;
    let file: ReceiptFile = serde_json::from_slice(&bytes)
        .map_err(|error| failed(ReceiptFileError::Form { reason: Inert(&error.to_string()).to_string() }))?;
    if file.cairn_receipt != VERSION {
        return Err(failed(ReceiptFileError::Version { got: file.cairn_receipt, expected: VERSION }));
    }
    check_same(&network, &file.chain, file.genesis_id.0)
        .map_err(|mismatch| failed(ReceiptFileError::OtherNetwork(mismatch)))?;
    let receipt = Receipt::from_bytes(&file.raw.0).map_err(|error| failed(error.into()))?;
    let (tip, mined) = receipt
        .verify(&network.spec, Timestamp::from_millis(now()))
        .map_err(|error| failed(ReceiptFileError::Proof(Box::new(error))))?;
    let transaction = &receipt.transaction.transaction;
    let got = transaction.id();
    if got != file.txid.0 {
        return Err(failed(ReceiptFileError::OtherPayment { got, expected: file.txid.0 }));
    }
    let expected = options.min_work.unwrap_or_default();
    if mined.work_above < expected {
        return Err(failed(ReceiptFileError::Work { got: mined.work_above, expected }));
    }
    let kept_path = kept::path(session.data.tips(), &network.id());
    let seen = kept::read(&kept_path, &network.spec).map_err(file_error("read", &kept_path))?;
    let age_ms = Timestamp::from_millis(now()).since(tip.time());
    let (prefix, body) = (&network.spec.params().prefix, &transaction.body);
    let outputs = body.outputs.iter();
    output.result(&Verified {
        chain: network.spec.params().name.clone(),
        txid: Text(got),
        sender: prefix.encode(&body.sender),
        outputs: outputs
            .map(|output| OutputJson { to: prefix.encode(&output.to), amount: Pebbles(output.amount) })
            .collect(),
        fee: Pebbles(body.fee),
        memo: HexBytes(body.memo.to_vec()),
        block: Text(mined.block),
        height: mined.height.get(),
        time: mined.time.millis(),
        confirmations: mined.confirmations,
        tip: Text(tip.id()),
        tip_time: tip.time().millis(),
        work: Text(tip.total_work()),
        work_above: Text(mined.work_above),
        samples: tip.samples(),
        newer_seen: seen.is_some_and(|seen| seen.total_work() > tip.total_work()),
        age_ms,
        old: age_ms > OLD_MS,
    })?;
    Ok(())
}

impl fmt::Display for ReceiptFile {
    /// The file itself, so that it can be redirected.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The payment was mined.\n")?;
        writeln!(f, "txid    {}", self.txid.0)?;
        writeln!(f, "from    {}", self.sender)?;
        for output in &self.outputs {
            writeln!(f, "to      {}  {} CRN", output.to, output.amount.0)?;
        }
        if !self.memo.0.is_empty() {
            writeln!(f, "memo    {}", Inert(&String::from_utf8_lossy(&self.memo.0)))?;
        }
        writeln!(f, "block   {} ({}), {}", self.height, Utc(self.time), self.block.0)?;
        let (work, above) = (approximate(self.work.0), approximate(self.work_above.0));
        writeln!(f, "buried  {} deep by {}, under {above} hashes of work", self.confirmations, Utc(self.tip_time))?;
        writeln!(f, "chain   {work} hashes of work in all, its newest block {} old", Age(self.age_ms))?;
        if self.newer_seen {
            writeln!(
                f,
                "\nIt has less work than this wallet has proven: what came after it, the receipt cannot know."
            )?;
        }
        if self.old {
            writeln!(f, "\nIt is old: the payment may have been left behind since. Ask for a new one.")?;
        }
        writeln!(f, "\nNext: compare the work with what you know, or ask nodes with `wallet status {}`", self.txid.0)
    }
}

//! `wallet receipt` and `wallet verify-receipt`: proof that a payment was mined, for who holds nothing but the
//! genesis id.

use crate::clock::{Utc, now};
use crate::node::{Age, approximate, kept, receipt};
use crate::payment::{MAX_RECEIPT_BYTES, ReceiptFile};
use crate::{Output, Result, Session};
use cairn_host::{FileError, InFile, Inert, files};
use cairn_ledger::{BlockId, Timestamp, TxId, Work};
use cairn_rpc::{HexBytes, Pebbles, Text, types::OutputJson};
use serde::Serialize;
use std::{fmt, path::Path};

/// A receipt whose newest block is older than a day is called old.
const OLD_MS: u64 = 86_400_000;
/// What a receipt proves.
#[derive(Serialize)]
struct VerifiedReceipt {
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

pub(crate) async fn make(session: &Session<'_>, txid: TxId, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let (receipt, mined) = receipt(&session.nodes, network, txid).await?;
    let file = ReceiptFile::new(network, txid, &receipt, &mined);
    Ok(output.result(&file, &file)?)
}

pub(crate) fn verify(session: &Session<'_>, path: &Path, min_work: Work, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let bytes = files::read_bounded(path, MAX_RECEIPT_BYTES).map_err(FileError::cannot("read", path))?;
    let now = Timestamp::from_millis(now());
    let verified = ReceiptFile::verify(&bytes, network, min_work, now);
    let (receipt, tip, mined) = verified.map_err(InFile::at(path))?;
    let transaction = &receipt.transaction.transaction;
    let seen = kept::read(&kept::path(&session.data.tips, &network.id()), &network.spec)?;
    let age_ms = now.since(tip.time());
    let (prefix, body) = (&network.spec.params().prefix, &transaction.body);
    let shown = VerifiedReceipt {
        chain: network.spec.params().name.clone(),
        txid: Text(transaction.id()),
        sender: prefix.encode(&body.sender),
        outputs: OutputJson::list(&body.outputs, prefix),
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
    };
    Ok(output.result(&shown, &shown)?)
}

impl fmt::Display for VerifiedReceipt {
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

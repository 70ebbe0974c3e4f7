//! What this machine can do for a node, in some seconds: the parts that cost, and a replay that has all of them.
//!
//! # The path of a measurement
//! signatures, hashes, attempts at a nonce and synced writes, each alone on one core → a chain made by the
//! node's own writer in a scratch directory (`synthetic_chain`) → [`replay::verify`] of it on all
//! cores → what that means for a synchronisation ([`BenchReport`]).
//!
//! # Map
//! `parts` what is measured alone · `synthetic_chain` the chain · this file puts them together
//!
//! # Invariants
//! 1. What is measured is what a node runs: its own batches, its own kernel, its own database and writer.
//! 2. Nothing outside the scratch directory is touched, and that is gone afterwards.

mod parts;
mod synthetic_chain;
#[cfg(test)]
mod tests;

pub use parts::{BATCH_BYTES, NonceSearch};

use cairn_chain::ChainError;
use cairn_chain::replay::{self, VerifyError};
use cairn_chain::store::{DbOptions, StoreError};
use cairn_common::mailbox::Stopped;
use cairn_ledger::block::{BLOCK_OVERHEAD_BYTES, HEADER_BYTES};
use cairn_ledger::{chain_spec::ChainSpec, transaction::MIN_TRANSACTION_BYTES};
use std::path::{Path, PathBuf};
use std::{fs, future::Future, io, pin::pin, time::Duration};
use tempfile::TempDir;

/// How long each part is measured.
const EACH: Duration = Duration::from_millis(1_000);
/// A year of 365.25 days, in milliseconds.
const YEAR_MS: f64 = 31_557_600_000.0;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("cannot use {} for a scratch database: {reason}; choose another --scratch", path.display())]
    Refused { path: PathBuf, reason: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("the chain that was made does not replay: {0}")]
    Verify(#[from] VerifyError),
    #[error(
        "a block that was made is not connected: got {got}, expected it to be connected; this is a mistake of the program"
    )]
    Refusal { got: String },
    #[error("interrupted")]
    Interrupted,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BenchReport {
    /// Signatures made per second, one core.
    pub signings: f64,
    /// Signatures verified per second one by one, one core.
    pub singles: f64,
    /// Signatures verified per second in batches, one core, keys lifted from their bytes.
    pub batched: f64,
    /// Bytes hashed per second, one core.
    pub hashed: f64,
    /// Attempts at a nonce, one core.
    pub mining: NonceSearch,
    /// Synced batches of [`BATCH_BYTES`] per second.
    pub synced: f64,
    /// Payments replayed per second, on all cores that may be used.
    pub payments: f64,
    /// How many payments were replayed.
    pub replayed: u64,
    /// How many cores that was.
    pub cores: usize,
}

impl BenchReport {
    /// The share of all cores' time that the replay spent on signatures, as far as that follows from what a
    /// batched one takes alone.
    pub fn signature_share(&self) -> f64 {
        self.payments / (self.batched * self.cores as f64)
    }

    /// How long a year of full blocks on this network takes to replay, in seconds.
    pub fn year_of_full_blocks(&self, spec: &ChainSpec) -> f64 {
        let room = spec.params().max_block_bytes.saturating_sub(BLOCK_OVERHEAD_BYTES as u64);
        let payments = room / MIN_TRANSACTION_BYTES as u64;
        YEAR_MS / spec.params().interval_ms as f64 * payments as f64 / self.payments
    }

    /// The bytes of a year of headers on this network.
    pub fn year_of_headers(spec: &ChainSpec) -> f64 {
        YEAR_MS / spec.params().interval_ms as f64 * HEADER_BYTES as f64
    }
}

/// Measures, with a scratch directory in `scratch`; `say` is told what comes next.
///
/// # Errors
/// What stood in the way.
pub async fn run(
    scratch: &Path,
    cores: usize,
    say: &mut dyn FnMut(&str),
    stop: impl Future<Output = ()>,
) -> Result<BenchReport, BenchError> {
    let made = fs::create_dir_all(scratch).and_then(|()| TempDir::with_prefix_in("bench-", scratch));
    let directory = made.map_err(|reason| BenchError::Refused { path: scratch.to_owned(), reason })?;
    say("signatures");
    let [signings, singles, batched] = parts::signatures(EACH);
    say("hashes");
    let hashed = parts::hashes(EACH);
    say("attempts at a nonce");
    let mining = parts::nonce_search(EACH);
    say("synced writes");
    let synced = parts::synced_writes(&directory.path().join("writes"), EACH)?;
    say("a chain to replay");
    let database = directory.path().join("db");
    let mut stop = pin!(stop);
    let spec = synthetic_chain::make(&database, cores, &mut stop).await?;
    say("replay");
    let (options, again) = (DbOptions::default(), directory.path().join("again"));
    let verified = replay::verify(spec, &database, options, &again, &mut |_, _| {}, stop).await?;
    // One signature each; what made their senders' accounts is in the time, not in the count.
    let payments = verified.replayed.transactions;
    Ok(BenchReport {
        signings,
        singles,
        batched,
        hashed,
        mining,
        synced,
        payments: payments as f64 / verified.elapsed.as_secs_f64(),
        replayed: payments,
        cores,
    })
}

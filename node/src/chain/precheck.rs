//! The workers: they match bodies to headers and check transactions on all cores, without any state.
//!
//! While the writer connects one block, the workers check those after it.

use super::mailbox::{ChainError, Import, Message};
use crate::store::StoreError;
use cairn_ledger::{
    block::Body,
    chain_spec::ChainSpec,
    error::{BlockError, TxError},
    transaction::Transaction,
    validate::{CheckedBlock, CheckedTransaction, LinkedHeader, check_transactions, match_body},
};
use rayon::prelude::*;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Blocks being checked at once. Each holds a body of at most 3 MiB; more would only wait for cores.
const IN_FLIGHT: usize = 16;
/// Transactions that one worker checks as one batch of signatures.
const BATCH: usize = 512;

/// Hands blocks to the workers. Cloning shares them.
#[derive(Clone)]
pub(super) struct Precheck {
    spec: Arc<ChainSpec>,
    workers: Arc<rayon::ThreadPool>,
    permits: Arc<Semaphore>,
}

impl Precheck {
    /// Starts one worker for each core.
    pub(super) fn new(spec: Arc<ChainSpec>) -> Result<Self, StoreError> {
        let workers = rayon::ThreadPoolBuilder::new().thread_name(|n| format!("precheck-{n}")).build();
        let workers = workers.map_err(|error| StoreError::Workers { reason: error.to_string() })?;
        Ok(Self { spec, workers: Arc::new(workers), permits: Arc::new(Semaphore::new(IN_FLIGHT)) })
    }

    /// Starts checking a block, which ends with the writer's answer. Waits while too many are in flight.
    pub(super) async fn start(
        &self,
        writer: mpsc::Sender<Message>,
        header: LinkedHeader,
        body: Body,
    ) -> Result<Import, ChainError> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| ChainError::Stopping)?;
        // The place in the mailbox is taken before the work begins: a worker that waited for one could
        // wait for a writer that waits for a worker.
        let place = writer.reserve_owned().await.map_err(|_| ChainError::Stopping)?;
        let (matched_sender, matched) = oneshot::channel();
        let (answer, outcome) = oneshot::channel();
        let spec = self.spec.clone();
        self.workers.spawn(move || {
            let job = Job { spec: &spec, matched: matched_sender, header: header.clone(), body };
            let message = match job.run() {
                Ok(block) => Message::Connect { block, answer },
                Err(error) => Message::Invalid { header, error, answer },
            };
            place.send(message);
            drop::<OwnedSemaphorePermit>(permit);
        });
        Ok(Import { matched, outcome })
    }

    /// Checks a block that this node had stored itself.
    pub(super) fn check_stored(&self, header: LinkedHeader, body: Body) -> Result<CheckedBlock, BlockError> {
        self.workers.install(|| check(&self.spec, header, body))
    }
}

/// One block on its way through a worker.
struct Job<'a> {
    spec: &'a ChainSpec,
    matched: oneshot::Sender<Result<(), BlockError>>,
    header: LinkedHeader,
    body: Body,
}

impl Job<'_> {
    fn run(self) -> Result<CheckedBlock, BlockError> {
        // The root comes first, and is answered first: relaying need not wait for signatures.
        let matched = match_body(self.spec, self.header, self.body);
        let _ = self.matched.send(matched.as_ref().map(|_| ()).map_err(|error| *error));
        let (header, body) = matched?.into_parts();
        CheckedBlock::assemble(self.spec, header, check_all(self.spec, body.into_vec())?)
    }
}

fn check(spec: &ChainSpec, header: LinkedHeader, body: Body) -> Result<CheckedBlock, BlockError> {
    let (header, body) = match_body(spec, header, body)?.into_parts();
    CheckedBlock::assemble(spec, header, check_all(spec, body.into_vec())?)
}

/// Checks all transactions of a block, on all workers.
fn check_all(spec: &ChainSpec, transactions: Vec<Transaction>) -> Result<Vec<CheckedTransaction>, BlockError> {
    let genesis_id = spec.genesis_id();
    let batches: Vec<(usize, Vec<Transaction>)> = split(transactions);
    let checked: Result<Vec<Vec<CheckedTransaction>>, (usize, TxError)> = batches
        .into_par_iter()
        .map(|(start, batch)| check_transactions(&genesis_id, batch).map_err(|(at, error)| (start + at, error)))
        .collect();
    let checked = checked.map_err(|(index, error)| BlockError::Transaction { index, error })?;
    Ok(checked.into_iter().flatten().collect())
}

/// Splits into batches, each with the place of its first transaction.
fn split(mut transactions: Vec<Transaction>) -> Vec<(usize, Vec<Transaction>)> {
    let mut batches = Vec::with_capacity(transactions.len().div_ceil(BATCH));
    while !transactions.is_empty() {
        let start = (transactions.len() - 1) / BATCH * BATCH;
        batches.push((start, transactions.split_off(start)));
    }
    batches.reverse();
    batches
}

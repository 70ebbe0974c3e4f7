//! The workers: they match bodies to headers and check transactions on all cores, before the writer's turn.
//!
//! # Map
//! `checker` what they do with a block, or with transactions for the pool, and what they need not check again
//! (signature cache); `shared_checks` what nodes of a simulation need not · this file hands blocks to them, and what
//! becomes of a block to the writer
//!
//! # Invariants
//! 1. A block on its way has room in the writer's mailbox before it gets a worker: no worker ever waits for the writer.
//! 2. Blocks on their way take bounded memory; the lowest, for which all others wait, is let in first.

mod checker;
mod shared_checks;

pub use checker::BlockBody;
pub use shared_checks::SharedChecks;

use crate::inflight::{Room, Rooms, Turn};
use crate::{message::MAILBOX, store::DbOptions, workers::Workers};
use cairn_common::mailbox::{Handle, Stopped};
use cairn_common::{clock, runtime};
use cairn_ledger::{BlockError, Body, ChainSpec, CheckedBlock, CheckedTransaction, LinkedHeader, Transaction, TxError};
use checker::{Checker, Share};
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};

/// Of the bytes for blocks so much is between their arrival and the writer's turn: two of its runs, so that there is
/// work for the other cores until it has connected one.
const IN_FLIGHT_PART: usize = 2;
/// So small a part of that is what a block takes of it at least, so that those let in leave half of the writer's
/// mailbox to others.
const LEAST_PART: usize = MAILBOX / 2;

/// So few transactions are checked where they are asked for: another thread would have to be woken for them, and
/// whoever asked once more, which takes as long.
const FEW: usize = 2;

/// Hands work to the workers. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Precheck {
    checker: Arc<Checker>,
    workers: Workers,
    rooms: Rooms,
    /// What the smallest block takes of them.
    least_bytes: usize,
    /// Checks for the pool at once: one for each core. Callers of JSON-RPC start them, too, and each needs a table of
    /// keys.
    pool_checks: Arc<Semaphore>,
}

impl Precheck {
    /// Gives the workers what they need to work on blocks.
    pub(crate) fn new(
        workers: Workers,
        spec: Arc<ChainSpec>,
        shared: Option<SharedChecks>,
        options: &DbOptions,
    ) -> Self {
        let pool_checks = Arc::new(Semaphore::new(workers.count()));
        let in_flight = options.block_bytes / IN_FLIGHT_PART;
        let (rooms, least_bytes) = (Rooms::new(in_flight), in_flight / LEAST_PART);
        let checker = Arc::new(Checker::new(spec, shared, options.checked_bytes));
        Self { checker, workers, rooms, least_bytes, pool_checks }
    }

    /// Starts checking a block, and sends what `report` makes of the outcome to the writer; tells earlier whether the
    /// body is the header's. Waits while too many are in flight.
    pub(crate) async fn start<M: Send + 'static>(
        &self,
        writer: &Handle<M>,
        turn: Turn,
        header: LinkedHeader,
        body: BlockBody,
        report: impl FnOnce(Result<(CheckedBlock, Room), BlockError>) -> M + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<(), BlockError>>, Stopped> {
        let room = self.rooms.enter(turn, body.size().max(self.least_bytes)).await;
        // The place in the mailbox is taken before the work begins: a worker that waited for one could
        // wait for a writer that waits for a worker.
        let place = writer.reserve().await?;
        let (matched_sender, matched) = oneshot::channel();
        let checker = self.checker.clone();
        let started = clock::instant();
        self.workers.spawn_block(move |workers| {
            let share = Share::among(workers.blocks(), workers.count());
            let matched = |result| {
                // Whoever waited may be gone.
                let _ = matched_sender.send(result);
            };
            let checked = checker.check(share, header, body, matched);
            let mined = checked.as_ref().map(CheckedBlock::txids).unwrap_or_default();
            if let Ok(block) = &checked {
                let (height, transactions) = (block.header().header().height.get(), block.transactions().len());
                let check_us = clock::instant().duration_since(started).as_micros();
                tracing::debug!(target: "cairn::chain", height, transactions, check_us, "checked a block");
            }
            workers.end_block();
            place.send(report(checked.map(|block| (block, room))));
            checker.forget_known(&mined);
        });
        Ok(matched)
    }

    /// Checks a block that this node had stored itself.
    pub(crate) fn check_stored(&self, header: LinkedHeader, body: Body) -> Result<CheckedBlock, BlockError> {
        self.workers.install(|| self.checker.check(Share::All, header, body.into(), |_| ()))
    }

    /// Checks transactions by themselves: one answer for each, in order.
    pub(crate) async fn check_transactions(
        &self,
        transactions: Vec<Transaction>,
    ) -> Result<Vec<Result<CheckedTransaction, TxError>>, Stopped> {
        let permit = self.pool_checks.clone().acquire_owned().await.map_err(|_| Stopped)?;
        let (checker, are_few) = (self.checker.clone(), transactions.len() <= FEW);
        let check = move || {
            // Held to the end, also when whoever asked is gone.
            let _permit = permit;
            checker.check_each(transactions)
        };
        if are_few { Ok(check()) } else { runtime::blocking(check).await.map_err(|_| Stopped) }
    }
}

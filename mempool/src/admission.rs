//! Admission: transactions that arrive together are judged, checked and admitted together.
//!
//! Nobody waits for company. While one gathering is being checked, whatever arrives makes up the next; so a
//! lone transaction goes through at once, and a flood goes through in large batches, whose signatures cost a
//! third of what they cost one by one.

use super::{
    message::{Arrival, GATHERING, Judged, Message, Submission},
    policy::PoolError,
};
use cairn_chain::{ChainHandle, verdict::Origin};
use cairn_common::mailbox::{Handle, Stopped, mailbox};
use cairn_ledger::{hash::TxId, keys::Address, transaction::Transaction, units::Timestamp};
use std::{collections::HashSet, sync::Arc};
use tokio::sync::{Semaphore, mpsc};

/// Submissions waiting to be gathered; a full queue makes submitters wait.
const QUEUE: usize = 256;
/// Gatherings on their way at once: while the signatures of one are checked, the accounts of another are read.
const AT_ONCE: usize = 2;

/// Starts gathering submissions for the pool behind `pool`. It ends with the last sender.
pub(super) fn spawn(chain: ChainHandle, pool: Handle<Message>) -> Handle<Submission> {
    let (handle, mut queue) = mailbox::<Submission>(QUEUE);
    let admission = Admission { chain, pool };
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    tokio::spawn(async move {
        while let Some(first) = queue.recv().await {
            // Waiting for its turn, a gathering grows.
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            let gathering = gather(first, &mut queue);
            let admission = admission.clone();
            tokio::spawn(async move {
                // A pool that has ended answers nobody: every submitter sees its answer dropped.
                let _ = admission.admit(gathering).await;
                drop(permit);
            });
        }
    });
    handle
}

/// What is waiting, until there is enough.
fn gather(first: Submission, queue: &mut mpsc::Receiver<Submission>) -> Vec<Submission> {
    let mut count = first.items.len();
    let mut gathering = vec![first];
    while count < GATHERING
        && let Ok(next) = queue.try_recv()
    {
        count += next.items.len();
        gathering.push(next);
    }
    gathering
}

/// Where transactions are judged, checked and admitted.
#[derive(Clone)]
struct Admission {
    chain: ChainHandle,
    pool: Handle<Message>,
}

/// A transaction that was not refused so far, and the slot of its answer.
#[derive(Clone)]
struct InProgress<T> {
    slot: usize,
    origin: Option<Origin>,
    added: Option<Timestamp>,
    transaction: T,
}

impl<T> InProgress<T> {
    fn apart(self) -> (InProgress<()>, T) {
        let Self { slot, origin, added, transaction } = self;
        (InProgress { slot, origin, added, transaction: () }, transaction)
    }

    fn with<U>(self, transaction: U) -> InProgress<U> {
        let Self { slot, origin, added, .. } = self;
        InProgress { slot, origin, added, transaction }
    }
}

impl InProgress<Transaction> {
    fn sender(&self) -> Address {
        self.transaction.body.sender
    }
}

impl Admission {
    /// Judges, checks and admits all transactions of a gathering, each judged alone.
    async fn admit(&self, gathering: Vec<Submission>) -> Result<(), Stopped> {
        let (mut askers, mut pending) = (Vec::with_capacity(gathering.len()), Vec::new());
        for Submission { origin, items, answer } in gathering {
            askers.push((items.len(), answer));
            for (transaction, added) in items {
                pending.push(InProgress { slot: pending.len(), origin, added, transaction });
            }
        }
        // One slot for each transaction, filled when it is refused, or at the end.
        let mut answers: Vec<Option<Result<TxId, PoolError>>> = vec![None; pending.len()];
        // A sender's transactions may have come together: each round admits the next of those whose predecessor
        // the last round admitted, as if they had come one after the other.
        let mut round = pending;
        while !round.is_empty() {
            let kept = round.clone();
            self.admit_round(round, &mut answers).await?;
            let grown: HashSet<Address> =
                kept.iter().filter(|one| matches!(answers[one.slot], Some(Ok(_)))).map(|one| one.sender()).collect();
            let is_next = |one: &InProgress<Transaction>| {
                matches!(answers[one.slot], Some(Err(PoolError::NonceGap { .. }))) && grown.contains(&one.sender())
            };
            round = kept.into_iter().filter(is_next).collect();
        }
        let mut answers = answers.into_iter().map(|answer| answer.expect("refused, invalid or admitted"));
        for (count, asker) in askers {
            // Whoever no longer waits does not need it.
            let _ = asker.send(answers.by_ref().take(count).collect());
        }
        Ok(())
    }

    async fn admit_round(
        &self,
        pending: Vec<InProgress<Transaction>>,
        answers: &mut [Option<Result<TxId, PoolError>>],
    ) -> Result<(), Stopped> {
        let judged = self.judge(pending, answers).await?;
        let (slots, arrivals) = self.check(judged, answers).await?;
        if arrivals.is_empty() {
            return Ok(());
        }
        let admitted = self.pool.ask(|answer| Message::Admit { arrivals, answer }).await?;
        for (slot, answer) in slots.into_iter().zip(admitted) {
            answers[slot] = Some(answer);
        }
        Ok(())
    }

    /// Those that are worth a look at their signature.
    async fn judge(
        &self,
        pending: Vec<InProgress<Transaction>>,
        answers: &mut [Option<Result<TxId, PoolError>>],
    ) -> Result<Vec<(InProgress<Transaction>, Judged)>, Stopped> {
        let (places, transactions): (Vec<_>, Vec<_>) = pending.into_iter().map(InProgress::apart).unzip();
        let judged = self.pool.ask(|answer| Message::Judge { transactions, answer }).await?;
        let mut passed = Vec::with_capacity(judged.len());
        for (place, outcome) in places.into_iter().zip(judged) {
            match outcome {
                Ok((transaction, judged)) => passed.push((place.with(transaction), judged)),
                Err(error) => answers[place.slot] = Some(Err(error)),
            }
        }
        Ok(passed)
    }

    /// Those whose structure and signature hold, and their slots.
    async fn check(
        &self,
        pending: Vec<(InProgress<Transaction>, Judged)>,
        answers: &mut [Option<Result<TxId, PoolError>>],
    ) -> Result<(Vec<usize>, Vec<Arrival>), Stopped> {
        if pending.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let transactions = pending.iter().map(|(pending, _)| pending.transaction.clone()).collect();
        let outcomes = self.chain.check_transactions(transactions).await?;
        let (mut slots, mut arrivals) = (Vec::with_capacity(pending.len()), Vec::with_capacity(pending.len()));
        for ((InProgress { slot, origin, added, .. }, judged), outcome) in pending.into_iter().zip(outcomes) {
            match outcome {
                Ok(transaction) => {
                    slots.push(slot);
                    arrivals.push(Arrival { transaction, judged, origin, added });
                }
                Err(error) => answers[slot] = Some(Err(PoolError::Invalid(error))),
            }
        }
        Ok((slots, arrivals))
    }
}

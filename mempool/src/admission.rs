//! Admission: transactions that arrive together are judged, checked and admitted together.
//!
//! Nobody waits for company: what comes when there is a turn goes through at once, in the hands of whoever brings it.
//! While all turns are taken, whatever arrives makes up the next gathering; so a flood goes through in large batches,
//! whose signatures cost a third of what they cost one by one.

use super::handle::{Arrival, GATHERING, Item, Message, Submission};
use super::policy::PoolError;
use cairn_chain::{ChainHandle, verdict::Origin};
use cairn_common::mailbox::{Handle, Stopped, mailbox};
use cairn_common::runtime;
use cairn_ledger::{Address, TxId};
use std::{collections::HashSet, sync::Arc};
use tokio::sync::{Semaphore, mpsc};

/// Submissions waiting to be gathered; a full queue makes submitters wait.
const QUEUE: usize = 256;
/// Turns at once: while the signatures of one gathering are checked, the accounts of another are read.
const AT_ONCE: usize = 2;

/// The way into a pool. Cloning shares it.
#[derive(Clone)]
pub(super) struct Admission {
    judges: Judges,
    turns: Arc<Semaphore>,
    queue: Handle<Submission>,
}

impl Admission {
    /// Starts gathering submissions for the pool behind `pool`. That ends with the last handle.
    pub fn spawn(chain: ChainHandle, pool: Handle<Message>) -> Self {
        let (queue, mut submissions) = mailbox::<Submission>(QUEUE);
        let (judges, turns) = (Judges { chain, pool }, Arc::new(Semaphore::new(AT_ONCE)));
        let admission = Self { judges: judges.clone(), turns: turns.clone(), queue };
        runtime::spawn(async move {
            while let Some(first) = submissions.recv().await {
                // Waiting for its turn, a gathering grows.
                let Ok(turn) = turns.clone().acquire_owned().await else { return };
                let gathering = gather(first, &mut submissions);
                let judges = judges.clone();
                runtime::spawn(async move {
                    // A pool that has ended answers nobody: every submitter sees its answer dropped.
                    let _ = judges.admit_gathering(gathering).await;
                    drop(turn);
                });
            }
        });
        admission
    }

    /// Judges, checks and admits at most [`GATHERING`] transactions: at once, or together with others that wait.
    /// Whoever gives up in the middle may have had them admitted or not.
    pub async fn submit(&self, origin: Option<Origin>, items: Vec<Item>) -> Result<Answers, Stopped> {
        // A gathering that waits for a turn has the next.
        let Ok(_turn) = self.turns.try_acquire() else {
            return self.queue.ask(|answer| Submission { origin, items, answer }).await;
        };
        self.judges.admit(items.into_iter().map(|item| (origin, item)).collect()).await
    }
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
struct Judges {
    chain: ChainHandle,
    pool: Handle<Message>,
}

/// A transaction of a gathering, and who brought it.
type Brought = (Option<Origin>, Item);

/// The answer to each of a submission, in order.
pub(super) type Answers = Vec<Result<TxId, PoolError>>;

impl Judges {
    /// Answers all submissions of a gathering.
    async fn admit_gathering(&self, gathering: Vec<Submission>) -> Result<(), Stopped> {
        let (mut askers, mut brought) = (Vec::with_capacity(gathering.len()), Vec::new());
        for Submission { origin, items, answer } in gathering {
            askers.push((items.len(), answer));
            brought.extend(items.into_iter().map(|item| (origin, item)));
        }
        let mut answers = self.admit(brought).await?.into_iter();
        for (count, asker) in askers {
            // Whoever no longer waits does not need it.
            let _ = asker.send(answers.by_ref().take(count).collect());
        }
        Ok(())
    }

    /// Judges, checks and admits transactions together, each judged alone.
    async fn admit(&self, brought: Vec<Brought>) -> Result<Answers, Stopped> {
        // What is refused is answered by its round, the others at the end.
        let mut answers = vec![None; brought.len()];
        // A sender's transactions may have come together: each round admits the next of those whose predecessor
        // the last round admitted, as if they had come one after the other.
        let mut round: Vec<usize> = (0..brought.len()).collect();
        while !round.is_empty() {
            self.admit_round(&brought, &round, &mut answers).await?;
            let sender = |slot: &usize| brought[*slot].1.0.body.sender;
            let grown = round.iter().filter(|slot| matches!(answers[**slot], Some(Ok(_)))).map(sender);
            let grown: HashSet<Address> = grown.collect();
            round.retain(|slot| {
                matches!(answers[*slot], Some(Err(PoolError::NonceGap { .. }))) && grown.contains(&sender(slot))
            });
        }
        Ok(answers.into_iter().map(|answer| answer.expect("refused, invalid or admitted")).collect())
    }

    /// Judges, checks and admits those of a gathering that stand in these slots.
    async fn admit_round(
        &self,
        brought: &[Brought],
        round: &[usize],
        answers: &mut [Option<Result<TxId, PoolError>>],
    ) -> Result<(), Stopped> {
        let of = |slots: &[usize]| slots.iter().map(|slot| brought[*slot].1.0.clone()).collect();
        let transactions = of(round);
        let judged = self.pool.ask(|answer| Message::Judge { transactions, answer }).await?;
        // Those that are worth a look at their signature.
        let (mut passed, mut standings) = (Vec::with_capacity(round.len()), Vec::with_capacity(round.len()));
        for (slot, outcome) in round.iter().zip(judged) {
            match outcome {
                Ok(judged) => {
                    passed.push(*slot);
                    standings.push(judged);
                }
                Err(error) => answers[*slot] = Some(Err(error)),
            }
        }
        if passed.is_empty() {
            return Ok(());
        }
        let checked = self.chain.check_transactions(of(&passed)).await?;
        // Those whose structure and signature hold.
        let (mut slots, mut arrivals) = (Vec::with_capacity(passed.len()), Vec::with_capacity(passed.len()));
        for ((slot, judged), outcome) in passed.into_iter().zip(standings).zip(checked) {
            let (origin, (_, added)) = brought[slot];
            match outcome {
                Ok(transaction) => {
                    slots.push(slot);
                    arrivals.push(Arrival { transaction, judged, origin, added });
                }
                Err(error) => answers[slot] = Some(Err(PoolError::Invalid(error))),
            }
        }
        if arrivals.is_empty() {
            return Ok(());
        }
        let admitted = self.pool.ask(|answer| Message::Admit { arrivals, answer }).await?;
        for (slot, answer) in slots.into_iter().zip(admitted) {
            answers[slot] = Some(answer);
        }
        Ok(())
    }
}

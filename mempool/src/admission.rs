//! Admission: transactions that arrive together are judged, checked and admitted together.
//!
//! Nobody waits for company. While one gathering is being checked, whatever arrives makes up the next; so a
//! lone transaction goes through at once, and a flood goes through in large batches, whose signatures cost a
//! third of what they cost one by one.

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
/// Gatherings on their way at once: while the signatures of one are checked, the accounts of another are read.
const AT_ONCE: usize = 2;

/// Starts gathering submissions for the pool behind `pool`. It ends with the last sender.
pub(super) fn spawn(chain: ChainHandle, pool: Handle<Message>) -> Handle<Submission> {
    let (handle, mut queue) = mailbox::<Submission>(QUEUE);
    let admission = Admission { chain, pool };
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    runtime::spawn(async move {
        while let Some(first) = queue.recv().await {
            // Waiting for its turn, a gathering grows.
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            let gathering = gather(first, &mut queue);
            let admission = admission.clone();
            runtime::spawn(async move {
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

/// A transaction of a gathering, and who brought it.
type Brought = (Option<Origin>, Item);

/// The answer to each of a gathering, once it is refused, or at the end.
type Answers = Vec<Option<Result<TxId, PoolError>>>;

impl Admission {
    /// Judges, checks and admits all transactions of a gathering, each judged alone.
    async fn admit(&self, gathering: Vec<Submission>) -> Result<(), Stopped> {
        let (mut askers, mut brought) = (Vec::with_capacity(gathering.len()), Vec::new());
        for Submission { origin, items, answer } in gathering {
            askers.push((items.len(), answer));
            brought.extend(items.into_iter().map(|item| (origin, item)));
        }
        let mut answers: Answers = vec![None; brought.len()];
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
        let mut answers = answers.into_iter().map(|answer| answer.expect("refused, invalid or admitted"));
        for (count, asker) in askers {
            // Whoever no longer waits does not need it.
            let _ = asker.send(answers.by_ref().take(count).collect());
        }
        Ok(())
    }

    /// Judges, checks and admits those of a gathering that stand in these slots.
    async fn admit_round(&self, brought: &[Brought], round: &[usize], answers: &mut Answers) -> Result<(), Stopped> {
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

//! Taking from a peer's pool what this node's lacks.

use crate::gossip::judge::Judge;
use crate::pool_sync::rounds::{FetchedPool, Outcome};
use crate::wire::short_ids::{KEY_BYTES, ShortIds, part_of};
use crate::wire::{GetPool, MAX_POOL_WANTED, Message as _, PoolAnswer, ShortId};
use cairn_chain::{Misbehaviour, Origin, PeerNumber};
use cairn_common::{clock, mailbox::Stopped, random};
use cairn_ledger::{hash::TxId, transaction::Transaction, validate::CheckedTransaction};
use cairn_mempool::PoolError;
use std::{collections::HashSet, time::Duration};

/// Bytes taken from one peer at most: a full pool of the usual size.
const MOST: usize = 64 << 20;
/// Bytes of new transactions that are passed on at once: of more, others find out when they compare pools themselves.
const PASSED_ON: usize = 1 << 20;
/// The same where this node lacked more than it had: it has just come, and nobody else lacks what it did. A few may be
/// lacking behind it all the same.
const PASSED_ON_BY_NEWCOMERS: usize = 64 << 10;

/// Transactions asked for at first, and at least, at once; more as long as answers come [`FAST`].
const FIRST_WANTED: usize = 256;
const LEAST_WANTED: usize = 16;
const FAST: Duration = Duration::from_secs(2);

/// Why no more came of a peer's pool: what is to be reported of it, if anything is.
type Ended = Option<Misbehaviour>;

impl Judge {
    /// Takes from a peer's pool what this one lacks; of `unseen`, which this node's own clients paid, it says which the
    /// peer has.
    pub(crate) async fn fetch_pool(&self, from: PeerNumber, unseen: Vec<TxId>) -> FetchedPool {
        let mut fetched = FetchedPool::nothing(from);
        fetched.outcome = match self.fill_pool(&mut fetched, &unseen).await {
            Ok(outcome) => outcome,
            Err(misbehaviour) => {
                if let Some(misbehaviour) = misbehaviour {
                    self.network.report(from, misbehaviour).await;
                }
                Outcome::Failed
            }
        };
        fetched
    }

    async fn fill_pool(&self, fetched: &mut FetchedPool, unseen: &[TxId]) -> Result<Outcome, Ended> {
        let mut key = [0; KEY_BYTES];
        // Without randomness a peer could prepare collisions, in this node's questions alone: none are asked.
        random::fill(&mut key).map_err(|_| Ended::None)?;
        let own = self.pool.transactions().await.map_err(|Stopped| Ended::None)?;
        let own: Vec<TxId> = own.iter().map(CheckedTransaction::txid).collect();
        let short = ShortIds::keyed(&key);
        let sums = short.sums(own.iter());
        let list = self.ask_pool(fetched.from, GetPool::list(key, &sums)).await?;
        if !list.transactions.is_empty() {
            return Err(Some(Misbehaviour::WrongAnswer));
        }
        let listed = list.short_ids.into_vec();
        fetched.seen = seen(unseen, &listed, &list.different, &short);
        if list.different.is_empty() {
            return Ok(Outcome::Equal);
        }
        let held: HashSet<ShortId> = own.iter().map(|txid| short.of(txid)).collect();
        let missing = lacking(listed, held);
        let passed_on = if own.len() < missing.len() { PASSED_ON_BY_NEWCOMERS } else { PASSED_ON };
        let (mut at, mut taken, mut chunk) = (0, 0, FIRST_WANTED);
        while at < missing.len() && taken < MOST {
            let wanted: Vec<ShortId> = missing.iter().skip(at).take(chunk).copied().collect();
            let began = clock::instant();
            let answer = self.ask_pool(fetched.from, GetPool::some(key, wanted.clone())).await?;
            // However slow the line, an answer comes in time.
            let is_fast = clock::instant().duration_since(began) < FAST;
            chunk = if is_fast { (chunk * 2).min(MAX_POOL_WANTED) } else { (chunk / 2).max(LEAST_WANTED) };
            let transactions = answer.transactions.into_vec();
            let ids: Vec<TxId> = transactions.iter().map(Transaction::id).collect();
            let place = place_after(&wanted, ids.iter().map(|id| short.of(id)));
            let place = place.filter(|_| answer.short_ids.is_empty()).ok_or(Some(Misbehaviour::WrongAnswer))?;
            let bytes: usize = transactions.iter().map(Transaction::size).sum();
            taken += bytes;
            // With so much room left, what did not come is not there any more.
            at += if bytes < PoolAnswer::MAX_BYTES / 2 { wanted.len() } else { place };
            if !self.offer(fetched, transactions, passed_on).await? {
                break;
            }
        }
        Ok(if fetched.admitted.is_empty() { Outcome::Useless } else { Outcome::Useful })
    }

    /// Whoever does not answer is asked more and more rarely: a line may be slow, and that is nobody's fault.
    async fn ask_pool(&self, from: PeerNumber, question: GetPool) -> Result<PoolAnswer, Ended> {
        self.network.request_pool(from, &question).await.map_err(|_| Ended::None)
    }

    /// Offers transactions of a peer to the pool; whether more of that kind are worth asking for.
    async fn offer(
        &self,
        fetched: &mut FetchedPool,
        transactions: Vec<Transaction>,
        passed_on: usize,
    ) -> Result<bool, Ended> {
        let answers =
            self.pool.submit(Origin::Peer(fetched.from), transactions.clone()).await.map_err(|Stopped| Ended::None)?;
        let (mut is_worthwhile, mut invalid) = (transactions.is_empty(), None);
        let mut passed: usize = fetched.pass_on.iter().map(Transaction::size).sum();
        for (transaction, answer) in transactions.into_iter().zip(answers) {
            match answer {
                Ok(txid) => {
                    fetched.admitted.push(txid);
                    let size = transaction.size();
                    fetched.bytes += size;
                    passed += size;
                    if passed <= passed_on {
                        fetched.pass_on.push(transaction);
                    }
                    is_worthwhile = true;
                }
                // It came by gossip, or was mined, meanwhile.
                Err(PoolError::AlreadyPooled | PoolError::AlreadyMined) => is_worthwhile = true,
                Err(PoolError::Invalid(error)) => invalid = Some(error),
                Err(_) => {}
            }
        }
        match invalid {
            // A pool holds what was checked: it never did in that node's.
            Some(error) => Err(Some(Misbehaviour::InvalidTransaction(error))),
            None => Ok(is_worthwhile),
        }
    }
}

/// Of these the ones that a peer has: they are in its list, or in a part that is the same.
fn seen(unseen: &[TxId], listed: &[ShortId], different: &[u8], short: &ShortIds) -> Vec<TxId> {
    let has = |txid: &&TxId| {
        let id = short.of(txid);
        !different.iter().any(|part| usize::from(*part) == part_of(&id)) || listed.contains(&id)
    };
    unseen.iter().filter(has).copied().collect()
}

/// What of a list is not among `own`, each once, in the order of the list.
fn lacking(list: Vec<ShortId>, mut own: HashSet<ShortId>) -> Vec<ShortId> {
    list.into_iter().filter(|id| own.insert(*id)).collect()
}

/// The place in `wanted` after the last of `got`; `None` when `got` is not a part of it, in its order.
fn place_after(wanted: &[ShortId], got: impl Iterator<Item = ShortId>) -> Option<usize> {
    let mut place = 0;
    for id in got {
        place += wanted.get(place..)?.iter().position(|wanted| *wanted == id)? + 1;
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: &[u8]) -> Vec<ShortId> {
        numbers.iter().map(|n| [*n; 6]).collect()
    }

    #[test]
    fn only_what_is_lacking_is_asked_for_once_and_in_order() {
        let own = ids(&[2, 4]).into_iter().collect();
        assert_eq!(lacking(ids(&[5, 4, 3, 5, 2, 1, 3]), own), ids(&[5, 3, 1]));
    }

    #[test]
    fn a_peer_has_what_it_lists_and_what_is_in_parts_that_are_the_same() {
        let short = ShortIds::keyed(&[3; KEY_BYTES]);
        let ids: Vec<TxId> = (0..3).map(|n| TxId::from_bytes([n; 32])).collect();
        let of = |n: usize| short.of(&ids[n]);
        // An empty pool lists nothing, and has nothing.
        let all: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(seen(&ids, &[], &all, &short), []);
        assert_eq!(seen(&ids, &[of(1)], &all, &short), [ids[1]]);
        assert_eq!(seen(&ids, &[], &[], &short), ids);
        assert!(!seen(&ids, &[], &[of(0)[0]], &short).contains(&ids[0]));
    }

    #[test]
    fn an_answer_is_a_part_of_what_was_asked_for_in_its_order() {
        let wanted = ids(&[1, 2, 3, 4]);
        let place = |got: &[u8]| place_after(&wanted, ids(got).into_iter());
        assert_eq!((place(&[]), place(&[1, 2]), place(&[2, 4]), place(&[1])), (Some(0), Some(2), Some(4), Some(1)));
        for wrong in [&[5][..], &[2, 1], &[1, 1], &[4, 5]] {
            assert_eq!(place(wrong), None, "{wrong:?}");
        }
    }
}

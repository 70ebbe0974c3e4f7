//! Taking from a peer's pool what this node's lacks.

use crate::wire::short_ids::{KEY_BYTES, ShortIds};
use crate::wire::{GetPool, MAX_POOL_WANTED, Message as _, PoolAnswer, ShortId};
use crate::{gossip::judge::Judge, handle::RequestError, pool_sync::rounds::FetchedPool};
use cairn_chain::{Misbehaviour, Origin, PeerNumber};
use cairn_common::{mailbox::Stopped, random};
use cairn_ledger::{codec::BoundedVec, hash::TxId, transaction::Transaction};
use cairn_mempool::PoolError;
use std::collections::HashSet;

/// Bytes taken from one peer at most: a full pool of the usual size.
const MOST: usize = 64 << 20;
/// Bytes of new transactions that are passed on: others ask for more themselves.
const PASSED_ON: usize = 1 << 20;

/// Why no more came of a peer's pool: what is to be reported of it, if anything is.
type Ended = Option<Misbehaviour>;

impl Judge {
    /// Takes from a peer's pool what this one lacks.
    pub(crate) async fn fetch_pool(&self, from: PeerNumber) -> FetchedPool {
        let mut fetched = FetchedPool { from, admitted: Vec::new(), bytes: 0, pass_on: Vec::new(), is_done: true };
        match self.fill_pool(&mut fetched).await {
            Ok(()) => {}
            Err(Some(misbehaviour)) => self.network.report(from, misbehaviour).await,
            Err(None) => fetched.is_done = false,
        }
        fetched
    }

    async fn fill_pool(&self, fetched: &mut FetchedPool) -> Result<(), Ended> {
        let mut key = [0; KEY_BYTES];
        // Without randomness a peer could prepare collisions, in this node's questions alone: none are asked.
        random::fill(&mut key).map_err(|_| Ended::None)?;
        let list = self.ask_pool(fetched.from, key, Vec::new()).await?;
        if !list.transactions.is_empty() {
            return Err(Some(Misbehaviour::WrongAnswer));
        }
        let own = self.pool.transactions().await.map_err(|Stopped| Ended::None)?;
        // A node that has little of what there is has just come: nobody lacks what it did.
        let is_newcomer = own.len() * 2 < list.short_ids.len();
        let short = ShortIds::keyed(&key);
        let own: HashSet<ShortId> = own.iter().map(|checked| short.of(&checked.txid())).collect();
        let missing = lacking(list.short_ids.into_vec(), own);
        let (mut at, mut taken) = (0, 0);
        while at < missing.len() && taken < MOST {
            let wanted: Vec<ShortId> = missing.iter().skip(at).take(MAX_POOL_WANTED).copied().collect();
            let answer = self.ask_pool(fetched.from, key, wanted.clone()).await?;
            let transactions = answer.transactions.into_vec();
            let ids: Vec<TxId> = transactions.iter().map(Transaction::id).collect();
            let place = place_after(&wanted, ids.iter().map(|id| short.of(id)));
            let place = place.filter(|_| answer.short_ids.is_empty()).ok_or(Some(Misbehaviour::WrongAnswer))?;
            let bytes: usize = transactions.iter().map(Transaction::size).sum();
            taken += bytes;
            // With so much room left, what did not come is not there any more.
            at += if bytes < PoolAnswer::MAX_BYTES / 2 { wanted.len() } else { place };
            if !self.offer(fetched, transactions, is_newcomer).await? {
                break;
            }
        }
        Ok(())
    }

    async fn ask_pool(
        &self,
        from: PeerNumber,
        key: [u8; KEY_BYTES],
        wanted: Vec<ShortId>,
    ) -> Result<PoolAnswer, Ended> {
        let wanted = BoundedVec::new(wanted).map_err(|_| Ended::None)?;
        let answer = self.network.request_pool(from, &GetPool { key, wanted }).await;
        answer.map_err(|error| matches!(error, RequestError::Timeout).then_some(Misbehaviour::Stalled))
    }

    /// Offers transactions of a peer to the pool; whether more of that kind are worth asking for.
    async fn offer(
        &self,
        fetched: &mut FetchedPool,
        transactions: Vec<Transaction>,
        is_newcomer: bool,
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
                    if !is_newcomer && passed <= PASSED_ON {
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
    fn an_answer_is_a_part_of_what_was_asked_for_in_its_order() {
        let wanted = ids(&[1, 2, 3, 4]);
        let place = |got: &[u8]| place_after(&wanted, ids(got).into_iter());
        assert_eq!((place(&[]), place(&[1, 2]), place(&[2, 4]), place(&[1])), (Some(0), Some(2), Some(4), Some(1)));
        for wrong in [&[5][..], &[2, 1], &[1, 1], &[4, 5]] {
            assert_eq!(place(wrong), None, "{wrong:?}");
        }
    }
}

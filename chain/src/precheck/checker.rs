//! What a worker does with a block, or with transactions for the pool.
//!
//! While the writer connects one block, the workers prepare those after it: a block alone is shared by all of
//! them, of many each takes one ([`Share`]). What the pool had checked is found among the
//! [`CheckedCache`] and not checked again.
//!
//! Transactions for the pool are checked on threads of the runtime instead: each gathering is one piece of work, which
//! needs no sharing, and the workers go on looking for more for a while before they sleep.

use super::shared_checks::SharedChecks;
use cairn_common::cache::FifoCache;
use cairn_ledger::validate::{Candidate, check_candidates, match_body};
use cairn_ledger::{
    BlockError, Body, ChainSpec, CheckedBlock, CheckedTransaction, LinkedHeader, Transaction, TxError, TxId,
    block::block_size, schnorr::KeyCache,
};
use rayon::prelude::*;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Transactions that one worker checks as one batch of signatures. Twice as many gain a few percent more, and
/// leave the last block of a burst to fewer cores.
const BATCH: usize = 1024;
/// Transactions that one worker hashes at once.
const PIECE: usize = 512;
/// Keys that each worker remembers, of about 100 bytes.
const KEYS: usize = 8192;

/// Transactions remembered: as many as the pool holds by default. They share their memory with the pool.
const CACHED: usize = 100_000;
/// Transactions whose signatures were checked for the pool and need not be checked again for a block, by id; the oldest
/// make room for new ones.
///
/// An id commits to every byte, the signature's too, so what is found here is the transaction itself.
/// Whoever floods this with valid transactions costs others a second look at theirs, and nothing more.
type CheckedCache = FifoCache<TxId, CheckedTransaction>;

fn remember(cache: &mut CheckedCache, checked: &CheckedTransaction) {
    cache.insert_weighted(checked.txid(), checked.clone(), checked.transaction().size());
}

/// What was checked, if all was.
fn all_known(candidates: &[Candidate]) -> Option<Vec<CheckedTransaction>> {
    let known = |candidate: &Candidate| match candidate {
        Candidate::Known(checked) => Some(checked.clone()),
        Candidate::New { .. } => None,
    };
    candidates.iter().map(known).collect()
}

thread_local! {
    /// Each worker's own: nobody waits for another's.
    static REMEMBERED_KEYS: RefCell<KeyCache> = RefCell::new(KeyCache::new(KEYS));
}

/// The transactions of a block, as they came.
#[derive(Clone, Debug)]
pub enum BlockBody {
    /// Decoded, and nothing else.
    Decoded(Body),
    /// Put together by their ids, some from among those checked before.
    Resolved(Vec<Candidate>),
}

impl BlockBody {
    /// Its size in bytes, encoded.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Decoded(body) => block_size(body.iter()),
            Self::Resolved(candidates) => block_size(candidates.iter().map(Candidate::transaction)),
        }
    }
}

impl From<Body> for BlockBody {
    fn from(body: Body) -> Self {
        Self::Decoded(body)
    }
}

/// Who works on a block. A worker that waits for others takes up what else there is to do: among many blocks a whole
/// one, in it the next, one within the other, and the lowest, for which all wait, is done last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// All workers: some have nothing else to do.
    All,
    /// The worker that has taken the block: there is another for each of the others.
    One,
}

impl Share {
    /// How so many workers work on one of so many blocks.
    pub(super) fn among(blocks: usize, workers: usize) -> Self {
        if blocks < workers { Self::All } else { Self::One }
    }

    /// Works on each piece.
    fn map<T: Send, U: Send>(self, pieces: Vec<T>, work: impl Fn(T) -> U + Send + Sync) -> Vec<U> {
        match self {
            Self::All => pieces.into_par_iter().map(work).collect(),
            Self::One => pieces.into_iter().map(work).collect(),
        }
    }
}

/// What the workers work with.
pub(super) struct Checker {
    spec: Arc<ChainSpec>,
    /// What the pool had checked.
    checked_cache: Mutex<CheckedCache>,
    /// Keys remembered by whoever checks for the pool, each by one of them at a time.
    pool_keys: Mutex<Vec<KeyCache>>,
    /// What other nodes of a simulation have checked.
    shared: Option<SharedChecks>,
}

impl Checker {
    pub(super) fn new(spec: Arc<ChainSpec>, shared: Option<SharedChecks>, checked_bytes: usize) -> Self {
        let checked_cache = Mutex::new(FifoCache::weighted(CACHED, checked_bytes));
        Self { spec, checked_cache, pool_keys: Mutex::default(), shared }
    }

    /// Checks a block, and tells early whether the body is the header's.
    pub(super) fn check(
        &self,
        share: Share,
        header: LinkedHeader,
        body: BlockBody,
        matched: impl FnOnce(Result<(), BlockError>),
    ) -> Result<CheckedBlock, BlockError> {
        let candidates = self.resolve(share, body);
        // The root comes first, and is answered first: relaying need not wait for signatures.
        let block = match_body(&self.spec, header, candidates);
        matched(block.as_ref().map(|_| ()).map_err(|error| *error));
        let (header, candidates) = block?;
        let transactions = self.check_all(share, candidates)?;
        Ok(CheckedBlock::assemble(header, transactions).expect("they are the candidates, in their order"))
    }

    /// The transactions with their ids, those checked before among them.
    fn resolve(&self, share: Share, body: BlockBody) -> Vec<Candidate> {
        let transactions = match body {
            BlockBody::Resolved(candidates) => return candidates,
            BlockBody::Decoded(body) => body.into_vec(),
        };
        let pieces = share.map(split(transactions, PIECE), Candidate::new_each);
        let mut candidates: Vec<Candidate> = pieces.into_iter().flatten().collect();
        let cache = self.checked_cache();
        for candidate in &mut candidates {
            if let Some(checked) = cache.get(&candidate.txid()) {
                *candidate = Candidate::Known(checked.clone());
            }
        }
        drop(cache);
        self.shared.iter().for_each(|shared| shared.find(&mut candidates));
        candidates
    }

    /// What stands in a block is needed no more; in a competing block it would be checked once again.
    pub(super) fn forget_known(&self, mined: &[TxId]) {
        let mut cache = self.checked_cache();
        mined.iter().for_each(|txid| drop(cache.remove(txid)));
    }

    /// Checks all transactions of a block. The error is of the first batch that has one.
    fn check_all(&self, share: Share, candidates: Vec<Candidate>) -> Result<Vec<CheckedTransaction>, BlockError> {
        let mut checked = Vec::with_capacity(candidates.len());
        for outcome in share.map(split(candidates, BATCH), |batch| self.check_batch(batch)) {
            let batch = outcome.map_err(|(at, error)| BlockError::Transaction { index: checked.len() + at, error })?;
            checked.extend(batch);
        }
        Ok(checked)
    }

    fn check_batch(&self, batch: Vec<Candidate>) -> Result<Vec<CheckedTransaction>, (usize, TxError)> {
        REMEMBERED_KEYS.with_borrow_mut(|keys| self.check_candidates(keys, batch))
    }

    fn check_candidates(
        &self,
        keys: &mut KeyCache,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<CheckedTransaction>, (usize, TxError)> {
        let checked = check_candidates(keys, &self.spec.genesis_id(), candidates)?;
        self.shared.iter().for_each(|shared| shared.note(&checked));
        Ok(checked)
    }

    /// Takes keys that nobody else uses now.
    fn take_keys(&self) -> KeyCache {
        let idle = self.pool_keys.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| KeyCache::new(KEYS))
    }

    /// Leaves them to the next.
    fn leave_keys(&self, keys: KeyCache) {
        self.pool_keys.lock().unwrap_or_else(PoisonError::into_inner).push(keys);
    }

    /// Checks transactions as one batch and, when one of them is invalid, each by itself: whoever mixes bad
    /// ones in slows this down by a constant factor, not by their number.
    pub(super) fn check_each(&self, transactions: Vec<Transaction>) -> Vec<Result<CheckedTransaction, TxError>> {
        let mut candidates = Candidate::new_each(transactions);
        if let Some(shared) = &self.shared {
            shared.find(&mut candidates);
            // Keys take a megabyte, and a simulation has many nodes.
            if let Some(known) = all_known(&candidates) {
                known.iter().for_each(|checked| remember(&mut self.checked_cache(), checked));
                return known.into_iter().map(Ok).collect();
            }
        }
        let mut keys = self.take_keys();
        let outcomes: Vec<_> = match self.check_candidates(&mut keys, candidates.clone()) {
            Ok(checked) => checked.into_iter().map(Ok).collect(),
            Err(_) => {
                let alone = |candidate| match self.check_candidates(&mut keys, vec![candidate]) {
                    Ok(checked) => Ok(checked.into_iter().next().expect("one in, one out")),
                    Err((_, error)) => Err(error),
                };
                candidates.into_iter().map(alone).collect()
            }
        };
        self.leave_keys(keys);
        let mut cache = self.checked_cache();
        outcomes.iter().flatten().for_each(|checked| remember(&mut cache, checked));
        outcomes
    }

    /// The transactions checked for the pool. A panic stops the node, so a poisoned lock is nobody's concern.
    fn checked_cache(&self) -> MutexGuard<'_, CheckedCache> {
        self.checked_cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Splits into pieces of so many.
fn split<T>(mut items: Vec<T>, size: usize) -> Vec<Vec<T>> {
    let mut pieces = Vec::with_capacity(items.len().div_ceil(size));
    while !items.is_empty() {
        pieces.push(items.split_off((items.len() - 1) / size * size));
    }
    pieces.reverse();
    pieces
}

#[cfg(test)]
mod tests {
    use super::super::{Precheck, Workers};
    use super::*;
    use crate::store::{CHECKED_BYTES, DbOptions};
    use cairn_ledger::testing::{checked, easy_network, key, payment};

    /// Workers that waited for parts of one block once took up those above it, and finished the lowest last.
    #[test]
    fn of_many_blocks_each_worker_takes_one() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("three threads");
        let (shared, own) = (1..=2, 3..=9);
        assert!(shared.clone().all(|blocks| Share::among(blocks, 3) == Share::All), "some would have nothing to do");
        assert!(own.clone().all(|blocks| Share::among(blocks, 3) == Share::One));
        let (pieces, add) = (split((0..10).collect(), 4), |piece: Vec<u32>| piece.into_iter().sum::<u32>());
        assert_eq!(pool.install(|| Share::All.map(pieces.clone(), add)), [6, 22, 17]);
        let here = std::thread::current().id();
        let stays = |_| assert_eq!(std::thread::current().id(), here);
        Share::One.map(pieces, stays);
    }

    /// Of two bad transactions the first is named, whichever worker is done sooner.
    #[test]
    fn the_first_bad_transaction_is_named() {
        let spec = Arc::new(easy_network());
        let checker = Checker::new(spec.clone(), None, CHECKED_BYTES);
        let mut all: Vec<_> =
            (0..=BATCH as u64).map(|n| payment(&spec, &key(1), n, key(2).address(), 10, 1_000)).collect();
        all[5].body.version = 9;
        all[BATCH].body.version = 8;
        for share in [Share::All, Share::One] {
            let error = checker.check_all(share, Candidate::new_each(all.clone())).err();
            assert_eq!(error, Some(BlockError::Transaction { index: 5, error: TxError::Version { got: 9 } }));
        }
        let last = checker.check_all(Share::One, Candidate::new_each(all.split_off(6))).err();
        let index = BATCH - 6;
        assert_eq!(last, Some(BlockError::Transaction { index, error: TxError::Version { got: 8 } }), "the control");
    }

    /// Each check takes a table of keys of a megabyte, and anybody may start hundreds of them by JSON-RPC.
    #[tokio::test(flavor = "multi_thread")]
    async fn no_more_checks_for_the_pool_run_at_once_than_there_are_cores() {
        let spec = Arc::new(easy_network());
        let precheck = Precheck::new(Workers::start().expect("threads"), spec.clone(), None, &DbOptions::default());
        let checks = (0..200).map(|nonce| {
            let (precheck, one) = (precheck.clone(), payment(&spec, &key(1), nonce, key(2).address(), 10, 1_000));
            tokio::spawn(async move { precheck.check_transactions(vec![one]).await })
        });
        for check in checks.collect::<Vec<_>>() {
            assert!(check.await.expect("no panic").expect("an answer").iter().all(Result::is_ok));
        }
        let tables = precheck.checker.pool_keys.lock().unwrap_or_else(PoisonError::into_inner).len();
        assert!((1..=precheck.workers.count()).contains(&tables), "{tables}");
    }

    #[test]
    fn a_bad_signature_is_named_and_harms_no_neighbour() {
        let spec = Arc::new(easy_network());
        let checker = Checker::new(spec.clone(), None, CHECKED_BYTES);
        let mut all: Vec<_> = (0..5).map(|nonce| payment(&spec, &key(1), nonce, key(2).address(), 10, 1_000)).collect();
        assert!(checker.check_each(all.clone()).iter().all(Result::is_ok), "the negative control");

        all[1].body.version = 9;
        all[3].body.memo = cairn_ledger::codec::BoundedBytes::new(vec![1]).expect("a short memo");
        let outcomes = checker.check_each(all);
        let errors: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().err().copied()).collect();
        assert_eq!(errors, [None, Some(TxError::Version { got: 9 }), None, Some(TxError::Signature), None]);
    }

    /// What is only tried out is remembered, too, and never enters a pool that bounds its bytes.
    #[test]
    fn large_transactions_are_bounded_by_their_bytes() {
        let spec = easy_network();
        let make = |nonce| payment(&spec, &key(1), nonce, key(2).address(), 1, 1_000);
        let all = checked(&spec, (0..3).map(make).collect());
        let bytes = all[0].transaction().size();
        let mut cache = FifoCache::weighted(CACHED, 2 * bytes);
        remember(&mut cache, &all[0]);
        remember(&mut cache, &all[0]);
        assert_eq!(cache.weight(), bytes, "counted once");
        remember(&mut cache, &all[1]);
        remember(&mut cache, &all[2]);
        assert!(cache.get(&all[0].txid()).is_none(), "the oldest made room");
        assert!(cache.get(&all[1].txid()).is_some() && cache.get(&all[2].txid()).is_some());
        cache.remove(&all[1].txid());
        cache.remove(&all[1].txid());
        assert_eq!((cache.len(), cache.weight()), (1, bytes));
    }
}

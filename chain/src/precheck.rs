//! The workers: they match bodies to headers and check transactions on all cores, before the writer's turn.
//!
//! While the writer connects one block, the workers prepare those after it: a block alone is shared by all of
//! them, of many each takes one ([`Share`]). What the pool had checked is found among the
//! [`CheckedCache`] and not checked again.
//!
//! Transactions for the pool are checked on threads of the runtime instead: each gathering is one piece of work, which
//! needs no sharing, and the workers go on looking for more for a while before they sleep.

use super::{
    accounts::{Accounts, missing},
    checked_cache::CheckedCache,
    inflight::{Rooms, Turn},
    mailbox::{Import, MAILBOX, Message},
    state::State,
};
use crate::store::{ChainStore, StoreError, schema::AccountPlace};
use cairn_common::mailbox::{Handle, Stopped};
use cairn_ledger::{
    accounts::{Account, AccountTree, Leaf},
    block::{Body, block_size},
    chain_spec::ChainSpec,
    error::{BlockError, TxError},
    hash::{Hash, TxId},
    schnorr::KeyCache,
    transaction::Transaction,
    validate::{Candidate, CheckedBlock, CheckedTransaction, LinkedHeader, check_candidates, match_body},
};
use rayon::prelude::*;
use std::{
    cell::RefCell,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};
use tokio::sync::{Semaphore, oneshot};

/// Bytes of blocks, as they are encoded, between their arrival and the writer's turn: two of its runs, so that there is
/// work for the other cores until it has connected one. Checked, they take about three times as much.
const IN_FLIGHT_BYTES: usize = 16 << 20;
/// What the smallest block takes of them, so that those let in leave half of the writer's mailbox to others.
const LEAST_BYTES: usize = IN_FLIGHT_BYTES / (MAILBOX / 2);
/// Transactions that one worker checks as one batch of signatures. Twice as many gain a few percent more, and
/// leave the last block of a burst to fewer cores.
const BATCH: usize = 1024;
/// Transactions that one worker hashes at once.
const PIECE: usize = 512;
/// First bytes of addresses in the part of all accounts that one worker reads at once; a divisor of 256.
const PART: u8 = 4;
/// What so many accounts have is read at once by one worker.
const AT_ONCE: usize = 1 << 16;
/// Accounts that one worker loads at once: somebody may choose addresses that all fall into one part.
const LOADED: usize = 4096;
/// Keys that each worker remembers, of about 100 bytes.
const KEYS: usize = 8192;

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
    fn size(&self) -> usize {
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

/// The threads: one for each core. Cloning shares them.
#[derive(Clone)]
pub(super) struct Workers(Arc<rayon::ThreadPool>);

impl Workers {
    /// Starts them.
    pub(super) fn start() -> Result<Self, StoreError> {
        let workers = rayon::ThreadPoolBuilder::new().thread_name(|n| format!("precheck-{n}")).build();
        let workers = workers.map_err(|error| StoreError::Workers { reason: error.to_string() })?;
        Ok(Self(Arc::new(workers)))
    }

    /// Loads all stored accounts, and builds the tree over them.
    pub(super) fn load_state(&self, store: &ChainStore) -> Result<State, StoreError> {
        let count = store.account_count()?;
        let broken = |_| StoreError::Corrupt { table: "address_by_index", key: count.to_string() };
        let hashes = vec![Hash::ZERO; u32::try_from(count).map_err(broken)? as usize];
        let loaded = Mutex::new((Accounts::with_count(count), hashes));
        self.0.install(|| {
            let firsts: Vec<u64> = (0..count).step_by(AT_ONCE).collect();
            let accounts = firsts.into_par_iter();
            let accounts = accounts.map(|first| store.accounts_at(first..count.min(first + AT_ONCE as u64)));
            let accounts: Vec<Vec<Account>> = accounts.collect::<Result<_, _>>()?;
            let parts: Vec<u8> = (0..=u8::MAX).step_by(usize::from(PART)).collect();
            parts.into_par_iter().try_for_each(|first| load_part(store, first..=first + (PART - 1), &accounts, &loaded))
        })?;
        let (accounts, hashes) = loaded.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(State { accounts, tree: self.0.install(|| AccountTree::from_leaf_hashes(hashes)) })
    }
}

/// Reads and hashes a part of all accounts, piece by piece, and puts each in its place.
fn load_part(
    store: &ChainStore,
    first: RangeInclusive<u8>,
    accounts: &[Vec<Account>],
    loaded: &Mutex<(Accounts, Vec<Hash>)>,
) -> Result<(), StoreError> {
    let mut entries = store.places_in(first).map(|entry| {
        let (address, AccountPlace { index, next }) = entry?;
        let account = usize::try_from(index).ok().and_then(|index| accounts.get(index / AT_ONCE)?.get(index % AT_ONCE));
        let account = *account.ok_or_else(|| missing(&address))?;
        Ok((index, Leaf { address, next, account }))
    });
    loop {
        let leaves: Vec<(u64, Leaf)> = entries.by_ref().take(LOADED).collect::<Result<_, _>>()?;
        if leaves.is_empty() {
            return Ok(());
        }
        let piece = Leaf::hash_each(leaves.iter().map(|(_, leaf)| leaf));
        let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let (accounts, hashes) = &mut *loaded;
        for ((index, leaf), hash) in leaves.into_iter().zip(piece) {
            // Indices are dense: one that is missing for another that stands twice is found by the root.
            let place = usize::try_from(index).ok().and_then(|index| hashes.get_mut(index));
            let place = place.filter(|_| accounts.place(index, leaf));
            *place.ok_or_else(|| StoreError::Corrupt { table: "account_by_address", key: index.to_string() })? = hash;
        }
    }
}

/// Who works on a block. A worker that waits for others takes up what else there is to do: among many blocks a whole
/// one, in it the next, one within the other, and the lowest, for which all wait, is done last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    /// All workers: some have nothing else to do.
    All,
    /// The worker that has taken the block: there is another for each of the others.
    One,
}

impl Share {
    /// How to work on one of so many blocks.
    fn among(blocks: usize) -> Self {
        if blocks < rayon::current_num_threads() { Self::All } else { Self::One }
    }

    /// Works on each piece.
    fn map<T: Send, U: Send>(self, pieces: Vec<T>, work: impl Fn(T) -> U + Send + Sync) -> Vec<U> {
        match self {
            Self::All => pieces.into_par_iter().map(work).collect(),
            Self::One => pieces.into_iter().map(work).collect(),
        }
    }
}

/// What a block is checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be connected, once its branch has the most work.
    Connect,
    /// To be on the disk, whatever its branch is.
    Store,
}

/// Hands work to the workers. Cloning shares them.
#[derive(Clone)]
pub(super) struct Precheck {
    checker: Arc<Checker>,
    workers: Workers,
    rooms: Rooms,
    /// Checks for the pool at once: one for each core. Callers of JSON-RPC start them, too, and each needs a table of keys.
    pool_checks: Arc<Semaphore>,
}

/// What the workers work with.
struct Checker {
    spec: Arc<ChainSpec>,
    /// What the pool had checked.
    checked_cache: Mutex<CheckedCache>,
    /// Keys remembered by whoever checks for the pool, each by one of them at a time.
    pool_keys: Mutex<Vec<KeyCache>>,
    /// Blocks that are being checked, or wait for a worker.
    blocks: AtomicUsize,
}

impl Precheck {
    /// Gives the workers what they need to work on blocks.
    pub(super) fn new(workers: Workers, spec: Arc<ChainSpec>) -> Self {
        let pool_checks = Arc::new(Semaphore::new(workers.0.current_num_threads()));
        Self { checker: Arc::new(Checker::new(spec)), workers, rooms: Rooms::new(IN_FLIGHT_BYTES), pool_checks }
    }

    /// Starts checking a block, which ends with the writer's answer. Waits while too many are in flight.
    pub(super) async fn start(
        &self,
        writer: &Handle<Message>,
        (turn, purpose): (Turn, Purpose),
        header: LinkedHeader,
        body: BlockBody,
    ) -> Result<Import, Stopped> {
        let room = self.rooms.enter(turn, body.size().max(LEAST_BYTES)).await;
        // The place in the mailbox is taken before the work begins: a worker that waited for one could
        // wait for a writer that waits for a worker.
        let place = writer.reserve().await?;
        let (matched_sender, matched) = oneshot::channel();
        let (answer, outcome) = oneshot::channel();
        let checker = self.checker.clone();
        let started = Instant::now();
        checker.blocks.fetch_add(1, Ordering::Relaxed);
        self.workers.0.spawn(move || {
            let share = Share::among(checker.blocks.load(Ordering::Relaxed));
            let matched = move |result: Result<(), BlockError>| {
                // Whoever waited may be gone.
                let _ = matched_sender.send(result);
            };
            let mut mined = Vec::new();
            let message = match checker.check(share, header.clone(), body, matched) {
                Ok(block) => {
                    mined = block.txids();
                    let (height, transactions) = (header.header().height.get(), block.transactions().len());
                    let check_us = started.elapsed().as_micros();
                    tracing::debug!(target: "cairn::chain", height, transactions, check_us, "checked a block");
                    match purpose {
                        Purpose::Connect => Message::Connect { block, room, answer },
                        Purpose::Store => Message::Store { block, room, answer },
                    }
                }
                Err(error) => Message::Invalid { header, error, answer },
            };
            checker.blocks.fetch_sub(1, Ordering::Relaxed);
            place.send(message);
            checker.forget_known(&mined);
        });
        Ok(Import { matched, outcome })
    }

    /// Does two things: at once, if no blocks keep two of the workers from it. Otherwise the caller is sooner done
    /// alone.
    pub(super) fn join<A: Send, B: Send>(
        &self,
        first: impl FnOnce() -> A + Send,
        second: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        if self.checker.blocks.load(Ordering::Relaxed) + 2 <= self.workers.0.current_num_threads() {
            self.workers.0.join(first, second)
        } else {
            (first(), second())
        }
    }

    /// Checks a block that this node had stored itself.
    pub(super) fn check_stored(&self, header: LinkedHeader, body: Body) -> Result<CheckedBlock, BlockError> {
        self.workers.0.install(|| self.checker.check(Share::All, header, body.into(), |_| ()))
    }

    /// Checks transactions by themselves: one answer for each, in order.
    pub(super) async fn check_transactions(
        &self,
        transactions: Vec<Transaction>,
    ) -> Result<Vec<Result<CheckedTransaction, TxError>>, Stopped> {
        let permit = self.pool_checks.clone().acquire_owned().await.map_err(|_| Stopped)?;
        let checker = self.checker.clone();
        let check = move || {
            // Held to the end, also when whoever asked is gone.
            let _permit = permit;
            checker.check_each(transactions)
        };
        tokio::task::spawn_blocking(check).await.map_err(|_| Stopped)
    }
}

impl Checker {
    fn new(spec: Arc<ChainSpec>) -> Self {
        Self { spec, checked_cache: Mutex::default(), pool_keys: Mutex::default(), blocks: AtomicUsize::new(0) }
    }

    /// Checks a block, and tells early whether the body is the header's.
    fn check(
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
        let (header, candidates) = block?.into_parts();
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
        candidates
    }

    /// What stands in a block is needed no more; in a competing block it would be checked once again.
    fn forget_known(&self, mined: &[TxId]) {
        let mut cache = self.checked_cache();
        mined.iter().for_each(|txid| cache.remove(txid));
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
        let genesis_id = self.spec.genesis_id();
        REMEMBERED_KEYS.with_borrow_mut(|keys| check_candidates(keys, &genesis_id, batch))
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
    fn check_each(&self, transactions: Vec<Transaction>) -> Vec<Result<CheckedTransaction, TxError>> {
        let (candidates, genesis_id) = (Candidate::new_each(transactions), self.spec.genesis_id());
        let mut keys = self.take_keys();
        let outcomes: Vec<_> = match check_candidates(&mut keys, &genesis_id, candidates.clone()) {
            Ok(checked) => checked.into_iter().map(Ok).collect(),
            Err(_) => {
                let alone = |candidate| match check_candidates(&mut keys, &genesis_id, vec![candidate]) {
                    Ok(checked) => Ok(checked.into_iter().next().expect("one in, one out")),
                    Err((_, error)) => Err(error),
                };
                candidates.into_iter().map(alone).collect()
            }
        };
        self.leave_keys(keys);
        let mut cache = self.checked_cache();
        outcomes.iter().flatten().for_each(|checked| cache.insert(checked.clone()));
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
    use super::*;
    use cairn_ledger::testing::{easy_network, key, payment};

    /// Workers that waited for parts of one block once took up those above it, and finished the lowest last.
    #[test]
    fn of_many_blocks_each_worker_takes_one() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("three threads");
        let (shared, own) = (1..=2, 3..=9);
        pool.install(|| {
            assert!(shared.clone().all(|blocks| Share::among(blocks) == Share::All), "some would have nothing to do");
            assert!(own.clone().all(|blocks| Share::among(blocks) == Share::One));
        });
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
        let checker = Checker::new(spec.clone());
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
        let precheck = Precheck::new(Workers::start().expect("threads"), spec.clone());
        let checks = (0..200).map(|nonce| {
            let (precheck, one) = (precheck.clone(), payment(&spec, &key(1), nonce, key(2).address(), 10, 1_000));
            tokio::spawn(async move { precheck.check_transactions(vec![one]).await })
        });
        for check in checks.collect::<Vec<_>>() {
            assert!(check.await.expect("no panic").expect("an answer").iter().all(Result::is_ok));
        }
        let tables = precheck.checker.pool_keys.lock().unwrap_or_else(PoisonError::into_inner).len();
        assert!((1..=precheck.workers.0.current_num_threads()).contains(&tables), "{tables}");
    }

    #[test]
    fn a_bad_signature_is_named_and_harms_no_neighbour() {
        let spec = Arc::new(easy_network());
        let checker = Checker::new(spec.clone());
        let mut all: Vec<_> = (0..5).map(|nonce| payment(&spec, &key(1), nonce, key(2).address(), 10, 1_000)).collect();
        assert!(checker.check_each(all.clone()).iter().all(Result::is_ok), "the negative control");

        all[1].body.version = 9;
        all[3].body.memo = cairn_ledger::codec::BoundedBytes::new(vec![1]).expect("a short memo");
        let outcomes = checker.check_each(all);
        let errors: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().err().copied()).collect();
        assert_eq!(errors, [None, Some(TxError::Version { got: 9 }), None, Some(TxError::Signature), None]);
    }
}

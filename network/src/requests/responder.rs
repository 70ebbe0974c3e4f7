//! Answers to other nodes: from the stored chain, from the blocks that were passed on lately, and from the pool.

use crate::gossip::recent_blocks::{self, RecentBlocks};
use crate::wire::{
    BlockTxs, Bodies, GetBlockTxs, GetBodies, GetHeaders, GetPool, GetStateRun, Headers, MAX_HEADERS, MAX_POOL_IDS,
    Message, PoolAnswer, ShortId, StateRuns,
};
use crate::{
    pool_sync::snapshot::PoolSnapshot, requests::class::Class, wire::short_ids::ShortIds, wire::short_ids::part_of,
};
use cairn_chain::{BlockBody, Reader, StoreError};
use cairn_common::runtime;
use cairn_ledger::block::{BLOCK_OVERHEAD_BYTES, Body, HEADER_BYTES, block_size};
use cairn_ledger::codec::{BoundedVec, DecodeError};
use cairn_ledger::hash::{BlockId, TxId};
use cairn_ledger::{transaction::Transaction, validate::CheckedTransaction};
use cairn_mempool::PoolHandle;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The question is no message.
    #[error("the question is no message: {0}")]
    Undecodable(#[from] DecodeError),
    /// The store failed: the node has to stop.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The reader panicked: a bug.
    #[error("reading panicked: {reason}")]
    Panicked {
        /// What it said.
        reason: String,
    },
}

/// Where answers come from. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Sources {
    /// The stored chain.
    reader: Reader,
    /// Blocks that may not be stored yet.
    recent_blocks: RecentBlocks,
    /// The pool.
    pool_snapshot: PoolSnapshot,
}

impl Sources {
    /// Of this chain and pool, and of bodies that may not be stored yet.
    pub(crate) fn new(reader: Reader, recent_blocks: RecentBlocks, pool: PoolHandle) -> Self {
        Self { reader, recent_blocks, pool_snapshot: PoolSnapshot::new(pool) }
    }

    /// Forgets a list of the pool that is shown no more.
    pub(crate) fn tidy(&self) {
        self.pool_snapshot.tidy();
    }
}

/// How far below the tip a block is news, which is given even when the day's upload is spent: those who follow the
/// tip go on, those who catch up ask others.
const NEWS_BLOCKS: u64 = 8;

/// For whom an answer is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    /// How long it has to wait.
    pub(crate) wait: Duration,
    /// Since when it is connected.
    pub(crate) since: Instant,
    /// Whether the day's upload is spent: bodies below the news and runs of accounts are not given, for an answer may
    /// always be shorter than the question.
    pub(crate) is_spent: bool,
}

/// Answers a question.
pub(crate) async fn answer(
    sources: Sources,
    class: Class,
    question: Vec<u8>,
    asker: Asker,
) -> Result<Vec<u8>, ServeError> {
    let Asker { wait, since, is_spent } = asker;
    runtime::sleep(wait).await;
    let list = match class {
        Class::Pool => sources.pool_snapshot.get(since).await,
        Class::Status | Class::Addresses | Class::Headers | Class::Bodies | Class::BlockTxs | Class::Snapshot => {
            Default::default()
        }
    };
    let read = runtime::blocking(move || match class {
        Class::Headers => headers(&sources.reader, &question),
        Class::Bodies => bodies(&sources, &question, is_spent),
        Class::BlockTxs => block_txs(&sources.recent_blocks, &question),
        Class::Pool => pool(&list, &question),
        Class::Snapshot => state_runs(&sources.reader, &question, is_spent),
        // The state answers these itself.
        Class::Status | Class::Addresses => Ok(Vec::new()),
    });
    read.await.map_err(|error| ServeError::Panicked { reason: error.to_string() })?
}

fn headers(reader: &Reader, question: &[u8]) -> Result<Vec<u8>, ServeError> {
    let GetHeaders { locator } = GetHeaders::from_bytes(question)?;
    let headers = reader.headers_after(&locator, MAX_HEADERS)?;
    Ok(Headers { headers: BoundedVec::new(headers).unwrap_or_default() }.to_bytes())
}

fn bodies(sources: &Sources, question: &[u8], spent: bool) -> Result<Vec<u8>, ServeError> {
    let GetBodies { ids } = GetBodies::from_bytes(question)?;
    let (mut bodies, mut room) = (Vec::new(), Bodies::MAX_BYTES - (BLOCK_OVERHEAD_BYTES - HEADER_BYTES));
    let newest = if spent { sources.reader.tip_height()?.get() } else { 0 };
    for id in ids.iter() {
        if spent && !is_news(&sources.reader, id, newest)? {
            break;
        }
        let Some(body) = body(sources, id)? else { break };
        let size = block_size(body.iter()) - HEADER_BYTES;
        if size > room {
            break;
        }
        room -= size;
        bodies.push(body);
    }
    Ok(Bodies { bodies: BoundedVec::new(bodies).unwrap_or_default() }.to_bytes())
}

/// A body that was passed on lately, or is stored.
fn body(sources: &Sources, id: &BlockId) -> Result<Option<Body>, StoreError> {
    match sources.recent_blocks.get(id).as_deref() {
        Some(BlockBody::Decoded(body)) => Ok(Some(body.clone())),
        Some(body) => Ok(Body::new(recent_blocks::transactions(body).cloned().collect()).ok()),
        None => {
            let header = sources.reader.header(id)?;
            header.map_or(Ok(None), |header| sources.reader.body(&header))
        }
    }
}

/// From the recent_blocks alone: for older blocks whole bodies are asked for, and no small question reads a large block
/// from the disk.
fn block_txs(recent_blocks: &RecentBlocks, question: &[u8]) -> Result<Vec<u8>, ServeError> {
    let GetBlockTxs { id, places } = GetBlockTxs::from_bytes(question)?;
    if places.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(DecodeError::OutOfRange.into());
    }
    let body = recent_blocks.get(&id);
    let all: Vec<&Transaction> = body.iter().flat_map(|body| recent_blocks::transactions(body)).collect();
    // A place beyond the end is no misbehaviour: whoever made the compact block may have lied about its length.
    let found: Option<Vec<Transaction>> =
        places.iter().map(|place| all.get(*place as usize).copied().cloned()).collect();
    let transactions = BoundedVec::new(found.unwrap_or_default()).unwrap_or_default();
    Ok(BlockTxs { transactions }.to_bytes())
}

fn pool(list: &[CheckedTransaction], question: &[u8]) -> Result<Vec<u8>, ServeError> {
    let GetPool { key, wanted, sums } = GetPool::from_bytes(question)?;
    let short = ShortIds::keyed(&key);
    if wanted.is_empty() {
        let list = list.get(..MAX_POOL_IDS).unwrap_or(list);
        let ids: Vec<TxId> = list.iter().map(CheckedTransaction::txid).collect();
        let own = short.sums(ids.iter());
        // Without sums, or with fewer, nothing is the same.
        let differs = |part: usize| sums.get(part) != own.get(part);
        let ids = ids.iter().map(|txid| short.of(txid)).filter(|id| differs(part_of(id))).collect();
        let short_ids = BoundedVec::new(ids).unwrap_or_default();
        let different = (0..=u8::MAX).filter(|part| !sums.is_empty() && differs(usize::from(*part))).collect();
        let different = BoundedVec::new(different).unwrap_or_default();
        return Ok(PoolAnswer { short_ids, different, ..PoolAnswer::default() }.to_bytes());
    }
    let mut found: HashMap<ShortId, Option<&Transaction>> = wanted.iter().map(|id| (*id, None)).collect();
    for checked in list {
        if let Some(slot) = found.get_mut(&short.of(&checked.txid())) {
            *slot = Some(checked.transaction());
        }
    }
    // Three counts stand before the lists.
    let (mut transactions, mut room) = (Vec::new(), PoolAnswer::MAX_BYTES - 24);
    // Each once, however often it is named.
    for transaction in wanted.iter().filter_map(|id| found.remove(id).flatten()) {
        if transaction.size() > room {
            break;
        }
        room -= transaction.size();
        transactions.push(transaction.clone());
    }
    let transactions = BoundedVec::new(transactions).unwrap_or_default();
    Ok(PoolAnswer { transactions, ..PoolAnswer::default() }.to_bytes())
}

/// Whoever asks for this catches up: once the day's upload is spent, others have to give it.
fn state_runs(reader: &Reader, question: &[u8], is_spent: bool) -> Result<Vec<u8>, ServeError> {
    let GetStateRun { state_root, number } = GetStateRun::from_bytes(question)?;
    let run = if is_spent { None } else { reader.state_run(&state_root, number) };
    Ok(StateRuns { runs: BoundedVec::new(run.into_iter().collect()).unwrap_or_default() }.to_bytes())
}

/// Whether a block is among the last below the height `newest`, or above.
fn is_news(reader: &Reader, id: &BlockId, newest: u64) -> Result<bool, StoreError> {
    let header = reader.header(id)?;
    Ok(header.is_some_and(|header| header.header().height.get().saturating_add(NEWS_BLOCKS) > newest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::MAX_POOL_WANTED;
    use cairn_ledger::testing::{arbitrary_hash, checked, easy_network, key, payment};
    use std::sync::Arc;

    fn payments(count: u64) -> Vec<CheckedTransaction> {
        let spec = easy_network();
        checked(&spec, (0..count).map(|nonce| payment(&spec, &key(1), nonce, key(2).address(), 5, 185)).collect())
    }

    fn ask_pool(list: &[CheckedTransaction], wanted: Vec<ShortId>) -> PoolAnswer {
        let wanted = BoundedVec::new(wanted).expect("few");
        let question = GetPool { key: [3; 16], wanted, sums: BoundedVec::default() };
        let answer = pool(list, &question.to_bytes()).expect("a good question");
        PoolAnswer::from_bytes(&answer).expect("a good answer")
    }

    #[test]
    fn a_pool_is_listed_and_given_in_the_order_asked_for() {
        let list = payments(5);
        let ids = ask_pool(&list, vec![]).short_ids.into_vec();
        let short = ShortIds::keyed(&[3; 16]);
        assert_eq!(ids, list.iter().map(|checked| short.of(&checked.txid())).collect::<Vec<_>>());
        let answer = ask_pool(&list, vec![ids[3], [0; 6], ids[1], ids[3]]);
        let expected = [list[3].transaction().clone(), list[1].transaction().clone()];
        assert_eq!(*answer.transactions, expected, "what is gone is left out, and nothing comes twice");
    }

    #[test]
    fn of_pools_that_differ_little_is_listed_little_and_of_equal_ones_nothing() {
        let (list, short) = (payments(2_000), ShortIds::keyed(&[3; 16]));
        let listed = |of: &[CheckedTransaction]| {
            let ids: Vec<TxId> = of.iter().map(CheckedTransaction::txid).collect();
            let sums = BoundedVec::new(short.sums(ids.iter()).to_vec()).expect("as many as there are");
            let question = GetPool { key: [3; 16], wanted: BoundedVec::default(), sums };
            let answer = pool(&list, &question.to_bytes()).expect("a good question");
            PoolAnswer::from_bytes(&answer).expect("a good answer").short_ids.into_vec()
        };
        assert_eq!(listed(&list), Vec::<ShortId>::new());
        let lacking = short.of(&list[1_999].txid());
        let some = listed(&list[..1_999]);
        assert!(some.contains(&lacking) && some.len() < 40, "{}", some.len());
        assert_eq!(listed(&[]).len(), 2_000, "the control: to whom lacks all of it all is listed");
    }

    #[test]
    fn a_large_pool_comes_in_bounded_answers() {
        let list = payments(7_000);
        let ids = ask_pool(&list, vec![]).short_ids.into_vec();
        assert_eq!(ids.len(), 7_000);
        let answer = ask_pool(&list, ids[..MAX_POOL_WANTED].to_vec());
        assert!(answer.to_bytes().len() <= PoolAnswer::MAX_BYTES);
        assert_eq!(answer.transactions.len(), MAX_POOL_WANTED, "payments of the usual size fit");
    }

    #[test]
    fn transactions_of_a_block_come_whole_or_not_at_all() {
        let recent_blocks = RecentBlocks::default();
        let all: Vec<Transaction> = payments(4).iter().map(|checked| checked.transaction().clone()).collect();
        let id = BlockId::from_bytes(*arbitrary_hash(1).as_bytes());
        recent_blocks.put(id, Arc::new(Body::new(all.clone()).expect("few").into()));
        let ask = |id, places: &[u32]| {
            let question = GetBlockTxs { id, places: BoundedVec::new(places.to_vec()).expect("few") };
            block_txs(&recent_blocks, &question.to_bytes()).map(|answer| {
                let answer = BlockTxs::from_bytes(&answer).expect("a good answer");
                answer.transactions.into_vec()
            })
        };
        assert_eq!(ask(id, &[1, 3]).expect("they are there"), [all[1].clone(), all[3].clone()]);
        assert_eq!(ask(id, &[1, 4]).expect("one place is beyond the end"), []);
        assert_eq!(ask(BlockId::ZERO, &[1]).expect("another block"), []);
        for places in [[1, 1], [3, 1]] {
            let refused = ask(id, &places);
            assert!(matches!(refused, Err(ServeError::Undecodable(DecodeError::OutOfRange))), "{places:?}");
        }
    }
}

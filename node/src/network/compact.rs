//! Compact blocks: made from a block, and made into one again with what the pool has.

use super::wire::{CompactBlock, MAX_PREFILLED, MAX_PREFILLED_BYTES, Message, Prefilled, ShortId};
use cairn_ledger::{
    block::Block,
    codec::{BoundedVec, encode},
    hash::{BlockId, Tag, TxId},
    merkle::txs_root,
    validate::{Candidate, CheckedTransaction},
};
use siphasher::sip::SipHasher24;
use std::collections::HashMap;

/// Why a compact block does not give its block here. Only [`Unresolved::Misplaced`] is seen alike by
/// everybody; for the rest, pools differ, and two transactions may share a short id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// Transactions that the pool does not have.
    #[error("{count} transactions are not in the pool")]
    Missing {
        /// How many.
        count: usize,
    },
    /// Two transactions of the pool, or two places of the block, share a short id.
    #[error("a short id stands for two transactions")]
    Ambiguous,
    /// Prefilled transactions whose places do not rise, or lie outside the block, or that are too many.
    #[error("the prefilled transactions do not fit the block")]
    Misplaced,
    /// The transactions are not those of the header.
    #[error("the transactions are not those the header commits to")]
    OtherRoot,
}

/// Makes short ids for one block: keyed with its id, so that nobody can prepare collisions.
struct ShortIds(SipHasher24);

impl ShortIds {
    fn new(block: &BlockId) -> Self {
        let digest = Tag::SHORT.hash(&[block.as_bytes()]);
        let mut key = [0; 16];
        key.copy_from_slice(&digest.as_bytes()[..16]);
        Self(SipHasher24::new_with_key(&key))
    }

    fn of(&self, txid: &TxId) -> ShortId {
        let [a, b, c, d, e, f, ..] = self.0.hash(txid.as_bytes()).to_le_bytes();
        [a, b, c, d, e, f]
    }
}

/// Makes a compact block. Transactions for which `is_known` says no are carried whole while there is
/// room: receivers would have to ask for them.
pub fn compact(block: &Block, is_known: impl Fn(&TxId) -> bool) -> CompactBlock {
    let short = ShortIds::new(&block.header.id());
    let (mut short_ids, mut prefilled) = (Vec::new(), Vec::new());
    // A short id is left out for each prefilled transaction, so counting all of them errs on the safe side.
    let fixed = encode(&block.header).len() + 16 + block.body.len() * size_of::<ShortId>();
    let mut room = CompactBlock::MAX_BYTES.saturating_sub(fixed).min(MAX_PREFILLED_BYTES);
    for (transaction, place) in block.body.iter().zip(0_u32..) {
        let txid = transaction.id();
        let size = transaction.size() + size_of::<u32>();
        if prefilled.len() < MAX_PREFILLED && size <= room && !is_known(&txid) {
            room -= size;
            prefilled.push(Prefilled { place, transaction: transaction.clone() });
        } else {
            short_ids.push(short.of(&txid));
        }
    }
    CompactBlock {
        header: block.header.clone(),
        short_ids: BoundedVec::new(short_ids).expect("a block has no more transactions than a block may have"),
        prefilled: BoundedVec::new(prefilled).expect("counted above"),
    }
}

/// Makes the transactions of a compact block again, in order, with the transactions of the pool.
///
/// # Errors
/// Says why the whole body has to be fetched.
pub fn reconstruct(compact: &CompactBlock, pool: &[CheckedTransaction]) -> Result<Vec<Candidate>, Unresolved> {
    // First, so that what every node can see is never taken for a gap in one pool.
    check_prefilled(compact)?;
    let mut resolved = resolve(compact, pool)?.into_iter();
    let mut prefilled = compact.prefilled.iter().peekable();
    let total = compact.short_ids.len() + compact.prefilled.len();
    let mut candidates = Vec::with_capacity(total);
    for place in 0..total {
        candidates.push(match prefilled.next_if(|entry| entry.place as usize == place) {
            Some(entry) => Candidate::new(entry.transaction.clone()),
            None => Candidate::Known(resolved.next().ok_or(Unresolved::Misplaced)?),
        });
    }
    if txs_root(&candidates.iter().map(Candidate::txid).collect::<Vec<_>>()) != compact.header.txs_root {
        return Err(Unresolved::OtherRoot);
    }
    Ok(candidates)
}

/// Whether the prefilled transactions are few, and in places that rise and lie within the block.
fn check_prefilled(compact: &CompactBlock) -> Result<(), Unresolved> {
    let bytes: usize = compact.prefilled.iter().map(|entry| entry.transaction.size()).sum();
    let total = compact.short_ids.len() + compact.prefilled.len();
    let rising = compact.prefilled.windows(2).all(|pair| pair[0].place < pair[1].place);
    let within = compact.prefilled.last().is_none_or(|entry| (entry.place as usize) < total);
    if bytes <= MAX_PREFILLED_BYTES && rising && within { Ok(()) } else { Err(Unresolved::Misplaced) }
}

/// The pool's transaction for each short id, in their order.
fn resolve(compact: &CompactBlock, pool: &[CheckedTransaction]) -> Result<Vec<CheckedTransaction>, Unresolved> {
    let mut places: HashMap<ShortId, usize> = HashMap::with_capacity(compact.short_ids.len());
    for (place, short_id) in compact.short_ids.iter().enumerate() {
        if places.insert(*short_id, place).is_some() {
            return Err(Unresolved::Ambiguous);
        }
    }
    let short = ShortIds::new(&compact.header.id());
    let mut found: Vec<Option<CheckedTransaction>> = vec![None; compact.short_ids.len()];
    for checked in pool {
        let Some(slot) = places.get(&short.of(&checked.txid())).and_then(|place| found.get_mut(*place)) else {
            continue;
        };
        if slot.replace(checked.clone()).is_some() {
            return Err(Unresolved::Ambiguous);
        }
    }
    let count = found.iter().filter(|slot| slot.is_none()).count();
    if count > 0 {
        return Err(Unresolved::Missing { count });
    }
    Ok(found.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::{
        block::Body,
        chain_spec::ChainSpec,
        testing::{checked, easy_network, genesis_state, key, mine, payment},
        validate::ChainContext,
    };

    fn body(message: &CompactBlock, pool: &[CheckedTransaction]) -> Result<Body, Unresolved> {
        let candidates = reconstruct(message, pool)?;
        let transactions = candidates.iter().map(|candidate| candidate.transaction().clone()).collect();
        Ok(Body::new(transactions).expect("a block's transactions"))
    }

    fn network() -> (ChainSpec, Block, Vec<CheckedTransaction>) {
        let spec = easy_network();
        let payments: Vec<_> = (0..9).map(|n| payment(&spec, &key(n), 0, key(50).address(), 7, 200)).collect();
        let block = mine(&spec, &ChainContext::genesis(&spec), &genesis_state(&spec), payments.clone());
        let pool = checked(&spec, payments);
        (spec, block, pool)
    }

    #[test]
    fn a_block_comes_back_from_the_pool() {
        let (spec, block, mut pool) = network();
        pool.extend(checked(&spec, vec![payment(&spec, &key(9), 0, key(51).address(), 7, 200)]));
        pool.reverse();
        let message = compact(&block, |_| true);
        assert!(message.prefilled.is_empty());
        assert_eq!(message.to_bytes().len(), 190 + 8 + 9 * 6 + 8);
        assert_eq!(body(&message, &pool).as_ref(), Ok(&block.body));
    }

    #[test]
    fn unknown_transactions_are_prefilled() {
        let (_, block, pool) = network();
        let unknown = [block.body[0].id(), block.body[4].id(), block.body[8].id()];
        let message = compact(&block, |txid| !unknown.contains(txid));
        assert_eq!(message.prefilled.iter().map(|entry| entry.place).collect::<Vec<_>>(), [0, 4, 8]);
        let mut rest = pool.clone();
        rest.retain(|checked| !unknown.contains(&checked.txid()));
        assert_eq!(body(&message, &rest).as_ref(), Ok(&block.body));
        assert_eq!(body(&message, &[]), Err(Unresolved::Missing { count: 6 }));
        // All of them prefilled: no pool is needed.
        assert_eq!(body(&compact(&block, |_| false), &[]).as_ref(), Ok(&block.body));
    }

    #[test]
    fn an_empty_block_needs_no_pool() {
        let spec = easy_network();
        let block = mine(&spec, &ChainContext::genesis(&spec), &genesis_state(&spec), vec![]);
        assert_eq!(body(&compact(&block, |_| true), &[]), Ok(Body::default()));
    }

    #[test]
    fn a_short_id_for_two_transactions_is_ambiguous() {
        let (_, block, mut pool) = network();
        let message = compact(&block, |_| true);
        pool.push(pool[3].clone());
        assert_eq!(body(&message, &pool), Err(Unresolved::Ambiguous));
        pool.pop();
        let mut twice = message.clone();
        twice.short_ids = BoundedVec::new(vec![message.short_ids[0]; 9]).unwrap_or_default();
        assert_eq!(body(&twice, &pool), Err(Unresolved::Ambiguous));
    }

    #[test]
    fn other_transactions_and_other_orders_miss_the_root() {
        let (_, block, pool) = network();
        let mut message = compact(&block, |_| true);
        let mut short_ids = message.short_ids.clone().into_vec();
        short_ids.swap(0, 1);
        message.short_ids = BoundedVec::new(short_ids).unwrap_or_default();
        assert_eq!(body(&message, &pool), Err(Unresolved::OtherRoot));
    }

    #[test]
    fn misplaced_prefilled_transactions_are_refused() {
        let (_, block, pool) = network();
        let unknown = [block.body[2].id(), block.body[5].id()];
        let message = compact(&block, |txid| !unknown.contains(txid));
        for places in [[5, 2], [2, 2], [2, 9], [2, u32::MAX]] {
            let mut message = message.clone();
            let mut prefilled = message.prefilled.clone().into_vec();
            prefilled.iter_mut().zip(places).for_each(|(entry, place)| entry.place = place);
            message.prefilled = BoundedVec::new(prefilled).unwrap_or_default();
            assert_eq!(body(&message, &pool), Err(Unresolved::Misplaced), "{places:?}");
        }
    }

    #[test]
    fn the_largest_block_stays_within_the_message() {
        let (_, mut block, _) = network();
        let transaction = block.body[0].clone();
        block.body = Body::new(vec![transaction; cairn_ledger::block::MAX_BLOCK_TRANSACTIONS]).unwrap_or_default();
        assert!(compact(&block, |_| false).to_bytes().len() <= CompactBlock::MAX_BYTES);
    }
}

//! Compact blocks: made from a block, and made into one again with what the pool has.

use crate::wire::short_ids::ShortIds;
use crate::wire::{CompactBlock, MAX_PREFILLED, MAX_PREFILLED_BYTES, Message, Prefilled, ShortId};
use cairn_ledger::codec::{BoundedVec, encode};
use cairn_ledger::hash::{Hash, TxId};
use cairn_ledger::validate::{Candidate, CheckedTransaction};
use cairn_ledger::{block::Header, merkle::txs_root, transaction::Transaction};
use std::collections::HashMap;

/// Why a compact block does not give its block here. Only [`Unresolved::Misplaced`] is seen alike by
/// everybody; for the rest, pools differ, and two transactions may share a short id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unresolved {
    /// Prefilled transactions whose places do not rise, or lie outside the block, or that are too many.
    #[error("the prefilled transactions do not fit the block")]
    Misplaced,
    /// An answer with another number of transactions than were asked for.
    #[error("got {got} transactions, expected {expected}")]
    Count {
        /// How many came.
        got: usize,
        /// How many were missing.
        expected: usize,
    },
    /// The transactions are not those of the header.
    #[error("the transactions are not those the header commits to")]
    OtherRoot,
}

/// Makes a compact block of a header and its transactions. Those for which `is_known` says no are carried whole
/// while there is room: receivers would have to ask for them.
pub(crate) fn compact<'a>(
    header: &Header,
    body: impl Iterator<Item = (&'a Transaction, TxId)>,
    is_known: impl Fn(&TxId) -> bool,
) -> CompactBlock {
    let short = ShortIds::of_block(&header.id());
    let body: Vec<_> = body.collect();
    let (mut short_ids, mut prefilled) = (Vec::with_capacity(body.len()), Vec::new());
    // A short id is left out for each prefilled transaction, so counting all of them errs on the safe side.
    let fixed = encode(header).len() + 16 + body.len() * size_of::<ShortId>();
    let mut room = CompactBlock::MAX_BYTES.saturating_sub(fixed).min(MAX_PREFILLED_BYTES);
    for ((transaction, txid), place) in body.into_iter().zip(0_u32..) {
        let size = transaction.size() + size_of::<u32>();
        if prefilled.len() < MAX_PREFILLED && size <= room && !is_known(&txid) {
            room -= size;
            prefilled.push(Prefilled { place, transaction: transaction.clone() });
        } else {
            short_ids.push(short.of(&txid));
        }
    }
    CompactBlock {
        header: header.clone(),
        short_ids: BoundedVec::new(short_ids).expect("a block has no more transactions than a block may have"),
        prefilled: BoundedVec::new(prefilled).expect("counted above"),
    }
}

/// The transactions of a block, as far as they are here.
#[derive(Debug)]
pub(crate) struct PartialBlock {
    txs_root: Hash,
    slots: Vec<Option<Candidate>>,
}

impl PartialBlock {
    /// Begins with what was prefilled and what the pool has. What the pool does not have for certain is missing:
    /// a short id that stands for two transactions of the pool, or for two of the block, names none.
    ///
    /// # Errors
    /// Prefilled transactions that do not fit, as everybody sees.
    pub(crate) fn begin(compact: CompactBlock, pool: &[CheckedTransaction]) -> Result<Self, Unresolved> {
        check_prefilled(&compact)?;
        let short = ShortIds::of_block(&compact.header.id());
        let total = compact.short_ids.len() + compact.prefilled.len();
        let mut slots: Vec<Option<Candidate>> = vec![None; total];
        for Prefilled { place, transaction } in compact.prefilled.into_vec() {
            if let Some(slot) = slots.get_mut(place as usize) {
                *slot = Some(Candidate::new(transaction));
            }
        }
        // `None` for an id that names nothing any more.
        let mut places: HashMap<ShortId, Option<usize>> = HashMap::with_capacity(compact.short_ids.len());
        let free = (0..total).filter(|place| slots[*place].is_none());
        for (short_id, place) in compact.short_ids.iter().zip(free) {
            places.entry(*short_id).and_modify(|place| *place = None).or_insert(Some(place));
        }
        for checked in pool {
            let Some(named) = places.get_mut(&short.of(&checked.txid())) else { continue };
            let Some(slot) = named.and_then(|place| slots.get_mut(place)) else { continue };
            if slot.is_some() {
                (*slot, *named) = (None, None);
            } else {
                *slot = Some(Candidate::Known(checked.clone()));
            }
        }
        Ok(Self { txs_root: compact.header.txs_root, slots })
    }

    /// The places of what is missing, ascending.
    pub(crate) fn missing(&self) -> Vec<u32> {
        let places = self.slots.iter().zip(0_u32..);
        places.filter(|(slot, _)| slot.is_none()).map(|(_, place)| place).collect()
    }

    /// Puts in what was missing, in order, and says what stands where now.
    ///
    /// # Errors
    /// More or fewer transactions than were missing.
    pub(crate) fn fill(&mut self, transactions: Vec<Transaction>) -> Result<Vec<(u32, TxId)>, Unresolved> {
        let missing: Vec<(u32, &mut Option<Candidate>)> =
            (0_u32..).zip(&mut self.slots).filter(|(_, slot)| slot.is_none()).collect();
        if transactions.len() != missing.len() {
            return Err(Unresolved::Count { got: transactions.len(), expected: missing.len() });
        }
        let put = |((place, slot), transaction): ((u32, &mut Option<Candidate>), Transaction)| {
            (place, slot.insert(Candidate::new(transaction)).txid())
        };
        Ok(missing.into_iter().zip(transactions).map(put).collect())
    }

    /// The transactions, in order.
    ///
    /// # Errors
    /// They are not those of the header; nothing is known then of any of them.
    pub(crate) fn finish(self) -> Result<Vec<Candidate>, Unresolved> {
        let expected = self.slots.len();
        let candidates: Vec<Candidate> = self.slots.into_iter().flatten().collect();
        let ids: Vec<TxId> = candidates.iter().map(Candidate::txid).collect();
        if ids.len() != expected || txs_root(&ids) != self.txs_root {
            return Err(Unresolved::OtherRoot);
        }
        Ok(candidates)
    }
}

/// Whether the prefilled transactions are few, and in places that rise and lie within the block.
fn check_prefilled(compact: &CompactBlock) -> Result<(), Unresolved> {
    let bytes: usize = compact.prefilled.iter().map(|entry| entry.transaction.size()).sum();
    let total = compact.short_ids.len() + compact.prefilled.len();
    let rising = compact.prefilled.windows(2).all(|pair| pair[0].place < pair[1].place);
    let within = compact.prefilled.last().is_none_or(|entry| (entry.place as usize) < total);
    if bytes <= MAX_PREFILLED_BYTES && rising && within { Ok(()) } else { Err(Unresolved::Misplaced) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::block::{Block, Body, MAX_BLOCK_TRANSACTIONS};
    use cairn_ledger::testing::{checked, easy_network, genesis_state, key, mine, payment};
    use cairn_ledger::{chain_spec::ChainSpec, validate::ChainContext};

    fn made(block: &Block, is_known: impl Fn(&TxId) -> bool) -> CompactBlock {
        compact(&block.header, block.body.iter().map(|transaction| (transaction, transaction.id())), is_known)
    }

    fn whole(draft: PartialBlock) -> Result<Body, Unresolved> {
        let candidates = draft.finish()?;
        let transactions = candidates.iter().map(|candidate| candidate.transaction().clone()).collect();
        Ok(Body::new(transactions).expect("a block's transactions"))
    }

    fn body(message: &CompactBlock, pool: &[CheckedTransaction]) -> Result<Body, Unresolved> {
        whole(PartialBlock::begin(message.clone(), pool)?)
    }

    fn missing(message: &CompactBlock, pool: &[CheckedTransaction]) -> Vec<u32> {
        PartialBlock::begin(message.clone(), pool).map(|draft| draft.missing()).expect("places that fit")
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
        let message = made(&block, |_| true);
        assert!(message.prefilled.is_empty());
        assert_eq!(message.to_bytes().len(), 190 + 8 + 9 * 6 + 8);
        assert_eq!(body(&message, &pool).as_ref(), Ok(&block.body));
    }

    #[test]
    fn unknown_transactions_are_prefilled_and_the_rest_is_asked_for() {
        let (_, block, pool) = network();
        let unknown = [block.body[0].id(), block.body[4].id(), block.body[8].id()];
        let message = made(&block, |txid| !unknown.contains(txid));
        assert_eq!(message.prefilled.iter().map(|entry| entry.place).collect::<Vec<_>>(), [0, 4, 8]);
        let mut rest = pool.clone();
        rest.retain(|checked| !unknown.contains(&checked.txid()));
        assert_eq!(missing(&message, &rest), [0_u32; 0]);
        assert_eq!(body(&message, &rest).as_ref(), Ok(&block.body));
        assert_eq!(missing(&message, &[]), [1, 2, 3, 5, 6, 7]);
        // All of them prefilled: no pool is needed.
        assert_eq!(body(&made(&block, |_| false), &[]).as_ref(), Ok(&block.body));
    }

    #[test]
    fn just_what_is_missing_completes_a_block() {
        let (_, block, mut pool) = network();
        let message = made(&block, |_| true);
        let lacking = [block.body[2].clone(), block.body[7].clone()];
        pool.retain(|checked| lacking.iter().all(|lacking| lacking.id() != checked.txid()));
        let begin = || PartialBlock::begin(message.clone(), &pool).expect("places that fit");
        assert_eq!(begin().missing(), [2, 7]);
        assert_eq!(whole(begin()), Err(Unresolved::OtherRoot), "incomplete");
        let fill = |transactions: Vec<Transaction>| {
            let mut draft = begin();
            draft.fill(transactions)?;
            whole(draft)
        };
        assert_eq!(fill(lacking.to_vec()).as_ref(), Ok(&block.body));
        let [first, second] = lacking;
        assert_eq!(fill(vec![first.clone()]), Err(Unresolved::Count { got: 1, expected: 2 }));
        assert_eq!(fill(vec![second.clone(), first.clone()]), Err(Unresolved::OtherRoot));
        assert_eq!(fill(vec![first.clone(), first]), Err(Unresolved::OtherRoot));
    }

    #[test]
    fn a_pool_of_ten_thousand_known_payments_needs_no_round_trip() {
        let (spec, mut block, _) = network();
        let payments: Vec<_> =
            (0..10_000).map(|nonce| payment(&spec, &key(1), nonce, key(50).address(), 7, 200)).collect();
        let ids: Vec<TxId> = payments.iter().map(Transaction::id).collect();
        block.header.txs_root = txs_root(&ids);
        block.body = Body::new(payments).expect("they fit a block");
        // In one node's pool they stand in another order; that they were checked is all that matters here.
        let known: Vec<CheckedTransaction> = checked(&spec, block.body.iter().rev().cloned().collect());
        let message = made(&block, |_| true);
        assert_eq!(missing(&message, &known), [0_u32; 0]);
        assert_eq!(body(&message, &known).as_ref(), Ok(&block.body));
        assert_eq!(missing(&message, &known[1..]), [9_999], "the control: one is not known");
    }

    #[test]
    fn an_empty_block_needs_no_pool() {
        let spec = easy_network();
        let block = mine(&spec, &ChainContext::genesis(&spec), &genesis_state(&spec), vec![]);
        assert_eq!(body(&made(&block, |_| true), &[]), Ok(Body::default()));
    }

    #[test]
    fn a_short_id_for_two_transactions_names_none() {
        let (_, block, mut pool) = network();
        let message = made(&block, |_| true);
        // Three times, so that an odd number does not name one again.
        pool.extend([pool[3].clone(), pool[3].clone()]);
        assert_eq!(missing(&message, &pool), [3]);
        let mut twice = message.clone();
        twice.short_ids = BoundedVec::new(vec![message.short_ids[0]; 9]).unwrap_or_default();
        assert_eq!(missing(&twice, &pool), (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn other_transactions_and_other_orders_miss_the_root() {
        let (_, block, pool) = network();
        let mut message = made(&block, |_| true);
        let mut short_ids = message.short_ids.clone().into_vec();
        short_ids.swap(0, 1);
        message.short_ids = BoundedVec::new(short_ids).unwrap_or_default();
        assert_eq!(body(&message, &pool), Err(Unresolved::OtherRoot));
    }

    #[test]
    fn misplaced_prefilled_transactions_are_refused() {
        let (_, block, pool) = network();
        let unknown = [block.body[2].id(), block.body[5].id()];
        let message = made(&block, |txid| !unknown.contains(txid));
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
        block.body = Body::new(vec![transaction; MAX_BLOCK_TRANSACTIONS]).unwrap_or_default();
        assert!(made(&block, |_| false).to_bytes().len() <= CompactBlock::MAX_BYTES);
    }
}

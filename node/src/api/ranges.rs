//! Stretches of the followed chain, page by page: each call has a bounded amount of work.

use super::{context::Context, error::refused};
use cairn_chain::{
    MinedTransaction, Reader,
    store::{StoreError, StoredBlock},
};
use cairn_ledger::{
    pow::Work,
    units::{Amount, Height},
    validate::LinkedHeader,
};
use cairn_rpc::{
    error::{Code, RpcError},
    text::{Pebbles, Text},
    types::{BlockPage, DifficultyJson, HeaderPage, Place, Supply, TransactionInfo, TransactionPage},
};
use std::ops::RangeInclusive;

/// Headers on a page: half a megabyte of JSON.
const HEADERS: RangeInclusive<u64> = 1..=500;
/// Blocks on a page.
const BLOCKS: RangeInclusive<u64> = 1..=100;
/// The bytes of blocks on a page; the block that passes it is the last. In fields and hex they take at most
/// four times as much, which fits an answer.
const PAGE_BYTES: usize = 2 << 20;
/// Transactions on a page.
const TRANSACTIONS: RangeInclusive<u64> = 1..=500;
/// Blocks that are looked through for them.
const LOOKED_THROUGH: u64 = 500;
/// Blocks over which a mean is taken: one says little, and a thousand are some hours.
const WINDOW: RangeInclusive<u64> = 1..=1_000;
/// Four hours and a half would be slow to show a change, and ten blocks jump: one hour at 30 s.
const DEFAULT_WINDOW: u64 = 120;

/// A number of things to show, within its range.
pub(super) fn count(given: Option<u64>, range: &RangeInclusive<u64>) -> Result<u64, RpcError> {
    let count = given.unwrap_or(*range.end());
    if range.contains(&count) {
        return Ok(count);
    }
    let expected = format!("{} to {}", range.start(), range.end());
    let message = format!("got {count}, expected {expected}");
    Err(RpcError::new(Code::BadCount, message).with(count, expected))
}

impl Context {
    pub(super) async fn headers(&self, from: u64, wanted: Option<u64>) -> Result<HeaderPage, RpcError> {
        let wanted = count(wanted, &HEADERS)?;
        let headers = self.read(move |reader| headers_from(reader, from, wanted)).await?;
        let next = self.next_height(from, headers.len());
        Ok(HeaderPage { headers: headers.iter().map(|header| self.show_header(header)).collect(), next })
    }

    pub(super) async fn blocks(&self, from: u64, wanted: Option<u64>, full: bool) -> Result<BlockPage, RpcError> {
        let wanted = count(wanted, &BLOCKS)?;
        let blocks = self.read(move |reader| blocks_from(reader, from, wanted)).await?;
        let next = self.next_height(from, blocks.len());
        Ok(BlockPage { blocks: blocks.iter().map(|block| self.show_block(block, full)).collect(), next })
    }

    /// Where a page that began at `from` and has `len` blocks is continued. A tip that came after the page was
    /// read is on the next one.
    fn next_height(&self, from: u64, len: usize) -> Option<u64> {
        let next = from.saturating_add(len as u64);
        (len > 0 && next <= self.handles.chain.tip().height().get()).then_some(next)
    }

    pub(super) async fn transactions(
        &self,
        from: u64,
        place: Option<u64>,
        wanted: Option<u64>,
    ) -> Result<TransactionPage, RpcError> {
        let wanted = count(wanted, &TRANSACTIONS)?;
        let start = Place { height: from, place: place.unwrap_or(0) };
        let (found, next) = self.read(move |reader| transactions_from(reader, start, wanted)).await?;
        let tip = self.handles.chain.tip().height();
        let show = |mined: &MinedTransaction| self.show_transaction(mined, tip);
        Ok(TransactionPage { transactions: found.iter().map(show).collect(), next })
    }

    /// A transaction of the followed chain, as deep as it is below `tip`.
    pub(super) fn show_transaction(&self, mined: &MinedTransaction, tip: Height) -> TransactionInfo {
        let height = mined.block.header().height;
        let confirmations = tip.get().saturating_sub(height.get()).saturating_add(1);
        self.show_mined(&super::chain::Mined {
            transaction: mined.transaction.clone(),
            block: mined.block.clone(),
            confirmations,
        })
    }

    pub(super) async fn supply(&self, height: Option<u64>) -> Result<Supply, RpcError> {
        let (tip, balances) = self.handles.chain.balances().await.map_err(refused)?;
        let height = height.map_or(tip.height(), Height::new);
        let issued = self.spec.supply(height);
        let burned = issued.pebbles().saturating_sub(balances);
        let burned = (height == tip.height()).then(|| Pebbles(Amount::from_pebbles(burned).unwrap_or(issued)));
        Ok(Supply {
            height: height.get(),
            issued: Pebbles(issued),
            burned,
            next_reward: Pebbles(self.spec.subsidy(height.saturating_add(1))),
            in_the_end: Pebbles(self.spec.supply(Height::new(u64::MAX))),
        })
    }

    pub(super) async fn difficulty(&self, window: Option<u64>) -> Result<DifficultyJson, RpcError> {
        let window = count(Some(window.unwrap_or(DEFAULT_WINDOW)), &WINDOW)?;
        let tip = self.handles.chain.tip();
        let height = tip.height().get();
        // Block 0 was allotted, not mined: its work says nothing.
        let window = window.min(height);
        let (id, before) = (tip.id, Height::new(height - window));
        let read = move |reader: &Reader| Ok((reader.header_at(before)?, reader.target_after(&id)?));
        let (before, next_target) = self.read(read).await?;
        let before = before.expect("the chain has every height below its tip");
        let next_target = next_target.expect("the tip is stored, and what is stored stays");
        let span_ms = tip.header.time.since(before.header().time);
        // A reorganisation between the two reads can at worst make this branch the lighter one.
        let work = tip.total_work.checked_sub(before.total_work()).unwrap_or(Work::ZERO);
        let seconds = std::time::Duration::from_millis(span_ms).as_secs_f64();
        Ok(DifficultyJson {
            height,
            window,
            span_ms,
            mean_interval_ms: span_ms.checked_div(window).unwrap_or(0),
            interval_ms: self.spec.params().interval_ms,
            work: Text(work),
            hash_rate: if seconds > 0.0 { work.to_f64() / seconds } else { 0.0 },
            next_target: Text(next_target),
        })
    }
}

fn headers_from(reader: &Reader, from: u64, wanted: u64) -> Result<Vec<LinkedHeader>, StoreError> {
    let mut headers: Vec<LinkedHeader> = Vec::new();
    for height in from..from.saturating_add(wanted) {
        match reader.header_at(Height::new(height))? {
            // The chain moved while it was read: what was read is one piece, the rest is for the next page.
            Some(header) if headers.last().is_none_or(|last| last.id() == header.header().parent) => {
                headers.push(header);
            }
            Some(_) | None => break,
        }
    }
    Ok(headers)
}

fn blocks_from(reader: &Reader, from: u64, wanted: u64) -> Result<Vec<StoredBlock>, StoreError> {
    let (mut blocks, mut bytes): (Vec<StoredBlock>, usize) = (Vec::new(), 0);
    for height in from..from.saturating_add(wanted) {
        let Some(header) = reader.header_at(Height::new(height))? else { break };
        if blocks.last().is_some_and(|last| last.header.id() != header.header().parent) {
            break;
        }
        let Some(block) = reader.block(&header.id())? else { break };
        bytes = bytes.saturating_add(block.block.size());
        blocks.push(block);
        if bytes >= PAGE_BYTES {
            break;
        }
    }
    Ok(blocks)
}

/// The transactions from a place on, and where to go on.
fn transactions_from(
    reader: &Reader,
    start: Place,
    wanted: u64,
) -> Result<(Vec<MinedTransaction>, Option<Place>), StoreError> {
    let (mut found, mut bytes) = (Vec::new(), 0_usize);
    let mut skip = start.place;
    for height in start.height..start.height.saturating_add(LOOKED_THROUGH) {
        let Some(header) = reader.header_at(Height::new(height))? else { return Ok((found, None)) };
        let Some(body) = reader.body(&header.id())? else { return Ok((found, None)) };
        for (transaction, place) in body.iter().zip(0_u64..).filter(|(_, place)| *place >= skip) {
            if found.len() as u64 >= wanted || bytes >= PAGE_BYTES {
                return Ok((found, Some(Place { height, place })));
            }
            bytes = bytes.saturating_add(transaction.size());
            found.push(MinedTransaction { block: header.clone(), transaction: transaction.clone() });
        }
        skip = 0;
    }
    let height = start.height.saturating_add(LOOKED_THROUGH);
    let more = reader.header_at(Height::new(height))?.is_some();
    Ok((found, more.then_some(Place { height, place: 0 })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_outside_its_range_is_refused_with_the_range() {
        assert_eq!(count(None, &BLOCKS).ok(), Some(100));
        assert_eq!(count(Some(7), &BLOCKS).ok(), Some(7));
        for wrong in [0, 101, u64::MAX] {
            let error = count(Some(wrong), &BLOCKS).expect_err("outside");
            assert_eq!((error.code, error.expected.as_deref()), (Code::BadCount, Some("1 to 100")));
        }
    }
}

//! Stretches of the followed chain for one page: each read has a bounded amount of work.

use cairn_chain::{
    MinedTransaction, Reader,
    store::{StoreError, StoredBlock},
};
use cairn_ledger::{units::Height, validate::LinkedHeader};
use cairn_rpc::types::Place;

/// The bytes of blocks on a page; the block that passes it is the last. In fields and hex they take at most
/// four times as much, which fits an answer.
const PAGE_BYTES: usize = 2 << 20;
/// Blocks that are looked through for transactions.
const LOOKED_THROUGH: u64 = 500;

pub fn headers(reader: &Reader, from: u64, wanted: u64) -> Result<Vec<LinkedHeader>, StoreError> {
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

pub fn blocks(reader: &Reader, from: u64, wanted: u64) -> Result<Vec<StoredBlock>, StoreError> {
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
pub fn transactions(
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

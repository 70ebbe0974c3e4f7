//! Blocks and transactions as several methods and subscriptions show them, stretches of the chain, and where a
//! transaction is.

use crate::{context::Context, error::refused};
use cairn_chain::store::{StoreError, StoredBlock};
use cairn_chain::{MinedTransaction, Reader, Tip};
use cairn_ledger::{hash::TxId, units::Height, validate::LinkedHeader};
use cairn_mempool::PoolStatus;
use cairn_rpc::types::{
    BlockJson, BlockRef, BlockTransactions, HeaderJson, Place, TransactionInfo, TransactionJson, TxState, TxStatus,
};
use cairn_rpc::{error::RpcError, text::Text};

/// The bytes of blocks on a page; the block that passes it is the last. In fields and hex they take at most
/// four times as much, which fits an answer.
const PAGE_BYTES: usize = 2 << 20;
/// Blocks that are looked through for transactions.
const LOOKED_THROUGH: u64 = 500;

/// Blocks from one of the chain to the tip, both counted.
pub fn confirmations(block: Height, tip: Height) -> u64 {
    tip.get().saturating_sub(block.get()).saturating_add(1)
}

impl Context {
    pub fn show_tip(&self, tip: &Tip) -> HeaderJson {
        HeaderJson::new(&tip.header, tip.total_work, self.prefix())
    }

    pub fn show_header(&self, header: &LinkedHeader) -> HeaderJson {
        HeaderJson::new(header.header(), header.total_work(), self.prefix())
    }

    pub fn show_block(&self, stored: &StoredBlock, full: bool) -> BlockJson {
        let body = stored.block.body.iter();
        let transactions = if full {
            BlockTransactions::Full(body.map(|transaction| TransactionJson::new(transaction, self.prefix())).collect())
        } else {
            BlockTransactions::Ids(body.map(|transaction| Text(transaction.id())).collect())
        };
        BlockJson { header: self.show_header(&stored.header), size: stored.block.size() as u64, transactions }
    }

    /// A transaction of the followed chain, as deep as it is below `tip`.
    pub fn show_transaction(&self, mined: &MinedTransaction, tip: Height) -> TransactionInfo {
        let height = mined.block.header().height;
        TransactionInfo {
            transaction: TransactionJson::new(&mined.transaction, self.prefix()),
            state: TxState::Mined,
            block: Some(Text(mined.block.id())),
            height: Some(height.get()),
            confirmations: confirmations(height, tip),
        }
    }

    /// A transaction of the followed chain, and the height of the tip, which may be older than what was read.
    pub async fn find_mined(&self, txid: TxId) -> Result<Option<(MinedTransaction, Height)>, RpcError> {
        let found = self.read(move |reader| reader.transaction(&txid)).await?;
        Ok(found.map(|mined| (mined, self.handles.chain.tip().height())))
    }

    pub async fn find_status(&self, txid: TxId) -> Result<TxStatus, RpcError> {
        if let Some(status) = self.mined_status(txid).await? {
            return Ok(status);
        }
        let (state, reason) = match self.handles.pool.status(txid).await.map_err(refused)? {
            PoolStatus::Pooled => (TxState::Pooled, None),
            PoolStatus::Unknown => (TxState::Unknown, None),
            PoolStatus::Expired => (TxState::Expired, None),
            PoolStatus::Dropped(reason) => (TxState::Dropped, Some(reason.to_string())),
        };
        // Between the two looks it may have gone from the pool into a block.
        if state != TxState::Pooled
            && let Some(status) = self.mined_status(txid).await?
        {
            return Ok(status);
        }
        Ok(TxStatus { txid: Text(txid), state, block: None, height: None, confirmations: 0, reason })
    }

    async fn mined_status(&self, txid: TxId) -> Result<Option<TxStatus>, RpcError> {
        let found = self.find_mined(txid).await?;
        Ok(found.map(|(mined, tip)| TxStatus {
            txid: Text(txid),
            state: TxState::Mined,
            block: Some(Text(mined.block.id())),
            height: Some(mined.block.header().height.get()),
            confirmations: confirmations(mined.block.header().height, tip),
            reason: None,
        }))
    }
}

/// The header of a block, named by height on the followed chain or by id.
pub fn find_header(reader: &Reader, block: BlockRef) -> Result<Option<LinkedHeader>, StoreError> {
    match block {
        BlockRef::Height(height) => reader.header_at(Height::new(height)),
        BlockRef::Id(id) => reader.header(&id.0),
    }
}

/// Stretches of the followed chain for one page: each read has a bounded amount of work.
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
    reader.expect_kept(Height::new(from))?;
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
    reader.expect_kept(Height::new(start.height))?;
    let (mut found, mut bytes) = (Vec::new(), 0_usize);
    let mut skip = start.place;
    for height in start.height..start.height.saturating_add(LOOKED_THROUGH) {
        let Some(header) = reader.header_at(Height::new(height))? else { return Ok((found, None)) };
        let Some(body) = reader.body(&header)? else { return Ok((found, None)) };
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

//! Questions about the stored chain.

use super::codec::{KeyCodec, Table};
use super::pruning::LowestBody;
use super::schema::{
    BlockKey, BodyByBlock, HeaderById, HeaderRecord, IdByHeight, LocationByTxid, Meta, MetaKey, MetaRecord, TxLocation,
    UnderWay, UndoByBlock, UndoLeaves,
};
use super::{Batch, Db, DbUsage, StoreError};
use cairn_ledger::mmr::{Mmr, MmrNode, MmrPosition};
use cairn_ledger::{Block, BlockId, Body, ChainContext, CheckedBlock, Height, LinkedHeader, TxId};

/// The place of a block's reward: after all its transactions.
pub const REWARD: u32 = u32::MAX;

/// The chain on disk. Reading needs no lock; writing is the chain's single writer's alone.
pub struct ChainStore {
    pub(super) db: Db,
    pub(super) genesis: LinkedHeader,
    pub(super) lowest: LowestBody,
}

/// A stored block and its id.
#[derive(Clone, Debug)]
pub struct StoredBlock {
    /// The header with what was learned when it was linked.
    pub header: LinkedHeader,
    /// The block.
    pub block: Block,
}

impl ChainStore {
    /// The chain as it is now, whatever is written from now on.
    pub fn frozen(&self) -> Self {
        Self { db: self.db.frozen(), genesis: self.genesis.clone(), lowest: self.lowest.clone() }
    }

    /// The same chain, of which single records are found if they are in memory, and reading others fails.
    pub fn resident(&self) -> Self {
        Self { db: self.db.resident(), genesis: self.genesis.clone(), lowest: self.lowest.clone() }
    }

    /// What the database takes.
    ///
    /// # Errors
    /// A failing database.
    pub fn usage(&self) -> Result<DbUsage, StoreError> {
        self.db.usage()
    }

    /// Begins a batch that will take about so many bytes. Only the chain's writer may write one.
    pub fn batch(&self, bytes: usize) -> Batch<'_> {
        Batch::new(&self.db, bytes)
    }

    /// Adds a checked block, connected or not.
    pub fn put_block(&self, batch: &mut Batch<'_>, block: &CheckedBlock) {
        self.put_header(batch, block.header());
        batch.put_encoded::<BodyByBlock>(&BlockKey::from(block.header()), |bytes| block.encode_body_onto(bytes));
    }

    pub(crate) fn put_header(&self, batch: &mut Batch<'_>, header: &LinkedHeader) {
        batch.put::<HeaderById>(&header.id(), &HeaderRecord::from(header));
    }

    /// The last connected block.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn tip(&self) -> Result<BlockId, StoreError> {
        match self.db.get::<Meta>(&MetaKey::Tip)? {
            Some(MetaRecord::Tip(id)) => Ok(id),
            _ => Err(StoreError::missing::<Meta>("tip")),
        }
    }

    /// The reorganisation that is under way, if one is: then the tip is nobody's choice.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn under_way(&self) -> Result<Option<UnderWay>, StoreError> {
        Ok(match self.db.get::<Meta>(&MetaKey::Reorganisation)? {
            Some(MetaRecord::Reorganisation(under_way)) => Some(under_way),
            _ => None,
        })
    }

    /// A stored header.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn header(&self, id: &BlockId) -> Result<Option<LinkedHeader>, StoreError> {
        let record = self.db.get::<HeaderById>(id)?;
        Ok(record.map(|HeaderRecord { header, total_work, next_target, completed }| {
            LinkedHeader::restore(header, *id, total_work, next_target, completed.into_vec())
        }))
    }

    /// A stored header that must be there.
    ///
    /// # Errors
    /// A failing or corrupt database; also when it is not there.
    pub fn expect_header(&self, id: &BlockId) -> Result<LinkedHeader, StoreError> {
        self.header(id)?.ok_or_else(|| StoreError::missing::<HeaderById>(id))
    }

    /// A header of the followed chain; `None` for any other.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn connected(&self, id: &BlockId) -> Result<Option<LinkedHeader>, StoreError> {
        let Some(header) = self.header(id)? else { return Ok(None) };
        Ok(self.is_connected(&header)?.then_some(header))
    }

    /// The transactions of a stored block that was not pruned.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn body(&self, header: &LinkedHeader) -> Result<Option<Body>, StoreError> {
        self.db.get::<BodyByBlock>(&header.into())
    }

    /// The same of a block whose transactions must be there, unless it was pruned.
    ///
    /// # Errors
    /// A failing or corrupt database, also when they are not there; the block was pruned.
    pub fn expect_body(&self, header: &LinkedHeader) -> Result<Body, StoreError> {
        let body = self.body(header)?;
        body.map_or_else(|| self.lacks::<BodyByBlock, _>(header, self.is_kept(header.header().height)), Ok)
    }

    /// What must be there for a block unless it was pruned is not there.
    fn lacks<T: Table, R>(&self, header: &LinkedHeader, is_damage: bool) -> Result<R, StoreError> {
        let height = header.header().height;
        Err(if is_damage {
            StoreError::missing::<T>(header.id())
        } else {
            StoreError::Pruned { height, kept: self.kept() }
        })
    }

    /// A stored block that was not pruned.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn block(&self, id: &BlockId) -> Result<Option<StoredBlock>, StoreError> {
        let Some(header) = self.header(id)? else { return Ok(None) };
        let Some(body) = self.body(&header)? else { return Ok(None) };
        let block = Block { header: header.header().clone(), body };
        Ok(Some(StoredBlock { header, block }))
    }

    /// Hands the encoded transactions of a stored block to `take`, undecoded; `None` when it was pruned.
    ///
    /// # Errors
    /// A failing database.
    pub fn with_encoded_body<R>(
        &self,
        header: &LinkedHeader,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StoreError> {
        self.db.get_encoded::<BodyByBlock, _>(&header.into(), take)
    }

    /// The canonical bytes of a stored block: what was written of its transactions is what they encode to, so
    /// nothing is decoded.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn raw_block(&self, header: &LinkedHeader) -> Result<Option<Vec<u8>>, StoreError> {
        let mut bytes = cairn_ledger::codec::encode(header.header());
        let found = self.with_encoded_body(header, |body| bytes.extend_from_slice(body))?;
        Ok(found.map(|()| bytes))
    }

    /// The block at a height of the followed chain.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn id_at(&self, height: Height) -> Result<Option<BlockId>, StoreError> {
        self.db.get::<IdByHeight>(&height)
    }

    /// Whether `header` is on the followed chain.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn is_connected(&self, header: &LinkedHeader) -> Result<bool, StoreError> {
        Ok(self.id_at(header.header().height)? == Some(header.id()))
    }

    /// Where a transaction of the followed chain is, as far as that was not pruned.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn location(&self, txid: &TxId) -> Result<Option<TxLocation>, StoreError> {
        let location = self.db.get::<LocationByTxid>(txid)?;
        Ok(location.filter(|location| self.is_kept(location.height)))
    }

    /// How to take a connected block back.
    ///
    /// # Errors
    /// A failing or corrupt database, also when there is no such record; the block was pruned.
    pub fn undo(&self, header: &LinkedHeader) -> Result<UndoLeaves, StoreError> {
        let record = self.db.get::<UndoByBlock>(&header.into())?;
        record.map_or_else(|| self.lacks::<UndoByBlock, _>(header, self.is_whole(header.header().height)), Ok)
    }

    /// How many accounts there were before a block; `None` when it is not connected, or was pruned.
    ///
    /// # Errors
    /// A failing or corrupt database.
    pub fn count_before(&self, header: &LinkedHeader) -> Result<Option<u64>, StoreError> {
        Ok(self.db.get::<UndoByBlock>(&header.into())?.map(|undo| undo.count))
    }

    /// How many accounts there were after the block at a height of the followed chain.
    ///
    /// # Errors
    /// A failing or corrupt database; the block after it was pruned.
    pub fn count_after(&self, height: Height) -> Result<u64, StoreError> {
        // The next block's undo record says how many there were before it.
        match height.next().map(|next| self.id_at(next)).transpose()?.flatten() {
            Some(next) => Ok(self.undo(&self.expect_header(&next)?)?.count),
            None => self.account_count(),
        }
    }

    /// The block of the followed chain at `height` as the parent of others: with the history up to it.
    ///
    /// # Errors
    /// A failing or corrupt database; also when the chain does not reach that high.
    pub fn context_at(&self, height: Height) -> Result<ChainContext, StoreError> {
        let header = self.header_on_chain(height)?;
        Ok(ChainContext::restore(header.header().clone(), header.id(), self.history(height.get() + 1)?))
    }

    /// The history of the first `count` blocks of the followed chain.
    ///
    /// # Errors
    /// A failing or corrupt database; also when the chain is not that long.
    pub fn history(&self, count: u64) -> Result<Mmr, StoreError> {
        let peaks = Mmr::peak_positions(count).into_iter().map(|position| self.history_node(position));
        let corrupt = || StoreError::corrupt::<HeaderById>(format!("the history of {count} blocks"));
        Mmr::from_peaks(count, peaks.collect::<Result<_, _>>()?).ok_or_else(corrupt)
    }

    /// A node of the followed chain's history.
    ///
    /// # Errors
    /// A failing or corrupt database; also when the chain does not reach that far.
    pub fn history_node(&self, position: MmrPosition) -> Result<MmrNode, StoreError> {
        completed_node(&self.header_on_chain(position.completed_by())?, position)
    }

    /// The header at a height that the followed chain has to reach.
    ///
    /// # Errors
    /// A failing or corrupt database; also when the chain does not reach that high.
    pub fn header_on_chain(&self, height: Height) -> Result<LinkedHeader, StoreError> {
        let key = || hex::encode(height.to_bytes());
        self.expect_header(&self.id_at(height)?.ok_or_else(|| StoreError::missing::<IdByHeight>(key()))?)
    }

    /// How many records there are of those that only connected blocks have, pruned ones not counted.
    ///
    /// # Errors
    /// A failing database.
    pub fn connected_records(&self) -> Result<ConnectedRecords, StoreError> {
        fn count<T>(entries: impl Iterator<Item = Result<T, StoreError>>) -> Result<u64, StoreError> {
            entries.into_iter().try_fold(0, |count, entry| entry.map(|_| count + 1))
        }
        Ok(ConnectedRecords {
            heights: count(self.db.entries::<IdByHeight>())?,
            locations: count(
                self.db
                    .entries::<LocationByTxid>()
                    .filter(|entry| entry.as_ref().map_or(true, |(_, location)| self.is_kept(location.height))),
            )?,
            undos: count(self.db.entries::<UndoByBlock>())?,
        })
    }

    /// Makes everything written so far survive a power cut.
    ///
    /// # Errors
    /// A failing database.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.db.sync()
    }

    /// Makes everything written so far survive a power cut, and the next start quick.
    ///
    /// # Errors
    /// A failing database.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.db.flush()
    }
}

/// The node at `position`, from the header of the block that completed it.
///
/// # Errors
/// The header was stored without that node.
pub(crate) fn completed_node(header: &LinkedHeader, position: MmrPosition) -> Result<MmrNode, StoreError> {
    let Some(above) = (position.level as usize).checked_sub(1) else {
        return Ok(header.leaf());
    };
    let node = header.completed().get(above).copied();
    node.ok_or_else(|| StoreError::corrupt::<HeaderById>(header.id()))
}

/// Adds what connecting a block writes besides accounts: its undo record, its height, its transactions'
/// places, and the tip.
pub(crate) fn put_connected(batch: &mut Batch<'_>, header: &LinkedHeader, txids: &[TxId], undo: &UndoLeaves) {
    let height = header.header().height;
    batch.put::<UndoByBlock>(&header.into(), undo);
    batch.put::<IdByHeight>(&height, &header.id());
    // In the order of the table: a sorted batch goes in at half the cost.
    let mut places: Vec<_> = txids.iter().zip(0..).collect();
    places.sort_unstable();
    for (txid, place) in places {
        batch.put::<LocationByTxid>(txid, &TxLocation { height, place });
    }
    batch.put::<Meta>(&MetaKey::Tip, &MetaRecord::Tip(header.id()));
}

/// Adds what disconnecting a block writes besides accounts; its parent becomes the tip.
pub(crate) fn put_disconnected(batch: &mut Batch<'_>, header: &LinkedHeader, txids: &[TxId]) {
    batch.delete::<UndoByBlock>(&header.into());
    batch.delete::<IdByHeight>(&header.header().height);
    for txid in txids {
        batch.delete::<LocationByTxid>(txid);
    }
    batch.put::<Meta>(&MetaKey::Tip, &MetaRecord::Tip(header.header().parent));
}

/// Notes a reorganisation that is under way, or that none is.
pub(crate) fn put_under_way(batch: &mut Batch<'_>, under_way: Option<UnderWay>) {
    match under_way {
        Some(under_way) => batch.put::<Meta>(&MetaKey::Reorganisation, &MetaRecord::Reorganisation(under_way)),
        None => batch.delete::<Meta>(&MetaKey::Reorganisation),
    }
}

/// How many records a store has of those that only connected blocks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectedRecords {
    /// Blocks by their height.
    pub heights: u64,
    /// Places of transactions.
    pub locations: u64,
    /// What undoes a block.
    pub undos: u64,
}

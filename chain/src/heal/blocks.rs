//! Headers, bodies and undo records of the followed chain.

use super::forward::{Forward, Order};
use super::{Healer, Unhealed, Wanted};
use crate::store::schema::{BlockKey, BodyByBlock, HeaderById, HeaderRecord, UndoByBlock, UndoLeaves};
use crate::store::{Durability, StoreError};
use cairn_common::clock;
use cairn_ledger::validate::{check_header, check_work};
use cairn_ledger::{BlockId, Header, Height, LinkedHeader};

impl Healer<'_> {
    /// Fetches the headers of the followed chain that cannot be read. Those of other branches that cannot be read go:
    /// whoever has one of them with more work sends it again.
    pub(super) fn heal_headers(&self) -> Result<(), Unhealed> {
        let mut below: Option<(BlockId, Height)> = None;
        let mut heights = 0..;
        // Upward: what a header is linked to is there.
        while let Some(height) = heights.next().map(Height::new)
            && let Some(id) = self.store.id_at(height)?
        {
            if !matches!(self.store.header(&id), Ok(Some(header)) if header.id() == id) {
                let header = match below {
                    Some((parent, _)) => self.fetch_header(id, parent, height)?,
                    None => LinkedHeader::genesis(self.spec),
                };
                let mut batch = self.store.batch(0);
                batch.put::<HeaderById>(&id, &HeaderRecord::from(&header));
                batch.write(Durability::Buffered)?;
                self.note_made();
            }
            below = Some((id, height));
        }
        let mut anew = self.store.anew::<HeaderById>()?;
        for header in self.store.readable_headers() {
            anew.put(&header.id(), &HeaderRecord::from(&header))?;
        }
        for height in (0..=below.map_or(0, |(_, height)| height.get())).map(Height::new) {
            let header = self.store.header_on_chain(height)?;
            anew.put(&header.id(), &HeaderRecord::from(&header))?;
        }
        Ok(anew.end()?)
    }

    /// A header from others, linked to its parent once more.
    fn fetch_header(&self, id: BlockId, parent: BlockId, height: Height) -> Result<LinkedHeader, Unhealed> {
        let header = self.ask_for_header(id, parent)?;
        let context = self.store.context_at(height.previous().ok_or(Unhealed::Failing)?)?;
        let sealed = check_work(self.spec, header).map_err(|_| Unhealed::Contradicted)?;
        check_header(self.spec, &context, sealed, clock::now()).map_err(|_| Unhealed::Contradicted)
    }

    /// A header from others, who find it behind a block below it.
    pub(super) fn ask_for_header(&self, id: BlockId, after: BlockId) -> Result<Header, Unhealed> {
        let header = self.others.ask(|answer| Wanted::Header { id, after, answer });
        let header = header.filter(|header| header.id() == id).ok_or(Unhealed::NotFound { what: "a header" })?;
        self.fetched.set(self.fetched.get() + 1);
        Ok(header)
    }

    /// Fetches the bodies of the followed chain that cannot be read. Blocks of other branches whose bodies cannot be
    /// read go.
    pub(super) fn heal_bodies(&self) -> Result<(), Unhealed> {
        for height in self.kept_heights()? {
            let header = self.store.header_on_chain(height)?;
            match self.body(&header) {
                Ok((_, true)) => {}
                Ok((body, false)) => {
                    let mut batch = self.store.batch(0);
                    batch.put::<BodyByBlock>(&BlockKey::from(&header), &body);
                    batch.write(Durability::Buffered)?;
                    self.note_made();
                }
                // Of a stretch that nobody else has there is nothing whole any more.
                Err(Unhealed::NotFound { .. }) if !self.store.is_whole(height) => _ = self.store.drop_stretches()?,
                Err(error) => return Err(error),
            }
        }
        self.drop_unreadable_branches()?;
        // Bodies are in files of their own, which nothing merges: with a new one in its place, a damaged one is never
        // read again. Where the table itself is damaged, it is written anew.
        if self.store.first_damage::<BodyByBlock>().is_none() {
            return Ok(self.store.sync()?);
        }
        let mut anew = self.store.anew::<BodyByBlock>()?;
        for header in self.store.headers() {
            let header = header?;
            if let Some(body) = self.store.body(&header)? {
                anew.put(&BlockKey::from(&header), &body)?;
            }
        }
        Ok(anew.end()?)
    }

    /// Removes blocks off the followed chain whose bodies cannot be read: with their headers, which say that they are
    /// here.
    fn drop_unreadable_branches(&self) -> Result<(), Unhealed> {
        let mut batch = self.store.batch(0);
        for header in self.store.headers() {
            let header = header?;
            if self.store.body(&header).is_err() && !self.store.is_connected(&header)? {
                batch.delete::<BodyByBlock>(&BlockKey::from(&header));
                batch.delete::<HeaderById>(&header.id());
            }
        }
        Ok(batch.write(Durability::Synced)?)
    }

    /// The heights of all blocks that have an undo record.
    fn undoable_heights(&self) -> Result<impl Iterator<Item = Height>, StoreError> {
        let is_whole = |height: &Height| *height > Height::GENESIS && self.store.is_whole(*height);
        Ok(self.kept_heights()?.filter(is_whole))
    }

    /// Makes the undo records again that cannot be read.
    pub(super) fn heal_undo(&self) -> Result<(), Unhealed> {
        let mut lost = Vec::new();
        for height in self.undoable_heights()? {
            if self.store.undo(&self.store.header_on_chain(height)?).is_err() {
                lost.push(height);
            }
        }
        if let (Some(first), Some(last)) = (lost.first(), lost.last()) {
            let mut forward = Forward::new(self, first.previous().ok_or(Unhealed::Failing)?, *last, Order::Exact)?;
            while forward.height() < *last {
                let (header, change) = forward.step()?;
                if lost.contains(&header.header().height) {
                    let mut batch = self.store.batch(0);
                    batch.put::<UndoByBlock>(&BlockKey::from(&header), &UndoLeaves::new(&change));
                    batch.write(Durability::Buffered)?;
                    self.note_made();
                }
            }
        }
        if self.store.first_damage::<UndoByBlock>().is_none() {
            return Ok(self.store.sync()?);
        }
        let mut anew = self.store.anew::<UndoByBlock>()?;
        for height in self.undoable_heights()? {
            let header = self.store.header_on_chain(height)?;
            let undo = self.store.undo(&header)?;
            anew.put(&BlockKey::from(&header), &undo)?;
        }
        Ok(anew.end()?)
    }
}

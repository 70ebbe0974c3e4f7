//! Tables that follow from others, and those that are made again by themselves.

use super::{Healer, Unhealed};
use crate::store::schema::{
    AddressLink, IdByHeight, IndexByAddress, LeavesByRun, LinkByIndex, LocationByTxid, Meta, MetaKey, MetaRecord,
    RootByRun, RootsByPart, SnapshotByHeight, TouchByAccount, TxLocation,
};
use crate::store::{ChainStore, DbOptions, Durability, StoreError, StretchList};
use cairn_ledger::{Address, BlockId, ChainSpec, Height};

/// So many headers are in one answer, at most: the network's `MAX_HEADERS`.
const REACH: u64 = 2_000;

impl Healer<'_> {
    /// Where each address has its account.
    pub(super) fn heal_addresses(&self) -> Result<(), Unhealed> {
        let mut anew = self.store.anew::<IndexByAddress>()?;
        let mut count = 0;
        for link in self.store.links() {
            let (index, link) = link?;
            anew.put(&link.address, &index)?;
            count += 1;
        }
        self.expect_all(count)?;
        Ok(anew.end()?)
    }

    /// Refuses to make a table from one that has lost something itself.
    fn expect_all(&self, count: u64) -> Result<(), Unhealed> {
        // Where those cannot be counted, they are damaged, too.
        let is_other = self.store.balance_count().is_ok_and(|expected| count != expected);
        if is_other { Err(Unhealed::Contradicted) } else { Ok(()) }
    }

    /// Whose each account is, and whose comes next.
    pub(super) fn heal_links(&self) -> Result<(), Unhealed> {
        let mut anew = self.store.anew::<LinkByIndex>()?;
        let (mut last, mut count): (Option<(Address, u64)>, _) = (None, 0);
        for entry in self.store.addresses() {
            let (next, after) = entry?;
            count += 1;
            if let Some((address, index)) = last.replace((next, after)) {
                anew.put(&index, &AddressLink { address, next })?;
            }
        }
        if let Some((address, index)) = last {
            anew.put(&index, &AddressLink { address, next: Address::ZERO })?;
        }
        self.expect_all(count)?;
        Ok(anew.end()?)
    }

    /// The followed chain, from the tip down. Headers that cannot be read are mended by what this makes.
    pub(super) fn heal_heights(&self) -> Result<(), Unhealed> {
        let mut anew = self.store.anew::<IdByHeight>()?;
        let tip = self.store.expect_header(&self.store.tip()?)?;
        let (mut id, mut height) = (tip.id(), tip.header().height);
        loop {
            anew.put(&height, &id)?;
            let Some(below) = height.previous() else { return Ok(anew.end()?) };
            id = match self.store.header(&id) {
                Ok(Some(header)) if header.id() == id => header.header().parent,
                Ok(_) | Err(_) => {
                    let after = self.readable_below(height).ok_or(Unhealed::NotFound { what: "a header" })?;
                    self.ask_for_header(id, after)?.parent
                }
            };
            height = below;
        }
    }

    /// The nearest block below a height whose id can be read, if an answer with headers reaches from there.
    fn readable_below(&self, height: Height) -> Option<BlockId> {
        let lowest = height.get().saturating_sub(REACH);
        let mut below = (lowest..height.get()).rev().map(Height::new);
        let known = below.find_map(|height| self.store.id_at(height).ok().flatten());
        known.or_else(|| (lowest == 0).then(|| self.spec.genesis_id()))
    }

    /// Where the transactions of all blocks are that were not pruned.
    pub(super) fn heal_locations(&self) -> Result<(), Unhealed> {
        let mut anew = self.store.anew::<LocationByTxid>()?;
        for height in self.kept_heights()? {
            let body = self.store.expect_body(&self.store.header_on_chain(height)?)?;
            for (transaction, place) in body.iter().zip(0..) {
                anew.put(&transaction.id(), &TxLocation { height, place })?;
            }
        }
        Ok(anew.end()?)
    }

    /// The heights of all blocks that were not pruned.
    pub(super) fn kept_heights(&self) -> Result<impl Iterator<Item = Height> + use<>, StoreError> {
        let tip = self.store.expect_header(&self.store.tip()?)?.header().height.get();
        let heights = (0..=tip).map(Height::new).filter(|height| self.store.is_kept(*height));
        // What is pruned meanwhile is asked of nobody.
        Ok(heights.collect::<Vec<_>>().into_iter())
    }

    /// The next start reads all accounts, and so makes them again.
    pub(super) fn heal_roots(&self) -> Result<(), Unhealed> {
        let mut batch = self.store.batch(0);
        batch.delete::<Meta>(&MetaKey::Roots);
        batch.write(Durability::Synced)?;
        Ok(self.store.anew::<RootsByPart>()?.end()?)
    }

    /// The writer builds the index of addresses again.
    pub(super) fn heal_touches(&self) -> Result<(), Unhealed> {
        if self.store.indexed()?.is_some() {
            let mut batch = self.store.batch(0);
            batch.put::<Meta>(&MetaKey::AddressIndex, &MetaRecord::AddressIndex(Height::GENESIS));
            batch.write(Durability::Synced)?;
        }
        Ok(self.store.anew::<TouchByAccount>()?.end()?)
    }

    /// The writer makes snapshots again.
    pub(super) fn heal_snapshots(&self) -> Result<(), Unhealed> {
        // First what names them.
        self.store.anew::<SnapshotByHeight>()?.end()?;
        self.store.anew::<LeavesByRun>()?.end()?;
        Ok(self.store.anew::<RootByRun>()?.end()?)
    }
}

/// What the database is, and how far it is.
///
/// # Errors
/// The chain cannot be read either, or is another network's.
pub(crate) fn heal_meta(store: &ChainStore, spec: &ChainSpec, options: DbOptions) -> Result<(), StoreError> {
    let tip = store.last_id()?.ok_or_else(|| StoreError::missing::<IdByHeight>("the tip"))?;
    let (got, expected) = (store.id_at(Height::GENESIS)?.unwrap_or(tip), spec.genesis_id());
    if got != expected {
        return Err(StoreError::OtherNetwork { got, expected });
    }
    // What a running node knows is not forgotten with its record.
    let kept = store.kept();
    let lowest = Some(kept.lowest()).filter(|lowest| *lowest > Height::GENESIS);
    let lowest = if lowest.is_some() { lowest } else { store.lowest_stored()? };
    let stretches = StretchList::new(kept.stretches().to_vec()).unwrap_or_default();
    let identity = MetaRecord::Identity { format: crate::store::schema::FORMAT, genesis_id: expected };
    // A chain that does not go back to block 1, and was not pruned, began with accounts of others.
    let restored = lowest.and_then(Height::previous).filter(|_| options.keep_blocks.is_none() || options.from_snapshot);
    let derived = [
        (MetaKey::Identity, Some(identity)),
        (MetaKey::Tip, Some(MetaRecord::Tip(tip))),
        (MetaKey::AddressIndex, options.address_index.then_some(MetaRecord::AddressIndex(Height::GENESIS))),
        (MetaKey::Reorganisation, None),
        (MetaKey::LowestBody, lowest.map(MetaRecord::LowestBody)),
        (MetaKey::Roots, None),
        (MetaKey::Restoring, None),
        (MetaKey::Restored, restored.map(MetaRecord::Restored)),
        (MetaKey::Stretches, (!stretches.is_empty()).then_some(MetaRecord::Stretches(stretches))),
    ];
    let lost_stretches = kept.stretches().is_empty() && store.meta(&MetaKey::Stretches).is_err();
    let mut anew = store.anew::<Meta>()?;
    for (key, derived) in derived {
        // What can be read stays, also that there is nothing.
        if let Some(record) = store.meta(&key).unwrap_or(derived) {
            anew.put(&key, &record)?;
        }
    }
    anew.end()?;
    match lowest.filter(|_| lost_stretches) {
        // Which stretches were kept below is not known any more.
        Some(lowest) => store.drop_bodies_below(lowest),
        None => Ok(()),
    }
}

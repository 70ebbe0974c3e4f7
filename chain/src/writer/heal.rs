//! What the writer does about damage: the table is mended, and whatever met it tries again.

use super::Writer;
use super::long_reorg::LongReorg;
use crate::heal::{HealedTables, Healer, Others};
use crate::store::schema::{self, LeavesByRun};
use crate::store::{ChainStore, DbOptions, StoreError, Table};
use cairn_ledger::ChainSpec;
use std::cell::Cell;
use std::sync::atomic::Ordering;

/// Mends what an error says is damaged in a store.
///
/// # Errors
/// The same, where that cannot be.
pub(crate) fn heal(
    (store, spec, options): (&ChainStore, &ChainSpec, DbOptions),
    (others, healed): (&Others, &mut HealedTables),
    damage: StoreError,
) -> Result<(), StoreError> {
    let Some(table) = damage.damaged_table() else { return Err(damage) };
    if !healed.note_damaged(table) {
        tracing::error!(target: "cairn::chain", table, "the table is damaged again and again: the disk is failing");
        return Err(damage);
    }
    let (made, fetched) = (Cell::default(), Cell::default());
    let healer = Healer { store, spec, others, options, made, fetched };
    let is_mending = healed.is_mending();
    is_mending.store(true, Ordering::Release);
    let mended = healer.heal(&damage);
    is_mending.store(false, Ordering::Release);
    match mended {
        Ok(()) => {
            healed.note_healed(table);
            Ok(())
        }
        Err(reason) => {
            tracing::error!(target: "cairn::chain", table, %reason, "the table could not be mended while the node runs");
            Err(damage)
        }
    }
}

/// Looks for what a merge of files has met before the database was opened, and mends it. What cannot be mended without
/// others is left until it is read, and not merged.
///
/// # Errors
/// A failing disk.
pub(crate) fn search(
    (store, spec, options): (&ChainStore, &ChainSpec, DbOptions),
    (others, healed): (&Others, &mut HealedTables),
) -> Result<(), StoreError> {
    if !store.is_suspect() {
        return Ok(());
    }
    tracing::warn!(target: "cairn::chain", "a merge of files has met damage: all tables are read");
    let mut whole = Vec::new();
    for table in schema::TABLES.iter().copied() {
        let mended = match schema::read_all(store, table) {
            Some(damage) => heal((store, spec, options), (others, healed), damage).is_ok(),
            None => true,
        };
        whole.extend(mended.then_some(table));
    }
    store.clear_suspicion(&whole, whole.len() == schema::TABLES.len())
}

impl Writer {
    /// Does something again, once what it met is mended. Whatever it changed before that has to be taken back.
    pub(crate) fn healing<T>(
        &mut self,
        mut action: impl FnMut(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            match action(self) {
                Err(damage) => self.heal(damage)?,
                done => return done,
            }
        }
    }

    /// Mends what an error says is damaged.
    ///
    /// # Errors
    /// The same, where that cannot be: also while a restore is under way, whose accounts are nobody's chain.
    pub(crate) fn heal(&mut self, damage: StoreError) -> Result<(), StoreError> {
        // A batch that was written before the damage was met: what is in memory is not what is on the disk.
        let at = self.long_reorg.as_ref().map_or(self.tip.id(), LongReorg::at);
        let has_moved = self.live.tip().is_ok_and(|tip| tip != at);
        if self.is_restoring() || has_moved {
            return Err(damage);
        }
        // A snapshot that does not lead to its root: the accounts on the disk are wrong, or only the copy was.
        let damage = match damage {
            StoreError::StateMismatch { .. } => match self.state.find_wrong(&self.live) {
                Ok(Some(wrong)) | Err(wrong) => wrong,
                // It is made again.
                Ok(None) if self.healed.note_damaged(LeavesByRun::NAME) => {
                    return self.snapshots.begin_again(&self.live);
                }
                Ok(None) => damage,
            },
            damage => damage,
        };
        let Self { live, spec, options, others, healed, .. } = self;
        heal((live, spec, *options), (others, healed), damage)?;
        // They may be gone.
        self.snapshots.begin_again(&self.live)
    }
}

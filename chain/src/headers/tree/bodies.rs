//! Bodies that wait in the tree: in memory up to a bound, beyond it on the disk.

use super::{BodyState, HeaderTree, children, key};
use cairn_ledger::{BlockId, CheckedBlock, Work};
use std::collections::HashSet;

/// Blocks remembered as being on the disk with all below them, at some ten bytes each. Should there be more, all are
/// forgotten, and are found again as their headers come.
const ON_DISK: usize = 1 << 20;

impl HeaderTree {
    /// Notes that a block's body is not on the disk any more.
    pub(crate) fn lose_body(&mut self, id: &BlockId) {
        if let Some(entry) = self.entries.get_mut(id)
            && matches!(entry.body, BodyState::Stored)
        {
            entry.body = BodyState::Missing;
            self.incomplete_from(*id);
        }
    }

    /// Gives a header its checked body. `false` when the header is not in the tree.
    pub(crate) fn set_body(&mut self, block: CheckedBlock) -> bool {
        let Some(entry) = self.entries.get_mut(&block.header().id()) else { return false };
        if matches!(entry.body, BodyState::Missing) {
            let id = block.header().id();
            self.body_bytes += body_bytes(&block);
            entry.body = BodyState::Checked(Box::new(block));
            self.complete_from(id);
        }
        true
    }

    /// Blocks to move to the disk so that the bodies in memory stay within their bound: only those on the way to a
    /// header with more work than `tip`. If that is not enough, others are dropped, and can be fetched again.
    pub(crate) fn spill(&mut self, tip: Work) -> Vec<CheckedBlock> {
        let mut spilled = Vec::new();
        if self.body_bytes <= self.max_body_bytes {
            return spilled;
        }
        let all = self.entries.values().map(|entry| (entry.key(), entry.header.header().parent, entry.is_pinned));
        let mut all: Vec<(Work, BlockId, BlockId, bool)> =
            all.map(|((work, id), parent, is_pinned)| (work, id, parent, is_pinned)).collect();
        all.sort_unstable();
        // From the top, so that every block comes before its parent.
        let mut wanted = HashSet::new();
        for (work, id, parent, is_pinned) in all.iter().rev() {
            if *work > tip || *is_pinned || wanted.contains(id) {
                wanted.extend([*id, *parent]);
            }
        }
        all.sort_by_key(|(_, id, ..)| !wanted.contains(id));
        for (_, id, ..) in all {
            if self.body_bytes <= self.max_body_bytes / 2 {
                break;
            }
            let Some(block) = self.take_checked(&id) else { continue };
            if wanted.contains(&id) {
                self.mark_stored(&id);
                spilled.push(block);
            } else {
                self.incomplete_from(id);
            }
        }
        spilled
    }

    /// Has blocks that can be connected and are on the disk leave the tree, from the lowest up, to the highest that
    /// keeps its context: so a branch that overtakes late takes memory for its headers' ends alone.
    pub(crate) fn shed_stored(&mut self) {
        let lowest: Vec<BlockId> = self.roots.iter().copied().collect();
        for id in lowest {
            let (mut stored, mut leaving, mut at) = (Vec::new(), 0, Some(id));
            while let Some(entry) = at.and_then(|id| self.entries.get(&id)) {
                if !matches!(entry.body, BodyState::Stored) || !self.complete.contains(&key(&entry.header)) {
                    break;
                }
                leaving = if entry.context.is_some() { stored.len() } else { leaving };
                stored.push(entry.header.id());
                // Where branches part, each part keeps what leads to it.
                let mut above = children(&self.children, entry.header.id());
                at = above.next().filter(|_| above.next().is_none());
            }
            for id in stored.into_iter().take(leaving) {
                self.remove(&id);
                self.note_on_disk(&id);
            }
        }
    }

    /// Remembers a block that left the tree, or the followed chain, and is on the disk with all below it.
    pub(crate) fn note_on_disk(&mut self, id: &BlockId) {
        if self.on_disk.len() >= ON_DISK {
            self.on_disk.clear();
        }
        self.on_disk.insert(short(id));
    }

    /// Whether a stored block is on the disk with all below it, as far as is remembered.
    pub(crate) fn is_on_disk(&self, id: &BlockId) -> bool {
        self.on_disk.contains(&short(id))
    }

    /// Forgets a block that is on the disk.
    pub(super) fn forget_on_disk(&mut self, id: &BlockId) {
        self.on_disk.remove(&short(id));
    }

    /// Notes that a block's body went to the disk.
    pub(crate) fn mark_stored(&mut self, id: &BlockId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.body = BodyState::Stored;
        }
    }

    /// Takes a checked body out of memory, to be connected, to go to the disk or to come back; the header stays.
    pub(crate) fn take_checked(&mut self, id: &BlockId) -> Option<CheckedBlock> {
        let entry = self.entries.get_mut(id)?;
        match std::mem::replace(&mut entry.body, BodyState::Missing) {
            BodyState::Checked(block) => {
                self.body_bytes -= body_bytes(&block);
                Some(*block)
            }
            other => {
                entry.body = other;
                None
            }
        }
    }
}

/// The last bytes of an id: work makes the first ones zero.
fn short(id: &BlockId) -> [u8; 8] {
    id.as_bytes().last_chunk().copied().unwrap_or_default()
}

fn body_bytes(block: &CheckedBlock) -> usize {
    block.transactions().iter().map(|checked| checked.transaction().size()).sum::<usize>() + 1024
}

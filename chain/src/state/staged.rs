//! How a plan moves the state.
//!
//! Blocks change the state in place, one after another. All that then differs from the disk goes into the plan's one
//! batch: however often the plan touched an account, it is written once. A plan that fails is taken back.

use super::{Source, State, accounts::missing, resolve};
use crate::store::schema::{AccountByIndex, AddressLink, IndexByAddress, LinkByIndex, UndoByBlock, UndoLeaves};
use crate::store::{Batch, StoreError};
use cairn_ledger::accounts::{AccountSlice, Leaf, LeafChange, NotLoaded, StateChange, TreeUpdate};
use cairn_ledger::{Account, Address};

/// A state that a plan is moving: first disconnecting blocks, then connecting others.
#[must_use = "what is neither kept nor taken back differs from the disk"]
pub(crate) struct StagedState<'a> {
    state: &'a mut State,
    /// What disconnecting blocks changed, in order.
    undone: Vec<LeavesBefore>,
    /// What the connected blocks changed, in order …
    connected: Vec<StateChange>,
    /// … and how to take that back in the tree, if somebody will ask: it is large, and can be made again.
    inverses: Option<Vec<TreeUpdate>>,
}

/// The leaves that disconnecting a block changed, as they were before, of `count`.
struct LeavesBefore {
    count: u64,
    leaves: Vec<(u64, Leaf)>,
}

impl<'a> StagedState<'a> {
    /// Nothing moved yet. With `inverses`, what [`Self::keep`] returns is kept.
    pub(crate) fn new(state: &'a mut State, inverses: bool) -> Self {
        Self { state, undone: Vec::new(), connected: Vec::new(), inverses: inverses.then(Vec::new) }
    }

    /// The state as far as it has moved.
    pub(crate) fn state(&self) -> &State {
        self.state
    }

    /// Loads what a block touches.
    pub(crate) fn slice(&mut self, source: Source<'_>, addresses: &[Address]) -> Result<AccountSlice, StoreError> {
        self.state.slice(source, addresses)
    }

    /// Loads what is needed to take a block back.
    pub(crate) fn load_for_undo(&mut self, source: Source<'_>, undo: &UndoLeaves) -> Result<(), StoreError> {
        self.state.load_for_undo(source, undo)
    }

    /// Takes in what a block changed, all of which was [loaded](Self::slice).
    pub(crate) fn connect(&mut self, change: StateChange, update: TreeUpdate) -> Result<(), StoreError> {
        match &mut self.inverses {
            Some(inverses) => inverses.push(self.state.tree.exchange(update).map_err(not_loaded)?),
            None => self.state.tree.apply(update),
        }
        self.state.accounts.set(change.count, change.leaves.iter().map(|leaf| (leaf.index, leaf.new)));
        self.connected.push(change);
        Ok(())
    }

    /// Takes back what a block had changed, all of which was [loaded](Self::load_for_undo).
    pub(crate) fn disconnect(&mut self, undo: &UndoLeaves) -> Result<(), StoreError> {
        let State { accounts, tree, .. } = &mut *self.state;
        let count = accounts.count();
        if undo.count == 0 || undo.count > count || undo.leaves.iter().any(|old| old.index >= undo.count) {
            return Err(StoreError::corrupt::<UndoByBlock>(undo.count));
        }
        let record = resolve(undo, |index| accounts.at(index).copied())?;
        let changed = undo.leaves.iter().map(|old| old.index).chain(undo.count..count);
        let leaves = changed.filter_map(|index| Some((index, *accounts.at(index)?))).collect();
        tree.apply(tree.update(record.count, &record.leaf_hashes()).map_err(not_loaded)?);
        accounts.set(record.count, record.leaves.into_vec());
        self.undone.push(LeavesBefore { count, leaves });
        Ok(())
    }

    /// Adds all that differs from the disk to a batch.
    pub(crate) fn write(&self, batch: &mut Batch<'_>) {
        let accounts = &self.state.accounts;
        // As they are now; `None` for those that exist no more.
        let undone = self.undone.iter().flat_map(|undone| &undone.leaves).map(|(_, leaf)| leaf.address);
        let undone: Vec<_> = undone.map(|address| (address, accounts.get(&address))).collect();
        // What the blocks changed is at hand, where the accounts are far apart in memory; the last change counts.
        let connected = self.connected.iter().rev().flat_map(|change| &change.leaves);
        let created = connected.clone().filter(|leaf| leaf.old.is_none());
        let created = created.map(|leaf| (leaf.new.address, Some(leaf.index)));
        let undone_places = undone.iter().map(|(address, leaf)| (*address, leaf.map(|(index, _)| index)));
        let mut places: Vec<_> = created.chain(undone_places).collect();
        // In the order of the table: a sorted batch goes in at half the cost.
        places.sort_by_key(|(address, _)| *address);
        places.dedup_by_key(|(address, _)| *address);
        for (address, index) in places {
            match index {
                Some(index) => batch.put::<IndexByAddress>(&address, &index),
                None => batch.delete::<IndexByAddress>(&address),
            }
        }

        let is_elsewhere = |leaf: &&LeafChange| leaf.old.is_none_or(|old| old.next != leaf.new.next);
        let linked = connected.clone().filter(is_elsewhere).map(|leaf| (leaf.index, AddressLink::from(&leaf.new)));
        let undone_links = undone.iter().filter_map(|(_, leaf)| *leaf);
        let mut links: Vec<_> =
            linked.chain(undone_links.map(|(index, leaf)| (index, AddressLink::from(&leaf)))).collect();
        links.sort_by_key(|(index, _)| *index);
        links.dedup_by_key(|(index, _)| *index);
        for (index, link) in links {
            batch.put::<LinkByIndex>(&index, &link);
        }

        let undone = undone.iter().filter_map(|(_, leaf)| *leaf).map(|(index, leaf)| (index, leaf.account));
        let changed = connected.filter(|leaf| leaf.changes_account());
        let mut changed: Vec<_> = changed.map(|leaf| (leaf.index, leaf.new.account)).chain(undone).collect();
        changed.sort_by_key(|(index, _)| *index);
        changed.dedup_by_key(|(index, _)| *index);
        for (index, account) in changed {
            batch.put::<AccountByIndex>(&index, &account);
        }

        for index in accounts.count()..self.count_before() {
            batch.delete::<LinkByIndex>(&index);
            batch.delete::<AccountByIndex>(&index);
        }
    }

    /// What those have now whose account was changed, in the order of the changes: of one address the last counts.
    pub(crate) fn changed(&self) -> Vec<(Address, Account)> {
        let undone = self.undone.iter().flat_map(|undone| &undone.leaves).map(|(_, leaf)| leaf.address);
        let now = |address| self.state.accounts.get(&address).map_or(Account::default(), |(_, leaf)| leaf.account);
        let undone = undone.map(|address| (address, now(address)));
        let connected = self.connected.iter().flat_map(|change| &change.leaves).filter(|leaf| leaf.changes_account());
        undone.chain(connected.map(|leaf| (leaf.new.address, leaf.new.account))).collect()
    }

    /// How many accounts there were.
    fn count_before(&self) -> u64 {
        let connected = self.connected.first().map_or(self.state.accounts.count(), |change| change.old_count);
        self.undone.first().map_or(connected, |undone| undone.count)
    }

    /// Takes everything back, the last first: the state is as it is on the disk. The hashes are made again, which costs
    /// what making them had, and whoever brought the invalid block its proof of work.
    pub(crate) fn take_back(self) -> Result<(), StoreError> {
        let State { accounts, tree, .. } = self.state;
        let connected = self.connected.into_iter().rev().map(|change| {
            let leaves = change.leaves.iter().filter_map(|leaf| Some((leaf.index, leaf.old?)));
            LeavesBefore { count: change.old_count, leaves: leaves.collect() }
        });
        for LeavesBefore { count, leaves } in connected.chain(self.undone.into_iter().rev()) {
            let hashes = Leaf::hash_each(leaves.iter().map(|(_, leaf)| leaf));
            let hashes: Vec<_> = leaves.iter().map(|(index, _)| *index).zip(hashes).collect();
            tree.apply(tree.update(count, &hashes).map_err(not_loaded)?);
            accounts.set(count, leaves);
        }
        accounts.set_written();
        Ok(())
    }

    /// Keeps everything, which is on the disk now; returns what each connected block changed, and how to take that back
    /// in the tree, if it was asked for.
    pub(crate) fn keep(self) -> Vec<(StateChange, TreeUpdate)> {
        self.state.accounts.set_written();
        self.connected.into_iter().zip(self.inverses.unwrap_or_default()).collect()
    }
}

/// Our own mistake, or that of the disk.
pub(crate) fn not_loaded(error: NotLoaded) -> StoreError {
    match error {
        NotLoaded::Account { address } => missing(&address),
        NotLoaded::Bucket { number } => StoreError::missing::<LinkByIndex>(format!("bucket {number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::model::state_of, *};
    use crate::store::schema::UndoLeaf;
    use cairn_ledger::{codec::BoundedVec, testing::arbitrary_hash};

    fn state(count: u64) -> State {
        let address = |n: u64| if n == 0 { Address::ZERO } else { Address::from_bytes(*arbitrary_hash(n).as_bytes()) };
        let mut sorted: Vec<Address> = (0..count).map(address).collect();
        sorted.sort_unstable();
        let next = |address: Address| sorted.iter().find(|other| **other > address).copied().unwrap_or(Address::ZERO);
        let leaves = (0..count).map(|n| Leaf { address: address(n), next: next(address(n)), ..Leaf::SENTINEL });
        state_of(&leaves.collect::<Vec<_>>())
    }

    fn undo(count: u64, index: u64) -> UndoLeaves {
        let leaf = UndoLeaf { index, account: Account::default(), next: None };
        UndoLeaves { count, leaves: BoundedVec::new(vec![leaf]).expect("one") }
    }

    /// A broken record would have moved the accounts and the tree apart, and the next block been called invalid.
    #[test]
    fn an_undo_record_that_cannot_be_is_refused_before_anything_moves() {
        let mut state = state(9);
        let root = state.tree.state_root();
        let mut staged = StagedState::new(&mut state, false);
        for (count, index) in [(0, 0), (10, 3), (5, 5), (9, 9)] {
            let broken = staged.disconnect(&undo(count, index)).expect_err("it cannot be");
            assert!(broken.is_storage_failure(), "{count}, {index}: {broken}");
            assert_eq!((staged.state().accounts.count(), staged.state().tree.state_root()), (9, root));
        }
        staged.disconnect(&undo(8, 7)).expect("the negative control");
        assert_eq!((staged.state().accounts.count(), staged.state().tree.count()), (8, 8));
        staged.take_back().expect("all is loaded");
        assert_eq!((state.accounts.count(), state.tree.state_root()), (9, root));
    }
}

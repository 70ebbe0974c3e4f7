//! Blocks executed once more on the accounts of a snapshot, without a tree and without checking signatures again: which
//! accounts they touch is known by the addresses in them, and what was created when by the order of indices.

use super::{Healer, Unhealed, Wanted};
use crate::store::StoreError;
use crate::store::schema::{IndexByAddress, RunKey};
use cairn_ledger::accounts::{AccountSlice, Leaf, RUN_LEAVES, RunLeaves, RunTree, StateChange, StateRun, run_root};
use cairn_ledger::validate::execute_block;
use cairn_ledger::{Address, CheckedBlock, Hash, Height, LinkedHeader};
use std::collections::{BTreeMap, HashMap};

/// Blocks that are executed again at most: there is a snapshot every some thousands.
const MAX_BLOCKS: u64 = 20_000;
/// Runs that are in memory at once, of some 300 KiB each.
const MAX_RUNS: usize = 64;
/// Periods below the height that is asked for in which others may have a snapshot.
const PERIODS: u64 = 3;

/// The accounts after a block, as far as they were touched since a snapshot.
pub(super) struct Forward<'a> {
    healer: &'a Healer<'a>,
    base: Base,
    height: Height,
    count: u64,
    touched: HashMap<u64, Leaf>,
    order: Order,
    /// The accounts created since then, where the order is exact; of block 0, all.
    created: BTreeMap<Address, u64>,
    /// How many accounts there were then.
    base_count: u64,
}

/// What is known of the order of addresses: which comes next after one that is touched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// What it was.
    Exact,
    /// Nothing: balances and nonces alone are asked for.
    Reduced,
}

/// What it began with.
enum Base {
    /// The accounts of block 0.
    Genesis(Vec<Leaf>),
    /// A snapshot that is here.
    Own { height: Height, tree: Box<RunTree>, runs: HashMap<u64, RunLeaves> },
    /// One that others have.
    Others { state_root: Hash, runs: HashMap<u64, RunLeaves> },
}

impl<'a> Forward<'a> {
    /// Begins with the last snapshot that is at a height or below; `last` is how far it will go.
    pub(super) fn new(healer: &'a Healer<'a>, from: Height, last: Height, order: Order) -> Result<Self, Unhealed> {
        let is_near = |height: Height| height <= from && last.get() - height.get() <= MAX_BLOCKS;
        let begin = |base, height, count| {
            let (touched, created) = (HashMap::new(), BTreeMap::new());
            Self { healer, base, height, count, touched, order, created, base_count: count }
        };
        if let Some((height, base, count)) = own(healer, is_near)? {
            return Ok(begin(base, height, count));
        }
        if last.get() <= MAX_BLOCKS {
            let leaves = healer.spec.genesis_leaves().to_vec();
            let created = leaves.iter().map(|leaf| leaf.address).zip(0..).collect();
            let count = leaves.len() as u64;
            return Ok(Self { created, ..begin(Base::Genesis(leaves), Height::GENESIS, count) });
        }
        let every = healer.options.snapshot_every.max(1);
        let newest = from.get() - from.get() % every;
        for height in (0..PERIODS).filter_map(|back| newest.checked_sub(back * every)).map(Height::new) {
            if height == Height::GENESIS || !is_near(height) {
                continue;
            }
            let state_root = healer.store.header_on_chain(height)?.header().state_root;
            // Its first run says how many there are.
            if let Some(run) = fetch(healer, state_root, 0) {
                let (count, runs) = (run.count, HashMap::from([(0, run.leaves)]));
                let base = Base::Others { state_root, runs };
                return Ok(begin(base, height, count));
            }
        }
        Err(Unhealed::NoBase)
    }

    /// The block after which these are the accounts.
    pub(super) fn height(&self) -> Height {
        self.height
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The leaf at an index.
    pub(super) fn leaf(&mut self, index: u64) -> Result<Leaf, Unhealed> {
        match self.touched.get(&index) {
            Some(leaf) => Ok(*leaf),
            None => self.base.leaf(self.healer, index),
        }
    }

    /// The leaves at these indices, in the order of the second numbers. Run by run, each of which is read and hashed
    /// once.
    fn leaves(&mut self, mut places: Vec<(u64, usize)>) -> Result<Vec<(u64, Leaf)>, Unhealed> {
        places.sort_unstable();
        let found = places.into_iter().map(|(index, place)| Ok((place, (index, self.leaf(index)?))));
        let mut found: Vec<_> = found.collect::<Result<_, Unhealed>>()?;
        found.sort_unstable_by_key(|(place, _)| *place);
        Ok(found.into_iter().map(|(_, leaf)| leaf).collect())
    }

    /// Executes the next block; what it changed.
    pub(super) fn step(&mut self) -> Result<(LinkedHeader, StateChange), Unhealed> {
        let height = self.height.next().ok_or(Unhealed::Failing)?;
        let header = self.healer.store.header_on_chain(height)?;
        let (body, _) = self.healer.body(&header)?;
        let block = CheckedBlock::restore(self.healer.spec, header.clone(), body);
        let block = block.map_err(|_| Unhealed::Contradicted)?;
        let indices = self.healer.store.indices_of(block.touched())?;
        let mut places = Vec::with_capacity(indices.len());
        for (address, index) in block.touched().iter().zip(indices) {
            // One that came later has none yet.
            let index = index.filter(|index| *index < self.count);
            match (index, self.order) {
                (Some(index), _) => places.push((index, places.len())),
                (None, Order::Exact) => places.push((self.index_below(address)?, places.len())),
                (None, Order::Reduced) => {}
            }
        }
        let mut leaves = self.leaves(places)?;
        if self.order == Order::Reduced {
            reduce(&mut leaves);
        }
        let slice = AccountSlice::load(self.count, leaves);
        let change = execute_block(self.healer.spec, &block, slice).map_err(|_| Unhealed::Contradicted)?;
        if self.order == Order::Exact {
            let created = change.leaves.iter().filter(|leaf| leaf.old.is_none());
            self.created.extend(created.map(|leaf| (leaf.new.address, leaf.index)));
        }
        self.touched.extend(change.leaves.iter().map(|leaf| (leaf.index, leaf.new)));
        (self.count, self.height) = (change.count, height);
        Ok((header, change))
    }

    /// The index of the account below an address that has none yet.
    fn index_below(&self, address: &Address) -> Result<u64, StoreError> {
        let created = self.created.range(..address).next_back().map(|(address, index)| (*address, *index));
        let of_base = match self.base {
            Base::Genesis(_) => None,
            Base::Own { .. } | Base::Others { .. } => {
                // Those that were created since then are passed: few, as there is a snapshot every some thousand
                // blocks.
                let mut below = self.healer.store.indices_below(address);
                below.find(|below| below.as_ref().map_or(true, |(_, index)| *index < self.base_count)).transpose()?
            }
        };
        let nearest = created.into_iter().chain(of_base).max();
        nearest.map(|(_, index)| index).ok_or_else(|| StoreError::missing::<IndexByAddress>(address))
    }
}

/// Makes an order of these leaves alone, which ascend, with the sentinel before them: that others have no account is
/// known.
fn reduce(leaves: &mut Vec<(u64, Leaf)>) {
    leaves.insert(0, (0, Leaf::SENTINEL));
    let nexts: Vec<Address> = leaves.iter().skip(1).map(|(_, leaf)| leaf.address).chain([Address::ZERO]).collect();
    leaves.iter_mut().zip(nexts).for_each(|((_, leaf), next)| leaf.next = next);
}

/// The last snapshot that is here whole and near, with the number of its accounts.
fn own(healer: &Healer<'_>, is_near: impl Fn(Height) -> bool) -> Result<Option<(Height, Base, u64)>, Unhealed> {
    let Ok(snapshots) = healer.store.snapshots() else { return Ok(None) };
    for (height, record) in snapshots.into_iter().rev().filter(|(height, record)| record.is_whole && is_near(*height)) {
        let header = healer.store.header_on_chain(height)?;
        let Ok(roots) = healer.store.run_roots(height) else { continue };
        let tree = RunTree::new(record.count, roots.into_iter().map(|(_, root)| root).collect());
        if let Some(tree) = tree.filter(|tree| tree.state_root() == header.header().state_root) {
            let base = Base::Own { height, tree: Box::new(tree), runs: HashMap::new() };
            return Ok(Some((height, base, record.count)));
        }
    }
    Ok(None)
}

/// A run of a snapshot from others.
fn fetch(healer: &Healer<'_>, state_root: Hash, number: u64) -> Option<StateRun> {
    let run = healer.others.ask(|answer| Wanted::Run { state_root, number, answer });
    let run = run.filter(|run| run.verify(number, &state_root).is_ok())?;
    healer.fetched.set(healer.fetched.get() + 1);
    Some(run)
}

impl Base {
    fn leaf(&mut self, healer: &Healer<'_>, index: u64) -> Result<Leaf, Unhealed> {
        let (number, within) = (index / RUN_LEAVES as u64, (index % RUN_LEAVES as u64) as usize);
        let leaf = match self {
            Self::Genesis(leaves) => usize::try_from(index).ok().and_then(|index| leaves.get(index)).copied(),
            Self::Own { height, tree, runs } => {
                let read = || {
                    let leaves = healer.store.run_leaves(RunKey { height: *height, number }).ok().flatten();
                    let leaves = leaves.filter(|leaves| tree.run_root(number) == Some(run_root(tree.count(), leaves)));
                    leaves.or_else(|| fetch(healer, tree.state_root(), number).map(|run| run.leaves))
                };
                leaf_of(runs, number, within, read)
            }
            Self::Others { state_root, runs } => {
                leaf_of(runs, number, within, || fetch(healer, *state_root, number).map(|run| run.leaves))
            }
        };
        leaf.ok_or(Unhealed::NotFound { what: "a run of a snapshot" })
    }
}

/// A leaf of a run, which is read where it is not in memory.
fn leaf_of(
    runs: &mut HashMap<u64, RunLeaves>,
    number: u64,
    within: usize,
    read: impl FnOnce() -> Option<RunLeaves>,
) -> Option<Leaf> {
    if !runs.contains_key(&number) {
        if runs.len() >= MAX_RUNS {
            runs.clear();
        }
        runs.insert(number, read()?);
    }
    runs.get(&number)?.get(within).copied()
}

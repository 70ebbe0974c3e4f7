//! What a start reads: the roots of buckets, and what was touched since they were stored.

use super::{Branch, Fixture};
use crate::state::{self, Source, State};
use crate::store::{ChainStore, DbOptions};
use crate::workers::Workers;
use cairn_ledger::testing::key;
use std::sync::Arc;

/// The chain of a node that was stopped.
struct Stopped {
    store: ChainStore,
    workers: Workers,
    node: (Arc<cairn_ledger::ChainSpec>, tempfile::TempDir),
}

impl Stopped {
    /// After these blocks.
    async fn after(branch: &Branch, before: Option<Self>) -> Self {
        let node = match before {
            None => Fixture::with(DbOptions::default()),
            Some(Self { store, node: (spec, directory), .. }) => {
                drop(store);
                let (chain, running) =
                    crate::spawn(spec.clone(), directory.path(), DbOptions::default()).expect("a chain");
                Fixture { spec, directory, chain, running }
            }
        };
        node.import_all(&branch.blocks).await;
        node.assert_at(branch).await;
        let Fixture { spec, directory, chain, running } = node;
        chain.stop().await;
        running.ended().await.expect("an orderly end");
        drop(chain);
        let store = ChainStore::open(directory.path(), &spec, DbOptions::default()).expect("a store");
        Self { store, workers: Workers::start().expect("threads"), node: (spec, directory) }
    }

    /// What a start has, and how many buckets it has loaded.
    fn start(&self) -> (State, usize) {
        let (state, _) = state::load(&self.store, &self.node.0, &self.workers, None).expect("it starts");
        let loaded = (0..state.accounts.count().div_ceil(1 << state.tree.bucket_bits()))
            .filter(|number| state.tree.is_loaded(*number))
            .count();
        (state, loaded)
    }

    /// Whether a state is what a replay gives, once all of it is loaded.
    fn assert_is(&self, mut state: State, branch: &Branch) {
        let source = Source { store: &self.store, workers: &self.workers };
        while state.load_more(source).expect("the disk has it") {}
        let leaves = branch.state.leaves();
        assert_eq!((state.accounts.count(), state.accounts.balances()), (leaves.len() as u64, branch.state.total()));
        assert_eq!(state.tree.state_root(), branch.state_root());
        for (index, leaf) in (0..).zip(leaves) {
            assert_eq!(state.accounts.at(index), Some(leaf));
        }
        // Proved absent from memory alone.
        let absent = key(99_999).address();
        let slice = state.slice(source, &[absent]).expect("the order is whole");
        assert_eq!(slice.account(&absent).expect("it can tell"), None);
    }
}

/// A chain with a few hundred accounts.
fn busy(branch: &mut Branch, blocks: u64, first: u64) {
    for n in 0..blocks {
        let payments =
            vec![branch.pay(1, first + 2 * n, 5_000), branch.pay(4, first + 2 * n + 1, 5_000), branch.pay(2, 3, 7)];
        branch.mine(payments, 0);
    }
}

#[tokio::test]
async fn a_start_reads_the_roots_of_buckets_and_not_all_accounts() {
    let fixture = Fixture::new();
    let mut branch = Branch::new(&fixture.spec);
    busy(&mut branch, 150, 1_000);
    let stopped = Stopped::after(&branch, None).await;
    let stored = stopped.store.stored_roots().expect("a whole database").expect("stored at the stop");
    assert_eq!((stored.block, stored.balances), (branch.context.id(), branch.state.total()));
    let (state, loaded) = stopped.start();
    assert_eq!(loaded, 1, "the last bucket");
    stopped.assert_is(state, &branch);

    // As after a kill: the roots are of long ago, and blocks came since that changed and made accounts.
    let roots = stopped.store.bucket_roots().expect("a whole database");
    busy(&mut branch, 2, 5_000);
    let stopped = Stopped::after(&branch, Some(stopped)).await;
    stopped.store.put_roots(stored, &roots).expect("room");
    let (state, loaded) = stopped.start();
    let all = state.tree.bucket_roots().len();
    assert!((2..all / 2).contains(&loaded), "what was touched: {loaded} of {all}");
    stopped.assert_is(state, &branch);

    // Roots that are not what they say are of no use, and do no harm.
    let mut wrong = roots.clone();
    wrong.swap(0, 1);
    stopped.store.put_roots(stored, &wrong).expect("room");
    let (state, loaded) = stopped.start();
    assert_eq!(loaded, state.tree.bucket_roots().len(), "all were read");
    stopped.assert_is(state, &branch);

    // A block that is followed no more.
    let mut other = Branch::new(&fixture.spec);
    busy(&mut other, 100, 1_000);
    busy(&mut other, 120, 9_000);
    let stopped = Stopped::after(&other, Some(stopped)).await;
    stopped.store.put_roots(stored, &roots).expect("room");
    let (state, loaded) = stopped.start();
    assert_eq!(loaded, state.tree.bucket_roots().len(), "all were read");
    stopped.assert_is(state, &other);
}

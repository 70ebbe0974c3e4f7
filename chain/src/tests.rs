//! The writer against chains made by the ledger's own rules: every state is compared with a replay.

use super::*;
use crate::store::DbOptions;
use crate::verdict::{Origin, PeerNumber};
use cairn_ledger::testing::{self, MemoryState, key, payment};
use cairn_ledger::validate::{check_header, check_work};
use cairn_ledger::{
    Account, Address, Amount, Block, BlockError, Body, ChainContext, ChainSpec, CheckedBlock, Hash, Header,
    HeaderError, Timestamp, Transaction,
};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::broadcast::error::TryRecvError;

mod accounts;
mod healing;
mod index;
mod other_rules;
mod paths;
mod proofs;
mod pruning;
mod reorganisations;
mod snapshots;
mod start;
mod stretches;

const PEER: Origin = Origin::Peer(PeerNumber(1));

/// A chain under construction, by the rules alone.
#[derive(Clone)]
struct Branch {
    spec: Arc<ChainSpec>,
    context: ChainContext,
    state: MemoryState,
    blocks: Vec<Block>,
}

impl Branch {
    fn new(spec: &Arc<ChainSpec>) -> Self {
        let (context, state) = (ChainContext::genesis(spec), testing::genesis_state(spec));
        Self { spec: spec.clone(), context, state, blocks: Vec::new() }
    }

    /// Mines a block, `late` ms later than the interval, and follows it.
    fn mine(&mut self, transactions: Vec<Transaction>, late: u64) -> &Block {
        let time = self.context.header().time.saturating_add(self.spec.params().interval_ms + late);
        let block = testing::mine_at(&self.spec, &self.context, &self.state, transactions, time);
        self.follow(block)
    }

    /// Mines a block for `beneficiary` and follows it.
    fn mine_for(&mut self, beneficiary: Address, transactions: Vec<Transaction>) -> &Block {
        let time = self.context.header().time.saturating_add(self.spec.params().interval_ms);
        let block = testing::mine_for(&self.spec, &self.context, &self.state, transactions, beneficiary, time);
        self.follow(block)
    }

    fn follow(&mut self, block: Block) -> &Block {
        self.context = self.state.follow(&self.spec, &self.context, block.clone());
        self.blocks.push(block);
        self.blocks.last().expect("just pushed")
    }

    fn mine_many(&mut self, count: usize, late: u64) {
        (0..count).for_each(|_| {
            self.mine(vec![], late);
        });
    }

    /// A payment by key `from` that fits the state here.
    fn pay(&self, from: u64, to: u64, amount: u64) -> Transaction {
        let nonce = self.state.nonce(&key(from).address());
        payment(&self.spec, &key(from), nonce, key(to).address(), amount, 1000)
    }

    fn state_root(&self) -> Hash {
        self.state.tree().state_root()
    }
}

/// A writer on a directory of its own.
struct Fixture {
    spec: Arc<ChainSpec>,
    directory: TempDir,
    chain: ChainHandle,
    running: Chain,
}

/// Memory for some fifty accounts: the others are on the disk.
const LITTLE: fn() -> DbOptions = || DbOptions { account_bytes: Some(15_000), ..DbOptions::default() };

impl Fixture {
    fn new() -> Self {
        Self::with(LITTLE())
    }

    fn with(options: DbOptions) -> Self {
        Self::on(testing::easy_network(), options)
    }

    fn on(spec: ChainSpec, options: DbOptions) -> Self {
        let spec = Arc::new(spec);
        let directory = tempfile::tempdir().expect("a directory");
        let (chain, running) = spawn(spec.clone(), directory.path(), options).expect("a chain");
        Self { spec, directory, chain, running }
    }

    async fn restart(self) -> Self {
        self.restart_with(LITTLE()).await
    }

    async fn restart_with(self, options: DbOptions) -> Self {
        let Self { spec, directory, chain, running } = self;
        chain.stop().await;
        running.ended().await.expect("an orderly end");
        drop(chain);
        let (chain, running) = spawn(spec.clone(), directory.path(), options).expect("the same chain");
        Self { spec, directory, chain, running }
    }

    async fn link(&self, header: &Header) -> HeaderOutcome {
        let outcomes = self.chain.link_headers(PEER, vec![header.clone()]).await.expect("an answer");
        outcomes.into_iter().next().expect("one outcome")
    }

    async fn import(&self, block: &Block) -> BlockOutcome {
        match self.link(&block.header).await {
            HeaderOutcome::Linked(linked) => {
                let import = self.chain.import(linked, block.body.clone()).await.expect("an import");
                import.outcome().await.expect("an outcome")
            }
            HeaderOutcome::Known { .. } => BlockOutcome::Known,
            // As after a presync.
            HeaderOutcome::Unwanted => {
                let outcomes = self.chain.link_presynced(PEER, vec![block.header.clone()]).await.expect("an answer");
                let Some(HeaderOutcome::Linked(linked)) = outcomes.into_iter().next() else { panic!("not linked") };
                let import = self.chain.import(linked, block.body.clone()).await.expect("an import");
                import.outcome().await.expect("an outcome")
            }
            other => panic!("not linked: {other:?}"),
        }
    }

    async fn import_all(&self, blocks: &[Block]) {
        for block in blocks {
            let outcome = self.import(block).await;
            assert!(
                matches!(outcome, BlockOutcome::Connected | BlockOutcome::Waiting | BlockOutcome::Known),
                "{outcome:?}"
            );
        }
    }

    /// The chain stands where `branch` does, in every respect, on the disk and in memory, once nothing is under way.
    async fn assert_at(&self, branch: &Branch) {
        self.chain.sync().await.expect("an answer");
        let tip = self.chain.tip();
        assert_eq!((tip.height(), tip.id), (branch.context.header().height, branch.context.id()));
        assert_eq!(tip.header.state_root, branch.state_root());
        assert_eq!(tip.total_work, branch.context.total_work());
        assert_eq!(self.chain.connecting(), tip.height(), "nothing is under way");
        for leaf in branch.state.leaves().iter().skip(1) {
            let account = self.chain.reader().account(&leaf.address).expect("a reading store");
            assert_eq!(account, Some(leaf.account));
            assert_eq!(self.proven(branch, leaf.address).await, Some(leaf.account));
            let mut above = *leaf.address.as_bytes();
            above[31] ^= 1;
            let (above, leaves) = (Address::from_bytes(above), branch.state.leaves());
            let there = leaves.iter().find(|leaf| leaf.address == above).map(|leaf| leaf.account);
            assert_eq!(self.proven(branch, above).await, there);
        }
        self.audit().expect("every invariant holds");
    }

    fn audit(&self) -> Result<audit::AuditReport, audit::AuditError> {
        audit::audit(&self.chain.reader().store(), self.chain.reader().spec())
    }

    /// What the writer proves of an address at the tip.
    async fn proven(&self, branch: &Branch, address: Address) -> Option<Account> {
        let proven = self.chain.prove(address).await.expect("a proof");
        proven.proof.verify(&address, &branch.state_root()).expect("it holds")
    }
}

#[tokio::test]
async fn blocks_are_connected_in_order_and_survive_a_restart() {
    let node = Fixture::new();
    let mut branch = Branch::new(&node.spec);
    for n in 0..20 {
        let payments = vec![branch.pay(1, 100 + n, 5_000), branch.pay(2, 3, 70)];
        branch.mine(payments, n);
    }
    for block in &branch.blocks {
        assert_eq!(node.import(block).await, BlockOutcome::Connected);
        assert_eq!(node.import(block).await, BlockOutcome::Known);
    }
    node.assert_at(&branch).await;
    let node = node.restart().await;
    node.assert_at(&branch).await;
    branch.mine(vec![], 0);
    assert_eq!(node.import(&branch.blocks[20]).await, BlockOutcome::Connected);
    node.assert_at(&branch).await;
}

#[tokio::test]
async fn bodies_that_arrive_in_any_order_wait_for_their_parents() {
    let node = Fixture::new();
    let mut branch = Branch::new(&node.spec);
    branch.mine_many(150, 0);
    let headers = branch.blocks.iter().map(|block| block.header.clone()).collect();
    let outcomes = node.chain.link_headers(PEER, headers).await.expect("an answer");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, HeaderOutcome::Linked(_))));
    assert_eq!(node.chain.best_header().get(), 150);
    for block in branch.blocks.iter().skip(1).rev() {
        assert_eq!(node.import(block).await, BlockOutcome::Waiting);
    }
    assert_eq!(node.chain.tip().height().get(), 0);
    assert_eq!(node.import(&branch.blocks[0]).await, BlockOutcome::Connected);
    node.assert_at(&branch).await;
}

/// Two branches that spend the same money differently; the node sees `depth` blocks of the first, then
/// the longer second.
async fn reorganise(depth: usize) {
    let node = Fixture::new();
    let mut stem = Branch::new(&node.spec);
    stem.mine_many(3, 0);
    let (mut left, mut right) = (stem.clone(), stem);
    for n in 0..depth as u64 {
        let spends = if n % 50 == 0 { vec![left.pay(1, 200 + n, 10_000), left.pay(4, 5, 1)] } else { vec![] };
        left.mine(spends, 1);
    }
    for n in 0..=depth as u64 {
        let spends = if n % 50 == 0 { vec![right.pay(1, 300 + n, 20_000)] } else { vec![] };
        right.mine(spends, 0);
    }
    node.import_all(&left.blocks).await;
    node.assert_at(&left).await;
    let mut events = node.chain.subscribe();
    node.import_all(&right.blocks).await;
    node.assert_at(&right).await;
    let event = events.recv().await.expect("an event");
    assert_eq!((event.left, event.tip.id), (Some(left.context.id()), node.chain.tip().id));
    assert!(matches!(events.try_recv(), Err(TryRecvError::Empty)), "one, however long it is");
    let node = node.restart().await;
    node.assert_at(&right).await;
    // And back again, as a stored branch grows.
    left.mine_many(3, 0);
    node.import_all(&left.blocks).await;
    node.assert_at(&left).await;
}

#[tokio::test]
async fn a_reorganisation_of_1_block_equals_a_fresh_replay() {
    reorganise(1).await;
}

#[tokio::test]
async fn a_reorganisation_of_10_blocks_equals_a_fresh_replay() {
    reorganise(10).await;
}

#[tokio::test]
async fn a_reorganisation_of_1000_blocks_equals_a_fresh_replay() {
    reorganise(1000).await;
}

#[tokio::test]
async fn a_tie_stays_with_the_first_seen() {
    let node = Fixture::new();
    let (mut first, mut second) = (Branch::new(&node.spec), Branch::new(&node.spec));
    first.mine(vec![], 0);
    second.mine(vec![], 1);
    assert_eq!(node.import(&first.blocks[0]).await, BlockOutcome::Connected);
    assert_eq!(node.import(&second.blocks[0]).await, BlockOutcome::Waiting);
    node.assert_at(&first).await;
}

/// A block whose header promises another state root than its transactions give.
fn false_state_root(branch: &Branch) -> Block {
    let mut block = branch.clone().mine(vec![], 0).clone();
    block.header.state_root = testing::arbitrary_hash(1);
    block.header = testing::seal(block.header);
    block
}

#[tokio::test]
async fn an_invalid_block_and_its_children_are_refused_and_nothing_changes() {
    let node = Fixture::new();
    let mut branch = Branch::new(&node.spec);
    branch.mine_many(2, 0);
    node.import_all(&branch.blocks).await;
    let bad = false_state_root(&branch);
    assert!(matches!(node.import(&bad).await, BlockOutcome::Invalid(BlockError::StateRoot { .. })));
    assert!(matches!(node.link(&bad.header).await, HeaderOutcome::InvalidAncestor));
    let mut child = bad.header.clone();
    child.parent = bad.header.id();
    let child = testing::seal(child);
    assert!(matches!(node.link(&child).await, HeaderOutcome::InvalidAncestor));
    node.assert_at(&branch).await;
    // The honest block at the same height is not harmed.
    branch.mine(vec![], 0);
    assert_eq!(node.import(&branch.blocks[2]).await, BlockOutcome::Connected);
    node.assert_at(&branch).await;
}

#[tokio::test]
async fn a_branch_that_turns_out_invalid_leaves_the_chain_as_it_was() {
    let node = Fixture::new();
    let mut stem = Branch::new(&node.spec);
    let spend = stem.pay(1, 2, 77);
    stem.mine(vec![spend], 0);
    let (mut ours, mut theirs) = (stem.clone(), stem);
    let spend = ours.pay(3, 400, 5);
    ours.mine(vec![spend], 1);
    ours.mine(vec![], 1);
    for (from, to) in [(3, 401), (1, 402)] {
        let spend = theirs.pay(from, to, 6);
        theirs.mine(vec![spend], 0);
    }
    let bad = false_state_root(&theirs);
    node.import_all(&ours.blocks).await;
    node.import_all(&theirs.blocks).await;
    // Connecting the bad block would disconnect two, connect two, and then fail.
    assert!(matches!(node.import(&bad).await, BlockOutcome::Invalid(_)));
    node.assert_at(&ours).await;
    theirs.mine_many(2, 0);
    node.import_all(&theirs.blocks).await;
    node.assert_at(&theirs).await;
}

#[tokio::test]
async fn a_run_that_ends_below_its_goal_is_over() {
    let node = Fixture::new();
    let mut branch = Branch::new(&node.spec);
    branch.mine_many(100, 0);
    let bad = false_state_root(&branch);
    let headers = branch.blocks.iter().chain([&bad]).map(|block| block.header.clone()).collect();
    node.chain.link_headers(PEER, headers).await.expect("an answer");
    assert_eq!(node.import(&bad).await, BlockOutcome::Waiting);
    for block in branch.blocks.iter().rev() {
        node.import(block).await;
    }
    node.assert_at(&branch).await;
}

#[tokio::test]
async fn a_mutated_body_does_not_speak_against_its_block() {
    let node = Fixture::new();
    let mut branch = Branch::new(&node.spec);
    let spend = branch.pay(1, 2, 1000);
    let block = branch.mine(vec![spend], 0).clone();
    let HeaderOutcome::Linked(linked) = node.link(&block.header).await else { panic!("not linked") };
    for mutated in [vec![], vec![block.body[0].clone(), block.body[0].clone()]] {
        let body = Body::new(mutated).expect("a short body");
        let mut import = node.chain.import(linked.clone(), body).await.expect("an import");
        assert!(matches!(import.matched().await, Ok(Err(BlockError::TxsRoot { .. }))));
        assert!(matches!(import.outcome().await, Ok(BlockOutcome::Invalid(BlockError::TxsRoot { .. }))));
    }
    assert_eq!(node.import(&block).await, BlockOutcome::Connected);
    node.assert_at(&branch).await;
}

#[tokio::test]
async fn an_early_block_waits_and_an_orphan_finds_its_parent() {
    let node = Fixture::new();
    let mut branch = Branch::new(&node.spec);
    branch.mine_many(3, 0);
    let early = testing::mine_at(
        &node.spec,
        &ChainContext::genesis(&node.spec),
        &testing::genesis_state(&node.spec),
        vec![],
        cairn_common::clock::now().saturating_add(3_600_000),
    );
    assert!(matches!(node.link(&early.header).await, HeaderOutcome::Early));
    assert!(matches!(node.link(&early.header).await, HeaderOutcome::Early), "nothing is remembered of it");
    for at in [2, 1] {
        let parent = branch.blocks[at].header.parent;
        let outcome = node.link(&branch.blocks[at].header).await;
        assert!(matches!(outcome, HeaderOutcome::Orphan { parent: missing } if missing == parent));
    }
    assert!(matches!(node.link(&branch.blocks[0].header).await, HeaderOutcome::Linked(_)));
    assert_eq!(node.chain.best_header().get(), 3, "the orphans were linked behind their parent");
    node.import_all(&branch.blocks).await;
    node.assert_at(&branch).await;
}

#[tokio::test]
async fn only_headers_near_the_tip_are_kept_of_lighter_branches() {
    let node = Fixture::new();
    let mut stem = Branch::new(&node.spec);
    stem.mine_many(3, 0);
    let (mut ours, mut far) = (stem.clone(), stem);
    ours.mine_many(50, 0);
    let mut near = ours.clone();
    ours.mine_many(150, 0);
    near.mine_many(30, 1);
    far.mine_many(300, 1);
    node.import_all(&ours.blocks).await;
    assert!(matches!(node.link(&near.blocks[53].header).await, HeaderOutcome::Unwanted), "149 blocks behind");
    let headers: Vec<Header> = far.blocks[3..].iter().map(|block| block.header.clone()).collect();
    let outcomes = node.chain.link_headers(PEER, headers.clone()).await.expect("an answer");
    assert!(matches!(outcomes[..], [HeaderOutcome::Unwanted]), "the rest is not looked at");
    // What was shown to have more work is taken in from its beginning.
    let outcomes = node.chain.link_presynced(PEER, headers).await.expect("an answer");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, HeaderOutcome::Linked(_))));
    assert_eq!(node.chain.best_header().get(), 303);
    let mut fork = ours.clone();
    ours.mine_many(100, 0);
    fork.mine_many(90, 1);
    node.import_all(&ours.blocks).await;
    assert!(matches!(node.link(&fork.blocks[203].header).await, HeaderOutcome::Linked(_)), "a hundred blocks behind");
}

#[tokio::test]
async fn headers_that_break_a_rule_are_refused_with_it() {
    let node = Fixture::new();
    let mut branch = Branch::new(&node.spec);
    branch.mine_many(3, 0);
    let header = branch.blocks[0].header.clone();
    let not_rising = testing::seal(Header { time: node.spec.genesis().time, ..header.clone() });
    let outcome = node.link(&not_rising).await;
    assert!(matches!(outcome, HeaderOutcome::Invalid(HeaderError::TimeNotRising { .. })), "{outcome:?}");
    let no_work = (0..).map(|nonce| Header { nonce, ..header.clone() });
    let target = header.target.decode().expect("a target");
    let no_work = no_work.into_iter().find(|header| !target.is_met_by(&header.id())).expect("half of them");
    assert!(matches!(node.link(&no_work).await, HeaderOutcome::Invalid(HeaderError::Work { .. })));
    assert!(matches!(node.link(&header).await, HeaderOutcome::Linked(_)), "the honest neighbour");
}

#[tokio::test]
async fn a_template_becomes_the_next_block_and_leaves_out_what_does_not_fit() {
    let node = Fixture::new();
    let mut branch = Branch::new(&node.spec);
    branch.mine_many(2, 0);
    node.import_all(&branch.blocks).await;
    let fits = branch.pay(1, 500, 123);
    let wrong_nonce = payment(&node.spec, &key(2), 9, key(3).address(), 1, 1);
    let too_much = payment(&node.spec, &key(3), 0, key(4).address(), 2_000_000_000_000, 1);
    let transactions = testing::checked(&node.spec, vec![wrong_nonce, fits.clone(), too_much]);
    let time = Timestamp::default();
    let request = TemplateRequest { beneficiary: key(7).address(), transactions, time };
    let template = node.chain.template(request).await.expect("a template");
    assert_eq!(template.header.time, branch.context.header().time.saturating_add(1), "later than its parent");
    assert_eq!(template.fees, testing::pebbles(1000));
    let block = Block { header: testing::seal(template.header.clone()), body: template.body() };
    assert_eq!(&block.body[..], &[fits]);
    assert_eq!(node.import(&block).await, BlockOutcome::Connected);
    branch.follow(block);
    node.assert_at(&branch).await;
}

#[tokio::test]
async fn proofs_at_the_tip_show_what_is_there_and_what_is_not() {
    let node = Fixture::new();
    let mut branch = Branch::new(&node.spec);
    let spend = branch.pay(1, 600, 42);
    branch.mine(vec![spend], 0);
    node.import_all(&branch.blocks).await;
    for n in 0..700 {
        let address = key(n).address();
        let proven = node.chain.prove(address).await.expect("a proof");
        let shown = proven.proof.verify(&address, &proven.tip.header.state_root).expect("it holds");
        assert_eq!(shown.map_or(Amount::ZERO, |account| account.balance), branch.state.balance(&address));
    }
}

#[tokio::test]
async fn a_locator_finds_the_fork() {
    let node = Fixture::new();
    let mut stem = Branch::new(&node.spec);
    stem.mine_many(30, 0);
    let (mut ours, mut theirs) = (stem.clone(), stem);
    ours.mine_many(5, 0);
    theirs.mine_many(3, 1);
    node.import_all(&ours.blocks).await;
    let other = Fixture::new();
    other.import_all(&theirs.blocks).await;
    let locator = other.chain.reader().locator().expect("a locator");
    assert_eq!(locator.last(), Some(&node.spec.genesis_id()));
    let headers = node.chain.reader().headers_after(&locator, 2000).expect("headers");
    assert_eq!(headers.last().map(Header::id), Some(ours.context.id()));
    let first = headers.first().expect("some").height.get();
    assert!(first > 25 && first <= 31, "begins at or shortly below the fork: {first}");
    let capped = node.chain.reader().headers_after(&locator, 2).expect("headers");
    assert_eq!(capped.len(), 2);
}

/// A random tree of branches whose blocks arrive in a random order: in the end the chain stands on a
/// branch with the most work, in the state that a replay gives.
/// The pool reads few accounts where it must not wait for a disk.
#[tokio::test]
async fn what_is_in_memory_is_read_without_the_disk_and_nothing_else() {
    let node = Fixture::new();
    let mut branch = Branch::new(&node.spec);
    let payment = branch.pay(1, 2, 5_000);
    let txid = payment.id();
    branch.mine(vec![payment], 0);
    node.import_all(&branch.blocks).await;
    let resident = |node: &Fixture| node.chain.reader().resident(|reader| reader.is_mined(&txid));
    assert_eq!(resident(&node), Some(true), "just written");
    let node = node.restart().await;
    assert_eq!(resident(&node), None, "in a file that nobody has read");
    assert!(node.chain.reader().is_mined(&txid).expect("a reading store"));
    assert_eq!(resident(&node), Some(true), "cached since");
}

async fn random_arrival(seed: u64) {
    let (node, followed) = arrive(Fixture::new(), seed).await;
    let node = node.restart().await;
    node.assert_at(&followed).await;
}

/// Has the blocks of a random tree arrive; gives the branch that is followed in the end.
async fn arrive(node: Fixture, seed: u64) -> (Fixture, Branch) {
    let mut random = Random(seed | 1);
    let mut branches = vec![Branch::new(&node.spec)];
    for _ in 0..60 {
        let mut branch = branches[random.below(branches.len())].clone();
        for _ in 0..=random.below(4) {
            let spends = if random.below(2) == 0 { vec![branch.pay(1, 1000 + seed % 97, 5)] } else { vec![] };
            let late = random.below(3000) as u64;
            branch.mine(spends, late);
        }
        branches.push(branch);
    }
    let mut blocks: Vec<Block> = branches.iter().flat_map(|branch| branch.blocks.iter().cloned()).collect();
    blocks.sort_by_key(|block| block.header.id());
    blocks.dedup();
    for at in (1..blocks.len()).rev() {
        blocks.swap(at, random.below(at + 1));
    }
    // Whatever does not link yet is sent again, as peers do.
    while !blocks.is_empty() {
        let mut again = Vec::new();
        for block in blocks {
            match node.link(&block.header).await {
                HeaderOutcome::Linked(linked) => {
                    let import = node.chain.import(linked, block.body.clone()).await.expect("an import");
                    assert!(!matches!(import.outcome().await, Ok(BlockOutcome::Invalid(_)) | Err(_)));
                }
                HeaderOutcome::Orphan { .. } => again.push(block),
                HeaderOutcome::Known { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        blocks = again;
    }
    let most = branches.iter().map(|branch| branch.context.total_work()).max().expect("branches");
    let tip = node.chain.tip();
    assert_eq!(tip.total_work, most);
    let followed = branches.into_iter().find(|branch| branch.context.id() == tip.id).expect("one of the branches");
    node.assert_at(&followed).await;
    (node, followed)
}

/// A small deterministic generator (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[tokio::test]
async fn any_order_of_arrival_ends_on_a_branch_with_the_most_work() {
    for seed in 1..=5 {
        random_arrival(seed * 7919).await;
    }
}

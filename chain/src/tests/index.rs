//! The index of addresses against a scan of the chain.

use super::*;
use crate::store::{ChainStore, Durability, REWARD, put_indexed, schema};
use crate::{HistoryPage, HistoryQuery, NoHistory};
use cairn_ledger::{Address, ChainSpec, Height};
use std::{collections::BTreeSet, time::Duration};

const ON: fn() -> DbOptions = || DbOptions { address_index: true, ..LITTLE() };

/// Where, and what was sent and received there in pebbles.
type Told = (u64, u32, u64, u64);

/// What touched an address, newest first, by looking at every transaction of the chain, with all who have an account.
fn scan(branch: &Branch, address: &Address) -> Vec<Told> {
    let price = branch.spec.params().account_price.pebbles();
    let mut there: BTreeSet<Address> = branch.spec.genesis_leaves().iter().map(|leaf| leaf.address).collect();
    let mut told = Vec::new();
    for block in &branch.blocks {
        let height = block.header.height.get();
        let mut reward = branch.spec.subsidy(block.header.height).pebbles();
        for (transaction, place) in block.body.iter().zip(0..) {
            let body = &transaction.body;
            reward += body.fee.pebbles();
            let created = body.outputs.iter().filter(|output| there.insert(output.to)).count() as u64;
            let paid = body.outputs.iter().filter(|output| output.to == *address).map(|output| output.amount.pebbles());
            let received: u64 = paid.sum();
            let sent = if body.sender == *address { body.total() + created * price } else { 0 };
            if sent > 0 || received > 0 {
                told.push((height, place, sent, received));
            }
        }
        let beneficiary = block.header.beneficiary;
        let rest = if there.contains(&beneficiary) { reward } else { reward.saturating_sub(price) };
        if rest > 0 {
            there.insert(beneficiary);
        }
        if beneficiary == *address && rest > 0 {
            told.push((height, REWARD, 0, rest));
        }
    }
    told.reverse();
    told
}

fn told(page: &HistoryPage) -> Vec<Told> {
    let tell = |touched: &Touched| {
        let height = touched.block.header().height.get();
        (height, touched.place, touched.sent.pebbles(), touched.received.pebbles())
    };
    page.touched.iter().map(tell).collect()
}

impl Fixture {
    fn ask(&self, address: Address, before: Option<&HistoryPage>, count: usize) -> Result<HistoryPage, NoHistory> {
        let since = before.map(|page| page.tip.id());
        let query = HistoryQuery { address, before: before.and_then(|page| page.next), since, count };
        self.chain.reader().history(&query).expect("a reading store")
    }

    /// The whole history of an address, three entries a page.
    fn history(&self, address: Address) -> Vec<Told> {
        let mut page = self.ask(address, None, 3).expect("a page");
        let mut all = told(&page);
        while page.next.is_some() {
            assert_eq!(page.touched.len(), 3, "only the last page is short");
            page = self.ask(address, Some(&page), 3).expect("a page");
            assert_eq!(page.fork, None);
            all.extend(told(&page));
        }
        all
    }

    /// The index says what a scan of `branch` finds, of everybody in it and of one who is not.
    fn assert_told(&self, branch: &Branch) {
        for leaf in branch.state.leaves().iter().skip(1) {
            assert_eq!(self.history(leaf.address), scan(branch, &leaf.address), "{}", leaf.address);
        }
        assert_eq!(self.history(key(999_999).address()), []);
    }

    fn indexed(&self) -> Option<u64> {
        self.chain.reader().indexed().expect("a reading store").map(Height::get)
    }

    async fn whole(&self) {
        let whole = async {
            while self.indexed() != Some(self.chain.tip().height().get()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), whole).await.expect("the index is built");
    }
}

/// A chain with payments in every block, among few and to ever new ones.
fn busy(spec: &Arc<ChainSpec>, blocks: u64) -> Branch {
    let mut branch = Branch::new(spec);
    for n in 0..blocks {
        let payments = vec![branch.pay(1, 2, 7 + n), branch.pay(2, 1_000 + n, 5), branch.pay(3, 3, 11)];
        branch.mine(payments, 0);
    }
    branch
}

#[tokio::test]
async fn the_index_says_what_a_scan_finds_after_random_blocks_and_reorganisations() {
    for seed in 1..=3 {
        let (node, followed) = arrive(Fixture::with(ON()), seed * 104_729).await;
        assert_eq!(node.indexed(), Some(followed.blocks.len() as u64), "kept with every import");
        node.assert_told(&followed);
        let node = node.restart_with(ON()).await;
        node.assert_told(&followed);
    }
}

#[tokio::test]
async fn a_reorganisation_takes_out_what_it_disconnects() {
    let node = Fixture::with(ON());
    let stem = busy(&node.spec, 4);
    let (mut left, mut right) = (stem.clone(), stem);
    for n in 0..12 {
        let spends = vec![left.pay(1, 5_000 + n, 3), left.pay(4, 2, 9)];
        left.mine(spends, 1);
    }
    node.import_all(&left.blocks).await;
    node.assert_told(&left);
    // The same places in the tree go to other addresses.
    for n in 0..14 {
        let spends = vec![right.pay(1, 6_000 + n, 3)];
        right.mine(spends, 0);
    }
    node.import_all(&right.blocks).await;
    node.assert_at(&right).await;
    node.assert_told(&right);
    assert_eq!(node.history(key(5_000).address()), []);
}

/// A network whose blocks pay their fees alone.
fn without_subsidy() -> ChainSpec {
    let mut params = testing::easy_params();
    params.subsidy = Amount::ZERO;
    ChainSpec::new(params).expect("valid parameters")
}

/// A miner without an account, a reward that makes none, and then one: the index once took it for a broken store that
/// the beneficiary of a connected block had no account.
#[tokio::test]
async fn a_reward_that_was_burned_is_told_nowhere() {
    let [late, never, rich] = [500, 501, 502].map(|n| key(n).address());
    for (options, build) in [(ON(), false), (DbOptions::default(), true)] {
        let mut node = Fixture::on(without_subsidy(), options);
        let mut stem = Branch::new(&node.spec);
        let fee = |branch: &Branch, from, fee| {
            let nonce = branch.state.nonce(&key(from).address());
            payment(&branch.spec, &key(from), nonce, key(2).address(), 5, fee)
        };
        stem.mine_for(late, vec![]);
        for beneficiary in [late, never] {
            let payment = fee(&stem, 1, 1_000);
            stem.mine_for(beneficiary, vec![payment]);
        }
        let mut other = stem.clone();
        let paid = vec![stem.pay(1, 500, 7)];
        stem.mine_for(late, paid);
        let payment = fee(&stem, 3, 999);
        stem.mine_for(late, vec![payment]);
        let payment = fee(&stem, 3, 1_001);
        stem.mine_for(rich, vec![payment]);
        node.import_all(&stem.blocks).await;
        node.assert_at(&stem).await;
        if build {
            node = node.restart_with(ON()).await;
            node.whole().await;
        }
        node.assert_told(&stem);
        assert_eq!(node.history(late), [(5, REWARD, 0, 999), (4, REWARD, 0, 1_000), (4, 0, 0, 7)]);
        assert_eq!((node.history(never), node.history(rich)), (vec![], vec![(6, REWARD, 0, 1)]));
        // Where the account never came, the reward of before is burned as ever.
        other.mine_many(5, 1);
        node.import_all(&other.blocks).await;
        node.assert_at(&other).await;
        node.assert_told(&other);
        assert_eq!(node.history(late), []);
    }
}

#[tokio::test]
async fn it_is_built_for_blocks_that_were_imported_without_while_others_come() {
    let node = Fixture::new();
    let mut branch = busy(&node.spec, 60);
    node.import_all(&branch.blocks).await;
    assert_eq!(node.indexed(), None);
    assert_eq!(node.ask(key(1).address(), None, 3).map(|page| told(&page)), Err(NoHistory::Off));
    let node = node.restart_with(ON()).await;
    // Blocks come in between, and a branch that takes back some of the old ones.
    let mut other = busy(&node.spec, 50);
    other.mine_many(20, 0);
    for n in 0..8 {
        let spend = vec![branch.pay(1, 7_000 + n, 1)];
        branch.mine(spend, 0);
    }
    node.import_all(&branch.blocks[60..]).await;
    node.import_all(&other.blocks).await;
    node.chain.sync().await.expect("an answer");
    node.whole().await;
    let followed = if node.chain.tip().id == other.context.id() { &other } else { &branch };
    node.assert_at(followed).await;
    node.assert_told(followed);
    branch.mine_many(10, 0);
    node.import_all(&branch.blocks).await;
    node.assert_at(&branch).await;
    node.assert_told(&branch);
}

#[tokio::test]
async fn a_build_that_was_interrupted_goes_on_where_it_was() {
    let node = Fixture::new();
    let branch = busy(&node.spec, 40);
    node.import_all(&branch.blocks).await;
    let Fixture { spec, directory, chain, running } = node;
    chain.stop().await;
    running.ended().await.expect("an orderly end");
    drop(chain);
    // As a crash leaves it: some blocks are in, the rest is not.
    let part = {
        let store = Arc::new(ChainStore::open(directory.path(), &spec, ON()).expect("a store"));
        assert!(crate::index::prepare(&store, true).expect("it is switched on"));
        while store.indexed().expect("on").is_some_and(|height| height.get() < 25) {
            let more = crate::index::build_next(&store, &spec).expect("a block");
            assert!(more, "there is more to do");
        }
        store.indexed().expect("on").expect("on").get()
    };
    let (chain, running) = spawn(spec.clone(), directory.path(), ON()).expect("the same chain");
    let node = Fixture { spec, directory, chain, running };
    assert!(node.indexed().is_some_and(|height| height >= part), "nothing is built twice");
    node.whole().await;
    node.assert_told(&branch);
    node.assert_at(&branch).await;
}

#[tokio::test]
async fn while_it_is_being_built_the_answer_says_how_far_it_is() {
    let node = Fixture::new();
    let branch = busy(&node.spec, 5);
    node.import_all(&branch.blocks).await;
    let store = node.chain.reader().store();
    let mut batch = store.batch(0);
    put_indexed(&mut batch, Height::new(2));
    batch.write(Durability::Buffered).expect("written");
    let told = node.ask(key(1).address(), None, 3).map(|page| page.touched.len());
    assert_eq!(told, Err(NoHistory::Building { built: Height::new(2), tip: Height::new(5) }));
}

#[tokio::test]
async fn switched_off_it_is_gone_and_switched_on_it_is_whole_again() {
    let node = Fixture::with(ON());
    let branch = busy(&node.spec, 10);
    node.import_all(&branch.blocks).await;
    let node = node.restart_with(DbOptions::default()).await;
    assert_eq!((node.indexed(), node.chain.reader().store().touches().count()), (None, 0));
    node.assert_at(&branch).await;
    let node = node.restart_with(ON()).await;
    node.whole().await;
    node.assert_told(&branch);
}

#[tokio::test]
async fn an_audit_finds_what_the_index_lacks_and_what_it_has_too_much() {
    let node = Fixture::with(ON());
    let branch = busy(&node.spec, 6);
    node.import_all(&branch.blocks).await;
    let store = node.chain.reader().store();
    let touch = store.touches().next().expect("some").expect("readable");
    let change = |there: bool, key: &schema::TouchKey| {
        let mut batch = store.batch(0);
        match there {
            true => batch.put::<schema::TouchByAccount>(key, &()),
            false => batch.delete::<schema::TouchByAccount>(key),
        }
        batch.write(Durability::Buffered).expect("written");
    };
    change(false, &touch);
    assert!(matches!(node.audit(), Err(audit::AuditError::Unindexed { .. })));
    change(true, &touch);
    node.audit().expect("the control: whole again");
    let stray = schema::TouchKey { place: 77, ..touch };
    change(true, &stray);
    assert!(matches!(node.audit(), Err(audit::AuditError::Touches { got, expected }) if got == expected + 1));
}

#[tokio::test]
async fn pages_stay_as_they_are_when_blocks_come_and_name_a_reorganisation() {
    let node = Fixture::with(ON());
    let mut branch = busy(&node.spec, 10);
    node.import_all(&branch.blocks).await;
    let address = key(1).address();
    let expected = scan(&branch, &address);
    let first = node.ask(address, None, 4).expect("a page");
    let mut other = branch.clone();
    let spend = vec![branch.pay(1, 2, 1)];
    branch.mine(spend, 1);
    node.import_all(&branch.blocks[10..]).await;
    let second = node.ask(address, Some(&first), 4).expect("a page");
    assert_eq!(second.fork, None);
    assert_eq!([told(&first), told(&second)].concat(), expected[..8], "a new block moves nothing");

    // The block that was told last is left: the next page says above which height the chain is another.
    let third = node.ask(address, None, 4).expect("a page");
    other.mine_many(3, 0);
    node.import_all(&other.blocks[10..]).await;
    node.assert_at(&other).await;
    let fourth = node.ask(address, Some(&third), 100).expect("a page");
    assert_eq!(fourth.fork, Some(Height::new(10)));
    assert_eq!(told(&node.ask(address, None, 100).expect("a page")), scan(&other, &address));
    let unknown = HistoryQuery { address, before: None, since: Some(testing_id(1)), count: 1 };
    let refused = node.chain.reader().history(&unknown).expect("a reading store").map(|page| page.touched.len());
    assert_eq!(refused, Err(NoHistory::UnknownTip(testing_id(1))));
}

fn testing_id(n: u64) -> cairn_ledger::hash::BlockId {
    cairn_ledger::hash::BlockId::from_bytes(*testing::arbitrary_hash(n).as_bytes())
}

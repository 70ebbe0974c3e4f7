//! Headers under rules that are not known here.

use super::*;
use cairn_ledger::{Height, testing::pebbles, upgrades::Upgrade};

/// The easy network with accounts of another price from block `height` on.
fn upgraded(height: u64, price: u64) -> ChainSpec {
    let upgrade = Upgrade {
        height: Height::new(height),
        name: String::from("dear"),
        max_block_bytes: None,
        max_new_accounts: None,
        account_price: Some(pebbles(price)),
        feature: None,
    };
    testing::easy_network().with_upgrades(vec![upgrade]).expect("a good upgrade")
}

/// A chain under an upgrade at block 3, and its headers.
fn other_rules_branch(blocks: usize) -> (Branch, Vec<Header>) {
    let mut branch = Branch::new(&Arc::new(upgraded(3, 7)));
    branch.mine_many(blocks, 0);
    let headers = branch.blocks.iter().map(|block| block.header.clone()).collect();
    (branch, headers)
}

impl Fixture {
    async fn outcomes(&self, headers: &[Header]) -> Vec<HeaderOutcome> {
        self.chain.link_headers(PEER, headers.to_vec()).await.expect("an answer")
    }
}

fn is_under_other_rules(outcome: &HeaderOutcome) -> bool {
    matches!(outcome, HeaderOutcome::OtherRules { .. })
}

#[tokio::test]
async fn six_headers_of_unknown_rules_above_the_tip_are_told_of_and_five_are_not() {
    let node = Fixture::new();
    let (branch, headers) = other_rules_branch(9);
    node.import_all(&branch.blocks[..2]).await;
    let outcomes = node.outcomes(&headers[2..7]).await;
    assert!(outcomes.len() == 5 && outcomes.iter().all(is_under_other_rules), "none ends the answer: {outcomes:?}");
    assert_eq!(node.chain.unknown_rules(), None, "five may be somebody's mistake");
    assert_eq!(node.chain.best_header(), Height::new(2), "nothing is linked to them");
    node.outcomes(&headers[7..8]).await;
    let version = headers[2].version;
    let unknown = UnknownRules { since: Height::new(3), version, height: Height::new(8) };
    assert_eq!(node.chain.unknown_rules(), Some(unknown));
    // The node goes on with the rules it has, and is ready again when those have the most work.
    let mut own = Branch::new(&node.spec);
    for block in &branch.blocks[..2] {
        own.follow(block.clone());
    }
    own.mine_many(5, 1);
    node.import_all(&own.blocks).await;
    assert!(node.chain.unknown_rules().is_some(), "the tip has less work");
    own.mine_many(1, 1);
    node.import_all(&own.blocks).await;
    assert_eq!(node.chain.unknown_rules(), None);
    node.assert_at(&own).await;
}

/// A header of unknown rules pays for itself as any other: it breaks no other rule, or it counts for nothing.
#[tokio::test]
async fn headers_of_unknown_rules_are_judged_by_every_other_rule() {
    let node = Fixture::new();
    let (branch, headers) = other_rules_branch(9);
    node.import_all(&branch.blocks[..2]).await;
    let changed = |change: fn(&mut Header)| {
        let mut header = headers[2].clone();
        change(&mut header);
        testing::seal(header)
    };
    let late = changed(|header| header.history_root = Hash::ZERO);
    assert!(matches!(node.link(&late).await, HeaderOutcome::Invalid(HeaderError::HistoryRoot { .. })));
    assert!(matches!(node.link(&late).await, HeaderOutcome::InvalidAncestor), "it is remembered");
    let early = changed(|header| header.time = Timestamp::from_millis(u64::MAX));
    assert!(matches!(node.link(&early).await, HeaderOutcome::Early));
    let orphan = node.link(&headers[3]).await;
    assert!(matches!(orphan, HeaderOutcome::Orphan { .. }), "its parent is to be found first: {orphan:?}");
    // The orphan is taken up with its parent, and all of them again are no news.
    assert!(is_under_other_rules(&node.link(&headers[2]).await));
    assert!(node.outcomes(&headers[2..]).await.iter().all(is_under_other_rules));
    // What stands above it is not judged either, though its version is known.
    let mut child = headers[4].clone();
    child.version = 1;
    assert!(is_under_other_rules(&node.link(&testing::seal(child)).await));
}

/// Cheap headers from the beginning of the chain do not push out those that have shown work.
#[tokio::test]
async fn a_flood_of_cheap_headers_of_unknown_rules_hides_nothing() {
    let node = Fixture::new();
    let (branch, headers) = other_rules_branch(9);
    node.import_all(&branch.blocks[..2]).await;
    node.outcomes(&headers[2..]).await;
    let unknown = node.chain.unknown_rules();
    assert!(unknown.is_some());
    let mut flood = Branch::new(&node.spec);
    flood.mine_many(1, 3);
    for n in 0..200 {
        let mut header = flood.blocks[0].header.clone();
        (header.version, header.time) = (9_999, header.time.saturating_add(n));
        assert!(is_under_other_rules(&node.link(&testing::seal(header)).await));
    }
    assert_eq!(node.chain.unknown_rules(), unknown);
}

/// Those who have not updated stand under rules that are known: they are behind, not ahead.
#[tokio::test]
async fn a_longer_chain_of_those_who_have_not_updated_is_nobodys_fault_and_nothing_new() {
    let node = Fixture::on(upgraded(3, 7), DbOptions::default());
    let mut old = Branch::new(&Arc::new(testing::easy_network()));
    old.mine_many(12, 0);
    node.import_all(&old.blocks[..2]).await;
    let headers: Vec<Header> = old.blocks[2..].iter().map(|block| block.header.clone()).collect();
    assert!(node.outcomes(&headers).await.iter().all(is_under_other_rules));
    assert_eq!(node.chain.unknown_rules(), None);
}

#[tokio::test]
async fn a_file_whose_upgrades_contradict_the_stored_chain_is_refused() {
    let node = Fixture::on(upgraded(3, 7), DbOptions::default());
    let mut branch = Branch::new(&node.spec);
    branch.mine_many(5, 0);
    node.import_all(&branch.blocks).await;
    let Fixture { spec, directory, chain, running } = node;
    chain.stop().await;
    running.ended().await.expect("an orderly end");
    drop(chain);
    let open = |spec: ChainSpec| spawn(Arc::new(spec), directory.path(), DbOptions::default()).map(|_| ());
    for (other, at) in [(testing::easy_network(), 5), (upgraded(3, 8), 3), (upgraded(4, 7), 3), (upgraded(5, 7), 4)] {
        let refused = open(other).expect_err("other upgrades");
        assert!(matches!(&refused, StoreError::OtherRules { height, .. } if height.get() == at), "{refused}");
        assert!(!refused.is_storage_failure(), "the data is well");
    }
    // What comes later than the tip contradicts nothing.
    let later = Upgrade { height: Height::new(6), ..upgraded(9, 8).schedule().upgrades()[0].clone() };
    let mut upgrades = spec.schedule().upgrades().to_vec();
    upgrades.push(later);
    let more = testing::easy_network().with_upgrades(upgrades).expect("good upgrades");
    let (chain, running) = spawn(Arc::new(more), directory.path(), DbOptions::default()).expect("the same chain");
    chain.stop().await;
    running.ended().await.expect("an orderly end");
}

/// The rules of a block are those of its height, in the template and in the pool's eyes, too.
#[tokio::test]
async fn templates_follow_the_rules_of_their_height() {
    let node = Fixture::on(upgraded(3, 5_000), DbOptions::default());
    let mut branch = Branch::new(&node.spec);
    branch.mine_many(1, 0);
    node.import_all(&branch.blocks).await;
    let template = async |transactions: Vec<Transaction>| {
        let transactions = testing::checked(&node.spec, transactions);
        let request = TemplateRequest { beneficiary: key(0).address(), transactions, time: Timestamp::from_millis(0) };
        let template = node.chain.template(request).await.expect("a template");
        (template.header.version, template.transactions.len())
    };
    let cheap = branch.pay(1, 700, 5);
    assert_eq!(template(vec![cheap.clone()]).await, (1, 1));
    branch.mine_many(1, 0);
    node.import_all(&branch.blocks).await;
    let version = node.spec.rules_at(Height::new(3)).version;
    assert_eq!(template(vec![cheap]).await, (version, 0), "it does not allow for the new price");
    branch.mine_many(3, 0);
    node.import_all(&branch.blocks).await;
    node.assert_at(&branch).await;
}

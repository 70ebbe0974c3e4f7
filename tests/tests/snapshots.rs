//! Nodes that begin with a snapshot of the accounts instead of with block 0.

use cairn_ledger::testing::{key, payment, pebbles};
use cairn_rpc::methods::NetClient;
use cairn_rpc::types::Trust;
use cairn_tests::faults::{ENOSPC, Faults};
use cairn_tests::kills::{batches, holds_together, moment};
use cairn_tests::node::Node;
use cairn_tests::strangers::chain::Chain;
use cairn_tests::strangers::pretender::{Manner, Pretender, Runs};
use cairn_tests::wait::{LATER, SOON, until};
use cairn_tests::{cluster::agree, http::call, made, network::TestNetwork, wide::founding_payment};
use serde_json::json;
use std::sync::Arc;

/// Between two snapshots of these chains.
const EVERY: u64 = 40;
/// Their length: the last snapshot is not deep enough yet, the one before it is.
const BLOCKS: u64 = 3 * EVERY + 7;
/// The block at which a new node begins.
const PIVOT: u64 = 2 * EVERY;
/// Restores that are killed in a usual run; `scripts/soak.sh kill9 N` asks for more.
const ROUNDS: u64 = 2;
const FROM_SNAPSHOT: &str = "--sync.from=snapshot";
/// Runs that are asked of a peer at once.
const JOBS_EACH: usize = 3;
/// What is below the snapshot is not fetched later, either.
const PRUNES: &str = "--storage.keep_blocks=288";
/// … nor kept for others.
const NO_STRETCH: &str = "--storage.keep_stretches=0";
/// The length of a chain that has pruned what would lead back to block 0 …
const DEEP: u64 = 340;
/// … and, with 40 blocks more, where another one begins.
const DEEP_PIVOT: u64 = 320;

/// A node with a chain of that length and some ten thousand accounts, which holds its snapshots.
async fn holder(network: &Arc<TestNetwork>) -> Node {
    let node = Node::start(network, "holder", &[]).await;
    for sender in 0..10 {
        node.submit(&founding_payment(network.spec(), sender, 0)).await;
    }
    node.generate(BLOCKS - EVERY, 0).await;
    node.submit(&payment(network.spec(), &key(1), 1, key(200).address(), 5, 1_000)).await;
    node.generate(EVERY, 0).await;
    until("the snapshot of the pivot is whole", LATER, async || {
        let info = node.info().await;
        (info.accounts > 8_192 && info.snapshots.iter().any(|held| held.height == PIVOT)).then_some(())
    })
    .await;
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_begins_with_a_snapshot_and_follows_the_chain() {
    let network = Arc::new(TestNetwork::new().with_snapshots(EVERY));
    let holder = holder(&network).await;
    let address = holder.address().await;
    let mut new = Node::start(&network, "new", &[FROM_SNAPSHOT, PRUNES, "--network.peers", &address]).await;
    agree(&[&holder, &new]).await;
    let (info, theirs) = (new.info().await, holder.info().await);
    assert_eq!((info.lowest_body, info.trust, info.accounts), (PIVOT + 1, Trust::Work, theirs.accounts));
    assert_eq!((theirs.lowest_body, theirs.trust), (0, Trust::Full), "the control executed all");
    assert_eq!((info.state_root, info.sync.snapshot), (theirs.state_root, None));
    for account in [0, 1, 200] {
        assert_eq!(new.account(account).await, holder.account(account).await);
    }
    // What it fetched of blocks is what is above the pivot.
    let bodies = holder.traffic(&new.info().await.peer_id, "snapshot").await.expect("they are connected");
    assert!(bodies.1 > 8_192 * 80, "{bodies:?}");
    // It goes on like any other, after a restart, too.
    holder.generate(3, 0).await;
    agree(&[&holder, &new]).await;
    new.kill_9();
    new.restart().await;
    holder.generate(2, 0).await;
    new.has_peers(1).await;
    agree(&[&holder, &new]).await;
    assert_eq!(new.info().await.lowest_body, PIVOT + 1);
}

/// It takes the accounts from whom they are, and gives them on: the next new node needs nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holders_of_a_snapshot_are_found_in_the_dht_and_who_began_with_it_gives_it_on() {
    let network = Arc::new(TestNetwork::new().with_snapshots(EVERY));
    let mut holder = holder(&network).await;
    let address = holder.address().await;
    let second = Node::start(&network, "second", &[FROM_SNAPSHOT, PRUNES, "--network.boot_nodes", &address]).await;
    agree(&[&holder, &second]).await;
    let held = holder.info().await.snapshots;
    let root = held.iter().find(|held| held.height == PIVOT).map(|held| held.state_root).expect("it is held");
    let expected = holder.info().await.peer_id;
    until("the holder is found", LATER, async || {
        let found = second.rpc().find_providers(Some("snapshot".to_owned()), Some(root)).await.ok()?;
        found.iter().any(|provider| provider.peer_id == expected).then_some(())
    })
    .await;
    assert!(holder.terminate().await.success());
    let address = second.address().await;
    let third = Node::start(&network, "third", &[FROM_SNAPSHOT, PRUNES, "--network.peers", &address]).await;
    agree(&[&second, &third]).await;
    assert_eq!((third.info().await.lowest_body, third.info().await.trust), (PIVOT + 1, Trust::Work));
}

/// Where the chain is too short for a snapshot all blocks are fetched, and the log says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_short_chain_all_blocks_are_fetched_and_the_log_says_why() {
    let network = Arc::new(TestNetwork::new().with_snapshots(EVERY));
    let short = Node::start(&network, "short", &[]).await;
    short.generate(2 * EVERY - 1, 0).await;
    let address = short.address().await;
    let new = Node::start(&network, "new", &[FROM_SNAPSHOT, "--network.peers", &address]).await;
    agree(&[&short, &new]).await;
    assert_eq!((new.info().await.lowest_body, new.info().await.trust), (0, Trust::Full));
    assert!(new.log().contains("the chain is too short to begin with a snapshot: fetching all blocks"));
}

/// A node that keeps all executes what it has not, from block 0, while it serves, and is then like any other; whatever
/// kills it on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blocks_below_a_snapshot_are_executed_aside_and_taken_over() {
    let network = Arc::new(TestNetwork::new().with_snapshots(EVERY));
    let holder = holder(&network).await;
    let address = holder.address().await;
    let mut new = Node::start(&network, "new", &[FROM_SNAPSHOT, "--network.peers", &address]).await;
    agree(&[&holder, &new]).await;
    assert!(new.log().contains("the chain begins with the accounts of a snapshot"), "{}", new.log());
    new.kill_9();
    new.restart().await;
    until("all blocks are executed", LATER, async || (new.info().await.trust == Trust::Full).then_some(())).await;
    let info = new.info().await;
    assert_eq!((info.lowest_body, info.restored_at, info.history_height), (0, None, None));
    let block = |node: &Node| call(node.rpc_port(), "chain_getBlock", &json!([1]))["result"].clone();
    assert!(block(&new).is_object());
    assert_eq!(block(&new), block(&holder));
    until("what was needed for it is gone", SOON, async || (!new.directory().join("history").exists()).then_some(()))
        .await;
    holder.generate(2, 0).await;
    agree(&[&holder, &new]).await;
    holds_together(&network, &mut new).await;
}

/// A majority of the work that once gave itself money: what a snapshot rests on is work alone, until the blocks below
/// it are executed. Then the node ends, and says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_that_breaks_a_rule_ends_the_node_that_began_with_a_snapshot_above() {
    let network = Arc::new(TestNetwork::new().with_snapshots(EVERY));
    let interval = network.spec().params().interval_ms;
    // The control: without the forged block all is executed.
    for is_forged in [false, true] {
        let mut chain = Chain::new(network.spec());
        chain.grow(EVERY, interval);
        match is_forged {
            true => chain.forge(interval, pebbles(1_000_000)),
            false => chain.grow(1, interval),
        }
        chain.grow(PIVOT - EVERY - 1, interval);
        let accounts = chain.leaves().into();
        chain.grow(BLOCKS - PIVOT, interval);
        let (tip, runs) = (chain.tip(), Runs::Held(PIVOT, accounts));
        let manner = Manner { runs, ..Manner::default() };
        let majority = Pretender::new(&network.prefix(), Arc::new(chain), manner).await;
        let peers = format!("--network.peers={}", majority.address());
        let name = if is_forged { "misled" } else { "well_led" };
        let mut new = Node::start(&network, name, &[FROM_SNAPSHOT, &peers]).await;
        if !is_forged {
            let is_executed = async || {
                let info = new.info().await;
                (info.tip.0 == tip && info.trust == Trust::Full).then_some(())
            };
            until("all blocks are executed", LATER, is_executed).await;
            continue;
        }
        assert_eq!(new.ends().await.code(), Some(1), "{}", new.log());
        let log = new.log();
        assert!(log.contains("the chain begins with the accounts of a snapshot"), "{log}");
        let reason = format!("block {} of the chain that this node began with breaks a rule", EVERY + 1);
        assert!(log.contains(&reason) && log.contains("start with sync.from = genesis"), "{log}");
    }
}

/// Killed at whatever moment of it, twice, a restore comes to the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_during_a_restore_leaves_one_that_goes_on() {
    for rounds in batches(ROUNDS) {
        let network = Arc::new(TestNetwork::new().with_snapshots(EVERY));
        let holder = holder(&network).await;
        let address = holder.address().await;
        for round in rounds {
            let arguments = [FROM_SNAPSHOT, PRUNES, "--network.peers", &address];
            let mut new = Node::start(&network, &format!("new-{round}"), &arguments).await;
            for kill in [2 * round, 2 * round + 1] {
                let has_begun = async || {
                    let info = new.info().await;
                    (info.sync.snapshot.is_some() || info.height > 0).then_some(())
                };
                until("it has begun", SOON, has_begun).await;
                moment(kill, 200).await;
                new.kill_9();
                new.restart().await;
            }
            agree(&[&holder, &new]).await;
            let (info, root) = (new.info().await, holder.info().await.state_root);
            assert_eq!(
                (info.lowest_body, info.trust, info.state_root),
                (PIVOT + 1, Trust::Work, root),
                "round {round}"
            );
            holds_together(&network, &mut new).await;
        }
    }
}

/// Of three holders one sends accounts of its own and one sends nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_liar_is_named_after_one_run_and_one_that_stalls_holds_nobody_up() {
    let network = Arc::new(TestNetwork::new().with_snapshots(EVERY));
    let holder = holder(&network).await;
    let prefix = network.prefix();
    let chain = Arc::new(Chain::of(&holder, network.spec()).await);
    let manner = |runs| Manner { runs, ..Manner::default() };
    let liar = Pretender::new(&prefix, Arc::clone(&chain), manner(Runs::Wrong(PIVOT))).await;
    let silent = Pretender::new(&prefix, chain, manner(Runs::Silent(PIVOT))).await;
    let peers = format!("--network.peers={},{}", liar.address(), silent.address());
    let new = Node::start(&network, "new", &[FROM_SNAPSHOT, PRUNES, &peers]).await;
    let is_asked = async || (liar.asked_for_runs() > 0 && silent.asked_for_runs() > 0).then_some(());
    until("both are asked", SOON, is_asked).await;
    assert_eq!(new.info().await.height, 0, "the control: of theirs nothing is used");
    new.dial(&holder).await;
    agree(&[&holder, &new]).await;
    let (info, root) = (new.info().await, holder.info().await.state_root);
    assert_eq!((info.lowest_body, info.trust, info.state_root), (PIVOT + 1, Trust::Work, root));
    assert!(liar.asked_for_runs() <= JOBS_EACH, "it is asked no more once a run of it was checked");
    let log = new.log();
    let named = log.lines().any(|line| line.contains("reported a peer") && line.contains(&liar.peer_id()));
    assert!(named, "{log}");
}

/// A disk that fills up in a restore stops the node with the cause; with room again it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_during_a_restore_loses_nothing() {
    let Some(faults) = made(Faults::new()) else { return };
    let network = Arc::new(TestNetwork::new().with_snapshots(EVERY));
    let holder = holder(&network).await;
    let peers = format!("--network.peers={}", holder.address().await);
    let mut new = Node::start_with(&network, "new", &[FROM_SNAPSHOT, PRUNES, &peers], faults.environment()).await;
    // Once before anything is stored, once when accounts come; they may all be here by then.
    for is_begun in [false, true] {
        let has_come = async || {
            let info = new.info().await;
            (!is_begun || info.sync.snapshot.is_some() || info.height > 0).then_some(())
        };
        until("it is so far", SOON, has_come).await;
        faults.fail_writes(ENOSPC);
        if is_begun {
            holder.generate(1, 0).await;
        }
        assert_eq!(new.ends().await.code(), Some(3), "{}", new.log());
        assert!(new.log().contains("No space left on device"), "{}", new.log());
        faults.fail_writes(0);
        new.restart().await;
    }
    agree(&[&holder, &new]).await;
    let info = new.info().await;
    assert_eq!((info.lowest_body, info.trust), (PIVOT + 1, Trust::Work));
    holds_together(&network, &mut new).await;
}

/// A chain that leaves its own where nothing leads back any more: it says so, and begins anew with a snapshot of that
/// chain. One that is to execute all ends instead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_leaves_below_what_is_kept_is_begun_anew_with_its_snapshot() {
    let network = Arc::new(TestNetwork::new().with_snapshots(EVERY));
    let mut more = Node::start(&network, "more", &[]).await;
    more.submit(&payment(network.spec(), &key(1), 0, key(200).address(), 5, 1_000)).await;
    // Between them are more than the 288 blocks that are kept, and more than the 32 that are pruned at a time.
    more.generate(DEEP + EVERY, 0).await;
    let (with_more, expected) = (more.address().await, more.info().await);
    let is_held = async || {
        let held = more.info().await.snapshots;
        held.iter().any(|held| held.height == DEEP_PIVOT).then_some(())
    };
    until("the snapshot of the pivot is whole", LATER, is_held).await;
    assert!(more.terminate().await.success());

    let mut less = Node::start(&network, "less", &[]).await;
    less.generate(DEEP, 1).await;
    let peers = format!("--network.peers={},{with_more}", less.address().await);
    let mut begins = Node::start(&network, "begins", &[PRUNES, NO_STRETCH, &peers]).await;
    let mut executes = Node::start(&network, "executes", &[PRUNES, NO_STRETCH, &peers]).await;
    agree(&[&less, &begins, &executes]).await;
    assert!(begins.terminate().await.success());
    begins.set_arguments(&[FROM_SNAPSHOT, PRUNES, NO_STRETCH, &peers]);
    begins.restart().await;
    assert!(less.terminate().await.success());
    more.restart().await;
    agree(&[&more, &begins]).await;
    let info = begins.info().await;
    assert_eq!((info.lowest_body, info.trust, info.state_root), (DEEP_PIVOT + 1, Trust::Work, expected.state_root));
    assert_eq!(begins.account(200).await, more.account(200).await);
    assert!(begins.log().contains("begins anew, with a snapshot of that chain"), "{}", begins.log());
    assert!(!executes.ends().await.success(), "the control");
    assert!(executes.log().contains("delete db/ in the data directory"), "{}", executes.log());
    // It goes on like any other.
    more.generate(2, 0).await;
    agree(&[&more, &begins]).await;
    begins.kill_9();
    begins.restart().await;
    agree(&[&more, &begins]).await;
}

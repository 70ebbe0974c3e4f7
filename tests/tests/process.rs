//! A node as a process: what it survives, what it refuses, how it stops.

use cairn_ledger::testing::{key, payment};
use cairn_rpc::methods::MiningClient;
use cairn_tests::cluster::{Cluster, agree};
use cairn_tests::kills::{batches, holds_together, moment};
use cairn_tests::network::TestNetwork;
use cairn_tests::node::{Node, command, free_port, offline};
use cairn_tests::replay::{Replay, replayed_root};
use cairn_tests::wait::{SOON, run, until};
use std::process::{Command, Stdio};
use std::{env, fs, path::Path, sync::Arc, time::Duration};

/// Kills in a usual run; `scripts/soak.sh kill9 N` asks for more.
const ROUNDS: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_during_import_leaves_a_chain_that_a_fresh_replay_gives() {
    for rounds in batches(ROUNDS) {
        kill_during_import(rounds).await;
    }
}

async fn kill_during_import(rounds: Vec<u64>) {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "victim", &[WITH_INDEX]).await;
    // Its chain only grows, so that each round replays what is new.
    let mut replay = Replay::new(network.spec());
    let mut height = 0;
    for round in rounds {
        let paid = payment(network.spec(), &key(1), node.account(1).await.1, key(200 + round).address(), 5, 1_000);
        node.submit(&paid).await;
        // It makes blocks as fast as it can while the end comes.
        let client = node.rpc().clone();
        let beneficiary = network.address(round % 10);
        let busy = tokio::spawn(async move { while client.generate(100, Some(beneficiary.clone())).await.is_ok() {} });
        moment(round, 400).await;
        node.kill_9();
        busy.await.expect("a refused call is no panic");
        node.restart().await;

        let info = node.info().await;
        assert!(info.height >= height, "round {round}: what was committed stays: {} < {height}", info.height);
        height = info.height;
        replay.advance(&node, info.tip.0).await;
        assert_eq!((replay.tip(), replay.state_root()), (info.tip.0, info.state_root.0), "round {round}");
        // It goes on.
        node.generate(1, 0).await;
        height += 1;
    }
    holds_together(&network, &mut node).await;
}

/// The index of addresses is written with every import, so it must survive what that survives.
const WITH_INDEX: &str = "--index.addresses=true";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_during_synchronisation_leaves_a_node_that_still_catches_up() {
    for rounds in batches(ROUNDS) {
        kill_during_synchronisation(rounds).await;
    }
}

async fn kill_during_synchronisation(rounds: Vec<u64>) {
    let mut cluster = Cluster::start(1).await;
    let mut height = 0;
    cluster.join().await;
    for round in rounds {
        // While it is away the chain grows, so that it has something to fetch when the end comes again.
        cluster.node_mut(1).kill_9();
        let spec = cluster.network().spec();
        let paid = payment(spec, &key(1), height / 400, key(300 + round).address(), 7, 1_000);
        cluster[0].submit(&paid).await;
        cluster[0].generate(400, round % 10).await;
        height += 400;
        cluster.node_mut(1).restart().await;
        moment(round, 100).await;
    }
    let agreed = cluster.agree().await;
    assert_eq!(agreed.height, height);
    assert_eq!(replayed_root(cluster.network().spec(), &cluster[1], agreed.tip).await, agreed.state_root);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_during_a_reorganisation_leaves_a_chain_that_a_fresh_replay_gives() {
    for rounds in batches(ROUNDS) {
        kill_during_reorganisation(rounds).await;
    }
}

async fn kill_during_reorganisation(rounds: Vec<u64>) {
    let network = Arc::new(TestNetwork::new());
    let left = Node::start(&network, "left", &[]).await;
    let mut right = Node::start(&network, "right", &[WITH_INDEX]).await;
    for round in rounds {
        // Apart, each makes a chain; right's is the one to be given up.
        right.generate(100, 1).await;
        left.generate(150, 2).await;
        right.dial(&left).await;
        moment(round, 300).await;
        right.kill_9();
        right.restart().await;
        let info = right.info().await;
        assert_eq!(replayed_root(network.spec(), &right, info.tip.0).await, info.state_root.0, "round {round}");
        // Dialled again, it ends up on the other's chain.
        right.dial(&left).await;
        agree(&[&left, &right]).await;
        holds_together(&network, &mut right).await;
        right.restart().await;
    }
}

/// Blocks that are left in one reorganisation of a usual run; `scripts/soak.sh reorg KILLS BLOCKS` asks for more.
const DEPTH: u64 = 300;
/// Runs until a kill falls into the middle of a reorganisation, at most.
const RUNS_FOR_A_KILL: u64 = 40;

/// An import of a better chain that forks at block 0 is killed again and again, and each time goes on with what it was
/// in the middle of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_in_a_long_reorganisation_leaves_one_that_goes_on() {
    let number = |name: &str, usual| env::var(name).map_or(usual, |text| text.parse().expect("a number"));
    let (kills, depth) = (number("CAIRN_SOAK_ROUNDS", ROUNDS), number("CAIRN_SOAK_DEPTH", DEPTH));
    let network = Arc::new(TestNetwork::new());
    let mut left = Node::start(&network, "left", &[WITH_INDEX]).await;
    let mut right = Node::start(&network, "right", &[WITH_INDEX]).await;
    for (node, blocks, to) in [(&left, depth, 400), (&right, depth + 1, 500)] {
        for n in 0..blocks.div_ceil(100) {
            let paid = payment(network.spec(), &key(1), n, key(to + n).address(), 5, 1_000);
            node.submit(&paid).await;
            node.generate((blocks - n * 100).min(100), n % 10).await;
        }
    }
    let expected = right.info().await;
    let (file, copy) = (network.directory().join("right.blocks"), network.directory().join("copy"));
    let path = file.to_str().expect("a path of this test");
    for node in [&mut left, &mut right] {
        assert!(node.terminate().await.success());
    }
    assert_eq!(refused(offline(&network, right.directory(), &["export", path])).await.0, Some(0));
    let directory = left.directory().to_owned();
    let start_over = async |from: &Path, to: &Path| {
        let _ = fs::remove_dir_all(to);
        assert_eq!(refused(copying(from, to)).await.0, Some(0));
    };
    start_over(&directory, &copy).await;

    let import = || offline(&network, &directory, &["import", path, "--json"]);
    let (mut hit, mut finished, mut runs) = (0, 0, 0);
    let full = std::time::Instant::now();
    let (code, said) = finishing(import()).await;
    assert_eq!(code, Some(0), "{said}");
    let mut longest = u64::try_from(full.elapsed().as_millis()).expect("a short time").max(10);
    start_over(&copy, &directory).await;
    while hit < kills {
        runs += 1;
        assert!(runs < kills * RUNS_FOR_A_KILL, "{hit} kills of {runs} fell into the middle");
        let mut child = import().stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        moment(runs, longest).await;
        let is_over = child.try_wait().expect("a child").is_some();
        child.kill().expect("it is killed, or over");
        child.wait().expect("it is over");
        if is_over {
            finished += 1;
            // The first run may have been slower than the others: a kill is to fall into the middle of one of these.
            longest = (longest - longest / 8).max(10);
            start_over(&copy, &directory).await;
            continue;
        }
        longest += longest / 16 + 1;
        // What is in the middle is no chain to export.
        let (code, said) = refused(offline(&network, &directory, &["export", "--json", "/dev/null/no"])).await;
        assert_eq!(code, Some(1), "{said}");
        hit += u64::from(said.contains("long reorganisation"));
        let (code, said) = finishing(offline(&network, &directory, &["db", "check"])).await;
        assert_eq!(code, Some(0), "whatever it was in the middle of: {said}");
    }
    eprintln!("{runs} runs, {hit} killed in the middle, {finished} finished before");
    let (code, said) = finishing(import()).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = finishing(offline(&network, &directory, &["verify"])).await;
    assert_eq!(code, Some(0), "as a fresh replay gives it: {said}");
    left.restart().await;
    let info = left.info().await;
    assert_eq!((info.tip.0, info.state_root.0), (expected.tip.0, expected.state_root.0));
    holds_together(&network, &mut left).await;
}

/// Copies a directory that nobody writes.
fn copying(from: &Path, to: &Path) -> Command {
    let mut command = Command::new("cp");
    command.arg("-r").arg(from).arg(to);
    command
}

/// Runs a command to its end, however long that takes: its exit code, and what it said on stderr.
async fn finishing(mut command: Command) -> (Option<i32>, String) {
    let run = tokio::task::spawn_blocking(move || command.output().expect("it starts"));
    let output = run.await.expect("no panic");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs a command that must end by itself, soon: its exit code, and what it said on stderr.
async fn refused(command: Command) -> (Option<i32>, String) {
    let output = tokio::time::timeout(SOON, run(command)).await.expect("it ends soon");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_data_directory_is_refused() {
    let cluster = Cluster::start(1).await;
    let second = command(cluster.network(), cluster[0].directory(), free_port(), free_port(), &[]);
    let (code, said) = refused(second).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another cairn-node") && said.contains("--data-dir"), "{said}");
    // The first one has not noticed.
    cluster[0].generate(1, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_refused_with_its_number() {
    let cluster = Cluster::start(1).await;
    let directory = cluster.network().directory().join("second");
    let port = cluster[0].rpc_port();
    let (code, said) = refused(command(cluster.network(), &directory, free_port(), port, &[])).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&port.to_string()), "{said}");
    cluster[0].generate(1, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_of_another_network_is_refused() {
    let mut cluster = Cluster::start(1).await;
    assert!(cluster.node_mut(0).terminate().await.success());
    let other = TestNetwork::new();
    let (code, said) = refused(command(&other, cluster[0].directory(), free_port(), free_port(), &[])).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("belongs to the network"), "{said}");
    // And nothing was touched.
    cluster.node_mut(0).restart().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_keys_are_refused_as_wrong_usage() {
    let network = TestNetwork::new();
    let directory = network.directory().join("data");
    let arguments = ["--mining.thread=1".to_owned()];
    let (code, said) = refused(command(&network, &directory, free_port(), free_port(), &arguments)).await;
    assert_eq!(code, Some(2), "{said}");
    let mut with_variable = command(&network, &directory, free_port(), free_port(), &[]);
    with_variable.env("CAIRN_NODE_MINING_THREAD", "1");
    let (code, said) = refused(with_variable).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("CAIRN_NODE_MINING_THREADS"), "the nearest name is suggested: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_stops_a_busy_node_in_order() {
    let mut cluster = Cluster::start(2).await;
    let client = cluster[0].rpc().clone();
    let beneficiary = cluster.network().address(0);
    let busy = tokio::spawn(async move { while client.generate(100, Some(beneficiary.clone())).await.is_ok() {} });
    until("it makes blocks", SOON, async || (cluster[0].info().await.height > 0).then_some(())).await;
    let started = std::time::Instant::now();
    assert_eq!(cluster.node_mut(0).terminate().await.code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(15), "it took {:?}", started.elapsed());
    busy.await.expect("a refused call is no panic");
    assert!(!cluster[0].log().contains("ERROR"), "an orderly stop is no error:\n{}", cluster[0].log());

    cluster.node_mut(0).restart().await;
    let info = cluster[0].info().await;
    assert_eq!(replayed_root(cluster.network().spec(), &cluster[0], info.tip.0).await, info.state_root.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_in_the_pool_is_mined_after_a_restart_or_handed_in_again() {
    let mut cluster = Cluster::start(1).await;
    let paid = payment(cluster.network().spec(), &key(1), 0, key(60).address(), 9, 1_000);
    let txid = cluster[0].submit(&paid).await;
    assert!(cluster.node_mut(0).terminate().await.success());
    cluster.node_mut(0).restart().await;
    cluster[0].pools(1).await;
    cluster[0].generate(1, 0).await;
    assert_eq!(cluster[0].confirmations(txid).await, 1);
}

//! What a node does when the disk under it, or the clock beside it, is not what it should be.

use cairn_ledger::testing::{key, payment};
use cairn_rpc::methods::{MiningClient, NetClient};
use cairn_tests::faults::{EIO, ENOSPC, EROFS, Faults, SmallDisk};
use cairn_tests::node::{Node, command, free_port, offline};
use cairn_tests::wait::{LATER, SOON, run, until};
use cairn_tests::{cluster::agree, made, network::TestNetwork};
use std::{fs, process::Command, sync::Arc};

/// Runs a node that must end by itself, soon: its exit code, and what it said on stderr.
async fn refused(command: Command) -> (Option<i32>, String) {
    let output = tokio::time::timeout(SOON, run(command)).await.expect("it ends soon");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_stops_the_node_before_damage_and_says_why() {
    let Some(disk) = made(SmallDisk::new(256)) else { return };
    let network = Arc::new(TestNetwork::new());
    let data = disk.path().join("data");
    fs::create_dir(&data).expect("an empty disk");
    // A reserve of 32 MiB.
    let arguments = ["--storage.write_buffer_mib=8"];
    let mut node = Node::start_in(&network, "node", &data, &arguments).await;
    node.generate(10, 0).await;
    let filler = disk.path().join("filler");
    // The control: with room beyond the reserve it goes on.
    fs::write(&filler, vec![1; 64 << 20]).expect("there is room");
    until("it has seen what is left", SOON, async || (node.info().await.room.free_bytes < 200 << 20).then_some(()))
        .await;
    node.generate(1, 0).await;
    let tip = node.info().await.tip.0;
    let room = usize::try_from(node.info().await.room.free_bytes).expect("a small disk") - (16 << 20);
    fs::write(&filler, vec![1; (64 << 20) + room]).expect("there is room");
    assert_eq!(node.ends().await.code(), Some(5), "{}", node.log());
    assert!(node.log().contains("the disk is full") && node.log().contains("free space"), "{}", node.log());
    // It does not begin again on such a disk, and says what to do.
    let again = command(&network, &data, free_port(), free_port(), &arguments.map(str::to_owned));
    let (code, said) = refused(again).await;
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("the disk is full") && said.contains("free space"), "{said}");
    fs::remove_file(&filler).expect("it is there");
    node.restart().await;
    assert_eq!(node.info().await.tip.0, tip, "nothing was lost");
    node.generate(1, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_keeps_to_its_storage_budget_and_tells_what_is_left() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "node", &["--storage.max_bytes=1GiB"]).await;
    node.generate(3, 0).await;
    let room =
        until("it has been measured", SOON, async || Some(node.info().await.room).filter(|room| room.used_bytes > 0))
            .await;
    assert_eq!(room.max_bytes, Some(1 << 30));
    assert!(room.free_bytes > 0 && room.growth_bytes_per_day.is_none(), "{room:?}");
    assert!(node.terminate().await.success());
    let small = ["--storage.max_bytes=1KiB".to_owned()];
    let (code, said) = refused(command(&network, node.directory(), free_port(), free_port(), &small)).await;
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("storage.max_bytes allows 1024, and there is nothing left to prune"), "{said}");
    node.restart().await;
    assert_eq!(node.info().await.height, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_full_or_read_only_stops_the_node_with_the_cause_named() {
    let Some(faults) = made(Faults::new()) else { return };
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start_with(&network, "node", &[], faults.environment()).await;
    let mut height = 0;
    for (errno, cause) in
        [(EIO, "Input/output error"), (EROFS, "Read-only file system"), (ENOSPC, "No space left on device")]
    {
        node.submit(&payment(network.spec(), &key(1), height / 5, key(200).address(), 5, 1_000)).await;
        node.generate(5, 0).await;
        height += 5;
        let before = node.log().len();
        faults.fail_writes(errno);
        // The node ends before it answers, or says that it is about to.
        let _ = node.rpc().generate(1, Some(network.address(0))).await;
        assert_eq!(node.ends().await.code(), Some(3), "{}", node.log());
        let said = node.log().split_off(before);
        assert!(said.contains(cause) && said.contains("the database failed in"), "{said}");
        // The disk is mended: nothing was lost, and it goes on.
        faults.fail_writes(0);
        node.restart().await;
        assert_eq!(node.info().await.height, height, "what was committed stays, what was not is not");
    }
}

/// A node that has made two blocks and ended, on a disk that can no longer be written to; `None`, and says so, where no
/// such disk can be had.
async fn stopped_on_a_read_only_disk() -> Option<(SmallDisk, Arc<TestNetwork>, Node)> {
    let mut disk = made(SmallDisk::new(512))?;
    let network = Arc::new(TestNetwork::new());
    let data = disk.path().join("data");
    fs::create_dir(&data).expect("an empty disk");
    let mut node = Node::start_in(&network, "node", &data, &[]).await;
    node.generate(2, 0).await;
    assert!(node.terminate().await.success());
    disk.set_read_only(true);
    Some((disk, network, node))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_disk_is_refused_at_the_start() {
    let Some((mut disk, network, mut node)) = stopped_on_a_read_only_disk().await else { return };
    let data = node.directory().to_owned();
    let (code, said) = refused(command(&network, &data, free_port(), free_port(), &[])).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Read-only file system") && said.contains("--data-dir"), "{said}");
    disk.set_read_only(false);
    node.restart().await;
    assert_eq!(node.info().await.height, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_reads_a_stopped_nodes_database_does_so_on_a_read_only_disk_or_says_what_it_needs() {
    let Some((mut disk, network, node)) = stopped_on_a_read_only_disk().await else { return };
    let data = node.directory().to_owned();
    let elsewhere = |name: &str| network.directory().join(name).display().to_string();
    for (arguments, expected) in [
        (&["db", "check"][..], Ok(())),
        (&["export", &elsewhere("chain.blocks")], Ok(())),
        (&["verify", "--scratch", &elsewhere("")], Ok(())),
        (&["verify"], Err("--scratch")),
        (&["backup", &elsewhere("copy")], Err("cp -r")),
    ] {
        let (code, said) = refused(offline(&network, &data, arguments)).await;
        match expected {
            Ok(()) => assert_eq!(code, Some(0), "{arguments:?}: {said}"),
            Err(advice) => assert!(code == Some(1) && said.contains(advice), "{arguments:?}: {code:?} {said}"),
        }
    }
    disk.set_read_only(false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_asleep_and_a_clock_that_jumps_are_caught_up_with_and_ban_nobody() {
    let Some(faults) = made(Faults::new()) else { return };
    let network = Arc::new(TestNetwork::new());
    let awake = Node::start(&network, "awake", &[]).await;
    let address = awake.address().await;
    // While it slept the others went on: as of now its clock is a day ahead of its timers, then an hour behind.
    faults.shift_clock(-86_400);
    let sleeper = Node::start_with(&network, "sleeper", &["--network.peers", &address], faults.environment()).await;
    sleeper.is_peer_of(&awake, true).await;
    for (shift, blocks) in [(0, 20), (-3_600, 5), (0, 5)] {
        faults.shift_clock(shift);
        awake.generate(blocks, 0).await;
        agree(&[&awake, &sleeper]).await;
    }
    for node in [&awake, &sleeper] {
        assert_eq!(node.rpc().list_bans().await.expect("a running node answers"), Vec::new(), "nobody is banned");
    }
    assert!(sleeper.peer_ids().await.contains(&awake.info().await.peer_id), "they are still peers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_days_upload_that_is_spent_is_remembered_and_news_are_still_given() {
    let network = Arc::new(TestNetwork::new());
    let giver = ["--network.max_upload_per_day=1", "--discovery.exchange=false", "--discovery.kademlia=false"];
    let mut node = Node::start(&network, "giver", &giver).await;
    node.generate(40, 0).await;
    let taker = Node::start(&network, "taker", &["--network.peers", &node.address().await]).await;
    // The first answer spends the day: whoever catches up has to ask others from then on.
    until("something was given", LATER, async || (node.info().await.upload.today_bytes > 0).then_some(())).await;
    assert_eq!(node.info().await.upload.max_bytes_per_day, Some(1));
    assert!(node.terminate().await.success());
    node.restart().await;
    let given = node.info().await.upload.today_bytes;
    assert!(given > 0, "it is remembered");
    // The control: without that limit the same node gives everything.
    assert!(node.terminate().await.success());
    node.set_arguments(&[]);
    node.restart().await;
    taker.dial(&node).await;
    agree(&[&node, &taker]).await;
    // And with it, somebody who follows the tip is given what is new.
    assert!(node.terminate().await.success());
    node.set_arguments(&giver);
    node.restart().await;
    taker.dial(&node).await;
    taker.is_peer_of(&node, true).await;
    node.generate(1, 0).await;
    agree(&[&node, &taker]).await;
    let late =
        Node::start(&network, "late", &["--network.peers", &node.address().await, "--discovery.exchange=false"]).await;
    late.is_peer_of(&node, true).await;
    until("it has heard of the chain", LATER, async || (late.info().await.sync.headers == 41).then_some(())).await;
    assert_eq!(late.info().await.height, 0, "the day is spent");
}

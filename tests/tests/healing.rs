//! A disk that damages what was written: the node mends it while it runs, with the help of others.

use cairn_ledger::testing::{key, payment};
use cairn_rpc::Text;
use cairn_rpc::methods::ChainClient;
use cairn_rpc::types::{BlockJson, BlockRef, BlockTransactions, TransactionInfo};
use cairn_tests::kills::{batches, holds_together, moment};
use cairn_tests::node::{Node, offline};
use cairn_tests::wait::{LATER, until};
use cairn_tests::{cluster::agree, http::call, network::TestNetwork, wide::founding_payment};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::{path::Path, path::PathBuf, sync::Arc};

const BLOCKS: u64 = 60;
/// Where bytes flip, while nobody looks: what a start reads of so small a chain is made again from what is here, and
/// bodies are asked of others.
const TABLES: [&[&str]; 2] =
    [&["account_by_index", "location_by_txid", "roots_by_part", "undo_by_block"], &["body_by_block"]];

/// Tables that are read when blocks and accounts are, or by a start.
const READ: [&str; 4] = ["location_by_txid", "body_by_block", "account_by_index", "roots_by_part"];
/// Kills in a usual run; `scripts/soak.sh kill9 N` asks for more.
const ROUNDS: u64 = 2;

/// The files of a table: RocksDB writes its name at their end.
fn files_of(database: &Path, table: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(database).expect("a database").map(|file| file.expect("a file").path());
    let tables = files.filter(|file| file.extension().is_some_and(|extension| extension == "sst"));
    let is_of_table = |file: &PathBuf| {
        let bytes = fs::read(file).expect("a file");
        bytes.windows(table.len()).any(|window| window == table.as_bytes())
    };
    tables.filter(is_of_table).collect()
}

fn flip(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("a byte");
    file.write_all_at(&[byte[0] ^ 0x10], offset).expect("a byte");
}

fn block(node: &Node, height: u64) -> Value {
    call(node.rpc_port(), "chain_getBlock", &json!([height, true]))["result"].clone()
}

/// All blocks that a node has, each with where its transactions are.
async fn read_blocks(client: impl ChainClient + Sync) -> Option<Vec<(BlockJson, Vec<TransactionInfo>)>> {
    let (mut blocks, tip) = (Vec::new(), client.chain_tip().await.ok()?.height);
    for height in 0..=tip {
        let (block, mut places) = (client.get_block(BlockRef::Height(height), None).await.ok()?, Vec::new());
        if let BlockTransactions::Ids(ids) = &block.transactions {
            for id in ids {
                places.push(client.get_transaction(Text(id.0)).await.ok()?);
            }
        }
        blocks.push((block, places));
    }
    Some(blocks)
}

/// A node with a chain of payments, and one that has all of it from there.
async fn well_and_damaged(network: &Arc<TestNetwork>) -> (Node, Node) {
    let well = Node::start(network, "well", &[]).await;
    let address = well.address().await;
    let damaged = Node::start(network, "damaged", &["--network.peers", &address]).await;
    for sender in 0..3 {
        well.submit(&founding_payment(network.spec(), sender, 0)).await;
    }
    for nonce in 1..=BLOCKS {
        well.submit(&payment(network.spec(), &key(1), nonce, key(200).address(), 5, 1_000)).await;
        well.generate(1, 0).await;
    }
    agree(&[&well, &damaged]).await;
    (well, damaged)
}

/// Stops a node and flips a byte in each file of these tables.
async fn damage(network: &TestNetwork, node: &mut Node, tables: &[&str]) {
    assert!(node.terminate().await.success());
    for table in tables {
        let files = files_of(&node.directory().join("db"), table);
        assert!(!files.is_empty(), "{table}");
        files.iter().for_each(|file| flip(file, 20));
    }
    let check = offline(network, node.directory(), &["db", "check"]).output().expect("it runs");
    assert!(!check.status.success(), "the negative control");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flipped_bytes_are_mended_while_the_node_serves() {
    let network = Arc::new(TestNetwork::new());
    let (well, mut damaged) = well_and_damaged(&network).await;
    for (round, tables) in (1..).zip(TABLES) {
        damage(&network, &mut damaged, tables).await;
        damaged.restart().await;
        damaged.has_peers(1).await;
        for height in 0..=BLOCKS {
            assert_eq!(block(&damaged, height), block(&well, height), "{height}");
        }
        for account in [0, 1, 2, 200] {
            assert_eq!(damaged.account(account).await, well.account(account).await);
        }
        // It goes on: undo records, roots and places are written and read.
        let payment = payment(network.spec(), &key(1), BLOCKS + round, key(200 + round).address(), 5_000, 1_000);
        well.submit(&payment).await;
        well.generate(2, 0).await;
        agree(&[&well, &damaged]).await;
        assert!(damaged.info().await.damage_mended > 0);
        assert_eq!(well.info().await.damage_mended, 0, "the negative control");
        assert!(damaged.log().contains("the table is whole again"), "{}", damaged.log());
    }
}

/// Whatever ends the mending, what is not whole again is mended after the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_during_healing_leaves_damage_that_is_mended_still() {
    for rounds in batches(ROUNDS) {
        let network = Arc::new(TestNetwork::new());
        let (well, mut damaged) = well_and_damaged(&network).await;
        for round in rounds {
            let table = READ[round as usize % READ.len()];
            damage(&network, &mut damaged, &[table]).await;
            damaged.restart().await;
            damaged.has_peers(1).await;
            // Whoever reads meets the damage, and has it mended.
            let reads = tokio::spawn(read_blocks(damaged.rpc().clone()));
            moment(round, 150).await;
            damaged.kill_9();
            // Whether it came to its end depends on the moment.
            let _ = reads.await.expect("a call that is refused is no panic");
            damaged.restart().await;
            damaged.has_peers(1).await;
            // Where RocksDB has met the damage first, in a merge, the node starts its parts again to mend it.
            let read = until("it serves", LATER, async || read_blocks(damaged.rpc().clone()).await).await;
            let expected = read_blocks(well.rpc().clone()).await.expect("it serves");
            assert_eq!(read, expected, "round {round}: {table}");
            damaged.has_peers(1).await;
            for account in [0, 1, 2, 200] {
                assert_eq!(damaged.account(account).await, well.account(account).await);
            }
            well.generate(2, 0).await;
            agree(&[&well, &damaged]).await;
        }
        holds_together(&network, &mut damaged).await;
    }
}

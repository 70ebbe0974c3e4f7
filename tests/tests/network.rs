//! Nodes among each other: payments and blocks spread, and all agree on the state.

use cairn_ledger::block::{HEADER_BYTES, Header};
use cairn_ledger::testing::{key, payment};
use cairn_ledger::{accounts::AccountProof, codec};
use cairn_rpc::methods::{ChainClient, MiningClient, NodeClient, StateClient, TxClient};
use cairn_rpc::text::Text;
use cairn_rpc::types::{BlockRef, TxState};
use cairn_tests::cluster::{Cluster, agree};
use cairn_tests::wait::{LATER, SOON, until};
use cairn_tests::{network::TestNetwork, node::Node, replay::replayed_root};
use jsonrpsee_ws_client::WsClientBuilder;
use std::sync::Arc;

const FEE: u64 = 1_000;
/// What an account costs.
const PRICE: u64 = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_reaches_every_node_and_all_agree_on_what_it_did() {
    let cluster = Cluster::start(4).await;
    let spec = cluster.network().spec().clone();
    // To somebody new, so that an account is created, too.
    let paid = payment(&spec, &key(1), 0, key(77).address(), 250, FEE);
    let txid = cluster[3].submit(&paid).await;
    for node in cluster.nodes() {
        node.pools(1).await;
    }
    cluster[0].generate(1, 2).await;
    let agreed = cluster.agree().await;
    assert_eq!(agreed.height, 1);
    for node in cluster.nodes() {
        let status = node.rpc().tx_status(Text(txid)).await.expect("a status");
        assert_eq!((status.state, status.height, status.confirmations), (TxState::Mined, Some(1), 1));
        assert_eq!(node.account(77).await, (250, 0));
        assert_eq!(node.account(1).await, (1_000_000_000_000 - 250 - FEE - PRICE, 1));
        assert_eq!(node.account(2).await, (1_000_000_000_000 + 5_000_000_000 + FEE, 0));
        node.pools(0).await;
    }
    assert_eq!(replayed_root(&spec, &cluster[2], agreed.tip).await, agreed.state_root);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_says_of_accounts_is_proven_by_the_ledger_alone() {
    let cluster = Cluster::start(1).await;
    let spec = cluster.network().spec();
    cluster[0].generate(3, 5).await;
    for (who, expected) in [(5, Some(1_000_000_000_000 + 3 * 5_000_000_000)), (0, Some(1_000_000_000_000)), (99, None)]
    {
        let address = cluster.network().address(who);
        let given = cluster[0].rpc().get_proof(address.clone(), None).await.expect("a proof");
        // Nothing but raw bytes is trusted, and of the header its work alone.
        let header = Header::from_bytes(&given.header.0).expect("a header");
        cairn_ledger::validate::check_work(spec, header.clone()).expect("valid work");
        let proof: AccountProof = codec::decode(&given.raw.0, codec::MAX_INPUT_BYTES).expect("a proof's bytes");
        let proven = proof.verify(&key(who).address(), &header.state_root).expect("a proof that holds");
        assert_eq!(proven.map(|account| account.balance.pebbles()), expected, "key {who}");
        assert_eq!(given.account.map(|account| account.balance.0.pebbles()), expected);
        assert_eq!(header.height.get(), 3);

        assert_eq!(given.header.0.len(), HEADER_BYTES);
        // The same proof says nothing against another root, and of no account that it is absent.
        assert!(proof.verify(&key(who).address(), &header.txs_root).is_err());
        for other in 0..10 {
            assert_ne!(proof.verify(&key(other).address(), &header.state_root), Ok(None), "key {other}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_miner_finds_reaches_its_peers() {
    let network = Arc::new(TestNetwork::new());
    let beneficiary = network.address(4);
    let arguments = ["--mining.threads", "1", "--mining.duty", "20", "--mining.beneficiary", &beneficiary];
    let miner = Node::start(&network, "miner", &arguments).await;
    let peer = miner.address().await;
    let follower = Node::start(&network, "follower", &["--network.peers", &peer]).await;
    // Real mining: the target rises from the easiest there is until blocks come every two seconds.
    until("both have 50 blocks, and one at height 50", LATER, async || {
        let (mined, followed) = (miner.info().await, follower.info().await);
        (mined.height >= 50 && followed.height >= 50).then_some(())
    })
    .await;
    let at_50 = async |node: &Node| node.rpc().get_header(BlockRef::Height(50)).await.expect("a header").id;
    assert_eq!(at_50(&miner).await, at_50(&follower).await);
    let info = miner.rpc().mining_info().await.expect("a running node answers");
    assert!(info.blocks_found >= 50 && info.threads == 1 && info.duty == 20, "{info:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_heals_and_displaced_payments_come_back() {
    let network = Arc::new(TestNetwork::new());
    let left = Node::start(&network, "left", &[]).await;
    let right = Node::start(&network, "right", &[]).await;
    let spec = network.spec();
    // Mined on the side that will lose; one of the two is spent otherwise on the other side.
    let comes_back = payment(spec, &key(1), 0, key(60).address(), 111, FEE);
    let conflicts = payment(spec, &key(2), 0, key(61).address(), 222, FEE);
    let wins = payment(spec, &key(2), 0, key(62).address(), 333, FEE);
    let comes_back_id = left.submit(&comes_back).await;
    let conflicts_id = left.submit(&conflicts).await;
    left.generate(5, 8).await;
    assert_eq!((left.account(60).await.0, left.account(61).await.0), (111, 222));
    right.submit(&wins).await;
    right.generate(9, 9).await;

    right.dial(&left).await;
    let agreed = agree(&[&left, &right]).await;
    assert_eq!(agreed.height, 9, "the chain with more work wins");
    assert_eq!((left.account(60).await.0, left.account(61).await.0, left.account(62).await.0), (0, 0, 333));
    assert_eq!(replayed_root(spec, &left, agreed.tip).await, agreed.state_root);

    // What still fits the accounts waits in the pool again; what does not is gone.
    left.pools(1).await;
    left.generate(1, 8).await;
    let agreed = agree(&[&left, &right]).await;
    for node in [&left, &right] {
        assert_eq!((node.account(60).await.0, node.account(61).await.0, node.account(62).await.0), (111, 0, 333));
        assert_eq!((node.confirmations(comes_back_id).await, node.confirmations(conflicts_id).await), (1, 0));
    }
    assert_eq!(replayed_root(spec, &right, agreed.tip).await, agreed.state_root);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_hears_of_every_tip_of_another_nodes_making() {
    let cluster = Cluster::start(2).await;
    let url = cluster[1].url().replace("http://", "ws://");
    let client = WsClientBuilder::default().build(url).await.expect("WebSocket shares the port");
    let mut heads = client.subscribe_heads().await.expect("a subscription");
    for height in 1..=3 {
        cluster[0].generate(1, 0).await;
        let head = tokio::time::timeout(SOON, heads.next()).await.expect("a head comes soon");
        let head = head.expect("the subscription goes on").expect("a header");
        assert_eq!(head.height, height);
        let info = cluster[1].rpc().node_info().await.expect("a running node answers");
        assert_eq!((info.height, info.tip), (height, head.id), "it is told after it is so");
    }
}

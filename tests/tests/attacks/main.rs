//! Strangers who attack the choice of the chain: they withhold blocks, claim work they do not have, send headers that
//! cost them nothing, or were simply there first. Each has an honest twin beside it.
//!
//! # Map
//! [`withheld`] headers without blocks · [`liars`] claims without headers · [`cheap`] headers and blocks without work ·
//! [`overtake`] a short heavy chain before a long one, and what is sent in its name · [`reorganise`] kills while the
//! chain moves
//!
//! `scripts/attack.sh` runs the same at full size, by the variables that [`size`] reads.

mod cheap;
mod liars;
mod overtake;
mod reorganise;
mod withheld;

use cairn_ledger::{block::Header, testing::seal};
use cairn_rpc::methods::{MiningClient, NetClient};
use cairn_rpc::text::Text;
use cairn_tests::node::{Node, OFF};
use cairn_tests::strangers::pretender::{Manner, Pretender};
use cairn_tests::wait::{LATER, SOON, until};
use cairn_tests::{network::TestNetwork, strangers::chain::Chain};
use std::{env, sync::Arc, time::Duration};

/// The size of an attack: usually that of the suite, or what a variable says.
fn size(variable: &str, usual: u64) -> u64 {
    env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

/// How long whatever takes many blocks may take.
fn patience() -> Duration {
    Duration::from_secs(size("CAIRN_ATTACK_PATIENCE_S", LATER.as_secs()))
}

/// A node that finds nobody by itself.
async fn node(network: &Arc<TestNetwork>, name: &str, more: &[&str]) -> Node {
    Node::start(network, name, &[&OFF[..], more].concat()).await
}

/// An honest peer with this chain.
async fn honest(network: &TestNetwork, chain: &Arc<Chain>) -> Pretender {
    Pretender::new(&network.prefix(), Arc::clone(chain), Manner::default()).await
}

/// Waits until a node's tip is that of a chain.
async fn follows(node: &Node, chain: &Chain, within: Duration) {
    until(&format!("block {} is followed", chain.height()), within, async || {
        (node.info().await.tip.0 == chain.tip()).then_some(())
    })
    .await;
}

/// A miner beside a node finds one block on its tip, and the node connects it.
async fn mines(node: &Node, beneficiary: &str) {
    until("a miner finds a block", SOON, async || {
        let work = node.rpc().get_template(Some(beneficiary.to_owned())).await.ok()?;
        let header = seal(Header::from_bytes(&work.header.0).expect("a header"));
        node.rpc().submit_work(work.seal, Text(header.nonce)).await.ok()
    })
    .await;
}

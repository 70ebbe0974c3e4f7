//! Strangers who attack the choice of the chain.
//!
//! # Map
//! [`reorganise`] kills while the chain moves
//!
//! `scripts/attack.sh` runs the same at full size, by the variables that [`size`] reads.

mod reorganise;

use cairn_tests::{
    network::TestNetwork,
    node::Node,
    strangers::{
        chain::Chain,
        pretender::{Manner, Pretender},
    },
    wait::{LATER, until},
};
use std::{env, sync::Arc, time::Duration};

/// Every way to find peers, switched off: whom a node knows is the test's matter.
const OFF: [&str; 3] = ["--discovery.kademlia=false", "--discovery.rendezvous=false", "--discovery.exchange=false"];

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

//! Several nodes that are peers.

use crate::wait::{LATER, until};
use crate::{network::TestNetwork, node::Node};
use cairn_ledger::hash::{BlockId, Hash};
use cairn_rpc::methods::NodeClient;
use std::{ops::Index, sync::Arc};

/// Nodes of one network; all but the first were told of the one before.
pub struct Cluster {
    network: Arc<TestNetwork>,
    nodes: Vec<Node>,
}

/// Where nodes stand that agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The height of their tip.
    pub height: u64,
    /// Their tip.
    pub tip: BlockId,
    /// The state after it.
    pub state_root: Hash,
}

impl Cluster {
    /// Starts `count` nodes in a row, each a peer of the one before, and waits until all have peers.
    pub async fn start(count: usize) -> Self {
        let mut cluster = Self { network: Arc::new(TestNetwork::new()), nodes: Vec::new() };
        for _ in 0..count {
            cluster.join().await;
        }
        for node in cluster.nodes.iter().filter(|_| count > 1) {
            node.has_peers(1).await;
        }
        cluster
    }

    /// Starts one more node, a peer of the last.
    pub async fn join(&mut self) -> &Node {
        let name = format!("node {}", self.nodes.len());
        let node = match self.nodes.last() {
            Some(last) => {
                let peer = last.address().await;
                Node::start(&self.network, &name, &["--network.peers", &peer]).await
            }
            None => Node::start(&self.network, &name, &[]).await,
        };
        self.nodes.push(node);
        self.nodes.last().expect("it was just pushed")
    }

    /// The network.
    pub fn network(&self) -> &Arc<TestNetwork> {
        &self.network
    }

    /// The nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node, to stop and restart it.
    ///
    /// # Panics
    /// There are fewer.
    pub fn node_mut(&mut self, index: usize) -> &mut Node {
        self.nodes.get_mut(index).expect("a node of the cluster")
    }

    /// Waits until all nodes have one tip.
    pub async fn agree(&self) -> Agreed {
        agree(&self.nodes.iter().collect::<Vec<_>>()).await
    }
}

impl Index<usize> for Cluster {
    type Output = Node;

    fn index(&self, index: usize) -> &Node {
        &self.nodes[index]
    }
}

/// Waits until these nodes have one tip.
pub async fn agree(nodes: &[&Node]) -> Agreed {
    until("all nodes have one tip", LATER, async || {
        let mut agreed = None;
        for node in nodes {
            let info = node.rpc().node_info().await.ok()?;
            let this = Agreed { height: info.height, tip: info.tip.0, state_root: info.state_root.0 };
            if *agreed.get_or_insert(this) != this {
                return None;
            }
        }
        agreed
    })
    .await
}

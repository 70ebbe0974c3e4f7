//! What must hold once all is mended and some time has gone by, whatever went wrong before.

mod chains;
mod conduct;
mod peers;
mod pools;
mod promptness;
mod slots;

pub use chains::{moves, nothing_forged, second_opinion};
pub use conduct::conduct;
pub use peers::{banned, peers, punished};
pub use pools::{lacks, pools, waiting};
pub use promptness::{considerate, figures, orphans, prompt, taken_in, thrifty};
pub use slots::{anchors, slots};

use crate::executor::NodeId;
use crate::payments::Fates;
use crate::simulation::Simulation;
use cairn_chain::audit;
use cairn_ledger::hash::BlockId;
use cairn_ledger::testing::genesis_state;
use cairn_ledger::units::Height;
use cairn_ledger::validate::ChainContext;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences say what the fields are")]
pub enum Broken {
    /// Nodes follow different chains.
    Tips { tips: Vec<(BlockId, u64, usize)> },
    /// A node is down that nobody stopped.
    Down { node: NodeId },
    /// A node's database does not hold together.
    Audit { node: NodeId, reason: String },
    /// The chain's rules give another state.
    Replay { node: NodeId },
    /// An honest node was banned by another.
    Banned { by: NodeId, whom: String },
    /// The chain did not grow.
    Stopped { height: u64, expected: u64 },
    /// Payments that a node had taken were never mined.
    Vanished { fates: Fates },
    /// A node has too few peers.
    Alone { node: NodeId, peers: usize },
    /// A second ledger comes to something else.
    Ledger { node: NodeId, what: String },
    /// A forged block is on a chain.
    Forged { node: NodeId, height: u64 },
    /// A pool holds what it should not.
    Pool { node: NodeId, what: &'static str },
    /// A pool has answered a customer wrongly, or lost what it had taken.
    Customer { what: String },
    /// Payments that a node had taken are on no chain, though no node was stopped.
    Forgotten { payments: usize },
    /// A node's knowledge of its peers is wrong.
    Peers { node: NodeId, what: &'static str },
    /// A node has done to others what it should not, or not what it should.
    Conduct { node: NodeId, what: &'static str },
    /// A node's chain has moved as no chain may.
    Moved { node: NodeId, what: &'static str },
    /// Nobody has banned an adversary that floods all.
    Unpunished { node: NodeId },
    /// Something took longer, or more, than it takes where nothing goes wrong.
    Slow { what: &'static str, got: u64, most: u64 },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tips { tips } => {
                write!(f, "nodes follow different chains:")?;
                tips.iter().try_for_each(|(id, height, nodes)| write!(f, " {nodes} at {height} ({id})"))
            }
            Self::Down { node } => write!(f, "node {} is down", node.0),
            Self::Audit { node, reason } => {
                write!(f, "the database of node {} does not hold together: {reason}", node.0)
            }
            Self::Replay { node } => write!(f, "the state of node {} is not what its blocks lead to", node.0),
            Self::Banned { by, whom } => write!(f, "node {} has banned {whom}, who is honest", by.0),
            Self::Stopped { height, expected } => {
                write!(f, "the chain is {height} blocks high, expected {expected} at least")
            }
            Self::Vanished { fates } => {
                write!(f, "{} payments vanished that a node had taken: {fates:?}", fates.vanished)
            }
            Self::Alone { node, peers } => write!(f, "node {} has {peers} honest peers", node.0),
            Self::Ledger { node, what } => write!(f, "a second ledger does not follow node {}: {what}", node.0),
            Self::Forged { node, height } => write!(f, "block {height} of node {} is forged", node.0),
            Self::Pool { node, what } => write!(f, "the pool of node {} {what}", node.0),
            Self::Customer { what } => write!(f, "a customer complains: {what}"),
            Self::Forgotten { payments } => write!(f, "{payments} payments that a node had taken are on no chain"),
            Self::Peers { node, what } => write!(f, "node {} {what}", node.0),
            Self::Conduct { node, what } => write!(f, "node {} {what}", node.0),
            Self::Moved { node, what } => write!(f, "the chain of node {} {what}", node.0),
            Self::Unpunished { node } => write!(f, "nobody has banned node {}, which floods all", node.0),
            Self::Slow { what, got, most } => write!(f, "{what}: {got}, expected {most} at most"),
        }
    }
}

impl Broken {
    /// What found it.
    pub fn oracle(&self) -> &'static str {
        match self {
            Self::Tips { .. } => "one tip",
            Self::Down { .. } => "up",
            Self::Audit { .. } => "audit",
            Self::Replay { .. } => "replay",
            Self::Banned { .. } => "no bans",
            Self::Stopped { .. } => "growth",
            Self::Vanished { .. } => "payments",
            Self::Alone { .. } => "connected",
            Self::Ledger { .. } => "second ledger",
            Self::Forged { .. } => "nothing forged",
            Self::Pool { .. } => "pools",
            Self::Customer { .. } => "customers",
            Self::Forgotten { .. } => "forgotten payments",
            Self::Peers { .. } => "peers",
            Self::Conduct { .. } => "conduct",
            Self::Moved { .. } => "moves",
            Self::Unpunished { .. } => "punished",
            Self::Slow { .. } => "pace",
        }
    }
}

/// One tip everywhere.
pub fn one_tip(simulation: &Simulation) -> Vec<Broken> {
    let mut tips: BTreeMap<BlockId, (u64, usize)> = BTreeMap::new();
    for (_, height, id) in simulation.tips() {
        let nodes = tips.entry(id).or_default();
        *nodes = (height, nodes.1 + 1);
    }
    if tips.len() == 1 {
        return Vec::new();
    }
    vec![Broken::Tips { tips: tips.into_iter().map(|(id, (height, nodes))| (id, height, nodes)).collect() }]
}

/// Every node is up, and its database holds together.
pub fn whole(simulation: &Simulation) -> Vec<Broken> {
    let check = |node: NodeId| {
        if simulation.running(node).is_none() {
            return Some(Broken::Down { node });
        }
        let audited = simulation.audit(node, audit::check_in_memory);
        audited.err().map(|error| Broken::Audit { node, reason: error.to_string() })
    };
    simulation.honest().into_iter().filter_map(check).collect()
}

/// The rules alone, from block 0 on, lead to the state that a node's tip commits to.
pub fn replay(simulation: &Simulation, node: NodeId) -> Vec<Broken> {
    let (spec, broken) = (simulation.spec().clone(), || vec![Broken::Replay { node }]);
    let Some(running) = simulation.running(node) else { return Vec::new() };
    let (reader, tip) = (running.chain.reader(), running.chain.tip());
    let (mut state, mut parent) = (genesis_state(&spec), ChainContext::genesis(&spec));
    for height in (1..=tip.height().get()).map(Height::new) {
        let header = reader.header_at(height).ok().flatten();
        let stored = header.and_then(|header| reader.block(&header.id()).ok().flatten());
        let Some(stored) = stored else { return broken() };
        parent = state.follow(&spec, &parent, stored.block);
    }
    if parent.id() == tip.id && state.tree().state_root() == tip.header.state_root { Vec::new() } else { broken() }
}

/// No honest node is banned by another.
pub fn nobody_banned(simulation: &mut Simulation) -> Vec<Broken> {
    let honest = simulation.honest();
    let names: BTreeSet<String> = honest.iter().flat_map(|node| names(simulation, *node)).collect();
    let mut broken = Vec::new();
    for node in honest {
        let bans = simulation.ask(node, |running| {
            let network = running.network.clone();
            async move { network.bans().await }
        });
        let unjust = bans.into_iter().flatten().filter(|ban| names.contains(&ban.target));
        broken.extend(unjust.map(|ban| Broken::Banned { by: node, whom: format!("{} ({})", ban.target, ban.reason) }));
    }
    broken
}

/// What a ban may name that hits a node: itself, its address, and the groups that it is in.
fn names(simulation: &Simulation, node: NodeId) -> [String; 4] {
    let ip = simulation.fabric().ip(node);
    let [a, b, c, _] = ip;
    [
        simulation.peer(node).to_string(),
        Ipv4Addr::from(ip).to_string(),
        format!("{a}.{b}.0.0/16"),
        format!("{a}.{b}.{c}.0/24"),
    ]
}

/// Every honest node has honest peers.
pub fn connected(simulation: &Simulation, at_least: usize) -> Vec<Broken> {
    let peers = |node| {
        let peers = simulation.fabric().connected(node);
        peers.into_iter().filter(|peer| simulation.is_honest(*peer)).count()
    };
    let honest = simulation.honest().into_iter().map(|node| (node, peers(node)));
    honest.filter(|(_, peers)| *peers < at_least).map(|(node, peers)| Broken::Alone { node, peers }).collect()
}

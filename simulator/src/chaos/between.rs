//! What is between the processes, and can be cut without their being told: network namespaces on one switch where the
//! machine allows them, and otherwise TCP proxies on loopback, one for each pair of nodes.

use crate::executor::NodeId;
use crate::links::{Links, Region, Shape};
use cairn_tests::netns::{Host, Internet};
use cairn_tests::shaper::{Direction, Line, Shaper};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

/// The port for peers of a node that has a machine of its own.
const PORT: u16 = 9_740;

/// Which of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Namespaces where the machine allows them, otherwise proxies.
    Best,
    /// Proxies.
    Lines,
}

/// Why nothing can be put between nodes.
#[derive(Debug, thiserror::Error)]
pub enum BetweenError {
    /// A proxy does not start.
    #[error("a line between two nodes: {0}")]
    Line(#[from] io::Error),
    /// The switch, or a machine.
    #[error("{0}")]
    Machine(String),
}

enum Medium {
    /// A machine for each node.
    Machines { hosts: Vec<Host>, _internet: Internet },
    /// The ports that nodes listen on, and a line from each node to each that was there before it.
    Lines { ports: Vec<u16>, lines: BTreeMap<(NodeId, NodeId), Shaper> },
}

/// What is between the processes.
pub struct Between {
    medium: Medium,
    /// Who reaches whom, as the simulator has it.
    pub links: Links,
    nodes: Vec<NodeId>,
    /// What is cut now.
    cut: BTreeSet<(NodeId, NodeId)>,
}

impl Between {
    /// Of so many nodes, who all reach each other.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new(count: u32, kind: Kind, random: &mut ChaCha8Rng) -> Result<Self, BetweenError> {
        let mut links = Links::new(Shape::World);
        (0..count).for_each(|_| links.add(Region::draw(random)));
        let machines = if kind == Kind::Best { machines(count).ok() } else { None };
        let ports = || (0..count).map(|_| cairn_tests::node::free_port()).collect();
        let medium = machines.unwrap_or_else(|| Medium::Lines { ports: ports(), lines: BTreeMap::new() });
        Ok(Self { medium, links, nodes: (0..count).map(NodeId).collect(), cut: BTreeSet::new() })
    }

    /// What it is, in a sentence.
    pub fn describe(&self) -> &'static str {
        match &self.medium {
            Medium::Machines { .. } => "each node in a network namespace of its own, on one switch",
            Medium::Lines { .. } => "TCP proxies, each as far as two regions of the world; discovery is off",
        }
    }

    /// How a node takes part in the network that knows of those that started before it, by their names.
    ///
    /// # Errors
    /// A line does not start.
    pub fn arguments(&mut self, node: NodeId, boot_nodes: u32, before: &[String]) -> Result<Vec<String>, BetweenError> {
        match &mut self.medium {
            Medium::Machines { hosts, .. } => {
                let at = |host: &Host| format!("/ip4/{}/tcp/{PORT}", host.address);
                let known = hosts.iter().zip(before).take(boot_nodes as usize);
                let known: Vec<String> = known.map(|(host, peer)| format!("{}/p2p/{peer}", at(host))).collect();
                let quic = format!("/ip4/{}/udp/{PORT}/quic-v1", hosts[node.0 as usize].address);
                let listen = format!("--network.listen={},{quic}", at(&hosts[node.0 as usize]));
                Ok(vec![listen, format!("--network.boot_nodes={}", known.join(","))])
            }
            Medium::Lines { ports, lines } => {
                let mut peers = Vec::new();
                for (other, peer) in self.nodes.iter().zip(before) {
                    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[other.0 as usize]));
                    let latency = Duration::from_nanos(self.links.latency(node, *other));
                    let line = Shaper::start(target, Line { latency, bytes_per_second: None })?;
                    peers.push(line.multiaddr(peer));
                    lines.insert((node, *other), line);
                }
                let listen = format!("--network.listen=/ip4/127.0.0.1/tcp/{}", ports[node.0 as usize]);
                let mut arguments = vec![listen, format!("--network.peers={}", peers.join(","))];
                // Whoever found another by itself would go around the lines.
                let alone = ["--network.allow_private=true", "--network.max_outbound=0", "--reach.autonat=false"];
                arguments.extend(alone.into_iter().chain(cairn_tests::node::OFF).map(str::to_owned));
                Ok(arguments)
            }
        }
    }

    /// The command, where the node is.
    pub fn enter(&self, node: NodeId, command: Command) -> Command {
        match &self.medium {
            Medium::Machines { hosts, .. } => hosts[node.0 as usize].namespace.enter(&command),
            Medium::Lines { .. } => command,
        }
    }

    /// Cuts and mends what `links` says.
    ///
    /// # Errors
    /// The system refuses.
    pub fn apply(&mut self) -> Result<(), BetweenError> {
        for from in &self.nodes {
            for to in self.nodes.iter().filter(|to| *to != from) {
                let passes = self.links.passes(*from, *to);
                if passes == self.cut.contains(&(*from, *to)) {
                    set_reaching(&self.medium, *from, *to, passes)?;
                    if passes {
                        self.cut.remove(&(*from, *to))
                    } else {
                        self.cut.insert((*from, *to))
                    };
                }
            }
        }
        Ok(())
    }
}

fn set_reaching(medium: &Medium, from: NodeId, to: NodeId, is_reaching: bool) -> Result<(), BetweenError> {
    match medium {
        Medium::Machines { hosts, .. } => {
            let (from, to) = (&hosts[from.0 as usize], &hosts[to.0 as usize]);
            from.set_reaching(to, is_reaching).map_err(BetweenError::Machine)
        }
        Medium::Lines { lines, .. } => {
            if let Some(line) = lines.get(&(from, to)) {
                line.set_silent(Direction::There, !is_reaching);
            }
            if let Some(line) = lines.get(&(to, from)) {
                line.set_silent(Direction::Back, !is_reaching);
            }
            Ok(())
        }
    }
}

fn machines(count: u32) -> Result<Medium, String> {
    let mut internet = Internet::unfiltered()?;
    let mut hosts = Vec::new();
    for n in 0..count {
        // Each in a /16 of its own, for nodes count neighbours by those.
        hosts.push(internet.host(&format!("n{n}"), [33 + n as u8, 1, 0, 1])?);
    }
    Ok(Medium::Machines { hosts, _internet: internet })
}

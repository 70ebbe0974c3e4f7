//! Lines between nodes: latency by region, bandwidth, and cuts.
//!
//! The regions, their latencies, bandwidths and shares of nodes are those that SimBlock (Aoki et al. 2019) measured of
//! Bitcoin's network in 2019.

use crate::executor::{Nanos, NodeId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use std::collections::BTreeSet;

/// Where a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region(usize);

/// North America, Europe, South America, Asia and the Pacific, Japan, Australia: milliseconds one way.
const LATENCY_MS: [[u64; 6]; 6] = [
    [32, 124, 184, 198, 151, 189],
    [124, 11, 227, 237, 252, 294],
    [184, 227, 88, 325, 301, 322],
    [198, 237, 325, 85, 58, 198],
    [151, 252, 301, 58, 12, 126],
    [189, 294, 322, 198, 126, 16],
];
/// Bits a second, sending.
const UPLOAD: [u64; 6] = [19_200_000, 20_700_000, 5_800_000, 15_700_000, 10_200_000, 11_300_000];
/// Bits a second, receiving.
const DOWNLOAD: [u64; 6] = [52_000_000, 40_000_000, 18_000_000, 22_800_000, 22_800_000, 29_900_000];
/// How many of ten thousand nodes are there.
const SHARES: [u64; 6] = [3_316, 4_998, 90, 1_177, 224, 195];

impl Region {
    /// A region, as often as nodes are there.
    pub fn draw(random: &mut ChaCha8Rng) -> Self {
        let mut left = random.next_u64() % SHARES.iter().sum::<u64>();
        for (region, share) in SHARES.iter().enumerate() {
            if left < *share {
                return Self(region);
            }
            left -= share;
        }
        Self(0)
    }
}

/// How two nodes are connected.
#[expect(missing_docs, reason = "the sentences say what the fields are")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// By region.
    World,
    /// All alike: so long one way, and as many bits a second.
    Even { latency: Nanos, bandwidth: u64 },
}

#[derive(Debug)]
struct Line {
    region: Region,
    /// When what it sends has left.
    busy_until: Nanos,
    /// The part of a parted network it is in.
    part: u32,
}

/// All lines.
#[derive(Debug)]
pub struct Links {
    shape: Shape,
    lines: Vec<Line>,
    /// What one cannot send to the other.
    cuts: BTreeSet<(NodeId, NodeId)>,
    /// Whose process is stopped: it reads nothing, and sends nothing.
    stopped: BTreeSet<NodeId>,
}

impl Links {
    /// No lines yet.
    pub fn new(shape: Shape) -> Self {
        Self { shape, lines: Vec::new(), cuts: BTreeSet::new(), stopped: BTreeSet::new() }
    }

    /// The line of the next node.
    pub fn add(&mut self, region: Region) {
        self.lines.push(Line { region, busy_until: 0, part: 0 });
    }

    fn line(&self, node: NodeId) -> &Line {
        &self.lines[node.0 as usize]
    }

    /// How long something small is on its way.
    pub fn latency(&self, from: NodeId, to: NodeId) -> Nanos {
        match self.shape {
            Shape::World => LATENCY_MS[self.line(from).region.0][self.line(to).region.0] * 1_000_000,
            Shape::Even { latency, .. } => latency,
        }
    }

    /// When so many bytes arrive that are sent now, after all that was sent before.
    pub fn send(&mut self, (from, to): (NodeId, NodeId), bytes: usize, now: Nanos) -> Nanos {
        let (upload, download) = match self.shape {
            Shape::World => (UPLOAD[self.line(from).region.0], DOWNLOAD[self.line(to).region.0]),
            Shape::Even { bandwidth, .. } => (bandwidth, bandwidth),
        };
        let takes = |bandwidth: u64| bytes as u64 * 8 * 1_000 * 1_000_000 / (bandwidth / 1_000).max(1) / 1_000;
        let latency = self.latency(from, to);
        let line = &mut self.lines[from.0 as usize];
        line.busy_until = line.busy_until.max(now) + takes(upload);
        line.busy_until + latency + takes(download).saturating_sub(takes(upload))
    }

    /// Puts nodes into a part of the network that only they can reach.
    pub fn part(&mut self, nodes: impl IntoIterator<Item = NodeId>, part: u32) {
        nodes.into_iter().for_each(|node| self.lines[node.0 as usize].part = part);
    }

    /// Joins all parts, and mends all cuts.
    pub fn heal(&mut self) {
        self.lines.iter_mut().for_each(|line| line.part = 0);
        self.cuts.clear();
    }

    /// From now on the one cannot send to the other.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cuts.insert((from, to));
    }

    /// It can again.
    pub fn mend(&mut self, from: NodeId, to: NodeId) {
        self.cuts.remove(&(from, to));
    }

    /// A node's process is stopped, or goes on.
    pub fn set_stopped(&mut self, node: NodeId, is_stopped: bool) {
        if is_stopped {
            self.stopped.insert(node);
        } else {
            self.stopped.remove(&node);
        }
    }

    /// Whether what the one sends reaches the other.
    pub fn passes(&self, from: NodeId, to: NodeId) -> bool {
        let is_up = !self.stopped.contains(&from) && !self.stopped.contains(&to);
        is_up && self.line(from).part == self.line(to).part && !self.cuts.contains(&(from, to))
    }
}

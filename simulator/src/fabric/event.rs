//! What happens in a simulation, and what is on its way.

use crate::executor::NodeId;
use crate::gossip::Frame;
use cairn_network::transport::{Class, DialFailure, DialNumber, Event, Multiaddr, PeerId, Received};
use std::fmt;

/// A frame's or a message's overhead on the line.
const OVERHEAD: usize = 80;

/// What happens in a simulation.
#[derive(Debug)]
pub enum Happening {
    /// Between nodes.
    Fabric(FabricEvent),
    /// A step of the scenario.
    Step(usize),
    /// A node's disk has failed, in the life of that number.
    Failed(NodeId, u32),
}

/// What is on its way between two nodes.
#[expect(missing_docs, reason = "the sentences say what the fields are")]
#[derive(Debug)]
pub enum Wire {
    /// Gossip.
    Gossip(Frame),
    /// A question.
    Request { number: u64, class: Class, question: Vec<u8> },
    /// Its answer.
    Response { number: u64, answer: Received },
    /// It is not answered.
    Refused { number: u64 },
    /// The connection is closed.
    Close,
}

impl Wire {
    pub(super) fn size(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Gossip(frame) => frame.size(),
                Self::Request { question, .. } => question.len(),
                Self::Response { answer: Ok(answer), .. } => answer.len(),
                Self::Response { .. } | Self::Refused { .. } | Self::Close => 0,
            }
    }
}

/// What happens between nodes.
#[expect(missing_docs, reason = "the sentences say what the fields are")]
#[derive(Debug)]
pub enum FabricEvent {
    /// Something arrives.
    Arrive { connection: u64, from: NodeId, to: NodeId, wire: Wire },
    /// A dial arrives where it leads to.
    Dialled(Box<Dialling>),
    /// A dial has led nowhere.
    NotDialled(Box<Dialling>, DialFailure),
    /// Upkeep of gossip.
    Heartbeat(NodeId),
    /// Whether all that a node has asked was answered in time is looked at.
    Timeout { node: NodeId, life: u32 },
    /// A node learns of something, if it has not crashed meanwhile.
    Tell { node: NodeId, life: u32, event: Box<Event> },
    /// Whether a connection is silent is looked at.
    Silence { connection: u64 },
}

/// A dial on its way.
#[derive(Debug)]
pub struct Dialling {
    pub(super) from: NodeId,
    pub(super) life: u32,
    pub(super) peer: PeerId,
    pub(super) address: Multiaddr,
    pub(super) number: Option<DialNumber>,
    pub(super) is_feeler: bool,
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fabric(event) => event.fmt(f),
            Self::Step(step) => write!(f, "step {step} of the scenario"),
            Self::Failed(node, _) => write!(f, "the disk of {} fails", node.0),
        }
    }
}

impl fmt::Display for FabricEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrive { from, to, wire, .. } => write!(f, "{} to {}: {wire}", from.0, to.0),
            Self::Dialled(dialling) => write!(f, "{} has dialled {}", dialling.from.0, dialling.address),
            Self::NotDialled(dialling, failure) => {
                write!(f, "{} has not reached {}: {failure:?}", dialling.from.0, dialling.address)
            }
            Self::Heartbeat(node) => write!(f, "{}: heartbeat of gossip", node.0),
            Self::Timeout { node, .. } => write!(f, "{}: looks whether all it asked was answered in time", node.0),
            Self::Tell { node, event, .. } => write!(f, "{} learns: {event:?}", node.0),
            Self::Silence { connection } => write!(f, "connection {connection} may be silent"),
        }
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.size() - OVERHEAD;
        match self {
            Self::Gossip(Frame::Message { topic, id, .. }) => {
                write!(f, "gossips {bytes} bytes of {topic:?}, {:02x}{:02x}{:02x}{:02x}", id[0], id[1], id[2], id[3])
            }
            Self::Gossip(Frame::Graft(topic)) => write!(f, "grafts {topic:?}"),
            Self::Gossip(Frame::Prune(topic)) => write!(f, "prunes {topic:?}"),
            Self::Gossip(Frame::IHave(topic, ids)) => write!(f, "has {} of {topic:?}", ids.len()),
            Self::Gossip(Frame::IWant(ids)) => write!(f, "wants {}", ids.len()),
            Self::Gossip(Frame::IDontWant(ids)) => write!(f, "does not want {}", ids.len()),
            Self::Request { number, class, .. } => write!(f, "asks {number} for {class:?}, {bytes} bytes"),
            Self::Response { number, answer: Ok(_) } => write!(f, "answers {number} with {bytes} bytes"),
            Self::Response { number, answer: Err(error) } => write!(f, "answers {number} with no message: {error}"),
            Self::Refused { number } => write!(f, "closes {number} unanswered"),
            Self::Close => write!(f, "closes the connection"),
        }
    }
}

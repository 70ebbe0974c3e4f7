//! What nodes do to each other, as it is seen between them: whom they dial, what they ask, what they are given, and
//! what they say of gossip. The [oracles](crate::oracles) judge it at the end.

mod conduct;
mod dials;
mod pairs;
mod questions;

pub use conduct::Conduct;
pub use dials::{Dials, Streak};
pub use pairs::Pair;
pub use questions::{Answered, Questions};

use crate::executor::{Nanos, NodeId};
use cairn_ledger::block::{HEADER_BYTES, Header};
use cairn_ledger::hash::BlockId;
use cairn_ledger::transaction::Transaction;
use cairn_network::transport::{Class, MessageNumber, Published, Topic};
use cairn_network::wire::{Addresses, Bodies, GetBodies, Message as _, PeerAddress, TxBatch};
use std::collections::{BTreeMap, BTreeSet};

/// What was seen of all nodes.
#[derive(Debug, Default)]
pub struct Watch {
    nodes: BTreeMap<NodeId, Conduct>,
    /// Where nodes are.
    places: BTreeSet<([u8; 32], [u8; 16])>,
    /// Who lies: what they say is not judged, nor what is made of it.
    liars: BTreeSet<NodeId>,
    /// What they gave to whom.
    told: BTreeMap<(NodeId, NodeId), Told>,
    /// What the first had of the second.
    pairs: BTreeMap<(NodeId, NodeId), Pair>,
    /// When a block came first to a node from somebody honest, by gossip.
    came: BTreeMap<(NodeId, BlockId), Nanos>,
}

/// What a liar gave to somebody.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Answers with headers.
    pub headers: u64,
    /// Answers for bodies that are none.
    pub garbage: u64,
    /// Bodies that nobody had given before, and when they came.
    pub bodies: Vec<(BlockId, Nanos)>,
}

/// An answer of so many bytes says nothing.
const SHORT: usize = 16;

impl Watch {
    /// What a node has done since it started last.
    pub fn of(&self, node: NodeId) -> Option<&Conduct> {
        self.nodes.get(&node)
    }

    /// A node is there.
    pub fn add(&mut self, place: &PeerAddress) {
        self.places.insert((place.key, place.ip));
    }

    /// A node lies.
    pub fn set_liar(&mut self, node: NodeId) {
        self.liars.insert(node);
    }

    /// Whether a node lies.
    pub fn is_liar(&self, node: NodeId) -> bool {
        self.liars.contains(&node)
    }

    /// An answer was lost on its way.
    pub fn on_lost(&mut self, node: NodeId, from: NodeId) {
        self.pairs.entry((node, from)).or_default().note_silence();
    }

    /// What liars gave to whom.
    pub fn told(&self) -> &BTreeMap<(NodeId, NodeId), Told> {
        &self.told
    }

    /// A node starts.
    pub fn on_start(&mut self, node: NodeId, now: Nanos) {
        let before = self.nodes.remove(&node);
        self.pairs.retain(|(asked_by, _), _| *asked_by != node);
        self.nodes.insert(node, Conduct::new(before, now));
    }

    /// What a node had of another.
    pub fn pair(&self, node: NodeId, of: NodeId) -> Option<&Pair> {
        self.pairs.get(&(node, of))
    }

    /// What all had of all others.
    pub fn pairs(&self) -> impl Iterator<Item = (&(NodeId, NodeId), &Pair)> {
        self.pairs.iter()
    }

    /// Which blocks came to whom by gossip, and when.
    pub fn came(&self) -> &BTreeMap<(NodeId, BlockId), Nanos> {
        &self.came
    }

    /// A node, to note what it does.
    pub fn note(&mut self, node: NodeId) -> &mut Conduct {
        self.nodes.entry(node).or_default()
    }

    /// A message waits for a node's verdict.
    pub fn on_gossiped(
        &mut self,
        (node, from): (NodeId, NodeId),
        message: MessageNumber,
        (topic, data): (Topic, &[u8]),
        now: Nanos,
    ) {
        self.note(node).waiting.insert(message.0, (topic as usize, now));
        if topic == Topic::Blocks
            && !self.liars.contains(&from)
            && let Some(header) = data.get(..HEADER_BYTES).and_then(|bytes| Header::from_bytes(bytes).ok())
        {
            self.came.entry((node, header.id())).or_insert(now);
        }
    }

    /// A node has said what it makes of a message.
    pub fn on_verdict(&mut self, node: NodeId, message: MessageNumber, accept: bool) {
        let conduct = self.note(node);
        match conduct.waiting.remove(&message.0) {
            Some((topic, _)) => conduct.verdicts[topic][usize::from(accept)] += 1,
            None => conduct.twice += 1,
        }
    }

    /// A node has sent payments to whoever hears.
    pub fn on_published(&mut self, node: NodeId, batch: &TxBatch, outcome: Published, now: Nanos) {
        let untaken = &mut self.note(node).untaken;
        for id in batch.transactions.iter().map(Transaction::id) {
            match outcome {
                Published::NobodyTook => drop(untaken.entry(id).or_insert(now)),
                Published::Sent | Published::Repeated => drop(untaken.remove(&id)),
                Published::Failed => {}
            }
        }
    }

    /// A node asks another.
    pub fn on_asked(&mut self, (node, to): (NodeId, NodeId), class: Class, question: &[u8], now: Nanos) {
        self.pairs.entry((node, to)).or_default().on_asked(class, now);
        self.note(node).questions.on_asked(class, question, now);
    }

    /// A node's question has ended, after so long.
    pub fn on_answered(
        &mut self,
        (node, from): (NodeId, NodeId),
        (class, question): (Class, &[u8]),
        answer: &Answered<'_>,
        (waited, now): (Nanos, Nanos),
    ) {
        self.pairs.entry((node, from)).or_default().on_answered(class, answer, (waited, now));
        if self.liars.contains(&from) {
            if let Answered::Bytes(bytes) = answer
                && bytes.len() > SHORT
            {
                self.on_told((node, from), class, question, bytes, now);
            }
            return;
        }
        match (class, answer) {
            (Class::Addresses, Answered::Bytes(bytes)) => self.on_addresses(from, bytes),
            (Class::Status, Answered::Bytes(_)) => self.note(node).dials.on_acquainted(from),
            _ => {}
        }
        self.note(node).questions.on_answered(class, question, answer);
    }

    /// A liar has told a node something.
    fn on_told(&mut self, (node, from): (NodeId, NodeId), class: Class, question: &[u8], bytes: &[u8], now: Nanos) {
        let told = self.told.entry((from, node)).or_default();
        match (class, GetBodies::from_bytes(question), Bodies::from_bytes(bytes)) {
            (Class::Headers, ..) => told.headers += 1,
            (Class::Bodies, Ok(question), Ok(answer)) => {
                let given = self.nodes.get(&node).map(|conduct| &conduct.questions);
                let ids = question.ids.iter().take(answer.bodies.len());
                let new = ids.filter(|id| !given.is_some_and(|given| given.has_body(id)));
                told.bodies.extend(new.map(|id| (*id, now)));
            }
            (Class::Bodies, ..) => told.garbage += 1,
            _ => {}
        }
    }

    fn on_addresses(&mut self, from: NodeId, bytes: &[u8]) {
        let Ok(answer) = Addresses::from_bytes(bytes) else { return };
        let places = &self.places;
        let invented = answer.addresses.iter().filter(|at| !places.contains(&(at.key, at.ip))).count();
        let conduct = self.nodes.entry(from).or_default();
        conduct.named.0 += 1;
        conduct.named.1 += u64::from(answer.addresses.is_empty());
        conduct.invented += invented as u64;
    }
}

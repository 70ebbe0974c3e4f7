//! gossipsub v1.1 for one node, by its published rules (libp2p specs, pubsub/gossipsub), and where they leave a choice
//! as rust-libp2p has it: a mesh of few peers for each topic, joined at once by whoever comes while it is small and
//! repaired at every heartbeat; ids told to some of the others (IHAVE, IWANT); what a node has itself made goes to more
//! than its mesh; IDONTWANT of v1.2 for what is large. The numbers are those that `cairn-network` gives libp2p. Scores
//! and peer exchange are off there, and here.

use crate::executor::{Nanos, NodeId};
use cairn_network::transport::{MessageNumber, Topic};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Between two rounds of upkeep.
pub const HEARTBEAT: Nanos = 700_000_000;
/// How many peers a mesh has, at least, by preference and at most.
const MESH: (usize, usize, usize) = (4, 6, 12);
/// How long a message is remembered.
const REMEMBERED: Nanos = 120_000_000_000;
/// How long who was pruned is not grafted again.
const BACKOFF: Nanos = 60_000_000_000;
/// For how long messages are kept, and told of: twelve heartbeats, and three.
const HISTORY: (Nanos, Nanos) = (12 * HEARTBEAT, 3 * HEARTBEAT);
/// To how many others ids are told, at least.
const LAZY: usize = 6;
/// How long somebody has to bring what was asked for, before another is asked.
const PROMISED: Nanos = 3_000_000_000;
/// Messages from so many bytes on are refused from others while one brings them.
const LARGE: usize = 4_096;

/// A message's id.
pub type MessageId = [u8; 20];

/// What nodes tell each other.
#[expect(missing_docs, reason = "the sentences say what the fields are")]
#[derive(Clone, Debug)]
pub enum Frame {
    /// A message.
    Message { topic: Topic, id: MessageId, data: Arc<[u8]> },
    /// From now on the sender is in the receiver's mesh.
    Graft(Topic),
    /// From now on not.
    Prune(Topic),
    /// The sender has these.
    IHave(Topic, Vec<MessageId>),
    /// The sender wants these.
    IWant(Vec<MessageId>),
    /// The sender gets these from somebody else.
    IDontWant(Vec<MessageId>),
}

impl Frame {
    /// Its bytes, about.
    pub fn size(&self) -> usize {
        match self {
            Self::Message { data, .. } => data.len() + 60,
            Self::Graft(_) | Self::Prune(_) => 60,
            Self::IHave(_, ids) | Self::IWant(ids) | Self::IDontWant(ids) => 60 + 22 * ids.len(),
        }
    }
}

/// A message that is known.
#[derive(Debug)]
struct Seen {
    topic: Topic,
    at: Nanos,
    /// Gone once it was refused, or is forgotten.
    data: Option<Arc<[u8]>>,
    /// Whether it may be passed on.
    is_valid: bool,
    /// Who brought it, or does not want it.
    have_it: BTreeSet<NodeId>,
}

#[derive(Debug, Default)]
struct Mesh {
    peers: BTreeSet<NodeId>,
    backoff: BTreeMap<NodeId, Nanos>,
}

/// What is to be sent, and what is new.
#[derive(Debug, Default)]
pub struct Outcome {
    /// To whom what is sent.
    pub frames: Vec<(NodeId, Frame)>,
    /// A message that is to be judged, and who brought it.
    pub judge: Option<(MessageNumber, NodeId, Topic, Arc<[u8]>)>,
}

/// One node's part.
#[derive(Debug, Default)]
pub struct Gossip {
    /// Who is connected, and whether this node dialled.
    peers: BTreeMap<NodeId, bool>,
    meshes: [Mesh; 2],
    seen: HashMap<MessageId, Seen>,
    /// In the order in which they came.
    order: VecDeque<MessageId>,
    /// What waits for its verdict.
    judged: HashMap<MessageNumber, MessageId>,
    last: u64,
    /// What came lately, and when.
    history: VecDeque<(Nanos, Topic, MessageId)>,
    /// What was asked for, and until when nobody else is.
    asked: BTreeMap<MessageId, Nanos>,
    /// Whether a heartbeat is planned.
    pub beats: bool,
}

const TOPICS: [Topic; 2] = [Topic::Blocks, Topic::Txs];

const fn place(topic: Topic) -> usize {
    match topic {
        Topic::Blocks => 0,
        Topic::Txs => 1,
    }
}

impl Gossip {
    /// Somebody has connected: part of each mesh that is too small.
    pub fn add(&mut self, peer: NodeId, is_outbound: bool, now: Nanos) -> Outcome {
        let mut outcome = Outcome::default();
        if self.peers.insert(peer, is_outbound).is_some() {
            return outcome;
        }
        for (topic, mesh) in TOPICS.into_iter().zip(&mut self.meshes) {
            let rests = mesh.backoff.get(&peer).is_some_and(|until| *until > now);
            if mesh.peers.len() < MESH.0 && !rests && mesh.peers.insert(peer) {
                outcome.frames.push((peer, Frame::Graft(topic)));
            }
        }
        outcome
    }

    /// Somebody is gone.
    pub fn remove(&mut self, peer: NodeId) {
        self.peers.remove(&peer);
        for mesh in &mut self.meshes {
            mesh.peers.remove(&peer);
        }
    }

    /// The topics in whose mesh a peer is.
    pub fn mesh_of(&self, peer: NodeId) -> Vec<String> {
        let names = [("blocks", 0), ("txs", 1)];
        names
            .into_iter()
            .filter(|(_, at)| self.meshes[*at].peers.contains(&peer))
            .map(|(name, _)| name.into())
            .collect()
    }

    /// Whether a frame would change nothing here, now and for as long as it may be on its way.
    pub fn is_known(&self, frame: &Frame) -> bool {
        matches!(frame, Frame::IHave(_, ids) if ids.iter().all(|id| self.seen.contains_key(id)))
    }

    /// Whether the next heartbeat would do nothing.
    pub fn is_at_rest(&self, now: Nanos) -> bool {
        let fits = |mesh: &Mesh| {
            let count = mesh.peers.len();
            count < MESH.2 && (count >= MESH.0 || count == self.peers.len())
        };
        self.meshes.iter().all(fits) && self.history.back().is_none_or(|(at, ..)| at + HISTORY.1 < now)
    }

    /// Publishes a message of this node's; nothing when it is known already, or nobody is there.
    pub fn publish(
        &mut self,
        topic: Topic,
        id: MessageId,
        data: Arc<[u8]>,
        (now, random): (Nanos, &mut ChaCha8Rng),
    ) -> Option<Outcome> {
        self.forget(now);
        if self.seen.contains_key(&id) || self.peers.is_empty() {
            return None;
        }
        self.remember(topic, id, &data, now);
        let mut outcome = Outcome::default();
        for peer in self.audience(topic, random) {
            if data.len() >= LARGE {
                outcome.frames.push((peer, Frame::IDontWant(vec![id])));
            }
            outcome.frames.push((peer, Frame::Message { topic, id, data: data.clone() }));
        }
        Some(outcome)
    }

    /// Who gets what this node has made: a block everybody, as `cairn-network` has it; a payment the mesh, and some of
    /// the others while that is small.
    fn audience(&self, topic: Topic, random: &mut ChaCha8Rng) -> Vec<NodeId> {
        let mesh = &self.meshes[place(topic)].peers;
        if topic == Topic::Blocks {
            return self.peers.keys().copied().collect();
        }
        let mut others: Vec<NodeId> = self.peers.keys().filter(|peer| !mesh.contains(peer)).copied().collect();
        let more = draw(&mut others, MESH.1.saturating_sub(mesh.len()), random);
        mesh.iter().copied().chain(more).collect()
    }

    fn remember(&mut self, topic: Topic, id: MessageId, data: &Arc<[u8]>, now: Nanos) {
        let seen = Seen { topic, at: now, data: Some(data.clone()), is_valid: true, have_it: BTreeSet::new() };
        self.seen.insert(id, seen);
        self.order.push_back(id);
        self.history.push_back((now, topic, id));
    }

    fn forget(&mut self, now: Nanos) {
        while let Some(id) = self.order.front() {
            if self.seen.get(id).is_some_and(|seen| seen.at + REMEMBERED > now) {
                break;
            }
            self.seen.remove(id);
            self.order.pop_front();
        }
    }

    fn pass_on(&self, id: MessageId, outcome: &mut Outcome) {
        let Some(Seen { topic, data: Some(data), have_it, .. }) = self.seen.get(&id) else { return };
        let mesh = self.meshes[place(*topic)].peers.iter().copied();
        let frame = || Frame::Message { topic: *topic, id, data: data.clone() };
        outcome.frames.extend(mesh.filter(|peer| !have_it.contains(peer)).map(|peer| (peer, frame())));
    }

    /// Something came from a peer.
    pub fn on_frame(&mut self, from: NodeId, frame: Frame, now: Nanos) -> Outcome {
        let mut outcome = Outcome::default();
        match frame {
            Frame::Message { topic, id, data } => self.on_message(from, (topic, id, data), now, &mut outcome),
            Frame::Graft(topic) => {
                let is_outbound = self.peers.get(&from) == Some(&true);
                let mesh = &mut self.meshes[place(topic)];
                let is_full = mesh.peers.len() >= MESH.2 && !is_outbound && !mesh.peers.contains(&from);
                if is_full || mesh.backoff.get(&from).is_some_and(|until| *until > now) {
                    mesh.backoff.insert(from, now + BACKOFF);
                    outcome.frames.push((from, Frame::Prune(topic)));
                } else {
                    mesh.peers.insert(from);
                }
            }
            Frame::Prune(topic) => {
                let mesh = &mut self.meshes[place(topic)];
                mesh.peers.remove(&from);
                mesh.backoff.insert(from, now + BACKOFF);
            }
            Frame::IHave(_, ids) => {
                let is_promised = |id: &MessageId| self.asked.get(id).is_some_and(|until| *until > now);
                let lacking = |id: &MessageId| !self.seen.contains_key(id) && !is_promised(id);
                let wanted: Vec<MessageId> = ids.into_iter().filter(lacking).collect();
                if !wanted.is_empty() {
                    self.asked.extend(wanted.iter().map(|id| (*id, now + PROMISED)));
                    outcome.frames.push((from, Frame::IWant(wanted)));
                }
            }
            Frame::IWant(ids) => {
                for id in ids {
                    if let Some(Seen { topic, data: Some(data), is_valid: true, .. }) = self.seen.get(&id) {
                        outcome.frames.push((from, Frame::Message { topic: *topic, id, data: data.clone() }));
                    }
                }
            }
            Frame::IDontWant(ids) => {
                for id in ids {
                    if let Some(seen) = self.seen.get_mut(&id) {
                        seen.have_it.insert(from);
                    }
                }
            }
        }
        outcome
    }

    fn on_message(
        &mut self,
        from: NodeId,
        (topic, id, data): (Topic, MessageId, Arc<[u8]>),
        now: Nanos,
        outcome: &mut Outcome,
    ) {
        self.forget(now);
        if let Some(seen) = self.seen.get_mut(&id) {
            seen.have_it.insert(from);
            return;
        }
        let seen = Seen { topic, at: now, data: Some(data.clone()), is_valid: false, have_it: BTreeSet::from([from]) };
        self.seen.insert(id, seen);
        self.order.push_back(id);
        if data.len() >= LARGE {
            let others = self.meshes[place(topic)].peers.iter().filter(|peer| **peer != from);
            outcome.frames.extend(others.map(|peer| (*peer, Frame::IDontWant(vec![id]))));
        }
        self.last += 1;
        let number = MessageNumber(self.last);
        self.judged.insert(number, id);
        outcome.judge = Some((number, from, topic, data));
    }

    /// A verdict; whether the message travels on.
    pub fn on_verdict(&mut self, number: MessageNumber, accept: bool, now: Nanos, outcome: &mut Outcome) -> bool {
        let Some(id) = self.judged.remove(&number) else { return false };
        let Some(seen) = self.seen.get_mut(&id) else { return false };
        if !accept {
            seen.data = None;
            return false;
        }
        seen.is_valid = true;
        let topic = seen.topic;
        self.history.push_back((now, topic, id));
        self.pass_on(id, outcome);
        true
    }

    /// The regular upkeep.
    pub fn heartbeat(&mut self, now: Nanos, random: &mut ChaCha8Rng) -> Outcome {
        let mut outcome = Outcome::default();
        self.asked.retain(|_, until| *until > now);
        for topic in TOPICS {
            self.mend_mesh(topic, now, random, &mut outcome);
            self.tell_ids(topic, now, random, &mut outcome);
        }
        while let Some((_, _, id)) = self.history.pop_front_if(|(at, ..)| *at + HISTORY.0 < now) {
            if let Some(seen) = self.seen.get_mut(&id) {
                seen.data = None;
            }
        }
        outcome
    }

    fn mend_mesh(&mut self, topic: Topic, now: Nanos, random: &mut ChaCha8Rng, outcome: &mut Outcome) {
        let mesh = &mut self.meshes[place(topic)];
        mesh.backoff.retain(|_, until| *until > now);
        let is_outbound = |peer: &NodeId| self.peers.get(peer) == Some(&true);
        // Too few, or none that this node has dialled, where there is one.
        let lacks_outbound = !mesh.peers.iter().any(is_outbound);
        if mesh.peers.len() < MESH.0 || lacks_outbound {
            let is_enough = mesh.peers.len() >= MESH.0;
            let is_free = |peer: &&NodeId| !mesh.peers.contains(peer) && !mesh.backoff.contains_key(peer);
            let is_wanted = |peer: &&NodeId| is_free(peer) && (!is_enough || is_outbound(peer));
            let mut free: Vec<NodeId> = self.peers.keys().filter(is_wanted).copied().collect();
            let count = if is_enough { 1 } else { MESH.1 - mesh.peers.len() };
            for peer in draw(&mut free, count, random) {
                mesh.peers.insert(peer);
                outcome.frames.push((peer, Frame::Graft(topic)));
            }
        }
        if mesh.peers.len() >= MESH.2 {
            let mut all: Vec<NodeId> = mesh.peers.iter().copied().collect();
            let mut kept: BTreeSet<NodeId> = draw(&mut all, MESH.1, random).into_iter().collect();
            // One at least that this node has dialled.
            if !kept.iter().any(|peer| self.peers.get(peer) == Some(&true)) {
                kept.extend(all.iter().find(|peer| self.peers.get(peer) == Some(&true)));
            }
            for peer in mesh.peers.iter().filter(|peer| !kept.contains(peer)) {
                mesh.backoff.insert(*peer, now + BACKOFF);
                outcome.frames.push((*peer, Frame::Prune(topic)));
            }
            mesh.peers = kept;
        }
    }

    fn tell_ids(&self, topic: Topic, now: Nanos, random: &mut ChaCha8Rng, outcome: &mut Outcome) {
        let recent = self.history.iter().rev().take_while(|(at, ..)| *at + HISTORY.1 >= now);
        let ids: Vec<MessageId> = recent.filter(|(_, of, _)| *of == topic).map(|(_, _, id)| *id).collect();
        if ids.is_empty() {
            return;
        }
        let mesh = &self.meshes[place(topic)].peers;
        let mut others: Vec<NodeId> = self.peers.keys().filter(|peer| !mesh.contains(peer)).copied().collect();
        let some = LAZY.max(others.len() / 4);
        outcome
            .frames
            .extend(draw(&mut others, some, random).into_iter().map(|peer| (peer, Frame::IHave(topic, ids.clone()))));
    }
}

/// So many of them, each as likely as any other; those are gone from `from`.
pub fn draw<T>(from: &mut Vec<T>, count: usize, random: &mut ChaCha8Rng) -> Vec<T> {
    let mut drawn = Vec::new();
    while drawn.len() < count && !from.is_empty() {
        let at = (random.next_u64() % from.len() as u64) as usize;
        drawn.push(from.swap_remove(at));
    }
    drawn
}

#[cfg(test)]
mod tests;

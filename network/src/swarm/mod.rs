//! libp2p: transports, protocols, and who may connect. [`NetworkSwarm`] is the only one that touches the swarm: what
//! that reports becomes [events](crate::event::Event), and [actions](crate::event::Action) are carried out on it.

mod actions;
pub(crate) mod behaviour;
pub(crate) mod codec;
pub(crate) mod dht;
mod events;
pub(crate) mod gate;
pub(crate) mod identity;
pub(crate) mod metered;
pub(crate) mod transports;

use crate::event::{Event, Job, Received, SwarmAction, Topic};
use crate::ids::{ConnectionNumber, DialNumber, MessageNumber, Multiaddr, PeerId, RequestNumber, SearchNumber};
use crate::requests::class::Class;
use crate::transport::{AnswerSender, Transport};
use behaviour::{Behaviour, Gossip, Names, Requests};
use cairn_chain::Verdict;
use cairn_ledger::hash::{BlockId, Hash};
use gate::Gate;
use libp2p::gossipsub::{IdentTopic, MessageAcceptance, MessageId};
use libp2p::request_response::{InboundRequestId, OutboundRequestId, ResponseChannel};
use libp2p::{Swarm, core::transport::ListenerId, futures::StreamExt, kad::QueryId, swarm::ConnectionId};
use metered::Metered;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

/// A request of a peer's that was not answered yet.
struct Channel {
    class: Class,
    id: InboundRequestId,
    channel: ResponseChannel<Received>,
}

/// A request of this node's that was not answered yet.
struct Awaited {
    question: Vec<u8>,
    /// Who waits for the answer, where it is not the network's state.
    answer: Option<AnswerSender>,
    /// Whether it was asked a second time.
    is_again: bool,
}

/// The swarm, and the numbers by which others name what is in it.
pub(crate) struct NetworkSwarm {
    swarm: Swarm<Gate<Behaviour>>,
    names: Names,
    genesis_id: BlockId,
    /// State roots of the followed chain at which there may be snapshots.
    snapshot_roots: Vec<Hash>,
    /// Blocks in a stretch of history, and how many stretches there are.
    stretches: (u64, u64),
    allow_private: bool,
    /// Events that are not taken yet.
    pending: VecDeque<Event>,
    /// The last number that was given.
    last_number: u64,
    connections: HashMap<ConnectionId, ConnectionNumber>,
    /// The hosts of those who are connected, but for connections through relays.
    hosts: HashMap<ConnectionId, (PeerId, IpAddr)>,
    dials: HashMap<ConnectionId, DialNumber>,
    /// Relays through which this node listens.
    relays: HashMap<ListenerId, PeerId>,
    /// Requests of peers that wait for their answers, and those whose answers have not left yet.
    channels: HashMap<RequestNumber, Channel>,
    open: BTreeMap<(Class, InboundRequestId), RequestNumber>,
    /// Requests of ours.
    awaited: BTreeMap<(Class, OutboundRequestId), Awaited>,
    /// Gossiped messages that wait for their verdicts.
    messages: HashMap<MessageNumber, (Topic, MessageId, PeerId)>,
    searches: HashMap<QueryId, SearchNumber>,
}

impl NetworkSwarm {
    /// On the network of this block 0; it listens already.
    pub(crate) fn new(swarm: Swarm<Gate<Behaviour>>, names: Names, genesis_id: BlockId, allow_private: bool) -> Self {
        Self {
            swarm,
            names,
            genesis_id,
            snapshot_roots: Vec::new(),
            stretches: (0, 0),
            allow_private,
            pending: VecDeque::new(),
            last_number: 0,
            connections: HashMap::new(),
            hosts: HashMap::new(),
            dials: HashMap::new(),
            relays: HashMap::new(),
            channels: HashMap::new(),
            open: BTreeMap::new(),
            awaited: BTreeMap::new(),
            messages: HashMap::new(),
            searches: HashMap::new(),
        }
    }

    fn tell(&mut self, event: Event) {
        self.pending.push_back(event);
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// The gossip of a topic.
    fn gossip(&mut self, topic: Topic) -> &mut Gossip {
        let behaviour = self.swarm.behaviour_mut();
        match topic {
            Topic::Blocks => &mut behaviour.block_gossip,
            Topic::Txs => &mut behaviour.tx_gossip,
        }
    }

    /// The requests of a class.
    fn requests(&mut self, class: Class) -> &mut Requests {
        let behaviour = self.swarm.behaviour_mut();
        match class {
            Class::Status => &mut behaviour.status,
            Class::Addresses => &mut behaviour.addresses,
            Class::Headers => &mut behaviour.headers,
            Class::Bodies => &mut behaviour.bodies,
            Class::BlockTxs => &mut behaviour.block_txs,
            Class::Pool => &mut behaviour.pool,
            Class::Snapshot => &mut behaviour.snapshot,
        }
    }

    fn ask(&mut self, peer: PeerId, class: Class, awaited: Awaited) {
        let id = self.requests(class).send_request(&peer, Ok(awaited.question.clone()));
        self.awaited.insert((class, id), awaited);
    }

    /// Tells who has sent more of a protocol than it may.
    fn tell_exceeded(&mut self) {
        let behaviour = self.swarm.behaviour_mut();
        let mut exceeded = behaviour.identify.take_exceeded();
        exceeded.extend(behaviour.block_gossip.take_exceeded());
        exceeded.extend(behaviour.tx_gossip.take_exceeded());
        exceeded.extend(behaviour.kad.as_mut().map(Metered::take_exceeded).unwrap_or_default());
        exceeded.extend(behaviour.rendezvous_server.as_mut().map(Metered::take_exceeded).unwrap_or_default());
        exceeded.extend(behaviour.autonat_server.as_mut().map(Metered::take_exceeded).unwrap_or_default());
        exceeded.extend(behaviour.relay_server.as_mut().map(Metered::take_exceeded).unwrap_or_default());
        self.pending.extend(exceeded.into_iter().map(|peer| Event::Exceeded { peer }));
    }

    fn full(&self, address: &Multiaddr) -> String {
        format!("{address}/p2p/{}", self.swarm.local_peer_id())
    }
}

impl Transport for NetworkSwarm {
    async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return event;
            }
            let event = self.swarm.select_next_some().await;
            self.translate(event);
            self.tell_exceeded();
        }
    }

    fn carry_out(&mut self, action: SwarmAction) -> Option<Event> {
        self.act(action)
    }

    fn on_verdict(&mut self, job: &Job, verdict: &Verdict) -> bool {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject(_) => MessageAcceptance::Reject,
        };
        self.validate(job.message, acceptance) && *verdict == Verdict::Accept
    }

    fn request(&mut self, peer: PeerId, class: Class, question: Vec<u8>, answer: AnswerSender) {
        self.ask(peer, class, Awaited { question, answer: Some(answer), is_again: false });
    }

    fn listening(&self) -> Vec<String> {
        self.swarm.listeners().map(|address| self.full(address)).collect()
    }

    fn external(&self) -> Vec<String> {
        self.swarm.external_addresses().map(|address| self.full(address)).collect()
    }

    fn protocol_prefix(&self) -> String {
        self.names.prefix.clone()
    }

    fn mesh_of(&self, peer: &PeerId) -> Vec<String> {
        let behaviour = self.swarm.behaviour();
        let is_in = |gossip: &Gossip, topic: &IdentTopic| gossip.mesh_peers(&topic.hash()).any(|other| other == peer);
        let topics =
            [("blocks", &behaviour.block_gossip, &self.names.blocks), ("txs", &behaviour.tx_gossip, &self.names.txs)];
        topics.into_iter().filter(|(_, gossip, topic)| is_in(gossip, topic)).map(|(name, ..)| name.to_owned()).collect()
    }
}

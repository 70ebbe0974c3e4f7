//! A peer that speaks libp2p properly, so that it gets in, and then sends whatever it likes.

use crate::node::Node;
use crate::strangers::bystander::at_genesis;
use crate::strangers::bytes::{Bytes, Manner};
use crate::strangers::swarm::{gossip, requests, swarm};
use cairn_rpc::methods::NetClient;
use libp2p::gossipsub::{self, IdentTopic};
use libp2p::request_response::{self, Event, Message, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, futures::StreamExt, identity::Keypair, multiaddr::Protocol};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The request protocols of a node, without what their names begin with.
pub const REQUESTS: [&str; 6] = ["status/1", "headers/1", "bodies/1", "addresses/1", "block-txs/1", "pool/1"];
/// The gossip topics of a node, likewise.
pub const TOPICS: [&str; 2] = ["blocks/1", "txs/1"];

/// How long it waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// One behaviour for each protocol: with all names in one, libp2p itself would choose among them.
#[derive(NetworkBehaviour)]
struct Behaviour {
    blocks: gossipsub::Behaviour,
    txs: gossipsub::Behaviour,
    status: request_response::Behaviour<Bytes>,
    headers: request_response::Behaviour<Bytes>,
    bodies: request_response::Behaviour<Bytes>,
    addresses: request_response::Behaviour<Bytes>,
    block_txs: request_response::Behaviour<Bytes>,
    pool: request_response::Behaviour<Bytes>,
}

/// The peer.
pub struct Intruder {
    swarm: Swarm<Behaviour>,
    victim: PeerId,
    address: Multiaddr,
    prefix: String,
    /// Questions that it lets others wait for.
    held: Vec<ResponseChannel<Vec<u8>>>,
}

impl Intruder {
    /// A peer with a new identity that speaks every protocol of `victim`; not connected yet.
    ///
    /// # Panics
    /// The victim does not answer.
    pub async fn new(victim: &Node) -> Self {
        Self::with(victim, Manner::Prompt).await
    }

    /// The same, of other manners.
    ///
    /// # Panics
    /// The victim does not answer.
    pub async fn with(victim: &Node, manner: Manner) -> Self {
        let info = victim.rpc().net_info().await.expect("a running node answers");
        let address = victim.address().await.parse().expect("a node's address");
        Self::at(address, &info.protocol_prefix, manner)
    }

    /// The same, of a victim that is only known by its address and by what the names of its protocols begin with.
    ///
    /// # Panics
    /// The address does not end in a peer id.
    pub fn at(address: Multiaddr, prefix: &str, manner: Manner) -> Self {
        // One prefix for all protocols, with or without a slash at its end.
        let prefix = prefix.trim_end_matches('/').to_owned();
        let Some(Protocol::P2p(victim)) = address.iter().last() else {
            panic!("got {address}, expected an address that ends in /p2p/ and a peer id")
        };
        // Whoever means to be slow does not give up first.
        let patience = if manner == Manner::Prompt { ANSWER_WITHIN } else { Duration::from_secs(600) };
        let requests = |place: usize| requests(&prefix, REQUESTS[place], manner, patience);
        let behaviour = Behaviour {
            blocks: gossip(&prefix, TOPICS[0]),
            txs: gossip(&prefix, TOPICS[1]),
            status: requests(0),
            headers: requests(1),
            bodies: requests(2),
            addresses: requests(3),
            block_txs: requests(4),
            pool: requests(5),
        };
        let swarm = swarm(Keypair::generate_ed25519(), Duration::from_secs(60), behaviour);
        Self { swarm, victim, address, prefix, held: Vec::new() }
    }

    /// What the names of its protocols begin with, up to a slash.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Its identity.
    pub fn peer_id(&self) -> String {
        self.swarm.local_peer_id().to_string()
    }

    /// Whether it is connected to the victim.
    pub fn is_connected(&self) -> bool {
        self.swarm.is_connected(&self.victim)
    }

    /// Whether it is still connected a moment after it was let in: some are thrown out only then.
    pub async fn is_still_connected(&mut self) -> bool {
        self.flush().await;
        self.is_connected()
    }

    /// Connects, if it is not; whether it is then.
    pub async fn connect(&mut self, within: Duration) -> bool {
        if !self.is_connected() {
            // A dial that is refused shows in what happens next.
            let _ = self.swarm.dial(self.address.clone());
        }
        let deadline = Instant::now() + within;
        while !self.is_connected() {
            match timeout_at(deadline, self.swarm.select_next_some()).await {
                Ok(SwarmEvent::OutgoingConnectionError { .. }) | Err(_) => return false,
                Ok(_) => {}
            }
        }
        true
    }

    /// Sends these bytes as a request of the protocol at this place of [`REQUESTS`], connecting first. The
    /// answer, if one came.
    pub async fn request(&mut self, protocol: usize, bytes: Vec<u8>, within: Duration) -> Option<Vec<u8>> {
        if !self.connect(within).await {
            return None;
        }
        let victim = self.victim;
        let id = self.behaviour(protocol).send_request(&victim, bytes);
        let deadline = Instant::now() + within;
        while let Ok(event) = timeout_at(deadline, self.swarm.select_next_some()).await {
            match of_request(event) {
                Some((place, Event::Message { message: Message::Response { request_id, response }, .. }))
                    if place == protocol && request_id == id =>
                {
                    return Some(response);
                }
                Some((place, Event::OutboundFailure { request_id, .. })) if place == protocol && request_id == id => {
                    return None;
                }
                _ => {}
            }
        }
        None
    }

    /// Sends these bytes as a request of the protocol at this place of [`REQUESTS`], and waits for nothing.
    pub fn ask(&mut self, protocol: usize, bytes: Vec<u8>) {
        let victim = self.victim;
        self.behaviour(protocol).send_request(&victim, bytes);
    }

    /// Waits for an answer to anything it has asked of the protocol at this place; `None` when a request has
    /// failed, or nothing came.
    pub async fn next_answer(&mut self, protocol: usize, within: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + within;
        while let Ok(event) = timeout_at(deadline, self.swarm.select_next_some()).await {
            match of_request(event) {
                Some((place, Event::Message { message: Message::Response { response, .. }, .. }))
                    if place == protocol =>
                {
                    return Some(response);
                }
                Some((place, Event::OutboundFailure { .. })) if place == protocol => return None,
                _ => {}
            }
        }
        None
    }

    /// Waits until it is asked something of the protocol at this place of [`REQUESTS`], and answers with these
    /// bytes; the question, if one came.
    pub async fn answer(&mut self, protocol: usize, bytes: Vec<u8>, within: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + within;
        while let Ok(event) = timeout_at(deadline, self.swarm.select_next_some()).await {
            if let Some((place, Event::Message { message: Message::Request { request, channel, .. }, .. })) =
                of_request(event)
                && place == protocol
            {
                // Whoever asked may be gone.
                let _ = self.behaviour(protocol).send_response(channel, bytes);
                return Some(request);
            }
        }
        None
    }

    /// Waits until it is asked something of the protocol at this place of [`REQUESTS`], and lets whoever asks wait for
    /// as long as they like; whether it was asked. (A question that is dropped closes its stream, which is an answer.)
    pub async fn holds_when_asked(&mut self, protocol: usize, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while let Ok(event) = timeout_at(deadline, self.swarm.select_next_some()).await {
            if let Some((place, Event::Message { message: Message::Request { channel, .. }, .. })) = of_request(event)
                && place == protocol
            {
                self.held.push(channel);
                return true;
            }
        }
        false
    }

    /// Waits until it is asked where it stands, and says that it has block 0 alone; whether it was asked.
    pub async fn stand_at_genesis(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while let Ok(event) = timeout_at(deadline, self.swarm.select_next_some()).await {
            if let Some((0, Event::Message { message: Message::Request { request, channel, .. }, .. })) =
                of_request(event)
            {
                return self.behaviour(0).send_response(channel, at_genesis(&request)).is_ok();
            }
        }
        false
    }

    /// Opens one more connection to the victim, beside those that stand; whether it stands.
    pub async fn connect_once_more(&mut self, within: Duration) -> bool {
        let options = DialOpts::peer_id(self.victim).condition(PeerCondition::Always);
        if self.swarm.dial(options.addresses(vec![self.address.clone()]).build()).is_err() {
            return false;
        }
        let deadline = Instant::now() + within;
        loop {
            match timeout_at(deadline, self.swarm.select_next_some()).await {
                Ok(SwarmEvent::ConnectionEstablished { .. }) => return true,
                Ok(SwarmEvent::OutgoingConnectionError { .. }) | Err(_) => return false,
                Ok(_) => {}
            }
        }
    }

    /// Waits until it is asked something of the protocol at this place of [`REQUESTS`], and closes the connection over
    /// which it was, unanswered; the question, if one came.
    pub async fn hang_up_when_asked(&mut self, protocol: usize, within: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + within;
        while let Ok(event) = timeout_at(deadline, self.swarm.select_next_some()).await {
            if let Some((place, Event::Message { connection_id, message: Message::Request { request, .. }, .. })) =
                of_request(event)
                && place == protocol
            {
                self.swarm.close_connection(connection_id);
                return Some(request);
            }
        }
        None
    }

    fn behaviour(&mut self, protocol: usize) -> &mut request_response::Behaviour<Bytes> {
        let Behaviour { status, headers, bodies, addresses, block_txs, pool, .. } = self.swarm.behaviour_mut();
        [status, headers, bodies, addresses, block_txs, pool][protocol]
    }

    /// Publishes these bytes on the topic at this place of [`TOPICS`], as soon as the victim takes part in
    /// it, connecting first; whether it could.
    pub async fn publish(&mut self, topic: usize, bytes: &[u8], within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline && self.connect(within).await {
            match self.gossip(topic, bytes) {
                Ok(_) | Err(gossipsub::PublishError::Duplicate) => return true,
                // The victim's subscription has not come yet: let the network go on.
                Err(_) => {
                    let soon = deadline.min(Instant::now() + Duration::from_millis(50));
                    let _ = timeout_at(soon, self.swarm.select_next_some()).await;
                }
            }
        }
        false
    }

    /// Publishes these bytes on the topic at this place of [`TOPICS`], without waiting for anything; whether they
    /// are on their way.
    pub fn throw(&mut self, topic: usize, bytes: &[u8]) -> bool {
        self.gossip(topic, bytes).is_ok()
    }

    fn gossip(&mut self, topic: usize, bytes: &[u8]) -> Result<gossipsub::MessageId, gossipsub::PublishError> {
        let name = IdentTopic::new(format!("{}/{}", self.prefix, TOPICS[topic]));
        let Behaviour { blocks, txs, .. } = self.swarm.behaviour_mut();
        [blocks, txs][topic].publish(name, bytes)
    }

    /// Lets the network go on until this moment; how many requests were answered, and how many came to nothing.
    pub async fn run_until(&mut self, deadline: Instant) -> (u64, u64) {
        let (mut answered, mut failed) = (0, 0);
        while let Ok(event) = timeout_at(deadline, self.swarm.select_next_some()).await {
            match of_request(event) {
                // A stream that is closed without a word is no answer.
                Some((_, Event::Message { message: Message::Response { response, .. }, .. }))
                    if !response.is_empty() =>
                {
                    answered += 1;
                }
                Some((_, Event::Message { message: Message::Response { .. }, .. } | Event::OutboundFailure { .. })) => {
                    failed += 1;
                }
                _ => {}
            }
        }
        (answered, failed)
    }

    /// Lets the network go on until what was queued is likely sent: until nothing happens for a moment.
    pub async fn flush(&mut self) {
        while tokio::time::timeout(Duration::from_millis(200), self.swarm.select_next_some()).await.is_ok() {}
    }
}

type RequestEvent = Event<Vec<u8>, Vec<u8>>;

/// An event of a request protocol, with its place in [`REQUESTS`].
fn of_request(event: SwarmEvent<BehaviourEvent>) -> Option<(usize, RequestEvent)> {
    match event {
        SwarmEvent::Behaviour(BehaviourEvent::Status(event)) => Some((0, event)),
        SwarmEvent::Behaviour(BehaviourEvent::Headers(event)) => Some((1, event)),
        SwarmEvent::Behaviour(BehaviourEvent::Bodies(event)) => Some((2, event)),
        SwarmEvent::Behaviour(BehaviourEvent::Addresses(event)) => Some((3, event)),
        SwarmEvent::Behaviour(BehaviourEvent::BlockTxs(event)) => Some((4, event)),
        SwarmEvent::Behaviour(BehaviourEvent::Pool(event)) => Some((5, event)),
        _ => None,
    }
}

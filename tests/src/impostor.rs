//! A peer that seems to have a chain: what it says of itself and its headers are those of an honest node, which
//! it asks, and its bodies are whatever it likes.

use crate::intruder::{Intruder, REQUESTS};
use crate::node::Node;
use crate::strangers::bytes::{self, Bytes, framed};
use crate::strangers::swarm::{self, listen, requests, swarm};
use cairn_ledger::codec::{BoundedVec, encode};
use cairn_ledger::testing::{key, payment};
use cairn_ledger::{block::Body, chain_spec::ChainSpec};
use libp2p::kad::store::{MemoryStore, RecordStore};
use libp2p::kad::{self, ProviderRecord, RecordKey};
use libp2p::request_response::{self, Event, Message, ResponseChannel};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{PeerId, StreamProtocol, Swarm, futures::StreamExt, identify, identity::Keypair};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// How long the honest node may take to answer for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The place of `bodies/1` among [`REQUESTS`].
const BODIES: usize = 2;

/// What it does when it is asked for bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It gives others than those asked for.
    Lies,
    /// It never answers.
    Stalls,
    /// It says that it has none.
    Withholds,
    /// It gives what the honest node gives: the negative control.
    Honest,
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    kad: kad::Behaviour<MemoryStore>,
    status: request_response::Behaviour<Bytes>,
    headers: request_response::Behaviour<Bytes>,
    bodies: request_response::Behaviour<Bytes>,
}

/// The peer; it ends when it is dropped.
pub struct Impostor {
    id: PeerId,
    port: u16,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Impostor {
    /// A peer that speaks for this node, and says in the DHT that the node has the full history.
    ///
    /// # Panics
    /// The node does not answer.
    pub async fn new(honest: &Node, spec: &ChainSpec, manner: Manner) -> Self {
        let intruder = Intruder::new(honest).await;
        let keys = Keypair::generate_ed25519();
        let id = keys.public().to_peer_id();
        let mut swarm = swarm(keys.clone(), Duration::from_secs(600), behaviour(&keys, intruder.prefix()));
        let record = ProviderRecord {
            key: RecordKey::from([&[1][..], spec.genesis_id().as_bytes()].concat()),
            provider: honest.info().await.peer_id.parse().expect("a peer's id"),
            expires: None,
            addresses: vec![format!("/ip4/127.0.0.1/tcp/{}", honest.p2p_port()).parse().expect("an address")],
        };
        swarm.behaviour_mut().kad.store_mut().add_provider(record).expect("an empty store has room");
        let port = listen(&mut swarm).await;
        let asked = Arc::new(AtomicUsize::new(0));
        let wrong = payment(spec, &key(1), 1 << 40, key(2).address(), 1, 1);
        let wrong = Body::new(vec![wrong]).expect("one fits");
        let task = tokio::spawn(serve(swarm, intruder, Bodies { manner, wrong, asked: asked.clone() }));
        Self { id, port, asked, task }
    }

    /// Its identity.
    pub fn peer_id(&self) -> String {
        self.id.to_string()
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address among peers.
    pub fn address(&self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}/p2p/{}", self.port, self.id)
    }

    /// How often it was asked for bodies.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// What it makes of questions for bodies.
struct Bodies {
    manner: Manner,
    wrong: Body,
    asked: Arc<AtomicUsize>,
}

fn bodies_of(bodies: Vec<Body>) -> Vec<u8> {
    framed(&encode(&BoundedVec::<Body, 128>::new(bodies).expect("as many as were asked for")))
}

async fn serve(mut swarm: Swarm<Behaviour>, mut intruder: Intruder, bodies: Bodies) {
    let mut kept = Vec::new();
    loop {
        let (place, event) = match swarm.select_next_some().await {
            SwarmEvent::Behaviour(BehaviourEvent::Status(event)) => (0, event),
            SwarmEvent::Behaviour(BehaviourEvent::Headers(event)) => (1, event),
            SwarmEvent::Behaviour(BehaviourEvent::Bodies(event)) => (BODIES, event),
            _ => continue,
        };
        let Event::Message { message: Message::Request { request, channel, .. }, .. } = event else { continue };
        let answer = if place == BODIES {
            bodies.asked.fetch_add(1, Ordering::Relaxed);
            // Ids of 32 bytes, behind two lengths.
            let count = request.len() / 32;
            match bodies.manner {
                Manner::Lies => bodies_of(vec![bodies.wrong.clone(); count]),
                Manner::Withholds => bodies_of(Vec::new()),
                Manner::Stalls => {
                    // Dropped, it would close the stream: that would be an answer of a kind.
                    kept.push(channel);
                    continue;
                }
                Manner::Honest => intruder.request(place, request, PATIENCE).await.unwrap_or_default(),
            }
        } else {
            intruder.request(place, request, PATIENCE).await.unwrap_or_default()
        };
        respond(swarm.behaviour_mut(), place, channel, answer);
    }
}

fn respond(behaviour: &mut Behaviour, place: usize, channel: ResponseChannel<Vec<u8>>, answer: Vec<u8>) {
    let Behaviour { status, headers, bodies, .. } = behaviour;
    // Whoever asked may be gone.
    let _ = [status, headers, bodies][place].send_response(channel, answer);
}

fn behaviour(key: &Keypair, prefix: &str) -> Behaviour {
    let requests = |place: usize| requests(prefix, REQUESTS[place], bytes::Manner::Prompt, PATIENCE);
    let own = key.public().to_peer_id();
    let name = StreamProtocol::try_from_owned(format!("{prefix}/kad/1")).expect("it begins with a slash");
    let mut kad = kad::Behaviour::with_config(own, MemoryStore::new(own), kad::Config::new(name));
    kad.set_mode(Some(kad::Mode::Server));
    Behaviour {
        identify: swarm::identify(prefix, key),
        kad,
        status: requests(0),
        headers: requests(1),
        bodies: requests(BODIES),
    }
}

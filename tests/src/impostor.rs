//! A peer that seems to have a chain: what it says of itself and its headers are those of an honest node, which
//! it asks, and its bodies are whatever it likes.

use crate::{
    intruder::{Intruder, REQUESTS},
    node::Node,
    strangers::bytes::Bytes,
};
use cairn_ledger::{
    block::Body,
    chain_spec::ChainSpec,
    codec::{BoundedVec, encode},
    testing::{key, payment},
};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder,
    futures::StreamExt,
    identify,
    kad::{self, ProviderRecord, RecordKey, store::MemoryStore, store::RecordStore},
    noise,
    request_response::{self, Event, Message, ProtocolSupport, ResponseChannel},
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
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
        let mut swarm = swarm(intruder.prefix());
        let id = *swarm.local_peer_id();
        let record = ProviderRecord {
            key: RecordKey::from([&[1][..], spec.genesis_id().as_bytes()].concat()),
            provider: honest.info().await.peer_id.parse().expect("a peer's id"),
            expires: None,
            addresses: vec![format!("/ip4/127.0.0.1/tcp/{}", honest.p2p_port()).parse().expect("an address")],
        };
        swarm.behaviour_mut().kad.store_mut().add_provider(record).expect("an empty store has room");
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("TCP is there");
        let port = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break port_of(&address);
            }
        };
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

/// With its length in front, as on a stream.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message");
    [&length.to_le_bytes()[..], message].concat()
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

fn port_of(address: &Multiaddr) -> u16 {
    let port = address.iter().find_map(|part| match part {
        libp2p::multiaddr::Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    port.expect("it listens on TCP")
}

fn swarm(prefix: &str) -> Swarm<Behaviour> {
    let name = |name: &str| StreamProtocol::try_from_owned(format!("{prefix}{name}")).expect("it begins with a slash");
    let requests = |place: usize| {
        request_response::Behaviour::new([(name(REQUESTS[place]), ProtocolSupport::Full)], Default::default())
    };
    let behaviour = |keys: &libp2p::identity::Keypair| {
        let own = keys.public().to_peer_id();
        let mut kad = kad::Behaviour::with_config(own, MemoryStore::new(own), kad::Config::new(name("kad/1")));
        kad.set_mode(Some(kad::Mode::Server));
        Behaviour {
            identify: identify::Behaviour::new(identify::Config::new(format!("{prefix}1"), keys.public())),
            kad,
            status: requests(0),
            headers: requests(1),
            bodies: requests(BODIES),
        }
    };
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("TCP needs nothing")
        .with_behaviour(behaviour)
        .expect("it cannot fail")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build()
}

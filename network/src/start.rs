//! The start of the network's task.

use crate::addrman::book::{AddressBook, Secret};
use crate::addrman::{file, ip_groups};
use crate::config::{NetworkConfig, NetworkFiles};
use crate::handle::{EVENTS, MAILBOX, NetworkEvent, NetworkHandle};
use crate::outbound::persistent::{self, Reason, TargetError};
use crate::peers::access::{Access, MAX_ADMITTED};
use crate::peers::bans::{self, Bans};
use crate::peers::connection_rules::ConnectionRules;
use crate::requests::upload_target::{self, UploadTarget};
use crate::service::{Inlets, Service};
use crate::state::{NetworkState, Setup};
use crate::swarm::behaviour::{Behaviour, Names, SetupError};
use crate::swarm::identity::{self, IdentityError};
use crate::swarm::{NetworkSwarm, transports};
use crate::transport::Transport;
use crate::{
    gossip::judge::{self, Judge},
    gossip::recent_blocks::RecentBlocks,
    requests::responder::Sources,
    small_file,
    swarm::gate::Gate,
    tasks::Tasks,
};
use cairn_chain::ChainHandle;
use cairn_common::runtime::{self, JoinHandle};
use cairn_common::tasks::{Shutdown, TaskError};
use cairn_common::{clock, mailbox::mailbox, random};
use cairn_ledger::chain_spec::ChainSpec;
use cairn_mempool::PoolHandle;
use libp2p::{Multiaddr, PeerId, Swarm, identity::Keypair, multiaddr::Protocol};
use std::path::{Path, PathBuf};
use std::{collections::BTreeSet, error::Error, hash::Hash, io, iter, sync::Arc};
use tokio::sync::{Semaphore, mpsc};

/// Why a node cannot join the network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Its key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its transports or protocols.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A configured peer or boot node.
    #[error("network.peers and network.boot_nodes: {0}")]
    Target(#[from] TargetError),
    /// A configured address that is none.
    #[error("{key}: got {got:?}, expected a multiaddress such as /ip4/0.0.0.0/tcp/9740")]
    Address {
        /// Where it stands.
        key: &'static str,
        /// The text.
        got: String,
    },
    /// A file of its own.
    #[error("{} cannot be read: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A list of admitted peers with something else in it, or too long.
    #[error("network.admit: got {got:?}, expected at most {MAX_ADMITTED} peer ids such as 12D3Koo...")]
    Admit {
        /// The text.
        got: String,
    },
    /// An address that cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        reason: String,
    },
}

/// What a node brings to the network.
pub struct NetworkParts {
    /// What its operator decided.
    pub config: NetworkConfig,
    /// The rules of the chain.
    pub spec: Arc<ChainSpec>,
    /// The chain.
    pub chain: ChainHandle,
    /// The pool.
    pub pool: PoolHandle,
    /// Where its own files are.
    pub files: NetworkFiles,
    /// Tells it to stop.
    pub shutdown: Shutdown,
}

/// The running network: the way to ask it, what it tells sync, and its end.
pub type RunningNetwork = (NetworkHandle, mpsc::Receiver<NetworkEvent>, JoinHandle<Result<(), TaskError>>);

/// Who the node with the key in this file is, as bytes that are its alone; the key is made where there is none.
///
/// # Errors
/// A file that cannot be read, written or understood.
pub fn own_id(node_key: &Path) -> Result<Vec<u8>, NetworkError> {
    Ok(identity::load_or_create(node_key)?.public().to_peer_id().to_bytes())
}

/// Joins the network: listens, and starts the task that does the rest.
///
/// # Errors
/// Says what is wrong with the key, the files, the addresses or the system.
pub async fn spawn(mut parts: NetworkParts) -> Result<RunningNetwork, NetworkError> {
    let key = identity::load_or_create(&parts.files.node_key)?;
    let own = key.public().to_peer_id();
    // Whom the whole network is told to begin with, others meet.
    parts.config.discovery.rendezvous_server |= is_boot_node(&parts.config, own);
    let access = access(&parts)?;
    let swarm = swarm(&parts, &key, access.clone())?;
    start(parts, own, access, swarm)
}

/// The same over another transport, which is told the rules at the door.
///
/// # Errors
/// Says what is wrong with the files or the addresses.
pub fn spawn_over<T: Transport, C: Eq + Hash>(
    parts: NetworkParts,
    own: PeerId,
    transport: impl FnOnce(ConnectionRules<C>) -> T,
) -> Result<RunningNetwork, NetworkError> {
    let access = access(&parts)?;
    let rules = ConnectionRules::new(access.clone(), parts.config.allow_private, true);
    start(parts, own, access, transport(rules))
}

fn access(parts: &NetworkParts) -> Result<Access, NetworkError> {
    Ok(Access::new(load_bans(&parts.files.bans), admitted(&parts.config)?))
}

/// libp2p, listening.
fn swarm(parts: &NetworkParts, key: &Keypair, access: Access) -> Result<NetworkSwarm, NetworkError> {
    let (config, names) = (&parts.config, Names::new(&parts.spec.genesis_id()));
    let psk = config.psk_file.as_deref().map(transports::read_psk).transpose()?;
    let gate = Gate::new(Behaviour::new(config, &names, key)?, access, config.allow_private, psk.is_none());
    let mut swarm = transports::swarm(key.clone(), psk, gate)?;
    for address in addresses("network.listen", &config.listen)? {
        if psk.is_some() && ip_groups::is_quic(&address) {
            tracing::info!(target: "cairn::network", %address, "not listening: QUIC knows no pre-shared key");
        } else {
            listen(&mut swarm, address)?;
        }
    }
    for address in addresses("network.external", &config.external)? {
        swarm.add_external_address(address);
    }
    Ok(NetworkSwarm::new(swarm, names, parts.spec.genesis_id(), config.allow_private))
}

/// Starts the network's task.
fn start<T: Transport>(
    parts: NetworkParts,
    own: PeerId,
    access: Access,
    transport: T,
) -> Result<RunningNetwork, NetworkError> {
    let NetworkParts { config, spec, chain, pool, files, shutdown } = parts;
    let book = load_book(&files.book, &spec, config.allow_private)?;
    let upload_target = load_upload_target(&files.upload, config.max_upload_per_day);
    let (mailbox, messages) = mailbox(MAILBOX);
    let (events_sender, events) = mpsc::channel(EVENTS);
    let handle = NetworkHandle { mailbox };
    // Subscribed before anything can happen, so that nothing is missed.
    let (moves, accepted) = (chain.subscribe(), pool.subscribe());
    let inlets = Inlets { mailbox: messages, moves, accepted, events: events_sender };
    let recent_blocks = RecentBlocks::default();
    let sources = Sources::new(chain.reader().clone(), recent_blocks.clone(), pool.clone());
    let (peers, boot_nodes) = (config.peers.clone(), config.boot_nodes.clone());
    let setup = Setup {
        own,
        spec: spec.clone(),
        config,
        files,
        access,
        book,
        upload_target,
        recent_blocks: recent_blocks.clone(),
        lowest_body: chain.reader().watch_lowest_body(),
        stretches: *chain.reader().stretches(),
        snapshot_every: chain.reader().snapshot_every(),
    };
    let turns = Arc::new(Semaphore::new(judge::TURNS));
    let judge = Judge { spec, chain, pool, recent_blocks, network: handle.clone(), turns };
    let mut service = Service::new(transport, NetworkState::new(setup, clock::instant()), Tasks::new(judge, sources));
    for (addresses, reason) in [(&peers, Reason::Named), (&boot_nodes, Reason::Boot)] {
        for address in addresses {
            match service.add_target(address, reason) {
                // One list for all nodes of a network may name each of them.
                Ok(()) | Err(TargetError::Own { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok((handle, events, runtime::spawn(service.run(inlets, shutdown))))
}

fn is_boot_node(config: &NetworkConfig, own: PeerId) -> bool {
    let names_own = |address: &String| matches!(persistent::parse(address, own), Err(TargetError::Own { .. }));
    config.boot_nodes.iter().any(names_own)
}

fn admitted(config: &NetworkConfig) -> Result<Option<BTreeSet<PeerId>>, NetworkError> {
    let Some(texts) = &config.admit else { return Ok(None) };
    if texts.len() > MAX_ADMITTED {
        return Err(NetworkError::Admit { got: format!("{} of them", texts.len()) });
    }
    let read = |text: &String| text.parse().map_err(|_| NetworkError::Admit { got: text.clone() });
    texts.iter().map(read).collect::<Result<_, _>>().map(Some)
}

/// What was read; nothing where the file is out of reach: no node stays down for that.
fn readable<T>(read: io::Result<T>, path: &Path, lost: &str) -> Option<T> {
    read.inspect_err(|error| tracing::warn!(target: "cairn::network", path = %path.display(), %error, "{lost}")).ok()
}

fn load_bans(path: &Path) -> Bans {
    readable(bans::load(path, clock::now()), path, "the bans cannot be read; nobody is banned").unwrap_or_default()
}

fn load_upload_target(path: &Path, limit: Option<u64>) -> UploadTarget {
    let file = small_file::read(path, upload_target::MAX_FILE_BYTES);
    UploadTarget::new(limit, readable(file, path, "what was given today is counted anew").flatten().as_deref())
}

fn load_book(path: &Path, spec: &ChainSpec, allow_private: bool) -> Result<AddressBook, NetworkError> {
    let failed = |reason| NetworkError::File { path: path.to_owned(), reason };
    let mut secret = Secret::default();
    random::fill(&mut secret).map_err(|error| failed(error.into()))?;
    let book = file::load(path, &spec.genesis_id(), allow_private, secret);
    let book = readable(book, path, "the address book cannot be read; peers are found anew");
    Ok(book.unwrap_or_else(|| AddressBook::new(secret, allow_private)))
}

/// Listens on an address; on a host without IPv6, goes on without an IPv6 one.
fn listen(swarm: &mut Swarm<Gate<Behaviour>>, address: Multiaddr) -> Result<(), NetworkError> {
    let Err(error) = swarm.listen_on(address.clone()) else { return Ok(()) };
    let causes = iter::successors(Some(&error as &dyn Error), |&error| error.source());
    let is_in_use = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
    let in_use = causes.clone().any(|error| error.downcast_ref().is_some_and(is_in_use));
    // The system's own words are at the end of the chain of causes.
    let reason = causes.last().map(ToString::to_string).unwrap_or_default();
    if !in_use && matches!(address.iter().next(), Some(Protocol::Ip6(_))) {
        tracing::warn!(target: "cairn::network", %address, reason, "not listening: this host has no such address");
        return Ok(());
    }
    Err(NetworkError::Listen { address, reason })
}

fn addresses(key: &'static str, texts: &[String]) -> Result<Vec<Multiaddr>, NetworkError> {
    let read = |text: &String| text.parse().map_err(|_| NetworkError::Address { key, got: text.clone() });
    texts.iter().map(read).collect()
}

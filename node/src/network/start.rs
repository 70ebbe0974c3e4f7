//! The start of the network's task.

use super::{
    behaviour::{self, Behaviour, Names, SetupError},
    config::NetworkConfig,
    gossip::Judge,
    identity::{self, IdentityError},
    mailbox::{EVENTS, MAILBOX, NetworkEvent, NetworkHandle},
    redial::{Reason, TargetError},
    service::{Inlets, Service},
};
use crate::{
    chain::ChainHandle,
    mempool::PoolHandle,
    tasks::{Shutdown, TaskError},
};
use cairn_ledger::chain_spec::ChainSpec;
use libp2p::{Multiaddr, Swarm, multiaddr::Protocol};
use std::{error::Error, io, path::Path, sync::Arc};
use tokio::{sync::mpsc, task::JoinHandle};

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
    /// An address that cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        reason: String,
    },
}

/// Joins the network: listens, and starts the task that does the rest.
///
/// # Errors
/// Says what is wrong with the key, the addresses or the system.
pub async fn spawn(
    config: NetworkConfig,
    spec: Arc<ChainSpec>,
    chain: ChainHandle,
    pool: PoolHandle,
    node_key: &Path,
    shutdown: Shutdown,
) -> Result<(NetworkHandle, mpsc::Receiver<NetworkEvent>, JoinHandle<Result<(), TaskError>>), NetworkError> {
    let key = identity::load_or_create(node_key)?;
    let names = Names::new(&spec.genesis_id());
    let mut swarm = behaviour::swarm(key.clone(), Behaviour::new(&config, &names, &key)?)?;
    for address in addresses("network.listen", &config.listen)? {
        listen(&mut swarm, address)?;
    }
    for address in addresses("network.external", &config.external)? {
        swarm.add_external_address(address);
    }
    let (mailbox, messages) = mpsc::channel(MAILBOX);
    let (events_sender, events) = mpsc::channel(EVENTS);
    let handle = NetworkHandle { mailbox };
    // Subscribed before anything can happen, so that nothing is missed.
    let (moves, accepted) = (chain.subscribe(), pool.subscribe());
    let inlets = Inlets { mailbox: messages, moves, accepted, events: events_sender };
    let judge = Judge { spec, chain, pool, network: handle.clone() };
    let mut service = Service::new(swarm, names, judge);
    for (addresses, reason) in [(&config.peers, Reason::Named), (&config.boot_nodes, Reason::Boot)] {
        for address in addresses {
            match service.add_target(address, reason) {
                // One list for all nodes of a network may name each of them.
                Ok(()) | Err(TargetError::Own { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok((handle, events, tokio::spawn(service.run(inlets, shutdown))))
}

/// Listens on an address; on a host without IPv6, goes on without an IPv6 one.
fn listen(swarm: &mut Swarm<Behaviour>, address: Multiaddr) -> Result<(), NetworkError> {
    let Err(error) = swarm.listen_on(address.clone()) else { return Ok(()) };
    let (mut reason, mut in_use) = (error.to_string(), false);
    let mut cause: Option<&dyn Error> = Some(&error);
    // The system's own words are at the end of the chain of causes.
    while let Some(error) = cause {
        reason = error.to_string();
        in_use |= error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::AddrInUse);
        cause = error.source();
    }
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

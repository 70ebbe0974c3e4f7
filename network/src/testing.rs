//! What tests of the machines begin with.

use crate::event::{Action, Context, SwarmAction};
use crate::ids::{Multiaddr, PeerId};
use crate::peers::table::{PeerTable, Services};
use crate::wire::PeerStatus;
use cairn_chain::{PeerNumber, Tip};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::{chain_spec::ChainSpec, codec::BoundedVec, pow::Work, testing::easy_network};
use std::{sync::Arc, time::Instant};

/// Now, on a chain that is at its genesis.
pub(crate) fn context() -> Context {
    let spec = easy_network();
    let tip = Tip { id: spec.genesis_id(), header: spec.genesis().clone(), total_work: Work::from_u64(1) };
    Context::new(Instant::now(), Timestamp::from_millis(1_700_000_000_000), Arc::new(tip))
}

/// The same at another moment.
pub(crate) fn at(cx: &mut Context, now: Instant) -> &mut Context {
    cx.now = now;
    cx
}

/// An address that is one.
pub(crate) fn multiaddr(text: &str) -> Multiaddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Where a node of this network stands that has nothing but block 0.
pub(crate) fn status(spec: &ChainSpec, clock: Timestamp) -> PeerStatus {
    PeerStatus {
        genesis_id: spec.genesis_id(),
        tip: spec.genesis_id(),
        height: Height::GENESIS,
        total_work: Work::from_u64(1),
        now: clock,
        lowest_body: Height::GENESIS,
        snapshots: BoundedVec::default(),
        rules_id: spec.schedule().id(),
        upgrades: BoundedVec::default(),
        stretches: BoundedVec::default(),
    }
}

/// A connected peer that this node dialled, or was dialled by, and that has said where it stands.
pub(crate) fn acquainted(
    peers: &mut PeerTable,
    address: &str,
    inbound: bool,
    services: Services,
    cx: &Context,
) -> (PeerNumber, PeerId) {
    let id = PeerId::random();
    let number = peers.connected(id, multiaddr(address), inbound, cx.now);
    peers.set_status(number, status(&easy_network(), cx.clock), cx.clock);
    if let Some(peer) = peers.by_id_mut(&id) {
        peer.services = services;
    }
    (number, id)
}

/// What is to be done on the swarm.
pub(crate) fn on_swarm(cx: &mut Context) -> Vec<SwarmAction> {
    let swarm = |action| match action {
        Action::Swarm(action) => Some(action),
        Action::Task(_) | Action::EndSearch { .. } => None,
    };
    cx.take().into_iter().filter_map(swarm).collect()
}

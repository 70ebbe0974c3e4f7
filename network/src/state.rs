//! The network as a machine: events in, actions out. It has no clock, no channel and no randomness of its own, so the
//! same events always give the same actions.
//!
//! Each concern is a machine of its own, in the folder of its name, which changes nothing but itself and what it is
//! handed; here stands only what one event means to several of them. The [service](crate::service) carries the
//! actions out.

mod admin;
mod connections;
mod exchanges;
#[cfg(test)]
mod tests;
mod upkeep;

use crate::addrman::book::{AddressBook, Source};
use crate::config::{NetworkConfig, NetworkFiles};
use crate::event::{Action, Context, Event};
use crate::{
    discovery::kademlia::Dht, discovery::peer_exchange::PeerExchange, discovery::rendezvous::Rendezvous,
    gossip::recent_blocks::RecentBlocks, gossip::relay::Relay, handle::Backlog, ids::PeerId,
    nat::traversal::NatTraversal, outbound::persistent::PersistentPeers, outbound::slots::Slots, peers::access::Access,
    peers::status::StatusExchange, peers::table::PeerTable, persistence::Persistence, pool_sync::rounds::PoolRounds,
    requests::queue::RequestQueue, requests::upload_target::UploadTarget, snapshots::SnapshotWatch,
};
use cairn_chain::store::{LowestBody, StretchOptions};
use cairn_ledger::chain_spec::ChainSpec;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often more peers are looked for while there are too few.
const SEARCH_EVERY: Duration = Duration::from_secs(15);
/// With fewer peers than this that it dialled itself a node dials those it was told to begin with.
const FEW_PEERS: usize = 8;
/// A peer that leaves pings unanswered is gone, unless it has said something else within this time: two pings'.
const UNHEARD: Duration = Duration::from_secs(40);
/// The longest name of a program that is believed.
const AGENT_CHARS: usize = 64;

/// What a state begins with.
pub(crate) struct Setup {
    /// Who this node is.
    pub(crate) own: PeerId,
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) config: NetworkConfig,
    pub(crate) files: NetworkFiles,
    pub(crate) access: Access,
    pub(crate) book: AddressBook,
    pub(crate) upload_target: UploadTarget,
    pub(crate) recent_blocks: RecentBlocks,
    pub(crate) lowest_body: LowestBody,
    /// How history is divided.
    pub(crate) stretches: StretchOptions,
    /// At heights that this divides nodes may hold snapshots.
    pub(crate) snapshot_every: u64,
}

/// All that the network knows.
pub(crate) struct NetworkState {
    own: PeerId,
    spec: Arc<ChainSpec>,
    config: NetworkConfig,
    files: NetworkFiles,
    peers: PeerTable,
    access: Access,
    book: AddressBook,
    persistent: PersistentPeers,
    slots: Slots,
    status: StatusExchange,
    exchange: PeerExchange,
    rendezvous: Rendezvous,
    dht: Dht,
    next_search: Instant,
    nat: NatTraversal,
    relay: Relay,
    requests: RequestQueue,
    pool_rounds: PoolRounds,
    snapshots: SnapshotWatch,
    stretches: StretchOptions,
    /// Of how many stretches the DHT was told to remember providers.
    known_stretches: u64,
    persistence: Persistence,
    backlog: Backlog,
}

impl NetworkState {
    /// At its beginning.
    pub(crate) fn new(setup: Setup, now: Instant) -> Self {
        let Setup { own, spec, config, files, access, book, upload_target, recent_blocks, .. } = setup;
        let Setup { lowest_body, stretches, snapshot_every, .. } = setup;
        Self {
            own,
            peers: PeerTable::default(),
            persistent: PersistentPeers::default(),
            slots: Slots::new(config.max_outbound, book.anchors(), now),
            status: StatusExchange::new(spec.clone(), lowest_body, now),
            exchange: PeerExchange::new(own, config.discovery.exchange),
            rendezvous: Rendezvous::new(own, config.discovery.rendezvous),
            dht: Dht::new(config.discovery.kademlia),
            next_search: now,
            nat: NatTraversal::new(&config),
            relay: Relay::new(spec.clone(), recent_blocks),
            requests: RequestQueue::new(config.max_upload_per_second, upload_target, now),
            pool_rounds: PoolRounds::default(),
            snapshots: SnapshotWatch::new(snapshot_every, now),
            stretches,
            known_stretches: 0,
            persistence: Persistence::new(config.max_memory_mib, now),
            backlog: Backlog::default(),
            spec,
            config,
            files,
            access,
            book,
        }
    }

    /// What follows from an event.
    pub(crate) fn on_event(&mut self, event: Event, cx: &mut Context) -> Vec<Action> {
        self.handle(event, cx);
        self.finish(cx)
    }

    /// Acts on the reports of peers.
    pub(crate) fn finish(&mut self, cx: &mut Context) -> Vec<Action> {
        for (number, misbehaviour) in cx.take_reports() {
            self.punish(number, &misbehaviour, cx);
        }
        cx.take()
    }

    fn handle(&mut self, event: Event, cx: &mut Context) {
        match event {
            Event::Connected(connection) => self.on_connected(&connection, cx),
            Event::Closed { peer, connection, is_last, cause } => {
                self.on_closed(&peer, connection, is_last, cause.as_deref(), cx);
            }
            Event::DialFailed { peer, dial, failure } => self.on_dial_failed(peer, dial, &failure, cx),
            Event::Identified { peer, agent, services, in_dht, addresses } => {
                self.on_identified(peer, &agent, services, in_dht, &addresses, cx);
            }
            Event::Pinged { peer, latency } => self.peers.pinged(&peer, latency),
            Event::PingsUnanswered { peer } => self.on_unanswered_pings(peer, cx),
            Event::NeighbourFound { peer, address } => self.on_neighbour_found(peer, address),
            Event::NeighbourGone { peer, address } => self.persistent.remove_neighbour(&peer, &address),
            Event::Request { peer, class, request, question } => self.on_request(peer, class, request, question, cx),
            Event::RequestClosed { request, is_timeout } => {
                self.requests.on_closed(request, is_timeout, &mut self.peers, cx);
            }
            Event::Answer { peer, class, answer } => self.on_answer(peer, class, answer, cx),
            Event::Answered { peer, class, bytes } => self.on_answered(&peer, class, bytes, cx),
            Event::NoStatus { peer, is_timeout } => self.on_no_status(peer, is_timeout, cx),
            Event::Exceeded { peer } => self.on_exceeded(&peer, cx),
            Event::Gossiped(gossiped) => self.on_gossiped(gossiped, cx),
            Event::Judged { job, judged, travels } => self.on_judged(&job, judged, travels, cx),
            Event::Served { request, answer } => self.requests.on_served(request, answer, &mut self.peers, cx),
            Event::PoolFetched(fetched) => self.on_pool_fetched(fetched, cx),
            Event::GossipDropped { topic, messages } => self.on_gossip_dropped(topic, messages, cx),
            Event::TxsPublished { batch, outcome } => self.relay.on_published(batch, outcome, cx),
            Event::Listening { relay, address } => self.on_listening(relay, address, cx),
            Event::RelayClosed { relay } => self.nat.on_relay_closed(&relay, cx),
            Event::PeerFound { peer, addresses } => drop(self.book.learn(peer, &addresses, Source::Search, cx.clock)),
            Event::ProvidersFound { search, providers, is_last } => self.on_providers(search, &providers, is_last, cx),
            Event::Providing(resource) => self.dht.on_providing(resource, cx.now),
            Event::SnapshotsRead(snapshots) => self.on_snapshots_read(snapshots, cx),
            Event::Registered { point, seconds } => self.rendezvous.on_registered(&point, seconds, cx.now),
            Event::Registrations { point, found } => self.on_registrations(&point, &found, cx),
            Event::PointAsked { peer, registrations } => {
                self.rendezvous.on_asked(&peer, registrations, &mut self.peers, cx);
            }
            Event::Reach(event) => self.nat.on_reach(event, cx),
            Event::ChainMoved(event) => self.on_chain_moved(&event, cx),
            // Only the last tip matters here, and the next status tells it.
            Event::MovesMissed => self.status.moves_missed(),
            Event::Accepted(accepted) => self.relay.on_accepted(&accepted, cx),
            Event::Saved => self.persistence.end(),
            Event::MemoryMeasured { mib } => self.on_memory_measured(mib),
            Event::Due => {
                self.requests.serve_next(&mut self.peers, cx);
                self.relay.send_batch(cx);
            }
            Event::Tick => self.on_tick(cx),
        }
    }
}

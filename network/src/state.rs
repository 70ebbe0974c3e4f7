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

pub(crate) use admin::OwnAddresses;
use connections::NewConnection;

use crate::{
    addrman::book::{AddressBook, Source},
    config::{NetworkConfig, NetworkFiles},
    discovery::{kademlia::Dht, peer_exchange::PeerExchange, rendezvous::Rendezvous},
    event::{Action, Actions, DiscoveryEvent, Event, ExchangeEvent, Moment, NodeEvent, PeerEvent, SwarmAction},
    gossip::{
        recent_blocks::RecentBlocks,
        relay::{GossipOutcome, Gossiped, Relay},
    },
    handle::Backlog,
    ids::PeerId,
    nat::relay_client::RelayClient,
    outbound::{persistent::PersistentPeers, slots::Slots},
    peers::{access::Access, status::StatusExchange, table::PeerTable},
    persistence::Persistence,
    pool_sync::rounds::PoolRounds,
    requests::{
        queue::{Request, RequestQueue},
        upload_target::UploadTarget,
    },
};
use cairn_chain::verdict::Misbehaviour;
use cairn_ledger::chain_spec::ChainSpec;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How often more peers are looked for while there are too few.
const SEARCH_EVERY: Duration = Duration::from_secs(15);
/// With fewer peers than this a node looks for more.
const FEW_PEERS: usize = 8;
/// A peer that leaves pings unanswered is gone, unless it has said something else within this time: two pings'.
const UNHEARD: Duration = Duration::from_secs(40);
/// The longest name of a program that is believed.
const AGENT_CHARS: usize = 64;
/// Addresses taken from what one peer says of itself.
const ADDRESSES_EACH: usize = 8;

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
    relay_client: RelayClient,
    relay: Relay,
    requests: RequestQueue,
    pool_rounds: PoolRounds,
    persistence: Persistence,
    backlog: Backlog,
}

impl NetworkState {
    /// At its beginning.
    pub(crate) fn new(setup: Setup, now: Instant) -> Self {
        let Setup { own, spec, config, files, access, book, upload_target, recent_blocks } = setup;
        Self {
            own,
            peers: PeerTable::default(),
            persistent: PersistentPeers::default(),
            slots: Slots::new(config.max_outbound, book.anchors(), now),
            status: StatusExchange::new(now),
            exchange: PeerExchange::new(own, config.discovery.exchange),
            rendezvous: Rendezvous::new(own, config.discovery.rendezvous),
            dht: Dht::new(config.discovery.kademlia),
            next_search: now,
            relay_client: RelayClient::new(&config),
            relay: Relay::new(spec.params().interval_ms, recent_blocks),
            requests: RequestQueue::new(config.max_upload_per_second, upload_target, now),
            pool_rounds: PoolRounds::default(),
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
    pub(crate) fn on_event(&mut self, event: Event, moment: &Moment) -> Vec<Action> {
        let mut out = Actions::default();
        self.handle(event, moment, &mut out);
        self.finish(moment, out)
    }

    /// Acts on the reports of peers.
    fn finish(&mut self, moment: &Moment, mut out: Actions) -> Vec<Action> {
        for (number, misbehaviour) in out.take_reports() {
            self.punish(number, &misbehaviour, moment, &mut out);
        }
        out.take()
    }

    fn handle(&mut self, event: Event, moment: &Moment, out: &mut Actions) {
        match event {
            Event::Peer(event) => self.on_peer_event(event, moment, out),
            Event::Exchange(event) => self.on_exchange_event(event, moment, out),
            Event::Discovery(event) => self.on_discovery_event(event, moment, out),
            Event::Node(event) => self.on_node_event(event, moment, out),
        }
    }

    fn on_peer_event(&mut self, event: PeerEvent, moment: &Moment, out: &mut Actions) {
        let now = moment.now;
        match event {
            PeerEvent::Connected { peer, connection, dial, endpoint, is_first } => {
                let new = NewConnection { peer, connection, dial, endpoint, is_first };
                self.on_connected(&new, moment, out);
            }
            PeerEvent::Closed { peer, connection, is_last, cause } => {
                self.relay_client.on_closed(connection, is_last, &self.peers, now);
                if is_last {
                    self.on_disconnected(&peer, cause.as_deref(), now, out);
                }
            }
            PeerEvent::DialFailed { peer, dial, failure } => self.on_dial_failed(peer, dial, &failure),
            PeerEvent::Identified { peer, agent, services, in_dht, addresses } => {
                if let Some(known) = self.peers.by_id_mut(&peer) {
                    known.agent = Some(agent.chars().filter(|c| !c.is_control()).take(AGENT_CHARS).collect());
                    self.on_identified(peer, services, in_dht, &addresses, moment, out);
                }
            }
            PeerEvent::Pinged { peer, latency } => {
                if let Some(peer) = self.peers.by_id_mut(&peer) {
                    peer.latency = Some(latency);
                }
            }
            PeerEvent::PingsUnanswered { peer } => self.on_unanswered_pings(peer, now, out),
            PeerEvent::NeighbourFound { peer, address } => {
                let is_connected = self.peers.number(&peer).is_some();
                self.persistent.add_neighbour(peer, address, is_connected, now);
            }
            PeerEvent::NeighbourGone { peer, address } => self.persistent.remove_neighbour(&peer, &address),
        }
    }

    fn on_exchange_event(&mut self, event: ExchangeEvent, moment: &Moment, out: &mut Actions) {
        let now = moment.now;
        match event {
            ExchangeEvent::Request { peer, class, request, question } => {
                let Some(number) = self.peers.number(&peer) else { return out.push(SwarmAction::Drop(request)) };
                match question {
                    Ok(question) => {
                        let request = Request { number: request, peer: number, class, question };
                        self.on_request(peer, request, moment, out);
                    }
                    Err(error) => {
                        out.push(SwarmAction::Drop(request));
                        out.report(number, Misbehaviour::Undecodable(error));
                    }
                }
            }
            ExchangeEvent::RequestClosed { request, is_timeout } => {
                self.requests.on_closed(request, is_timeout, &mut self.peers, moment, out);
            }
            ExchangeEvent::Answer { peer, class, answer } => self.on_answer(peer, class, answer, moment, out),
            ExchangeEvent::Answered { peer, class, bytes } => self.on_answered(&peer, class, bytes, now, out),
            // Another network, or another program: of no use to each other.
            ExchangeEvent::NoStatus { peer, is_timeout: false } => out.push(SwarmAction::Disconnect(peer)),
            ExchangeEvent::NoStatus { peer, is_timeout: true } => {
                if let Some(number) = self.peers.number(&peer) {
                    out.report(number, Misbehaviour::Stalled);
                }
            }
            ExchangeEvent::Gossiped { peer, message, topic, data } => match self.peers.number(&peer) {
                None => out.push(SwarmAction::Ignore(message)),
                Some(sender) => {
                    let gossiped = Gossiped { sender, message, topic, data };
                    if self.relay.on_gossip(gossiped, &mut self.peers, now, out) == GossipOutcome::Missed {
                        self.pool_rounds.missed(sender, peer, now);
                    }
                }
            },
            ExchangeEvent::Judged { job, judged, travels } => self.on_judged(&job, judged, travels, moment, out),
            ExchangeEvent::Served { request, answer } => {
                self.requests.on_served(request, answer, &mut self.peers, moment, out);
            }
            ExchangeEvent::PoolFetched(fetched) => self.on_pool_fetched(fetched, now, out),
            ExchangeEvent::TxsPublished { batch, outcome } => {
                self.relay.on_published(batch, outcome, now);
                self.relay.send_batch(now, out);
            }
        }
    }

    fn on_discovery_event(&mut self, event: DiscoveryEvent, moment: &Moment, out: &mut Actions) {
        let now = moment.now;
        match event {
            DiscoveryEvent::Listening { relay, address } => {
                if self.relay_client.on_listening(relay, address, out) {
                    self.rendezvous.register_again();
                }
            }
            DiscoveryEvent::RelayClosed { relay } => self.relay_client.on_relay_closed(&relay, out),
            DiscoveryEvent::PeerFound { peer, addresses } => {
                self.learn_addresses(peer, &addresses, Source::Search, moment);
            }
            DiscoveryEvent::ProvidersFound { search, providers, is_last } => {
                self.on_providers(search, &providers, is_last, moment, out);
            }
            DiscoveryEvent::Providing => self.dht.on_providing(now),
            DiscoveryEvent::Registered { point, seconds } => self.rendezvous.on_registered(&point, seconds, now),
            DiscoveryEvent::Registrations { point, found } => {
                let relayed =
                    self.rendezvous.on_registrations(&point, &found, &mut self.peers, &mut self.book, moment, out);
                for (peer, address) in relayed.into_iter().filter(|_| self.slots.is_free()) {
                    self.relay_client.dial(peer, address, &self.peers, out);
                }
            }
            DiscoveryEvent::PointAsked { peer, registrations } => {
                self.rendezvous.on_asked(&peer, registrations, &mut self.peers, now, out);
            }
            DiscoveryEvent::Reach(event) => self.relay_client.on_reach(event, out),
        }
    }

    fn on_node_event(&mut self, event: NodeEvent, moment: &Moment, out: &mut Actions) {
        let now = moment.now;
        match event {
            NodeEvent::ChainMoved(event) => {
                if let Some(at_once) = self.relay.on_chain_moved(&event, moment, out) {
                    self.status.tell_soon(at_once, now);
                }
            }
            // Only the last tip matters here, and the next status tells it.
            NodeEvent::MovesMissed => self.status.moves_missed(),
            NodeEvent::Accepted(accepted) => {
                self.relay.on_accepted(&accepted, now);
                self.relay.send_batch(now, out);
            }
            NodeEvent::Saved => self.persistence.end(),
            NodeEvent::MemoryMeasured { mib } => self.on_memory_measured(mib),
            NodeEvent::Due => {
                self.requests.serve_next(&mut self.peers, moment, out);
                self.relay.send_batch(now, out);
            }
            NodeEvent::Tick => self.on_tick(moment, out),
        }
    }
}

//! Finding peers in the DHT, and who serves what there; what peers say of themselves goes into the table of
//! Kademlia and into the address book.
//!
//! Strangers store nothing here but that they provide something this node knows the meaning of.

use crate::{
    addrman::{book::Source, ip_groups, node_address::NodeAddress},
    discovery::resource::{self, Resource},
    handle::{FindError, Provider},
    outbound::backoff::Backoff,
    service::Service,
    swarm::behaviour::Names,
};
use cairn_common::clock;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    kad::{
        self, GetProvidersOk, InboundRequest, ProgressStep, QueryId, QueryResult,
        store::{MemoryStore, MemoryStoreConfig, RecordStore},
    },
};
use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Addresses taken from what one peer says of itself.
const ADDRESSES_EACH: usize = 8;
/// How often the table of peers is refreshed.
const REFRESH: Duration = Duration::from_secs(120);
/// How long one search may last.
const SEARCH: Duration = Duration::from_secs(30);
/// How long it stands that somebody provides something.
const PROVIDES: Duration = Duration::from_secs(3600);
/// How often a node says again what it provides: a third of that.
const PROVIDE_EVERY: Duration = Duration::from_secs(1200);
/// Things of which providers are remembered: every kind this node knows, a few times.
const PROVIDED: usize = 16;
/// Providers remembered of each.
const PROVIDERS_EACH: usize = 20;
/// Searches for providers at once; further ones are refused.
const SEARCHES: usize = 16;
/// The most providers a search answers with.
const MAX_FOUND: usize = 100;

/// A node's Kademlia.
pub(crate) fn kademlia(own: PeerId, names: &Names, allow_private: bool) -> kad::Behaviour<MemoryStore> {
    let mut config = kad::Config::new(names.protocol("kad/1"));
    config
        // What strangers want to store is looked at first.
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_periodic_bootstrap_interval(Some(REFRESH))
        .set_provider_record_ttl(Some(PROVIDES))
        // Said again from here, as soon as there is somebody to say it to.
        .set_provider_publication_interval(None)
        .set_query_timeout(SEARCH);
    let store = MemoryStoreConfig {
        max_records: 0,
        max_value_bytes: 0,
        max_provided_keys: PROVIDED,
        max_providers_per_key: PROVIDERS_EACH,
    };
    let mut kad = kad::Behaviour::with_config(own, MemoryStore::with_config(own, store), config);
    if allow_private {
        // Nothing confirms a private address as reachable: without this, nobody would answer searches.
        kad.set_mode(Some(kad::Mode::Server));
    }
    kad
}

/// A search for providers.
struct Search {
    found: BTreeSet<PeerId>,
    purpose: SearchPurpose,
}

/// What providers are looked for for.
enum SearchPurpose {
    /// Somebody wants to know.
    Answer(oneshot::Sender<Result<Vec<Provider>, FindError>>),
    /// To dial some.
    Dial,
}

/// What the DHT is being asked.
#[derive(Default)]
pub(crate) struct Searches {
    running: HashMap<QueryId, Search>,
    provide: Backoff,
}

impl Service {
    /// Takes in what a peer says of itself: what it speaks, and where it listens.
    pub(crate) fn on_identified(&mut self, peer: &PeerId, protocols: &[StreamProtocol], addresses: &[Multiaddr]) {
        let speaks = |name: &str| protocols.iter().any(|protocol| protocol.as_ref() == name);
        let kademlia = self.names.protocol("kad/1");
        let Some(known) = self.peers.by_id_mut(peer) else { return };
        known.speaks.rendezvous = speaks("/rendezvous/1.0.0");
        known.speaks.relay = speaks("/libp2p/circuit/relay/0.2.0/hop");
        known.speaks.dials_back = speaks("/libp2p/autonat/2/dial-request");
        let source = ip_groups::neighbourhood(&known.address);
        let allow_private = self.book.allows_private();
        let behaviour = self.swarm.behaviour_mut();
        for address in addresses.iter().filter_map(|it| NodeAddress::new(*peer, it, allow_private)).take(ADDRESSES_EACH)
        {
            self.book.add(address, Source::Node(&source), clock::now());
            if let Some(kad) = behaviour.kad.as_mut().filter(|_| protocols.contains(&kademlia)) {
                kad.add_address(peer, address.multiaddr());
            }
        }
    }

    /// Looks for more peers near a random place. Asking makes acquaintances.
    pub(crate) fn search_dht(&mut self) {
        if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut()
            && known(kad) > 0
        {
            kad.get_closest_peers(PeerId::random());
        }
    }

    /// Says what this node provides, once there is somebody to say it to, and again from time to time.
    pub(crate) fn provide(&mut self, now: Instant) {
        let key = Resource::full_history(&self.judge.spec.genesis_id()).key();
        let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() else { return };
        if self.searches.provide.is_due(now) && known(kad) > 0 {
            self.searches.provide.tried(now, PROVIDE_EVERY);
            // Refused only when the store is full, and one's own comes first there.
            if let Err(error) = kad.start_providing(key) {
                tracing::debug!(target: "cairn::network", %error, "not announced as a provider");
            }
        }
    }

    /// Asks the DHT who provides something.
    pub(crate) fn find_providers(
        &mut self,
        resource: &Resource,
        answer: oneshot::Sender<Result<Vec<Provider>, FindError>>,
    ) {
        match self.search_providers(resource) {
            Ok(query) => {
                let search = Search { found: BTreeSet::new(), purpose: SearchPurpose::Answer(answer) };
                self.searches.running.insert(query, search);
            }
            // Whoever asked may be gone.
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// Has a few of those dialled who provide something: sync lacks it, and no peer gives it.
    pub(crate) fn seek_providers(&mut self, resource: &Resource) {
        match self.search_providers(resource) {
            Ok(query) => {
                let search = Search { found: BTreeSet::new(), purpose: SearchPurpose::Dial };
                self.searches.running.insert(query, search);
            }
            Err(error) => tracing::debug!(target: "cairn::network", %error, "providers are not looked for"),
        }
    }

    fn search_providers(&mut self, resource: &Resource) -> Result<QueryId, FindError> {
        let kad = self.swarm.behaviour_mut().kad.as_mut().ok_or(FindError::Off)?;
        if self.searches.running.len() >= SEARCHES {
            return Err(FindError::Busy);
        }
        Ok(kad.get_providers(resource.key()))
    }

    /// The DHT reports.
    pub(crate) fn on_kad(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest { request: InboundRequest::AddProvider { record: Some(record) } } => {
                let is_known = resource::is_known(&record.key, &self.judge.spec.genesis_id());
                let allow_private = self.book.allows_private();
                let Some(kad) = self.swarm.behaviour_mut().kad.as_mut().filter(|_| is_known) else { return };
                let mut record = record;
                record.addresses.retain(|address| ip_groups::is_reachable(address, allow_private));
                record.addresses.truncate(ADDRESSES_EACH);
                if let Err(error) = kad.store_mut().add_provider(record) {
                    tracing::debug!(target: "cairn::network", %error, "a provider is not remembered");
                }
            }
            kad::Event::OutboundQueryProgressed { id, result, step, .. } => self.on_query(id, result, &step),
            _ => {}
        }
    }

    fn on_query(&mut self, id: QueryId, result: QueryResult, step: &ProgressStep) {
        match result {
            QueryResult::GetClosestPeers(result) => {
                let peers = match result {
                    Ok(found) => found.peers,
                    Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
                };
                let allow_private = self.book.allows_private();
                for peer in peers {
                    let addresses =
                        peer.addrs.iter().filter_map(|it| NodeAddress::new(peer.peer_id, it, allow_private));
                    for address in addresses.take(ADDRESSES_EACH) {
                        self.book.add(address, Source::Search, clock::now());
                    }
                }
            }
            QueryResult::GetProviders(result) => {
                if let Ok(GetProvidersOk::FoundProviders { providers, .. }) = result {
                    self.on_providers(id, &providers.into_iter().collect::<Vec<_>>());
                }
                let is_enough = |search: &Search| search.found.len() >= MAX_FOUND;
                if step.last || self.searches.running.get(&id).is_some_and(is_enough) {
                    self.end_search(id);
                }
            }
            _ => {}
        }
    }

    /// Some providers were found. Those that are to be dialled are so at once: while the search goes on,
    /// Kademlia knows where they are.
    fn on_providers(&mut self, id: QueryId, providers: &[PeerId]) {
        let Some(search) = self.searches.running.get_mut(&id) else { return };
        search.found.extend(providers);
        if matches!(search.purpose, SearchPurpose::Dial) {
            providers.iter().for_each(|peer| self.dial_provider(*peer));
        }
    }

    fn end_search(&mut self, id: QueryId) {
        let Some(Search { found, purpose }) = self.searches.running.remove(&id) else { return };
        let SearchPurpose::Answer(answer) = purpose else { return };
        let own = *self.swarm.local_peer_id();
        let provider = |peer: PeerId| Provider {
            peer_id: peer.to_string(),
            connected: self.swarm.is_connected(&peer),
            own: peer == own,
        };
        let found = found.into_iter().take(MAX_FOUND).map(provider).collect();
        // Whoever asked may be gone.
        drop(answer.send(Ok(found)));
    }
}

/// How many peers are in the table.
fn known(kad: &mut kad::Behaviour<MemoryStore>) -> usize {
    kad.kbuckets().map(|bucket| bucket.num_entries()).sum()
}

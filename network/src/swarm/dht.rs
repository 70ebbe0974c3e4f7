//! Kademlia as this node has it. Strangers store nothing here but that they provide something this node knows the
//! meaning of.

use crate::addrman::ip_groups;
use crate::discovery::resource::{Kind, Known, MAX_KNOWN_STRETCHES, Resource};
use cairn_ledger::hash::Hash;
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig, RecordStore};
use libp2p::kad::{self, ProviderRecord, RecordKey};
use libp2p::{PeerId, StreamProtocol};
use std::time::Duration;

/// Addresses taken from what one peer says of itself.
const ADDRESSES_EACH: usize = 8;
/// The same of providers of a stretch, of which there are many.
const ADDRESSES_OF_STRETCH: usize = 2;
/// How often the table of peers is refreshed.
const REFRESH: Duration = Duration::from_secs(120);
/// How long one search may last.
const SEARCH: Duration = Duration::from_secs(30);
/// How long it stands that somebody provides something.
const PROVIDES: Duration = Duration::from_secs(3600);
/// Things of which providers are remembered: every kind this node knows, a few times, and stretches.
const PROVIDED: usize = 16 + MAX_KNOWN_STRETCHES as usize;
/// Providers remembered of each.
const PROVIDERS_EACH: usize = 20;

/// A node's Kademlia.
pub(crate) fn kademlia(own: PeerId, protocol: StreamProtocol, allow_private: bool) -> kad::Behaviour<MemoryStore> {
    let mut config = kad::Config::new(protocol);
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

/// Remembers a provider that a stranger names, if it is one of something that this network serves.
pub(crate) fn admit_provider(
    kad: &mut kad::Behaviour<MemoryStore>,
    mut record: ProviderRecord,
    known: &Known<'_>,
    allow_private: bool,
) {
    let most = match known.kind_of(record.key.as_ref()) {
        Some(Kind::FullHistory | Kind::Snapshot) => ADDRESSES_EACH,
        Some(Kind::Stretch) => ADDRESSES_OF_STRETCH,
        None => return,
    };
    record.addresses.retain(|address| ip_groups::is_reachable(address, allow_private));
    record.addresses.truncate(most);
    if let Err(error) = kad.store_mut().add_provider(record) {
        tracing::debug!(target: "cairn::network", %error, "a provider is not remembered");
    }
}

/// Forgets who provides a snapshot that is too old: what is here of it would keep the place of another.
pub(crate) fn forget_snapshot(kad: &mut kad::Behaviour<MemoryStore>, state_root: &Hash) {
    let key = RecordKey::from(Resource::snapshot(state_root).key());
    for record in kad.store_mut().providers(&key) {
        kad.store_mut().remove_provider(&key, &record.provider);
    }
}

/// How many peers are in the table.
pub(crate) fn known(kad: &mut kad::Behaviour<MemoryStore>) -> usize {
    kad.kbuckets().map(|bucket| bucket.num_entries()).sum()
}

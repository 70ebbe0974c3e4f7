//! Kademlia as this node has it. Strangers store nothing here but that they provide something this node knows the
//! meaning of.

use crate::addrman::ip_groups::{self, Prefix};
use crate::discovery::resource::{Kind, Known, MAX_KNOWN_STRETCHES, Resource};
use cairn_ledger::hash::Hash;
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig, RecordStore};
use libp2p::kad::{self, ProviderRecord, RecordKey};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use std::{net::IpAddr, time::Duration};

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
/// Providers remembered of each: who came first, for an hour, and anybody can make identities.
const PROVIDERS_EACH: usize = 20;
/// Of them, those of one group of addresses. Those that name no host, but relays or names, are one group more, and
/// anybody may be of it: whoever fills the list needs hosts in four groups.
const PROVIDERS_OF_GROUP: usize = 4;

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

/// Remembers a provider that is connected from these hosts, if it is one of something that this network serves. Its
/// addresses are in their group, or lead through relays: it counts for that group or, with relays alone, for the one of
/// all relayed.
pub(crate) fn admit_provider(
    kad: &mut kad::Behaviour<MemoryStore>,
    mut record: ProviderRecord,
    from: &[IpAddr],
    known: &Known<'_>,
    allow_private: bool,
) {
    let most = match known.kind_of(record.key.as_ref()) {
        Some(Kind::FullHistory | Kind::Snapshot) => ADDRESSES_EACH,
        Some(Kind::Stretch) => ADDRESSES_OF_STRETCH,
        None => return,
    };
    // On a network of one machine, or of one house, all are of one group.
    let is_at_home = allow_private && from.iter().any(|ip| ip_groups::is_private(*ip));
    let groups: Vec<Prefix> = from.iter().map(|ip| ip_groups::group_of(*ip)).collect();
    let is_its_own = |address: &Multiaddr| match ip_groups::ip_of(address) {
        Some(ip) => is_at_home || groups.contains(&ip_groups::group_of(ip)),
        None => true,
    };
    record.addresses.retain(|address| ip_groups::is_reachable(address, allow_private) && is_its_own(address));
    record.addresses.truncate(most);
    let group = group_of(&record);
    let others = kad.store_mut().providers(&record.key).into_iter();
    let of_group = others.filter(|other| other.provider != record.provider && group_of(other) == group).count();
    if !is_at_home && of_group >= PROVIDERS_OF_GROUP {
        tracing::debug!(target: "cairn::network", provider = %record.provider, "of its group enough providers are remembered");
        return;
    }
    if let Err(error) = kad.store_mut().add_provider(record) {
        tracing::debug!(target: "cairn::network", %error, "a provider is not remembered");
    }
}

/// The group of a provider's addresses; all that are behind relays are one.
fn group_of(record: &ProviderRecord) -> Option<Prefix> {
    record.addresses.iter().find_map(ip_groups::ip_of).map(ip_groups::group_of)
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

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::hash::BlockId;

    fn record(resource: Resource, addresses: &[&str]) -> ProviderRecord {
        let addresses = addresses.iter().map(|address| address.parse().expect("an address")).collect();
        ProviderRecord::new(RecordKey::from(resource.key()), PeerId::random(), addresses)
    }

    /// Twenty identities of one host once were all who provided a snapshot.
    #[test]
    fn who_fills_the_list_of_providers_needs_hosts_in_several_groups() {
        let own = PeerId::random();
        let mut kad = kademlia(own, StreamProtocol::new("/test/kad/1"), false);
        let (genesis_id, root) = (BlockId::ZERO, Hash::from_bytes([7; 32]));
        let known = Known { genesis_id: &genesis_id, state_roots: &[root], stretches: (0, 0) };
        let snapshot = Resource::snapshot(&root);
        let host = |text: &str| [text.parse::<IpAddr>().expect("an address")];
        let admitted = |kad: &mut kad::Behaviour<MemoryStore>, record: ProviderRecord, from: &[IpAddr], private| {
            let provider = record.provider;
            admit_provider(kad, record, from, &known, private);
            let held = kad.store_mut().providers(&RecordKey::from(snapshot.key()));
            held.into_iter().find(|held| held.provider == provider).map(|held| held.addresses.len())
        };
        // They name hosts that are not theirs, and relays.
        let names = |n: u8| [format!("/ip4/9.{n}.1.1/tcp/1"), format!("/ip4/8.{n}.1.1/tcp/1/p2p/{own}/p2p-circuit")];
        let sybils = (0..PROVIDERS_EACH as u8 * 2).map(|n| {
            let [other, relay] = names(n);
            let lies = record(snapshot, &[&other, &relay]);
            let own = record(snapshot, &["/ip4/1.2.3.4/tcp/1"]);
            [lies, own].map(|record| admitted(&mut kad, record, &host("1.2.3.4"), false).is_some())
        });
        let sybils = sybils.flatten().filter(|is_held| *is_held).count();
        assert_eq!(sybils, 2 * PROVIDERS_OF_GROUP, "those with addresses of their own, and those without");
        let honest = record(snapshot, &["/ip4/5.6.7.8/tcp/1", "/ip4/1.2.3.4/tcp/1"]);
        let again = honest.clone();
        assert_eq!(admitted(&mut kad, honest, &host("5.6.7.8"), false), Some(1), "one address is another's");
        assert_eq!(admitted(&mut kad, again, &host("5.6.7.8"), false), Some(1), "again");
        // At home all are of one group.
        let at_home = record(snapshot, &["/ip4/127.0.0.1/tcp/1"]);
        let mut home = kademlia(own, StreamProtocol::new("/test/kad/1"), true);
        assert_eq!(admitted(&mut home, at_home, &host("127.0.0.1"), true), Some(1));
        let held = (0..PROVIDERS_EACH).filter(|_| {
            let record = record(snapshot, &["/ip4/127.0.0.1/tcp/1"]);
            admitted(&mut home, record, &host("127.0.0.1"), true).is_some()
        });
        assert_eq!(held.count(), PROVIDERS_EACH - 1, "the control: without the rule the list is full");
    }
}

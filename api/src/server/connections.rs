//! The connections that may be open: who may have how many, so that nobody takes every place from all others.
//!
//! | who | connections |
//! |---|---|
//! | the node's own tools, at the Unix socket | some of their own |
//! | programs of this machine | all of `rpc.max_connections`, of which a quarter is kept for them |
//! | one host elsewhere: an IPv4 address, an IPv6 /64 | 32 at most, and at most half of those for others |
//! | one network elsewhere: an IPv4 /24, an IPv6 /48 | at most half of those for others |

use crate::{access::prefix, limits};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{collections::HashMap, collections::hash_map::Entry, net::IpAddr};

/// Who takes a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// A tool of the user whom the node runs as.
    Own,
    /// A program of this machine.
    Local,
    /// Another machine.
    Elsewhere {
        /// All addresses that come with its own.
        host: IpAddr,
        /// All that one site usually has.
        network: IpAddr,
    },
}

impl ClientKind {
    /// Who calls from this address.
    pub fn at(address: IpAddr) -> Self {
        match address.to_canonical() {
            address if address.is_loopback() => Self::Local,
            address => Self::Elsewhere { host: prefix(address, 32, 64), network: prefix(address, 24, 48) },
        }
    }
}

/// Of whom connections are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Group {
    Own,
    /// All at the port.
    Port,
    /// Other machines.
    Elsewhere,
    Host(IpAddr),
    Network(IpAddr),
}

/// The connections that may be open. Cloning shares it.
#[derive(Clone)]
pub struct ConnectionLimits {
    max: usize,
    /// As many entries as connections at most, for each kind of group.
    open: Arc<Mutex<HashMap<Group, usize>>>,
}

/// One of them; given back when dropped.
pub struct ConnectionPermit {
    limits: ConnectionLimits,
    client: ClientKind,
}

impl ConnectionLimits {
    /// So many at the port, and some for the node's own tools.
    pub fn new(max: usize) -> Self {
        Self { max, open: Arc::default() }
    }

    /// A place, if there is one for this client.
    pub fn take(&self, client: ClientKind) -> Option<ConnectionPermit> {
        let (groups, mut open) = (self.groups(client), self.lock());
        if groups.iter().any(|(group, max)| open.get(group).unwrap_or(&0) >= max) {
            return None;
        }
        groups.into_iter().for_each(|(group, _)| *open.entry(group).or_default() += 1);
        Some(ConnectionPermit { limits: self.clone(), client })
    }

    /// The groups in which a client counts, and the most of each.
    fn groups(&self, client: ClientKind) -> Vec<(Group, usize)> {
        let elsewhere = self.max - self.max / 4;
        let half = elsewhere.div_ceil(2);
        match client {
            ClientKind::Own => vec![(Group::Own, limits::MAX_OWN_CONNECTIONS)],
            ClientKind::Local => vec![(Group::Port, self.max)],
            ClientKind::Elsewhere { host, network } => vec![
                (Group::Port, self.max),
                (Group::Elsewhere, elsewhere),
                (Group::Host(host), half.min(limits::MAX_CONNECTIONS_PER_HOST)),
                (Group::Network(network), half),
            ],
        }
    }

    /// How many are taken, own tools included.
    pub fn count(&self) -> usize {
        let open = self.lock();
        [Group::Own, Group::Port].iter().filter_map(|group| open.get(group)).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Group, usize>> {
        // The counts are whole at any moment, and a panic stops the node anyway.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut open = self.limits.lock();
        for (group, _) in self.limits.groups(self.client) {
            if let Entry::Occupied(mut count) = open.entry(group) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> ClientKind {
        ClientKind::at(address.parse().expect("an address"))
    }

    /// Takes as many as there are, up to a thousand, each from what `address` gives for its number.
    fn take(connections: &ConnectionLimits, address: impl Fn(u32) -> String) -> Vec<ConnectionPermit> {
        (0..1_000).filter_map(|n| connections.take(at(&address(n)))).collect()
    }

    #[test]
    fn addresses_of_one_prefix_are_one_guest() {
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(at(local), ClientKind::Local, "{local}");
        }
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
    }

    #[test]
    fn neither_a_host_nor_a_network_nor_all_of_them_take_every_place() {
        let connections = ConnectionLimits::new(256);
        // One /64, however many addresses of it are used.
        let host = take(&connections, |n| format!("2001:db8::{n:x}"));
        assert_eq!(host.len(), 32);
        // Its /48, with as many /64 as there are: half of what is for others, and no more.
        let network = take(&connections, |n| format!("2001:db8:0:{n:x}::1"));
        assert_eq!(host.len() + network.len(), 96);
        assert_eq!(take(&connections, |n| format!("2001:db8:0:{n:x}::2")).len(), 0);
        let honest = connections.take(at("192.0.2.1"));
        assert!(honest.is_some(), "the control: another has a permit");
        // All the world: a quarter stays for this machine.
        let world = take(&connections, |n| format!("198.51.{n}.1", n = n % 256));
        assert_eq!(host.len() + network.len() + world.len() + 1, 192);
        let local: Vec<ConnectionPermit> = (0..1_000).filter_map(|_| connections.take(at("::1"))).collect();
        assert_eq!(local.len(), 64);
        // And the node's own tools have theirs even then.
        let own: Vec<ConnectionPermit> = (0..1_000).filter_map(|_| connections.take(ClientKind::Own)).collect();
        assert_eq!(own.len(), limits::MAX_OWN_CONNECTIONS);
        drop((host, network, world, local, own, honest));
        assert_eq!(connections.count(), 0);
        assert!(connections.lock().is_empty());
        assert_eq!(take(&connections, |n| format!("2001:db8::{n:x}")).len(), 32, "they came back");
    }

    #[test]
    fn a_port_with_few_places_has_one_for_everybody() {
        for max in 1..16 {
            let connections = ConnectionLimits::new(max);
            let one = connections.take(at("192.0.2.1"));
            assert!(one.is_some(), "{max}");
            assert!(max < 2 || connections.take(at("127.0.0.1")).is_some(), "{max}");
        }
    }
}

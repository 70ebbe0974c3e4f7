//! Who may connect, and what may be dialled: bans, private networks, the shares of hosts and groups of them.
//!
//! A stranger's answers name addresses, and libp2p's protocols (Kademlia, rendezvous, identify, every kind of
//! request) remember them and offer them when a peer is dialled; some dial by themselves. Without this, anyone
//! could make a node knock at the doors of its own private network. What the node itself dials (peers that the
//! operator named, neighbours on its LAN) may be private.

use super::access::{Access, Refusal};
use super::prefix_limiter::PrefixLimiter;
use crate::addrman::ip_groups::{self, Prefix};
use crate::ids::{Multiaddr, PeerId};
use cairn_common::{clock, rate_limiter::RateLimiter};
use std::collections::{BTreeMap, HashMap};
use std::{hash::Hash, net::IpAddr};

/// Inbound connections from one host, handshakes included: a few nodes behind one router.
const PER_HOST: usize = 4;
/// Inbound connections from one group of neighbouring hosts, handshakes included: no single provider fills
/// the slots of a node.
const PER_GROUP: usize = 16;
/// Unfinished handshakes from one host, private ones too: a quarter of all, so that whoever opens
/// connections and says nothing leaves room for others.
const HANDSHAKES_PER_HOST: usize = 16;

/// Counts inbound connections by where they come from.
#[derive(Debug, Default)]
struct Shares {
    hosts: BTreeMap<Prefix, usize>,
    groups: BTreeMap<Prefix, usize>,
    /// Handshakes only.
    handshakes: BTreeMap<Prefix, usize>,
}

/// What an inbound connection holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    ip: IpAddr,
    handshake: bool,
    /// Whose share is full that it is more than.
    beyond: Option<Refusal>,
}

impl Shares {
    /// Takes a share for a connection whose handshake begins; what is beyond a host's or a group's may be somebody whom
    /// the operator knows. On a private network all may share one address: there the limits on handshakes and on
    /// connections in all hold.
    fn take(&mut self, ip: IpAddr) -> Result<Share, Refusal> {
        let (host, group) = (ip_groups::host_of(ip), ip_groups::group_of(ip));
        if self.handshakes.get(&host).is_some_and(|count| *count >= HANDSHAKES_PER_HOST) {
            return Err(Refusal::Handshakes);
        }
        let mut beyond = None;
        if !ip_groups::is_private(ip) {
            if self.groups.get(&group).is_some_and(|count| *count >= PER_GROUP) {
                beyond = Some(Refusal::Group);
            }
            if self.hosts.get(&host).is_some_and(|count| *count >= PER_HOST) {
                beyond = Some(Refusal::Host);
            }
            *self.hosts.entry(host).or_default() += 1;
            *self.groups.entry(group).or_default() += 1;
        }
        *self.handshakes.entry(host).or_default() += 1;
        Ok(Share { ip, handshake: true, beyond })
    }

    /// The handshake has ended.
    fn settle(&mut self, share: &mut Share) {
        if std::mem::take(&mut share.handshake) {
            decrease(&mut self.handshakes, ip_groups::host_of(share.ip));
        }
    }

    /// The connection has ended, or its handshake failed.
    fn give_back(&mut self, mut share: Share) {
        self.settle(&mut share);
        if !ip_groups::is_private(share.ip) {
            decrease(&mut self.hosts, ip_groups::host_of(share.ip));
            decrease(&mut self.groups, ip_groups::group_of(share.ip));
        }
    }
}

fn decrease(counts: &mut BTreeMap<Prefix, usize>, key: Prefix) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// Dials that strangers may ask for at once, and each second in the long run: too few to be anybody's weapon.
const STRANGER_DIALS: (f64, f64) = (20.0, 1.0 / 3.0);

/// Connections from one host at once, and each second in the long run; handshakes cost a processor a third of a
/// millisecond each. What has a rate of its own at every address costs nothing beyond it but a socket.
const ARRIVALS: (f64, f64) = (20.0, 0.5);
/// From a private address so many times as much.
const PRIVATE_ARRIVALS: f64 = 25.0;

/// The rules at the door, for connections that whoever carries them names as it likes.
#[derive(Debug)]
pub struct ConnectionRules<C> {
    access: Access,
    shares: Shares,
    /// Inbound connections that hold a share; as many as the limits on connections allow.
    holders: HashMap<C, Share>,
    allow_private: bool,
    /// QUIC is not dialled on networks with a pre-shared key, which it does not know.
    allow_quic: bool,
    /// Dials that strangers may still ask for at once (AutoNAT, DCUtR), and since when.
    stranger_dials: RateLimiter,
    /// How often others connect.
    arrivals: PrefixLimiter,
}

impl<C: Eq + Hash> ConnectionRules<C> {
    /// Rules that let in whoever has access.
    pub(crate) fn new(access: Access, allow_private: bool, allow_quic: bool) -> Self {
        Self {
            access,
            shares: Shares::default(),
            holders: HashMap::new(),
            allow_private,
            allow_quic,
            stranger_dials: RateLimiter::new(STRANGER_DIALS.1, STRANGER_DIALS.0, clock::instant()),
            arrivals: PrefixLimiter::new(ARRIVALS.1, ARRIVALS.0, PRIVATE_ARRIVALS),
        }
    }

    /// A connection from an address is about to begin.
    ///
    /// # Errors
    /// It is refused.
    pub fn begin_inbound(&mut self, connection: C, remote: &Multiaddr) -> Result<(), Refusal> {
        if let Some(refusal) = self.access.refusal_of_address(remote, clock::now()) {
            return Err(refusal);
        }
        if let Some(ip) = ip_groups::ip_of(remote) {
            if !self.arrivals.take(ip, clock::instant()) {
                return Err(Refusal::TooOften);
            }
            let share = self.shares.take(ip)?;
            // Where the operator knows somebody, it may be that one: whoever is there says so first.
            if let Some(refusal) = share.beyond.filter(|_| !self.access.knows_any()) {
                self.shares.give_back(share);
                return Err(refusal);
            }
            self.holders.insert(connection, share);
        }
        Ok(())
    }

    /// Its handshake has ended: this is who is there.
    ///
    /// # Errors
    /// It is refused.
    pub fn settle_inbound(&mut self, connection: &C, peer: PeerId, remote: &Multiaddr) -> Result<(), Refusal> {
        if let Some(share) = self.holders.get_mut(connection) {
            self.shares.settle(share);
            if let Some(refusal) = share.beyond.filter(|_| !self.access.is_known(&peer)) {
                return Err(refusal);
            }
        }
        self.check(peer, remote)
    }

    /// Whether somebody may be connected there.
    ///
    /// # Errors
    /// It is refused.
    pub fn check(&self, peer: PeerId, address: &Multiaddr) -> Result<(), Refusal> {
        self.access.refusal(peer, address, clock::now()).map_or(Ok(()), Err)
    }

    /// It has ended, or never came to stand.
    pub fn end(&mut self, connection: &C) {
        if let Some(share) = self.holders.remove(connection) {
            self.shares.give_back(share);
        }
    }

    /// Whether an address may be dialled that this node did not choose itself.
    pub fn may_dial(&self, address: &Multiaddr) -> bool {
        ip_groups::is_reachable(address, self.allow_private) && (self.allow_quic || !ip_groups::is_quic(address))
    }

    /// Somebody else has these addresses dialled.
    ///
    /// # Errors
    /// One of them is not to be dialled, or there were too many lately.
    pub fn dial_for_a_stranger(&mut self, addresses: &[Multiaddr]) -> Result<(), Refusal> {
        if !addresses.iter().all(|address| self.may_dial(address)) {
            return Err(Refusal::NotToBeDialled);
        }
        self.stranger_dials.take(1.0, clock::instant()).map_err(|_| Refusal::TooManyAsked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: [u8; 4]) -> IpAddr {
        IpAddr::from(last)
    }

    /// Takes a share and ends the handshake.
    fn enter(shares: &mut Shares, from: [u8; 4]) -> Result<Share, Refusal> {
        let mut share = shares.take(ip(from))?;
        if let Some(refusal) = share.beyond {
            shares.give_back(share);
            return Err(refusal);
        }
        shares.settle(&mut share);
        Ok(share)
    }

    #[test]
    fn one_host_and_one_group_get_their_share_and_no_more() {
        let mut shares = Shares::default();
        for _ in 0..PER_HOST - 1 {
            assert!(enter(&mut shares, [1, 2, 3, 4]).is_ok());
        }
        let last = enter(&mut shares, [1, 2, 3, 4]);
        assert_eq!(enter(&mut shares, [1, 2, 3, 4]), Err(Refusal::Host));
        for host in 0..(PER_GROUP - PER_HOST) as u8 {
            assert!(enter(&mut shares, [1, 2, 200, host]).is_ok());
        }
        assert_eq!(enter(&mut shares, [1, 2, 9, 9]), Err(Refusal::Group));
        // The honest neighbour of the attack still gets in, and shares come back.
        assert!(enter(&mut shares, [1, 3, 3, 4]).is_ok());
        last.map(|share| shares.give_back(share)).unwrap_or_else(|refusal| panic!("{refusal}"));
        assert!(enter(&mut shares, [1, 2, 9, 9]).is_ok());
    }

    /// A neighbourhood full of strangers once kept an operator's named peer out.
    #[test]
    fn whom_the_operator_knows_gets_in_from_a_host_and_a_group_that_have_their_share() {
        let access = Access::default();
        let mut rules = ConnectionRules::new(access.clone(), false, true);
        let at = |n: u8| format!("/ip4/1.2.3.{n}/tcp/5").parse::<Multiaddr>().expect("an address");
        let mut enter = |connection: usize, n: u8, peer: PeerId| {
            rules.begin_inbound(connection, &at(n)).and_then(|()| {
                let settled = rules.settle_inbound(&connection, peer, &at(n));
                settled.inspect_err(|_| rules.end(&connection))
            })
        };
        for n in 0..PER_GROUP {
            assert_eq!(enter(n, n as u8, PeerId::random()), Ok(()));
        }
        let friend = PeerId::random();
        assert_eq!(enter(100, 200, friend), Err(Refusal::Group), "the control: a stranger");
        access.name(friend);
        assert_eq!(enter(101, 200, friend), Ok(()));
        assert_eq!(enter(102, 201, PeerId::random()), Err(Refusal::Group), "and no other");
    }

    #[test]
    fn unfinished_handshakes_of_one_host_leave_room_for_others() {
        let mut shares = Shares::default();
        let held: Vec<Share> = (0..1000).filter_map(|_| shares.take(ip([127, 0, 0, 2])).ok()).collect();
        assert_eq!(held.len(), HANDSHAKES_PER_HOST);
        // The controls: another host, and the same one once it is through with its own.
        assert!(enter(&mut shares, [127, 0, 0, 1]).is_ok());
        held.into_iter().for_each(|share| shares.give_back(share));
        for _ in 0..1000 {
            assert!(enter(&mut shares, [127, 0, 0, 2]).is_ok(), "a private host has no limit of its own");
        }
    }

    #[test]
    fn a_share_given_back_leaves_nothing_behind() {
        let mut shares = Shares::default();
        for from in [[1, 2, 3, 4], [127, 0, 0, 1]] {
            for settled in [false, true] {
                let mut share = shares.take(ip(from)).unwrap_or_else(|refusal| panic!("{refusal}"));
                if settled {
                    shares.settle(&mut share);
                }
                shares.give_back(share);
                assert!(shares.hosts.is_empty() && shares.groups.is_empty() && shares.handshakes.is_empty());
            }
        }
    }
}

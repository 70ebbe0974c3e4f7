//! How others reach this node: the best way that works, and why. Pure.

use crate::ids::Multiaddr;
use std::collections::BTreeSet;

/// Addresses remembered of each kind.
const MAX_ADDRESSES: usize = 16;

/// How others reach this node, the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Directly.
    Public,
    /// Through a port that its router opened for it.
    PortMapped,
    /// Through a relay at first, then directly: both dial at once.
    HolePunched,
    /// Through a relay.
    Relayed,
    /// Not at all: only whom it dials.
    #[default]
    OutboundOnly,
}

impl Reach {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::PortMapped => "port_mapped",
            Self::HolePunched => "hole_punched",
            Self::Relayed => "relayed",
            Self::OutboundOnly => "outbound_only",
        }
    }
}

/// What is known of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct NatStatus {
    /// Whether this is a network of private addresses.
    pub(crate) allow_private: bool,
    /// Whether it listens at all.
    pub(crate) listens: bool,
    /// Addresses that the operator said are right.
    pub(crate) is_named: bool,
    /// Whether others have connected to a public address of this machine itself.
    pub(crate) reached: bool,
    /// Addresses that others have dialled when asked to (AutoNAT).
    pub(crate) confirmed: BTreeSet<Multiaddr>,
    /// Addresses that nobody reached when asked to.
    pub(crate) refuted: BTreeSet<Multiaddr>,
    /// Whether others were asked for long, and nobody ever got through, or said that he did not.
    pub(crate) unanswered: bool,
    /// Addresses that the router maps to this node.
    pub(crate) mapped: BTreeSet<Multiaddr>,
    /// What the router said when it was asked.
    pub(crate) router: Option<&'static str>,
    /// Relays that accept connections for this node.
    pub(crate) relays: BTreeSet<Multiaddr>,
    /// Direct connections that began through a relay.
    pub(crate) punched: u64,
}

/// Remembers an address, when there is room.
pub(crate) fn remember(addresses: &mut BTreeSet<Multiaddr>, address: Multiaddr) {
    if addresses.len() < MAX_ADDRESSES {
        addresses.insert(address);
    }
}

impl NatStatus {
    /// On a network that allows private addresses or not, where the operator named its address or not.
    pub(crate) fn new(allow_private: bool, is_named: bool) -> Self {
        Self { allow_private, is_named, ..Self::default() }
    }

    /// How others reach it, and why in this way.
    pub(crate) fn verdict(&self) -> (Reach, String) {
        let because = |reach, reason: &str| (reach, reason.to_owned());
        if self.is_named {
            return because(Reach::Public, "the operator named its address (network.external)");
        }
        if self.allow_private && self.listens {
            return because(Reach::Public, "on a network of private addresses whoever has its address reaches it");
        }
        let mapped = !self.confirmed.is_disjoint(&self.mapped);
        if !self.confirmed.is_empty() && !mapped {
            return because(Reach::Public, "others have dialled its address when asked to (AutoNAT)");
        }
        if self.reached {
            return because(Reach::Public, "others have connected to the public address it listens at");
        }
        if !self.mapped.is_empty() {
            let checked = if mapped { "others have dialled it" } else { "nobody has confirmed it yet" };
            return (Reach::PortMapped, format!("the router opened a port (UPnP); {checked}"));
        }
        if !self.relays.is_empty() {
            return match self.punched {
                0 => because(Reach::Relayed, "a relay passes connections on; no hole could be punched yet"),
                n => {
                    (Reach::HolePunched, format!("a relay introduces others; {n} have then connected directly (DCUtR)"))
                }
            };
        }
        let listening = if self.listens { "" } else { "it listens nowhere; " };
        let asked = match (self.refuted.is_empty(), self.unanswered) {
            (false, _) => "others could not dial it (AutoNAT)",
            (true, true) => "nobody who was asked to dial it got through (AutoNAT)",
            (true, false) => "nobody has dialled it yet",
        };
        let router = self.router.unwrap_or("no router opened a port");
        (Reach::OutboundOnly, format!("{listening}{asked}; {router}; no relay is used"))
    }

    /// Whether it takes a relay for others to reach this node, as far as is known: not before somebody has
    /// tried without.
    pub(crate) fn needs_relay(&self) -> bool {
        let (reach, _) = self.verdict();
        let known = !self.refuted.is_empty() || self.unanswered || !self.listens;
        known && matches!(reach, Reach::OutboundOnly | Reach::Relayed | Reach::HolePunched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> Multiaddr {
        format!("/ip4/1.2.3.{n}/tcp/5").parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn each_way_is_told_with_its_reason() {
        let mut nat_status = NatStatus { listens: true, ..NatStatus::default() };
        assert_eq!(nat_status.verdict().0, Reach::OutboundOnly);
        assert!(!nat_status.needs_relay(), "nobody has tried yet");
        nat_status.refuted.insert(address(1));
        assert!(nat_status.needs_relay());
        assert!(nat_status.verdict().1.contains("could not dial it"), "{:?}", nat_status.verdict());
        nat_status.relays.insert(address(2));
        assert_eq!(nat_status.verdict().0, Reach::Relayed);
        nat_status.punched = 2;
        assert_eq!(nat_status.verdict().0, Reach::HolePunched);
        assert!(nat_status.needs_relay(), "who stands on a relay keeps it");
        nat_status.mapped.insert(address(1));
        assert_eq!(nat_status.verdict().0, Reach::PortMapped);
        nat_status.confirmed.insert(address(1));
        assert!(nat_status.verdict().1.contains("others have dialled it"));
        nat_status.mapped.remove(&address(1));
        assert_eq!(nat_status.verdict().0, Reach::Public);
        assert!(!nat_status.needs_relay());
    }

    #[test]
    fn who_listens_nowhere_needs_a_relay_and_who_was_told_does_not() {
        let mut nat_status = NatStatus { allow_private: true, ..NatStatus::default() };
        assert!(nat_status.needs_relay() && nat_status.verdict().1.contains("listens nowhere"));
        nat_status.is_named = true;
        assert_eq!((nat_status.verdict().0, nat_status.needs_relay()), (Reach::Public, false));
        let local = NatStatus { allow_private: true, listens: true, ..NatStatus::default() };
        assert_eq!(local.verdict().0, Reach::Public);
    }

    #[test]
    fn a_router_that_drops_what_nobody_asked_for_is_no_reason_to_wait_for_ever() {
        let mut nat_status = NatStatus { listens: true, ..NatStatus::default() };
        assert!(!nat_status.needs_relay());
        nat_status.unanswered = true;
        assert!(
            nat_status.needs_relay() && nat_status.verdict().1.contains("got through"),
            "{:?}",
            nat_status.verdict()
        );
        nat_status.confirmed.insert(address(1));
        assert_eq!((nat_status.verdict().0, nat_status.needs_relay()), (Reach::Public, false), "the control");
    }

    #[test]
    fn a_boot_node_that_dials_nobody_is_public_once_somebody_came() {
        let mut nat_status = NatStatus { listens: true, unanswered: true, ..NatStatus::default() };
        assert_eq!(nat_status.verdict().0, Reach::OutboundOnly, "the control");
        nat_status.reached = true;
        assert_eq!((nat_status.verdict().0, nat_status.needs_relay()), (Reach::Public, false));
    }

    #[test]
    fn strangers_cannot_fill_the_lists() {
        let mut list = BTreeSet::new();
        (0..=255).for_each(|n| remember(&mut list, address(n)));
        assert_eq!(list.len(), MAX_ADDRESSES);
    }
}

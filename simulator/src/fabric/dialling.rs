//! Dials: who may begin one, where it leads to, and whether it is let in there.

use super::{DIAL_TIMEOUT, Dialling, Fabric, FabricEvent, HANDSHAKE_TRIPS, Standing};
use crate::executor::NodeId;
use cairn_network::transport::{Dial, DialCondition, DialFailure, Endpoint, Event, Multiaddr};

/// Connections with one peer, at either end.
const MOST_EACH: usize = 2;

impl Fabric {
    /// Begins a dial; what comes of it at once is an event.
    pub(super) fn dial(&mut self, from: NodeId, dial: Dial) -> Option<Event> {
        let Dial { peer, addresses, condition, number, is_own } = dial;
        let failed = |failure| Some(Event::DialFailed { peer: Some(peer), dial: number, failure });
        let target = self.node_of(&peer);
        let host = self.host(from);
        let is_connected = target.is_some_and(|target| host.connection_to(target).is_some());
        let is_dialling = host.dialling.contains(&peer);
        let may = match condition {
            DialCondition::Disconnected => !is_connected,
            DialCondition::NotDialling => !is_dialling,
            DialCondition::DisconnectedAndNotDialling => !is_connected && !is_dialling,
        };
        let each = host.connections.values().filter(|end| Some(end.peer) == target).count();
        let may = may && each < MOST_EACH;
        let outbound = host.connections.values().filter(|end| end.is_outbound).count();
        let is_full = outbound + host.dialling.len() >= host.limits.1 && !host.unlimited.contains(&peer);
        if !may || peer == host.peer || is_full {
            return failed(DialFailure::NotDialled);
        }
        if !is_own && !addresses.is_empty() {
            let refused = host.rules.as_mut().map(|rules| rules.dial_for_a_stranger(&addresses));
            if refused.is_some_and(|refused| refused.is_err()) {
                return failed(DialFailure::NotDialled);
            }
        }
        let known = target.filter(|_| addresses.is_empty()).map(|target| self.peek(target).address.clone());
        let Some(address) = addresses.into_iter().next().map(bare).or(known) else {
            return failed(DialFailure::NotDialled);
        };
        self.host(from).dialling.insert(peer);
        let is_feeler = condition == DialCondition::NotDialling;
        let (now, booked) = (self.now(), number.map(|_| is_feeler).filter(|_| is_own));
        self.watch.note(from).dials.on_dial(&address.to_string(), target, booked, now);
        let life = self.peek(from).life;
        let dialling = Box::new(Dialling { from, life, peer, address, number, is_feeler });
        let there = self.by_address.get(&dialling.address).copied().filter(|there| {
            let host = self.peek(*there);
            host.is_up && host.is_reachable && self.links.passes(from, *there) && self.links.passes(*there, from)
        });
        match there {
            Some(there) => {
                let trip = self.links.latency(from, there) + self.links.latency(there, from);
                self.plan(self.now() + trip * HANDSHAKE_TRIPS / 2, FabricEvent::Dialled(dialling));
            }
            None => {
                let at = self.now() + DIAL_TIMEOUT;
                self.plan(at, FabricEvent::NotDialled(dialling, DialFailure::Unreachable));
            }
        }
        None
    }

    pub(super) fn on_not_dialled(&mut self, dialling: Dialling, failure: DialFailure) {
        let Dialling { from, life, peer, number, .. } = dialling;
        let host = self.host(from);
        if host.life == life {
            host.dialling.remove(&peer);
            self.tell(from, Event::DialFailed { peer: Some(peer), dial: number, failure });
        }
    }

    pub(super) fn on_dialled(&mut self, dialling: Dialling) {
        let Some(there) = self.by_address.get(&dialling.address).copied() else { return };
        if self.peek(dialling.from).life != dialling.life {
            return;
        }
        if !self.peek(there).is_up {
            return self.on_not_dialled(dialling, DialFailure::Unreachable);
        }
        let got = self.peek(there).peer;
        if got != dialling.peer {
            let address = dialling.address.clone();
            return self.on_not_dialled(dialling, DialFailure::OtherPeer { got, address });
        }
        self.last += 1;
        let connection = self.last;
        if !self.is_let_in(connection, there, dialling.from) {
            return self.on_not_dialled(dialling, DialFailure::Unreachable);
        }
        let Dialling { from, peer, address, number, is_feeler, .. } = dialling;
        self.host(from).dialling.remove(&peer);
        let since = self.now();
        let standing =
            Standing { dialler: from, listener: there, since, is_feeler, held: Vec::new(), is_silent: false };
        self.standing.insert(connection, standing);
        let local = self.peek(there).address.clone();
        let outside = self.peek(from).outside(connection);
        self.connect(connection, from, there, (number, Endpoint { remote: address, local: None, is_relayed: false }));
        let inbound = Endpoint { remote: outside, local: Some(local), is_relayed: false };
        self.connect(connection, there, from, (None, inbound));
    }

    /// Whether a node lets another in: its own rules, and its limits.
    fn is_let_in(&mut self, connection: u64, node: NodeId, from: NodeId) -> bool {
        let (peer, outside) = (self.peek(from).peer, self.peek(from).outside(connection));
        let host = self.host(node);
        let inbound = host.connections.values().filter(|end| !end.is_outbound).count();
        let each = host.connections.values().filter(|end| end.peer == from).count();
        let Some(rules) = &mut host.rules else { return false };
        if inbound >= host.limits.0 || each >= MOST_EACH || rules.begin_inbound(connection, &outside).is_err() {
            return false;
        }
        let is_let_in = rules.settle_inbound(&connection, peer, &outside).is_ok();
        if !is_let_in {
            rules.end(&connection);
        }
        is_let_in
    }
}

/// An address without the name at its end.
fn bare(mut address: Multiaddr) -> Multiaddr {
    let is_name = address.iter().last().is_some_and(|part| part.tag() == "p2p");
    if is_name {
        address.pop();
    }
    address
}

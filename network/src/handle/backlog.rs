//! Events that wait for sync, merged.

use super::NetworkEvent;
use std::collections::VecDeque;

/// Events that sync has not taken yet, merged so that their number is bounded by that of the peers: the
/// last status of each, and that it is gone.
#[derive(Debug, Default)]
pub(crate) struct Backlog(pub(crate) VecDeque<NetworkEvent>);

impl Backlog {
    /// Adds an event.
    pub(crate) fn push(&mut self, event: NetworkEvent) {
        let superseded = |waiting: &NetworkEvent| match (&event, waiting) {
            (NetworkEvent::PeerStatus { peer, .. }, NetworkEvent::PeerStatus { peer: other, .. })
            | (NetworkEvent::MissedBlock { peer, .. }, NetworkEvent::MissedBlock { peer: other, .. })
            | (
                NetworkEvent::PeerDown { peer },
                NetworkEvent::PeerStatus { peer: other, .. } | NetworkEvent::MissedBlock { peer: other, .. },
            ) => peer == other,
            _ => false,
        };
        self.0.retain(|waiting| !superseded(waiting));
        // Who came and went meanwhile was never here.
        if let NetworkEvent::PeerDown { peer } = &event
            && let Some(at) = self
                .0
                .iter()
                .position(|waiting| matches!(waiting, NetworkEvent::PeerUp { peer: other, .. } if other == peer))
        {
            self.0.remove(at);
            return;
        }
        self.0.push_back(event);
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The oldest event.
    pub(crate) fn pop(&mut self) -> Option<NetworkEvent> {
        self.0.pop_front()
    }
}

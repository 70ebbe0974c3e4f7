//! The network's events for more than one synchronisation: who comes later is told of the peers that are there.

use crate::handle::EVENTS;
use crate::{NetworkEvent, PeerKind, wire::PeerStatus};
use cairn_chain::PeerNumber;
use cairn_common::runtime;
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// Where another synchronisation gets its events from. Cloning shares it.
#[derive(Clone, Debug)]
pub struct EventFanout(mpsc::Sender<mpsc::Sender<NetworkEvent>>);

impl EventFanout {
    /// The events from now on, after one for each peer that is there. None come where the network has ended.
    pub async fn another(&self) -> mpsc::Receiver<NetworkEvent> {
        let (sender, events) = mpsc::channel(EVENTS);
        // Without a network there are no events.
        let _ = self.0.send(sender).await;
        events
    }
}

/// The same events, and where others get them from.
pub fn fan_out(mut events: mpsc::Receiver<NetworkEvent>) -> (mpsc::Receiver<NetworkEvent>, EventFanout) {
    let (first, passed_on) = mpsc::channel(EVENTS);
    let (asks, mut asked) = mpsc::channel::<mpsc::Sender<NetworkEvent>>(1);
    runtime::spawn(async move {
        let (mut listeners, mut peers) = (vec![first], Peers::default());
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => pass_on(&mut listeners, &mut peers, event).await,
                    None => return,
                },
                Some(listener) = asked.recv() => {
                    for event in peers.present() {
                        // Who is gone already misses nothing.
                        let _ = listener.send(event).await;
                    }
                    listeners.push(listener);
                }
            }
        }
    });
    (passed_on, EventFanout(asks))
}

async fn pass_on(listeners: &mut Vec<mpsc::Sender<NetworkEvent>>, peers: &mut Peers, event: NetworkEvent) {
    peers.note(&event);
    for listener in listeners.iter() {
        let _ = listener.send(event.clone()).await;
    }
    listeners.retain(|listener| !listener.is_closed());
}

/// The peers that are there, and where each stands.
#[derive(Debug, Default)]
struct Peers(BTreeMap<PeerNumber, (PeerKind, PeerStatus)>);

impl Peers {
    fn note(&mut self, event: &NetworkEvent) {
        match event {
            NetworkEvent::PeerUp { peer, kind, status } | NetworkEvent::PeerStatus { peer, kind, status } => {
                self.0.insert(*peer, (kind.clone(), status.clone()));
            }
            NetworkEvent::PeerDown { peer } => drop(self.0.remove(peer)),
            NetworkEvent::MissedBlock { .. } => {}
        }
    }

    fn present(&self) -> Vec<NetworkEvent> {
        let up = |(peer, (kind, status)): (&PeerNumber, &(PeerKind, PeerStatus))| NetworkEvent::PeerUp {
            peer: *peer,
            kind: kind.clone(),
            status: status.clone(),
        };
        self.0.iter().map(up).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::status;
    use cairn_ledger::testing::easy_network;
    use cairn_ledger::units::{Height, Timestamp};

    fn status_at(height: u64) -> PeerStatus {
        PeerStatus { height: Height::new(height), ..status(&easy_network(), Timestamp::from_millis(1)) }
    }

    #[tokio::test]
    async fn who_comes_later_is_told_of_the_peers_that_are_there_as_they_are() {
        let (sender, events) = mpsc::channel(4);
        let (mut first, others) = fan_out(events);
        let up = |peer: u64, height| NetworkEvent::PeerUp {
            peer: PeerNumber(peer),
            kind: PeerKind::default(),
            status: status_at(height),
        };
        let status = |peer: u64, height| NetworkEvent::PeerStatus {
            peer: PeerNumber(peer),
            kind: PeerKind::default(),
            status: status_at(height),
        };
        let down = NetworkEvent::PeerDown { peer: PeerNumber(2) };
        let all = [up(1, 5), up(2, 6), status(1, 7), down];
        for event in &all {
            sender.send(event.clone()).await.expect("it listens");
            assert_eq!(first.recv().await.as_ref(), Some(event));
        }
        let mut second = others.another().await;
        assert_eq!(second.recv().await, Some(up(1, 7)));
        sender.send(up(3, 8)).await.expect("it listens");
        assert_eq!((first.recv().await, second.recv().await), (Some(up(3, 8)), Some(up(3, 8))));
        drop(second);
        sender.send(up(4, 8)).await.expect("it listens");
        assert_eq!(first.recv().await, Some(up(4, 8)), "who has gone holds nobody up");
        drop(sender);
        assert_eq!(first.recv().await, None);
        assert_eq!(others.another().await.recv().await, None);
    }
}

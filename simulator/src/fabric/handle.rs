//! What a node holds of its end.

use super::Fabric;
use crate::executor::NodeId;
use crate::gossip::Outcome;
use cairn_chain::Verdict;
use cairn_network::transport::{
    AnswerSender, Class, Event, Job, MessageNumber, PeerId, Published, SwarmAction, Topic, Transport,
};
use cairn_network::wire::{Message as _, TxBatch, gossip_id};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

/// A node's end.
pub struct Handle {
    fabric: Arc<Mutex<Fabric>>,
    node: NodeId,
}

impl Handle {
    /// Of this node.
    pub fn new(fabric: Arc<Mutex<Fabric>>, node: NodeId) -> Self {
        Self { fabric, node }
    }

    fn fabric(&self) -> MutexGuard<'_, Fabric> {
        self.fabric.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gossips bytes, whatever they are; whether they were new, and somebody is there.
    pub fn gossip(&self, topic: Topic, message: Vec<u8>) -> bool {
        let (fabric, node) = (&mut *self.fabric(), self.node);
        let (id, now) = (gossip_id(&message), fabric.now());
        let host = fabric.host(node);
        let outcome = host.gossip.publish(topic, id, message.into(), (now, &mut host.random));
        outcome.map(|outcome| fabric.after_gossip(node, outcome)).is_some()
    }

    fn publish_txs(&self, batch: TxBatch) -> Event {
        let is_alone = self.fabric().peek(self.node).connections.is_empty();
        let outcome = match self.gossip(Topic::Txs, batch.to_bytes()) {
            _ if is_alone => Published::NobodyTook,
            true => Published::Sent,
            false => Published::Repeated,
        };
        let fabric = &mut *self.fabric();
        let now = fabric.now();
        fabric.watch.on_published(self.node, &batch, outcome, now);
        Event::TxsPublished { batch, outcome }
    }

    fn verdict(&self, message: MessageNumber, accept: bool) -> bool {
        let fabric = &mut *self.fabric();
        let mut outcome = Outcome::default();
        fabric.watch.on_verdict(self.node, message, accept);
        let now = fabric.now();
        let travels = fabric.host(self.node).gossip.on_verdict(message, accept, now, &mut outcome);
        fabric.after_gossip(self.node, outcome);
        travels
    }
}

impl Transport for Handle {
    async fn next(&mut self) -> Event {
        poll_fn(|context| {
            let fabric = &mut *self.fabric();
            let host = fabric.host(self.node);
            match host.inbox.pop_front() {
                Some(event) => Poll::Ready(event),
                None => {
                    host.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn carry_out(&mut self, action: SwarmAction) -> Option<Event> {
        let node = self.node;
        match action {
            SwarmAction::PublishBlock { id: _, message } => {
                self.gossip(Topic::Blocks, message);
            }
            SwarmAction::PublishTxs(batch) => return Some(self.publish_txs(batch)),
            SwarmAction::Ignore(message) => drop(self.verdict(message, false)),
            SwarmAction::Dial(dial) => return self.fabric().dial(node, dial),
            SwarmAction::Disconnect(peer) => {
                let fabric = &mut *self.fabric();
                while let Some(connection) =
                    fabric.node_of(&peer).and_then(|peer| fabric.peek(node).connection_to(peer))
                {
                    fabric.close(connection, node);
                }
            }
            SwarmAction::Close(connection) => self.fabric().close(connection.0, node),
            SwarmAction::ListenThrough { relay, .. } => return Some(Event::RelayClosed { relay }),
            SwarmAction::AddExternalAddress(address) => {
                self.fabric().host(node).external.insert(address.to_string());
            }
            SwarmAction::RemoveExternalAddress(address) => {
                self.fabric().host(node).external.remove(&address.to_string());
            }
            SwarmAction::LiftLimits(peer) => {
                self.fabric().host(node).unlimited.insert(peer);
            }
            SwarmAction::AddToDht { peer, .. } => self.fabric().add_to_dht(node, peer),
            SwarmAction::RemoveFromDht(peer) => drop(self.fabric().host(node).acquaintances.remove(&peer)),
            SwarmAction::SearchDht => self.fabric().search(node),
            SwarmAction::Provide(resource) => return self.fabric().provide(node, &resource),
            SwarmAction::StopProviding(resource) => self.fabric().stop_providing(node, &resource),
            // Here nobody keeps what strangers provide.
            SwarmAction::KnowSnapshots(_) | SwarmAction::KnowStretches { .. } => {}
            SwarmAction::FindProviders { search, resource } => self.fabric().find_providers(node, search, &resource),
            SwarmAction::Register { point } => self.fabric().register(node, point),
            SwarmAction::Discover { point, max } => self.fabric().discover(node, point, max),
            SwarmAction::Ask { peer, class, question } => {
                let fabric = &mut *self.fabric();
                if let Some(to) = fabric.node_of(&peer) {
                    fabric.ask(node, to, class, question, None);
                }
            }
            SwarmAction::Answer { request, answer } => return self.fabric().answer(node, request, answer),
            SwarmAction::Drop(request) => self.fabric().drop_request(node, request),
        }
        None
    }

    fn on_verdict(&mut self, job: &Job, verdict: &Verdict) -> bool {
        self.verdict(job.message, *verdict == Verdict::Accept)
    }

    fn request(&mut self, peer: PeerId, class: Class, question: Vec<u8>, answer: AnswerSender) {
        let fabric = &mut *self.fabric();
        match fabric.node_of(&peer) {
            Some(to) => fabric.ask(self.node, to, class, question, Some(answer)),
            None => drop(answer),
        }
    }

    fn mesh_of(&self, peer: &PeerId) -> Vec<String> {
        let fabric = self.fabric();
        fabric.node_of(peer).map(|peer| fabric.peek(self.node).gossip.mesh_of(peer)).unwrap_or_default()
    }

    fn listening(&self) -> Vec<String> {
        let fabric = self.fabric();
        let host = fabric.peek(self.node);
        vec![format!("{}/p2p/{}", host.address, host.peer)]
    }

    fn external(&self) -> Vec<String> {
        self.fabric().peek(self.node).external.iter().cloned().collect()
    }

    fn protocol_prefix(&self) -> String {
        String::from("/cairn/simulated")
    }
}

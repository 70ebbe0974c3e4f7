//! What is done on the swarm.

use super::{Awaited, Channel, NetworkSwarm, dht};
use crate::event::{Dial, DialCondition, DialFailure, Event, Published, SwarmAction, Topic};
use crate::ids::{MessageNumber, RequestNumber};
use crate::wire::{Message as _, TxBatch};
use cairn_ledger::hash::{BlockId, Hash};
use libp2p::gossipsub::{MessageAcceptance, PublishError};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, kad, kad::store::MemoryStore, rendezvous::Namespace};

impl NetworkSwarm {
    /// Carries an action out. What comes of it at once is an event.
    pub(super) fn act(&mut self, action: SwarmAction) -> Option<Event> {
        match action {
            SwarmAction::Dial(dial) => return self.dial(dial),
            // It may be gone already.
            SwarmAction::Disconnect(peer) => drop(self.swarm.disconnect_peer_id(peer)),
            SwarmAction::Close(connection) => {
                let id = self.connections.iter().find(|(_, number)| **number == connection).map(|(id, _)| *id);
                id.map(|id| self.swarm.close_connection(id));
            }
            SwarmAction::ListenThrough { relay, address } => return self.listen_through(relay, address),
            SwarmAction::AddExternalAddress(address) => self.swarm.add_external_address(address),
            SwarmAction::RemoveExternalAddress(address) => self.swarm.remove_external_address(&address),
            SwarmAction::LiftLimits(peer) => self.swarm.behaviour_mut().limits.bypass_peer_id(&peer),
            SwarmAction::Register { point } => self.register(point),
            SwarmAction::Discover { point, max } => self.discover(point, max),
            SwarmAction::Ask { peer, class, question } => {
                // Asking somebody who is gone would dial them.
                if self.swarm.is_connected(&peer) {
                    self.ask(peer, class, Awaited { question, answer: None, is_again: false });
                }
            }
            SwarmAction::Answer { request, answer } => return self.answer(request, answer),
            SwarmAction::Drop(request) => {
                if let Some(Channel { class, id, .. }) = self.channels.remove(&request) {
                    self.open.remove(&(class, id));
                }
            }
            SwarmAction::Ignore(message) => drop(self.validate(message, MessageAcceptance::Ignore)),
            SwarmAction::PublishBlock { id, message } => self.publish_block(id, message),
            SwarmAction::PublishTxs(batch) => return Some(self.publish_txs(batch)),
            SwarmAction::AddToDht { peer, address } => drop(self.kad().map(|kad| kad.add_address(&peer, address))),
            SwarmAction::RemoveFromDht(peer) => drop(self.kad().map(|kad| kad.remove_peer(&peer))),
            // Asking makes acquaintances.
            SwarmAction::SearchDht => {
                let kad = self.kad()?;
                if dht::known(kad) > 0 {
                    kad.get_closest_peers(PeerId::random());
                }
            }
            SwarmAction::Provide(resource) => {
                let kad = self.kad()?;
                if dht::known(kad) == 0 {
                    return None;
                }
                // Refused only when the store is full, and one's own comes first there.
                if let Err(error) = kad.start_providing(resource.key().into()) {
                    tracing::debug!(target: "cairn::network", %error, "not announced as a provider");
                }
                return Some(Event::Providing(resource));
            }
            SwarmAction::StopProviding(resource) => self.kad()?.stop_providing(&resource.key().into()),
            SwarmAction::KnowSnapshots(state_roots) => self.know_snapshots(state_roots),
            SwarmAction::KnowStretches { blocks, count } => self.stretches = (blocks, count),
            SwarmAction::FindProviders { search, resource } => {
                let query = self.kad()?.get_providers(resource.key().into());
                self.searches.insert(query, search);
            }
        }
        None
    }

    /// Providers of these snapshots are remembered from now on, and of no others.
    fn know_snapshots(&mut self, state_roots: Vec<Hash>) {
        let known = std::mem::replace(&mut self.snapshot_roots, state_roots);
        let old: Vec<Hash> = known.into_iter().filter(|root| !self.snapshot_roots.contains(root)).collect();
        if let Some(kad) = self.kad() {
            old.iter().for_each(|root| dht::forget_snapshot(kad, root));
        }
    }

    fn publish_block(&mut self, block: BlockId, message: Vec<u8>) {
        let bytes = message.len();
        let topic = self.names.blocks.hash();
        match self.gossip(Topic::Blocks).publish(topic, message) {
            Ok(_) => tracing::debug!(target: "cairn::network", %block, bytes, "announced a block"),
            // Nobody is there; or gossip has brought it here, and then its verdict says whether it travels. Where it
            // does not, others hear of the tip by status.
            Err(PublishError::NoPeersSubscribedToTopic | PublishError::Duplicate) => {}
            Err(error) => tracing::warn!(target: "cairn::network", %block, %error, "a block was not announced"),
        }
    }

    fn publish_txs(&mut self, batch: TxBatch) -> Event {
        let topic = self.names.txs.hash();
        let outcome = match self.gossip(Topic::Txs).publish(topic, batch.to_bytes()) {
            Ok(_) => Published::Sent,
            Err(PublishError::Duplicate) => Published::Repeated,
            Err(PublishError::NoPeersSubscribedToTopic | PublishError::AllQueuesFull(_)) => Published::NobodyTook,
            Err(error) => {
                tracing::warn!(target: "cairn::network", %error, "a batch was not sent");
                Published::Failed
            }
        };
        Event::TxsPublished { batch, outcome }
    }

    fn kad(&mut self) -> Option<&mut kad::Behaviour<MemoryStore>> {
        self.swarm.behaviour_mut().kad.as_mut().map(|kad| &mut **kad)
    }

    fn dial(&mut self, dial: Dial) -> Option<Event> {
        let Dial { peer, addresses, condition, number, is_own } = dial;
        let condition = match condition {
            DialCondition::DisconnectedAndNotDialling => PeerCondition::DisconnectedAndNotDialing,
            DialCondition::Disconnected => PeerCondition::Disconnected,
            DialCondition::NotDialling => PeerCondition::NotDialing,
        };
        let options = DialOpts::peer_id(peer).condition(condition);
        let options = if addresses.is_empty() { options.build() } else { options.addresses(addresses).build() };
        let connection = options.connection_id();
        if is_own {
            self.swarm.behaviour_mut().announce(connection);
        }
        number.map(|number| self.dials.insert(connection, number));
        let error = self.swarm.dial(options).err()?;
        tracing::debug!(target: "cairn::network", %peer, %error, "not dialling");
        self.swarm.behaviour_mut().retract(connection);
        let dial = self.dials.remove(&connection);
        Some(Event::DialFailed { peer: Some(peer), dial, failure: DialFailure::NotDialled })
    }

    fn listen_through(&mut self, relay: PeerId, address: Multiaddr) -> Option<Event> {
        match self.swarm.listen_on(address) {
            Ok(listener) => {
                self.relays.insert(listener, relay);
                None
            }
            Err(error) => {
                tracing::debug!(target: "cairn::network", %relay, %error, "not asking a relay");
                Some(Event::RelayClosed { relay })
            }
        }
    }

    fn namespace(&self) -> Namespace {
        Namespace::new(self.names.prefix.clone()).expect("a prefix is shorter than 255 bytes")
    }

    fn register(&mut self, point: PeerId) {
        let namespace = self.namespace();
        let Some(client) = self.swarm.behaviour_mut().rendezvous.as_mut() else { return };
        if let Err(error) = client.register(namespace, point, None) {
            // Nobody reaches this node yet, as far as it knows.
            tracing::debug!(target: "cairn::network", %point, %error, "not registering");
        }
    }

    fn discover(&mut self, point: PeerId, max: u64) {
        let namespace = self.namespace();
        if let Some(client) = self.swarm.behaviour_mut().rendezvous.as_mut() {
            client.discover(Some(namespace), None, Some(max), point);
        }
    }

    fn answer(&mut self, request: RequestNumber, answer: Vec<u8>) -> Option<Event> {
        // Whoever asked may be gone.
        let closed = Event::RequestClosed { request, is_timeout: false };
        let Some(Channel { class, id, channel }) = self.channels.remove(&request) else { return Some(closed) };
        if self.requests(class).send_response(channel, Ok(answer)).is_ok() {
            return None;
        }
        self.open.remove(&(class, id));
        Some(closed)
    }

    pub(super) fn validate(&mut self, message: MessageNumber, acceptance: MessageAcceptance) -> bool {
        let Some((topic, id, source)) = self.messages.remove(&message) else { return false };
        self.gossip(topic).report_message_validation_result(&id, &source, acceptance)
    }
}

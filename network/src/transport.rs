//! What carries the network: connections, gossip and the DHT, as the network's state sees them. In a program that
//! is libp2p (`swarm/`); a simulation has a model of it.

pub use crate::discovery::resource::Resource;
pub use crate::event::{
    Connection, Dial, DialCondition, DialFailure, Endpoint, Event, Gossiped, Job, Published, ReachEvent, Received,
    SwarmAction, Topic,
};
pub use crate::handle::RequestError;
pub use crate::ids::{ConnectionNumber, DialNumber, MessageNumber, Multiaddr, PeerId, RequestNumber, SearchNumber};
pub use crate::peers::access::Refusal;
pub use crate::peers::connection_rules::ConnectionRules;
pub use crate::peers::table::Services;
pub use crate::requests::class::Class;
use cairn_chain::Verdict;
use std::future::Future;
use tokio::sync::oneshot;

/// Where the answer to a request of this node's goes.
pub type AnswerSender = oneshot::Sender<Result<Vec<u8>, RequestError>>;

/// Carries actions out, and says what happens.
pub trait Transport: Send + 'static {
    /// What happens next. Nothing is lost when this future is dropped.
    fn next(&mut self) -> impl Future<Output = Event> + Send;

    /// Carries an action out. What comes of it at once is an event.
    fn carry_out(&mut self, action: SwarmAction) -> Option<Event>;

    /// Passes a verdict on to gossip; whether the message travels on: it may have left gossip's memory meanwhile.
    fn on_verdict(&mut self, job: &Job, verdict: &Verdict) -> bool;

    /// Asks a connected peer for something.
    fn request(&mut self, peer: PeerId, class: Class, question: Vec<u8>, answer: AnswerSender);

    /// The topics (`blocks`, `txs`) in whose mesh a peer is.
    fn mesh_of(&self, peer: &PeerId) -> Vec<String>;

    /// Where this node listens.
    fn listening(&self) -> Vec<String>;

    /// Addresses at which others reach this node.
    fn external(&self) -> Vec<String>;

    /// What the names of protocols begin with.
    fn protocol_prefix(&self) -> String;
}

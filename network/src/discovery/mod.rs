//! Ways to find peers: the DHT, rendezvous points, and asking peers whom they know. Each alone is enough.

pub(crate) mod kademlia;
pub(crate) mod peer_exchange;
pub(crate) mod rendezvous;
pub(crate) mod resource;

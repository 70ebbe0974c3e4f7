//! The network: one task that owns a libp2p swarm, and a handle to it.
//!
//! Every connection is encrypted and authenticated (Noise over TCP, TLS 1.3 in QUIC). All protocol names
//! stand under `/cairn/<first eight hex digits of the genesis id>/`, so nodes of other networks find
//! nothing to talk about.
//!
//! | name | kind | what |
//! |---|---|---|
//! | `status/1` | request | where a node stands; at connect, every minute, and after a reorganisation |
//! | `blocks/1` | gossip | [compact blocks](wire::CompactBlock) |
//! | `txs/1` | gossip | [batches](wire::TxBatch) of transactions |
//! | `headers/1` | request | headers after a locator |
//! | `bodies/1` | request | bodies by id |
//! | `kad/1`, `meshsub` | libp2p | Kademlia, gossipsub; and identify and ping under their own names |
//!
//! Requests and answers are written as `length u32 ‖ message`, one of each on a stream.
//!
//! # The path of a gossiped block
//! `events` → `relay::on_gossip` (is there room, is it new) → a task of its own: `gossip::Judge::block`
//! (header, work, [link](crate::chain::ChainHandle::link_headers), body from the pool or from the sender,
//! [import](crate::chain::ChainHandle::import)) → `relay::on_judged` (verdict to gossipsub, price to `peers`).
//! The verdict comes as soon as the body is found to be the header's: relaying does not wait for execution.
//!
//! # The path of gossiped transactions
//! `events` → `relay::on_gossip` → a task of its own: `gossip::Judge::batch` (decode,
//! [submit](crate::mempool::PoolHandle::submit)) → `relay::on_judged`. A batch travels on when this node has
//! checked all of it and something was new; otherwise what was new goes on in a batch of our own (`outbox`),
//! as does what was submitted here.
//!
//! # Map
//! [`wire`] every message and its bounds · `mailbox` what the network is asked and tells · `start` its start ·
//! `service` its loop · `events` what the swarm reports · `relay` what is passed on · `gossip` verdicts ·
//! `compact` compact blocks · `outbox` batches of our own · `answers` and `serve` answers to others · `peers` scores, prices
//! and bans · `gate` who may connect · `redial` whom to dial · `discovery` Kademlia · `reachability` addresses ·
//! `behaviour` protocols and transports · `codec` bytes on a stream · `identity` the node's key
//!
//! # Limits
//! | what | limit | when full |
//! |---|---|---|
//! | connections | [`NetworkConfig`]; 2 a peer; 64 and 32 handshakes | refused |
//! | connections from one host; from one /16 or /32 | 4; 16 (private addresses exempt) | refused |
//! | streams | 128 a connection; 16 of each request class | refused |
//! | blocks, batches being judged | 16, 64; 16 a peer | ignored, nobody charged |
//! | requests being answered | 64; 4 a peer, until the answer has left | wait in line |
//! | requests in line | 1024 | closed unanswered |
//! | bytes served to a peer | 32 MiB/s, 64 MiB at once; 16 KiB a request at least | it waits; 5 s behind, it is charged |
//! | gossiped frame; compact block; batch | 256; 160; 48 KiB | rejected |
//! | transactions that wait to be sent | 4 MiB | the oldest are dropped; they stay in the pool |
//! | named peers | 256 | refused |
//! | bans | 4096, one hour | the one that ends first is lifted |
//! | events for sync | 256, then merged | one status for each peer |
//!
//! # Invariants
//! 1. Every gossiped message gets exactly one verdict, and travels on only after it was checked.
//! 2. Only what a peer's own bytes or silence prove is charged, at the prices in `peers`; our own failures and
//!    full queues never are.
//! 3. The swarm's task never waits for the disk, the chain or the pool.
//! 4. A peer's number is never used again.
//! 5. Private addresses are neither dialled on a stranger's word nor passed on, unless the network is private.
//! 6. libp2p is named in this folder only.

mod address_book;
mod answers;
mod backoff;
mod bans;
mod behaviour;
mod book_file;
mod climbing;
mod codec;
mod compact;
mod config;
mod control;
mod discovery;
mod events;
mod exchange;
mod filter;
mod gate;
mod gossip;
mod identity;
mod ladder;
mod mailbox;
mod memory;
mod node_address;
mod outbox;
mod outreach;
mod peers;
mod reachability;
mod recent;
mod redial;
mod relay;
mod rendezvous;
mod resource;
mod serve;
mod service;
mod small_file;
mod start;
mod traffic;
mod transports;
pub mod wire;

pub use bans::NotBannable;
pub use behaviour::SetupError;
pub use config::{DiscoveryConfig, NetworkConfig, NetworkFiles, ReachConfig};
pub use identity::IdentityError;
pub use ladder::Reach;
pub use mailbox::{
    AddPeerError, AdmitError, BanError, BanInfo, FindError, NetworkEvent, NetworkHandle, NetworkInfo, PeerInfo,
    Provider, RequestError,
};
pub use redial::TargetError;
pub use resource::{Kind, UnknownKind};
pub use start::{NetworkError, spawn};
pub use traffic::ProtocolBytes;
pub use wire::PeerStatus;

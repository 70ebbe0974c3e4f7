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
//! | `block-txs/1` | request | the transactions that a compact block lacked |
//! | `pool/1` | request | what waits in a node's pool |
//! | `snapshot/1` | request | a run of the accounts as they were after a block |
//! | `addresses/1` | request | whom a node has lately reached |
//! | `kad/1`, `meshsub`, `txs/meshsub` | libp2p | Kademlia, gossipsub of blocks, of transactions; identify, ping, rendezvous, AutoNAT, relay and DCUtR under their own names |
//!
//! Requests and answers are written as `length u32 ‖ message`, one of each on a stream.
//!
//! # The path of a gossiped block
//! `swarm::events` → `gossip::relay` (is there room, is it new) → a task of its own: `gossip::judge` (header, work,
//! [link](cairn_chain::ChainHandle::link_headers), body, [import](cairn_chain::ChainHandle::import)) →
//! `gossip::relay` (verdict to gossipsub, penalty in `peers`). The verdict comes as soon as the body is found to be
//! the header's: relaying does not wait for execution. The body is put together from the pool (`compact`); what it
//! lacks the sender is asked for (`block-txs/1`), once, and for the whole body if that does not fit. It stays on the
//! `recent_blocks` for those who will ask this node.
//!
//! # The path of gossiped transactions
//! `swarm::events` → `gossip::relay` → a task of its own: `gossip::judge` (decode,
//! [submit](cairn_mempool::PoolHandle::submit)) → `gossip::relay`. A batch travels on when this node has
//! checked all of it and something was new; otherwise what was new goes on in a batch of our own (`tx_batcher`),
//! as does what was submitted here.
//!
//! Gossip is quick, and loses what comes too late or too early without a word. So pools are compared by `pool/1`
//! (`pool_sync`), again and again: one peer after the other is asked in what its pool differs, once its chain is not
//! ahead, and for what is lacking here. What was submitted here is sent again until a peer is seen to have it
//! (`own_txs`). What was lost is counted ([`Losses`]). Blocks and transactions have gossip each of their own, so that
//! neither waits for the other.
//!
//! # How peers are found, and kept
//! Searches in the DHT (`discovery`), rendezvous points (`rendezvous`), peers asked whom they know (`peer_exchange`)
//! and multicast on a LAN each bring hearsay; all but the last goes into the `addrman`, which keeps it apart
//! from what this node has reached itself. `outbound` fills the outbound slots from the book, one for each
//! group of addresses, tries hearsay out, and parts from the silent and the useless; a few outbound peers are
//! kept over a restart. Any one of the four ways alone is enough to join.
//!
//! # How others reach this node
//! `nat::traversal` finds out (AutoNAT), asks the router for a port (UPnP), takes relays, and leaves them once a
//! hole is punched (DCUtR); `nat::status` says which way works, and why.
//!
//! # Machines, and one pair of hands
//! `state` is the network as a machine: `on_event(event, moment)` gives the actions that follow. Each folder below
//! has the machine of one concern, with private fields, which changes nothing but itself and what it is handed; none
//! has a clock, a channel or a libp2p type but names of peers and addresses. `service` owns the swarm and the channels:
//! it hands events in and carries actions out, on the swarm (`swarm/`) or in tasks beside it (`tasks`).
//!
//! # Map
//! | folder | what |
//! |---|---|
//! | `service`, `start`, `handle` | the task, its start, and what it can be asked |
//! | `event`, `state/` | events and actions; the state: `connections`, `exchanges`, `upkeep`, and what its `admin` asks for |
//! | [`transport`] | what carries the network, as the state sees it: libp2p, or a simulation's model of it |
//! | `swarm/` | libp2p: the protocols' `behaviour`, `transports`, `codec`, `dht`, this node's `identity`; the `gate`, which applies `peers/connection_rules` (who may connect, and what may be dialled); protocols at a rate (`metered`); its `events` and `actions` |
//! | `tasks` | judging, reading, writing: what takes long |
//! | [`wire`] | every message and its bounds; `compact` blocks and their `short_ids` |
//! | `peers/` | the `table`: scores, penalties; `status` exchange; `traffic` by protocol; `access` and `bans`; `eviction`: who goes for a newcomer; `prefix_limiter`: rates by host and group; `peer_upgrades`: who knows other upgrades |
//! | `addrman/` | the address `book` and its `file`; `node_address`; `ip_groups` |
//! | `outbound/` | `slots`: whom to dial; `persistent` peers, whom the operator named; `backoff` |
//! | `discovery/` | `kademlia`, `rendezvous`, `peer_exchange`; `resource`: what can be provided |
//! | `nat/` | `status`: how others reach this node; `traversal`: what is done so that they can |
//! | `gossip/` | `judge` of what comes, `relay` of what is passed on; `tx_batcher`, `own_txs`, `recent_blocks` |
//! | `requests/` | their kinds (`class`); the `queue` of others' requests, its `fairness`, the `responder`; the day's `upload_target` |
//! | `pool_sync/` | `rounds` through the pools of peers, `fetch` from one; `snapshot` of this node's |
//! | `snapshots` | which snapshots of the accounts are held here, and of which is known who holds them |
//! | [`sync`] | a snapshot first, where it is wanted; headers, then bodies |
//! | `config`, `admissible` | what an operator decides, and may name |
//! | `persistence`, `small_file` | when files are written, and how much memory there is |
//!
//! # Limits
//! | what | limit | why so | when full |
//! |---|---|---|---|
//! | inbound peers, outbound connections | 64, 16 ([`NetworkConfig`]) | a few MB each; a mesh needs 12 | somebody goes (`peers/eviction`); refused |
//! | connections from one host; private | 20 at once, one each 2 s; 25 times as many; its site thrice, its group 8 times | nodes come once; a handshake costs a third of a millisecond | refused before the handshake |
//! | of a connection: searches in the DHT; identify, AutoNAT, relay; questions to a rendezvous point; frames of gossip | 20 a second, 300 at once; 5, 100; 0.2, 40; 2 000, 20 000; its host twice | ten times what nodes do | closed and reported |
//! | connections of a peer | 2 | both may dial at once | refused |
//! | inbound from one host; from one /16 or /32 | 4; 16 (private addresses exempt) | some nodes behind a router; no provider fills the slots | refused |
//! | handshakes begun by others; of one host | 64; 16 | three of four are left to others, private hosts too | refused |
//! | a handshake; a dial; until the first status | 15 s; 8 s; 45 s | slower than any relay; AutoNAT waits 10 s | closed |
//! | dials in progress; from the book; for strangers | 32; 8; 20 and one each 3 s | a slot is filled within seconds; AutoNAT is no weapon | later; refused |
//! | outbound slots kept filled | 8, one a group | Bitcoin Core's number: to surround a node takes eight providers | – |
//! | memory of the process | three quarters of what the machine has, or its control group allows | the system kills above that | nobody new comes in |
//! | silence; with pings unanswered; uselessness while others are useful | 200 s; 40 s; 30 min | three exchanges of status; a cut cable; an hour has 30 blocks | parted from |
//! | streams | 128 a connection; 16 of each request class | a flood fills only its own class | refused |
//! | blocks, batches of a peer being judged | 16, 32; 1 MiB | nobody takes another's place | ignored, nobody is reported; pools are compared after 5 s |
//! | variants of a block | one from each peer | work pays for looks | ignored |
//! | blocks for which the pool is looked through at once | 4 | milliseconds of a processor each | wait; who waits for a sender is not counted |
//! | blocks far behind the tip from a peer | 2 000 an hour | after a partition the lighter side's peers are honest | ignored; it is told where this node stands, then reported |
//! | requests being answered | 64; 4 a peer, until the answer has left | 256 MiB of answers at most; sync keeps three | wait in line |
//! | requests in line | 1024 | seconds of work | closed unanswered, the newest of those who only take first |
//! | bytes of answers a second, to all | `network.max_upload_per_second` | what the operator spares | they wait; eight bytes for those who give lately to one for those who only take (1 byte for 32) |
//! | bytes served to a peer | 32 MiB/s, 64 MiB at once; 16 KiB a request at least | a quarter of a gigabit line | it waits; 5 s behind, it is reported |
//! | gossip from a peer: blocks; transactions | 1 MiB/s, 8 at once; 4 MiB/s, 16 at once | above what can be checked | ignored and reported |
//! | questions about the pool by a peer | 4 a second, 160 at once; an answer of 1 MiB; the pool listed once in 2 s, twice a second for newcomers | the largest pool in one go | ignored and reported |
//! | comparing pools | one peer at a time, and beside slow ones another, 4 in all; each every 10 s, up to 60 s where nothing comes of it and 300 s where no answer; 64 MiB | equal pools cost 2 KiB | later; the rest is left |
//! | gossip that waits for a slow peer: blocks; batches | 1 024, 30 s; 64, 15 s | 3 MiB of the largest batches | dropped and counted |
//! | own payments sent again | 4 096, 4 MiB; after 10 s, doubling, ten times | a batch may be lost, or taken for another | the oldest are left to the comparing of pools |
//! | bodies kept for those who lack some of it | 8; 16 MiB | what travels within seconds | the oldest go; older ones are stored |
//! | status, addresses asked by a peer | 1 KiB/s, 32 at once; one each 30 s, 8 at once | three times what nodes do | ignored and reported |
//! | addresses in an answer | 64 | eight times the slots | – |
//! | gossiped frame; compact block; batch | 256; 160; 48 KiB | the largest block's ids fit | rejected |
//! | transactions that wait to be sent | 4 MiB | a minute of a busy network | the oldest are dropped; they stay in the pool |
//! | address book | 8192 new, 2048 tried; a sixteenth of the first a source | 2 MB | what is there stays, unless it fails |
//! | addresses given up, which nobody can name anew | 1 024; ten minutes | nobody is made to dial others all the time | the oldest may be named again |
//! | named peers; neighbours | 256; 32 of them | what a person names | refused |
//! | bans | 4096; an hour, by hand a year | 1 MB of file | the one that ends first is lifted |
//! | admitted peers | 10 000 | 1 MB | refused |
//! | rendezvous: registrations; of a peer; each | 2000; 2; 2 h | 1 MB; nodes register every hour | refused |
//! | DHT: providers; of one thing; searches for them | 16 things; 20; 16 | the history and four snapshots | not stored; refused |
//! | relay: reservations; circuits; each | 64; 16; 32 MiB and 30 min | a block crosses, a chain does not; half a GiB each half hour | refused |
//! | providers dialled for sync | 3; 30 min | more than one may lie; gigabytes take a while | not dialled; they get a slot, or go |
//! | events for sync | 256, then merged | – | one status for each peer |
//!
//! # Invariants
//! 1. Every gossiped message gets exactly one verdict, and travels on only after it was checked.
//! 2. Only what a peer's own bytes or silence prove is reported, at the penalties in `peers`; our own failures, full
//!    queues and slow lines never are.
//! 3. The swarm's task never waits for the disk, the chain or the pool.
//! 4. A peer's number is never used again.
//! 5. Private addresses are neither dialled on a stranger's word nor passed on, unless the network allows them:
//!    `node_address` and the `gate` are the only ways in.
//! 6. Nobody gets an outbound slot but by this node's own draw from its book, or by the operator's word.
//! 7. Others are told only of what this node has reached itself.
//! 8. No other crate of the node names libp2p.
//!
//! # Looking for ...
//! | what | where |
//! |---|---|
//! | addrman, tried and new addresses | `addrman/book.rs` |
//! | anchors, feelers, outbound connections | `outbound/slots.rs` |
//! | ban list, ban score, discouraging, misbehaviour and its penalties | `peers/bans.rs`, `peers/score.rs` (`penalty`), [`verdict`](cairn_chain::verdict) |
//! | compact blocks (BIP152) | `wire/compact.rs`, `gossip/judge.rs` |
//! | eclipse attacks, network groups | `addrman/ip_groups.rs`, `outbound/slots.rs` |
//! | headers-first sync, block locator, presync, stalling peers | [`sync`]: `machine/headers.rs`, `presync.rs`, `machine/bodies.rs` |
//! | snap sync, assumeUTXO, state sync, pivot | [`sync`]: `restore/` |
//! | inbound eviction | `peers/eviction.rs` |
//! | inventory, mempool sync | `pool_sync/`, `gossip/tx_batcher.rs` |
//! | maxuploadtarget | `requests/upload_target.rs`; kept by `requests/responder.rs` |
//! | message validation (accept, ignore, reject) | `gossip/judge.rs`, [`verdict`](cairn_chain::verdict) |
//! | NAT traversal, UPnP, relays, hole punching | `nat/traversal.rs` |
//! | protocol messages | [`wire`] |
//! | reachability, AutoNAT | `nat/status.rs` |

#![forbid(unsafe_code)]

mod addrman;
mod admissible;
mod config;
mod discovery;
mod event;
#[cfg(test)]
mod fuzz;
mod gossip;
mod handle;
mod ids;
mod nat;
mod outbound;
mod peers;
mod persistence;
mod pool_sync;
mod requests;
mod service;
mod small_file;
mod snapshots;
mod start;
mod state;
mod swarm;
pub mod sync;
mod tasks;
#[cfg(test)]
mod testing;
pub mod transport;
pub mod wire;

pub use admissible::{NotAdmissible, check_admitted, check_external, check_peers, check_psk, listen_address};
pub use config::{DiscoveryConfig, NetworkConfig, NetworkFiles, ReachConfig};
pub use discovery::resource::{Kind, UnknownKind, stretch_hash};
pub use gossip::losses::Losses;
pub use handle::{
    AdmitError, BanError, BanInfo, FindError, InHand, NetworkEvent, NetworkHandle, NetworkInfo, PeerInfo, PeerKind,
    Provider, RequestError,
};
pub use nat::status::Reach;
pub use outbound::persistent::{OtherKey, TargetError};
pub use peers::bans::NotBannable;
pub use peers::peer_upgrades::OtherUpgrades;
pub use peers::traffic::ProtocolBytes;
pub use start::{NetworkError, NetworkParts, RunningNetwork, own_id, spawn, spawn_over};
pub use swarm::behaviour::SetupError;
pub use swarm::identity::IdentityError;
pub use wire::PeerStatus;

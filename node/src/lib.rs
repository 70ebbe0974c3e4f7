//! The Cairn full node.
//!
//! # The tasks and how they talk
//! Each part is one task with a bounded mailbox and a handle to it; parts know each other's handles only.
//!
//! ```text
//!   peers                                                          clients
//!     │ libp2p                                                        │ HTTP, WebSocket
//! ┌───▼─────┐  events   ┌────────┐        ┌─────────┐            ┌────▼────┐
//! │ network ├──────────▶│  sync  │        │  miner  │            │   api   │
//! └─┬─────┬─┘◀──────────┴───┬────┘        └─┬─────┬─┘            └─┬─────┬─┘
//!   │     │   requests      │    template,  │     │ select   submit│     │ reads, proofs
//!   │     │                 │    import     │     │          status│     │
//!   │     │  transactions   │               │     ▼                ▼     │
//!   │     └─────────────────┼───────────────┼──▶┌────────────────────┐   │
//!   │ headers, blocks       │               │   │      mempool       │   │
//!   │                       │               │   └──────────▲─────────┘   │
//!   ▼                       ▼               ▼              │ events      ▼
//! ┌────────────────────────────────────────────────────────┴─────────────────┐
//! │ chain: workers that check blocks, and one writer thread that imports them│
//! └────────────────────────────────────┬─────────────────────────────────────┘
//!                                      ▼ atomic batches
//!                                    store
//! ```
//!
//! # The path of a block
//! [`network`] → decoded → [`ChainHandle::link_headers`](chain::ChainHandle::link_headers) (parent, target,
//! work, time, history) → [`ChainHandle::import`](chain::ChainHandle::import): workers match body and header
//! and check the transactions, the writer connects them to the accounts and commits one batch in [`store`] →
//! a [`ChainEvent`](chain::ChainEvent) → [`mempool`], [`miner`], [`sync`] and subscribers of [`api`]; the
//! verdict goes back to gossip and to the peer. A block of the [`miner`] takes the same path.
//!
//! # The path of a transaction
//! [`api`] or [`network`] → decoded → [`PoolHandle::submit`](mempool::PoolHandle::submit) (fee, nonce and
//! balance first, signatures in batches) → [`mempool`] → [`network`] passes it on in a batch, the [`miner`]
//! puts it into a template → the path of a block.
//!
//! # Map
//! Each module uses only those above it.
//!
//! | module | what |
//! |---|---|
//! | [`tasks`], [`clock`], [`verdict`] | starting and stopping; the one clock; what is said of a peer's message |
//! | [`store`] | typed tables over RocksDB |
//! | [`disk_budget`] | the room that the data takes: watched, forecast, kept |
//! | [`chain`] | **the single writer**, and readers of what it wrote |
//! | [`replay`] | whole chains: from and to files, and once more through every rule |
//! | [`mempool`] | transactions that wait for a block |
//! | [`network`] | peers: libp2p, gossip, requests, reputation |
//! | [`sync`] | catching up: headers first, then bodies from many peers |
//! | [`health`] | what is wrong with a node, judged in one place |
//! | [`miner`] | templates and nonces |
//! | [`api`] | JSON-RPC |
//! | [`mod@bench`] | what this machine can do for a node |
//! | [`telemetry`], [`config`], [`data_dir`], [`disk`] | the log, the settings, the directory, what it may take |
//! | [`systemd`] | what systemd is told |
//! | [`repair`] | a damaged database made whole |
//! | [`ipc`], [`rpc_client`] | the socket of a node's own tools; asking the node that runs on a directory |
//! | [`doctor`] | what is wrong with a node, in sentences |
//! | [`node`](mod@node) | wiring: what starts when, and what stops when |
//! | [`cli`] | the command line |
//!
//! # Invariants
//! 1. One thread writes the chain; everybody else asks it, or reads what it has committed.
//! 2. Every queue is bounded. A full one makes its asker wait or miss something; it is never a peer's fault.
//! 3. What peers send is judged by `cairn_ledger`'s rules alone, and passed on only after that.
//! 4. A failure of the storage, or a panic, stops the whole node in order; nothing limps on.
//! 5. Parts stop in the reverse of the order in which they started: the chain last, after a flush.
//! 6. Time is read in [`clock`], configuration in [`config`], and both are handed down: there are no globals.
//!
//! # Looking for ...
//! | what | where |
//! |---|---|
//! | addrman, tried and new addresses, anchors, feelers | `network/address_book`, `network/outbound.rs` |
//! | ban list, discouraging, misbehaviour and its penalties | `network/bans.rs`, `network/peers.rs` (`penalty`), [`verdict`] |
//! | block template, getblocktemplate | `chain/template.rs`, `api/mining.rs` |
//! | chainstate, undo data, tables | `chain/state.rs`, `store/schema.rs` |
//! | compact blocks (BIP152) | `network/compact.rs`, `network/short_ids.rs` |
//! | fee estimation, RBF, eviction, limits per sender | `mempool/pool/view.rs`, `mempool/policy.rs`, `mempool/pool.rs` |
//! | headers-first sync, block locator, presync, stalling peers | `sync/machine/headers.rs`, `sync/presync.rs`, `sync/machine/bodies.rs` |
//! | header tree (block index), low-work headers | `chain/tree.rs`, `cairn_ledger::fork_choice` |
//! | inventory, mempool sync | `network/pool_sync.rs`, `network/tx_batcher.rs` |
//! | mempool.dat | `mempool/file.rs` |
//! | NAT traversal, UPnP, relays, hole punching | `network/nat.rs`, `network/nat_status.rs` |
//! | orphans | `chain/orphans.rs` |
//! | reorganisation | `chain/follow.rs`, `chain/reorg.rs` |
//! | RPC methods, cookie and tokens, rate limits | `cairn_rpc::methods`, `api/tokens`, `api/guard.rs`, `api/rate.rs` |
//! | signature checks in parallel, script check threads | `chain/precheck.rs` |
//! | warning about unknown rules | `health/rules.rs` |

pub mod api;
pub mod bench;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod disk;
pub mod disk_budget;
pub mod doctor;
pub mod health;
pub mod ipc;
pub mod mempool;
pub mod miner;
pub mod network;
pub mod node;
pub mod repair;
pub mod replay;
pub mod rpc_client;
pub mod store;
pub mod sync;
pub mod systemd;
pub mod tasks;
pub mod telemetry;
pub mod verdict;

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
//! [`cairn_network`] → decoded → [`ChainHandle::link_headers`](cairn_chain::ChainHandle::link_headers) (parent, target,
//! work, time, history) → [`ChainHandle::import`](cairn_chain::ChainHandle::import): workers match body and header
//! and check the transactions, the writer connects them to the accounts and commits one batch in
//! [`store`](cairn_chain::store) → a [`ChainEvent`](cairn_chain::ChainEvent) → [`cairn_mempool`], [`cairn_miner`],
//! [`sync`](cairn_network::sync) and subscribers of [`cairn_api`]; the verdict goes back to gossip and to the peer. A
//! block of the [`miner`](cairn_miner) takes the same path.
//!
//! # The path of a transaction
//! [`cairn_api`] or [`cairn_network`] → decoded → [`PoolHandle::submit`](cairn_mempool::PoolHandle::submit) (fee, nonce
//! and balance first, signatures in batches) → the pool → the network passes it on in a batch, the
//! [`miner`](cairn_miner) puts it into a template → the path of a block.
//!
//! # Map
//! | crate, or module of this one | what |
//! |---|---|
//! | [`cairn_common`] | starting and stopping; the one clock; what a directory may take |
//! | [`cairn_chain`] | **the single writer**, and readers of what it wrote; typed tables over RocksDB; whole chains from and to files |
//! | [`cairn_mempool`] | transactions that wait for a block |
//! | [`cairn_network`] | peers: libp2p, gossip, requests, reputation; catching up: headers first, then bodies from many peers |
//! | [`cairn_miner`] | templates and nonces |
//! | [`cairn_maintenance`] | health; room on the disk; the history that a chain began without, or gives up |
//! | [`cairn_api`] | JSON-RPC, and the pages of the explorer; asking the node that runs on a directory |
//! | [`mod@bench`] | what this machine can do for a node |
//! | [`config`] | the settings |
//! | [`system`] | the data directory, systemd, the log |
//! | [`repair`] | a damaged database made whole |
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
//! 6. Time is read in [`clock`](cairn_common::clock), configuration in [`config`], and both are handed down: there are
//!    no globals.
//!
//! # Looking for ...
//! | what | where |
//! |---|---|
//! | assumeutxo, background validation | [`background_validation`](cairn_maintenance::background_validation), `chain/src/snapshot/`, `network/src/sync/restore/` |
//! | block template, getblocktemplate | [`cairn_miner`], `api/src/methods/mining.rs`, `chain/src/writer/template.rs` |
//! | chainstate, undo data, reorganisation, orphans, signature checks in parallel | [`cairn_chain`] |
//! | command line, configuration keys | `cli/mod.rs`, `config/keys.rs` |
//! | disk full, pruning | [`disk_budget`](cairn_maintenance::disk_budget) |
//! | fee estimation, RBF, eviction, mempool.dat | [`cairn_mempool`] |
//! | headers-first sync, addrman, ban list, compact blocks, NAT | [`cairn_network`] |
//! | metrics, Prometheus | `api/src/metrics.rs` |
//! | RPC methods, cookie and tokens, rate limits | [`cairn_rpc::methods`], `api/src/tokens/`, `api/src/guard/` |
//! | warning about unknown rules | [`health`](cairn_maintenance::health) |

#![forbid(unsafe_code)]
#![expect(rustdoc::private_intra_doc_links, reason = "the map of a program leads into it")]

mod bench;
mod cli;
mod config;
mod doctor;
mod node;
mod repair;
mod system;

pub use cli::{Cli, Hints};
pub use config::{Environment, Flags, Settings};
pub use node::{Node, NodeError, RunningNode};

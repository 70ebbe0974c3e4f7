//! Whole nodes by the hundred, in virtual time, from one seed.
//!
//! What runs is production code: ledger, chain with its writer and store, pool, network state, sync, and the miner's
//! templates, put together as `cairn-node` puts them together ([`node`]). They take time, randomness, tasks, the disk
//! and the transport from outside ([`cairn_common::runtime`], [`cairn_chain::store::MemoryDisk`],
//! [`cairn_network::transport`]), and here that is this crate's: one thread, one heap of what happens when.
//!
//! # Map
//! | module | what |
//! |---|---|
//! | [`executor`] | virtual time, and the tasks of all nodes |
//! | [`links`] | lines: latency by region, bandwidth, cuts |
//! | [`fabric`] | what libp2p is to real nodes: connections, requests, the DHT; [`gossip`] is gossipsub |
//! | [`node`], [`mining`] | one whole node; when it finds blocks, and what it does with them |
//! | [`adversary`] | nodes that attack others |
//! | [`simulation`] | many nodes, and what happens between them |
//! | [`scenario`], [`population`] | what goes wrong, and when: a file; who takes part |
//! | [`course`] | a scenario from its beginning to the verdict |
//! | [`payments`], [`customers`] | wallets that pay, and what becomes of it |
//! | [`oracles`], [`second_ledger`] | what must hold, whatever went wrong |
//! | [`faults`] | bugs that are planted, to see that they are found |
//! | [`observations`], [`figures`] | what is seen from outside, and what is measured |
//! | [`report`], [`theory`] | a page with plots; what theory says of what was measured |
//! | [`shrink`] | a scenario that fails, made smaller |
//! | [`chaos`] | the same scenarios on real processes |
//! | [`validation`] | one schedule in the simulator and on real processes: is the model true? |
//!
//! # Invariants
//! 1. The same seed gives the same digest on any machine: nothing depends on clocks, threads or addresses in memory.
//! 2. Nothing here decides what a node does; what cannot be driven from outside is changed there.

#![forbid(unsafe_code)]

pub mod adversary;
pub mod chaos;
pub mod course;
pub mod customers;
pub mod executor;
pub mod fabric;
pub mod faults;
pub mod figures;
pub mod gossip;
pub mod links;
pub mod mining;
pub mod node;
pub mod observations;
pub mod oracles;
pub mod payments;
pub mod population;
pub mod report;
pub mod scenario;
pub mod second_ledger;
pub mod shrink;
pub mod simulation;
pub mod theory;
pub mod validation;
pub mod watch;

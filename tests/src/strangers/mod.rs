//! Strangers: peers that are no nodes. As processes of their own (`cairn-stranger`) they run in another network
//! namespace than a test, and beside a node that is measured.
//!
//! # Map
//! [`bytes`] messages as they are · [`swarm`] how all of them take part · [`bystander`] a peer without a chain: a relay
//! and a rendezvous point, or one of an attacker's many · [`chain`] blocks and headers made without asking anybody ·
//! [`pretender`] a peer that serves such a chain as it likes · [`crowd`] many connections at once · [`asker`] somebody
//! who has others dialled · [`searcher`] somebody who searches the DHT without end · [`squatter`] somebody who fills a
//! rendezvous point · [`flood`] more than a node can want, and what it is compared with · [`process`] starting one of
//! these as a process
//!
//! # Invariants
//! 1. They speak to the addresses they are given, and to no others.
//! 2. They end with the test that started them: when their standard input does, or when they are dropped.

pub mod asker;
pub mod bystander;
pub mod bytes;
pub mod chain;
pub mod crowd;
pub mod flood;
pub mod pretender;
pub mod process;
pub mod searcher;
pub mod squatter;
pub mod swarm;

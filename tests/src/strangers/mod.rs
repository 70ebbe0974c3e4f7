//! Strangers: peers that are no nodes, as processes of their own (`cairn-stranger`), so that they run in another
//! network namespace than a test, and beside a node that is measured.
//!
//! # Map
//! [`bytes`] messages as they are · [`bystander`] a peer without a chain: a relay and a rendezvous point, or one
//! of an attacker's many · [`crowd`] many connections at once · [`asker`] somebody who has others dialled · [`flood`] more than a node can want, and what it is compared with ·
//! [`process`] starting one of these as a process
//!
//! # Invariants
//! 1. They speak to the addresses they are given, and to no others.
//! 2. They end when their standard input does: with the test that started them.

pub mod asker;
pub mod bystander;
pub mod bytes;
pub mod crowd;
pub mod flood;
pub mod process;

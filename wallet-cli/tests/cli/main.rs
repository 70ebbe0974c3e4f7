//! The `wallet` binary as people and scripts use it: real processes, real files, and a node that answers
//! what each test wants.

mod files;
mod harness;
mod keys;
mod node;
mod payments;
mod wallets;

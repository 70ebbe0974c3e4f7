//! The `wallet` binary as people and scripts use it: real processes, real files, and a node that answers
//! what each test wants.

mod chain;
mod faucet;
mod faucet_attacks;
mod faucet_kills;
mod faucet_scene;
mod files;
mod harness;
mod input;
mod keys;
mod lies;
mod node;
mod once;
mod payments;
mod scene;
mod screen;
mod wallets;

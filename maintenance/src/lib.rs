//! What a node sees to by itself, beside its chain, its pool and its peers.
//!
//! # Map
//! | module | what |
//! |---|---|
//! | [`health`] | what is wrong with a node, judged in one place |
//! | [`disk_budget`] | the room that the data takes: watched, forecast, kept |
//! | [`background_validation`] | blocks below the snapshot that a chain began with, executed aside |
//! | [`stretches`] | what nodes that prune keep of history, so that it is not lost |
//! | [`repair_fetch`] | what the chain asks of peers, since the disk has damaged it here |
//!
//! Each is one task. A handle tells what it has found; nobody has to ask for it to do its work.
//!
//! # Looking for ...
//! | what | where |
//! |---|---|
//! | assumeutxo, background validation | [`background_validation`], `chain/src/snapshot/`, `network/src/sync/restore/` |
//! | disk full, pruning | [`disk_budget`], `chain/src/store/pruning.rs` |
//! | readiness, warning about unknown rules | [`health`] |

#![forbid(unsafe_code)]

pub mod background_validation;
pub mod disk_budget;
pub mod health;
pub mod repair_fetch;
pub mod stretches;

//! What a node may take of the disk: watched, forecast, and kept.
//!
//! # The path of a measurement
//! a file system's room and the data's size ([`disk`](cairn_common::disk)) → [`DiskLimits::judge`]: go on, or why to stop, before
//! the disk is full and a batch could be torn → [`Forecast`]: how fast the data grows, and when that ends → a
//! [`Usage`] that `node_info` tells.
//!
//! # Map
//! `storage` limits and forecast, pure · `watch` the task that measures
//!
//! # Invariants
//! 1. A node never starts on a disk without the reserve it needs to stop in order.
//! 2. Only room that is known to be missing ends a node: what cannot be measured is told, and stops nobody.
//! 3. The end of room is no failure of the storage: it has an error and an exit code of its own.

mod storage;
mod watch;

pub use storage::{DiskLimits, Forecast, Measurement, NoRoom, Usage};
pub use watch::{BudgetHandle, measure, spawn};

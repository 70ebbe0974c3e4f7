//! What every part of a node stands on.
//!
//! | module | what |
//! |---|---|
//! | [`cache`] | a cache bounded by number and weight; the oldest make room |
//! | [`clock`] | the one place where clocks are read |
//! | [`disk`] | what the file system under a directory has room for, and may hold |
//! | [`memory`] | how much memory the process holds, and may hold |
//! | [`mailbox`] | the bounded mailbox of a task, the handle to it, and the error when the task is gone |
//! | [`random`] | the one place where random bytes come from |
//! | [`rate_limiter`] | the token bucket |
//! | [`rolling_rate`] | how fast a count rises, over the last moments |
//! | [`runtime`] | time and tasks: tokio's, or those of a simulation |
//! | [`tasks`] | tasks that start and stop in order; a panic in one stops all |

#![forbid(unsafe_code)]

pub mod cache;
pub mod clock;
pub mod disk;
pub mod mailbox;
pub mod memory;
pub mod random;
pub mod rate_limiter;
pub mod rolling_rate;
pub mod runtime;
pub mod tasks;

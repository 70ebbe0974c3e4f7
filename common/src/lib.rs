//! What every part of a node stands on.
//!
//! | module | what |
//! |---|---|
//! | [`clock`] | the one place where the system's clock is read |
//! | [`disk`] | what the file system under a directory has room for, and may hold |
//! | [`tasks`] | tasks that start and stop in order; a panic in one stops all |

#![forbid(unsafe_code)]

pub mod clock;
pub mod disk;
pub mod tasks;

//! The Cairn full node.

pub mod chain;
pub mod clock;
pub mod store;
pub mod tasks;
pub mod verdict;

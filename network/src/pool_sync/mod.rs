//! What waited in the pools of two nodes before they met.

pub(crate) mod fetch;
pub(crate) mod rounds;
pub(crate) mod snapshot;

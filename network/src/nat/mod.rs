//! How others reach this node: AutoNAT, UPnP, relays, hole punching.

pub(crate) mod status;
pub(crate) mod traversal;

//! How others reach this node: AutoNAT, UPnP, relays, hole punching.

pub(crate) mod relay_client;
pub(crate) mod status;

//! libp2p: transports, protocols, and who may connect.

pub(crate) mod behaviour;
pub(crate) mod codec;
pub(crate) mod dial_filter;
pub(crate) mod events;
pub(crate) mod gate;
pub(crate) mod identity;
pub(crate) mod transports;

mod client;
mod error;
#[cfg(test)]
mod fuzz;
mod node_url;
mod nodes;
mod pairing;
mod verify;

pub(crate) use client::{Budget, COMMAND_TIMEOUT, EVERY_HEADER_TIMEOUT, Node};
pub(crate) use error::{ClientError, NodeError};
pub(crate) use nodes::{Nodes, Trust};
pub(crate) use pairing::{MAX_PAIRING_BYTES, Pairing, PairingError};
pub(crate) use verify::{
    Age, Claimed, Mined, PaymentStatus, Proven, Report, Sender, SenderView, Source, approximate, kept, receipt,
};

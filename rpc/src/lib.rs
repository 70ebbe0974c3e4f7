//! The JSON-RPC contract between a Cairn node and its clients.
//!
//! The node implements the traits of [`methods`] (feature `server`), clients call them through generated
//! code (feature `client`); both share the [`types`] and the [`error`] codes, so the two cannot drift
//! apart. The doc comment of a method is its reference; [`scope`] is the table of who may call it; [`policy`]
//! holds the numbers that a node and a wallet share.
//! The node answers all of it as an OpenRPC document, made in `openrpc` (feature `server`).
//!
//! # Conventions
//! - Fields are snake_case; parameters go by name or by position, exactly: a name that the method does not take,
//!   one given twice and positions that are too many are refused with -32602 and the names that exist.
//! - Every call has one id, a whole number from 0 to 2^64 - 1 or a text, and is answered with it. A call without one,
//!   which JSON-RPC calls a notification, or with another is not run and refused with -32600 and the id null.
//! - Ids, hashes and raw bytes are lower-case hex without `0x`; targets are 8 hex digits.
//! - Amounts and fees are decimal strings of pebbles (1 CRN = 10^8); nonces and work are decimal strings
//!   too. Heights, times (Unix milliseconds) and sizes are numbers.
//! - Addresses are bech32m with the network's prefix.
//! - What can be verified carries `raw`, its canonical bytes. Whoever verifies, verifies `raw` alone.
//! - Errors are `{code, message, data: {kind, got, expected}}`; see [`error::Code`].

#![forbid(unsafe_code)]

pub mod error;
#[cfg(test)]
mod fuzz;
#[cfg(feature = "client")]
pub mod methods;
#[cfg(feature = "server")]
pub mod openrpc;
pub mod policy;
pub mod scope;
pub mod text;
pub mod types;

pub use text::{HexBytes, Pebbles, Text};
pub use types::{TxState, TxStatus};

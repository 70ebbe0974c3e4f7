//! Payments: what to send, what has become of what was sent, and the forms in which payments travel.
//!
//! # Map
//! | part | what |
//! |---|---|
//! | [`plan`] | **pure**: what to send, for what fee, until when; what is missing |
//! | [`state`] | **pure**: what has become of a payment, and whether another may be made: decided by proofs alone |
//! | `payer`, `flow` | what may be signed by what is proven now; from the signature to the block it is in |
//! | [`journal`] | every payment ever signed, written before it is sent; what nodes answered |
//! | `status`, [`not_mined`] | what became of a payment in words; why one that was followed is not in a block |
//! | [`diagnosis`], [`gaps`] | **pure**: why a payment is not mined; which nonces are missing |
//! | [`file`], [`uri`], [`recipients`] | **pure**: a payment as a file between machines, payment URIs, CSV |

pub mod diagnosis;
pub mod file;
pub(crate) mod flow;
pub mod gaps;
pub mod journal;
pub mod not_mined;
pub(crate) mod payer;
pub mod plan;
pub mod recipients;
pub mod state;
pub(crate) mod status;
pub mod uri;

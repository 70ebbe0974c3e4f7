//! Payments: what to send, what has become of what was sent, and the forms in which payments travel.
//!
//! # Map
//! | part | what |
//! |---|---|
//! | [`plan`] | **pure**: what to send, for what fee, until when; what is missing |
//! | [`state`] | **pure**: what has become of a payment, and whether another may be made: decided by proofs alone |
//! | `payer`, `flow` | what may be signed by what is proven now; from the signature to the block it is in |
//! | [`journal`] | every payment ever signed, written before it is sent; what nodes answered |
//! | `status`, [`wait`] | what became of a payment in words; how far one is followed, and why it is not there |
//! | [`diagnosis`], [`nonce_gaps`] | **pure**: why a payment is not mined; which nonces are missing |
//! | [`file`](mod@file), [`receipt`], [`uri`], [`recipients`] | **pure**: a payment or its receipt as a file, payment URIs, CSV |
//! | [`error`] | why a payment was not made, or is not where it was to be |

pub mod diagnosis;
pub mod error;
pub mod file;
pub(crate) mod flow;
pub mod journal;
pub mod nonce_gaps;
pub(crate) mod payer;
pub mod plan;
pub mod receipt;
pub mod recipients;
pub mod state;
pub(crate) mod status;
pub mod uri;
pub mod wait;

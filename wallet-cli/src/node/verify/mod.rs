//! What nodes say, proven: the wallet believes work, not nodes.
//!
//! The wallet holds the genesis id of its network and the last tip it verified. It asks every node it was
//! given for a light proof ([`cairn_ledger::light`]), believes the chain with the most work, and reads accounts
//! and payments through proofs under that chain's headers. A node whose proofs do not hold, or that claims
//! what is not so, is named.
//!
//! # Map
//! | part | what |
//! |---|---|
//! | [`check`] | **pure**: answers of a node against the rules |
//! | [`fact`] | what is proven and what is said, as types |
//! | [`payment`] | what became of a payment: by its proof, or by the blocks themselves; receipts |
//! | [`source`] | what a command asks: proofs of all nodes, or the word of one that its owner believes |
//! | [`light_client`] | asks the nodes; which chain to believe; who lied |
//! | [`kept`] | the last verified tip, in a small file for each network |
//! | [`report`] | how sure the wallet is, in words and as JSON |
//!
//! # Invariants
//! 1. Nothing is called proven that was not checked against the genesis id, or against a tip that was.
//! 2. The bytes that choose the samples are drawn after the node has named its tip, afresh for each attempt.
//! 3. A node has three attempts: not as many as it would take to wait for samples it likes.
//! 4. The tip that is kept only ever gains work.
//! 5. Only what is [`fact::Proven`] decides that a payment is over; what a node says is [`fact::Claimed`].

mod check;
mod fact;
pub(crate) mod kept;
mod light_client;
mod payment;
mod report;
mod source;

pub(crate) use fact::{Claimed, Mined, Proven, Sender};
pub(crate) use payment::{PaymentStatus, receipt};
pub(crate) use report::{Age, Liar, Report, approximate};
pub(crate) use source::{SenderView, Source};

//! The four levels of validity, each a type that only its check can make.
//!
//! | level | type | what holds | needs |
//! |---|---|---|---|
//! | decoded | [`Block`](crate::block::Block), [`Header`](crate::block::Header), [`Transaction`](crate::transaction::Transaction) | one canonical encoding, within bounds | the bytes |
//! | linked | [`LinkedHeader`] ([`header`]) | work, and every rule between a header and its ancestors | [`ChainContext`] |
//! | checked | [`CheckedBlock`], [`CheckedTransaction`] ([`context_free`]) | the body is the header's; size, structure, signatures | nothing else |
//! | connected | [`ConnectedBlock`] ([`connect`]) | every transaction fits the accounts; the state root | [`AccountSlice`](crate::accounts::AccountSlice) |
//!
//! A function that takes one of these types cannot be called with less, so nothing is checked twice and
//! nothing is skipped. There is no switch that turns a rule off.
//!
//! Why in this order: each level is cheaper than the next, and what an attacker must pay rises with it.
//! Work comes before anything is looked up; the header before the body; the body's root before its
//! signatures, so that a body somebody altered on the way never speaks against the block.
//!
//! Above each check stands the rule it carries out, as a quotation of docs/protocol.md with the number of its section;
//! a test holds every quotation against that text, and finds each numbered rule quoted.

pub mod connect;
pub mod context_free;
pub mod header;

pub use connect::{ConnectError, ConnectedBlock, Execution, connect_block, connect_block_with, execute_block};
pub use context_free::{
    Candidate, CheckedBlock, CheckedTransaction, MatchedHeader, OtherTransactions, check_candidates,
    check_transactions, match_body, touched_addresses,
};
pub use header::{
    ChainContext, LinkedHeader, WorkCheckedHeader, check_header, check_in_history, check_version, check_work,
    foreign_context, target_after,
};

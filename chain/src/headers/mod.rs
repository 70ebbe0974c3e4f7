//! Headers that are not on the followed chain.
//!
//! # Map
//! `tree` linked headers, each with its body where that is here (block index) · `orphans` headers without a parent ·
//! `unknown_rules` headers under rules that are not known here

mod orphans;
mod tree;
mod unknown_rules;

pub(crate) use orphans::Orphans;
pub use tree::HeaderTreeStats;
pub(crate) use tree::{CONTEXT_EVERY, HeaderTree};
pub use unknown_rules::UnknownRules;
pub(crate) use unknown_rules::{KeptHeader, UnknownRulesHeaders};

//! Headers that are not on the followed chain.
//!
//! # Map
//! `tree` linked headers, each with its body where that is here (block index) · `orphans` headers without a parent ·
//! `other_rules` headers under rules that are not known here

mod orphans;
mod other_rules;
mod tree;

pub(crate) use orphans::Orphans;
pub use other_rules::UnknownRules;
pub(crate) use other_rules::{KeptHeader, OtherRules};
pub use tree::Aside;
pub(crate) use tree::{CONTEXT_EVERY, HeaderTree};

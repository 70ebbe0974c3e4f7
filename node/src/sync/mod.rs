//! Synchronisation: headers first, then bodies from several peers at once.
//!
//! Gossip brings blocks one by one while a node follows the chain. Whenever it does not (a node that joins
//! late, a machine that slept, a partition that heals) sync fetches what is missing.
//!
//! # The path of a late joiner
//! A peer claims more work → headers after our locator, in answers of 2 000, from one peer at a time, linked by
//! the chain → once they show more work than the tip: bodies, the lowest first, from every peer that may have
//! them, imported in any order within a window → the chain connects them. A branch with less work is followed
//! by its headers alone, until it has more or ends.
//!
//! # Map
//! `mailbox` how far the node is · `driver` hands of the machine · `machine` the pure core: events in, actions
//! out, with `headers` and `bodies` below it · `tree` linked headers whose blocks are not here · `sources` what
//! is known of each peer
//!
//! # Limits
//! | what | limit | when full |
//! |---|---|---|
//! | headers ahead of the tip | 20 000 | no more are asked for until the tip has moved |
//! | headers in the tree | 44 000 | competing branches of others are forgotten |
//! | requests for headers | 1; 6 s | the next peer |
//! | requests for bodies | 2 a peer; 5 s | the next peer; the slow one rests, and is asked for less |
//! | window of bodies | 1 024 blocks, 64 MiB | waits for the lowest |
//! | nothing gained though there is more | 60 s | begins anew from the tip |
//!
//! # Invariants
//! 1. Every request either brings something new, or its peer rests or counts as exhausted until it claims
//!    another tip: no sequence of answers keeps sync busy for nothing.
//! 2. Only a peer's own bytes or silence cost it something; a body that is wrong is asked of another peer alone.
//! 3. A claim without headers to show for it never makes a node that has caught up stop calling itself so.

mod driver;
mod machine;
mod mailbox;
mod sources;
#[cfg(test)]
mod tests;
mod tree;

pub use driver::spawn;
pub use mailbox::{SyncHandle, SyncPhase, SyncStatus};

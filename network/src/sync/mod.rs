//! Synchronisation: headers first, then bodies from several peers at once.
//!
//! Gossip brings blocks one by one while a node follows the chain. Whenever it does not (a node that joins
//! late, a machine that slept, a partition that heals) sync fetches what is missing.
//!
//! # The path of a late joiner
//! A peer claims more work → headers after our locator, in answers of 2 000, linked by the chain → once they show more
//! work than the tip: bodies, the lowest first, from every peer that may have them, imported in any order within a
//! window → the chain connects them.
//!
//! A chain that leaves ours far below the tip, or is long before it has more work, is *presynced* (`presync`): its
//! headers are checked in passing, and only when they came to more work than the tip's are they fetched again,
//! linked in batches and followed. So a chain of any length is followed in bounded memory, and one with less work
//! leaves nothing behind.
//!
//! A node whose operator wants to begin with a snapshot (`sync.from`) fetches all headers and the accounts as they were
//! after one of the last blocks first (`restore`), and goes on as above from there.
//!
//! # Who is asked for what
//! For headers, who has delivered some, before whoever only claims; whom the operator named waits for nobody; whenever
//! nobody answers within a second, one more is asked. An answer that does not show what was claimed is reported.
//!
//! Nobody is asked for a body that he says he has pruned. Those who keep later stretches of history alone are asked for
//! these while others give what comes first, so that all of it comes from many that keep a part each.
//!
//! Of the branches with more work than the tip, one of a peer that was named, or has given bodies, is fetched before
//! others; where its lowest body does not come, it is passed over for a while, and the next is fetched: neither claims
//! nor headers without bodies keep a node from a chain that somebody does send.
//!
//! Each peer is asked for what it sends in half a second, by its measured speed, three times over, so its share
//! follows its speed and its line never rests. The lowest piece goes to whoever should bring it first; when
//! nothing is left to ask for and the lowest piece is with a slow peer, a faster one is asked for it, too. A peer
//! that takes thrice as long as it should is reported, rests, and what it owes is asked of others; what it still
//! sends is taken. So no peer holds up the others, and hardly anything is fetched twice.
//!
//! # When it does not get on
//! The [phase](SyncPhase) says so after ten seconds, with the [reason](Stall) and what to do about it; `node_info`, the
//! log, `/ready` and `doctor` have it from there, by way of the node's `health`. A clock that was set back is a
//! reason at any time, after the first catch-up, too: at once where the tip itself is from the future, and else when
//! most peers show headers that are. Meanwhile others are looked for: nodes that the DHT knows to have the full
//! history, or the stretch of it that is lacking, are dialled, and after a minute all begins anew from the tip.
//!
//! # After a crash
//! Nothing is kept of a synchronisation but the chain itself, and of a restore its files: it begins anew from the
//! stored tip. Blocks are connected in runs within a window, so no more than the window is fetched twice.
//!
//! # Map
//! `event_fanout` the events for another one, too · `handle` how far the node is, and why it is no farther · `driver`
//! hands of the machine · `machine` the pure core: events in, actions out, with `headers`, `presync`, `bodies` and
//! `status` (phases, watchdog) below it · `presync` a chain looked at in passing · `restore` beginning with a snapshot,
//! a machine and a driver of its own · `tree` linked headers whose blocks are not here · `sync_peers` what is known of
//! each peer · `pace` how fast it is
//!
//! # Limits
//! | what | limit | when full |
//! |---|---|---|
//! | headers of one peer ahead of what is here | 8 000 | no more are asked for until bodies have come |
//! | headers in the tree | 36 000 | competing branches of others are forgotten |
//! | requests for headers | 4, and 8 of named peers; 6 s | the next peer |
//! | presyncs | 1 a peer; 4 at once, and those of named peers; each answer within 20 s | others wait; the slot passes on |
//! | memory of a presync | 1 MiB for the longest chain, 2 000 headers and an answer in its second pass | the chain is too long |
//! | branches passed over | 64 | the first is tried again |
//! | requests for bodies | 3 a peer, 1 before its first answer; 32 in all, but for those given up; 2 s and thrice what is usual for the peer | others are asked; the slow one rests, and is asked for less |
//! | bodies in import | 24 MiB, and what was asked for before | no more are asked for |
//! | bodies that came when whoever had brought their headers was gone | counted as in import; 6 s | they are asked for again |
//! | bodies on the way and in import | 64 MiB as expected; 128 MiB whatever comes | no more are asked for |
//! | window of bodies | 2 048 blocks, 256 MiB (on the disk, but for 64) | waits for the lowest |
//! | nothing gained though there is more | 10 s; 60 s | says why; begins anew from the tip |
//! | searches for others | 1 each 15 s | – |
//! | restore: headers | 1 peer at a time, 2 000 headers, 6 s; 20 s where another claims more, too | the next has its turn |
//! | restore: turns without an answer | 2; up to 30 s between them | it is asked no more |
//! | restore: those who claim more than somebody has shown | 300 s in all, strangers 30 s; anew with all that they bring | it goes on with what is here |
//! | restore: after the first peer came | 5 s; 20 s for a chain that is too short | the headers that are here are all |
//! | restore: runs are here, and nobody holds the snapshot | 30 s | more headers are fetched, which may move the pivot |
//! | restore: requests for runs | 3 a peer, 1 before its first answer; 32 in all with what is being taken in, 10 MB; 2 s and thrice what is usual for the peer | others are asked; the slow one rests |
//! | restore: as many as come back in time | 4 at first, one more for each that does, half as many when one does not | – |
//! | restore: a peer that sent a wrong run | 1 | reported, asked for no more |
//! | restore: a peer that lacks the snapshot | 20 s | counts as no holder |
//! | restore: nobody shows headers, or sends a run | 60 s; 600 s while one who has sent some is about to | all blocks are fetched |
//!
//! # Invariants
//! 1. Every request either brings something new, or its peer rests or counts as exhausted until it claims
//!    another tip: no sequence of answers keeps sync busy for nothing.
//! 2. Only a peer's own bytes or silence cost it something; a body that is wrong is asked of another peer alone.
//! 3. A claim without headers to show for it never makes a node that has caught up stop calling itself so; that such a
//!    chain is not followed is told by [`SyncStatus::trouble`], and by all that shows it.

mod driver;
mod event_fanout;
mod handle;
mod machine;
mod pace;
mod presync;
mod restore;
mod sync_peers;
#[cfg(test)]
mod tests;
mod tree;

pub use driver::{SyncConfig, spawn};
pub use event_fanout::{EventFanout, fan_out};
pub use handle::{SnapshotProgress, Stall, SyncHandle, SyncPhase, SyncStatus, Unfollowed};

//! Beginning with a snapshot: the headers of the chain with the most work, then the accounts as they were after one of
//! its blocks, instead of all blocks up to there. Nobody is trusted: every header shows its work, and every run of
//! accounts proves itself against the state root in a header that a period of blocks has been built on.
//!
//! # The path of a new node
//! Headers, 2 000 at a time, from one peer, the lead → its chain is here as it claimed → no other claims more → the
//! pivot: the last height divisible by the chain's period that is a period below the last header → its runs of 4 096
//! accounts, from all who hold that snapshot at once → the chain stands at the pivot, like that of a node which has
//! pruned all below → ordinary synchronisation goes on from there.
//!
//! # Who leads
//! In turns, those with the fewest first: whom the operator named, then whom this node dialled, then the one that
//! claims the most. Headers that go on from what is here are taken in; a chain that leaves it is presynced, and takes
//! its place once it has shown more work. So work alone decides. Whoever sends what breaks a rule, or has less to show
//! than it claimed, never leads again; whoever is silent has its turn later, twice. So that liars who take turns do not
//! go on for ever, those who claim more than somebody has shown have a bounded time to bring it.
//!
//! # Who is asked for runs
//! Whoever says it holds the snapshot of that very state root, by measured speed, as for bodies. As many requests are
//! on the way as come back in time. Each run is checked beside the network's threads; whoever has sent one that is
//! wrong is reported, and asked no more. Whoever is late is left alone for a while, and the run is asked of another;
//! whoever does not have it counts as no holder for a while.
//!
//! # When it does not get on
//! While nobody sends runs, nodes that the DHT knows to hold the snapshot are dialled; where there is nobody and
//! somebody claims more than is here, its headers are fetched, which may move the pivot. After a minute, or where the
//! chain is shorter than two periods, it says so in the log and gives up: then all blocks are fetched.
//!
//! # After a crash
//! Headers and runs that are here stay here, and it goes on with them. Once a run has come the pivot stays, as long as
//! others keep its snapshot.
//!
//! # Map
//! `machine` the pure core, with `headers`, `runs` and `status` below it · `driver` its hands, which own the files

pub(super) mod driver;
mod machine;
#[cfg(test)]
mod tests;

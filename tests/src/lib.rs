//! The harness of the system tests: real `cairn-node` and `wallet` processes on loopback, on networks of
//! their own with the real rules and easy numbers.
//!
//! # Map
//! [`binaries`] where the programs are · [`network`] a network's file · [`node`] one node process · [`cluster`] several
//! that are peers · [`wait`] waiting for conditions · [`replay`] a second opinion on the state, from the blocks and the
//! ledger's rules alone · [`wallet`] the wallet's command line · [`http`] requests no client would send · [`socket`]
//! WebSockets, the same · [`tokens`] access tokens · [`intruder`] a peer that sends garbage · [`impostor`] a peer that
//! only seems to have a chain · [`strangers`] peers that are no nodes, as processes · [`netns`] internets and home
//! networks · [`resident`] one node process there · [`shaper`] a line that is slow, far or cut · [`wide`] large
//! payments · [`browser`] a real browser · [`lying_node`] a node that lies to it · [`kills`] the moments of kill -9 ·
//! [`faults`] clocks that are wrong and disks that fail · [`vectors`] random chains with the ledger's verdicts, for the
//! specification in tests/spec
//!
//! # The path of a test
//! [`network::TestNetwork::new`] → [`cluster::Cluster::start`] → calls through [`node::Node::rpc`] → conditions
//! awaited with [`wait::until`] → processes are killed and directories deleted when the values are dropped.
//!
//! # Invariants
//! 1. A test waits for a condition, never for time (save for the moment at which a node is killed), and no
//!    wait is unbounded.
//! 2. Every test has a network, directories and ports of its own: all run at once.
//! 3. A node that is dropped while its test panics shows the end of its log.
//! 4. Processes are ended by the handle that started them, never by name.

#![forbid(unsafe_code)]

pub mod binaries;
pub mod browser;
pub mod cluster;
pub mod faults;
pub mod http;
pub mod impostor;
pub mod intruder;
pub mod kills;
pub mod lying_node;
pub mod netns;
pub mod network;
pub mod node;
pub mod replay;
pub mod resident;
pub mod shaper;
pub mod socket;
pub mod strangers;
pub mod tokens;
pub mod vectors;
pub mod wait;
pub mod wallet;
pub mod wide;

/// What was made, or a word to the reader of the test's output that this machine allows no such thing: the test ends
/// there.
pub fn made<T>(made: Result<T, String>) -> Option<T> {
    made.inspect_err(|reason| eprintln!("skipped: this machine does not have what the test needs: {reason}")).ok()
}

//! Kills at moments that differ from round to round, and what must hold after each.

use crate::network::TestNetwork;
use crate::node::{Node, offline};
use crate::wait::run;
use std::{env, time::Duration};

/// Kills on one network; then comes a fresh one, so that chains stay short and quick to replay.
const BATCH: usize = 10;

/// The numbers of all rounds, in batches: so many as a usual run has, or as `scripts/soak.sh kill9 N` asks for.
///
/// # Panics
/// The script asks for something else than a number.
pub fn batches(usual: u64) -> Vec<Vec<u64>> {
    let rounds = env::var("CAIRN_SOAK_ROUNDS").map_or(usual, |text| text.parse().expect("a number of rounds"));
    (0..rounds).collect::<Vec<_>>().chunks(BATCH).map(<[u64]>::to_vec).collect()
}

/// Waits for the moment of a round: it differs from round to round, and is the same in every run.
pub async fn moment(round: u64, longest_ms: u64) {
    let millis = (round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % longest_ms;
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Stops a node and checks all of its database.
///
/// # Panics
/// It does not stop in order, or the database does not hold together.
pub async fn holds_together(network: &TestNetwork, node: &mut Node) {
    assert!(node.terminate().await.success(), "it stops in order");
    let checked = run(offline(network, node.directory(), &["db", "check"])).await;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

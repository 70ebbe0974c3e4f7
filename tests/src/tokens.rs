//! `cairn-node token`, run beside a node.

use crate::{network::TestNetwork, node};
use serde_json::Value;
use std::{path::Path, process::Output};

/// A token as it was shown once.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its public id.
    pub id: String,
    /// The secret.
    pub token: String,
    /// The line for a wallet.
    pub pairing: String,
}

impl NewToken {
    /// The header line that carries it.
    pub fn header(&self) -> String {
        format!("Authorization: Bearer {}", self.token)
    }
}

/// Runs `cairn-node token ARGUMENTS` on a data directory.
///
/// # Panics
/// It cannot be run.
pub fn run(network: &TestNetwork, data_dir: &Path, arguments: &[&str]) -> Output {
    let words = [&["token"], arguments].concat();
    node::offline(network, data_dir, &words).output().expect("cairn-node runs")
}

/// Makes a token.
///
/// # Panics
/// It is refused.
pub fn make(network: &TestNetwork, data_dir: &Path, arguments: &[&str]) -> NewToken {
    let output = run(network, data_dir, &[&["new", "--json"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    let shown: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let text = |field: &str| shown[field].as_str().expect("a text").to_owned();
    NewToken { id: text("id"), token: text("token"), pairing: text("pairing") }
}

/// Revokes a token.
///
/// # Panics
/// There is none.
pub fn revoke(network: &TestNetwork, data_dir: &Path, id: &str) {
    let output = run(network, data_dir, &["revoke", id]);
    assert!(output.status.success(), "{output:?}");
}

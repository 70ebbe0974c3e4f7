//! How well a node is, by its own judgement.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How well a node is: what `/ready` says, its log, `cairn-node doctor` and this are one judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthJson {
    /// Whether what it says of the chain is up to date.
    pub ready: bool,
    /// What is wrong, the gravest first; empty when all is well.
    pub problems: Vec<ProblemJson>,
}

impl Default for HealthJson {
    /// Of a node with which all is well.
    fn default() -> Self {
        Self { ready: true, problems: Vec::new() }
    }
}

/// Something that is wrong with a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProblemJson {
    /// What kind of problem, for programs: `clock`, `no_peer`, `catching_up` and so on.
    pub kind: String,
    /// Whether the node is not ready because of it.
    pub blocking: bool,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do about it.
    pub advice: String,
}

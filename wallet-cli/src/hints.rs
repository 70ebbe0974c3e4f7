//! Commands to try next.

use cairn_host::quoted;

/// How commands are written so that they lead to the same wallet and the same nodes.
#[derive(Clone, Debug)]
pub struct Hints {
    /// The options that lead there, each with a space before it.
    leading: String,
    /// The network that was chosen.
    chain: String,
}

impl Hints {
    /// From the options that lead there, and the network.
    pub fn new(leading: String, chain: &str) -> Self {
        Self { leading, chain: String::from(chain) }
    }

    /// A command for here.
    pub fn here(&self, command: &str) -> String {
        format!("wallet{} {command}", self.leading)
    }

    /// A command that somebody else runs, or on another machine: of the options the network alone means the same there.
    pub fn elsewhere(&self, command: &str) -> String {
        let chain = if self.chain == "main" { String::new() } else { format!(" --chain {}", quoted(&self.chain)) };
        format!("wallet{chain} {command}")
    }
}

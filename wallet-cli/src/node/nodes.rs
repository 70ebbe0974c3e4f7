//! The nodes that a command asks, and how far it believes them.

use super::client::{Budget, Node};
use super::{error::Result, pairing::Pairing};
use crate::store::DataDir;
use cairn_genesis::Network;
use std::{rc::Rc, time::Duration};

/// The nodes that a command asks.
pub struct Nodes {
    /// Where they are; none for the one paired with, or on this machine.
    urls: Vec<String>,
    /// Where pairings and verified tips are kept.
    pub(super) data: DataDir,
    /// How far they are believed.
    pub(super) trust: Trust,
    /// How long all questions may take together.
    time: Duration,
    /// What each node has left of that.
    budgets: Vec<Rc<Budget>>,
}

/// How far nodes are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nothing: samples of their chains are verified.
    Samples,
    /// Nothing: every header of their chains is verified.
    EveryHeader,
    /// Everything, because the owner says so.
    Node,
}

impl Nodes {
    /// Their time is shared out among them: none takes another's.
    pub fn new(urls: Vec<String>, data: DataDir, trust: Trust, time: Duration) -> Self {
        let count = urls.len().max(1);
        let share = time / u32::try_from(count).unwrap_or(u32::MAX);
        Self { urls, data, trust, time, budgets: (0..count).map(|_| Budget::new(share)).collect() }
    }

    /// Gives the nodes as much time as at first, for the next look of a command that waits within a bound of its own.
    pub fn renew_time(&self) {
        self.budgets.iter().for_each(|budget| budget.renew());
    }

    /// The first of them, which has to be on `network`.
    pub fn first<'a>(&self, network: &'a Network) -> Result<Node<'a>> {
        self.node_at(network, self.urls.first().map(String::as_str), 0)
    }

    /// All of them; the one paired with, or on this machine, when none is named.
    pub fn all<'a>(&self, network: &'a Network) -> Result<Vec<Node<'a>>> {
        if self.urls.is_empty() {
            return Ok(vec![self.first(network)?]);
        }
        self.urls.iter().zip(0..).map(|(url, place)| self.node_at(network, Some(url), place)).collect()
    }

    fn node_at<'a>(&self, network: &'a Network, url: Option<&str>, place: usize) -> Result<Node<'a>> {
        let budget = self.budgets.get(place).cloned().unwrap_or_else(|| Budget::new(self.time));
        let pairing = Pairing::load(&self.data, &network.id())?;
        // The token is for the node that gave it, and for no other.
        let is_meant =
            |pairing: &Pairing| url.is_none_or(|text| text.parse().is_ok_and(|url| pairing.url.is_meant_by(&url)));
        match pairing.filter(is_meant) {
            Some(pairing) => Ok(Node::paired(&pairing, network, budget)?),
            None => Ok(Node::new(url, network, budget)?),
        }
    }
}

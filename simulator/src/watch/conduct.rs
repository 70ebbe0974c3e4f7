//! What one node has done.

use super::{Dials, Questions};
use crate::executor::{Nanos, NodeId};
use cairn_ledger::hash::TxId;
use std::collections::BTreeMap;

/// Whoever was dialled to stay stays for so long at least: until it is known what it is good for.
const ACQUAINTED: Nanos = 15_000_000_000;

/// What one node has done since it started last.
#[derive(Debug, Default)]
pub struct Conduct {
    /// How often it has started.
    pub lives: u32,
    /// When it started last.
    pub since: Nanos,
    /// Whom it dialled.
    pub dials: Dials,
    /// What it asked.
    pub questions: Questions,
    /// Messages of others that wait for its verdict: their topic, and since when.
    pub waiting: BTreeMap<u64, (usize, Nanos)>,
    /// Of blocks and of payments: how many messages it passed on to nobody, and how many it passed on.
    pub verdicts: [[u64; 2]; 2],
    /// Verdicts on messages of which there was one already, or that never came.
    pub twice: u64,
    /// Payments that it sent when nobody was there to hear, and has not sent again; and since when.
    pub untaken: BTreeMap<TxId, Nanos>,
    /// How often it was asked whom it knows, and how often it knew nobody.
    pub named: (u64, u64),
    /// Addresses that it told others, and at which nobody is.
    pub invented: u64,
    /// Connections that it has closed itself, and those that have come to stand.
    pub closed: u64,
    /// Those of them that it had dialled itself, to stay, a moment before.
    pub parted_at_once: u64,
    /// Connections that have come to stand.
    pub connected: u64,
}

impl Conduct {
    /// Of a node that starts; `before`: of its life before.
    pub(super) fn new(before: Option<Self>, now: Nanos) -> Self {
        let (lives, dials) = before.map_or((0, Dials::default()), |before| (before.lives, before.dials));
        Self { lives: lives + 1, since: now, dials: dials.restarted(now), ..Self::default() }
    }

    /// It closes a connection; of one that it had dialled to stay: how old that is.
    pub fn on_close(&mut self, age: Option<Nanos>) {
        self.closed += 1;
        self.parted_at_once += u64::from(age.is_some_and(|age| age < ACQUAINTED));
    }

    /// A connection has come to stand, with somebody whom this node has dialled at an address, or not.
    pub fn on_connected(&mut self, (peer, dialled): (NodeId, Option<&String>), now: Nanos) {
        self.connected += 1;
        if let Some(address) = dialled {
            self.dials.on_reached(address, peer, now);
        }
    }
}

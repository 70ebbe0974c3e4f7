//! The first page.

use super::{BlockSummary, Money, PaymentRow, Shell};
use crate::{chart::Series, format};
use askama::Template;
use cairn_rpc::types::{DifficultyJson, FeeEstimateJson, HeaderJson, MempoolInfo, NodeInfo, Supply, SyncPhase};

/// `/`: how the network is, and what happened last.
#[derive(Template)]
#[template(path = "overview.html")]
pub struct Overview {
    /// What stands around it.
    pub shell: Shell,
    /// The tip.
    pub tip: HeaderJson,
    /// The node.
    pub node: NodeInfo,
    /// How hard blocks are to find.
    pub difficulty: DifficultyJson,
    /// How much money there is.
    pub supply: Supply,
    /// What waits.
    pub pool: MempoolInfo,
    /// What a payment should pay.
    pub fee: FeeEstimateJson,
    /// The last blocks, the last first.
    pub blocks: Vec<BlockSummary>,
    /// Payments in the pool.
    pub waiting: Vec<PaymentRow>,
    /// The last payments in blocks, the last first.
    pub payments: Vec<PaymentRow>,
    /// Attempts that a block takes, over the last blocks.
    pub work: Series,
    /// Pebbles for each byte that payments pay, over the last blocks.
    pub fees: Series,
}

impl Overview {
    fn age(&self) -> String {
        format::span(self.node.time.saturating_sub(self.tip.time))
    }

    fn hash_rate(&self) -> String {
        format::hash_rate(self.difficulty.hash_rate)
    }

    fn work_of(&self, attempts: f64) -> String {
        format::magnitude(attempts)
    }

    fn next_work(&self) -> String {
        let work = self.difficulty.next_target.0.decode().map_or(0.0, |target| target.work().to_f64());
        format::magnitude(work)
    }

    fn span(&self, ms: &u64) -> String {
        format::span(*ms)
    }

    fn rate(&self, rate: f64) -> String {
        format!("{rate:.1}")
    }

    fn grouped(&self, number: &u64) -> String {
        format::grouped(*number)
    }

    fn bytes(&self, count: &u64) -> String {
        format::bytes(*count)
    }

    fn money(&self, amount: &cairn_rpc::text::Pebbles) -> Money {
        Money(amount.0)
    }

    /// What keeps the node from being up to date, if anything does.
    fn trouble(&self) -> Option<String> {
        let sync = &self.node.sync;
        let behind = |what: &str| Some(format!("This node is still {what}: {:.0} % are here.", sync.progress * 100.0));
        let catching_up = match sync.phase {
            SyncPhase::Headers => behind("fetching headers"),
            SyncPhase::Snapshot => behind("fetching the accounts"),
            SyncPhase::Bodies => behind("fetching blocks"),
            SyncPhase::Stalled | SyncPhase::Discovering | SyncPhase::CaughtUp => None,
        };
        let judged = self.node.health.problems.iter().find(|problem| problem.blocking);
        catching_up
            .or_else(|| judged.map(|problem| format::sentence(&problem.message)))
            .or_else(|| self.node.rules_notice.as_deref().map(format::sentence))
    }
}

//! The pool.

use super::{PaymentRow, Shell};
use crate::format;
use askama::Template;
use cairn_rpc::types::{FeeEstimateJson, MempoolInfo, PoolEntry, PoolPage as Content};

/// `/pool`: the payments that wait for a block.
#[derive(Template)]
#[template(path = "pool.html")]
pub struct PoolPage {
    /// What stands around it.
    pub shell: Shell,
    /// How full it is.
    pub info: MempoolInfo,
    /// What to pay to be mined within some blocks.
    pub estimates: Vec<FeeEstimateJson>,
    /// A page of it.
    pub content: Content,
    /// Whether it is a later page.
    pub is_later: bool,
}

impl PoolPage {
    fn rows(&self) -> Vec<(PaymentRow, bool)> {
        let row = |entry: &PoolEntry| (PaymentRow::new(&entry.transaction).at(None, entry.added), entry.ready);
        self.content.transactions.iter().map(row).collect()
    }

    fn count(&self) -> String {
        format::grouped(self.info.count)
    }

    fn bytes(&self) -> String {
        format::bytes(self.info.bytes)
    }

    fn room(&self) -> String {
        format::bytes(self.info.max_bytes)
    }

    fn senders(&self) -> String {
        format::grouped(self.info.senders)
    }

    fn next(&self) -> Option<String> {
        self.content.next.as_ref().map(|next| format!("/pool?after={}", next.0))
    }
}

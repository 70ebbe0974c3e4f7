//! A block, and lists of blocks.

use super::{BlockSummary, Id, Moment, Money, PaymentRow, Shell};
use crate::format;
use askama::Template;
use cairn_rpc::types::HeaderJson;

/// Payments on a page of a block.
pub const PAYMENTS_ON_PAGE: u64 = 50;

/// `/block/…`: a block and a page of its payments.
#[derive(Template)]
#[template(path = "block.html")]
pub struct BlockPage {
    /// What stands around it.
    pub shell: Shell,
    /// Its header.
    pub header: HeaderJson,
    /// From it to the tip, both counted; 0 when it is not on the followed chain.
    pub confirmations: u64,
    /// What its miner could create.
    pub subsidy: Money,
    /// Its body; a sentence where the node has it no more.
    pub body: Result<BlockBody, String>,
}

/// What a page shows of a block's payments.
#[derive(Debug)]
pub struct BlockBody {
    /// The block's size in bytes.
    pub size: u64,
    /// How many payments there are.
    pub count: u64,
    /// Fees of all of them.
    pub fees: Money,
    /// Those of this page.
    pub payments: Vec<PaymentRow>,
    /// The number of this page, from 1.
    pub page: u64,
}

impl BlockBody {
    /// How many pages there are.
    pub fn pages(&self) -> u64 {
        self.count.div_ceil(PAYMENTS_ON_PAGE).max(1)
    }

    fn size(&self) -> String {
        format::bytes(self.size)
    }

    fn total(&self) -> String {
        format::grouped(self.count)
    }

    /// The number in the block of the first payment of this page, from 0.
    fn before(&self) -> Option<u64> {
        Some((self.page - 1) * PAYMENTS_ON_PAGE)
    }

    /// The first and the last payment of this page, counted from 1.
    fn range(&self) -> (u64, u64) {
        let before = (self.page - 1) * PAYMENTS_ON_PAGE;
        (before + 1, before + self.payments.len() as u64)
    }
}

impl BlockPage {
    fn id(&self) -> Id {
        Id::block(self.header.id.0)
    }

    fn parent(&self) -> Id {
        Id::block(self.header.parent.0)
    }

    fn miner(&self) -> Id {
        Id::address(&self.header.beneficiary)
    }

    fn time(&self) -> Moment {
        Moment(self.header.time)
    }

    fn height(&self) -> String {
        format::grouped(self.header.height)
    }

    fn work(&self) -> String {
        let work = self.header.target.0.decode().map_or(0.0, |target| target.work().to_f64());
        format::magnitude(work)
    }

    fn chain_work(&self) -> String {
        format::magnitude(self.header.work.0.to_f64())
    }

    /// Whether the page says the same for ever.
    pub fn is_buried(&self) -> bool {
        self.confirmations > super::BURIED
    }

    fn confirmed(&self) -> String {
        format::grouped(self.confirmations)
    }

    fn reward(&self) -> Money {
        let fees = self.body.as_ref().ok().map(|body| body.fees.0);
        Money(fees.and_then(|fees| self.subsidy.0.checked_add(fees)).unwrap_or(self.subsidy.0))
    }

    fn raw(&self) -> String {
        hex::encode(&self.header.raw.0)
    }
}

/// `/blocks`: blocks, downward.
#[derive(Template)]
#[template(path = "blocks.html")]
pub struct BlocksPage {
    /// What stands around it.
    pub shell: Shell,
    /// They, the highest first.
    pub blocks: Vec<BlockSummary>,
    /// Where higher ones begin.
    pub newer: Option<u64>,
    /// Where lower ones begin.
    pub older: Option<u64>,
    /// The time, Unix ms.
    pub now: u64,
}

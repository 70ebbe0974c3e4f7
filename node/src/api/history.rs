//! `state_getHistory`: what touched an address, page by page.

use super::{chain::no_such_block, context::Context, ranges::count};
use cairn_chain::{HISTORY_BEHIND, HistoryQuery, NoHistory, Touched};
use cairn_ledger::units::Height;
use cairn_rpc::{
    error::{Code, RpcError},
    text::{Pebbles, Text},
    types::{AddressHistory, BlockRef, HistoryCursor, HistoryEntry, TransactionJson},
};
use std::ops::RangeInclusive;

/// Entries on a page: each may lie in a block of its own, which has to be read.
const PAGE: RangeInclusive<u64> = 1..=100;

impl Context {
    pub(super) async fn history(
        &self,
        shown: String,
        before: Option<HistoryCursor>,
        wanted: Option<u64>,
    ) -> Result<AddressHistory, RpcError> {
        let address = self.address(&shown)?;
        let wanted = usize::try_from(count(wanted, &PAGE)?).unwrap_or(usize::MAX);
        let query = HistoryQuery {
            address,
            before: before.map(|before| (Height::new(before.height), before.place)),
            since: before.map(|before| before.tip),
            count: wanted,
        };
        let page = self.read(move |reader| reader.history(&query)).await?.map_err(no_history)?;
        let (tip, height) = (page.tip.id(), page.tip.header().height);
        Ok(AddressHistory {
            address: shown,
            entries: page.touched.iter().map(|touched| self.show_touched(touched, height)).collect(),
            next: page.next.map(|(height, place)| Text(HistoryCursor { height: height.get(), place, tip })),
            reorganised_above: page.fork.map(Height::get),
            height: height.get(),
            block: Text(tip),
        })
    }

    fn show_touched(&self, touched: &Touched, tip: Height) -> HistoryEntry {
        let header = touched.block.header();
        let transaction = touched.transaction.as_ref();
        HistoryEntry {
            height: header.height.get(),
            block: Text(touched.block.id()),
            time: header.time.millis(),
            confirmations: tip.get().saturating_sub(header.height.get()).saturating_add(1),
            place: transaction.map(|_| u64::from(touched.place)),
            sent: Pebbles(touched.sent),
            price: Pebbles(touched.price),
            received: Pebbles(touched.received),
            transaction: transaction.map(|transaction| TransactionJson::new(transaction, self.prefix())),
        }
    }
}

fn no_history(why: NoHistory) -> RpcError {
    match why {
        NoHistory::Off => {
            let message =
                "the node keeps no index of addresses; its operator switches it on with index.addresses = true";
            RpcError::new(Code::IndexOff, message)
        }
        NoHistory::Building { built, tip } => {
            let message =
                format!("the node is building its index of addresses: block {built} of {tip}; ask again later");
            RpcError::new(Code::IndexBuilding, message).with(built, tip)
        }
        NoHistory::UnknownTip(id) => no_such_block(BlockRef::Id(Text(id))),
        NoHistory::TooFar(tip) => {
            let message = format!("the chain left that page's tip more than {HISTORY_BEHIND} blocks ago: begin anew");
            RpcError::new(Code::TooFarBehind, message).with(tip, format!("at most {HISTORY_BEHIND} blocks"))
        }
        NoHistory::Moving => RpcError::new(Code::Busy, "the chain is being reorganised; ask again"),
    }
}

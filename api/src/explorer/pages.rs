//! What each page needs of the chain, the pool and the accounts.

use super::answer::{Caching, Page};
use super::{FRESH, FRESH_AT_TIP, Problem, Visit, written};
use crate::lookup::{self, confirmations};
use cairn_chain::{Reader, store::StoreError};
use cairn_explorer::chart::Series;
use cairn_explorer::format::sentence;
use cairn_explorer::pages::{
    AddressPage, BlockBody, BlockPage, BlockSummary, BlocksPage, Found, History, Id, Money, Overview, PAYMENTS_ON_PAGE,
    PaymentPage, PaymentRow, PoolPage, SettingsPage,
};
use cairn_explorer::{Route, Wanted, route, wanted};
use cairn_ledger::address::AddressPrefix;
use cairn_ledger::block::{HEADER_BYTES, Header, encoded_transactions};
use cairn_ledger::hash::TxId;
use cairn_ledger::units::{Amount, Height};
use cairn_ledger::{codec::encode, transaction::Transaction, validate::LinkedHeader};
use cairn_rpc::error::Code;
use cairn_rpc::methods::{ChainServer, MempoolServer, NodeServer, StateServer, TxServer};
use cairn_rpc::text::Text;
use cairn_rpc::types::{BlockRef, HistoryCursor, PoolCursor, PoolEntry, TxState};
use jsonrpsee::types::ErrorObjectOwned;

/// Blocks in the list of the first page.
const LAST_BLOCKS: usize = 8;
/// Payments in its lists.
const LAST_PAYMENTS: usize = 8;
/// Blocks in its charts: an hour of them, and those whose payments are looked at.
const WORK_CHART: u64 = 120;
const FEE_CHART: usize = 32;
/// Blocks on a page of blocks.
const BLOCKS_ON_PAGE: u64 = 25;
/// Entries on a page of a history.
const HISTORY_ON_PAGE: u64 = 25;
/// Payments on a page of the pool.
const POOL_ON_PAGE: u64 = 50;
/// Within how many blocks people want to be mined.
const ESTIMATES: [u64; 2] = [1, 10];

fn code(error: &ErrorObjectOwned) -> Option<Code> {
    Code::from_number(error.code())
}

impl Visit<'_> {
    /// Makes a page.
    pub async fn page(&self, route: Route) -> Result<Page, Problem> {
        match route {
            Route::Overview => self.overview().await,
            Route::Blocks(from) => self.blocks(from).await,
            Route::Block(block, page) => self.block(block, page).await,
            Route::Payment(txid) => self.payment(txid).await,
            Route::Address(address, before) => self.address(address, before).await,
            Route::Pool(after) => self.pool(after).await,
            Route::Network => self.network().await,
            Route::Search(text) => self.search(&text).await,
            Route::Settings => written(&SettingsPage { shell: self.shell("settings") }, Caching::Never, FRESH),
            Route::Asset(asset, is_named_by_hash) => Ok(Page::file(asset, is_named_by_hash)),
        }
    }

    async fn overview(&self) -> Result<Page, Problem> {
        let context = &self.explorer.context;
        let shell = self.shell("overview");
        let tip = self.ask("chain_tip", context.chain_tip()).await?;
        let node = self.ask("node_info", context.node_info()).await?;
        let difficulty = self.ask("chain_difficulty", context.chain_difficulty(None)).await?;
        let supply = self.ask("chain_supply", context.chain_supply(None)).await?;
        let pool = self.ask("mempool_info", context.mempool_info()).await?;
        let fee = self.ask("mempool_feeEstimate", context.fee_estimate(None)).await?;
        let first = tip.height.saturating_sub(WORK_CHART - 1);
        let recent = self.explorer.recent.blocks(context, first, WORK_CHART, FEE_CHART);
        let blocks = self.ask("chain_getBlocks", recent).await?;
        let waiting = match pool.count {
            0 => Vec::new(),
            _ => {
                let content = context.mempool_content(None, Some(LAST_PAYMENTS as u64));
                self.ask("mempool_content", content).await?.transactions
            }
        };
        let row = |entry: &PoolEntry| PaymentRow::new(&entry.transaction).at(None, entry.added);
        let last = blocks.iter().rev().filter_map(|block| block.body.as_ref()).flat_map(|body| &body.last);
        let page = Overview {
            work: work_of(&blocks),
            fees: fees_of(&blocks),
            payments: last.take(LAST_PAYMENTS).cloned().collect(),
            waiting: waiting.iter().map(row).collect(),
            blocks: blocks.iter().rev().take(LAST_BLOCKS).cloned().collect(),
            shell,
            tip,
            node,
            difficulty,
            supply,
            pool,
            fee,
        };
        written(&page, Caching::Never, FRESH)
    }

    async fn blocks(&self, from: Option<u64>) -> Result<Page, Problem> {
        let (shell, context) = (self.shell("blocks"), &self.explorer.context);
        let tip = shell.height;
        let top = from.unwrap_or(tip).min(tip);
        let first = top.saturating_sub(BLOCKS_ON_PAGE - 1);
        let count = top - first + 1;
        let recent = self.explorer.recent.blocks(context, first, count, BLOCKS_ON_PAGE as usize);
        let mut blocks = self.ask("chain_getBlocks", recent).await?;
        blocks.reverse();
        let page = BlocksPage {
            shell,
            blocks,
            newer: (top < tip).then(|| top.saturating_add(BLOCKS_ON_PAGE).min(tip)),
            older: first.checked_sub(1),
            now: cairn_common::clock::now().millis(),
        };
        written(&page, Caching::Never, FRESH)
    }

    async fn block(&self, block: BlockRef, number: u64) -> Result<Page, Problem> {
        let (shell, context) = (self.shell("blocks"), self.explorer.context.clone());
        let own = context.clone();
        let prefix = *own.prefix();
        let found = async move { Ok(context.read(move |reader| find_block(reader, block, &prefix, number)).await?) };
        let found = self.ask("chain_getBlock", found).await?;
        let FoundBlock { header, is_on_chain, body } = found.ok_or_else(|| crate::error::no_such_block(block))?;
        let height = header.header().height;
        let tip = Height::new(shell.height).max(height);
        let body = match body {
            Ok(body) => Ok(body.ok_or_else(|| no_page(number))?),
            Err(why) => Err(why.to_owned()),
        };
        let page = BlockPage {
            confirmations: if is_on_chain { confirmations(height, tip) } else { 0 },
            subsidy: Money(if height.get() == 0 { Amount::ZERO } else { own.spec.subsidy(height) }),
            header: own.show_header(&header),
            shell,
            body,
        };
        // By its height the same address may mean another block, on another network on the same port, too.
        let caching = match block {
            BlockRef::Id(_) if page.is_buried() && page.body.is_ok() => Caching::Forever,
            _ => Caching::Revalidate,
        };
        written(&page, caching, FRESH_AT_TIP)
    }

    async fn payment(&self, txid: TxId) -> Result<Page, Problem> {
        let (shell, context) = (self.shell(""), &self.explorer.context);
        let found = match self.ask("chain_getTransaction", context.get_transaction(Text(txid))).await {
            Ok(info) => {
                let time = match info.block {
                    Some(id) => {
                        let header = context.get_header(BlockRef::Id(id));
                        Some(self.ask("chain_getHeader", header).await?.time)
                    }
                    None => None,
                };
                Found::Here(Box::new(info), time)
            }
            Err(error) if code(&error) == Some(Code::TransactionNotFound) => {
                Found::Gone(self.ask("tx_status", context.tx_status(Text(txid))).await?)
            }
            Err(error) => return Err(error.into()),
        };
        let status = match &found {
            Found::Gone(status) if status.state == TxState::Unknown => 404,
            Found::Here(..) | Found::Gone(_) => 200,
        };
        let is_mined = matches!(&found, Found::Here(info, _) if info.state == TxState::Mined);
        let page = PaymentPage { shell, txid: Id::payment(txid), found };
        let (caching, fresh) = match is_mined {
            true if page.is_buried() => (Caching::Forever, FRESH_AT_TIP),
            true => (Caching::Revalidate, FRESH_AT_TIP),
            false => (Caching::Never, FRESH),
        };
        Ok(written(&page, caching, fresh)?.with_status(status))
    }

    async fn address(&self, address: String, before: Option<HistoryCursor>) -> Result<Page, Problem> {
        let (shell, context) = (self.shell(""), &self.explorer.context);
        let wrong = |error: ErrorObjectOwned| match code(&error) {
            Some(Code::BadAddress) => Problem::not_found(format!(
                "{} is no address of this network: {}",
                route::shown(&address),
                cairn_explorer::format::in_short(error.message()),
            )),
            _ => Problem::from(error),
        };
        let account = self.ask("state_getAccount", context.get_account(address.clone())).await.map_err(wrong)?;
        let waiting = self.ask("mempool_ofSender", context.mempool_of_sender(address.clone())).await?;
        let is_later = before.is_some();
        let history = context.get_history(address.clone(), before.map(Text), Some(HISTORY_ON_PAGE));
        let history = match self.ask("state_getHistory", history).await {
            Ok(page) => History::Page(page),
            Err(error) => match code(&error) {
                Some(Code::IndexOff | Code::IndexBuilding | Code::Busy | Code::BlockNotFound | Code::TooFarBehind) => {
                    History::None(sentence(error.message()))
                }
                _ => return Err(error.into()),
            },
        };
        written(&AddressPage { shell, account, history, is_later, waiting }, Caching::Never, FRESH)
    }

    async fn pool(&self, after: Option<PoolCursor>) -> Result<Page, Problem> {
        let (shell, context) = (self.shell("pool"), &self.explorer.context);
        let info = self.ask("mempool_info", context.mempool_info()).await?;
        let mut estimates = Vec::new();
        for blocks in ESTIMATES {
            estimates.push(self.ask("mempool_feeEstimate", context.fee_estimate(Some(blocks))).await?);
        }
        let is_later = after.is_some();
        let content = context.mempool_content(after.map(Text), Some(POOL_ON_PAGE));
        let content = self.ask("mempool_content", content).await?;
        written(&PoolPage { shell, info, estimates, content, is_later }, Caching::Never, FRESH)
    }

    /// Leads to what somebody looks for.
    async fn search(&self, text: &str) -> Result<Page, Problem> {
        let context = &self.explorer.context;
        let to = match wanted(text) {
            Wanted::Nothing => return Err(Problem::not_found("Nothing was looked for.")),
            Wanted::Height(height) => {
                self.ask("chain_getHeader", context.get_header(BlockRef::Height(height))).await?;
                format!("/block/{height}")
            }
            Wanted::Id(id) => self.search_id(&id).await?,
            Wanted::File(asset) => format!("/web/{}", asset.path),
            Wanted::Address(address) => {
                let is_address = context.address(&address).is_ok();
                if !is_address {
                    let typed = route::shown(text);
                    return Err(Problem::not_found(format!(
                        "{typed} is neither a height nor the id of a block or payment, nor an address of this network."
                    )));
                }
                format!("/address/{address}")
            }
        };
        Ok(Page::redirect(to))
    }

    async fn search_id(&self, id: &str) -> Result<String, Problem> {
        let context = &self.explorer.context;
        if let Ok(block) = id.parse() {
            match self.ask("chain_getHeader", context.get_header(BlockRef::Id(Text(block)))).await {
                Ok(_) => return Ok(format!("/block/{id}")),
                Err(error) if code(&error) == Some(Code::BlockNotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let unknown = || Problem::not_found(format!("This node knows neither a block nor a payment with the id {id}."));
        let txid: TxId = id.parse().map_err(|_| unknown())?;
        match self.ask("tx_status", context.tx_status(Text(txid))).await?.state {
            TxState::Unknown => Err(unknown()),
            _ => Ok(format!("/tx/{id}")),
        }
    }
}

fn no_page(number: u64) -> Problem {
    Problem::not_found(format!("This block has no page {number} of payments."))
}

/// The work of the last blocks, block 0 aside, which nobody mined.
fn work_of(blocks: &[BlockSummary]) -> Series {
    let mined: Vec<&BlockSummary> = blocks.iter().filter(|block| block.height > 0).collect();
    let first = mined.first().map_or(0, |block| block.height);
    Series { first, values: mined.iter().map(|block| block.work).collect() }
}

/// The fees of the last blocks in a row whose payments are known.
fn fees_of(blocks: &[BlockSummary]) -> Series {
    let known = blocks.iter().rev().map_while(|block| Some((block.height, block.body.as_ref()?.fee_rate)));
    let mut known: Vec<(u64, f64)> = known.filter(|(height, _)| *height > 0).collect();
    known.reverse();
    let first = known.first().map_or(0, |(height, _)| *height);
    Series { first, values: known.into_iter().map(|(_, rate)| rate).collect() }
}

/// What a page about a block is made of.
struct FoundBlock {
    header: LinkedHeader,
    /// Whether it is on the followed chain.
    is_on_chain: bool,
    /// A page of its payments, none when it has no such page; or why they are not there.
    body: Result<Option<BlockBody>, &'static str>,
}

fn find_block(
    reader: &Reader,
    block: BlockRef,
    prefix: &AddressPrefix,
    page: u64,
) -> Result<Option<FoundBlock>, StoreError> {
    let Some(header) = lookup::find_header(reader, block)? else { return Ok(None) };
    let height = header.header().height;
    let is_on_chain = reader.header_at(height)?.is_some_and(|found| found.id() == header.id());
    let body = match reader.expect_kept(height) {
        Err(StoreError::Pruned { .. }) => {
            Err("This node has pruned the payments of this block: it keeps those of later blocks alone.")
        }
        Err(failure) => return Err(failure),
        Ok(()) => {
            body_of(reader, &header, prefix, page)?.ok_or("This node has not fetched the payments of this block yet.")
        }
    };
    Ok(Some(FoundBlock { header, is_on_chain, body }))
}

/// A page of a block's payments, none when it has no such page; nothing when the block is not there.
fn body_of(
    reader: &Reader,
    header: &LinkedHeader,
    prefix: &AddressPrefix,
    page: u64,
) -> Result<Option<Option<BlockBody>>, StoreError> {
    let show = |body: &[u8]| show_body(body, header.header(), prefix, page);
    match reader.with_encoded_body(header, show)? {
        None => Ok(None),
        Some(Some(shown)) => Ok(Some(shown)),
        // What does not read so is damaged: reading all of it reports that, or mends it.
        Some(None) => Ok(reader.body(header)?.and_then(|body| show(&encode(&body)))),
    }
}

/// A page of the payments of an encoded body, of which no other is decoded; none when it has no such page. Nothing when
/// it is no body.
fn show_body(body: &[u8], header: &Header, prefix: &AddressPrefix, page: u64) -> Option<Option<BlockBody>> {
    let all = encoded_transactions(body)?;
    let before = page.checked_sub(1)?.checked_mul(PAYMENTS_ON_PAGE).and_then(|before| usize::try_from(before).ok());
    let Some(before) = before.filter(|before| page == 1 || *before < all.len()) else { return Some(None) };
    let shown = all.iter().skip(before).take(PAYMENTS_ON_PAGE as usize);
    let shown: Vec<Transaction> = shown.map(|one| Transaction::from_bytes(one.bytes).ok()).collect::<Option<_>>()?;
    let fees = all.iter().fold(0_u64, |sum, one| sum.saturating_add(one.fee.pebbles()));
    let (height, time) = (header.height.get(), header.time.millis());
    let row = |(transaction, txid)| PaymentRow::mined(transaction, txid, prefix).at(Some(height), time);
    Some(Some(BlockBody {
        size: HEADER_BYTES.saturating_add(body.len()) as u64,
        count: all.len() as u64,
        fees: Money(Amount::from_pebbles(fees).unwrap_or(Amount::MAX)),
        payments: shown.iter().zip(&Transaction::ids(&shown)).map(row).collect(),
        page,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::block::Body;
    use cairn_ledger::testing::{easy_network, key, payment};

    #[test]
    fn a_page_has_its_payments_of_the_body_and_what_is_damaged_is_no_page() {
        let spec = easy_network();
        let all: Vec<Transaction> =
            (0..120).map(|n| payment(&spec, &key(1), n, key(2).address(), 5 + n, 1_000)).collect();
        let bytes = encode(&Body::new(all.clone()).expect("few"));
        let header = Header::from_bytes(&[0; HEADER_BYTES]).expect("any bytes are a header");
        let show = |bytes: &[u8], page| show_body(bytes, &header, &spec.params().prefix, page);
        for (page, numbers) in [(1, 0..50), (2, 50..100), (3, 100..120)] {
            let shown = show(&bytes, page).expect("a body").expect("a page");
            let (ids, wanted) = (shown.payments.iter().map(|row| row.txid.full.clone()), &all[numbers]);
            assert!(ids.eq(wanted.iter().map(|transaction| transaction.id().to_string())), "page {page}");
            assert_eq!((shown.count, shown.fees.pebbles()), (120, 120_000));
            assert_eq!(shown.size, (HEADER_BYTES + bytes.len()) as u64);
            let amounts = shown.payments.iter().map(|row| row.amount.pebbles());
            assert!(amounts.eq(wanted.iter().map(|transaction| transaction.body.total() - 1_000)));
        }
        for beyond in [4, u64::MAX] {
            assert!(show(&bytes, beyond).expect("a body").is_none(), "there is no page {beyond}");
        }
        let empty = encode(&Body::new(Vec::new()).expect("none"));
        assert!(show(&empty, 1).expect("a body").is_some_and(|page| page.payments.is_empty()), "a block without any");
        assert!(show(&bytes[..bytes.len() - 1], 1).is_none(), "it is cut");
        let mut damaged = bytes;
        damaged[8 + 48] = 0xff;
        assert!(show(&damaged, 3).is_none(), "the fee of the first is more than there can be");
    }
}

//! The history of an address, read page by page from the index.

use super::Reader;
use crate::store::schema::TouchKey;
use crate::store::{ChainStore, REWARD, StoreError};
use cairn_ledger::{Address, Amount, BlockId, Body, Height, LinkedHeader, Transaction};

/// Bytes of blocks read for one page: a touch in a full block costs the reading of all of it.
const READ_BYTES: usize = 16 << 20;
/// Bytes of transactions on one page: in fields and hex they take at most four times as much.
const PAGE_BYTES: usize = 2 << 20;
/// How often a page is read again because the chain was reorganised meanwhile.
const TRIES: usize = 3;
/// How far below the tip a reorganisation since an earlier page is looked for, in blocks.
pub const HISTORY_BEHIND: usize = 2_000;

/// A page is asked for.
#[derive(Clone, Copy, Debug)]
pub struct HistoryQuery {
    /// Whose history.
    pub address: Address,
    /// Only what came before this place; everything when there is none.
    pub before: Option<(Height, u32)>,
    /// The tip of an earlier page that this one continues.
    pub since: Option<BlockId>,
    /// How many at most.
    pub count: usize,
}

/// What touched an address, the last first.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// The tip at which it was read.
    pub tip: LinkedHeader,
    /// The touches.
    pub touched: Vec<Touched>,
    /// Where older ones begin; `None` when there are none.
    pub next: Option<(Height, u32)>,
    /// The last block that the chain of [`HistoryQuery::since`] has in common with this one, when it was left.
    pub fork: Option<Height>,
}

/// How an address was touched.
#[derive(Clone, Debug)]
pub struct Touched {
    /// The block.
    pub block: LinkedHeader,
    /// Where in it, or [`REWARD`].
    pub place: u32,
    /// The transaction there; `None` for the block's reward.
    pub transaction: Option<Transaction>,
    /// What left the address: amounts, fee, and the price of the accounts it created.
    pub sent: Amount,
    /// That price alone.
    pub price: Amount,
    /// What it received: of a reward that made its account, what the price of that left.
    pub received: Amount,
}

/// Why there is no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the fields say what they are")]
pub enum NoHistory {
    /// The index is off.
    Off,
    /// It is being built.
    Building { built: Height, tip: Height },
    /// The tip of the earlier page is no block of this node's.
    UnknownTip(BlockId),
    /// The chain of the earlier page was left more than [`HISTORY_BEHIND`] blocks ago.
    TooFar(BlockId),
    /// The chain moved whenever it was read.
    Moving,
}

impl Reader {
    /// The height up to which the index of addresses is built; `None` while it is off.
    ///
    /// # Errors
    /// A failing store.
    pub fn indexed(&self) -> Result<Option<Height>, StoreError> {
        self.mender.read(|| self.store().indexed())
    }

    /// A page of an address's history, all of it as of one tip.
    ///
    /// # Errors
    /// A failing store.
    pub fn history(&self, query: &HistoryQuery) -> Result<Result<HistoryPage, NoHistory>, StoreError> {
        self.mender.read(|| {
            for _ in 0..TRIES {
                let tip = self.store().expect_header(&self.store().tip()?)?;
                let read = self.read_history(query, tip.clone())?;
                // What was read on the way belongs to this tip, unless the chain has left it.
                if self.store().is_connected(&tip)? {
                    return Ok(read);
                }
            }
            Ok(Err(NoHistory::Moving))
        })
    }

    fn read_history(
        &self,
        query: &HistoryQuery,
        tip: LinkedHeader,
    ) -> Result<Result<HistoryPage, NoHistory>, StoreError> {
        let height = tip.header().height;
        match self.store().indexed()? {
            None => return Ok(Err(NoHistory::Off)),
            Some(built) if built < height => return Ok(Err(NoHistory::Building { built, tip: height })),
            Some(_) => {}
        }
        let fork = match query.since.map(|since| fork(&self.store(), since)).transpose()? {
            Some(Err(refused)) => return Ok(Err(refused)),
            Some(Ok(fork)) => fork,
            None => None,
        };
        let mut page = HistoryPage { tip, touched: Vec::new(), next: None, fork };
        // An address that never had an account was never touched.
        if let Some(account) = self.store().index_of(&query.address)? {
            // The tip's own blocks only: what came since is for whoever asks anew.
            let above = height.next().unwrap_or(height);
            let (height, place) = query.before.unwrap_or((above, 0)).min((above, 0));
            self.fill(&mut page, query, &TouchKey { account, height, place })?;
        }
        Ok(Ok(page))
    }

    fn fill(&self, page: &mut HistoryPage, query: &HistoryQuery, from: &TouchKey) -> Result<(), StoreError> {
        let (mut read, mut shown) = (0_usize, 0_usize);
        let mut at: Option<(LinkedHeader, Body)> = None;
        let store = self.store();
        for touch in store.touches_before(from) {
            let touch = touch?;
            if page.touched.len() >= query.count || read >= READ_BYTES || shown >= PAGE_BYTES {
                page.next = page.touched.last().map(|last| (last.block.header().height, last.place));
                return Ok(());
            }
            let known = at.take().filter(|(block, _)| block.header().height == touch.height);
            let (block, body) = match known {
                Some(known) => known,
                // A reorganisation came in between: the page will be read again.
                None => match self.block_at(touch.height)? {
                    Some(found) => {
                        read = found.1.iter().fold(read, |read, transaction| read.saturating_add(transaction.size()));
                        found
                    }
                    None => return Ok(()),
                },
            };
            if let Some(touched) = self.touched(&query.address, &block, &body, touch.place)? {
                shown = shown.saturating_add(touched.transaction.as_ref().map_or(0, Transaction::size));
                page.touched.push(touched);
            }
            at = Some((block, body));
        }
        Ok(())
    }

    fn block_at(&self, height: Height) -> Result<Option<(LinkedHeader, Body)>, StoreError> {
        let Some(block) = self.header_at(height)? else { return Ok(None) };
        Ok(self.store().body(&block)?.map(|body| (block, body)))
    }

    /// What happened to the address there; `None` when there is no such place, as another block has come.
    fn touched(
        &self,
        address: &Address,
        block: &LinkedHeader,
        body: &Body,
        place: u32,
    ) -> Result<Option<Touched>, StoreError> {
        let amount = |pebbles| Amount::from_pebbles(pebbles).unwrap_or(Amount::MAX);
        let (block, price) = (block.clone(), Amount::ZERO);
        if place == REWARD {
            let fees = body.iter().map(|transaction| transaction.body.fee.pebbles());
            let reward = fees.fold(self.spec.subsidy(block.header().height).pebbles(), u64::saturating_add);
            let own = self.price_of_created(&block, vec![*address], body)?;
            let received = amount(reward.saturating_sub(own));
            return Ok(Some(Touched { block, place, transaction: None, sent: Amount::ZERO, price, received }));
        }
        let place_in_body = usize::try_from(place).unwrap_or(usize::MAX);
        let Some(transaction) = body.get(place_in_body).cloned() else { return Ok(None) };
        let of = &transaction.body;
        let (mut sent, mut price) = (0, 0);
        if of.sender == *address {
            if of.max_price > Amount::ZERO {
                let receivers = of.outputs.iter().map(|output| output.to).collect();
                price = self.price_of_created(&block, receivers, body.get(..place_in_body).unwrap_or_default())?;
            }
            sent = of.total().saturating_add(price);
        }
        let paid = of.outputs.iter().filter(|output| output.to == *address).map(|output| output.amount.pebbles());
        let (sent, price, received) = (amount(sent), amount(price), amount(paid.fold(0, u64::saturating_add)));
        Ok(Some(Touched { block, place, transaction: Some(transaction), sent, price, received }))
    }

    /// What those cost, in pebbles, whose accounts a block created, and not by what `before` it paid.
    fn price_of_created(
        &self,
        block: &LinkedHeader,
        mut receivers: Vec<Address>,
        before: &[Transaction],
    ) -> Result<u64, StoreError> {
        receivers.sort_unstable();
        receivers.dedup();
        for output in before.iter().flat_map(|transaction| transaction.body.outputs.iter()) {
            if let Ok(at) = receivers.binary_search(&output.to) {
                receivers.remove(at);
            }
        }
        // Where the block has left the chain meanwhile, the page is read again.
        let Some(old) = self.store().count_before(block)? else { return Ok(0) };
        let indices = self.store().indices_of(&receivers)?;
        let created = indices.iter().flatten().filter(|index| **index >= old).count();
        Ok(self.spec.rules_at(block.header().height).price_of(created as u64))
    }
}

/// Where the followed chain left the one that ended with `since`; `None` when it goes on from there.
fn fork(store: &ChainStore, since: BlockId) -> Result<Result<Option<Height>, NoHistory>, StoreError> {
    let Some(mut at) = store.header(&since)? else { return Ok(Err(NoHistory::UnknownTip(since))) };
    for steps in 0..=HISTORY_BEHIND {
        if store.is_connected(&at)? {
            return Ok(Ok((steps > 0).then_some(at.header().height)));
        }
        at = store.expect_header(&at.header().parent)?;
    }
    Ok(Err(NoHistory::TooFar(since)))
}

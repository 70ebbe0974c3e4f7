//! The last blocks in short, for lists and charts. Blocks never change, so each is read once; what is known of some
//! dozens of them is kept.

use crate::{context::Context, error, lookup};
use cairn_chain::{Reader, store::StoreError};
use cairn_common::cache::FifoCache;
use cairn_explorer::pages::{BlockSummary, BodySummary, Money, PaymentRow};
use cairn_ledger::{hash::BlockId, transaction::Transaction, units::Amount, validate::LinkedHeader};
use jsonrpsee::core::RpcResult;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blocks that are kept in short: more than a list and a chart show, in some 3 KB each.
const MAX_BLOCKS: usize = 96;
/// The bytes of blocks that one page has read: what is not read for it is read for the next.
const MAX_READ_BYTES: usize = 8 << 20;
/// Payments of a block that are kept.
const LAST: usize = 5;

/// The last blocks in short.
pub struct Recent(Mutex<FifoCache<BlockId, Arc<BodySummary>>>);

impl Recent {
    pub fn new() -> Self {
        Self(Mutex::new(FifoCache::new(MAX_BLOCKS)))
    }

    fn lock(&self) -> MutexGuard<'_, FifoCache<BlockId, Arc<BodySummary>>> {
        // It is whole at any moment, and a panic stops the node anyway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks of the followed chain from `from` upward; their bodies are read for as many as `bodies`, of the highest.
    pub async fn blocks(
        &self,
        context: &Context,
        from: u64,
        count: u64,
        bodies: usize,
    ) -> RpcResult<Vec<BlockSummary>> {
        let headers = context.read(move |reader| lookup::headers(reader, from, count)).await?;
        let mut known: Vec<Option<Arc<BodySummary>>> = {
            let kept = self.lock();
            headers.iter().map(|header| kept.get(&header.id()).cloned()).collect()
        };
        let wanted = headers.iter().zip(&known).rev().take(bodies);
        let missing: Vec<LinkedHeader> =
            wanted.filter(|(_, known)| known.is_none()).map(|(header, _)| header.clone()).collect();
        if !missing.is_empty() {
            let own = context.clone();
            let read = context.read(move |reader| Ok(bodies_of(&own, reader, &missing))).await??;
            let mut kept = self.lock();
            for (id, body) in read {
                if let Some(place) = headers.iter().position(|header| header.id() == id)
                    && let Some(known) = known.get_mut(place)
                {
                    *known = Some(Arc::clone(&body));
                }
                kept.insert(id, body);
            }
        }
        let summary = |(header, body): (&LinkedHeader, Option<Arc<BodySummary>>)| BlockSummary {
            body: body.map(Arc::unwrap_or_clone),
            ..BlockSummary::new(&context.show_header(header))
        };
        Ok(headers.iter().zip(known).map(summary).collect())
    }
}

type Bodies = Vec<(BlockId, Arc<BodySummary>)>;

/// The bodies of some blocks in short, as far as they are there and are not too much to read.
fn bodies_of(
    context: &Context,
    reader: &Reader,
    blocks: &[LinkedHeader],
) -> Result<Bodies, cairn_rpc::error::RpcError> {
    let (mut found, mut bytes) = (Vec::new(), 0_usize);
    for header in blocks {
        let block = match reader.block(&header.id()) {
            Ok(Some(block)) => block.block,
            Ok(None) | Err(StoreError::Pruned { .. }) => continue,
            Err(_) => return Err(error::storage()),
        };
        let size = block.size();
        found.push((header.id(), Arc::new(summarise(context, header, size, block.body.iter()))));
        bytes = bytes.saturating_add(size);
        if bytes >= MAX_READ_BYTES {
            break;
        }
    }
    Ok(found)
}

fn summarise<'a>(
    context: &Context,
    header: &LinkedHeader,
    size: usize,
    body: impl DoubleEndedIterator<Item = &'a Transaction> + ExactSizeIterator + Clone,
) -> BodySummary {
    let header = header.header();
    let fees = body.clone().fold(0_u64, |sum, transaction| sum.saturating_add(transaction.body.fee.pebbles()));
    let rate = |transaction: &Transaction| transaction.body.fee.pebbles() as f64 / transaction.size().max(1) as f64;
    let mut rates: Vec<f64> = body.clone().map(rate).collect();
    rates.sort_by(f64::total_cmp);
    let row = |transaction: &Transaction| {
        PaymentRow::mined(transaction, &transaction.id(), context.prefix())
            .at(Some(header.height.get()), header.time.millis())
    };
    BodySummary {
        count: body.len() as u64,
        size: size as u64,
        fees: Money(Amount::from_pebbles(fees).unwrap_or(Amount::MAX)),
        fee_rate: rates.get(rates.len() / 2).copied().unwrap_or(0.0),
        last: body.rev().take(LAST).map(row).collect(),
    }
}

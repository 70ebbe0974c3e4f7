//! Subscriptions that lose nothing: each notification says where it leads, and whoever comes back with that
//! gets all that happened since.
//!
//! A subscription holds one block id, the last it has told of. At every new tip it looks for the way from
//! there to the tip, by the parents of stored headers, which are never deleted. So it does not matter
//! whether the client was gone, read slowly, or the chain moved many times meanwhile.

use super::{chain::no_such_block, context::Context};
use cairn_chain::{MinedTransaction, Reader, store::StoreError};
use cairn_ledger::{hash::BlockId, keys::Address, transaction::Transaction, validate::LinkedHeader};
use cairn_rpc::{
    error::{Code, RpcError},
    text::Text,
    types::{AddressMove, BlockRef, ChainMove, TxState, TxStatus},
};
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionMessage, SubscriptionSink, TrySendError, core::SubscriptionResult,
};
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::time::Duration;
use tokio::{sync::broadcast::error::RecvError, time::MissedTickBehavior};

/// How far behind a subscription may begin, in blocks up and down; beyond, pages are the way.
const MAX_BEHIND: u64 = 2_000;
/// Blocks in one notification; a longer way takes several.
const STEP: usize = 100;
/// How often a transaction's status is looked at besides every new tip and arrival: it may leave the pool.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The deepest a status is followed.
const MAX_DEPTH: u64 = 10_000;

/// The way from one block to another.
#[derive(Debug, Default)]
struct Way {
    down: Vec<LinkedHeader>,
    up: Vec<LinkedHeader>,
}

/// Why there is no way to tell.
enum NoWay {
    Unknown,
    TooFar,
}

/// Finds the way by the parents of stored headers.
fn way(reader: &Reader, from: BlockId, to: BlockId) -> Result<Result<Way, NoWay>, StoreError> {
    let (Some(mut low), Some(mut high)) = (reader.header(&from)?, reader.header(&to)?) else {
        return Ok(Err(NoWay::Unknown));
    };
    let mut way = Way::default();
    let parent = |header: &LinkedHeader| reader.header(&header.header().parent);
    while low.id() != high.id() {
        if (way.down.len() + way.up.len()) as u64 > MAX_BEHIND {
            return Ok(Err(NoWay::TooFar));
        }
        let (side, told) = if low.header().height > high.header().height {
            (&mut low, &mut way.down)
        } else {
            (&mut high, &mut way.up)
        };
        let Some(below) = parent(side)? else { return Ok(Err(NoWay::Unknown)) };
        told.push(std::mem::replace(side, below));
    }
    way.up.reverse();
    Ok(Ok(way))
}

/// A piece of a way: where it leads, and its blocks.
struct Step {
    down: Vec<LinkedHeader>,
    up: Vec<LinkedHeader>,
    leads_to: BlockId,
}

/// Cuts a way into pieces. Each leads to a block, so that each can be resumed from.
fn steps(way: Way) -> Vec<Step> {
    let Way { down, up } = way;
    let mut steps = Vec::new();
    for piece in down.chunks(STEP) {
        let Some(last) = piece.last() else { continue };
        steps.push(Step { leads_to: last.header().parent, down: piece.to_vec(), up: Vec::new() });
    }
    for piece in up.chunks(STEP) {
        let Some(last) = piece.last() else { continue };
        // A short reorganisation is told in one.
        match steps.last_mut().filter(|step| step.up.is_empty()) {
            Some(step) => (step.leads_to, step.up) = (last.id(), piece.to_vec()),
            None => steps.push(Step { leads_to: last.id(), down: Vec::new(), up: piece.to_vec() }),
        }
    }
    steps
}

/// Whether a message was taken.
enum Sent {
    Yes,
    /// The client reads too slowly: later.
    Full,
    Gone,
}

fn send(sink: &mut SubscriptionSink, item: &impl Serialize) -> Result<Sent, serde_json::Error> {
    let message = SubscriptionMessage::from(to_raw_value(item)?);
    Ok(match sink.try_send(message) {
        Ok(()) => Sent::Yes,
        Err(TrySendError::Full(_)) => Sent::Full,
        Err(TrySendError::Closed(_)) => Sent::Gone,
    })
}

impl Context {
    /// Tells of every move of the chain since `since`.
    pub(super) async fn follow_moves(
        &self,
        pending: PendingSubscriptionSink,
        since: Option<BlockId>,
    ) -> SubscriptionResult {
        self.follow(pending, since, |context, step| {
            let shown = |headers: &[LinkedHeader]| headers.iter().map(|header| context.show_header(header)).collect();
            let (disconnected, connected) = (shown(&step.down), shown(&step.up));
            Ok(Some(ChainMove { disconnected, connected, tip: Text(step.leads_to) }))
        })
        .await
    }

    /// Tells of every transaction of `address` that comes onto the chain or leaves it since `since`.
    pub(super) async fn follow_address(
        &self,
        pending: PendingSubscriptionSink,
        address: String,
        since: Option<BlockId>,
    ) -> SubscriptionResult {
        let address = match self.address(&address) {
            Ok(address) => address,
            Err(error) => {
                pending.reject(error).await;
                return Ok(());
            }
        };
        self.follow(pending, since, move |context, step| {
            let tip = context.handles.chain.tip().height();
            let reader = context.handles.chain.reader();
            let shown = |headers: &[LinkedHeader], backwards| {
                let found = of_address(reader, headers, &address, backwards)?;
                Ok::<Vec<_>, StoreError>(found.iter().map(|mined| context.show_transaction(mined, tip)).collect())
            };
            let (disconnected, connected) = (shown(&step.down, true)?, shown(&step.up, false)?);
            let any = !disconnected.is_empty() || !connected.is_empty();
            Ok(any.then_some(AddressMove { disconnected, connected, tip: Text(step.leads_to) }))
        })
        .await
    }

    /// Follows the chain; `show` says what to tell of a step, if anything.
    async fn follow<T: Serialize + Send + 'static>(
        &self,
        pending: PendingSubscriptionSink,
        since: Option<BlockId>,
        show: impl Fn(&Self, &Step) -> Result<Option<T>, StoreError> + Clone + Send + 'static,
    ) -> SubscriptionResult {
        let mut tips = self.handles.chain.watch_tip();
        let mut at = since.unwrap_or_else(|| tips.borrow_and_update().id);
        if let Err(error) = self.steps_from(at).await {
            pending.reject(error).await;
            return Ok(());
        }
        let mut sink = pending.accept().await?;
        loop {
            tips.borrow_and_update();
            for step in self.steps_from(at).await? {
                let (context, show, leads_to) = (self.clone(), show.clone(), step.leads_to);
                let item = self.read(move |_| show(&context, &step)).await?;
                let sent = item.map_or(Ok(Sent::Yes), |item| send(&mut sink, &item))?;
                match sent {
                    Sent::Yes => at = leads_to,
                    // What is not told stays to be told, at the next tip.
                    Sent::Full => break,
                    Sent::Gone => return Ok(()),
                }
            }
            tokio::select! {
                () = sink.closed() => return Ok(()),
                changed = tips.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// The way from a block to the tip, in steps.
    async fn steps_from(&self, at: BlockId) -> Result<Vec<Step>, RpcError> {
        let tip = self.handles.chain.tip().id;
        match self.read(move |reader| way(reader, at, tip)).await? {
            Ok(way) => Ok(steps(way)),
            Err(NoWay::Unknown) => Err(no_such_block(BlockRef::Id(Text(at)))),
            Err(NoWay::TooFar) => {
                let message =
                    format!("the tip is more than {MAX_BEHIND} blocks from there: read pages with chain_getHeaders");
                Err(RpcError::new(Code::TooFarBehind, message).with(at, format!("at most {MAX_BEHIND} blocks")))
            }
        }
    }

    /// Tells what becomes of a transaction, until it is `depth` blocks deep or can never be.
    pub(super) async fn follow_status(
        &self,
        pending: PendingSubscriptionSink,
        txid: cairn_ledger::hash::TxId,
        depth: Option<u64>,
    ) -> SubscriptionResult {
        let depth = match super::ranges::count(Some(depth.unwrap_or(1)), &(1..=MAX_DEPTH)) {
            Ok(depth) => depth,
            Err(error) => {
                pending.reject(error).await;
                return Ok(());
            }
        };
        let (mut tips, mut arrivals) = (self.handles.chain.watch_tip(), self.handles.pool.subscribe());
        let mut sink = pending.accept().await?;
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told: Option<TxStatus> = None;
        loop {
            let status = self.find_status(txid).await?;
            if told.as_ref() != Some(&status) {
                match send(&mut sink, &status)? {
                    Sent::Yes => told = Some(status.clone()),
                    Sent::Full => {}
                    Sent::Gone => return Ok(()),
                }
            }
            let is_over = status.confirmations >= depth || status.state == TxState::Expired;
            if is_over && told.as_ref() == Some(&status) {
                return Ok(());
            }
            tokio::select! {
                () = sink.closed() => return Ok(()),
                changed = tips.changed() => if changed.is_err() { return Ok(()) },
                arrived = arrivals.recv() => if matches!(arrived, Err(RecvError::Closed)) { return Ok(()) },
                _ = look.tick() => {}
            }
        }
    }
}

/// The transactions in these blocks that an address sent, or that paid it.
fn of_address(
    reader: &Reader,
    blocks: &[LinkedHeader],
    address: &Address,
    backwards: bool,
) -> Result<Vec<MinedTransaction>, StoreError> {
    let mut found = Vec::new();
    for block in blocks {
        let Some(body) = reader.body(&block.id())? else { continue };
        let mut of_block: Vec<_> = body.iter().filter(|transaction| touches(transaction, address)).cloned().collect();
        if backwards {
            of_block.reverse();
        }
        let mined = |transaction| MinedTransaction { block: block.clone(), transaction };
        found.extend(of_block.into_iter().map(mined));
    }
    Ok(found)
}

fn touches(transaction: &Transaction, address: &Address) -> bool {
    let body = &transaction.body;
    body.sender == *address || body.outputs.iter().any(|output| output.to == *address)
}

//! Subscriptions.
//!
//! `chain_subscribeHeads` tells of every tip: each head is written as JSON once, however many subscribers there are,
//! and the writer of the chain wakes one listener, not ten thousand.
//!
//! `chain_subscribeMoves` and `state_subscribeAddress` lose nothing: each notification names the block it leads to, and
//! a subscription that begins with that block gets all that happened since. It holds one block id, the last it has told
//! of, and at every new tip it looks for the path from there to the tip. So it does not matter whether the client was
//! gone, read slowly, or the chain moved many times meanwhile.
//!
//! `tx_subscribeStatus` tells what becomes of a transaction.
//!
//! # Invariant
//! A subscriber that does not read makes nobody wait: it misses heads, and gets everything else later.

use crate::context::{Context, count};
use crate::error::no_such_block;
use cairn_chain::{MinedTransaction, Reader, store::StoreError};
use cairn_ledger::hash::{BlockId, TxId};
use cairn_ledger::{keys::Address, transaction::Transaction, validate::LinkedHeader};
use cairn_rpc::error::{Code, RpcError};
use cairn_rpc::text::Text;
use cairn_rpc::types::{AddressMove, BlockRef, ChainMove, TxState, TxStatus};
use jsonrpsee::{PendingSubscriptionSink, SubscriptionMessage, SubscriptionSink, core::SubscriptionResult};
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::time::Duration;
use tokio::{sync::broadcast::error::RecvError, time::MissedTickBehavior};

/// How far behind a subscription may begin, in blocks up and down; beyond, pages are the way.
const MAX_BEHIND: u64 = 2_000;
/// Blocks in one notification; a longer path takes several.
const STEP: usize = 100;
/// How often the status is looked at besides every new tip and arrival: the transaction may leave the pool.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The deepest a status is followed.
const MAX_DEPTH: u64 = 10_000;

impl Context {
    /// Passes every new tip on to subscribers, for ever.
    pub async fn publish_heads(self) {
        let mut events = self.handles.chain.subscribe();
        loop {
            let tip = match events.recv().await {
                Ok(event) => event.tip,
                // What was missed is below what comes now: the heights will tell.
                Err(RecvError::Lagged(_)) => continue,
                // The chain has ended, and the node is about to.
                Err(RecvError::Closed) => return std::future::pending().await,
            };
            let json = to_raw_value(&self.show_tip(&tip)).expect("a header is JSON");
            // Nobody may be listening.
            let _ = self.heads().send(SubscriptionMessage::from(json));
        }
    }

    pub async fn follow_heads(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        let mut heads = self.heads().subscribe();
        let mut sink = pending.accept().await?;
        loop {
            let head = tokio::select! {
                () = sink.closed() => return Ok(()),
                head = heads.recv() => head,
            };
            match head {
                // A subscriber that does not read misses what there is no room for.
                Ok(head) => _ = sink.try_send(head),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }

    /// Tells of every move of the chain since `since`.
    pub async fn follow_moves(&self, pending: PendingSubscriptionSink, since: Option<BlockId>) -> SubscriptionResult {
        self.follow(pending, since, |context, step| {
            let shown = |headers: &[LinkedHeader]| headers.iter().map(|header| context.show_header(header)).collect();
            let (disconnected, connected) = (shown(&step.down), shown(&step.up));
            Ok(Some(ChainMove { disconnected, connected, tip: Text(step.leads_to) }))
        })
        .await
    }

    /// Tells of every transaction of `address` that comes onto the chain or leaves it since `since`.
    pub async fn follow_address(
        &self,
        pending: PendingSubscriptionSink,
        address: String,
        since: Option<BlockId>,
    ) -> SubscriptionResult {
        let Some((pending, address)) = or_reject(pending, self.address(&address)).await else { return Ok(()) };
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
        show: impl Fn(&Self, &PathStep) -> Result<Option<T>, StoreError> + Clone + Send + 'static,
    ) -> SubscriptionResult {
        let mut tips = self.handles.chain.watch_tip();
        let mut at = since.unwrap_or_else(|| tips.borrow_and_update().id);
        let Some((pending, _)) = or_reject(pending, self.steps_from(at).await).await else { return Ok(()) };
        let mut sink = pending.accept().await?;
        loop {
            tips.borrow_and_update();
            for step in self.steps_from(at).await? {
                let (context, show, leads_to) = (self.clone(), show.clone(), step.leads_to);
                let item = self.read(move |_| show(&context, &step)).await?;
                if !item.map_or(Ok(true), |item| send(&mut sink, &item))? {
                    // What is not told stays to be told, at the next tip.
                    break;
                }
                at = leads_to;
            }
            tokio::select! {
                () = sink.closed() => return Ok(()),
                changed = tips.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// The path from a block to the tip, in steps.
    async fn steps_from(&self, at: BlockId) -> Result<Vec<PathStep>, RpcError> {
        let tip = self.handles.chain.tip().id;
        self.read(move |reader| path(reader, at, tip)).await?
    }

    /// Tells what becomes of a transaction, until it is `depth` blocks deep or can never be.
    pub async fn follow_status(
        &self,
        pending: PendingSubscriptionSink,
        txid: TxId,
        depth: Option<u64>,
    ) -> SubscriptionResult {
        let depth = count(Some(depth.unwrap_or(1)), &(1..=MAX_DEPTH));
        let Some((pending, depth)) = or_reject(pending, depth).await else { return Ok(()) };
        let (mut tips, mut arrivals) = (self.handles.chain.watch_tip(), self.handles.pool.subscribe());
        let mut sink = pending.accept().await?;
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sent: Option<TxStatus> = None;
        loop {
            let status = self.find_status(txid).await?;
            if sent.as_ref() != Some(&status) && send(&mut sink, &status)? {
                sent = Some(status.clone());
            }
            let is_over = status.confirmations >= depth || status.state == TxState::Expired;
            if is_over && sent.as_ref() == Some(&status) {
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

/// Goes on with what was checked, or tells the client why not.
async fn or_reject<T>(
    pending: PendingSubscriptionSink,
    checked: Result<T, RpcError>,
) -> Option<(PendingSubscriptionSink, T)> {
    match checked {
        Ok(value) => Some((pending, value)),
        Err(error) => {
            pending.reject(error).await;
            None
        }
    }
}

/// Whether a notification was taken; not by a client that reads too slowly, or is gone.
fn send(sink: &mut SubscriptionSink, item: &impl Serialize) -> Result<bool, serde_json::Error> {
    let message = SubscriptionMessage::from(to_raw_value(item)?);
    Ok(sink.try_send(message).is_ok())
}

/// A piece of a path: its blocks, and where it leads.
struct PathStep {
    down: Vec<LinkedHeader>,
    up: Vec<LinkedHeader>,
    leads_to: BlockId,
}

/// The path from one block to another, by the parents of stored headers, which are never deleted.
fn path(reader: &Reader, from: BlockId, to: BlockId) -> Result<Result<Vec<PathStep>, RpcError>, StoreError> {
    let unknown = no_such_block(BlockRef::Id(Text(from)));
    let (Some(mut low), Some(mut high)) = (reader.header(&from)?, reader.header(&to)?) else { return Ok(Err(unknown)) };
    let (mut down, mut up) = (Vec::new(), Vec::new());
    while low.id() != high.id() {
        if (down.len() + up.len()) as u64 > MAX_BEHIND {
            let message =
                format!("the tip is more than {MAX_BEHIND} blocks from there: read pages with chain_getHeaders");
            let error = RpcError::new(Code::TooFarBehind, message);
            return Ok(Err(error.with(from, format!("at most {MAX_BEHIND} blocks"))));
        }
        let is_down = low.header().height > high.header().height;
        let (side, blocks) = if is_down { (&mut low, &mut down) } else { (&mut high, &mut up) };
        let Some(below) = reader.header(&side.header().parent)? else { return Ok(Err(unknown)) };
        blocks.push(std::mem::replace(side, below));
    }
    up.reverse();
    Ok(Ok(steps(&down, &up)))
}

/// Cuts a path into pieces. Each leads to a block, so that each can be resumed from.
fn steps(down: &[LinkedHeader], up: &[LinkedHeader]) -> Vec<PathStep> {
    let mut steps = Vec::new();
    for piece in down.chunks(STEP) {
        let Some(last) = piece.last() else { continue };
        steps.push(PathStep { leads_to: last.header().parent, down: piece.to_vec(), up: Vec::new() });
    }
    for piece in up.chunks(STEP) {
        let Some(last) = piece.last() else { continue };
        // A short reorganisation is told in one.
        match steps.last_mut().filter(|step| step.up.is_empty()) {
            Some(step) => (step.leads_to, step.up) = (last.id(), piece.to_vec()),
            None => steps.push(PathStep { leads_to: last.id(), down: Vec::new(), up: piece.to_vec() }),
        }
    }
    steps
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
        let Some(body) = reader.body(block)? else { continue };
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

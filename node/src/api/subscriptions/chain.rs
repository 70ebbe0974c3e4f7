//! `chain_subscribeMoves` and `state_subscribeAddress`, which lose nothing: each notification names the block it leads
//! to, and a subscription that begins with that block gets all that happened since.
//!
//! A subscription holds one block id, the last it has told of. At every new tip it looks for the path from there to the
//! tip. So it does not matter whether the client was gone, read slowly, or the chain moved many times meanwhile.

use super::{
    Delivery,
    path::{self, MAX_BEHIND, NoPath, PathStep},
    send,
};
use crate::api::{context::Context, error::no_such_block};
use cairn_chain::{MinedTransaction, Reader, store::StoreError};
use cairn_ledger::{hash::BlockId, keys::Address, transaction::Transaction, validate::LinkedHeader};
use cairn_rpc::{
    error::{Code, RpcError},
    text::Text,
    types::{AddressMove, BlockRef, ChainMove},
};
use jsonrpsee::{PendingSubscriptionSink, core::SubscriptionResult};
use serde::Serialize;

impl Context {
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
        show: impl Fn(&Self, &PathStep) -> Result<Option<T>, StoreError> + Clone + Send + 'static,
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
                match item.map_or(Ok(Delivery::Sent), |item| send(&mut sink, &item))? {
                    Delivery::Sent => at = leads_to,
                    // What is not told stays to be told, at the next tip.
                    Delivery::Full => break,
                    Delivery::Closed => return Ok(()),
                }
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
        match self.read(move |reader| path::find(reader, at, tip)).await? {
            Ok(path) => Ok(path.steps()),
            Err(NoPath::Unknown) => Err(no_such_block(BlockRef::Id(Text(at)))),
            Err(NoPath::TooFar) => {
                let message =
                    format!("the tip is more than {MAX_BEHIND} blocks from there: read pages with chain_getHeaders");
                Err(RpcError::new(Code::TooFarBehind, message).with(at, format!("at most {MAX_BEHIND} blocks")))
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

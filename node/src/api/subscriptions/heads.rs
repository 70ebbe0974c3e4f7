//! `chain_subscribeHeads`: each head is written as JSON once, however many subscribers there are, and the writer of the
//! chain wakes one listener, not ten thousand.

use crate::api::context::Context;
use jsonrpsee::{PendingSubscriptionSink, SubscriptionMessage, TrySendError, core::SubscriptionResult};
use serde_json::value::to_raw_value;
use tokio::sync::broadcast::error::RecvError;

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
                Ok(head) => match sink.try_send(head) {
                    Ok(()) | Err(TrySendError::Full(_)) => {}
                    Err(TrySendError::Closed(_)) => return Ok(()),
                },
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }
}

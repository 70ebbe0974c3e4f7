//! `chain_subscribeHeads`: each head is written as JSON once, however many are told of it, and the writer of the
//! chain wakes one listener, not ten thousand.

use super::context::Context;
use jsonrpsee::{PendingSubscriptionSink, SubscriptionMessage, TrySendError, core::SubscriptionResult};
use serde_json::value::to_raw_value;
use tokio::sync::broadcast::{self, error::RecvError};

/// Heads that a subscriber may be behind before it misses some: more than come in a burst of generated blocks.
const BEHIND: usize = 256;

/// Heads on their way to subscribers.
pub(super) struct Heads(broadcast::Sender<SubscriptionMessage>);

impl Default for Heads {
    fn default() -> Self {
        Self(broadcast::channel(BEHIND).0)
    }
}

impl Context {
    /// Passes every new tip on to subscribers, for ever.
    pub(super) async fn pass_heads_on(self) {
        let mut moves = self.handles.chain.subscribe();
        loop {
            let tip = match moves.recv().await {
                Ok(moved) => moved.tip,
                // What was missed is below what comes now: the heights will tell.
                Err(RecvError::Lagged(_)) => continue,
                // The chain has ended, and the node is about to.
                Err(RecvError::Closed) => return std::future::pending().await,
            };
            let json = to_raw_value(&self.show_tip(&tip)).expect("a header is JSON");
            // Nobody may be listening.
            let _ = self.heads().0.send(SubscriptionMessage::from(json));
        }
    }

    pub(super) async fn follow_heads(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        let mut heads = self.heads().0.subscribe();
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

//! `tx_subscribeStatus`: what becomes of a transaction.

use super::{Delivery, send};
use crate::api::context::{Context, count};
use cairn_ledger::hash::TxId;
use cairn_rpc::types::{TxState, TxStatus};
use jsonrpsee::{PendingSubscriptionSink, core::SubscriptionResult};
use std::time::Duration;
use tokio::{sync::broadcast::error::RecvError, time::MissedTickBehavior};

/// How often the status is looked at besides every new tip and arrival: the transaction may leave the pool.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The deepest a status is followed.
const MAX_DEPTH: u64 = 10_000;

impl Context {
    /// Tells what becomes of a transaction, until it is `depth` blocks deep or can never be.
    pub async fn follow_status(
        &self,
        pending: PendingSubscriptionSink,
        txid: TxId,
        depth: Option<u64>,
    ) -> SubscriptionResult {
        let depth = match count(Some(depth.unwrap_or(1)), &(1..=MAX_DEPTH)) {
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
        let mut sent: Option<TxStatus> = None;
        loop {
            let status = self.find_status(txid).await?;
            if sent.as_ref() != Some(&status) {
                match send(&mut sink, &status)? {
                    Delivery::Sent => sent = Some(status.clone()),
                    Delivery::Full => {}
                    Delivery::Closed => return Ok(()),
                }
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

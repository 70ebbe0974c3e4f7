//! Subscriptions.
//!
//! # Map
//! `heads` every tip, written once for all subscribers · `chain` the moves of the chain, and what touches an address,
//! without a gap · `path` from one block to another, pure · `status` what becomes of a transaction
//!
//! # Invariant
//! A subscriber that does not read makes nobody wait: it misses heads, and gets everything else later.

mod chain;
mod heads;
mod path;
mod status;

use jsonrpsee::{SubscriptionMessage, SubscriptionSink, TrySendError};
use serde::Serialize;
use serde_json::value::to_raw_value;

/// What became of a notification.
enum Delivery {
    Sent,
    /// The client reads too slowly: later.
    Full,
    Closed,
}

fn send(sink: &mut SubscriptionSink, item: &impl Serialize) -> Result<Delivery, serde_json::Error> {
    let message = SubscriptionMessage::from(to_raw_value(item)?);
    Ok(match sink.try_send(message) {
        Ok(()) => Delivery::Sent,
        Err(TrySendError::Full(_)) => Delivery::Full,
        Err(TrySendError::Closed(_)) => Delivery::Closed,
    })
}

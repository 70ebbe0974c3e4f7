//! How much anybody may ask of the port. What is beyond a limit is refused by jsonrpsee, with its codes.

use jsonrpsee::server::{BatchRequestConfig, PingConfig, ServerConfig};
use std::time::Duration;

/// The largest request: the largest block in hex fits.
const MAX_REQUEST_BYTES: u32 = 5 << 20;
/// The largest answer: the largest block in full, its transactions in hex and in fields, fits.
const MAX_RESPONSE_BYTES: u32 = 16 << 20;
/// Calls in a batch. A batch counts as one request, so that this bounds the work of one.
const MAX_BATCH: u32 = 50;
/// Connections, HTTP and WebSocket together; those beyond are answered 429.
const MAX_CONNECTIONS: u32 = 100;
/// Subscriptions on one connection: there is one kind, so that a few suffice.
const MAX_SUBSCRIPTIONS: u32 = 16;
/// Answers and notifications that wait for a WebSocket client to read. When they are that many, its
/// further calls wait and its subscriptions miss headers.
const MESSAGE_BUFFER: u32 = 256;
/// A connection that has asked nothing after this long is closed.
const FIRST_REQUEST_WITHIN: Duration = Duration::from_secs(10);

/// Reads of the chain at a time: enough for a busy disk, few enough to leave threads to others.
pub(super) const READS: usize = 16;
/// Light proofs and proofs of transactions made at a time: each reads some thousand records.
pub(super) const PROOFS: usize = 2;
/// How long a call waits to read; then it is told that the node is busy.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn server_config() -> ServerConfig {
    ServerConfig::builder()
        .max_request_body_size(MAX_REQUEST_BYTES)
        .max_response_body_size(MAX_RESPONSE_BYTES)
        .max_connections(MAX_CONNECTIONS)
        .max_subscriptions_per_connection(MAX_SUBSCRIPTIONS)
        .set_batch_request_config(BatchRequestConfig::Limit(MAX_BATCH))
        .set_message_buffer_capacity(MESSAGE_BUFFER)
        .set_first_request_timeout(Some(FIRST_REQUEST_WITHIN))
        .set_tcp_no_delay(true)
        // Closes the connections of WebSocket clients that have gone without saying so.
        .enable_ws_ping(PingConfig::new())
        .build()
}

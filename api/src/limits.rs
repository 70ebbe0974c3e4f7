//! How much anybody may ask of the port. What is too large or too long is refused by jsonrpsee, with its
//! codes; the rest by [`guard`](crate::guard) and [`server`](crate::server).

use crate::server::slow_client::StreamLimits;
use cairn_rpc::policy::MAX_RESPONSE_BYTES;
use jsonrpsee::server::{BatchRequestConfig, PingConfig, ServerConfig};
use std::time::Duration;

/// The largest request: the largest block in hex fits.
const MAX_REQUEST_BYTES: u32 = 5 << 20;
/// Calls in a batch: a hundred payments at a time is what senders of many ask for.
const MAX_BATCH: u32 = 100;
/// How deeply parameters may be nested: none of ours has more than a list in an object in a list.
pub const MAX_DEPTH: usize = 8;
/// Subscriptions on one connection: there are few kinds, so that a few suffice.
const MAX_SUBSCRIPTIONS: u32 = 16;
/// Connections of one host elsewhere. All programs of this machine share one address, so there it does not hold.
pub const MAX_CONNECTIONS_PER_HOST: usize = 32;
/// Connections of the node's own tools: a person runs a few of them at a time.
pub const MAX_OWN_CONNECTIONS: usize = 16;
/// Answers and notifications that wait for a WebSocket client to read. When they are that many, its
/// further calls wait and its subscriptions miss notifications.
const MESSAGE_BUFFER: u32 = 256;

/// Heads that a subscriber may be behind before it misses some: more than come in a burst of generated blocks.
pub const HEADS_BEHIND: usize = 256;
/// Calls that one connection has under way; more are told that the node is busy. As many as clients send at once.
pub const MAX_UNDER_WAY: usize = 256;

/// How long the other end of a connection may do nothing, and how much is read of it. jsonrpsee pings WebSockets
/// every 30 s, and each answer counts: so no living subscriber is ever idle. Eight megabytes a second are more
/// than an honest client sends, and little enough that refusing all of it is easy.
/// Who was silent for as long as one may be has the time of a whole request left.
pub const STREAM: StreamLimits = StreamLimits {
    idle: Duration::from_secs(75),
    stalled: Duration::from_secs(10),
    unanswered: Duration::from_secs(150),
    bytes_per_second: 8 << 20,
};
/// How long a request may take, its body's arrival included: a body that comes byte by byte holds its place
/// no longer. The slowest honest call, a hundred generated blocks, takes a fraction of it.
pub const REQUEST_WITHIN: Duration = Duration::from_secs(60);
/// How long the header of the first request may take: a slow line's time for some hundred bytes.
pub const HEADER_WITHIN: Duration = Duration::from_secs(8);
/// How often the token of a WebSocket is looked at.
pub const TOKEN_LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the handshake of TLS may take.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How often refusals are told of one address.
pub const WARN_EVERY: Duration = Duration::from_secs(60);

/// Reads of the chain at a time: enough for a busy disk, few enough to leave threads to others.
pub const READS: usize = 16;
/// Light proofs and proofs of transactions made at a time: each reads some thousand records.
pub const PROOFS: usize = 2;
/// How long a call waits to read; then it is told that the node is busy.
pub const READ_WITHIN: Duration = Duration::from_secs(10);
/// Questions to the writer at a time. Its mailbox takes 64 messages, and blocks wait in it, too: so few
/// questions are ever before a block, however many callers there are.
pub const WRITER_QUESTIONS: usize = 4;
/// Heavy calls at a time: whoever asks for many cannot take the disk from all others.
pub const HEAVY_CALLS: usize = 2;

pub fn server_config(max_connections: usize) -> ServerConfig {
    ServerConfig::builder()
        .max_request_body_size(MAX_REQUEST_BYTES)
        .max_response_body_size(MAX_RESPONSE_BYTES)
        // HTTP/2 carries many requests on one connection: this bounds those under way on all of them.
        .max_connections(u32::try_from(max_connections + MAX_OWN_CONNECTIONS).unwrap_or(u32::MAX))
        .max_subscriptions_per_connection(MAX_SUBSCRIPTIONS)
        .set_batch_request_config(BatchRequestConfig::Limit(MAX_BATCH))
        .set_message_buffer_capacity(MESSAGE_BUFFER)
        // Closes the connections of WebSocket clients that have gone without saying so.
        .enable_ws_ping(PingConfig::new())
        .build()
}

//! JSON-RPC: the methods of [`cairn_rpc::methods`], over HTTP and WebSocket on one port, the http
//! `/health`, `/ready` and `/metrics`, and the pages of the explorer.
//!
//! # Map
//! `server/` connections, TLS, HTTP, and the way of a request · `access` who may speak to the port · [`tokens`] what a
//! token allows · `guard/` what stands before every call: scope, rate, parameters, budget · `methods/` the handlers,
//! one file for each namespace · `explorer/` pages for people, made of the same · `subscriptions` heads, moves of the
//! chain, the status of a transaction · `lookup` blocks and transactions as several handlers show them · `context` what
//! handlers have · `error` refusals as codes · `limits` how much anybody may ask · `metrics` what is counted · [`ipc`]
//! the Unix socket of the node's own tools · [`rpc_client`] asking the node that runs on a directory
//!
//! # The path of a call
//! connection (`server::connections`, `server::slow_client`) → `server` → [`RpcConfig::check`] (Host and Origin) →
//! [`identify`](access::identify) (token, or this machine) → jsonrpsee (sizes, length of a batch) → `guard` (scope,
//! depth, rate, names and number of parameters, budget; in batches, too) → a handler, which asks a part through its
//! handle or reads the chain on a blocking thread → the answer, or an [`RpcError`](cairn_rpc::error::RpcError) with its
//! code.
//!
//! # Invariants
//! 1. Without a token callers of this machine may read what is not private and submit transactions, and nobody
//!    else may do anything; where the explorer is public, everybody may read it, and call the methods it needs. What
//!    each method needs stands in [`cairn_rpc::scope`] alone.
//! 2. Handlers convert and ask: they hold no rule and no state.
//! 3. Nothing here makes a part wait for a client: a subscriber that does not read misses headers.
//! 4. A failure of the storage that a handler meets ends this task, and so stops the node.
//!
//! # Looking for ...
//! | what | where |
//! |---|---|
//! | a new RPC method | `CONTRIBUTING.md`; the contract: [`cairn_rpc::methods`] |
//! | block explorer | `explorer/` |
//! | cookie, access tokens, scopes | `tokens/`, `access.rs` |
//! | CORS, DNS rebinding, TLS | `access.rs`, `server/tls.rs` |
//! | metrics, Prometheus | `metrics.rs` |
//! | notifications, ZMQ | `subscriptions.rs` |
//! | rate limits, limits of connections | `guard/rate.rs`, `server/connections.rs`, `limits.rs` |
//! | slow clients | `server/slow_client.rs` |

#![forbid(unsafe_code)]
#![expect(rustdoc::private_intra_doc_links, reason = "the map of a program leads into it")]

mod access;
mod context;
mod error;
mod explorer;
mod guard;
pub mod ipc;
mod limits;
mod lookup;
mod methods;
mod metrics;
pub mod rpc_client;
mod server;
mod subscriptions;
pub mod tokens;

pub use context::{Handles, Services};
pub use explorer::ExplorerConfig;
pub use methods::table_size;
pub use server::tls::lone_certificate;

use cairn_common::clock;
use cairn_common::tasks::{Shutdown, TaskError};
use cairn_ledger::units::Timestamp;
use context::Context;
use explorer::Explorer;
use guard::{CallPolicy, GuardLayer};
use ipc::IpcListener;
use jsonrpsee::server::{Server, ServerHandle, stop_channel};
use jsonrpsee::{RpcModule, server::middleware::rpc::RpcServiceBuilder};
use metrics::Metrics;
use server::{RpcService, ServerState, connections::ConnectionLimits, tls::Tls};
use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokens::{TokenFile, TokenFileError, TokenStore};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tower::Service as _;

/// The task's name.
const NAME: &str = "api";
/// How long open connections are given to end when the node stops.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// How the port is served, and to whom.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// Names besides this machine's by which callers may address the node.
    pub hosts: Vec<String>,
    /// Pages besides this machine's that may ask from a browser, as `https://example.org`.
    pub cors_origins: Vec<String>,
    /// Certificate and key, when it speaks TLS.
    pub tls: Option<TlsFiles>,
    /// The most connections at a time.
    pub max_connections: usize,
    /// The most calls a second from one address.
    pub rate: u32,
    /// The most of all programs of this machine together.
    pub local_rate: u32,
    /// The pages for people.
    pub explorer: ExplorerConfig,
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            tls: None,
            max_connections: 256,
            rate: 10_000,
            // More than a small machine answers: whoever runs here has its processors anyway.
            local_rate: 100_000,
            explorer: ExplorerConfig::default(),
        }
    }
}

/// Why JSON-RPC is not served.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum ApiError {
    #[error("cannot serve JSON-RPC on {address}: {reason}; choose another port with --rpc.listen")]
    Listen { address: SocketAddr, reason: io::Error },
    #[error(
        "others can reach {address}, and there is no access token to tell them apart: make one with \
         `cairn-node token new`, or listen on 127.0.0.1 with --rpc.listen"
    )]
    NoTokens { address: SocketAddr },
    #[error(transparent)]
    Tokens(#[from] TokenFileError),
    #[error("{}: {reason}; expected PEM, a certificate in rpc.tls_cert and its private key in rpc.tls_key", path.display())]
    Tls { path: PathBuf, reason: String },
}

/// Whether somebody could be let in who may reach `address`. Blocks on the disk.
///
/// # Errors
/// Others can reach it, there is no token to tell them apart, and the explorer is not for everybody; or the tokens
/// cannot be read.
pub fn check_callers(
    address: SocketAddr,
    explorer: &ExplorerConfig,
    tokens: &TokenFile,
    now: Timestamp,
) -> Result<(), ApiError> {
    let is_for_all = explorer.enabled && explorer.public;
    if address.ip().is_loopback() || is_for_all || tokens.read()?.iter().any(|record| !record.has_expired(now)) {
        return Ok(());
    }
    Err(ApiError::NoTokens { address })
}

/// Whether a certificate and its key can be used. Blocks on the disk.
///
/// # Errors
/// Says which file is wrong.
pub fn check_tls(files: &TlsFiles) -> Result<(), ApiError> {
    server::tls::read(files).map(drop)
}

/// Serves JSON-RPC on `address`, and for the node's own tools at `own`, where there is such a socket, until the node
/// stops; gives the address it got, with its port.
///
/// # Errors
/// The port cannot be had, or must not be.
pub async fn spawn(
    address: SocketAddr,
    own: Option<IpcListener>,
    config: RpcConfig,
    tokens: TokenFile,
    services: Services,
    shutdown: Shutdown,
) -> Result<(SocketAddr, JoinHandle<Result<(), TaskError>>), ApiError> {
    check_callers(address, &config.explorer, &tokens, clock::now())?;
    let tokens = Arc::new(TokenStore::open(tokens)?);
    let tls = config.tls.clone().map(Tls::open).transpose()?;
    if !address.ip().is_loopback() && tls.is_none() {
        tracing::warn!(
            target: "cairn::api",
            "others can reach JSON-RPC, and tokens travel in clear: set rpc.tls_cert and rpc.tls_key, or put a proxy before it"
        );
    }
    let (failed, failures) = mpsc::channel(1);
    let context = Context::new(services, failed);
    let methods = methods::all(&context).expect("no two methods have one name");
    let refused = |reason| ApiError::Listen { address, reason };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;

    let metrics = Arc::new(Metrics::new());
    let policy = Arc::new(CallPolicy::new(tokens, Arc::clone(&metrics), methods.method_names().collect(), &config));
    let (stop, handle) = stop_channel();
    let rpc = rpc(methods, Arc::clone(&policy), config.max_connections);
    let connections = ConnectionLimits::new(config.max_connections);
    let heads = context.clone().publish_heads();
    let is_served = config.explorer.enabled && (address.ip().is_loopback() || config.explorer.public);
    let explorer =
        is_served.then(|| Explorer::new(context.clone(), Arc::clone(&policy), Arc::clone(&metrics), &config.explorer));
    let state = Arc::new(ServerState { config, policy, metrics, context, rpc, tls, connections, explorer });
    if let Some(own) = own {
        tokio::spawn(server::accept_own(own, Arc::clone(&state), stop.clone()));
    }
    tokio::spawn(server::accept(listener, state, stop));
    Ok((address, tokio::spawn(serve(handle, heads, failures, shutdown))))
}

/// jsonrpsee's service with the guard inside it, once for each request.
fn rpc(methods: RpcModule<()>, policy: Arc<CallPolicy>, max_connections: usize) -> RpcService {
    let guarded = RpcServiceBuilder::new().layer(GuardLayer(policy));
    let builder = Server::builder().set_config(limits::server_config(max_connections)).set_rpc_middleware(guarded);
    let builder = builder.to_service_builder();
    Box::new(move |request, stop| builder.clone().build(methods.clone(), stop).call(request))
}

/// Ends when the node stops, or when a handler met a failure of the storage.
async fn serve(
    server: ServerHandle,
    heads: impl Future<Output = ()>,
    mut failures: mpsc::Receiver<TaskError>,
    mut shutdown: Shutdown,
) -> Result<(), TaskError> {
    let failure = tokio::select! {
        () = shutdown.requested() => None,
        failure = failures.recv() => failure,
        () = heads => None,
    };
    // It fails only when the server has ended already.
    let _ = server.stop();
    if tokio::time::timeout(CLOSE_WITHIN, server.stopped()).await.is_err() {
        tracing::warn!(target: "cairn::api", "some connections were still open and are cut");
    }
    failure.map_or(Ok(()), Err)
}

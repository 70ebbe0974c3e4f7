//! JSON-RPC: the methods of [`cairn_rpc::methods`], over HTTP and WebSocket on one loopback port.
//!
//! # Map
//! `access` who may speak to the port · `limits` how much anybody may ask · `context` what handlers have ·
//! `error` refusals as codes · one file for each namespace: `node` `chain` `state` `tx` `mempool` `mining`
//! `net`
//!
//! # The path of a call
//! connection (bounded) → [`Access`](access::Access) (Host and Origin) → jsonrpsee (sizes, batches,
//! parameters) → a handler, which asks a part through its handle or reads the chain on a blocking thread →
//! the answer, or an [`RpcError`](cairn_rpc::error::RpcError) with its code.
//!
//! # Invariants
//! 1. The port is on loopback; there are no access tokens yet, so whoever reaches it may do everything.
//! 2. Handlers convert and ask: they hold no rule and no state.
//! 3. Nothing here makes a part wait for a client: a subscriber that does not read misses headers.
//! 4. A failure of the storage that a handler meets ends this task, and so stops the node.

pub mod access;
mod chain;
mod context;
mod error;
mod limits;
mod mempool;
mod mining;
mod net;
mod node;
mod state;
mod tx;

pub use context::{Handles, Services};

use crate::tasks::{Shutdown, TaskError};
use access::AccessLayer;
use cairn_rpc::methods::{
    ChainServer as _, MempoolServer as _, MiningServer as _, NetServer as _, NodeServer as _, StateServer as _,
    TxServer as _,
};
use context::Context;
use jsonrpsee::{
    RpcModule,
    server::{RegisterMethodError, Server, ServerHandle},
};
use std::{io, net::SocketAddr, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle};

/// The task's name.
const NAME: &str = "api";
/// How long open connections are given to end when the node stops.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// Why JSON-RPC is not served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve JSON-RPC on {address}: {reason}; choose another port with --rpc.listen")]
pub struct ApiError {
    /// Where.
    pub address: SocketAddr,
    /// What the system said.
    pub reason: io::Error,
}

/// Serves JSON-RPC on `address`, until the node stops; gives the address it got, with its port.
///
/// # Errors
/// The port cannot be had.
pub async fn spawn(
    address: SocketAddr,
    services: Services,
    shutdown: Shutdown,
) -> Result<(SocketAddr, JoinHandle<Result<(), TaskError>>), ApiError> {
    let (failed, failures) = mpsc::channel(1);
    let methods = methods(&Context::new(services, failed)).expect("no two methods have one name");
    let refused = |reason| ApiError { address, reason };
    let middleware = tower::ServiceBuilder::new().layer(AccessLayer);
    let server = Server::builder().set_config(limits::server_config()).set_http_middleware(middleware);
    let server = server.build(address).await.map_err(refused)?;
    let address = server.local_addr().map_err(refused)?;
    Ok((address, tokio::spawn(serve(server.start(methods), failures, shutdown))))
}

/// All methods.
fn methods(context: &Context) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut all = RpcModule::new(());
    all.merge(node::NodeApi(context.clone()).into_rpc())?;
    all.merge(chain::ChainApi(context.clone()).into_rpc())?;
    all.merge(state::StateApi(context.clone()).into_rpc())?;
    all.merge(tx::TxApi(context.clone()).into_rpc())?;
    all.merge(mempool::MempoolApi(context.clone()).into_rpc())?;
    all.merge(mining::MiningApi(context.clone()).into_rpc())?;
    all.merge(net::NetApi(context.clone()).into_rpc())?;
    Ok(all)
}

/// Ends when the node stops, or when a handler met a failure of the storage.
async fn serve(
    server: ServerHandle,
    mut failures: mpsc::Receiver<TaskError>,
    mut shutdown: Shutdown,
) -> Result<(), TaskError> {
    let failure = tokio::select! {
        () = shutdown.requested() => None,
        failure = failures.recv() => failure,
    };
    // It fails only when the server has ended already.
    let _ = server.stop();
    if tokio::time::timeout(CLOSE_WITHIN, server.stopped()).await.is_err() {
        tracing::warn!(target: "cairn::api", "some connections were still open and are cut");
    }
    failure.map_or(Ok(()), Err)
}

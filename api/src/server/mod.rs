//! The server: connections, TLS, and the way of a request to the method or page it asks for.

pub mod compression;
pub mod connections;
pub mod http;
pub mod slow_client;
pub mod tls;

use super::access::{Caller, Refusal, identify};
use super::explorer::{Explorer, PageRequest};
use super::{RpcConfig, context::Context, guard::CallPolicy, limits, metrics::Metrics, tokens::TokenId};
use crate::ipc::IpcListener;
use cairn_common::clock;
use cairn_rpc::error::{Code, RpcError};
use connections::{ClientKind, ConnectionLimits, ConnectionPermit};
use http::Endpoint;
use jsonrpsee::server::{
    HttpBody, HttpRequest, HttpResponse, ServerHandle, StopHandle, serve_with_graceful_shutdown, stop_channel,
};
use jsonrpsee::types::ErrorObjectOwned;
use serde_json::json;
use slow_client::LimitedStream;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{convert::Infallible, future::Future, io, pin::Pin, sync::Arc};
use tls::Tls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::MissedTickBehavior;

/// How long no connection is taken when the system has no more descriptors: time for some to be given back.
const DESCRIPTOR_PAUSE: Duration = Duration::from_secs(1);

/// Answers a request that was let in, until it is told to stop. jsonrpsee's service has a name as long as its
/// middleware.
pub type RpcService = Box<dyn Fn(HttpRequest, StopHandle) -> Answer + Send + Sync>;
/// An answer to come.
pub type Answer = Pin<Box<dyn Future<Output = Result<HttpResponse, Box<dyn std::error::Error + Send + Sync>>> + Send>>;

/// What every connection shares.
pub struct ServerState {
    pub config: RpcConfig,
    pub policy: Arc<CallPolicy>,
    pub metrics: Arc<Metrics>,
    pub context: Context,
    pub rpc: RpcService,
    pub tls: Option<Tls>,
    pub connections: ConnectionLimits,
    /// The explorer, where it is served.
    pub explorer: Option<Explorer>,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
enum Remote {
    /// A tool of the user whom the node runs as, at the Unix socket.
    Own,
    /// Anybody, at the port.
    Tcp {
        /// From where.
        peer: SocketAddr,
        /// To which address of this machine.
        local: IpAddr,
    },
}

/// Takes connections at the port until the node stops.
pub async fn accept(listener: TcpListener, state: Arc<ServerState>, stop: StopHandle) {
    let next = || async {
        let (stream, peer) = listener.accept().await?;
        // On a socket for both, IPv4 callers come as `::ffff:a.b.c.d`: from here on they have their own address.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        Ok(((stream, peer), ClientKind::at(peer.ip())))
    };
    accept_from(next, state, stop, |connection, (stream, peer)| connection.at_the_port(stream, peer)).await;
}

/// Takes connections of the node's own tools until it stops.
pub async fn accept_own(listener: IpcListener, state: Arc<ServerState>, stop: StopHandle) {
    let next = || async { Ok((listener.accept().await?, ClientKind::Own)) };
    let serve =
        |connection: Connection, stream| connection.requests(LimitedStream::new(stream, limits::STREAM), Remote::Own);
    accept_from(next, state, stop, serve).await;
}

async fn accept_from<S, N, A>(
    next: impl Fn() -> N,
    state: Arc<ServerState>,
    stop: StopHandle,
    serve: impl Fn(Connection, S) -> A,
) where
    N: Future<Output = io::Result<(S, ClientKind)>>,
    A: Future<Output = ()> + Send + 'static,
{
    let stopped = stop.clone().shutdown();
    tokio::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = next() => accepted,
            () = &mut stopped => return,
        };
        match accepted {
            Ok((stream, client)) => match state.connections.take(client) {
                Some(permit) => {
                    let (state, permit) = (Arc::clone(&state), Arc::new(permit));
                    tokio::spawn(serve(Connection { state, permit, stop: stop.clone() }, stream));
                }
                // Closed at once: an answer would cost more than the question.
                None => state.metrics.refused("too_many_connections"),
            },
            Err(error) => {
                // Once a second at most, and only while the system has no descriptors left.
                tracing::warn!(target: "cairn::api", %error, "cannot take connections");
                tokio::time::sleep(DESCRIPTOR_PAUSE).await;
            }
        }
    }
}

/// One connection.
struct Connection {
    state: Arc<ServerState>,
    permit: Arc<ConnectionPermit>,
    stop: StopHandle,
}

impl Connection {
    async fn at_the_port(self, stream: TcpStream, peer: SocketAddr) {
        let local = match stream.set_nodelay(true).and_then(|()| stream.local_addr()) {
            Ok(local) => local.ip().to_canonical(),
            Err(error) => {
                tracing::debug!(target: "cairn::api", %peer, %error, "the connection ended before it began");
                return;
            }
        };
        let remote = Remote::Tcp { peer, local };
        let stream = LimitedStream::new(stream, limits::STREAM);
        let Some(tls) = &self.state.tls else { return self.requests(stream, remote).await };
        let tls = tls.acceptor(Instant::now());
        match tokio::time::timeout(limits::HANDSHAKE_WITHIN, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.requests(stream, remote).await,
            Ok(Err(_)) | Err(_) => self.state.metrics.refused("tls"),
        }
    }

    /// Serves the requests of the connection. An upgraded one goes on in a task of jsonrpsee's, and keeps its
    /// permit there, among the extensions of the request that it began with. Who has not sent a whole header in time is
    /// out: silence would hold a permit for as long as a connection may be idle between two requests.
    async fn requests<S>(self, stream: S, remote: Remote)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let has_asked = Arc::new(AtomicBool::new(false));
        let Self { state, permit, stop } = self;
        let (metrics, has_request, ends) = (Arc::clone(&state.metrics), Arc::clone(&has_asked), stop.clone());
        let service = tower::service_fn(move |request: HttpRequest<_>| {
            has_asked.store(true, Ordering::Relaxed);
            let (state, stop) = (Arc::clone(&state), stop.clone());
            let mut request = request.map(HttpBody::new);
            request.extensions_mut().insert(Arc::clone(&permit));
            async move { Ok::<_, Infallible>(answer(&state, request, remote, stop).await) }
        });
        let served = serve_with_graceful_shutdown(stream, service, ends.shutdown());
        tokio::pin!(served);
        let served = tokio::select! {
            served = &mut served => served,
            () = tokio::time::sleep(limits::HEADER_WITHIN) => {
                if !has_request.load(Ordering::Relaxed) {
                    return metrics.refused("no_request");
                }
                served.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(target: "cairn::api", ?remote, %error, "a connection failed");
        }
    }
}

/// Finds out who asks for what, and answers.
async fn answer(state: &ServerState, request: HttpRequest, remote: Remote, stop: StopHandle) -> HttpResponse {
    let Remote::Tcp { peer, local } = remote else {
        let caller = Caller::own(&request, &state.policy.tokens);
        return match Endpoint::of(&request, false) {
            Some(page) => endpoint(state, page).await,
            None => call(state, request, caller, stop).await,
        };
    };
    let address = peer.ip();
    let origin = request.headers().get("origin").and_then(|origin| origin.to_str().ok().map(str::to_owned));
    let named = origin.filter(|origin| state.config.allows_origin(origin));
    let page = Endpoint::of(&request, state.explorer.is_some());
    let is_open = page.is_some_and(Endpoint::is_open);
    let caller = identify(&request, address, &state.policy.tokens, clock::now());
    let is_for_all = state.config.explorer.public && state.explorer.is_some() && page != Some(Endpoint::Metrics);
    let caller = caller.or_else(|refusal| match refusal {
        Refusal::TokenNeeded if is_for_all => Ok(Caller::visitor(&request, address)),
        refusal => Err(refusal),
    });
    // A stranger's connection ends with its answer: one valid request would else hold a permit for as long as it may be
    // idle.
    let is_stranger = caller.is_err();
    let is_compressed = compression::is_accepted(&request);
    let mut response = match (state.config.check(&request, local, is_open), page, caller) {
        (Err(refusal), ..) => refuse(state, refusal, address),
        _ if named.is_some() && request.method().as_str() == "OPTIONS" => http::preflight(),
        (Ok(()), Some(page), _) if is_open => endpoint(state, page).await,
        (Ok(()), _, Err(refusal)) => refuse(state, refusal, address),
        (Ok(()), Some(Endpoint::Explorer), Ok(caller)) => explore(state, PageRequest::of(&request), &caller).await,
        (Ok(()), Some(page), Ok(_)) => endpoint(state, page).await,
        (Ok(()), None, Ok(caller)) => call(state, request, caller, stop).await,
    };
    if is_compressed {
        response = compression::compress(response).await;
    }
    if let Some(origin) = named.and_then(|origin| origin.parse().ok()) {
        response.headers_mut().insert("access-control-allow-origin", origin);
        // Keeps caches from giving one page's answer to another.
        response.headers_mut().append("vary", "origin".parse().expect("a header's value"));
    }
    if is_stranger {
        http::set(&mut response, "connection", "close");
    }
    response
}

async fn explore(state: &ServerState, request: PageRequest, caller: &Caller) -> HttpResponse {
    let Some(explorer) = &state.explorer else { return http::text(404, "the explorer is not served\n") };
    match tokio::time::timeout(limits::REQUEST_WITHIN, explorer.respond(request, caller)).await {
        Ok(response) => response,
        Err(_) => {
            state.metrics.refused("too_slow");
            http::text(408, "the request took too long\n")
        }
    }
}

async fn endpoint(state: &ServerState, endpoint: Endpoint) -> HttpResponse {
    match endpoint {
        Endpoint::Explorer => http::text(404, "the explorer is served at the port alone\n"),
        Endpoint::Health => http::health(),
        Endpoint::Ready => http::ready(&state.context.handles).await,
        Endpoint::Metrics => http::metrics(state.metrics.scrape(&state.context, state.connections.count()).await),
    }
}

async fn call(state: &ServerState, mut request: HttpRequest, caller: Caller, stop: StopHandle) -> HttpResponse {
    // What a WebSocket began with is looked at as long as it stands, and not at its calls alone.
    let token = caller.grant.as_ref().filter(|grant| caller.web_socket && !grant.is_local_admin).map(|grant| grant.id);
    let stop = match token {
        None => stop,
        Some(token) => {
            let (own, ender) = stop_channel();
            tokio::spawn(end_with_token(ender, stop, Arc::clone(&state.policy), token));
            own
        }
    };
    request.extensions_mut().insert(caller);
    // What it was let in by has done its service. jsonrpsee logs whole heads when told to log everything.
    request.headers_mut().remove("authorization");
    *request.uri_mut() = Default::default();
    match tokio::time::timeout(limits::REQUEST_WITHIN, (state.rpc)(request, stop)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::debug!(target: "cairn::api", %error, "a request failed");
            http::text(400, "the request could not be read\n")
        }
        Err(_) => {
            state.metrics.refused("too_slow");
            http::text(408, "the request took too long\n")
        }
    }
}

/// Ends a WebSocket, and with it its subscriptions, once its token allows nothing more, or the node stops.
async fn end_with_token(ender: ServerHandle, stop: StopHandle, policy: Arc<CallPolicy>, token: TokenId) {
    let (over, stopped) = (ender.clone().stopped(), stop.clone().shutdown());
    tokio::pin!(over, stopped);
    let mut look = tokio::time::interval(limits::TOKEN_LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut over => return,
            () = &mut stopped => break,
            _ = look.tick() => if policy.tokens.renew(token, clock::now()).is_err() {
                tracing::info!(target: "cairn::api", %token, "a connection ends with its access token");
                break;
            }
        }
    }
    // It fails only when the connection has ended already.
    let _ = ender.stop();
    over.await;
    // Until here whoever stops the node waited for this connection, too.
    drop(stop);
}

fn refuse(state: &ServerState, refusal: Refusal, address: IpAddr) -> HttpResponse {
    state.policy.warn(address, &refusal);
    let (reason, code) = match refusal {
        Refusal::Host => ("host", None),
        Refusal::Origin => ("origin", None),
        Refusal::TokenNeeded => ("token_needed", Some(Code::TokenNeeded)),
        Refusal::BadToken => ("bad_token", Some(Code::BadToken)),
    };
    state.metrics.refused(reason);
    let Some(code) = code else { return http::text(403, format!("{refusal}\n")) };
    let error = ErrorObjectOwned::from(RpcError::new(code, refusal));
    http::unauthorized(&json!({"jsonrpc": "2.0", "id": null, "error": error}))
}

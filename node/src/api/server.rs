//! The door: connections, TLS, and the way of a request to the method or page it asks for.

use super::{
    access::{AccessRules, Caller, Refusal, identify},
    context::Context,
    guard::Gate,
    limits,
    metrics::Metrics,
    pages,
    places::{Guest, Place, Places},
    slow_client::Patient,
    tls::Tls,
    tokens::TokenId,
};
use crate::ipc::IpcListener;
use cairn_common::clock;
use cairn_rpc::error::{Code, RpcError};
use jsonrpsee::{
    server::{
        HttpBody, HttpRequest, HttpResponse, ServerHandle, StopHandle, serve_with_graceful_shutdown, stop_channel,
    },
    types::ErrorObjectOwned,
};
use serde_json::json;
use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::MissedTickBehavior,
};

/// How long the door stays shut when the system has no more descriptors: time for some to be given back.
const BREATHER: Duration = Duration::from_secs(1);

/// Answers a request that was let in, until it is told to stop. jsonrpsee's service has a name as long as its
/// middleware.
pub(super) type Rpc = Box<dyn Fn(HttpRequest, StopHandle) -> Answer + Send + Sync>;
/// An answer to come.
pub(super) type Answer =
    Pin<Box<dyn Future<Output = Result<HttpResponse, Box<dyn std::error::Error + Send + Sync>>> + Send>>;

/// What every connection shares.
pub(super) struct Door {
    pub rules: AccessRules,
    pub gate: Arc<Gate>,
    pub metrics: Arc<Metrics>,
    pub context: Context,
    pub rpc: Rpc,
    pub tls: Option<Tls>,
    pub places: Places,
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

impl Remote {
    /// Where it is. Who is at the Unix socket is on this machine.
    fn address(self) -> IpAddr {
        match self {
            Self::Own => Ipv4Addr::LOCALHOST.into(),
            Self::Tcp { peer, .. } => peer.ip().to_canonical(),
        }
    }
}

/// Takes connections at the port until the node stops.
pub(super) async fn accept(listener: TcpListener, door: Arc<Door>, stop: StopHandle) {
    let stopped = stop.clone().shutdown();
    tokio::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => return,
        };
        // On a socket for both, IPv4 callers come as `::ffff:a.b.c.d`: from here on they have their own address.
        match accepted.map(|(stream, peer)| (stream, SocketAddr::new(peer.ip().to_canonical(), peer.port()))) {
            Ok((stream, peer)) => match door.places.take(Guest::at(peer.ip())) {
                Some(place) => {
                    let client = Client { door: Arc::clone(&door), place: Arc::new(place), stop: stop.clone() };
                    tokio::spawn(client.at_the_port(stream, peer));
                }
                // Closed at once: an answer would cost more than the question.
                None => door.metrics.refused("too_many_connections"),
            },
            Err(error) => breathe(&error).await,
        }
    }
}

/// Takes connections of the node's own tools until it stops.
pub(super) async fn accept_own(listener: IpcListener, door: Arc<Door>, stop: StopHandle) {
    let stopped = stop.clone().shutdown();
    tokio::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => return,
        };
        match accepted {
            Ok(stream) => match door.places.take(Guest::Own) {
                Some(place) => {
                    let client = Client { door: Arc::clone(&door), place: Arc::new(place), stop: stop.clone() };
                    tokio::spawn(client.requests(Patient::new(stream, limits::PATIENCE), Remote::Own));
                }
                None => door.metrics.refused("too_many_connections"),
            },
            Err(error) => breathe(&error).await,
        }
    }
}

/// Once a second at most, and only while the system has no descriptors left.
async fn breathe(error: &io::Error) {
    tracing::warn!(target: "cairn::api", %error, "cannot take connections");
    tokio::time::sleep(BREATHER).await;
}

/// One connection.
struct Client {
    door: Arc<Door>,
    place: Arc<Place>,
    stop: StopHandle,
}

impl Client {
    async fn at_the_port(self, stream: TcpStream, peer: SocketAddr) {
        let local = match stream.set_nodelay(true).and_then(|()| stream.local_addr()) {
            Ok(local) => local.ip().to_canonical(),
            Err(error) => {
                tracing::debug!(target: "cairn::api", %peer, %error, "the connection ended before it began");
                return;
            }
        };
        let remote = Remote::Tcp { peer, local };
        let stream = Patient::new(stream, limits::PATIENCE);
        let Some(tls) = &self.door.tls else { return self.requests(stream, remote).await };
        let tls = tls.acceptor(Instant::now());
        match tokio::time::timeout(limits::HANDSHAKE_WITHIN, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.requests(stream, remote).await,
            Ok(Err(_)) | Err(_) => self.door.metrics.refused("tls"),
        }
    }

    /// Serves the requests of the connection. An upgraded one goes on in a task of jsonrpsee's, and keeps its
    /// place there, among the extensions of the request that it began with. Who has not sent a whole header in time is
    /// out: silence would hold a place for as long as a connection may be idle between two requests.
    async fn requests<S>(self, stream: S, remote: Remote)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let has_asked = Arc::new(AtomicBool::new(false));
        let Self { door, place, stop } = self;
        let (metrics, asked, ends) = (Arc::clone(&door.metrics), Arc::clone(&has_asked), stop.clone());
        let service = tower::service_fn(move |request: HttpRequest<_>| {
            has_asked.store(true, Ordering::Relaxed);
            let (door, stop) = (Arc::clone(&door), stop.clone());
            let mut request = request.map(HttpBody::new);
            request.extensions_mut().insert(Arc::clone(&place));
            async move { Ok::<_, Infallible>(answer(&door, request, remote, stop).await) }
        });
        let served = serve_with_graceful_shutdown(stream, service, ends.shutdown());
        tokio::pin!(served);
        let served = tokio::select! {
            served = &mut served => served,
            () = tokio::time::sleep(limits::HEADER_WITHIN) => {
                if !asked.load(Ordering::Relaxed) {
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
async fn answer(door: &Door, request: HttpRequest, remote: Remote, stop: StopHandle) -> HttpResponse {
    let Remote::Tcp { local, .. } = remote else {
        let caller = Caller::own(&request, door.gate.book());
        return match pages::find(&request) {
            Some(page) => pages::show(door, page).await,
            None => call(door, request, caller, stop).await,
        };
    };
    let address = remote.address();
    let origin = request.headers().get("origin").and_then(|origin| origin.to_str().ok().map(str::to_owned));
    let named = origin.filter(|origin| door.rules.allows_origin(origin));
    let page = pages::find(&request);
    let is_open = page.is_some_and(pages::Page::is_open);
    let caller = identify(&request, address, door.gate.book(), clock::now());
    // A stranger's connection ends with its answer: one valid request would else hold a place for as long as it may be
    // idle.
    let is_stranger = caller.is_err();
    let mut response = match (door.rules.check(&request, local, is_open), page, caller) {
        (Err(refusal), ..) => refuse(door, refusal, address),
        _ if named.is_some() && request.method().as_str() == "OPTIONS" => pages::preflight(),
        (Ok(()), Some(page), _) if is_open => pages::show(door, page).await,
        (Ok(()), _, Err(refusal)) => refuse(door, refusal, address),
        (Ok(()), Some(page), Ok(_)) => pages::show(door, page).await,
        (Ok(()), None, Ok(caller)) => call(door, request, caller, stop).await,
    };
    if let Some(origin) = named.and_then(|origin| origin.parse().ok()) {
        response.headers_mut().insert("access-control-allow-origin", origin);
        pages::vary_by_origin(&mut response);
    }
    if is_stranger {
        pages::close(&mut response);
    }
    response
}

async fn call(door: &Door, mut request: HttpRequest, caller: Caller, stop: StopHandle) -> HttpResponse {
    // What a WebSocket began with is looked at as long as it stands, and not at its calls alone.
    let token = caller.grant.as_ref().filter(|grant| caller.web_socket && !grant.is_local_admin).map(|grant| grant.id);
    let stop = match token {
        None => stop,
        Some(token) => {
            let (own, ender) = stop_channel();
            tokio::spawn(end_with_token(ender, stop, Arc::clone(&door.gate), token));
            own
        }
    };
    request.extensions_mut().insert(caller);
    // What it was let in by has done its service. jsonrpsee logs whole heads when told to log everything.
    request.headers_mut().remove("authorization");
    *request.uri_mut() = Default::default();
    match tokio::time::timeout(limits::REQUEST_WITHIN, (door.rpc)(request, stop)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::debug!(target: "cairn::api", %error, "a request failed");
            pages::text(400, "the request could not be read\n")
        }
        Err(_) => {
            door.metrics.refused("too_slow");
            pages::text(408, "the request took too long\n")
        }
    }
}

/// Ends a WebSocket, and with it its subscriptions, once its token allows nothing more, or the node stops.
async fn end_with_token(ender: ServerHandle, stop: StopHandle, gate: Arc<Gate>, token: TokenId) {
    let (over, stopped) = (ender.clone().stopped(), stop.clone().shutdown());
    tokio::pin!(over, stopped);
    let mut look = tokio::time::interval(limits::TOKEN_LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut over => return,
            () = &mut stopped => break,
            _ = look.tick() => if gate.book().renew(token, clock::now()).is_err() {
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

fn refuse(door: &Door, refusal: Refusal, address: IpAddr) -> HttpResponse {
    door.gate.warn(address, &refusal);
    let (reason, code) = match refusal {
        Refusal::Host => ("host", None),
        Refusal::Origin => ("origin", None),
        Refusal::TokenNeeded => ("token_needed", Some(Code::TokenNeeded)),
        Refusal::BadToken => ("bad_token", Some(Code::BadToken)),
    };
    door.metrics.refused(reason);
    match code {
        None => pages::text(403, format!("{refusal}\n")),
        Some(code) => {
            let error = ErrorObjectOwned::from(RpcError::new(code, refusal));
            pages::unauthorized(&json!({"jsonrpc": "2.0", "id": null, "error": error}))
        }
    }
}

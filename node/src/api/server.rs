//! The door: connections, TLS, and the way of a request to the method or page it asks for.

use super::{
    ApiError,
    access::{AccessRules, Caller, Refusal, identify},
    config::TlsFiles,
    context::Context,
    guard::Gate,
    limits,
    meters::Meters,
    pages,
    patience::Patient,
};
use crate::clock;
use cairn_rpc::error::{Code, RpcError};
use jsonrpsee::{
    server::{HttpBody, HttpRequest, HttpResponse, StopHandle, serve_with_graceful_shutdown},
    types::ErrorObjectOwned,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::json;
use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// How long the door stays shut when the system has no more descriptors: time for some to be given back.
const BREATHER: Duration = Duration::from_secs(1);

/// Answers a request that was let in. jsonrpsee's service has a name as long as its middleware.
pub(super) type Rpc = Box<dyn Fn(HttpRequest) -> Answer + Send + Sync>;
/// An answer to come.
pub(super) type Answer =
    Pin<Box<dyn Future<Output = Result<HttpResponse, Box<dyn std::error::Error + Send + Sync>>> + Send>>;

/// What every connection shares.
pub(super) struct Door {
    pub rules: AccessRules,
    pub gate: Arc<Gate>,
    pub meters: Arc<Meters>,
    pub context: Context,
    pub rpc: Rpc,
    pub tls: Option<TlsAcceptor>,
    pub places: Places,
}

/// Reads certificate and key.
///
/// # Errors
/// Says which file is wrong.
pub(super) fn tls(files: &TlsFiles) -> Result<TlsAcceptor, ApiError> {
    let broken = |path: &std::path::Path, reason: String| ApiError::Tls { path: path.to_owned(), reason };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&files.certificate).and_then(|certificates| certificates.collect());
    let chain = chain.map_err(|error| broken(&files.certificate, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| broken(&files.key, error.to_string()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| broken(&files.certificate, error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Takes connections until the node stops.
pub(super) async fn accept(listener: TcpListener, door: Arc<Door>, stop: StopHandle) {
    let stopped = stop.clone().shutdown();
    tokio::pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => return,
        };
        match accepted {
            Ok((stream, peer)) => match Places::take(&door, peer.ip()) {
                Some(place) => {
                    tokio::spawn(connection(stream, Arc::new(place), peer, stop.clone()));
                }
                // Closed at once: an answer would cost more than the question.
                None => door.meters.refused("too_many_connections"),
            },
            Err(error) => {
                // Once a second at most, and only while the system has no descriptors left.
                tracing::warn!(target: "cairn::api", %error, "cannot take connections");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, place: Arc<Place>, peer: SocketAddr, stop: StopHandle) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(target: "cairn::api", %peer, %error, "the connection ended before it began");
        return;
    }
    let stream = Patient::new(stream, limits::PATIENCE);
    match place.door.tls.clone() {
        None => requests(stream, place, peer, stop).await,
        Some(tls) => match tokio::time::timeout(limits::HANDSHAKE_WITHIN, tls.accept(stream)).await {
            Ok(Ok(stream)) => requests(stream, place, peer, stop).await,
            Ok(Err(_)) | Err(_) => place.door.meters.refused("tls"),
        },
    }
}

/// Serves the requests of one connection. An upgraded one goes on in a task of jsonrpsee's, and keeps its
/// place there, among the extensions of the request that it began with.
async fn requests<S>(stream: S, place: Arc<Place>, peer: SocketAddr, stop: StopHandle)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = tower::service_fn(move |request: HttpRequest<_>| {
        let place = Arc::clone(&place);
        let mut request = request.map(HttpBody::new);
        request.extensions_mut().insert(Arc::clone(&place));
        async move { Ok::<_, Infallible>(answer(&place.door, request, peer).await) }
    });
    if let Err(error) = serve_with_graceful_shutdown(stream, service, stop.shutdown()).await {
        tracing::debug!(target: "cairn::api", %peer, %error, "a connection failed");
    }
}

/// Finds out who asks for what, and answers.
async fn answer(door: &Door, request: HttpRequest, peer: SocketAddr) -> HttpResponse {
    let origin = request.headers().get("origin").and_then(|origin| origin.to_str().ok().map(str::to_owned));
    let named = origin.filter(|origin| door.rules.allows_origin(origin));
    let mut response = match door.rules.check(&request) {
        Err(refusal) => refuse(door, refusal, peer.ip()),
        Ok(()) if named.is_some() && request.method().as_str() == "OPTIONS" => pages::preflight(),
        Ok(()) => match pages::find(&request) {
            Some(page) if page.is_open() => pages::show(door, page).await,
            page => match identify(&request, peer.ip(), door.gate.book(), clock::now()) {
                Err(refusal) => refuse(door, refusal, peer.ip()),
                Ok(caller) => match page {
                    Some(page) => pages::show(door, page).await,
                    None => call(door, request, caller).await,
                },
            },
        },
    };
    if let Some(origin) = named.and_then(|origin| origin.parse().ok()) {
        response.headers_mut().insert("access-control-allow-origin", origin);
        pages::vary_by_origin(&mut response);
    }
    response
}

async fn call(door: &Door, mut request: HttpRequest, caller: Caller) -> HttpResponse {
    request.extensions_mut().insert(caller);
    // What it was let in by has done its service. jsonrpsee logs whole heads when told to log everything.
    request.headers_mut().remove("authorization");
    *request.uri_mut() = Default::default();
    match tokio::time::timeout(limits::REQUEST_WITHIN, (door.rpc)(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            tracing::debug!(target: "cairn::api", %error, "a request failed");
            pages::text(400, "the request could not be read\n")
        }
        Err(_) => {
            door.meters.refused("too_slow");
            pages::text(408, "the request took too long\n")
        }
    }
}

fn refuse(door: &Door, refusal: Refusal, address: IpAddr) -> HttpResponse {
    door.gate.warn(address, &refusal);
    let (reason, code) = match refusal {
        Refusal::Host => ("host", None),
        Refusal::Origin => ("origin", None),
        Refusal::TokenNeeded => ("token_needed", Some(Code::TokenNeeded)),
        Refusal::BadToken => ("bad_token", Some(Code::BadToken)),
    };
    door.meters.refused(reason);
    match code {
        None => pages::text(403, format!("{refusal}\n")),
        Some(code) => {
            let error = ErrorObjectOwned::from(RpcError::new(code, refusal));
            pages::unauthorized(&json!({"jsonrpc": "2.0", "id": null, "error": error}))
        }
    }
}

/// The connections that may be open.
pub(super) struct Places {
    max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    /// Of addresses elsewhere; as many entries as connections at most.
    by_address: HashMap<IpAddr, usize>,
}

/// One of them; given back when dropped.
struct Place {
    door: Arc<Door>,
    address: Option<IpAddr>,
}

impl Places {
    pub fn new(max: usize) -> Self {
        Self { max, taken: Mutex::default() }
    }

    fn take(door: &Arc<Door>, address: IpAddr) -> Option<Place> {
        let address = Some(address.to_canonical()).filter(|address| !address.is_loopback());
        if !door.places.lock().take(door.places.max, address) {
            return None;
        }
        door.meters.connections.inc();
        Some(Place { door: Arc::clone(door), address })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        // The counts are whole at any moment, and a panic stops the node anyway.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn take(&mut self, max: usize, address: Option<IpAddr>) -> bool {
        if self.all >= max {
            return false;
        }
        if let Some(address) = address {
            let count = self.by_address.get(&address).copied().unwrap_or(0);
            if count >= limits::MAX_CONNECTIONS_PER_ADDRESS {
                return false;
            }
            self.by_address.insert(address, count + 1);
        }
        self.all += 1;
        true
    }

    fn give_back(&mut self, address: Option<IpAddr>) {
        self.all = self.all.saturating_sub(1);
        if let Some(address) = address
            && let Some(count) = self.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.places.lock().give_back(self.address);
        self.door.meters.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_elsewhere_takes_every_place_and_each_is_given_back() {
        let mut taken = Taken::default();
        let one = Some(IpAddr::from([192, 0, 2, 1]));
        let got = (0..1_000).filter(|_| taken.take(100, one)).count();
        assert_eq!(got, limits::MAX_CONNECTIONS_PER_ADDRESS);
        assert!(taken.take(100, Some(IpAddr::from([192, 0, 2, 2]))), "another address");
        let local = (0..1_000).filter(|_| taken.take(100, None)).count();
        assert_eq!(local, 100 - got - 1);
        assert!(!taken.take(100, None));
        (0..got).for_each(|_| taken.give_back(one));
        assert!(taken.take(100, one));
        assert_eq!((taken.all, taken.by_address.len()), (100 - got + 1, 2));
    }
}

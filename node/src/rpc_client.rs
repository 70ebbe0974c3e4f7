//! Asking the node that runs on a data directory, over JSON-RPC, as the user it runs as.
//!
//! At its Unix socket first: that needs no token, speaks no TLS, and has places of its own. Where the file system knows
//! no sockets, at the port.

use crate::ipc;
use cairn_rpc::policy::MAX_RESPONSE_BYTES;
use jsonrpsee::core::{
    ClientError,
    client::{BatchResponse, ClientT},
    params::BatchRequestBuilder,
    traits::ToRpcParams,
};
use jsonrpsee_http_client::{HeaderMap, HeaderValue, HttpClient, HttpClientBuilder};
use jsonrpsee_ws_client::{WsClient, WsClientBuilder};
use serde::de::DeserializeOwned;
use std::{
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    time::Duration,
};

/// Why a node cannot be asked, or says nothing.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Its socket is another user's.
    #[error("its Unix socket, {}, is not for this user ({reason})", ipc::SOCKET_NAME)]
    Denied {
        /// What the system said.
        reason: io::Error,
    },
    /// Neither socket nor port.
    #[error("nobody answers at its Unix socket, {} ({socket}), and at its port {address}: {port}", ipc::SOCKET_NAME)]
    Unreachable {
        /// What the system said of the socket.
        socket: io::Error,
        /// Where the port is.
        address: SocketAddr,
        /// Why it was not asked there, or what came of it.
        port: PortError,
    },
    /// It takes connections, and does not answer.
    #[error("it does not answer within {} s", within.as_secs())]
    Silent {
        /// How long it was given.
        within: Duration,
    },
    /// It refuses, or what it answers cannot be read.
    #[error("{0}")]
    Call(ClientError),
}

/// Why the port does not help where there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// It speaks TLS.
    #[error("it speaks TLS, for which this program has no certificate")]
    Tls,
    /// There is no token to ask with.
    #[error("there is no access token to ask with, admin.token: {0}")]
    Token(io::Error),
    /// What is in the file is no token.
    #[error("admin.token holds no access token")]
    NoToken,
    /// It does not answer, or refuses.
    #[error("{0}")]
    Call(ClientError),
}

/// Where a node is asked.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// Its data directory, with the socket and the token.
    pub data_dir: &'a Path,
    /// Where it serves JSON-RPC.
    pub port: SocketAddr,
    /// Whether it speaks TLS there.
    pub is_tls: bool,
}

/// A node that can be asked.
pub struct Client {
    line: Line,
    within: Duration,
    /// Why it is not asked at its socket, where it is asked at its port.
    port: Option<(io::ErrorKind, SocketAddr)>,
}

enum Line {
    Socket(WsClient),
    Port(HttpClient),
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("port", &self.port).finish_non_exhaustive()
    }
}

/// A client of the node; an answer may take as long as `within`.
///
/// # Errors
/// The node's socket is another user's, or nobody takes the call there, or there is neither socket nor token.
pub async fn client(way: Way<'_>, within: Duration) -> Result<Client, AskError> {
    let socket = match ipc::connect(way.data_dir).await {
        Ok(stream) => {
            let client = WsClientBuilder::default().connection_timeout(within).request_timeout(within);
            let client = client.max_response_size(MAX_RESPONSE_BYTES).build_with_stream("ws://localhost", stream);
            let line = match tokio::time::timeout(within, client).await {
                Ok(client) => client.map_err(AskError::Call)?,
                Err(_) => return Err(AskError::Silent { within }),
            };
            return Ok(Client { line: Line::Socket(line), within, port: None });
        }
        Err(reason) if reason.kind() == io::ErrorKind::PermissionDenied => return Err(AskError::Denied { reason }),
        Err(socket) => socket,
    };
    let (kind, address) = (socket.kind(), reachable(way.port));
    match at_port(way, address, within) {
        Ok(client) => Ok(Client { line: Line::Port(client), within, port: Some((kind, address)) }),
        Err(port) => Err(AskError::Unreachable { socket, address, port }),
    }
}

fn at_port(way: Way<'_>, address: SocketAddr, within: Duration) -> Result<HttpClient, PortError> {
    if way.is_tls {
        return Err(PortError::Tls);
    }
    let token = fs::read_to_string(way.data_dir.join("admin.token")).map_err(PortError::Token)?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| PortError::NoToken)?;
    value.set_sensitive(true);
    let headers = HeaderMap::from_iter([("authorization".parse().map_err(|_| PortError::NoToken)?, value)]);
    let client = HttpClientBuilder::default().request_timeout(within).set_headers(headers);
    client.max_response_size(MAX_RESPONSE_BYTES).build(format!("http://{address}")).map_err(PortError::Call)
}

impl Client {
    /// What went wrong, told apart as far as it can be.
    pub fn explain(&self, error: ClientError) -> AskError {
        match (error, self.port) {
            (ClientError::RequestTimeout, _) => AskError::Silent { within: self.within },
            (error @ ClientError::Transport(_), Some((kind, address))) => {
                AskError::Unreachable { socket: kind.into(), address, port: PortError::Call(error) }
            }
            (error, _) => AskError::Call(error),
        }
    }
}

impl ClientT for Client {
    async fn notification<P: ToRpcParams + Send>(&self, method: &str, params: P) -> Result<(), ClientError> {
        match &self.line {
            Line::Socket(client) => client.notification(method, params).await,
            Line::Port(client) => client.notification(method, params).await,
        }
    }

    async fn request<R: DeserializeOwned, P: ToRpcParams + Send>(
        &self,
        method: &str,
        params: P,
    ) -> Result<R, ClientError> {
        match &self.line {
            Line::Socket(client) => client.request(method, params).await,
            Line::Port(client) => client.request(method, params).await,
        }
    }

    async fn batch_request<'a, R: DeserializeOwned + fmt::Debug + 'a>(
        &self,
        batch: BatchRequestBuilder<'a>,
    ) -> Result<BatchResponse<'a, R>, ClientError> {
        match &self.line {
            Line::Socket(client) => client.batch_request(batch).await,
            Line::Port(client) => client.batch_request(batch).await,
        }
    }
}

/// Where this machine reaches what listens on `address`.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

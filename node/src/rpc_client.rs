//! Asking the node that runs on a data directory, over JSON-RPC, as the user it runs as.
//!
//! At its Unix socket first: that needs no token, speaks no TLS, and has places of its own. Where the file system knows
//! no sockets, at the port.

use crate::system::ipc;
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
pub enum RpcClientError {
    #[error("its Unix socket, {}, is not for this user ({reason})", ipc::SOCKET_NAME)]
    Denied { reason: io::Error },
    #[error("nobody answers at its Unix socket, {} ({socket}), and at its port {address}: {port}", ipc::SOCKET_NAME)]
    Unreachable { socket: io::Error, address: SocketAddr, port: PortError },
    #[error("it does not answer within {} s", within.as_secs())]
    Silent { within: Duration },
    #[error("{0}")]
    Call(ClientError),
}

/// Why the port does not help where there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    #[error("it speaks TLS, for which this program has no certificate")]
    Tls,
    #[error("there is no access token to ask with, admin.token: {0}")]
    Token(io::Error),
    #[error("admin.token holds no access token")]
    NoToken,
    #[error("{0}")]
    Call(ClientError),
}

/// Where a node is asked.
#[derive(Clone, Copy, Debug)]
pub struct NodeAddress<'a> {
    /// Its data directory, with the socket and the token.
    pub data_dir: &'a Path,
    /// Where it serves JSON-RPC.
    pub port: SocketAddr,
    /// Whether it speaks TLS there.
    pub is_tls: bool,
}

/// A node that can be asked.
pub struct LocalClient {
    transport: Transport,
    within: Duration,
    /// Why it is not asked at its socket, where it is asked at its port.
    port: Option<(io::ErrorKind, SocketAddr)>,
}

enum Transport {
    Socket(WsClient),
    Port(HttpClient),
}

impl fmt::Debug for LocalClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("port", &self.port).finish_non_exhaustive()
    }
}

/// A client of the node; an answer may take as long as `within`.
///
/// # Errors
/// The node's socket is another user's, or nobody takes the call there, or there is neither socket nor token.
pub async fn client(node: NodeAddress<'_>, within: Duration) -> Result<LocalClient, RpcClientError> {
    let socket = match ipc::connect(node.data_dir).await {
        Ok(stream) => {
            let client = WsClientBuilder::default().connection_timeout(within).request_timeout(within);
            let client = client.max_response_size(MAX_RESPONSE_BYTES).build_with_stream("ws://localhost", stream);
            let transport = match tokio::time::timeout(within, client).await {
                Ok(client) => client.map_err(RpcClientError::Call)?,
                Err(_) => return Err(RpcClientError::Silent { within }),
            };
            return Ok(LocalClient { transport: Transport::Socket(transport), within, port: None });
        }
        Err(reason) if reason.kind() == io::ErrorKind::PermissionDenied => {
            return Err(RpcClientError::Denied { reason });
        }
        Err(socket) => socket,
    };
    let (kind, address) = (socket.kind(), reachable(node.port));
    match at_port(node, address, within) {
        Ok(client) => Ok(LocalClient { transport: Transport::Port(client), within, port: Some((kind, address)) }),
        Err(port) => Err(RpcClientError::Unreachable { socket, address, port }),
    }
}

fn at_port(node: NodeAddress<'_>, address: SocketAddr, within: Duration) -> Result<HttpClient, PortError> {
    if node.is_tls {
        return Err(PortError::Tls);
    }
    let token = fs::read_to_string(node.data_dir.join("admin.token")).map_err(PortError::Token)?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| PortError::NoToken)?;
    value.set_sensitive(true);
    let headers = HeaderMap::from_iter([("authorization".parse().map_err(|_| PortError::NoToken)?, value)]);
    let client = HttpClientBuilder::default().request_timeout(within).set_headers(headers);
    client.max_response_size(MAX_RESPONSE_BYTES).build(format!("http://{address}")).map_err(PortError::Call)
}

impl LocalClient {
    /// What went wrong, told apart as far as it can be.
    pub fn explain(&self, error: ClientError) -> RpcClientError {
        match (error, self.port) {
            (ClientError::RequestTimeout, _) => RpcClientError::Silent { within: self.within },
            (error @ ClientError::Transport(_), Some((kind, address))) => {
                RpcClientError::Unreachable { socket: kind.into(), address, port: PortError::Call(error) }
            }
            (error, _) => RpcClientError::Call(error),
        }
    }
}

impl ClientT for LocalClient {
    async fn notification<P: ToRpcParams + Send>(&self, method: &str, params: P) -> Result<(), ClientError> {
        match &self.transport {
            Transport::Socket(client) => client.notification(method, params).await,
            Transport::Port(client) => client.notification(method, params).await,
        }
    }

    async fn request<R: DeserializeOwned, P: ToRpcParams + Send>(
        &self,
        method: &str,
        params: P,
    ) -> Result<R, ClientError> {
        match &self.transport {
            Transport::Socket(client) => client.request(method, params).await,
            Transport::Port(client) => client.request(method, params).await,
        }
    }

    async fn batch_request<'a, R: DeserializeOwned + fmt::Debug + 'a>(
        &self,
        batch: BatchRequestBuilder<'a>,
    ) -> Result<BatchResponse<'a, R>, ClientError> {
        match &self.transport {
            Transport::Socket(client) => client.batch_request(batch).await,
            Transport::Port(client) => client.batch_request(batch).await,
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

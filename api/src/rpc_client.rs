//! Asking the node that runs on a data directory, over JSON-RPC, as the user it runs as.
//!
//! At its Unix socket first: that needs no token, speaks no TLS, and has places of its own. Where the file system knows
//! no sockets, at the port.

use crate::ipc;
use cairn_host::inert::in_short;
use cairn_rpc::methods::NodeClient;
use cairn_rpc::policy::MAX_RESPONSE_BYTES;
use cairn_rpc::types::NodeInfo;
use jsonrpsee::core::ClientError;
use jsonrpsee_ws_client::{HeaderMap, HeaderValue, WsClient, WsClientBuilder};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::{fs, io, path::Path, time::Duration};

/// The most that another node may say of itself.
const MAX_INFO_BYTES: u32 = 1 << 20;

/// Why a node cannot be asked, or says nothing.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum RpcClientError {
    #[error("its Unix socket, {}, is not for this user ({reason})", ipc::SOCKET_NAME)]
    Denied { reason: io::Error },
    #[error("nobody answers at its Unix socket, {} ({socket}), and at its port {address}: {port}", ipc::SOCKET_NAME)]
    Unreachable { socket: io::Error, address: SocketAddr, port: String },
    #[error("it does not answer within {} s", within.as_secs())]
    Silent { within: Duration },
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

/// Asks a node; an answer may take as long as `within`.
///
/// # Errors
/// The node's socket is another user's, or nobody takes the call there, or there is neither socket nor token; or the
/// call failed.
pub async fn ask<T>(
    node: NodeAddress<'_>,
    within: Duration,
    question: impl AsyncFnOnce(&WsClient) -> Result<T, ClientError>,
) -> Result<T, RpcClientError> {
    let client = tokio::time::timeout(within, connect(node, within)).await;
    let client = client.map_err(|_| RpcClientError::Silent { within })??;
    question(&client).await.map_err(|error| match error {
        ClientError::RequestTimeout => RpcClientError::Silent { within },
        error => RpcClientError::Call(error),
    })
}

async fn connect(node: NodeAddress<'_>, within: Duration) -> Result<WsClient, RpcClientError> {
    let client = WsClientBuilder::default().connection_timeout(within).request_timeout(within);
    let client = client.max_response_size(MAX_RESPONSE_BYTES);
    match ipc::connect(node.data_dir).await {
        Ok(stream) => client.build_with_stream("ws://localhost", stream).await.map_err(RpcClientError::Call),
        Err(reason) if reason.kind() == io::ErrorKind::PermissionDenied => Err(RpcClientError::Denied { reason }),
        Err(socket) => {
            let address = reachable(node.port);
            let connected = at_port(node, address, client).await;
            connected.map_err(|port| RpcClientError::Unreachable { socket, address, port })
        }
    }
}

/// Asks at the port, where there is no socket.
///
/// # Errors
/// Why that does not help.
async fn at_port(node: NodeAddress<'_>, address: SocketAddr, client: WsClientBuilder) -> Result<WsClient, String> {
    if node.is_tls {
        return Err(String::from("it speaks TLS, for which this program has no certificate"));
    }
    let token = fs::read_to_string(node.data_dir.join("admin.token"));
    let token = token.map_err(|error| format!("there is no access token to ask with, admin.token: {error}"))?;
    let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
    let mut value = value.map_err(|_| String::from("admin.token holds no access token"))?;
    value.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert("authorization", value);
    client.set_headers(headers).build(format!("ws://{address}")).await.map_err(|error| error.to_string())
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

/// What another node at a URL, such as `http://127.0.0.1:29751`, says of itself, as anybody is told it.
///
/// # Errors
/// Why it says nothing, as words.
pub async fn info_of(url: &str, within: Duration) -> Result<NodeInfo, String> {
    let Some(authority) = url.strip_prefix("http://") else {
        return Err(String::from("it speaks TLS, and is asked by browsers alone"));
    };
    let client = WsClientBuilder::default().connection_timeout(within).request_timeout(within);
    let client = client.max_response_size(MAX_INFO_BYTES).build(format!("ws://{authority}"));
    let asked = async { client.await?.node_info().await };
    match tokio::time::timeout(within, asked).await {
        Ok(Ok(info)) => Ok(info),
        Ok(Err(ClientError::RequestTimeout)) | Err(_) => Err(format!("not within {} ms", within.as_millis())),
        Ok(Err(error)) => Err(in_short(&error.to_string())),
    }
}

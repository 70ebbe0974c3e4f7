//! Asking the node that runs on a data directory, over JSON-RPC, as the user it runs as.

use jsonrpsee::core::ClientError;
use jsonrpsee_http_client::{HeaderMap, HeaderValue, HttpClient, HttpClientBuilder};
use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    time::Duration,
};

/// Why a node cannot be asked, or says nothing.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Its token cannot be read.
    #[error("its access token, admin.token, cannot be read: {0}")]
    Token(#[from] io::Error),
    /// What is in the file is no token.
    #[error("admin.token holds no access token")]
    NoToken,
    /// It does not answer, or refuses.
    #[error("{0}")]
    Call(#[from] ClientError),
}

/// A client of the node that serves JSON-RPC on `address` and has its tokens in `data_dir`; an answer may take as long
/// as `within`.
///
/// # Errors
/// There is no token to ask with.
pub fn client(address: SocketAddr, data_dir: &Path, within: Duration) -> Result<HttpClient, AskError> {
    let token = fs::read_to_string(data_dir.join("admin.token"))?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| AskError::NoToken)?;
    value.set_sensitive(true);
    let headers = HeaderMap::from_iter([("authorization".parse().map_err(|_| AskError::NoToken)?, value)]);
    let client = HttpClientBuilder::default().request_timeout(within).set_headers(headers);
    Ok(client.build(format!("http://{}", reachable(address)))?)
}

/// Where this machine reaches what listens on `address`.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

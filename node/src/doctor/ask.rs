//! Asking a running node over JSON-RPC, as the user it runs as.

use cairn_rpc::{
    methods::{NetClient, NodeClient},
    types::{NetInfo, NodeInfo, PeerJson},
};
use jsonrpsee::core::ClientError;
use jsonrpsee_http_client::{HeaderMap, HeaderValue, HttpClientBuilder};
use std::{fs, io, net::SocketAddr, path::Path, time::Duration};

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(10);

/// What a node says of itself.
pub(super) struct Answers {
    pub(super) node: NodeInfo,
    pub(super) net: NetInfo,
    pub(super) peers: Vec<PeerJson>,
}

/// Why it says nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
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

/// Asks the node that serves JSON-RPC on `address` and has its tokens in `data_dir`.
pub(super) async fn ask(address: SocketAddr, data_dir: &Path) -> Result<Answers, AskError> {
    let token = fs::read_to_string(data_dir.join("admin.token"))?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| AskError::NoToken)?;
    value.set_sensitive(true);
    let headers = HeaderMap::from_iter([("authorization".parse().map_err(|_| AskError::NoToken)?, value)]);
    let client = HttpClientBuilder::default().request_timeout(WITHIN).set_headers(headers);
    let client = client.build(format!("http://{address}"))?;
    Ok(Answers { node: client.node_info().await?, net: client.net_info().await?, peers: client.net_peers().await? })
}

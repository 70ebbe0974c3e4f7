//! What an operator may say about the port.

use std::path::PathBuf;

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
        Self { hosts: Vec::new(), cors_origins: Vec::new(), tls: None, max_connections: 256, rate: 10_000 }
    }
}

//! TLS, with a certificate that may be renewed while the node runs: whoever renews it replaces the files, and the next
//! callers are shown the new one.

use super::{ApiError, config::TlsFiles};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at, when callers come.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What tells that a file was replaced or written.
type Stamp = Option<(u64, i64, i64, u64)>;

/// The certificate in use, and the files it came from.
pub(super) struct Tls {
    files: TlsFiles,
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    /// Of the files it was read from, or that could not be used when they were last tried.
    stamps: [Stamp; 2],
    looked: Instant,
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// Says which file is wrong.
    pub fn open(files: TlsFiles) -> Result<Self, ApiError> {
        let stamps = stamps(&files);
        let current = Current { acceptor: read(&files)?, stamps, looked: Instant::now() };
        Ok(Self { files, current: Mutex::new(current) })
    }

    /// What the next caller is served with. Files that changed are read anew; where they are no pair, as in the middle
    /// of a renewal, the one that was good stays in use and they are tried again. Blocks on the disk, for two small
    /// files.
    pub fn acceptor(&self, now: Instant) -> TlsAcceptor {
        // What is inside is whole at any moment, and a panic stops the node anyway.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(current.looked) < LOOK_EVERY {
            return current.acceptor.clone();
        }
        current.looked = now;
        let stamps = stamps(&self.files);
        if stamps != current.stamps {
            current.stamps = stamps;
            match read(&self.files) {
                Ok(acceptor) => {
                    current.acceptor = acceptor;
                    tracing::info!(target: "cairn::api", certificate = %self.files.certificate.display(), "a renewed certificate is in use");
                }
                Err(error) => tracing::warn!(
                    target: "cairn::api", %error, "the certificate was changed and cannot be used; the one before it stays in use"
                ),
            }
        }
        current.acceptor.clone()
    }
}

fn stamps(files: &TlsFiles) -> [Stamp; 2] {
    let stamp =
        |path: &Path| fs::metadata(path).ok().map(|file| (file.ino(), file.mtime(), file.mtime_nsec(), file.len()));
    [stamp(&files.certificate), stamp(&files.key)]
}

/// Reads certificate and key, and sees that they belong together.
pub(super) fn read(files: &TlsFiles) -> Result<TlsAcceptor, ApiError> {
    let broken = |path: &Path, reason: String| ApiError::Tls { path: path.to_owned(), reason };
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

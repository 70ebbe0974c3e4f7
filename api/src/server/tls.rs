//! TLS, with a certificate that may be renewed while the node runs: whoever renews it replaces the files, and the next
//! callers are shown the new one.

use crate::{ApiError, TlsFiles};
use cairn_host::file_stamp::FileStamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, crypto::ring, pki_types::pem::PemObject};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at, when callers come.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The certificate in use, and the files it came from.
pub struct Tls {
    files: TlsFiles,
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    /// Of the files it was read from, or that could not be used when they were last tried.
    stamps: [Option<FileStamp>; 2],
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

fn stamps(files: &TlsFiles) -> [Option<FileStamp>; 2] {
    [FileStamp::of(&files.certificate), FileStamp::of(&files.key)]
}

/// Reads certificate and key, and sees that they belong together.
pub fn read(files: &TlsFiles) -> Result<TlsAcceptor, ApiError> {
    let chain = chain(files)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| broken(&files.key, error.to_string()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| broken(&files.certificate, error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn chain(files: &TlsFiles) -> Result<Vec<CertificateDer<'static>>, ApiError> {
    let chain = CertificateDer::pem_file_iter(&files.certificate).and_then(|certificates| certificates.collect());
    chain.map_err(|error| broken(&files.certificate, error.to_string()))
}

fn broken(path: &Path, reason: String) -> ApiError {
    ApiError::Tls { path: path.to_owned(), reason }
}

/// The SHA-256 of a certificate that stands alone in its file, in hex, which goes into a pairing line; `None` where
/// those of an authority follow, by which it is known to everybody: one that stands alone is signed by itself, or by
/// somebody whom few know.
///
/// # Errors
/// Names a file that holds no certificate.
pub fn lone_certificate(files: &TlsFiles) -> Result<Option<String>, ApiError> {
    match chain(files)?.as_slice() {
        [] => Err(broken(&files.certificate, String::from("it holds no certificate"))),
        [alone] => Ok(Some(hex::encode(Sha256::digest(alone)))),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A certificate of 16 bytes, as far as PEM can tell.
    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAECAwQFBgcICQoLDA0ODw==\n-----END CERTIFICATE-----\n";

    #[test]
    fn a_certificate_is_named_itself_when_it_stands_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("cert.pem");
        let files = TlsFiles { certificate: path.clone(), key: path.clone() };
        let of = |text: &str| {
            fs::write(&path, text).expect("written");
            lone_certificate(&files)
        };
        let hash = hex::encode(Sha256::digest((0..16).collect::<Vec<u8>>()));
        assert_eq!(of(PEM).expect("one"), Some(hash));
        assert_eq!(of(&PEM.repeat(2)).expect("with an authority's"), None);
        for broken in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            assert!(of(broken).is_err_and(|error| error.to_string().contains("cert.pem")), "{broken}");
        }
    }
}

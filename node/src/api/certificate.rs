//! The certificate as others have to know it: what `token new` puts into a pairing line.

use super::{ApiError, config::TlsFiles};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};

/// The SHA-256 of a certificate that stands alone in its file, in hex; `None` where those of an authority follow, by
/// which it is known to everybody: one that stands alone is signed by itself, or by somebody whom few know.
///
/// # Errors
/// Names a file that holds no certificate.
pub fn lone_certificate(files: &TlsFiles) -> Result<Option<String>, ApiError> {
    let path = &files.certificate;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(|certificates| certificates.collect());
    let chain = chain.map_err(|error| ApiError::Tls { path: path.clone(), reason: error.to_string() })?;
    match chain.as_slice() {
        [] => Err(ApiError::Tls { path: path.clone(), reason: String::from("it holds no certificate") }),
        [alone] => Ok(Some(hex::encode(Sha256::digest(alone)))),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of 16 bytes, as far as PEM can tell.
    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAECAwQFBgcICQoLDA0ODw==\n-----END CERTIFICATE-----\n";

    #[test]
    fn a_certificate_is_named_itself_when_it_stands_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("cert.pem");
        let files = TlsFiles { certificate: path.clone(), key: path.clone() };
        let of = |text: &str| {
            std::fs::write(&path, text).expect("written");
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

//! Where a node is, and how the wallet knows that it is that one.
//!
//! `http://HOST:PORT` says nothing about who answers: it is for this machine, or behind a tunnel. `https://HOST:PORT`
//! is a node whose certificate is signed by somebody this machine trusts, for that name. A node that signed its own
//! certificate is known by it alone: `https://HOST:PORT?cert=SHA256`, as `cairn-node token new` prints it. The hash is
//! that of the whole certificate; whoever answers has to hold its key, and neither names nor dates matter then.

use cairn_host::Inert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme};
use sha2::{Digest, Sha256};
use std::{error::Error, fmt, io, str::FromStr, sync::Arc};

/// What stands before the hash of a certificate.
const PIN: &str = "?cert=";

/// The place of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeUrl {
    /// The URL alone.
    pub base: String,
    pin: Option<[u8; 32]>,
}

/// Text that is no place of a node. It does not quote it: that may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeUrlError {
    /// Another scheme, or none.
    #[error("it begins neither with http:// nor with https://")]
    Scheme,
    /// No host.
    #[error("it names no host")]
    Host,
    /// Something behind the address that is not the hash of a certificate.
    #[error("only ?cert= may follow the host and port, and after it the SHA-256 of a certificate, 64 hex digits")]
    Query,
    /// A certificate where none is shown.
    #[error("?cert= goes with https:// alone")]
    PinWithoutTls,
}

impl NodeUrl {
    /// Whether who asks for `url` means this place: the same URL, and no other certificate.
    pub fn is_meant_by(&self, url: &Self) -> bool {
        self.base == url.base && url.pin.is_none_or(|pin| self.pin == Some(pin))
    }

    /// How to know the node, where that is by its own certificate.
    pub fn pinned(&self) -> Option<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(Pinned { hash: self.pin?, provider: Arc::clone(&provider) });
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("ring has the ciphers of both versions");
        Some(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
    }
}

impl FromStr for NodeUrl {
    type Err = NodeUrlError;

    fn from_str(text: &str) -> Result<Self, NodeUrlError> {
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return Err(NodeUrlError::Scheme);
        }
        let (base, pin) = match text.split_once(PIN) {
            Some((base, hash)) => {
                let mut pin = [0; 32];
                // As openssl prints it, in capitals and with colons, too.
                let digits: String = hash.chars().filter(|c| *c != ':').collect();
                hex::decode_to_slice(digits, &mut pin).map_err(|_| NodeUrlError::Query)?;
                (base, Some(pin))
            }
            None => (text, None),
        };
        if base.contains(['?', '#']) {
            return Err(NodeUrlError::Query);
        }
        if base.split_once("://").is_none_or(|(_, place)| place.is_empty() || place.starts_with('/')) {
            return Err(NodeUrlError::Host);
        }
        if pin.is_some() && !base.starts_with("https://") {
            return Err(NodeUrlError::PinWithoutTls);
        }
        Ok(Self { base: base.trim_end_matches('/').to_owned(), pin })
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)?;
        self.pin.map_or(Ok(()), |pin| write!(f, "{PIN}{}", hex::encode(pin)))
    }
}

/// Takes one certificate, and no other.
#[derive(Debug)]
struct Pinned {
    hash: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let hash: [u8; 32] = Sha256::digest(certificate).into();
        if hash == self.hash {
            return Ok(ServerCertVerified::assertion());
        }
        Err(TlsError::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with a node's certificate, where that is why it was not asked.
pub fn certificate_error(error: &(dyn Error + Send + Sync + 'static)) -> Option<String> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(TlsError::InvalidCertificate(why)) = error.downcast_ref() {
            return Some(match why {
                CertificateError::ApplicationVerificationFailure => {
                    String::from("its certificate is not the one that was named")
                }
                why => Inert(&format!("its certificate cannot be trusted ({why})")).to_string(),
            });
        }
        // An error of the system's kind gives the cause of what is in it, and what is in it only when asked.
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = inside.map(|inside| inside as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for text in
            ["http://127.0.0.1:9741", "https://node.example.org:9741", &format!("https://[::1]:9741?cert={HASH}")]
        {
            let url: NodeUrl = text.parse().expect(text);
            assert_eq!((url.to_string().as_str(), url.pinned().is_some()), (text, text.contains("cert")));
        }
        let capitals: String =
            HASH.to_uppercase().as_bytes().chunks(2).flat_map(|two| [two, b":"].concat()).map(char::from).collect();
        let pinned = format!("https://x?cert={HASH}");
        for same in [format!("https://x/?cert={HASH}"), format!("https://x?cert={}", capitals.trim_end_matches(':'))] {
            assert_eq!(same.parse::<NodeUrl>().map(|url| url.to_string()).as_ref(), Ok(&pinned), "{same}");
        }
    }

    #[test]
    fn what_is_no_place_of_a_node_is_refused() {
        for (text, why) in [
            ("", NodeUrlError::Scheme),
            ("127.0.0.1:9741", NodeUrlError::Scheme),
            ("ftp://x", NodeUrlError::Scheme),
            ("HTTPS://x", NodeUrlError::Scheme),
            ("http://", NodeUrlError::Host),
            ("https:///x", NodeUrlError::Host),
            (&format!("https://?cert={HASH}"), NodeUrlError::Host),
            ("https://x?cert=00", NodeUrlError::Query),
            ("https://x?cert=", NodeUrlError::Query),
            ("https://x?crt=00", NodeUrlError::Query),
            ("https://x#a", NodeUrlError::Query),
            (&format!("https://x?cert={HASH}&x=1"), NodeUrlError::Query),
            (&format!("http://x?cert={HASH}"), NodeUrlError::PinWithoutTls),
        ] {
            assert_eq!(text.parse::<NodeUrl>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_token_goes_to_the_certificate_it_came_with_and_to_no_other() {
        let url = |text: &str| text.parse::<NodeUrl>().expect(text);
        let paired = url(&format!("https://x?cert={HASH}"));
        assert!(paired.is_meant_by(&url("https://x")) && paired.is_meant_by(&paired));
        for other in [format!("https://x?cert={}", HASH.replace('0', "1")), "http://x".into(), "https://x:1".into()] {
            assert!(!paired.is_meant_by(&url(&other)), "{other}");
        }
        assert!(!url("https://x").is_meant_by(&paired), "who names a certificate means no other");
    }
}

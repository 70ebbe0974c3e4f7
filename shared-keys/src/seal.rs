//! Encryption under members' own keys, so that a shared key needs no further password: for oneself, and from
//! one member to another (static Diffie-Hellman, which also says who it is from).

use crate::tagged;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use musig2::secp::{Point, Scalar};
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 24;
/// The longest text that is sealed or opened.
const MAX_PLAIN_BYTES: usize = 16 << 10;

/// What cannot be opened: a wrong key, or changed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not open: it was sealed for another key, or changed")]
pub struct SealError;

/// A key that seals.
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// For what only the owner of `secret` shall read.
    pub fn own(secret: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*tagged("cairn/seal-own", &[secret]).as_bytes()))
    }

    /// For what `from` writes and `to` reads, in the ceremony or session `id`. Both compute the same key, each
    /// from its own secret and the other's address.
    ///
    /// # Errors
    /// Bytes that are no key.
    pub fn pair(secret: &[u8; 32], from: &[u8; 32], to: &[u8; 32], id: &[u8]) -> Result<Self, SealError> {
        let scalar = Scalar::from_slice(secret).map_err(|_| SealError)?;
        let own = scalar.base_point_mul().serialize_xonly();
        let other = if own == *from { to } else { from };
        // The x coordinate alone: it is the same whichever of its two points an address stands for.
        let point: Point = Point::lift_x(*other).map_err(|_| SealError)? * scalar;
        let shared = Zeroizing::new(point.serialize_xonly());
        Ok(Self(Zeroizing::new(*tagged("cairn/seal-pair", &[shared.as_ref(), from, to, id]).as_bytes())))
    }

    /// Encrypts; `context` is bound to it. `nonce` is fresh.
    pub fn seal(&self, plain: &[u8], context: &[u8], nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
        let cipher = XChaCha20Poly1305::new((&*self.0).into());
        let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: context });
        [nonce.as_slice(), &sealed.expect("a few bytes are within the cipher's length")].concat()
    }

    /// Decrypts.
    ///
    /// # Errors
    /// Another key, another context, or changed bytes.
    pub fn open(&self, sealed: &[u8], context: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError)?;
        if sealed.len() > MAX_PLAIN_BYTES {
            return Err(SealError);
        }
        let cipher = XChaCha20Poly1305::new((&*self.0).into());
        let plain = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: context });
        plain.map(Zeroizing::new).map_err(|_| SealError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::keys::SecretKey;

    fn address(secret: &[u8; 32]) -> [u8; 32] {
        *SecretKey::from_bytes(secret).expect("a key").address().as_bytes()
    }

    #[test]
    fn what_is_sealed_opens_for_its_reader_only() {
        let own = SealKey::own(&[1; 32]);
        let sealed = own.seal(b"share", b"context", [9; 24]);
        assert_eq!(*own.open(&sealed, b"context").expect("its own"), b"share");
        assert!(own.open(&sealed, b"another").is_err() && SealKey::own(&[2; 32]).open(&sealed, b"context").is_err());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(own.open(&changed, b"context").is_err(), "{place}");
        }
        for length in 0..sealed.len() {
            assert!(own.open(sealed.get(..length).expect("within"), b"context").is_err());
        }
    }

    /// Secrets 1 to 6 stand for points of both parities.
    #[test]
    fn two_members_have_one_key_and_others_another() {
        for (from, to) in [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 1)] {
            let (from, to) = ([from; 32], [to; 32]);
            let pair = |secret| SealKey::pair(secret, &address(&from), &address(&to), b"id").expect("keys");
            let sealed = pair(&from).seal(b"share", b"", [0; 24]);
            assert_eq!(*pair(&to).open(&sealed, b"").expect("for them"), b"share");
            assert!(pair(&[7; 32]).open(&sealed, b"").is_err());
            let back = SealKey::pair(&to, &address(&to), &address(&from), b"id").expect("keys");
            assert!(back.open(&sealed, b"").is_err(), "each way has its key");
        }
    }
}

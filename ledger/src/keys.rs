//! Keys: an [`Address`] is an x-only public key, a [`SecretKey`] signs for it.

use crate::codec::{Decode, Encode};
use crate::hash::{Hash, bytes32};
use k256::schnorr;

bytes32! {
    /// The x-only public key (BIP340) of an account, as 32 bytes.
    ///
    /// Consensus takes any value but zero as a receiver; only an address on the curve can ever spend
    /// ([`Address::is_on_curve`]).
    Address
}

impl Address {
    /// Whether a secret key for this address can exist.
    pub fn is_on_curve(&self) -> bool {
        schnorr::VerifyingKey::from_slice(self.as_bytes()).is_ok()
    }
}

/// A BIP340 signature: 64 bytes, R.x then s.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Wraps raw bytes; [`crate::schnorr::verify`] judges them.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl core::fmt::Display for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl core::fmt::Debug for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Signature({self})")
    }
}

/// A secret key. It is wiped from memory when dropped and never shown.
pub struct SecretKey(schnorr::SigningKey);

/// Thirty-two bytes that are no secret key: zero, or not below the order of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these 32 bytes are no secret key: zero, or not below the order of the curve")]
pub struct SecretKeyError;

impl SecretKey {
    /// Reads a secret key, big-endian.
    ///
    /// # Errors
    /// Refuses zero and numbers not below the order of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, SecretKeyError> {
        schnorr::SigningKey::from_slice(bytes).map(Self).map_err(|_| SecretKeyError)
    }

    /// The address this key signs for.
    pub fn address(&self) -> Address {
        Address::from_bytes(self.0.verifying_key().to_bytes().into())
    }

    /// Signs a 32-byte digest as it is (BIP340, no further hash). `aux` should be 32 fresh random bytes:
    /// they guard against fault and side-channel attacks; a repeat costs no security beyond that.
    ///
    /// # Panics
    /// Never in practice: BIP340 fails only for a nonce hash of zero.
    #[expect(clippy::expect_used, reason = "fails with probability 2^-256")]
    pub fn sign(&self, digest: &Hash, aux: &[u8; 32]) -> Signature {
        let signature = self.0.sign_raw(digest.as_bytes(), aux).expect("a nonce hash is not zero");
        Signature(signature.to_bytes())
    }
}

impl core::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SecretKey(for {})", self.address())
    }
}

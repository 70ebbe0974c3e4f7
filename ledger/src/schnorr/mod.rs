//! Verification of BIP340 signatures over 32-byte digests, one by one and in batches.

mod batch;
mod cache;
mod field;
mod glv;
mod msm;
mod point;
#[cfg(test)]
mod tests;

pub use batch::verify_batch_with;
pub use cache::KeyCache;

use crate::{
    hash::Hash,
    keys::{Address, Signature},
};
use k256::schnorr;

/// A signature that does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not valid for this key and message")]
pub struct SignatureError;

/// Verifies one signature over `digest` as BIP340 says. The digest is the message: it is not hashed again.
///
/// # Errors
/// Refuses a key that is not on the curve, r ≥ p, s ≥ n, and an equation that does not hold.
pub fn verify(key: &Address, digest: &Hash, signature: &Signature) -> Result<(), SignatureError> {
    // k256's `Verifier` would hash the digest once more; `verify_raw` is BIP340.
    let key = schnorr::VerifyingKey::from_slice(key.as_bytes()).map_err(|_| SignatureError)?;
    let signature = schnorr::Signature::try_from(signature.as_bytes().as_slice()).map_err(|_| SignatureError)?;
    key.verify_raw(digest.as_bytes(), &signature).map_err(|_| SignatureError)
}

/// Verifies many signatures; agrees exactly with [`verify`] on each.
///
/// # Errors
/// The position of the first that does not verify.
pub fn verify_batch(batch: &[(Address, Hash, Signature)]) -> Result<(), usize> {
    verify_batch_with(&mut KeyCache::new(0), batch)
}

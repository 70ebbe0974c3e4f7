//! Verification of BIP340 signatures over 32-byte digests, one by one and in batches.
//!
//! # The equation
//! A signature (r, s) of the key P over m holds if s·G = R + e·P, with R = lift_x(r) and e = H(r ‖ P ‖ m).
//! A batch holds if a sum of these with weights a does:
//! ```text
//! Σ aᵢ·Rᵢ + Σ (aᵢ·eᵢ)·Pᵢ − (Σ aᵢ·sᵢ)·G = 0
//!
//! seed = T("cairn/batch", n u64 ‖ (key 32 ‖ digest 32 ‖ signature 64)*)
//! a₁ = 1, aᵢ = first 16 bytes of T("cairn/weight", seed ‖ i u64), 0 counts as 1; little-endian, i from 1
//! ```
//! One sum of 3n + 2 multiples by 128 bits is several times cheaper than n equations: all members share the
//! doublings, the generator and the inversions.
//!
//! # Why these weights
//! Without weights, two signatures with s + δ and s − δ would pass together. If nobody can know the weights
//! before all inputs are fixed, an invalid member lets the batch hold for one value of its weight in 2¹²⁸,
//! whatever the others are. (The first may keep 1: to cancel its error takes another one, with a weight.)
//! So they come from a hash over **all** inputs, every byte of them: what was left out could still be
//! changed once the weights are known, and made to fit. A hash and not random numbers, because this crate
//! has none, and because then every node decides alike.
//!
//! # Map
//! | module | what |
//! |---|---|
//! | `batch` | the equation; a batch that fails it |
//! | `cache` | keys that were lifted before |
//! | [`cairn_kernels::secp256k1`] | the sum, and points from their x |
//!
//! # Invariants
//! 1. A batch is decided as [`verify`], which is k256's, decides its members one by one. The equation only ever
//!    vouches for members; the first it does not vouch for is verified alone.
//! 2. Nothing here is improbable until a weight makes it so: equal and opposite points, the identity and zero
//!    are exact cases throughout.
//! 3. What a [`KeyCache`] holds has an influence on the time only.
//! 4. All of it is for public data: nothing takes the same time for all inputs, and no secret comes here.
//!
//! Sources: [BIP340](https://github.com/bitcoin/bips/blob/master/bip-0340.mediawiki); Bellare, Garay, Rabin,
//! "Fast batch verification for modular exponentiation and digital signatures" (EUROCRYPT 1998); those of the
//! sum stand with it.

mod batch;
mod cache;
#[cfg(test)]
mod tests;

pub use batch::verify_batch_with;
pub use cache::KeyCache;

use crate::hash::Hash;
use crate::keys::{Address, Signature};
use k256::schnorr;

/// A signature that does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not valid for this key and message")]
pub struct SignatureError;

/// Verifies one signature over `digest` as BIP340 says. The digest is the message: it is not hashed again.
///
/// # Errors
/// Refuses a key that is not on the curve, r ≥ p, s ≥ n, s = 0, and an equation that does not hold.
pub fn verify(key: &Address, digest: &Hash, signature: &Signature) -> Result<(), SignatureError> {
    // k256's `Verifier` would hash the digest once more; `verify_raw` is BIP340.
    let key = schnorr::VerifyingKey::from_slice(key.as_bytes()).map_err(|_| SignatureError)?;
    let signature = schnorr::Signature::try_from(signature.as_bytes().as_slice()).map_err(|_| SignatureError)?;
    key.verify_raw(digest.as_bytes(), &signature).map_err(|_| SignatureError)
}

/// Verifies many signatures; agrees exactly with [`verify`] on each. [`verify_batch_with`] remembers keys.
///
/// # Errors
/// The position of the first that does not verify.
pub fn verify_batch(batch: &[(Address, Hash, Signature)]) -> Result<(), usize> {
    verify_batch_with(&mut KeyCache::new(0), batch)
}

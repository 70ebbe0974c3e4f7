//! Sums of multiples of points of secp256k1, and points from their x: what the verification of many signatures
//! consists of. Which sums vouch for which signatures is the caller's.
//!
//! # Map
//! | file | what |
//! |---|---|
//! | `linear_combination` | [`LinearCombination`]: the sum, as the caller states it |
//! | `lift` | [`lift_each`]: points from their x |
//! | `msm` | multi-scalar multiplication: Pippenger's buckets in affine coordinates |
//! | `glv` | scalars of 256 bits as two of 128 |
//! | `point`, `field` | the curve and the numbers below it |
//! | `ifma` | the same for eight numbers at a time, with AVX-512 IFMA; `no_ifma` elsewhere |
//!
//! Nothing here is improbable until a scalar makes it so: equal and opposite points, the identity and zero are exact
//! cases throughout.

mod field;
mod glv;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions that only some processors have")]
mod ifma;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_ifma.rs"]
mod ifma;
mod lift;
mod linear_combination;
mod msm;
mod point;
#[cfg(test)]
mod tests;

pub use {lift::lift_each, linear_combination::LinearCombination, point::Point};

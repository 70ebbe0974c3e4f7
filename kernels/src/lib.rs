//! The arithmetic that the ledger spends its time on, in the vector registers of processors that have them.
//!
//! This is the only crate of the workspace with `unsafe` code, and it holds no rule: what is hashed, signed or
//! searched for is the caller's. Like the ledger it is `no_std` and pure: the same arguments always give the same
//! answer, on every processor.
//!
//! # Map
//! | module | kernel | with | portable twin |
//! |---|---|---|---|
//! | [`sha256`] | many messages side by side | AVX-512 | `sha2`, one after the other |
//! | [`nonce_search`] | double SHA-256 of a prefix and a nonce, for many nonces | AVX-512 or AVX2 | `sha2`, one by one |
//! | [`secp256k1`] | square roots and additions of points, eight at a time | AVX-512 IFMA | `secp256k1::{field, msm}` |
//! | [`prefetch()`] | memory that is needed soon | x86-64 | nothing |
//!
//! # Looking for ...
//! | what | where |
//! |---|---|
//! | AVX-512, AVX2, IFMA, processor detection | `sha256::avx512`, `sha256::avx2`, `secp256k1::ifma` |
//! | endomorphism (GLV), field element, Jacobian coordinates | [`secp256k1`] |
//! | midstate, padding, round constants | [`sha256`] |
//! | multi-scalar multiplication, Pippenger | `secp256k1::msm` |
//! | proof of work, miner's inner loop | [`nonce_search`] |
//!
//! # Invariants
//! 1. A kernel and its twin give the same result for every input. Tests compare them on random inputs and at every
//!    edge, and what SMT solvers proved of the arithmetic (`tests/spec`) is compared with the code word by word.
//! 2. Code that needs instructions runs only behind a value that exists where the processor has them (`cpufeatures`
//!    asks it): `Avx512`, `Avx2`, `Ifma`.
//! 3. `unsafe` is three things: calls behind such a value, arrays seen as registers of the same size, and the prefetch.
//! 4. All of it is for public data. Nothing takes the same time for all inputs, and no secret comes here.
//! 5. Nothing panics, whatever the input: arithmetic is checked or wraps by intent, indexing is by `get`.

#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should"))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod nonce_search;
#[cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "an instruction without effect on values"))]
mod prefetch;
pub mod secp256k1;
pub mod sha256;

pub use prefetch::prefetch;

//! SHA-256 of many messages: side by side where the processor has lanes for that, else one after the other.
//!
//! A block of payments has tens of thousands of short messages: ids, what was signed, leaves and nodes of trees. Here
//! they are laid out in whole blocks with their padding (FIPS 180-4 §5.1.1), behind a [`Midstate`] that they share, and
//! hashed in rows of thirty-two, in a quarter of the time that the SHA extensions take.
//!
//! | file | what |
//! |---|---|
//! | `midstate` | [`Midstate`]: one message; many of one length, laid out where they are hashed from |
//! | `messages` | [`Messages`]: many of any lengths |
//! | `rounds` | the function itself, as macros over the operations of a register |
//! | `avx512`, `avx2` | those operations; `no_simd` elsewhere |

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions that only some processors have")]
pub(crate) mod avx512;
mod messages;
mod midstate;
#[cfg(not(target_arch = "x86_64"))]
mod no_simd;
#[cfg(target_arch = "x86_64")]
pub(crate) mod rounds;

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use no_simd::{Avx2, Avx512};
#[cfg(target_arch = "x86_64")]
pub(crate) use {avx2::Avx2, avx512::Avx512};
pub use {messages::Messages, midstate::Midstate};

/// What SHA-256 takes in at once.
pub type Block = [u8; 64];

/// What it gives.
pub type Digest = [u8; 32];

/// Messages hashed side by side.
const LANES: usize = 32;

/// What belongs to each of thirty-two lanes: two registers of four quarters of four.
type Row<T> = [[[T; 4]; 4]; 2];

/// The initial state (FIPS 180-4 §5.3.3).
pub(crate) const INITIAL_STATE: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// The round constants (FIPS 180-4 §4.2.2), for eight rounds each.
pub(crate) const ROUND_CONSTANTS: [[u32; 8]; 8] = [
    [0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5],
    [0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174],
    [0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da],
    [0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967],
    [0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85],
    [0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070],
    [0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3],
    [0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2],
];

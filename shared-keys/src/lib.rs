//! Keys that several people share: n-of-n by MuSig2 (BIP327), t-of-n by FROST (RFC 9591).
//!
//! To the ledger both are normal addresses with normal BIP340 signatures. Members work by handing files
//! round; each adds its part and says who is next. A member is known by an ordinary address of its own, and
//! its key is that address's: MuSig2 needs no other, and what FROST needs besides is sealed under it.
//!
//! | module | what |
//! |---|---|
//! | [`Group`] | who shares a key, and its address |
//! | [`musig`], [`frost`] | the two schemes, each as commit, sign and combine over bytes |
//! | [`dkg`] | making a FROST key together: distributed key generation, by a file that goes round |
//! | [`signing`] | signing one payment together |
//! | [`nonce_store`] | secrets that may be used once: nonces on disk |
//! | [`seal`] | encryption under a member's key, alone or for one other member |
//!
//! # Path of a signature
//! Every member puts a [`musig`] or [`frost`] commitment into the [`SigningSession`], its nonce into [`nonce_store`];
//! when enough are there each takes its nonce out, for ever, and puts its share in; whoever has all shares
//! combines and verifies them.
//!
//! # Invariants
//! 1. A nonce signs at most once: it is claimed and gone from the disk before a share is computed from it.
//! 2. No share leaves before its member was shown the payment it signs.
//! 3. What comes out is verified with the ledger's own rules before it is written.
//! 4. Nothing secret stands in a file that is passed round, except sealed for its one receiver.

#![forbid(unsafe_code)]

mod error;
#[cfg(test)]
mod fuzz;
mod group;

pub mod dkg;
pub mod frost;
pub mod musig;
pub mod nonce_store;
pub mod seal;
pub mod signing;

pub use error::{GroupError, MAX_MEMBERS, SharedError};
pub use group::{Group, check_threshold, in_order};
pub use signing::{SESSION_ID_BYTES, SigningSession};

use cairn_ledger::hash::{Hash, sha256};
use cairn_rpc::text::HexBytes;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Contributions by the address of their member.
pub type ByMember = BTreeMap<String, HexBytes>;

/// What one member put in.
pub struct Part {
    /// Its place among the members.
    pub place: usize,
    /// Its address.
    pub member: String,
    /// A commitment or a share.
    pub bytes: Vec<u8>,
}

/// A fresh nonce.
pub struct Nonce {
    /// The half that its member keeps, for [`nonce_store`].
    pub secret: Zeroizing<Vec<u8>>,
    /// The half that the others get: the commitment.
    pub public: Vec<u8>,
}

/// A BIP340 tagged hash with a tag of the wallet's own.
pub fn tagged(tag: &str, parts: &[&[u8]]) -> Hash {
    let tag = sha256(&[tag.as_bytes()]);
    let mut all: Vec<&[u8]> = vec![tag.as_bytes(), tag.as_bytes()];
    all.extend_from_slice(parts);
    sha256(&all)
}

#[cfg(test)]
mod tests;

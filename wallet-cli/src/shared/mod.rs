//! Keys that several people share: n-of-n by MuSig2 (BIP327), t-of-n by FROST (RFC 9591).
//!
//! To the ledger both are normal addresses with normal BIP340 signatures. Members work by handing files
//! round; each adds its part and says who is next. A member is known by an ordinary address of its own, and
//! its key is that address's: MuSig2 needs no other, and what FROST needs besides is sealed under it.
//!
//! | module | what |
//! |---|---|
//! | [`group`] | who shares a key, and its address |
//! | [`musig`], [`frost`] | the two schemes, each as commit, sign and combine over bytes |
//! | [`ceremony`] | making a FROST key together (distributed key generation) |
//! | [`session`] | signing one payment together |
//! | [`once`] | secrets that may be used once: nonces on disk |
//! | [`seal`] | encryption under a member's key, alone or for one other member |
//!
//! # Path of a signature
//! Every member puts a [`musig`] or [`frost`] commitment into the [`Session`], its nonce into [`once`];
//! when enough are there each takes its nonce out, for ever, and puts its share in; whoever has all shares
//! combines and verifies them.
//!
//! # Invariants
//! 1. A nonce signs at most once: it is claimed and gone from the disk before a share is computed from it.
//! 2. No share leaves before its member was shown the payment it signs.
//! 3. What comes out is verified with the ledger's own rules before it is written.
//! 4. Nothing secret stands in a file that is passed round, except sealed for its one receiver.

pub mod ceremony;
pub mod frost;
pub mod group;
pub mod musig;
pub mod once;
pub mod seal;
pub mod session;

pub use group::{Group, GroupError, MAX_MEMBERS};
pub use session::{SESSION_ID_BYTES, Session};

use cairn_ledger::hash::{Hash, sha256};
use cairn_rpc::text::HexBytes;
use std::collections::BTreeMap;

/// Contributions by the address of their member.
pub type ByMember = BTreeMap<String, HexBytes>;

/// A BIP340 tagged hash with a tag of the wallet's own.
pub fn tagged(tag: &str, parts: &[&[u8]]) -> Hash {
    let tag = sha256(&[tag.as_bytes()]);
    let mut all: Vec<&[u8]> = vec![tag.as_bytes(), tag.as_bytes()];
    all.extend_from_slice(parts);
    sha256(&all)
}

/// Why members cannot go on together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SharedError {
    /// The group.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// Somebody who is no member.
    #[error("{address} is no member of this shared key; choose the member's wallet with --wallet and --account")]
    NotAMember {
        /// Whose address it is.
        address: String,
    },
    /// Bytes that are not what they should be.
    #[error("the {what} of {member} cannot be used: {reason}; ask that member to start over")]
    Bad {
        /// What it is.
        what: &'static str,
        /// Whose it is.
        member: String,
        /// What is wrong.
        reason: String,
    },
    /// A secret of this machine's that does not open or fit.
    #[error("this member's own {what} cannot be used: {reason}; start over with a new file")]
    Own {
        /// What it is.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Copies of a file that do not belong together.
    #[error("the files do not belong together: {reason}")]
    Apart {
        /// Why.
        reason: String,
    },
    /// A nonce that signed already.
    #[error(
        "this member has signed in this session already, and a nonce that signs twice gives the key away: use the \
         file that came out then, or start over with `wallet send --unsigned`"
    )]
    NonceUsed,
    /// A nonce that is not here.
    #[error(
        "the secret to this member's commitment is not on this machine: it was made elsewhere, or is gone; start over \
         with `wallet send --unsigned`"
    )]
    NonceMissing,
    /// All shares are there and what they make is no signature.
    #[error("the shares do not make a valid signature{}; start over without them", blamed(.culprits))]
    NoSignature {
        /// Whose shares are wrong.
        culprits: Vec<String>,
    },
}

fn blamed(culprits: &[String]) -> String {
    if culprits.is_empty() { String::new() } else { format!("; wrong are those of {}", culprits.join(", ")) }
}

impl SharedError {
    /// The kind in words, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Group(_) => "bad_group",
            Self::NotAMember { .. } => "not_a_member",
            Self::Bad { .. } => "bad_contribution",
            Self::Own { .. } => "bad_secret",
            Self::Apart { .. } => "files_apart",
            Self::NonceUsed => "nonce_used_already",
            Self::NonceMissing => "nonce_missing",
            Self::NoSignature { .. } => "no_signature",
        }
    }

    fn bad(what: &'static str, member: &str, reason: impl ToString) -> Self {
        let clean = |text: &str| crate::output::Inert(text).to_string();
        Self::Bad { what, member: clean(member), reason: clean(&reason.to_string()) }
    }

    fn own(what: &'static str, reason: impl ToString) -> Self {
        Self::Own { what, reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests;

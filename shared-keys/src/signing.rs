//! Signing one payment together: what the members have put in, and what is missing. Pure.
//!
//! The first commitments that are enough make the signing set. Copies of one file that went round side by
//! side are merged; a share made with one set never meets those of another.

use crate::{ByMember, Group, Part, SharedError, frost, musig, tagged};
use cairn_ledger::keys::{Address, Signature};
use cairn_ledger::{address::AddressPrefix, hash::Hash};
use cairn_rpc::text::HexBytes;
use serde::{Deserialize, Serialize};

/// The length of a session's random id: no two are the same by chance.
pub const SESSION_ID_BYTES: usize = 16;
/// The longest commitment or share that is taken; real ones have under 200 bytes.
const MAX_PART_BYTES: usize = 512;

/// A session of a shared key, inside the file of the payment it signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningSession {
    id: HexBytes,
    /// Whose key signs.
    pub group: Group,
    commitments: ByMember,
    shares: ByMember,
}

/// What comes next for a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SigningStep {
    /// Put in a commitment.
    Commit,
    /// Put in a share.
    Sign,
    /// All shares are here.
    Combine,
    /// Others come first.
    Wait {
        /// Members of whom one, or all, are needed.
        missing: Vec<String>,
        /// How many of them.
        needed: usize,
    },
    /// Enough others sign: this member is not needed.
    NotNeeded,
}

/// A member that puts in its share.
pub struct Signer<'a> {
    /// Its address.
    pub member: &'a str,
    /// Its key.
    pub secret: &'a [u8; 32],
    /// Its share of a FROST key.
    pub key_share: Option<&'a [u8]>,
}

impl SigningSession {
    /// An empty session.
    pub fn new(id: [u8; SESSION_ID_BYTES], group: Group) -> Self {
        Self { id: HexBytes(id.to_vec()), group, commitments: ByMember::new(), shares: ByMember::new() }
    }

    /// Its id.
    pub fn id(&self) -> &[u8] {
        &self.id.0
    }

    /// Refuses a session that is none: too long an id, parts of strangers, too many or too long parts.
    ///
    /// # Errors
    /// As said.
    pub fn check(&self) -> Result<(), SharedError> {
        if self.id.0.len() != SESSION_ID_BYTES {
            let got = self.id.0.len();
            return Err(SharedError::apart(format!("the session's id has {got} bytes, expected {SESSION_ID_BYTES}")));
        }
        let members = self.group.members();
        for (what, parts) in [("commitment", &self.commitments), ("share", &self.shares)] {
            for (member, part) in parts {
                if !members.contains(member) {
                    return Err(SharedError::bad(what, member, "it is no member"));
                }
                if part.0.len() > MAX_PART_BYTES {
                    return Err(SharedError::bad(what, member, format!("it has {} bytes", part.0.len())));
                }
            }
        }
        if self.commitments.len() > self.group.needed() {
            let (got, most) = (self.commitments.len(), self.group.needed());
            return Err(SharedError::apart(format!("{got} members committed, expected at most {most}")));
        }
        match self.shares.keys().find(|member| !self.commitments.contains_key(*member)) {
            Some(member) => Err(SharedError::bad("share", member, "it has no commitment")),
            None => Ok(()),
        }
    }

    /// Takes over what a copy of the same session has.
    ///
    /// # Errors
    /// Another session, another part of one member, or shares made with another signing set.
    pub fn merge(&mut self, mut other: Self) -> Result<(), SharedError> {
        other.check()?;
        if self.id != other.id || self.group != other.group {
            return Err(SharedError::apart("they are of two sessions"));
        }
        // Whichever has shares knows the signing set.
        if self.shares.is_empty() && !other.shares.is_empty() {
            std::mem::swap(self, &mut other);
        }
        let fixed = !self.shares.is_empty();
        if !other.shares.is_empty() && other.commitments != self.commitments {
            return Err(SharedError::apart(
                "members signed with different others; start over with `wallet send --unsigned`",
            ));
        }
        for (member, part) in other.commitments {
            match self.commitments.get(&member) {
                Some(own) if *own != part => return Err(SharedError::apart("one member committed twice")),
                Some(_) => {}
                None if fixed || self.commitments.len() >= self.group.needed() => {}
                None => {
                    self.commitments.insert(member, part);
                }
            }
        }
        for (member, part) in other.shares {
            match self.shares.insert(member, part.clone()) {
                Some(own) if own != part => return Err(SharedError::apart("one member signed twice")),
                _ => {}
            }
        }
        Ok(())
    }

    /// What comes next for `member`.
    pub fn next_step(&self, member: &str) -> SigningStep {
        let needed = self.group.needed();
        let committed = self.commitments.contains_key(member);
        if self.commitments.len() < needed {
            if !committed {
                return SigningStep::Commit;
            }
            let missing = self.group.members().iter().filter(|other| !self.commitments.contains_key(*other));
            return SigningStep::Wait { missing: missing.cloned().collect(), needed: needed - self.commitments.len() };
        }
        if self.shares.len() == needed {
            return SigningStep::Combine;
        }
        if !committed {
            return SigningStep::NotNeeded;
        }
        if !self.shares.contains_key(member) {
            return SigningStep::Sign;
        }
        let missing: Vec<String> =
            self.commitments.keys().filter(|other| !self.shares.contains_key(*other)).cloned().collect();
        SigningStep::Wait { needed: missing.len(), missing }
    }

    /// The name under which a member keeps its nonce. It binds the payment: a file that shows another payment
    /// under the same session finds no nonce.
    pub fn nonce_name(&self, member: &Address, message: &Hash) -> String {
        let hash = tagged("cairn/nonce-name", &[&self.id.0, member.as_bytes(), message.as_bytes()]);
        hash.to_string()
    }

    /// Puts in a commitment.
    pub fn commit(&mut self, member: &str, commitment: Vec<u8>) {
        self.commitments.insert(String::from(member), HexBytes(commitment));
    }

    /// The commitment of a member.
    pub fn commitment(&self, member: &str) -> Option<&[u8]> {
        self.commitments.get(member).map(|part| part.0.as_slice())
    }

    /// Computes and puts in a share.
    ///
    /// # Errors
    /// Says whose contribution is of no use.
    pub fn sign(
        &mut self,
        prefix: &AddressPrefix,
        signer: &Signer<'_>,
        nonce: &[u8],
        message: &Hash,
    ) -> Result<(), SharedError> {
        let commitments = self.in_order(&self.commitments);
        let share = match &self.group {
            Group::Musig2 { .. } => {
                musig::sign(&self.group.addresses(prefix)?, signer.secret, nonce, &commitments, message)?
            }
            Group::Frost { .. } => {
                let key_share =
                    signer.key_share.ok_or_else(|| SharedError::own("share of the key", "it is not there"))?;
                frost::sign(key_share, nonce, &commitments, message)?
            }
        };
        self.shares.insert(String::from(signer.member), HexBytes(share));
        Ok(())
    }

    /// The signature that all shares make.
    ///
    /// # Errors
    /// Says whose shares are wrong.
    pub fn combine(&self, prefix: &AddressPrefix, message: &Hash) -> Result<Signature, SharedError> {
        let (commitments, shares) = (self.in_order(&self.commitments), self.in_order(&self.shares));
        match &self.group {
            Group::Musig2 { .. } => musig::combine(&self.group.addresses(prefix)?, &commitments, &shares, message),
            Group::Frost { public, .. } => frost::combine(&public.0, &commitments, &shares, message),
        }
    }

    fn in_order(&self, parts: &ByMember) -> Vec<Part> {
        let members = self.group.members().iter().enumerate();
        let part = |(place, member): (usize, &String)| {
            Some(Part { place, member: member.clone(), bytes: parts.get(member)?.0.clone() })
        };
        members.filter_map(part).collect()
    }
}

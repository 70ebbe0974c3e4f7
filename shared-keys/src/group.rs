//! Who shares a key.

use crate::{GroupError, MAX_MEMBERS, frost, musig};
use cairn_ledger::{address::AddressPrefix, keys::Address};
use cairn_rpc::text::HexBytes;
use serde::{Deserialize, Serialize};

/// A shared key as everybody may know it. Members are ordinary addresses, ascending as bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "lowercase")]
pub enum Group {
    /// All of them sign.
    Musig2 {
        /// Whose it is.
        members: Vec<String>,
    },
    /// `threshold` of them sign.
    Frost {
        /// How many it takes.
        threshold: u16,
        /// Whose it is.
        members: Vec<String>,
        /// The public keys of the members' shares and of all together, as the scheme writes them.
        public: HexBytes,
    },
}

impl Group {
    /// The members as the files name them.
    pub fn members(&self) -> &[String] {
        match self {
            Self::Musig2 { members } | Self::Frost { members, .. } => members,
        }
    }

    /// How many members it takes to sign.
    pub fn needed(&self) -> usize {
        match self {
            Self::Musig2 { members } => members.len(),
            Self::Frost { threshold, .. } => usize::from(*threshold),
        }
    }

    /// In words.
    pub fn phrase(&self) -> String {
        format!("{} of {}", self.needed(), self.members().len())
    }

    /// The members' addresses, checked.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn addresses(&self, prefix: &AddressPrefix) -> Result<Vec<Address>, GroupError> {
        let members = self.members();
        check_count(members.len())?;
        let decoded = members.iter().map(|member| prefix.decode(member));
        let addresses: Vec<Address> =
            decoded.collect::<Result<_, _>>().map_err(|error| GroupError::Address(Box::new(error)))?;
        if addresses.windows(2).any(|pair| pair.first() >= pair.last()) {
            return Err(GroupError::Order);
        }
        Ok(addresses)
    }

    /// The address of the shared key.
    ///
    /// # Errors
    /// Says what is wrong with the group.
    pub fn address(&self, prefix: &AddressPrefix) -> Result<Address, GroupError> {
        let members = self.addresses(prefix)?;
        match self {
            Self::Musig2 { .. } => musig::address(&members),
            Self::Frost { threshold, public, .. } => {
                check_threshold(*threshold, members.len())?;
                frost::address(&public.0, *threshold, members.len())
            }
        }
    }
}

/// Members in the order that every one of them computes with.
///
/// # Errors
/// One of them twice, or too few or too many.
pub fn in_order(members: &[Address]) -> Result<Vec<Address>, GroupError> {
    check_count(members.len())?;
    let mut sorted = members.to_vec();
    sorted.sort();
    sorted.dedup();
    if sorted.len() == members.len() { Ok(sorted) } else { Err(GroupError::Order) }
}

/// Refuses a threshold of one, with which each member alone has the key, and more than there are members.
///
/// # Errors
/// As said.
pub fn check_threshold(got: u16, members: usize) -> Result<(), GroupError> {
    if (2..=members).contains(&usize::from(got)) { Ok(()) } else { Err(GroupError::Threshold { got, members }) }
}

fn check_count(got: usize) -> Result<(), GroupError> {
    if (2..=MAX_MEMBERS).contains(&got) { Ok(()) } else { Err(GroupError::Members { got }) }
}

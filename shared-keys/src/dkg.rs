//! Making a FROST key together, with nobody who ever holds it whole: distributed key generation, by a file
//! that goes round (RFC 9591 leaves it to implementations; Pedersen's protocol with proofs of possession, as
//! in the FROST paper, Komlo and Goldberg 2020).
//!
//! Round 1 is what every member commits to; it is signed, so that nobody speaks for another. Round 2 carries
//! each member's shares for the others, each sealed for its one reader, with the hash of all of round 1 as
//! its member saw it, signed: members that were shown different first rounds find out before a key exists.

use crate::frost::{Stream, identifier};
use crate::{Group, GroupError, SharedError, check_threshold, in_order, seal::SealKey, tagged};
use cairn_genesis::Network;
use cairn_ledger::hash::{BlockId, Hash};
use cairn_ledger::keys::{Address, SecretKey, Signature};
use cairn_ledger::schnorr;
use cairn_rpc::text::{HexBytes, Text};
use frost_secp256k1_tr::Identifier;
use frost_secp256k1_tr::keys::dkg::{self, round1, round2};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The longest file of a ceremony: the largest group's packages for each other fit twice.
pub const MAX_BYTES: u64 = 1 << 20;
const FORMAT: &str = "cairn/key-ceremony";
const VERSION: u64 = 1;
/// The length of a ceremony's random id.
pub const ID_BYTES: usize = 16;

/// A ceremony as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dkg {
    format: String,
    version: u64,
    genesis_id: Text<BlockId>,
    id: HexBytes,
    /// How many members it takes to sign.
    pub threshold: u16,
    /// Their addresses, ascending as bytes.
    pub members: Vec<String>,
    round1: BTreeMap<String, Round1Part>,
    round2: BTreeMap<String, Round2Part>,
}

/// What a member commits to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Round1Part {
    package: HexBytes,
    signature: HexBytes,
}

/// A member's shares for the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Round2Part {
    /// The hash of round 1 as this member saw it.
    seen: Text<Hash>,
    /// By receiver.
    sealed: BTreeMap<String, HexBytes>,
    signature: HexBytes,
}

/// What comes next for a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DkgStep {
    /// Commit.
    First,
    /// Send the shares.
    Second,
    /// Everything is here: the key can be made.
    Finish,
    /// Others come first.
    Wait {
        /// Who.
        missing: Vec<String>,
    },
}

/// One member at its machine.
pub struct Member<'a> {
    /// The network, for addresses.
    pub network: &'a Network,
    /// Its address.
    pub address: Address,
    /// The same as text.
    pub name: &'a str,
    /// Its key.
    pub secret: &'a [u8; 32],
}

/// A finished key, as one member has it.
pub struct Finished {
    /// What everybody may know.
    pub group: Group,
    /// This member's share: secret.
    pub share: Zeroizing<Vec<u8>>,
}

impl Dkg {
    /// A new one.
    ///
    /// # Errors
    /// Members or a threshold with which there is no key.
    pub fn new(network: &Network, id: [u8; ID_BYTES], threshold: u16, members: &[Address]) -> Result<Self, GroupError> {
        let members = in_order(members)?;
        check_threshold(threshold, members.len())?;
        let prefix = &network.spec.params().prefix;
        Ok(Self {
            format: String::from(FORMAT),
            version: VERSION,
            genesis_id: Text(network.id()),
            id: HexBytes(id.to_vec()),
            threshold,
            members: members.iter().map(|member| prefix.encode(member)).collect(),
            round1: BTreeMap::new(),
            round2: BTreeMap::new(),
        })
    }

    /// Reads one, and checks every signature in it.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(bytes: &[u8], network: &Network) -> Result<Self, SharedError> {
        let ceremony: Self = serde_json::from_slice(bytes).map_err(SharedError::apart)?;
        if ceremony.format != FORMAT || ceremony.version != VERSION {
            return Err(SharedError::apart(format_args!("expected a file of the form {FORMAT}, version {VERSION}")));
        }
        if ceremony.genesis_id.0 != network.id() || ceremony.id.0.len() != ID_BYTES {
            return Err(SharedError::apart("the ceremony is of another network"));
        }
        ceremony.check(network)?;
        Ok(ceremony)
    }

    /// The file's bytes.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings and numbers are JSON");
        text.push('\n');
        text
    }

    fn check(&self, network: &Network) -> Result<(), SharedError> {
        check_threshold(self.threshold, self.members.len())?;
        let shape = Group::Musig2 { members: self.members.clone() };
        let addresses = shape.addresses(&network.spec.params().prefix)?;
        let address = |name: &String| {
            let place = self.members.iter().position(|member| member == name);
            place
                .and_then(|place| addresses.get(place))
                .ok_or_else(|| SharedError::bad("part", name, "it is no member"))
        };
        for (name, first) in &self.round1 {
            verify(address(name)?, &self.digest(1, name, &[&first.package.0]), &first.signature, name)?;
        }
        for (name, second) in &self.round2 {
            verify(address(name)?, &self.digest_second(name, second), &second.signature, name)?;
        }
        Ok(())
    }

    /// What a member signs: the round, everything that names the ceremony, and its part.
    fn digest(&self, round: u8, name: &str, parts: &[&[u8]]) -> Hash {
        let members = self.members.join(",");
        let threshold = self.threshold.to_le_bytes();
        let mut all: Vec<Vec<u8>> = vec![vec![round]];
        let named: [&[u8]; 5] =
            [self.genesis_id.0.as_bytes(), &self.id.0, &threshold, members.as_bytes(), name.as_bytes()];
        for part in named.iter().chain(parts) {
            all.push((part.len() as u64).to_le_bytes().to_vec());
            all.push(part.to_vec());
        }
        tagged("cairn/key-ceremony", &[&all.concat()])
    }

    fn digest_second(&self, name: &str, second: &Round2Part) -> Hash {
        let mut parts: Vec<&[u8]> = vec![second.seen.0.as_bytes()];
        for (to, sealed) in &second.sealed {
            parts.extend([to.as_bytes(), &sealed.0]);
        }
        self.digest(2, name, &parts)
    }

    /// The hash of all of round 1.
    fn seen(&self) -> Hash {
        let parts: Vec<&[u8]> =
            self.round1.iter().flat_map(|(name, first)| [name.as_bytes(), first.package.0.as_slice()]).collect();
        self.digest(0, "", &parts)
    }

    /// Takes over what a copy of the same ceremony has.
    ///
    /// # Errors
    /// Another ceremony, or a member with two different parts.
    pub fn merge(&mut self, other: Self) -> Result<(), SharedError> {
        let same = self.id == other.id && self.threshold == other.threshold && self.members == other.members;
        if !same || self.genesis_id != other.genesis_id {
            return Err(SharedError::apart("they are of two ceremonies"));
        }
        let twice = differing(&self.round1, &other.round1).or_else(|| differing(&self.round2, &other.round2));
        if let Some(name) = twice {
            return Err(SharedError::bad("part", name, "it sent two different ones"));
        }
        self.round1.extend(other.round1);
        self.round2.extend(other.round2);
        Ok(())
    }

    /// What comes next for a member.
    pub fn next_step(&self, name: &str) -> DkgStep {
        let missing = |has: &dyn Fn(&String) -> bool| -> Vec<String> {
            self.members.iter().filter(|member| !has(member)).cloned().collect()
        };
        if !self.round1.contains_key(name) {
            return DkgStep::First;
        }
        let first = missing(&|member| self.round1.contains_key(member));
        if !first.is_empty() {
            return DkgStep::Wait { missing: first };
        }
        if !self.round2.contains_key(name) {
            return DkgStep::Second;
        }
        let second = missing(&|member| self.round2.contains_key(member));
        if second.is_empty() { DkgStep::Finish } else { DkgStep::Wait { missing: second } }
    }

    /// The name under which a member keeps its secret of a round.
    pub fn secret_name(&self, member: &Address, round: u8) -> String {
        tagged("cairn/ceremony-secret", &[&self.id.0, member.as_bytes(), &[round]]).to_string()
    }

    fn place(&self, name: &str) -> Result<usize, SharedError> {
        let place = self.members.iter().position(|member| member == name);
        place.ok_or_else(|| SharedError::NotAMember { address: String::from(name) })
    }

    /// Puts in the member's part of round 1, and gives the secret it needs in round 2.
    ///
    /// # Errors
    /// Somebody who is no member.
    pub fn first(&mut self, member: &Member<'_>, seed: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>, SharedError> {
        let number = identifier(self.place(member.name)?);
        let count = u16::try_from(self.members.len()).unwrap_or(u16::MAX);
        let own = |error| SharedError::own("part", error);
        let (secret, package) = dkg::part1(number, count, self.threshold, Stream::new(seed)).map_err(own)?;
        let package = HexBytes(package.serialize().map_err(own)?);
        let signature = sign(member, &self.digest(1, member.name, &[&package.0]))?;
        self.round1.insert(String::from(member.name), Round1Part { package, signature });
        Ok(Zeroizing::new(secret.serialize().map_err(own)?))
    }

    /// The parts of round 1, without one's own.
    fn others_first(&self, own: usize) -> Result<BTreeMap<Identifier, round1::Package>, SharedError> {
        let mut others = BTreeMap::new();
        for (name, first) in &self.round1 {
            let (place, package) = (self.place(name)?, round1::Package::deserialize(&first.package.0));
            others.insert(identifier(place), package.map_err(|error| SharedError::bad("part", name, error))?);
        }
        others.remove(&identifier(own));
        Ok(others)
    }

    /// Puts in the member's part of round 2, and gives the secret it needs to finish. `fresh` gives a nonce for
    /// each sealed share.
    ///
    /// # Errors
    /// Says whose part is of no use.
    pub fn second(
        &mut self,
        member: &Member<'_>,
        first: &[u8],
        nonces: &[[u8; 24]],
    ) -> Result<Zeroizing<Vec<u8>>, SharedError> {
        let own = self.place(member.name)?;
        let failed = |error| SharedError::own("part", error);
        let secret = round1::SecretPackage::deserialize(first).map_err(failed)?;
        let (secret, packages) = dkg::part2(secret, &self.others_first(own)?).map_err(|error| self.blame(&error))?;
        let seen = self.seen();
        let mut sealed = BTreeMap::new();
        for ((place, name), nonce) in self.members.iter().enumerate().filter(|(place, _)| *place != own).zip(nonces) {
            let package = packages.get(&identifier(place)).ok_or_else(|| SharedError::apart("a part is missing"))?;
            let plain = Zeroizing::new(package.serialize().map_err(failed)?);
            let key = self.pair(member, member.name, name)?;
            sealed.insert(name.clone(), HexBytes(key.seal(&plain, seen.as_bytes(), *nonce)));
        }
        let mut part = Round2Part { seen: Text(seen), sealed, signature: HexBytes(Vec::new()) };
        part.signature = sign(member, &self.digest_second(member.name, &part))?;
        self.round2.insert(String::from(member.name), part);
        Ok(Zeroizing::new(secret.serialize().map_err(failed)?))
    }

    fn pair(&self, member: &Member<'_>, from: &str, to: &str) -> Result<SealKey, SharedError> {
        let prefix = &member.network.spec.params().prefix;
        let decode =
            |name: &str| prefix.decode(name).map_err(|error| SharedError::Group(GroupError::Address(Box::new(error))));
        let (from_address, to_address) = (decode(from)?, decode(to)?);
        SealKey::pair(member.secret, from_address.as_bytes(), to_address.as_bytes(), &self.id.0)
            .map_err(|error| SharedError::bad("address", to, error))
    }

    /// Makes the key.
    ///
    /// # Errors
    /// Says whose part is of no use, or who saw another round 1.
    pub fn finish(&self, member: &Member<'_>, second: &[u8]) -> Result<Finished, SharedError> {
        let own = self.place(member.name)?;
        let secret = round2::SecretPackage::deserialize(second).map_err(|error| SharedError::own("part", error))?;
        let seen = self.seen();
        let mut packages = BTreeMap::new();
        for (name, part) in &self.round2 {
            if part.seen.0 != seen {
                let reason = "it was shown other parts of round 1 than are in this file: somebody plays a double game";
                return Err(SharedError::bad("part", name, reason));
            }
            let place = self.place(name)?;
            if place == own {
                continue;
            }
            let bad = |reason: &dyn std::fmt::Display| SharedError::bad("part", name, reason);
            let sealed = part.sealed.get(member.name).ok_or_else(|| bad(&"nothing in it is for this member"))?;
            let key = self.pair(member, name, member.name)?;
            let plain = key.open(&sealed.0, seen.as_bytes()).map_err(|error| bad(&error))?;
            packages.insert(identifier(place), round2::Package::deserialize(&plain).map_err(|error| bad(&error))?);
        }
        let made = dkg::part3(&secret, &self.others_first(own)?, &packages).map_err(|error| self.blame(&error))?;
        let failed = |error| SharedError::own("key", error);
        let public = HexBytes(made.1.serialize().map_err(failed)?);
        let group = Group::Frost { threshold: self.threshold, members: self.members.clone(), public };
        group.address(&member.network.spec.params().prefix)?;
        Ok(Finished { group, share: Zeroizing::new(made.0.serialize().map_err(failed)?) })
    }

    fn blame(&self, error: &frost_secp256k1_tr::Error) -> SharedError {
        let culprit = error.culprits().into_iter().next();
        let place = culprit.and_then(|culprit| (0..self.members.len()).find(|place| identifier(*place) == culprit));
        match place.and_then(|place| self.members.get(place)) {
            Some(name) => SharedError::bad("part", name, error),
            None => SharedError::own("part", error),
        }
    }
}

/// A member that has another part in `other` than in `own`.
fn differing<'a, T: PartialEq>(own: &BTreeMap<String, T>, other: &'a BTreeMap<String, T>) -> Option<&'a String> {
    let mut both = other.iter().filter_map(|(name, part)| Some((name, part, own.get(name)?)));
    both.find(|(_, part, own)| part != own).map(|(name, ..)| name)
}

fn sign(member: &Member<'_>, digest: &Hash) -> Result<HexBytes, SharedError> {
    let key = SecretKey::from_bytes(member.secret).map_err(|error| SharedError::own("key", error))?;
    // BIP340 without fresh randomness: each digest is signed once.
    let aux = tagged("cairn/ceremony-aux", &[member.secret, digest.as_bytes()]);
    Ok(HexBytes(key.sign(digest, aux.as_bytes()).as_bytes().to_vec()))
}

fn verify(address: &Address, digest: &Hash, HexBytes(signature): &HexBytes, name: &str) -> Result<(), SharedError> {
    let bytes: Option<[u8; 64]> = signature.as_slice().try_into().ok();
    let valid = bytes.is_some_and(|bytes| schnorr::verify(address, digest, &Signature::from_bytes(bytes)).is_ok());
    if valid { Ok(()) } else { Err(SharedError::bad("part", name, "its signature is not that member's")) }
}

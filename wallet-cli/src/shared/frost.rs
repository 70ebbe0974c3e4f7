//! FROST over secp256k1 with BIP340 signatures, over bytes: `threshold` of the members sign.
//!
//! Members are numbered from 1 in their order. The key that the ceremony makes carries the unspendable
//! taproot tweak that the scheme's authors put on every key made by several (BIP341 advises it); the address
//! is the x coordinate of the tweaked key, and shares are shares of that, so signing tweaks nothing more.

use super::{GroupError, SharedError, tagged};
use cairn_ledger::{
    hash::Hash,
    keys::{Address, Signature},
};
use frost_secp256k1_tr::{
    Identifier, SigningPackage, aggregate,
    keys::{KeyPackage, PublicKeyPackage},
    rand_core::{CryptoRng, Error as RandomError, RngCore},
    round1::{self, SigningCommitments, SigningNonces},
    round2::{self, SignatureShare},
};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The number of the member at a place.
pub(super) fn identifier(place: usize) -> Identifier {
    let number = u16::try_from(place.saturating_add(1)).unwrap_or(u16::MAX);
    Identifier::try_from(number).expect("a number from 1 on is an identifier")
}

/// The place of the member with a number, among so many.
fn place(identifier: &Identifier, members: usize) -> Option<usize> {
    (0..members).find(|place| self::identifier(*place) == *identifier)
}

/// The randomness the scheme's functions ask for: SHA-256 in counter mode over 32 fresh random bytes, so that
/// the system is asked once, where its failure can be told.
pub struct Stream {
    seed: Zeroizing<[u8; 32]>,
    counter: u64,
}

impl Stream {
    /// Everything follows from `seed`, which has to be fresh.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), counter: 0 }
    }
}

impl RngCore for Stream {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let block = tagged("cairn/random", &[self.seed.as_ref(), &self.counter.to_le_bytes()]);
            // Two to the 64 blocks are never drawn.
            self.counter = self.counter.wrapping_add(1);
            let (used, _) = block.as_bytes().split_at(chunk.len());
            chunk.copy_from_slice(used);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Stream {}

fn public_package(bytes: &[u8]) -> Result<PublicKeyPackage, GroupError> {
    PublicKeyPackage::deserialize(bytes).map_err(|_| GroupError::Public)
}

/// The address of a group's key.
///
/// # Errors
/// Bytes that are no such group.
pub fn address(public: &[u8], threshold: u16, members: usize) -> Result<Address, GroupError> {
    let package = public_package(public)?;
    let shares = package.verifying_shares();
    let whole = shares.len() == members && (0..members).all(|place| shares.contains_key(&identifier(place)));
    if !whole || package.min_signers().is_some_and(|least| least != threshold) {
        return Err(GroupError::Public);
    }
    let key = package.verifying_key().serialize().map_err(|_| GroupError::Public)?;
    let x: [u8; 32] = key.get(1..).and_then(|x| x.try_into().ok()).ok_or(GroupError::Public)?;
    Ok(Address::from_bytes(x))
}

fn key_package(bytes: &[u8]) -> Result<KeyPackage, SharedError> {
    KeyPackage::deserialize(bytes).map_err(|error| SharedError::own("share of the key", error))
}

/// A fresh nonce: the secret half for [`super::once`], the public half for the others. `seed` is 32 fresh
/// random bytes.
///
/// # Errors
/// A share of the key that cannot be read.
pub fn commit(share: &[u8], seed: [u8; 32]) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), SharedError> {
    let package = key_package(share)?;
    let (nonces, commitments) = round1::commit(package.signing_share(), &mut Stream::new(seed));
    let failed = |error| SharedError::own("nonce", error);
    Ok((Zeroizing::new(nonces.serialize().map_err(failed)?), commitments.serialize().map_err(failed)?))
}

/// Commitments by the places of their members.
pub type ByPlace = BTreeMap<usize, Vec<u8>>;

fn signing_package(commitments: &ByPlace, message: &Hash) -> Result<SigningPackage, SharedError> {
    let read = commitments.iter().map(|(place, bytes)| {
        let commitment = SigningCommitments::deserialize(bytes);
        let commitment = commitment.map_err(|error| SharedError::bad("commitment", &number(*place), error))?;
        Ok((identifier(*place), commitment))
    });
    Ok(SigningPackage::new(read.collect::<Result<_, SharedError>>()?, message.as_bytes()))
}

fn number(place: usize) -> String {
    format!("member {}", place.saturating_add(1))
}

/// This member's share of the signature. The nonce must never be used again, whatever comes of it.
///
/// # Errors
/// A nonce, a share of the key or a commitment that cannot be read.
pub fn sign(share: &[u8], nonce: &[u8], commitments: &ByPlace, message: &Hash) -> Result<Vec<u8>, SharedError> {
    let nonces = SigningNonces::deserialize(nonce).map_err(|error| SharedError::own("nonce", error))?;
    let signed = round2::sign(&signing_package(commitments, message)?, &nonces, &key_package(share)?);
    Ok(signed.map_err(|error| SharedError::own("share", error))?.serialize())
}

/// The signature that the shares make.
///
/// # Errors
/// Says, by their places, whose shares are wrong.
pub fn combine(
    public: &[u8],
    commitments: &ByPlace,
    shares: &ByPlace,
    message: &Hash,
) -> Result<Result<Signature, Vec<usize>>, SharedError> {
    let package = public_package(public)?;
    let read = shares.iter().map(|(place, bytes)| {
        let share = SignatureShare::deserialize(bytes);
        Ok((identifier(*place), share.map_err(|error| SharedError::bad("share", &number(*place), error))?))
    });
    let read: BTreeMap<_, _> = read.collect::<Result<_, SharedError>>()?;
    let signature = match aggregate(&signing_package(commitments, message)?, &read, &package) {
        Ok(signature) => signature,
        Err(error) => {
            let members = package.verifying_shares().len();
            return Ok(Err(error.culprits().iter().filter_map(|culprit| place(culprit, members)).collect()));
        }
    };
    let bytes: Option<[u8; 64]> = signature.serialize().ok().and_then(|bytes| bytes.try_into().ok());
    Ok(bytes.map(Signature::from_bytes).ok_or_else(Vec::new))
}

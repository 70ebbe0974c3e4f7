//! FROST over secp256k1 with BIP340 signatures, over bytes: `threshold` of the members sign.
//!
//! Members are numbered from 1 in their order. The key that the ceremony makes carries the unspendable
//! taproot tweak that the scheme's authors put on every key made by several (BIP341 advises it); the address
//! is the x coordinate of the tweaked key, and shares are shares of that, so signing tweaks nothing more.

use crate::{GroupError, Nonce, Part, SharedError, tagged};
use cairn_ledger::hash::Hash;
use cairn_ledger::keys::{Address, Signature};
use frost_secp256k1_tr::keys::{KeyPackage, PublicKeyPackage};
use frost_secp256k1_tr::rand_core::{self, CryptoRng, RngCore, impls};
use frost_secp256k1_tr::round1::{self, SigningCommitments, SigningNonces};
use frost_secp256k1_tr::round2::{self, SignatureShare};
use frost_secp256k1_tr::{Identifier, SigningPackage, aggregate};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The number of the member at a place.
pub(super) fn identifier(place: usize) -> Identifier {
    let number = u16::try_from(place.saturating_add(1)).unwrap_or(u16::MAX);
    Identifier::try_from(number).expect("a number from 1 on is an identifier")
}

/// The randomness the scheme's functions ask for: SHA-256 in counter mode over 32 fresh random bytes, so that
/// the system is asked once, where its failure can be told.
pub struct Stream {
    seed: Zeroizing<[u8; 32]>,
    counter: u64,
}

impl Stream {
    /// Everything follows from `seed`, which has to be fresh.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self { seed: Zeroizing::new(*seed), counter: 0 }
    }
}

impl RngCore for Stream {
    fn next_u32(&mut self) -> u32 {
        impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        impls::next_u64_via_fill(self)
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

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
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

/// A fresh nonce. `seed` is 32 fresh random bytes.
///
/// # Errors
/// A share of the key that cannot be read.
pub fn commit(share: &[u8], seed: &[u8; 32]) -> Result<Nonce, SharedError> {
    let package = key_package(share)?;
    let (nonces, commitments) = round1::commit(package.signing_share(), &mut Stream::new(seed));
    let failed = |error| SharedError::own("nonce", error);
    let secret = Zeroizing::new(nonces.serialize().map_err(failed)?);
    Ok(Nonce { secret, public: commitments.serialize().map_err(failed)? })
}

fn signing_package(commitments: &[Part], message: &[u8]) -> Result<SigningPackage, SharedError> {
    let read = commitments.iter().map(|part| {
        let commitment = SigningCommitments::deserialize(&part.bytes);
        let commitment = commitment.map_err(|error| SharedError::bad("commitment", &number(part.place), error))?;
        Ok((identifier(part.place), commitment))
    });
    Ok(SigningPackage::new(read.collect::<Result<_, SharedError>>()?, message))
}

fn number(place: usize) -> String {
    format!("member {}", place.saturating_add(1))
}

/// This member's share of the signature. The nonce must never be used again, whatever comes of it.
///
/// # Errors
/// A nonce, a share of the key or a commitment that cannot be read.
pub fn sign(share: &[u8], nonce: &[u8], commitments: &[Part], message: &Hash) -> Result<Vec<u8>, SharedError> {
    let nonces = SigningNonces::deserialize(nonce).map_err(|error| SharedError::own("nonce", error))?;
    let signed = round2::sign(&signing_package(commitments, message.as_bytes())?, &nonces, &key_package(share)?);
    Ok(signed.map_err(|error| SharedError::own("share", error))?.serialize())
}

/// The signature that the shares make.
///
/// # Errors
/// Says whose shares are wrong.
pub fn combine(public: &[u8], commitments: &[Part], shares: &[Part], message: &Hash) -> Result<Signature, SharedError> {
    let package = public_package(public)?;
    let read = shares.iter().map(|part| {
        let share = SignatureShare::deserialize(&part.bytes);
        Ok((identifier(part.place), share.map_err(|error| SharedError::bad("share", &number(part.place), error))?))
    });
    let read: BTreeMap<_, _> = read.collect::<Result<_, SharedError>>()?;
    let signed = aggregate(&signing_package(commitments, message.as_bytes())?, &read, &package);
    let signature = signed.map_err(|error| {
        let wrong = shares.iter().filter(|part| error.culprits().contains(&identifier(part.place)));
        SharedError::NoSignature { culprits: wrong.map(|part| part.member.clone()).collect() }
    })?;
    let bytes: Option<[u8; 64]> = signature.serialize().ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(Signature::from_bytes).ok_or(SharedError::NoSignature { culprits: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use frost_secp256k1_tr::VerifyingKey;
    use frost_secp256k1_tr::keys::{SigningShare, VerifyingShare};

    fn bytes(hex: &str) -> Vec<u8> {
        hex::decode(hex).expect("hex")
    }

    /// What the library writes before each value: its version and the scheme.
    fn header() -> Vec<u8> {
        let nonce = commit(&key_package_of(0).serialize().expect("a package"), &[1; 32]).expect("a nonce");
        nonce.public.get(..5).expect("a header").to_vec()
    }

    const KEY: &str = "02f37c34b66ced1fb51c34a90bdae006901f10625cc06c4f64663b0eae87d87b4f";
    const SHARES: [&str; 3] = [
        "08f89ffe80ac94dcb920c26f3f46140bfc7f95b493f8310f5fc1ea2b01f4254c",
        "04f0feac2edcedc6ce1253b7fab8c86b856a797f44d83d82a385554e6e401984",
        "00e95d59dd0d46b0e303e500b62b7ccb0e555d49f5b849f5e748c071da8c0dbc",
    ];

    fn key_package_of(place: usize) -> KeyPackage {
        let share = SigningShare::deserialize(&bytes(SHARES[place])).expect("a share");
        let key = VerifyingKey::deserialize(&bytes(KEY)).expect("a key");
        KeyPackage::new(identifier(place), share, VerifyingShare::from(share), key, 2)
    }

    /// The scheme's authors' vectors (github.com/ZcashFoundation/frost, frost-secp256k1-tr, vectors.json): members
    /// 1 and 3 of 3 sign "test".
    #[test]
    fn the_published_vectors_hold() {
        let signers = [
            (
                0,
                "58cd30723da418156fe9b71870a118e0bbc3d0353ba7c760f9bbc8d60c3dab29",
                "c22289cc43b82ed938d4b2288efb7381c405fb59f5d43bddc543d98838c60b19",
                "024e34ab3a7ad6b4563dbfe97e9f1206b3378cceb2502491ed0fb709765e1e5ba8",
                "03d4b1f3a61dc67e64dfb4abfccabb712f1f6914a6ec9b67749d171370453192cb",
                "2ffc305d1694fd84108b84d98306a1af807c6ad9bc3a2d8e448a09643202a15b",
            ),
            (
                2,
                "a4109db0a5db30fac8cd1f4e272ff02e08258928f067d82c63d97279b114514a",
                "ce3837bd963f0d81002279f7bb9eefceac64435f638885c2beae6f1dd881fd9e",
                "02d768658a1b94225645401a1512b803657770c7a21bf9ccccccfa09930a44951b",
                "034570a4e5217ee8770a28401185f50b4fce4d3f3933a3af9df7ab39b42381d0eb",
                "a8c392566ea29e852b4080a028bf5547166c87e703e4fb7136d4ebef65f99b3f",
            ),
        ];
        let commitment = |hiding: &str, binding: &str| [header(), bytes(hiding), bytes(binding)].concat();
        let part = |place, bytes| Part { place, member: number(place), bytes };
        let commitments: Vec<Part> =
            signers.iter().map(|(place, _, _, hiding, binding, _)| part(*place, commitment(hiding, binding))).collect();
        let package = signing_package(&commitments, b"test").expect("commitments");
        let mut shares = BTreeMap::new();
        for (place, hiding, binding, public_hiding, public_binding, expected) in &signers {
            let nonces = [header(), bytes(hiding), bytes(binding), commitment(public_hiding, public_binding)].concat();
            let nonces = SigningNonces::deserialize(&nonces).expect("nonces");
            let share = round2::sign(&package, &nonces, &key_package_of(*place)).expect("a share");
            assert_eq!(hex::encode(share.serialize()), *expected);
            shares.insert(identifier(*place), share);
        }
        let public = (0..3).map(|place| (identifier(place), *key_package_of(place).verifying_share())).collect();
        let public = PublicKeyPackage::new(public, VerifyingKey::deserialize(&bytes(KEY)).expect("a key"), Some(2));
        let signature = aggregate(&package, &shares, &public).expect("a signature");
        let expected = "0c776a9516a77808b70a31e74f1464814a6fcf897fb3a6bd84c7a9a9a7a5bcb8\
                        d8bfc2b385379c093bcc0579abc5f6f696e8f2c0c01f28ff7b5ef55397fc3c9a";
        assert_eq!(hex::encode(signature.serialize().expect("bytes")), expected);
    }

    #[test]
    fn randomness_is_a_stream_of_its_seed() {
        let draw = |seed, lengths: &[usize]| {
            let mut stream = Stream::new(&[seed; 32]);
            let draws = lengths.iter().map(|length| {
                let mut bytes = vec![0; *length];
                stream.fill_bytes(&mut bytes);
                bytes
            });
            draws.collect::<Vec<_>>()
        };
        let drawn = draw(1, &[32, 64, 5, 32]);
        assert_eq!(drawn, draw(1, &[32, 64, 5, 32]));
        assert_ne!(drawn, draw(2, &[32, 64, 5, 32]));
        assert!(drawn[0] != drawn[3] && drawn[1][..32] != drawn[1][32..]);
    }
}

//! Signatures against the official vectors of BIP340: `vectors/bip340.csv`, its rows with 32-byte messages.

use crate::support;
use cairn_ledger::hash::Hash;
use cairn_ledger::keys::{Address, SecretKey, Signature};
use cairn_ledger::schnorr::{verify, verify_batch};
use cairn_ledger::testing::{arbitrary_hash, key};
use k256::{Scalar, elliptic_curve::PrimeField};
use proptest::prelude::*;

type Member = (Address, Hash, Signature);

struct Vector {
    index: usize,
    secret: Option<[u8; 32]>,
    aux: Option<[u8; 32]>,
    member: Member,
    valid: bool,
    comment: String,
}

fn vectors() -> Vec<Vector> {
    let rows = include_str!("../vectors/bip340.csv").lines().skip(1);
    let vector = |row: &str| {
        let columns: Vec<&str> = row.splitn(8, ',').collect();
        let bytes32 = |text: &str| -> [u8; 32] { hex::decode(text).unwrap().try_into().unwrap() };
        let optional = |text: &str| (!text.is_empty()).then(|| bytes32(text));
        let signature = hex::decode(columns[5]).unwrap().try_into().unwrap();
        Vector {
            index: columns[0].parse().unwrap(),
            secret: optional(columns[1]),
            aux: optional(columns[3]),
            member: (
                Address::from_bytes(bytes32(columns[2])),
                Hash::from_bytes(bytes32(columns[4])),
                Signature::from_bytes(signature),
            ),
            valid: columns[6] == "TRUE",
            comment: columns[7].to_owned(),
        }
    };
    rows.map(vector).collect()
}

fn honest(n: u64) -> Member {
    let digest = arbitrary_hash(n);
    (key(n).address(), digest, key(n).sign(&digest, &[9; 32]))
}

#[test]
fn official_vectors_are_decided_alike_alone_and_in_every_position_of_a_batch() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 15);
    for Vector { index, member, valid, comment, .. } in &vectors {
        assert_eq!(verify(&member.0, &member.1, &member.2).is_ok(), *valid, "vector {index}: {comment}");
        for position in 0..6 {
            let mut batch: Vec<_> = (0..5).map(honest).collect();
            batch.insert(position, *member);
            let expected = if *valid { Ok(()) } else { Err(position) };
            assert_eq!(verify_batch(&batch), expected, "vector {index} at {position}: {comment}");
        }
    }
    let valid: Vec<_> = vectors.iter().filter(|vector| vector.valid).map(|vector| vector.member).collect();
    assert_eq!(verify_batch(&valid), Ok(()), "the valid ones together");
    assert_eq!(verify_batch(&[]), Ok(()), "an empty batch holds nothing invalid");
}

#[test]
fn official_vectors_are_signed_alike() {
    let signing = vectors().into_iter().filter_map(|vector| Some((vector.secret?, vector.aux?, vector.member)));
    let signing: Vec<_> = signing.collect();
    assert_eq!(signing.len(), 4);
    for (secret, aux, (address, digest, signature)) in signing {
        let key = SecretKey::from_bytes(&secret).unwrap();
        assert_eq!(key.address(), address);
        assert_eq!(key.sign(&digest, &aux), signature);
    }
}

/// The two halves of a signature.
fn halves(signature: &Signature) -> ([u8; 32], [u8; 32]) {
    let (r, s) = signature.as_bytes().split_at(32);
    (r.try_into().unwrap(), s.try_into().unwrap())
}

fn join(r: [u8; 32], s: [u8; 32]) -> Signature {
    Signature::from_bytes([r, s].concat().try_into().unwrap())
}

fn scalar(bytes: [u8; 32]) -> Scalar {
    Scalar::from_repr(bytes.into()).unwrap()
}

/// The member with `delta` added to its s: invalid for every delta but zero.
fn shifted(member: Member, delta: Scalar) -> Member {
    let (r, s) = halves(&member.2);
    (member.0, member.1, join(r, (scalar(s) + delta).to_repr().into()))
}

#[test]
fn two_invalid_signatures_that_cancel_in_an_unweighted_sum_are_refused() {
    let (first, second) = (honest(1), honest(2));
    let delta = Scalar::from(12_345_u64);
    let forged = [shifted(first, delta), shifted(second, -delta)];
    let sum = |batch: &[Member]| batch.iter().fold(Scalar::ZERO, |sum, member| sum + scalar(halves(&member.2).1));
    assert_eq!(sum(&forged), sum(&[first, second]), "without weights the batch would pass");
    assert_eq!(verify_batch(&forged), Err(0));
    assert_eq!(verify_batch(&[honest(3), forged[0], forged[1]]), Err(1));
    assert_eq!(verify_batch(&[first, second]), Ok(()), "the honest neighbour");
}

#[test]
fn swapped_halves_of_two_signatures_are_refused() {
    let (first, second) = (honest(1), honest(2));
    let swapped = [(first.0, first.1, second.2), (second.0, second.1, first.2)];
    assert_eq!(verify_batch(&swapped), Err(0));
    let other_digest = [first, (second.0, first.1, second.2)];
    assert_eq!(verify_batch(&other_digest), Err(1));
}

#[test]
fn a_signature_out_of_range_is_refused_and_its_neighbour_accepted() {
    let member = honest(1);
    let (r, s) = halves(&member.2);
    // s + n, where it fits 32 bytes, satisfies the equation; r + p has the same coordinate.
    let order = hex::decode("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141").unwrap();
    let field = hex::decode("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F").unwrap();
    let order: [u8; 32] = order.try_into().unwrap();
    let field: [u8; 32] = field.try_into().unwrap();
    for (name, signature) in [
        ("s = n", join(r, order)),
        ("s = 2^256 - 1", join(r, [0xff; 32])),
        ("s = 0", join(r, [0; 32])),
        ("r = p", join(field, s)),
        ("r = 2^256 - 1", join([0xff; 32], s)),
        ("r = 0", join([0; 32], s)),
        ("all zero", join([0; 32], [0; 32])),
    ] {
        assert!(verify(&member.0, &member.1, &signature).is_err(), "{name}");
        assert_eq!(verify_batch(&[honest(2), (member.0, member.1, signature)]), Err(1), "{name}");
    }
    assert_eq!(verify_batch(&[honest(2), member]), Ok(()), "the honest neighbour");
}

/// The member with one bit flipped in its signature, digest or key; with none for other kinds.
fn flipped(member: Member, kind: usize, bit: usize) -> Member {
    let (mut address, mut digest, mut signature) = (*member.0.as_bytes(), *member.1.as_bytes(), *member.2.as_bytes());
    let flip = |bytes: &mut [u8]| bytes[bit / 8 % bytes.len()] ^= 1 << (bit % 8);
    match kind {
        0 => flip(&mut signature),
        1 => flip(&mut digest),
        2 => flip(&mut address),
        _ => {}
    }
    (Address::from_bytes(address), Hash::from_bytes(digest), Signature::from_bytes(signature))
}

proptest! {
    #![proptest_config(support::cases(48))]

    #[test]
    fn batch_and_single_always_agree(
        members in proptest::collection::vec((0_u64..20, 0_usize..10, 0_usize..512), 0..12),
    ) {
        let batch: Vec<Member> = members.iter().map(|(n, kind, bit)| flipped(honest(*n), *kind, *bit)).collect();
        let first = batch.iter().position(|(address, digest, signature)| verify(address, digest, signature).is_err());
        prop_assert_eq!(verify_batch(&batch).err(), first);
        prop_assert_eq!(first, members.iter().position(|(_, kind, _)| *kind < 3));
    }
}

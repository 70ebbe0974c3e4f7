//! Batches against signatures one by one, for everything an attacker may put into one.

use super::{KeyCache, verify, verify_batch, verify_batch_with};
use crate::hash::{Hash, sha256};
use crate::keys::{Address, SecretKey, Signature};
use k256::{
    ProjectivePoint, Scalar, elliptic_curve::Field, elliptic_curve::ff::PrimeField, elliptic_curve::ops::Reduce,
    elliptic_curve::point::AffineCoordinates, elliptic_curve::subtle::ConditionallySelectable,
};
use proptest::prelude::*;
use std::{vec, vec::Vec};

type Member = (Address, Hash, Signature);

fn secret(n: u64) -> [u8; 32] {
    *sha256(&[b"key", &n.to_le_bytes()]).as_bytes()
}

fn key(n: u64) -> SecretKey {
    SecretKey::from_bytes(&secret(n)).unwrap()
}

fn digest(n: u64) -> Hash {
    sha256(&[b"digest", &n.to_le_bytes()])
}

fn signed(key_number: u64, digest_number: u64) -> Member {
    let (key, digest) = (key(key_number), digest(digest_number));
    (key.address(), digest, key.sign(&digest, &[3; 32]))
}

pub fn honest(count: u64) -> Vec<Member> {
    (0..count).map(|n| signed(n, n)).collect()
}

/// What one by one says, which a batch must say too, with an empty cache and with a full one.
fn check(batch: &[Member]) -> Result<(), usize> {
    let fails = |(key, digest, signature): &Member| verify(key, digest, signature).is_err();
    let expected = batch.iter().position(fails).map_or(Ok(()), Err);
    assert_eq!(verify_batch(batch), expected);
    let mut cache = KeyCache::new(64);
    assert_eq!(verify_batch_with(&mut cache, batch), expected);
    assert_eq!(verify_batch_with(&mut cache, batch), expected);
    expected
}

fn halves(signature: &Signature) -> ([u8; 32], Scalar) {
    let (r, s) = signature.as_bytes().split_at(32);
    (r.try_into().unwrap(), Scalar::from_repr(<[u8; 32]>::try_from(s).unwrap().into()).unwrap())
}

fn join(r: [u8; 32], s: Scalar) -> Signature {
    Signature::from_bytes([r, s.to_repr().into()].concat().try_into().unwrap())
}

fn with_s(member: &Member, change: impl FnOnce(Scalar) -> Scalar) -> Member {
    let (r, s) = halves(&member.2);
    (member.0, member.1, join(r, change(s)))
}

/// The point with this secret, its secret so that y is even, and its x.
fn even(secret: Scalar) -> (Scalar, [u8; 32]) {
    let affine = (ProjectivePoint::GENERATOR * secret).to_affine();
    (Scalar::conditional_select(&secret, &-secret, affine.y_is_odd()), affine.x().into())
}

/// A signature with a chosen nonce, as no honest signer makes it. With `opposite` its s belongs to −R.
fn signed_with_nonce(secret: Scalar, nonce: Scalar, digest: Hash, opposite: bool) -> Member {
    let ((d, p), (k, r)) = (even(secret), even(nonce));
    let e = crate::hash::Tag::BIP340_CHALLENGE.hash(&[&r, &p, digest.as_bytes()]);
    let e = <Scalar as Reduce<k256::FieldBytes>>::reduce(&(*e.as_bytes()).into());
    let k = if opposite { -k } else { k };
    (Address::from_bytes(p), digest, join(r, k + e * d))
}

fn scalar(n: u64) -> Scalar {
    Scalar::from_repr(secret(n).into()).unwrap()
}

#[test]
fn batches_of_every_small_size_hold_and_name_each_culprit() {
    for size in 0..=40 {
        let batch = honest(size);
        assert_eq!(check(&batch), Ok(()));
        for culprit in (0..batch.len()).step_by(if size < 12 { 1 } else { 7 }) {
            let mut batch = batch.clone();
            batch[culprit] = with_s(&batch[culprit], |s| s + Scalar::ONE);
            assert_eq!(check(&batch), Err(culprit), "of {size}");
        }
    }
}

#[test]
fn large_batches_hold_and_name_the_culprit() {
    let all = honest(1500);
    for size in [70, 130, 300, 700, 1500] {
        let mut batch = all[..size].to_vec();
        assert_eq!(verify_batch(&batch), Ok(()));
        for culprit in [size - 1, size / 2, 0] {
            batch[culprit].1 = digest(1 << 40);
            assert_eq!(verify_batch(&batch), Err(culprit));
        }
    }
}

#[test]
fn errors_that_cancel_without_weights_are_refused() {
    let batch = honest(10);
    let delta = scalar(99);
    for (first, second) in [(0, 1), (1, 0), (3, 9), (8, 9)] {
        let mut forged = batch.clone();
        forged[first] = with_s(&batch[first], |s| s + delta);
        forged[second] = with_s(&batch[second], |s| s - delta);
        let sum = |batch: &[Member]| batch.iter().map(|member| halves(&member.2).1).sum::<Scalar>();
        assert_eq!(sum(&forged), sum(&batch), "an unweighted sum would hold");
        assert_eq!(check(&forged), Err(first.min(second)));
    }
    let mut three = batch.clone();
    three[2] = with_s(&batch[2], |s| s + delta);
    three[4] = with_s(&batch[4], |s| s + delta);
    three[6] = with_s(&batch[6], |s| s - delta.double());
    assert_eq!(check(&three), Err(2));
}

#[test]
fn repetitions_are_only_as_valid_as_what_they_repeat() {
    let member = signed(1, 1);
    let forged = with_s(&member, |s| s + Scalar::ONE);
    for size in [2, 3, 17, 64, 200] {
        assert_eq!(check(&vec![member; size]), Ok(()), "one signature {size} times");
        assert_eq!(check(&vec![forged; size]), Err(0));
        let mut mixed = vec![member; size];
        mixed[size - 1] = forged;
        assert_eq!(check(&mixed), Err(size - 1));
        let one_key: Vec<_> = (0..size as u64).map(|n| signed(1, n)).collect();
        assert_eq!(check(&one_key), Ok(()), "one key");
        let one_digest: Vec<_> = (0..size as u64).map(|n| signed(n, 1)).collect();
        assert_eq!(check(&one_digest), Ok(()), "one message");
    }
    let mut swapped = honest(6);
    let (second, fifth) = (swapped[1].2, swapped[4].2);
    (swapped[1].2, swapped[4].2) = (fifth, second);
    assert_eq!(check(&swapped), Err(1));
}

#[test]
fn shared_and_opposite_nonces_are_no_exception() {
    for count in [2, 8, 40] {
        let shared = |opposite| move |n| signed_with_nonce(scalar(n), scalar(7), digest(n), opposite);
        let same_r: Vec<_> = (0..count).map(shared(false)).collect();
        assert_eq!(check(&same_r), Ok(()), "one R");
        let opposite: Vec<_> = (0..count).map(shared(true)).collect();
        assert_eq!(check(&opposite), Err(0), "the s of −R");
        let mut mixed = same_r.clone();
        mixed.extend(&opposite);
        assert_eq!(check(&mixed), Err(count as usize));
        // With its own key as nonce R = P, and all points of a member are one.
        let own: Vec<_> = (0..count).map(|n| signed_with_nonce(scalar(n), scalar(n), digest(n), false)).collect();
        assert_eq!(check(&own), Ok(()), "R = P");
        // R = G, and a key of G: terms of the generator that are not merged into it.
        let generator: Vec<_> =
            (0..count).map(|n| signed_with_nonce(Scalar::ONE, Scalar::ONE, digest(n), false)).collect();
        assert_eq!(check(&generator), Ok(()), "R = P = G");
        // λ·G: the endomorphism of the generator as R and P.
        let lambda = Scalar::from_repr((*b"\x53\x63\xad\x4c\xc0\x5c\x30\xe0\xa5\x26\x1c\x02\x88\x12\x64\x5a\x12\x2e\x22\xea\x20\x81\x66\x78\xdf\x02\x96\x7c\x1b\x23\xbd\x72").into()).unwrap();
        let turned: Vec<_> = (0..count).map(|n| signed_with_nonce(lambda, lambda.square(), digest(n), false)).collect();
        assert_eq!(check(&turned), Ok(()), "P = λ·G, R = λ²·G");
    }
}

#[test]
fn a_key_and_its_opposite_are_one_address() {
    let minus = SecretKey::from_bytes(&(-scalar(1)).to_repr().into()).unwrap();
    assert_eq!(minus.address(), key(1).address());
    let other = (minus.address(), digest(5), minus.sign(&digest(5), &[4; 32]));
    assert_eq!(check(&[signed(1, 1), other, signed(1, 2), signed(2, 1)]), Ok(()));
}

#[test]
fn malleated_and_malformed_members_are_refused_and_the_first_is_named() {
    let batch = honest(9);
    let refused: Vec<(&str, Member)> = {
        let member = batch[5];
        let (r, s) = halves(&member.2);
        let raw = |r: [u8; 32], s: [u8; 32]| Signature::from_bytes([r, s].concat().try_into().unwrap());
        let s_bytes: [u8; 32] = s.to_repr().into();
        let mut order = <[u8; 32]>::from((-Scalar::ONE).to_repr());
        order[31] += 1;
        let mut prime = [0xff; 32];
        prime[27..].copy_from_slice(&[0xfe, 0xff, 0xff, 0xfc, 0x2f]);
        let mut not_on_curve = [0; 32];
        not_on_curve[31] = 5;
        let signature = |signature| (member.0, member.1, signature);
        let address = |bytes| (Address::from_bytes(bytes), member.1, member.2);
        vec![
            ("n − s", with_s(&member, |s| -s)),
            ("s = 0", with_s(&member, |_| Scalar::ZERO)),
            ("s = n", signature(raw(r, order))),
            ("s = 2^256 − 1", signature(raw(r, [0xff; 32]))),
            ("r = 0", signature(raw([0; 32], s_bytes))),
            ("r = p", signature(raw(prime, s_bytes))),
            ("r = 2^256 − 1", signature(raw([0xff; 32], s_bytes))),
            ("r not on the curve", signature(raw(not_on_curve, s_bytes))),
            ("key 0", address([0; 32])),
            ("key p", address(prime)),
            ("key not on the curve", address(not_on_curve)),
            ("other message", (member.0, digest(77), member.2)),
        ]
    };
    for (name, member) in &refused {
        for position in 0..batch.len() {
            let mut batch = batch.clone();
            batch[position] = *member;
            assert_eq!(check(&batch), Err(position), "{name} at {position}");
        }
    }
    // The first is named, whichever of the two is found earlier.
    for ((name, first), (other, second)) in refused.iter().flat_map(|a| refused.iter().map(move |b| (a, b))) {
        let mut batch = batch.clone();
        (batch[2], batch[7]) = (*first, *second);
        assert_eq!(verify_batch(&batch), Err(2), "{name} before {other}");
    }
}

#[test]
fn a_cache_of_any_capacity_changes_nothing() {
    let mut batch = honest(30);
    for capacity in [0, 1, 2, 7, 1000] {
        let mut cache = KeyCache::new(capacity);
        for _ in 0..3 {
            assert_eq!(verify_batch_with(&mut cache, &batch), Ok(()));
        }
        let known = batch.iter().filter(|(key, _, _)| cache.get(key).is_some()).count();
        assert!(known <= capacity && (known > 0) == (capacity > 0));
    }
    let mut cache = KeyCache::new(1000);
    batch[4].0 = Address::ZERO;
    assert_eq!(verify_batch_with(&mut cache, &batch), Err(4));
    assert!(cache.get(&Address::ZERO).is_none(), "what is no key is not kept");
}

/// The member with one bit flipped, or whole parts exchanged for another's.
fn corrupted(member: Member, kind: usize, bit: usize) -> Member {
    let (mut key, mut digest, mut signature) = (*member.0.as_bytes(), *member.1.as_bytes(), *member.2.as_bytes());
    let flip = |bytes: &mut [u8]| bytes[bit / 8 % bytes.len()] ^= 1 << (bit % 8);
    match kind {
        0 => flip(&mut signature),
        1 => flip(&mut digest),
        2 => flip(&mut key),
        3 => signature = *signed(bit as u64, 1).2.as_bytes(),
        4 => return with_s(&member, |s| -s),
        _ => {}
    }
    (Address::from_bytes(key), Hash::from_bytes(digest), Signature::from_bytes(signature))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batch_and_single_always_agree(
        members in proptest::collection::vec((0_u64..12, 0_u64..4, 0_usize..60, 0_usize..512), 0..40),
    ) {
        let corrupt = |&(key, digest, kind, bit): &(u64, u64, usize, usize)| corrupted(signed(key, digest), kind, bit);
        let batch: Vec<Member> = members.iter().map(corrupt).collect();
        let _ = check(&batch);
    }
}

//! MuSig2 (BIP327) over bytes: all members sign.
//!
//! BIP327 takes 33-byte keys; ours are x-only, and stand for their even points. The aggregate is used as it
//! is, without a taproot tweak: its x coordinate is the address.

use crate::{GroupError, Nonce, Part, SharedError};
use cairn_ledger::hash::Hash;
use cairn_ledger::keys::{Address, Signature};
use musig2::secp::{MaybeScalar, Point, Scalar};
use musig2::{
    AggNonce, CompactSignature, KeyAggContext, PartialSignature, PubNonce, SecNonce, aggregate_partial_signatures,
    sign_partial, verify_partial,
};
use zeroize::Zeroizing;

fn point(address: &Address) -> Result<Point, GroupError> {
    Point::lift_x(*address.as_bytes()).map_err(|_| GroupError::Degenerate)
}

fn context(members: &[Address]) -> Result<KeyAggContext, GroupError> {
    let points: Vec<Point> = members.iter().map(point).collect::<Result<_, _>>()?;
    if points.is_empty() {
        return Err(GroupError::Members { got: 0 });
    }
    KeyAggContext::new(points).map_err(|_| GroupError::Degenerate)
}

/// The address of the key that `members`, in this order, share.
///
/// # Errors
/// Keys that add up to none.
pub fn address(members: &[Address]) -> Result<Address, GroupError> {
    let key: Point = context(members)?.aggregated_pubkey();
    Ok(Address::from_bytes(key.serialize_xonly()))
}

/// The scalar of the even point that an address stands for.
fn scalar(secret: &[u8; 32]) -> Result<Scalar, SharedError> {
    let scalar = Scalar::from_slice(secret).map_err(|error| SharedError::own("key", error))?;
    Ok(scalar.negate_if(scalar.base_point_mul().parity()))
}

/// A fresh nonce. `seed` is 32 fresh random bytes; key, message and session go in as well, as BIP327 advises.
///
/// # Errors
/// Keys that are none.
pub fn commit(
    members: &[Address],
    secret: &[u8; 32],
    message: &Hash,
    session: &[u8],
    seed: &[u8; 32],
) -> Result<Nonce, SharedError> {
    let key: Point = context(members)?.aggregated_pubkey();
    let nonce = SecNonce::generate(*seed, scalar(secret)?, key, message.as_bytes(), session);
    let public = nonce.public_nonce().serialize().to_vec();
    Ok(Nonce { secret: Zeroizing::new(nonce.serialize().to_vec()), public })
}

/// This member's share of the signature. The nonce must never be used again, whatever comes of it.
///
/// # Errors
/// A nonce or a commitment that cannot be read.
pub fn sign(
    members: &[Address],
    secret: &[u8; 32],
    nonce: &[u8],
    commitments: &[Part],
    message: &Hash,
) -> Result<Vec<u8>, SharedError> {
    let nonce = SecNonce::from_bytes(nonce).map_err(|error| SharedError::own("nonce", error))?;
    let together = together(commitments)?;
    let share: PartialSignature =
        sign_partial(&context(members)?, scalar(secret)?, nonce, &together, message.as_bytes())
            .map_err(|error| SharedError::own("share", error))?;
    Ok(share.serialize().to_vec())
}

fn public_nonce(commitment: &Part) -> Result<PubNonce, SharedError> {
    PubNonce::from_bytes(&commitment.bytes).map_err(|error| SharedError::bad("commitment", &commitment.member, error))
}

fn together(commitments: &[Part]) -> Result<AggNonce, SharedError> {
    let nonces: Vec<PubNonce> = commitments.iter().map(public_nonce).collect::<Result<_, _>>()?;
    Ok(AggNonce::sum(nonces))
}

/// The signature that all shares make, in the order of the members. Each share is checked alone, so that a
/// wrong one has a name.
///
/// # Errors
/// Says whose shares are wrong.
pub fn combine(
    members: &[Address],
    commitments: &[Part],
    shares: &[Part],
    message: &Hash,
) -> Result<Signature, SharedError> {
    let (context, together) = (context(members)?, together(commitments)?);
    let (mut partials, mut culprits) = (Vec::new(), Vec::new());
    for ((address, commitment), share) in members.iter().zip(commitments).zip(shares) {
        let partial =
            MaybeScalar::from_slice(&share.bytes).map_err(|error| SharedError::bad("share", &share.member, error))?;
        let nonce = public_nonce(commitment)?;
        if verify_partial(&context, partial, &together, point(address)?, &nonce, message.as_bytes()).is_err() {
            culprits.push(share.member.clone());
        }
        partials.push(partial);
    }
    if !culprits.is_empty() {
        return Err(SharedError::NoSignature { culprits });
    }
    let signature: CompactSignature = aggregate_partial_signatures(&context, &together, partials, message.as_bytes())
        .map_err(|_| SharedError::NoSignature { culprits })?;
    Ok(Signature::from_bytes(signature.serialize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::{keys::SecretKey, schnorr};

    /// BIP327, key_agg_vectors.json.
    #[test]
    fn the_published_vectors_of_bip327_hold() {
        let key = |hex: &str| Point::from_hex(hex).expect("a point");
        let keys = [
            "02F9308A019258C31049344F85F89D5229B531C845836F99B08601F113BCE036F9",
            "03DFF1D77F2A671C5F36183726DB2341BE58FEAE1DA2DECED843240F7B502BA659",
            "023590A94E768F8E1815C2F24B4D80A8E3149316C3518CE7B7AD338368D038CA66",
        ]
        .map(|hex| key(&hex.to_lowercase()));
        for (order, expected) in [
            (vec![0, 1, 2], "90539eede565f5d054f32cc0c220126889ed1e5d193baf15aef344fe59d4610c"),
            (vec![2, 1, 0], "6204de8b083426dc6eaf9502d27024d53fc826bf7d2012148a0575435df54b2b"),
            (vec![0, 0, 0], "b436e3bad62b8cd409969a224731c193d051162d8c5ae8b109306127da3aa935"),
            (vec![0, 0, 1, 1], "69bc22bfa5d106306e48a20679de1d7389386124d07571d0d872686028c26a3e"),
        ] {
            let context = KeyAggContext::new(order.into_iter().map(|place: usize| keys[place])).expect("keys");
            let together: Point = context.aggregated_pubkey();
            assert_eq!(hex::encode(together.serialize_xonly()), expected);
        }
    }

    /// BIP327, sign_verify_vectors.json: one signer at each of three places.
    #[test]
    fn the_published_shares_of_bip327_come_out() {
        let bytes = |hex: &str| hex::decode(hex).expect("hex");
        let secret =
            Scalar::from_hex("7fb9e0e687ada1eebf7ecfe2f21e73ebdb51a7d450948dfe8d76d7f2d1007671").expect("a key");
        let keys = [
            "03935f972da013f80ae011890fa89b67a27b7be6ccb24d3274d18b2d4067f261a9",
            "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
            "02dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba661",
        ]
        .map(|hex| Point::from_hex(hex).expect("a point"));
        let nonce = "508b81a611f100a6b2b6b29656590898af488bcf2e1f55cf22e5cfb84421fe61\
                     fa27fd49b1d50085b481285e1ca205d55c82cc1b31ff5cd54a489829355901f7\
                     03935f972da013f80ae011890fa89b67a27b7be6ccb24d3274d18b2d4067f261a9";
        let commitments = [
            "0337c87821afd50a8644d820a8f3e02e499c931865c2360fb43d0a0d20dafe07ea\
             0287bf891d2a6deaebadc909352aa9405d1428c15f4b75f04dae642a95c2548480",
            "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
             0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
            "032de2662628c90b03f5e720284eb52ff7d71f4284f627b68a853d78c78e1ffe93\
             03e4c5524e83ffe1493b9077cf1ca6beb2090c93d930321071ad40b2f44e599046",
        ]
        .map(|hex| Part { place: 0, member: String::new(), bytes: bytes(hex) });
        let message = bytes("f95466d086770e689964664219266fe5ed215c92ae20bab5c9d79addddf3c0cf");
        let aggregate = together(&commitments).expect("nonces");
        let expected = "028465fcf0bbdbcf443aabcce533d42b4b5a10966ac09a49655e8c42daab8fcd61\
                        037496a3cc86926d452cafcfd55d25972ca1675d549310de296bff42f72eeea8c9";
        assert_eq!(hex::encode(aggregate.serialize()), expected);
        for (order, expected) in [
            ([0, 1, 2], "012abbcb52b3016ac03ad82395a1a415c48b93def78718e62a7a90052fe224fb"),
            ([1, 0, 2], "9ff2f7aaa856150cc8819254218d3adeeb0535269051897724f9db3789513a52"),
            ([1, 2, 0], "fa23c359f6fac4e7796bb93bc9f0532a95468c539ba20ff86d7c76ed92227900"),
        ] {
            let context = KeyAggContext::new(order.map(|place: usize| keys[place])).expect("keys");
            let secnonce = SecNonce::from_hex(nonce).expect("a nonce");
            let share: PartialSignature =
                sign_partial(&context, secret, secnonce, &aggregate, &message).expect("a share");
            assert_eq!(hex::encode(share.serialize()), expected);
        }
    }

    fn signers(count: u8) -> (Vec<[u8; 32]>, Vec<Address>) {
        let mut secrets: Vec<[u8; 32]> = (1..=count).map(|byte| [byte; 32]).collect();
        let address = |secret: &[u8; 32]| SecretKey::from_bytes(secret).expect("a key").address();
        secrets.sort_by_key(address);
        let members = secrets.iter().map(address).collect();
        (secrets, members)
    }

    #[test]
    fn members_together_make_a_signature_of_the_ledger() {
        for count in [2, 3, 7] {
            let (secrets, members) = signers(count);
            let message = crate::tagged("test", &[b"message"]);
            let name = |place: usize| format!("member {place}");
            let (mut nonces, mut commitments) = (Vec::new(), Vec::new());
            for (place, secret) in secrets.iter().enumerate() {
                let Nonce { secret, public } = commit(&members, secret, &message, b"s", &[9; 32]).expect("a nonce");
                nonces.push(secret);
                commitments.push(Part { place, member: name(place), bytes: public });
            }
            let shares: Vec<Part> = (0..members.len())
                .map(|place| {
                    let share = sign(&members, &secrets[place], &nonces[place], &commitments, &message);
                    Part { place, member: name(place), bytes: share.expect("a share") }
                })
                .collect();
            let signature = combine(&members, &commitments, &shares, &message).expect("a signature");
            let key = address(&members).expect("an address");
            assert!(schnorr::verify(&key, &message, &signature).is_ok());
            let other = crate::tagged("test", &[b"another"]);
            assert!(schnorr::verify(&key, &other, &signature).is_err());
            // The control: a share of another message has its member's name.
            let mut wrong = shares;
            wrong[1].bytes[31] ^= 1;
            let refused = combine(&members, &commitments, &wrong, &message);
            assert_eq!(refused, Err(SharedError::NoSignature { culprits: vec![name(1)] }));
        }
    }
}

//! The batch equation, and what becomes of a batch that fails it.

use super::{cache::KeyCache, verify};
use crate::hash::{Hash, Tag};
use crate::keys::{Address, Signature};
use alloc::{vec, vec::Vec};
use cairn_kernels::secp256k1::{LinearCombination, Point, lift_each};
use k256::{FieldBytes, Scalar, elliptic_curve::ff::PrimeField, elliptic_curve::ops::Reduce};

type Member = (Address, Hash, Signature);

/// Fewer signatures than this are verified one by one. Already two are faster together.
const SMALLEST_BATCH: usize = 2;

/// Verifies many signatures like [`verify_batch`](super::verify_batch), and takes the keys it has seen
/// before from `cache`.
///
/// # Errors
/// The position of the first that does not verify.
pub fn verify_batch_with(cache: &mut KeyCache, batch: &[Member]) -> Result<(), usize> {
    let vouched = if batch.len() < SMALLEST_BATCH { 0 } else { Claims::read(cache, batch).hold_from_the_front() };
    // Whatever the equation does not vouch for is decided alone, so the two never disagree.
    let fails = |(key, digest, signature): &Member| verify(key, digest, signature).is_err();
    match batch.iter().skip(vouched).position(fails) {
        Some(behind) => Err(vouched.saturating_add(behind)),
        None => Ok(()),
    }
}

/// What one member says: s·G = R + e·P.
struct Claim<'a> {
    member: &'a Member,
    r: Point,
    /// The place of P among the keys.
    key: usize,
    s: Scalar,
    e: Scalar,
}

/// The members of a batch before the first that is refused without an equation.
struct Claims<'a> {
    /// The keys of the batch: each once, in ascending order.
    keys: Vec<(&'a Address, Option<Point>)>,
    claims: Vec<Claim<'a>>,
}

impl<'a> Claims<'a> {
    fn read(cache: &mut KeyCache, batch: &'a [Member]) -> Self {
        let keys = lift_keys(cache, batch);
        let r: Vec<[u8; 32]> = batch.iter().map(|(_, _, signature)| halves(signature).0).collect();
        let members = batch.iter().zip(lift_each(&r)).zip(challenges(batch));
        let claims = members.map_while(|((member, r), e)| Claim::new(member, r?, e, &keys)).collect();
        Self { keys, claims }
    }

    /// How many of the first members certainly verify: all, or those before the half, quarter, … in
    /// which the first culprit is. Looking for it takes about as long again as the equation that failed.
    fn hold_from_the_front(&self) -> usize {
        if self.equation_holds(0, self.claims.len()) {
            return self.claims.len();
        }
        let (mut from, mut to) = (0, self.claims.len());
        while to.saturating_sub(from) > SMALLEST_BATCH {
            let middle = usize::midpoint(from, to);
            if self.equation_holds(from, middle) {
                from = middle;
            } else {
                to = middle;
            }
        }
        from
    }

    fn equation_holds(&self, from: usize, to: usize) -> bool {
        let sum = self.claims.get(from..to).and_then(|claims| self.weighted_sum(claims));
        sum.and_then(|sum| sum.is_identity()).unwrap_or(false)
    }

    /// Σ aᵢ·Rᵢ + Σ (aᵢ·eᵢ)·Pᵢ − (Σ aᵢ·sᵢ)·G.
    fn weighted_sum(&self, claims: &[Claim<'_>]) -> Option<LinearCombination> {
        let mut of_generator = Scalar::ZERO;
        let mut of_keys = vec![Scalar::ZERO; self.keys.len()];
        let mut sum = LinearCombination::with_capacity(claims.len().saturating_mul(3).saturating_add(2));
        for (claim, weight) in claims.iter().zip(weights(claims)) {
            sum.add_short(weight, claim.r);
            let weight = Scalar::from(weight);
            of_generator = Scalar::add(&of_generator, &weight.mul(&claim.s));
            let of_key = of_keys.get_mut(claim.key)?;
            *of_key = Scalar::add(of_key, &weight.mul(&claim.e));
        }
        sum.add(&of_generator.negate(), Point::GENERATOR)?;
        for ((_, point), scalar) in self.keys.iter().zip(&of_keys) {
            sum.add(scalar, point.unwrap_or(Point::IDENTITY))?;
        }
        Some(sum)
    }
}

impl<'a> Claim<'a> {
    /// `None` for an s of n or more, an s of zero, which k256 refuses too, and a key not on the curve.
    fn new(member: &'a Member, r: Point, e: Hash, keys: &[(&Address, Option<Point>)]) -> Option<Self> {
        let (address, _, signature) = member;
        let (_, s) = halves(signature);
        let s = Scalar::from_repr(s.into()).into_option().filter(|s| !bool::from(s.is_zero()))?;
        let key = keys.binary_search_by_key(&address, |(key, _)| key).ok()?;
        keys.get(key)?.1?;
        let e = Scalar::reduce(&FieldBytes::from(*e.as_bytes()));
        Some(Self { member, r, key, s, e })
    }
}

/// The challenge of each member (BIP340): a hash over r, key and message.
fn challenges(batch: &[Member]) -> Vec<Hash> {
    let members = batch.iter().map(|(address, digest, signature)| (address, digest, halves(signature).0));
    Tag::BIP340_CHALLENGE
        .hash_each::<2, 3, _>(members, |(address, digest, r)| [r, address.as_bytes(), digest.as_bytes()])
}

/// r and s.
fn halves(signature: &Signature) -> ([u8; 32], [u8; 32]) {
    let mut halves = signature.as_bytes().as_chunks().0.iter().copied();
    (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
}

/// The weights of a batch: 1 for the first, then 128 bits from a hash over all inputs and the number of
/// the member, counted from one. A weight of zero would leave its member out and counts as 1.
fn weights(claims: &[Claim<'_>]) -> impl Iterator<Item = u128> {
    let seed = Tag::BATCH.hash_with(|put| {
        put(&(claims.len() as u64).to_le_bytes());
        for Claim { member: (key, digest, signature), .. } in claims {
            put(key.as_bytes());
            put(digest.as_bytes());
            put(signature.as_bytes());
        }
    });
    let weight = |hash: Hash| u128::from_le_bytes(hash.as_bytes().first_chunk().copied().unwrap_or_default()).max(1);
    let numbers = (2..).take(claims.len().saturating_sub(1)).map(|number: u64| (&seed, number.to_le_bytes()));
    let after_first = Tag::WEIGHT.hash_each::<1, 2, _>(numbers, |(seed, number)| [seed.as_bytes(), number]);
    core::iter::once(1).chain(after_first.into_iter().map(weight))
}

/// The keys of a batch, each once and in ascending order, from the cache or lifted into it.
fn lift_keys<'a>(cache: &mut KeyCache, batch: &'a [Member]) -> Vec<(&'a Address, Option<Point>)> {
    let mut keys: Vec<&Address> = batch.iter().map(|(key, _, _)| key).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut keys: Vec<_> = keys.into_iter().map(|key| (key, cache.get(key))).collect();
    let unknown: Vec<[u8; 32]> =
        keys.iter().filter(|(_, point)| point.is_none()).map(|(key, _)| *key.as_bytes()).collect();
    let unknown_keys = keys.iter_mut().filter(|(_, point)| point.is_none());
    for ((key, point), lifted) in unknown_keys.zip(lift_each(&unknown)) {
        *point = lifted;
        if let Some(lifted) = lifted {
            cache.insert(key, lifted);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hash::sha256, schnorr::tests::honest};

    #[test]
    fn weights_follow_the_written_layout() {
        let batch = honest(3);
        let tagged = |name: &str, message: &[u8]| {
            let tag = sha256(&[name.as_bytes()]);
            sha256(&[tag.as_bytes(), tag.as_bytes(), message])
        };
        let mut message = vec![3, 0, 0, 0, 0, 0, 0, 0];
        for (key, digest, signature) in &batch {
            message.extend([*key.as_bytes(), *digest.as_bytes()].concat());
            message.extend(signature.as_bytes());
        }
        let seed = tagged("cairn/batch", &message);
        let weight = |number: u8| {
            let hash = tagged("cairn/weight", &[seed.as_bytes().as_slice(), &[number, 0, 0, 0, 0, 0, 0, 0]].concat());
            u128::from_le_bytes(hash.as_bytes()[..16].try_into().unwrap())
        };
        let read = Claims::read(&mut KeyCache::new(0), &batch);
        let weights: Vec<u128> = weights(&read.claims).take(3).collect();
        assert_eq!(weights, [1, weight(2), weight(3)]);
    }

    #[test]
    fn every_input_changes_every_weight() {
        let batch = honest(4);
        let weights_of = |batch: &[Member]| {
            let read = Claims::read(&mut KeyCache::new(0), batch);
            weights(&read.claims).take(batch.len()).skip(1).collect::<Vec<_>>()
        };
        let before = weights_of(&batch);
        let other = honest(5)[4];
        for place in 0..batch.len() {
            let changed = |change: &dyn Fn(&mut Member)| {
                let mut batch = batch.clone();
                change(&mut batch[place]);
                weights_of(&batch)
            };
            let after = [changed(&|m| m.0 = other.0), changed(&|m| m.1 = other.1), changed(&|m| m.2 = other.2)];
            assert!(after.iter().flatten().all(|weight| !before.contains(weight)));
        }
    }
}

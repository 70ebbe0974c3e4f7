//! The work that a visitor's browser does: a challenge that nobody has to remember.
//!
//! ```text
//! challenge = T("cairn/faucet/challenge", secret ‖ address ‖ window)      window: u64, in spans of ten minutes
//! work      = T("cairn/faucet/work", challenge ‖ nonce)                   both numbers little-endian
//! ```
//! `T` is the tagged hash of BIP340. The proof is good for as many zero bits as `work` begins with. How many are asked
//! for is no part of the challenge: it is decided when the proof is brought, so that challenges which were collected
//! while they were cheap are worth nothing more, and who brought too little goes on where it stopped.

use cairn_ledger::{Address, Hash, SecretKey};
use cairn_shared_keys::tagged;
use std::{fmt, str::FromStr};
use zeroize::Zeroizing;

/// How long a challenge is new. It is good until the next one is old: between one and two of these.
pub const WINDOW_MS: u64 = 10 * 60 * 1_000;
/// What is hashed to prove work.
pub const WORK_TAG: &str = "cairn/faucet/work";
/// What the secret is the hash of.
const SECRET_TAG: &str = "cairn/faucet/secret";

/// Who makes challenges: with a secret that follows from the wallet's key, so that nobody works ahead, and the same
/// after a restart.
pub struct Challenger(Zeroizing<[u8; 32]>);

/// What one address has to work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge(Hash);

/// A window that is not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotNow;

/// One gift: who knows the challenge of its address and window knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantId([u8; 16]);

/// Text that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 lower-case hex digits")]
pub struct GrantIdError;

/// The window at a time (Unix ms).
pub const fn window(now: u64) -> u64 {
    now / WINDOW_MS
}

/// When the challenges of a window are no longer taken, Unix ms.
pub const fn expires(window: u64) -> u64 {
    window.saturating_add(2).saturating_mul(WINDOW_MS)
}

impl Challenger {
    /// For the faucet of the wallet with this key: the secret is the hash of a signature that nobody else can make, and
    /// that is made of nothing but the key and a name.
    pub fn new(key: &SecretKey) -> Self {
        let signature = key.sign(&tagged(SECRET_TAG, &[]), &[0; 32]);
        Self(Zeroizing::new(*tagged(SECRET_TAG, &[signature.as_bytes()]).as_bytes()))
    }

    /// The challenge of an address in a window.
    pub fn challenge(&self, address: &Address, window: u64) -> Challenge {
        let parts: [&[u8]; 3] = [&*self.0, address.as_bytes(), &window.to_le_bytes()];
        Challenge(tagged("cairn/faucet/challenge", &parts))
    }

    /// The same for a proof that is brought: this window, or the one before.
    ///
    /// # Errors
    /// It is too old, or not yet.
    pub fn brought(&self, address: &Address, claimed: u64, now: u64) -> Result<Challenge, NotNow> {
        let is_now = claimed <= window(now) && now < expires(claimed);
        if is_now { Ok(self.challenge(address, claimed)) } else { Err(NotNow) }
    }
}

impl Challenge {
    /// How many zero bits a nonce proves.
    pub fn zeros(&self, nonce: u64) -> u32 {
        let work = tagged(WORK_TAG, &[self.0.as_bytes(), &nonce.to_le_bytes()]);
        let mut zeros = 0;
        for byte in work.as_bytes() {
            zeros += byte.leading_zeros();
            if *byte != 0 {
                break;
            }
        }
        zeros
    }

    /// What a proof of it buys, once.
    pub fn grant(&self) -> GrantId {
        let hash = tagged("cairn/faucet/grant", &[self.0.as_bytes()]);
        let mut id = [0; 16];
        id.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        GrantId(id)
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.as_bytes()))
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for GrantId {
    type Err = GrantIdError;

    fn from_str(text: &str) -> Result<Self, GrantIdError> {
        let mut id = [0; 16];
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut id) {
            Ok(()) if is_lower => Ok(Self(id)),
            _ => Err(GrantIdError),
        }
    }
}

#[cfg(test)]
impl GrantId {
    /// Any.
    pub fn of(byte: u8) -> Self {
        Self([byte; 16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenger(byte: u8) -> Challenger {
        let key = SecretKey::from_bytes(&[byte; 32]).expect("a key");
        Challenger::new(&key)
    }

    fn address(byte: u8) -> Address {
        SecretKey::from_bytes(&[byte; 32]).expect("a key").address()
    }

    #[test]
    fn a_challenge_is_of_one_faucet_one_address_and_one_window() {
        let faucet = challenger(1);
        let one = faucet.challenge(&address(2), 7);
        assert_eq!(one, challenger(1).challenge(&address(2), 7), "the same after a restart");
        for other in [
            faucet.challenge(&address(3), 7),
            faucet.challenge(&address(2), 8),
            challenger(4).challenge(&address(2), 7),
        ] {
            assert_ne!(one, other);
            assert_ne!(one.grant(), other.grant());
        }
        assert_eq!(one.grant().to_string().parse(), Ok(one.grant()));
        assert_eq!("AB".repeat(16).parse::<GrantId>(), Err(GrantIdError));
    }

    #[test]
    fn a_challenge_is_good_for_ten_to_twenty_minutes_and_never_before_its_time() {
        let (faucet, begin) = (challenger(1), 100 * WINDOW_MS);
        let brought = |now| faucet.brought(&address(2), 100, now).map(|_| ());
        assert_eq!(brought(begin - 1), Err(NotNow));
        assert_eq!(brought(begin), Ok(()));
        assert_eq!(brought(begin + 2 * WINDOW_MS - 1), Ok(()));
        assert_eq!(brought(begin + 2 * WINDOW_MS), Err(NotNow));
        assert_eq!(faucet.brought(&address(2), u64::MAX, u64::MAX), Err(NotNow));
    }

    #[test]
    fn work_is_as_rare_as_it_says() {
        let challenge = challenger(1).challenge(&address(2), 7);
        let found = (0..20_000).filter(|nonce| challenge.zeros(*nonce) >= 8).count();
        assert!((40..=120).contains(&found), "{found} of 20000 have 8 zero bits, about 78 expected");
    }
}

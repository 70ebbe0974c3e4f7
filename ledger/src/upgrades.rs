//! Rules that depend on the height: what a network began with, and its upgrades.
//!
//! Block 0 binds the rules that a network begins with. An upgrade changes some of them from a height on; it is not
//! part of the genesis id, as the network goes on. Whoever asks what holds asks
//! [`ChainSpec::rules_at`](crate::chain_spec::ChainSpec::rules_at). The rules of headers never change, so that light
//! proofs hold across upgrades.
//!
//! # Invariants
//! 1. Two files with different upgrades have different ids ([`rules_id`]), and the headers after an upgrade carry the
//!    beginning of that id as their version: what contradicts never looks alike.

use crate::block::{BLOCK_OVERHEAD_BYTES, HEADER_VERSION, MAX_BLOCK_BYTES};
use crate::hash::{BlockId, Hash, Tag};
use crate::transaction::MAX_TRANSACTION_BYTES;
use crate::units::{Amount, Height};
use alloc::{string::String, vec::Vec};

/// The least that `max_new_accounts` may be: what one transaction can create.
pub const LEAST_MAX_NEW_ACCOUNTS: u64 = 1024;
/// The least that `max_block_bytes` may be: the largest transaction fits.
pub const LEAST_MAX_BLOCK_BYTES: u64 = 42_000;
const _: () = assert!(MAX_TRANSACTION_BYTES + BLOCK_OVERHEAD_BYTES <= LEAST_MAX_BLOCK_BYTES as usize);
/// The most that an account may cost, in pebbles: the price of all that one transaction can create is an amount.
pub const MOST_ACCOUNT_PRICE: u64 = 1 << 43;
/// The first height at which an upgrade may begin: earlier blocks have no target of their own.
pub const LEAST_UPGRADE_HEIGHT: u64 = 3;
/// The features that this program knows: rules that an upgrade turns on by name. There are none so far.
pub const FEATURES: [&str; 0] = [];

/// The rules that may depend on the height, as they are at one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What the headers under these rules have as their version.
    pub version: u16,
    /// The largest block, in bytes, header included.
    pub max_block_bytes: u64,
    /// The most accounts a block may create, the beneficiary's not counted.
    pub max_new_accounts: u64,
    /// What creating an account costs whoever creates it, on top of what the account receives.
    pub account_price: Amount,
}

impl Rules {
    /// The price of so many new accounts, in pebbles.
    pub fn price_of(&self, accounts: u64) -> u64 {
        self.account_price.pebbles().saturating_mul(accounts)
    }

    fn check(&self) -> Result<(), RulesError> {
        if self.max_new_accounts < LEAST_MAX_NEW_ACCOUNTS {
            return Err(RulesError::MaxNewAccounts { got: self.max_new_accounts });
        }
        if self.max_block_bytes < LEAST_MAX_BLOCK_BYTES || self.max_block_bytes > MAX_BLOCK_BYTES as u64 {
            return Err(RulesError::MaxBlockBytes { got: self.max_block_bytes });
        }
        if self.account_price.pebbles() > MOST_ACCOUNT_PRICE {
            return Err(RulesError::AccountPrice { got: self.account_price });
        }
        Ok(())
    }
}

/// A change of rules: what is `None` stays as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The first block under the new rules.
    pub height: Height,
    /// What people call it: one to 32 lower-case letters, digits or hyphens.
    pub name: String,
    /// The largest block from then on.
    pub max_block_bytes: Option<u64>,
    /// The most new accounts in a block from then on.
    pub max_new_accounts: Option<u64>,
    /// What creating an account costs from then on.
    pub account_price: Option<Amount>,
    /// One of [`FEATURES`].
    pub feature: Option<String>,
}

impl Upgrade {
    /// Its encoding, as it is hashed into the rules' id.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.put(&mut |part| bytes.extend_from_slice(part));
        bytes
    }

    fn put(&self, put: &mut dyn FnMut(&[u8])) {
        put(&self.height.get().to_le_bytes());
        let number = |value: Option<u64>| value.map_or_else(Vec::new, |value| value.to_le_bytes().to_vec());
        // What is not changed has length 0: left out, two upgrades that set different rules to one value would look
        // alike.
        for field in [
            self.name.as_bytes(),
            &number(self.max_block_bytes),
            &number(self.max_new_accounts),
            &number(self.account_price.map(Amount::pebbles)),
            self.feature.as_deref().unwrap_or_default().as_bytes(),
        ] {
            put(&(field.len() as u64).to_le_bytes());
            put(field);
        }
    }

    fn check(&self, after: Height) -> Result<(), RulesError> {
        let (height, least) = (self.height, after.saturating_add(1).max(Height::new(LEAST_UPGRADE_HEIGHT)));
        if !is_name(&self.name) {
            return Err(RulesError::UpgradeName { got: self.name.chars().take(80).collect() });
        }
        if height < least {
            return Err(RulesError::UpgradeHeight { name: self.name.clone(), got: height, least });
        }
        if let Some(got) = self.feature.as_ref().filter(|feature| !FEATURES.contains(&feature.as_str())) {
            return Err(RulesError::UnknownFeature { name: self.name.clone(), got: got.chars().take(80).collect() });
        }
        let changes = self.max_block_bytes.is_some()
            || self.max_new_accounts.is_some()
            || self.account_price.is_some()
            || self.feature.is_some();
        if changes { Ok(()) } else { Err(RulesError::EmptyUpgrade { name: self.name.clone() }) }
    }

    fn apply_to(&self, rules: &Rules) -> Rules {
        Rules {
            max_block_bytes: self.max_block_bytes.unwrap_or(rules.max_block_bytes),
            max_new_accounts: self.max_new_accounts.unwrap_or(rules.max_new_accounts),
            account_price: self.account_price.unwrap_or(rules.account_price),
            ..*rules
        }
    }
}

/// Rules that no network may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum RulesError {
    /// max_new_accounts below 1024.
    #[error("max_new_accounts: got {got}, expected at least {LEAST_MAX_NEW_ACCOUNTS}")]
    MaxNewAccounts { got: u64 },
    /// max_block_bytes outside its range.
    #[error("max_block_bytes: got {got}, expected {LEAST_MAX_BLOCK_BYTES} to {MAX_BLOCK_BYTES}")]
    MaxBlockBytes { got: u64 },
    /// account_price above 2^43.
    #[error("account_price: got {} pebbles, expected at most {MOST_ACCOUNT_PRICE}", got.pebbles())]
    AccountPrice { got: Amount },
    /// An upgrade without a usable name, which is cut after 80 characters.
    #[error("upgrade: got the name {got:?}, expected 1 to 32 lower-case letters, digits or hyphens")]
    UpgradeName { got: String },
    /// An upgrade that does not come after the one before, or too early for any.
    #[error("upgrade {name:?}: got height {got}, expected {least} or more; upgrades stand in ascending order")]
    UpgradeHeight { name: String, got: Height, least: Height },
    /// A feature that this program does not have. Its name is cut after 80 characters.
    #[error("upgrade {name:?}: this program does not know the feature {got:?}; use a newer one")]
    UnknownFeature { name: String, got: String },
    /// An upgrade that upgrades nothing.
    #[error(
        "upgrade {name:?} changes nothing; expected one or more of max_block_bytes, max_new_accounts, account_price, \
         feature"
    )]
    EmptyUpgrade { name: String },
}

/// The rules of a network at every height, and what they are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    first: Rules,
    upgrades: Vec<Upgrade>,
    /// What holds from each upgrade on.
    later: Vec<(Height, Rules)>,
    id: Hash,
}

impl Schedule {
    /// The rules `first`, whose version counts for nothing, and how they change.
    ///
    /// # Errors
    /// Refuses rules outside docs/protocol.md, chapter 8, naming the first.
    pub fn new(genesis_id: &BlockId, first: Rules, upgrades: Vec<Upgrade>) -> Result<Self, RulesError> {
        let first = Rules { version: HEADER_VERSION, ..first };
        first.check()?;
        let (mut rules, mut later, mut after) = (first, Vec::with_capacity(upgrades.len()), Height::GENESIS);
        for (upgrade, count) in upgrades.iter().zip(1..) {
            upgrade.check(after)?;
            let active = upgrades.get(..count).unwrap_or_default();
            rules = Rules { version: version(&rules_id(genesis_id, active)), ..upgrade.apply_to(&rules) };
            rules.check()?;
            later.push((upgrade.height, rules));
            after = upgrade.height;
        }
        Ok(Self { first, id: rules_id(genesis_id, &upgrades), later, upgrades })
    }

    /// What holds for the block at `height`.
    pub fn at(&self, height: Height) -> &Rules {
        let begun = self.later.iter().rev().find(|(from, _)| *from <= height);
        begun.map_or(&self.first, |(_, rules)| rules)
    }

    /// The most that an account costs in any block from `from` on, up to and including `until`.
    pub fn max_account_price(&self, from: Height, until: Height) -> Amount {
        let later = self.later.iter().filter(|(begin, _)| (from..=until).contains(begin));
        later.map(|(_, rules)| rules.account_price).fold(self.at(from).account_price, Amount::max)
    }

    /// All upgrades, ascending.
    pub fn upgrades(&self) -> &[Upgrade] {
        &self.upgrades
    }

    /// [`rules_id`] of all upgrades.
    pub fn id(&self) -> Hash {
        self.id
    }

    /// Whether headers of some height have this version.
    pub fn knows_version(&self, version: u16) -> bool {
        self.first.version == version || self.later.iter().any(|(_, rules)| rules.version == version)
    }

    /// The last upgrade that is in force at `height`.
    pub fn in_force_at(&self, height: Height) -> Option<&Upgrade> {
        self.upgrades.iter().rev().find(|upgrade| upgrade.height <= height)
    }

    /// The first upgrade that is not in force at `height`.
    pub fn next_after(&self, height: Height) -> Option<&Upgrade> {
        self.upgrades.iter().find(|upgrade| upgrade.height > height)
    }
}

/// What a network with these upgrades is told by: `T("cairn/rules", genesis_id ‖ for each: height u64 ‖ name ‖
/// max_block_bytes ‖ max_new_accounts ‖ account_price ‖ feature)`, all but the height as `len u64 ‖ bytes`.
pub fn rules_id(genesis_id: &BlockId, upgrades: &[Upgrade]) -> Hash {
    Tag::RULES.hash_with(|put| {
        put(genesis_id.as_bytes());
        upgrades.iter().for_each(|upgrade| upgrade.put(put));
    })
}

/// The version of headers under the upgrades with this id: its first two bytes, little-endian. 0 and 1 read as 2, as 1
/// is what headers have before any.
fn version(id: &Hash) -> u16 {
    let [low, high, ..] = *id.as_bytes();
    u16::from_le_bytes([low, high]).max(2)
}

/// Whether a text may be the name of a network or of an upgrade.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 32 && text.bytes().all(allowed)
}

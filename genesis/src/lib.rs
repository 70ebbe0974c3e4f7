//! The networks of Cairn, as TOML files, and their parser.
//!
//! A network is a file: [`MAIN`], [`TEST`] and [`LOCAL`] ship with the binaries, and any other file of
//! the same form works like them. [`Network::parse`] turns the text into a [`ChainSpec`] and the defaults
//! of a node on that network. This crate reads no files: text in, network out.
//!
//! ```
//! let local = cairn_genesis::Network::parse(cairn_genesis::LOCAL)?;
//! assert_eq!(local.spec.params().name, "local");
//! # Ok::<(), cairn_genesis::GenesisError>(())
//! ```
//!
//! # Invariants
//! 1. Everything above `[defaults]` is bound by the genesis id; nothing in `[defaults]` is.
//! 2. `[[upgrade]]` tables, which may stand at the end, are bound by the rules id alone: the network goes on.
//! 3. Unknown keys are refused: a misspelt rule never silently keeps its default, for there are none.

#![forbid(unsafe_code)]

use cairn_ledger::address::{AddressError, AddressPrefix, PrefixError};
use cairn_ledger::chain_spec::{ChainParams, ChainSpecError};
use cairn_ledger::{
    Amount, BlockId, ChainSpec, Height, Timestamp, pow::CompactTargetParseError, units::AmountError, upgrades::Upgrade,
};
use serde::Deserialize;
use std::num::NonZeroU64;

/// The main network's file.
pub const MAIN: &str = include_str!("../main.toml");
/// The test network's file.
pub const TEST: &str = include_str!("../test.toml");
/// The local network's file.
pub const LOCAL: &str = include_str!("../local.toml");

/// The file of a network that ships with the binaries: `main`, `test` or `local`.
pub fn shipped(name: &str) -> Option<&'static str> {
    match name {
        "main" => Some(MAIN),
        "test" => Some(TEST),
        "local" => Some(LOCAL),
        _ => None,
    }
}

/// A network: its rules, and how a node on it behaves unless told otherwise.
#[derive(Clone, Debug)]
pub struct Network {
    /// The rules and block 0.
    pub spec: ChainSpec,
    /// What a node does unless it is told otherwise.
    pub defaults: Defaults,
}

/// A node's defaults on a network; not part of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Where nodes listen for peers, TCP and UDP.
    pub p2p_port: u16,
    /// Where nodes serve JSON-RPC.
    pub rpc_port: u16,
    /// Multiaddresses of nodes to begin with, each ending in `/p2p/<peer id>`.
    pub boot_nodes: Vec<String>,
    /// Whether this network lives on one machine: nodes listen on loopback, take peers with private
    /// addresses, and allow `mining_generate`.
    #[serde(default)]
    pub local: bool,
    /// At heights that this divides nodes make snapshots of the accounts for those who join: the same on all nodes.
    #[serde(default = "default_snapshot_every")]
    pub snapshot_every: NonZeroU64,
    /// Blocks in a stretch of history, of which nodes that prune keep some: the same on all nodes.
    #[serde(default = "default_stretch_blocks")]
    pub stretch_blocks: NonZeroU64,
}

/// On the main network, a day and a half.
fn default_stretch_blocks() -> NonZeroU64 {
    const { NonZeroU64::new(4_096).expect("not zero") }
}

/// A day of the main network.
fn default_snapshot_every() -> NonZeroU64 {
    const { NonZeroU64::new(2_880).expect("not zero") }
}

/// Why a text is no network.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// Not TOML, or not with these keys.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// The address prefix.
    #[error("prefix: {0}")]
    Prefix(#[from] PrefixError),
    /// An amount of money.
    #[error("{key}: {error}")]
    Amount {
        /// Where it stands.
        key: String,
        /// What is wrong.
        error: AmountError,
    },
    /// A target.
    #[error("{key}: {error}")]
    Target {
        /// Where it stands.
        key: &'static str,
        /// What is wrong.
        error: CompactTargetParseError,
    },
    /// The address of an allocation.
    #[error("allocations, entry {entry}: {error}")]
    Address {
        /// Which one, counted from 1.
        entry: usize,
        /// What is wrong.
        error: AddressError,
    },
    /// Numbers that make no network.
    #[error(transparent)]
    Spec(#[from] ChainSpecError),
}

impl Network {
    /// Reads a network from the text of its file.
    ///
    /// # Errors
    /// Names the key and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, GenesisError> {
        let file: GenesisFile = toml::from_str(text)?;
        let prefix = AddressPrefix::new(&file.prefix)?;
        let amount =
            |key: String, text: &str| text.parse::<Amount>().map_err(|error| GenesisError::Amount { key, error });
        let target = |key, text: &str| text.parse().map_err(|error| GenesisError::Target { key, error });
        let allocations = file.allocations.iter().zip(1..).map(|(allocation, entry)| {
            let address = prefix.decode(&allocation.address).map_err(|error| GenesisError::Address { entry, error })?;
            Ok((address, amount(format!("allocations, entry {entry}"), &allocation.amount)?))
        });
        let allocations = allocations.collect::<Result<Vec<_>, GenesisError>>()?;
        let params = ChainParams {
            name: file.name,
            prefix,
            interval_ms: file.interval_ms,
            half_life_ms: file.half_life_ms,
            max_future_ms: file.max_future_ms,
            max_block_bytes: file.max_block_bytes,
            max_new_accounts: file.max_new_accounts,
            account_price: amount(String::from("account_price"), &file.account_price)?,
            subsidy: amount(String::from("subsidy"), &file.subsidy)?,
            halving: file.halving,
            genesis_time: Timestamp::from_millis(file.genesis_time),
            pow_limit: target("pow_limit", &file.pow_limit)?,
            genesis_target: target("genesis_target", &file.genesis_target)?,
            allocations,
        };
        let upgrades = file.upgrade.into_iter().map(|upgrade| {
            let key = format!("upgrade {:?}, account_price", upgrade.name);
            Ok(Upgrade {
                height: Height::new(upgrade.height),
                account_price: upgrade.account_price.map(|text| amount(key, &text)).transpose()?,
                name: upgrade.name,
                max_block_bytes: upgrade.max_block_bytes,
                max_new_accounts: upgrade.max_new_accounts,
                feature: upgrade.feature,
            })
        });
        let upgrades = upgrades.collect::<Result<Vec<_>, GenesisError>>()?;
        Ok(Self { spec: ChainSpec::new(params)?.with_upgrades(upgrades)?, defaults: file.defaults })
    }

    /// The id of block 0, which names the network.
    pub fn id(&self) -> BlockId {
        self.spec.genesis_id()
    }
}

/// A network's file, key by key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GenesisFile {
    name: String,
    prefix: String,
    interval_ms: u64,
    half_life_ms: u64,
    max_future_ms: u64,
    max_block_bytes: u64,
    max_new_accounts: u64,
    account_price: String,
    subsidy: String,
    halving: u64,
    genesis_time: u64,
    pow_limit: String,
    genesis_target: String,
    allocations: Vec<Allocation>,
    defaults: Defaults,
    #[serde(default)]
    upgrade: Vec<UpgradeTable>,
}

/// A change of rules. What it does not name stays as it was.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpgradeTable {
    height: u64,
    name: String,
    max_block_bytes: Option<u64>,
    max_new_accounts: Option<u64>,
    account_price: Option<String>,
    feature: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allocation {
    address: String,
    amount: String,
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: &str, to: &str) -> GenesisError {
        let text = LOCAL.replacen(from, to, 1);
        assert_ne!(text, LOCAL, "{from} is in the file");
        Network::parse(&text).map(|network| network.id()).expect_err("a broken file")
    }

    #[test]
    fn genesis_ids_are_pinned() {
        let id = |text| Network::parse(text).expect("a shipped network").id().to_string();
        assert_eq!(id(MAIN), "42e4ac0ab172a00d320afe1f054c5484cb375941226c27b9eb98da1d4755fe5b");
        assert_eq!(id(TEST), "43a0410aa71bd25bb199173e69639e76f22cef91b2fa3c40886c75f089e74673");
        assert_eq!(id(LOCAL), "ed72631bcc58a9fbf878c12cc251f78f40ee7e90fa95821bd2e11e9c7910b499");
    }

    #[test]
    fn defaults_are_not_bound_by_the_id_and_rules_are() {
        let local = Network::parse(LOCAL).expect("local").id();
        let moved = Network::parse(&LOCAL.replace("29740", "1234")).expect("another port");
        assert_eq!((moved.id(), moved.defaults.p2p_port), (local, 1234));
        for (from, to) in [
            ("name = \"local\"", "name = \"local2\""),
            ("interval_ms = 2_000", "interval_ms = 2_001"),
            ("half_life_ms = 20_000", "half_life_ms = 20_001"),
            ("max_future_ms = 5_000", "max_future_ms = 5_001"),
            ("max_block_bytes = 2_097_152", "max_block_bytes = 2_097_151"),
            ("max_new_accounts = 16_384", "max_new_accounts = 16_385"),
            ("account_price = \"0.001\"", "account_price = \"0.00100001\""),
            ("subsidy = \"50\"", "subsidy = \"50.00000001\""),
            ("halving = 100_000", "halving = 100_001"),
            ("genesis_time = 1_7", "genesis_time = 1_6"),
            ("pow_limit = \"1e3fffff\"", "pow_limit = \"1e3ffffe\""),
            ("genesis_target = \"1e1fffff\"", "genesis_target = \"1e1ffffe\""),
            ("amount = \"1000000\"", "amount = \"1000001\""),
        ] {
            let other = LOCAL.replacen(from, to, 1);
            assert_ne!(other, LOCAL, "{from} is in the file");
            assert_ne!(Network::parse(&other).expect(to).id(), local, "{to}");
        }
    }

    fn upgraded(tables: &str) -> Result<Network, GenesisError> {
        Network::parse(&format!("{LOCAL}\n{tables}"))
    }

    #[test]
    fn upgrades_change_rules_from_a_height_on_and_leave_the_genesis_id() {
        let local = Network::parse(LOCAL).expect("local");
        let tables = "[[upgrade]]\nheight = 10\nname = \"cheap\"\naccount_price = \"0.0001\"\n\
                      [[upgrade]]\nheight = 20\nname = \"large\"\nmax_block_bytes = 3_000_000\nmax_new_accounts = 2_000\n";
        let network = upgraded(tables).expect("two upgrades");
        assert_eq!(network.id(), local.id());
        assert_ne!(network.spec.schedule().id(), local.spec.schedule().id());
        let at = |height| {
            let rules = network.spec.rules_at(Height::new(height));
            (rules.account_price.pebbles(), rules.max_block_bytes, rules.max_new_accounts)
        };
        assert_eq!(at(9), (100_000, 2_097_152, 16_384));
        assert_eq!((at(10), at(19)), ((10_000, 2_097_152, 16_384), (10_000, 2_097_152, 16_384)));
        assert_eq!((at(20), at(u64::MAX)), ((10_000, 3_000_000, 2_000), (10_000, 3_000_000, 2_000)));
    }

    #[test]
    fn upgrades_that_cannot_be_are_refused_with_what_is_wrong() {
        for (tables, said) in [
            ("[[upgrade]]\nheight = 2\nname = \"a\"\nmax_new_accounts = 2000", "height 2"),
            ("[[upgrade]]\nheight = 5\nname = \"a\"", "changes nothing"),
            ("[[upgrade]]\nheight = 5\nname = \"A\"\nmax_new_accounts = 2000", "name"),
            ("[[upgrade]]\nheight = 5\nname = \"a\"\nmax_new_accounts = 1023", "max_new_accounts"),
            ("[[upgrade]]\nheight = 5\nname = \"a\"\nmax_block_bytes = 9000000", "max_block_bytes"),
            ("[[upgrade]]\nheight = 5\nname = \"a\"\naccount_price = \"x\"", "account_price"),
            ("[[upgrade]]\nheight = 5\nname = \"a\"\nfeature = \"magic\"", "magic"),
            ("[[upgrade]]\nheight = 5\nname = \"a\"\ninterval_ms = 5", "interval_ms"),
            (
                "[[upgrade]]\nheight = 5\nname = \"a\"\nmax_new_accounts = 2000\n\
                 [[upgrade]]\nheight = 5\nname = \"b\"\nmax_new_accounts = 3000",
                "ascending",
            ),
        ] {
            let error = upgraded(tables).map(|network| network.id()).expect_err("refused").to_string();
            assert!(error.contains(said), "{tables}: {error}");
        }
    }

    #[test]
    fn a_broken_file_is_refused_with_the_key_that_is_wrong() {
        for (from, to, said) in [
            ("halving", "halfing", "halfing"),
            ("subsidy = \"50\"", "subsidy = \"fifty\"", "subsidy"),
            ("prefix = \"lcrn\"", "prefix = \"LCRN\"", "prefix"),
            ("pow_limit = \"1e3fffff\"", "pow_limit = \"xyz\"", "pow_limit"),
            ("amount = \"1000000\"", "amount = \"-1\"", "entry 1"),
            ("address = \"lcrn1q", "address = \"lcrn1p", "entry 1"),
            ("interval_ms = 2_000", "interval_ms = 0", "interval_ms"),
            ("account_price = \"0.001\"", "account_price = \"cheap\"", "account_price"),
            ("account_price = \"0.001\"", "account_price = \"90000\"", "account_price"),
            ("amount = \"1000000\"", "amount = \"90000000\"", "exceed"),
        ] {
            let error = refused(from, to).to_string();
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}

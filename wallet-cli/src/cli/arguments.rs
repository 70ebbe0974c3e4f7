//! What single commands take.

use crate::keys::{KdfCost, MAX_ACCOUNT, MAX_MEMORY_KIB, MIN_MEMORY_KIB, PasswordSource};
use crate::{payment::WaitArguments, store::WalletName};
use cairn_host::shell::expand_home;
use cairn_ledger::{Amount, TxId, units::AmountError};
use cairn_rpc::policy::LIFETIME_BLOCKS;
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Subcommand, value_parser};
use std::net::{IpAddr, SocketAddr};
use std::{path::PathBuf, str::FromStr};

/// How long a payment may wait unless its owner says otherwise: none hangs for ever.
const VALID_FOR: u64 = 120;
/// The longest time a payment may be given: about a year of the main network's blocks.
const MAX_VALID_FOR: u64 = 1_000_000;

/// A path, in which `~` is the home directory.
pub fn path_parser() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(|path| expand_home(&path, std::env::var_os("HOME")))
}

/// How hard the password is to guess.
#[derive(Clone, Copy, Debug, Args)]
pub struct KdfArguments {
    /// Memory that each guess of the password costs, and each opening of the wallet
    #[arg(long, value_name = "N", default_value_t = KdfCost::default().memory_kib >> 10,
          value_parser = value_parser!(u32).range(i64::from(MIN_MEMORY_KIB >> 10)..=i64::from(MAX_MEMORY_KIB >> 10)))]
    kdf_memory_mib: u32,
}

impl KdfArguments {
    /// The cost.
    pub fn cost(self) -> KdfCost {
        KdfCost { memory_kib: self.kdf_memory_mib << 10, ..KdfCost::default() }
    }
}

/// Where words come from.
#[derive(Clone, Debug, Args)]
pub struct WordsArguments {
    /// Read the words from this file
    #[arg(long, value_name = "FILE", value_parser = path_parser())]
    pub words_file: Option<PathBuf>,
}

/// What `send` takes.
#[derive(Debug, Args)]
pub struct SendArguments {
    /// Who is paid: an address, what you call it (see wallet labels), or a payment URI (cairn:ADDRESS?amount=…)
    #[arg(value_name = "ADDRESS", required_unless_present = "csv")]
    pub to: Option<String>,
    /// How much, in CRN: 12 or 0.5, or all; a payment URI may say it instead
    pub amount: Option<HowMuch>,
    /// Pay every receiver in this file instead: lines of address,amount
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "amount"], value_parser = path_parser())]
    pub csv: Option<PathBuf>,
    /// Text for the receiver, at most 256 bytes; everybody can read it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub memo: String,
    /// Fee in CRN [default: the least the node takes]
    #[arg(long, value_name = "CRN")]
    pub fee: Option<Amount>,
    /// The same in pebbles (0.00000001 CRN) for each byte of the payment
    #[arg(long, value_name = "PEBBLES", conflicts_with = "fee", value_parser = value_parser!(u64).range(1..))]
    pub fee_rate: Option<u64>,
    /// Refuse to pay more than this for one payment [default: 0.1]
    #[arg(long, value_name = "CRN")]
    pub max_fee: Option<Amount>,
    /// Pay a second time while a payment of the same amount to the same receiver is open
    #[arg(long)]
    pub again: bool,
    /// For how many blocks it may be mined
    #[arg(long, value_name = "BLOCKS", default_value_t = VALID_FOR,
          value_parser = value_parser!(u64).range(LIFETIME_BLOCKS..=MAX_VALID_FOR))]
    pub valid_for: u64,
    /// Waiting.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// Write the unsigned payment to this file instead, to be signed elsewhere
    #[arg(long, value_name = "FILE", conflicts_with = "wait", value_parser = path_parser())]
    pub unsigned: Option<PathBuf>,
    /// Do not ask before it leaves
    #[arg(long, short)]
    pub yes: bool,
}

/// How much is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowMuch {
    /// So much.
    Exactly(Amount),
    /// Everything there is, fee and new accounts taken off.
    All,
}

impl FromStr for HowMuch {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(Self::Exactly) }
    }
}

/// What `bump` and `cancel` take.
#[derive(Debug, Args)]
pub struct ReplaceArguments {
    /// The payment's id, 64 hex digits
    pub txid: TxId,
    /// Go on while another payment of the same amount to the same receiver is open
    #[arg(long)]
    pub again: bool,
    /// Fee in CRN [default: the least that replaces]
    #[arg(long, value_name = "CRN")]
    pub fee: Option<Amount>,
    /// The same in pebbles (0.00000001 CRN) for each byte of the payment
    #[arg(long, value_name = "PEBBLES", conflicts_with = "fee", value_parser = value_parser!(u64).range(1..))]
    pub fee_rate: Option<u64>,
    /// Refuse to pay more than this for one payment [default: 0.1]
    #[arg(long, value_name = "CRN")]
    pub max_fee: Option<Amount>,
    /// For how many blocks it may be mined
    #[arg(long, value_name = "BLOCKS", default_value_t = VALID_FOR,
          value_parser = value_parser!(u64).range(LIFETIME_BLOCKS..=MAX_VALID_FOR))]
    pub valid_for: u64,
    /// Waiting.
    #[command(flatten)]
    pub wait: WaitArguments,
    /// Do not ask before it leaves
    #[arg(long, short)]
    pub yes: bool,
}

/// What `receive` takes.
#[derive(Debug, Args)]
pub struct ReceiveArguments {
    /// How much is to be paid, in CRN
    #[arg(long, value_name = "CRN")]
    pub amount: Option<Amount>,
    /// What is to be said with the payment; everybody can read it
    #[arg(long, value_name = "TEXT")]
    pub memo: Option<String>,
    /// What you are called
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Wait until the amount has come, or anything when none is given; proven
    #[arg(long)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "wait")]
    pub timeout: u64,
}

/// What `faucet` takes.
#[derive(Debug, Args)]
pub struct FaucetArguments {
    /// What each visitor gets, in CRN
    #[arg(long, value_name = "CRN")]
    pub amount: Amount,
    /// How many gifts there are in any 24 hours
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=MAX_GIFTS))]
    pub per_day: u64,
    /// Where to listen [default: 127.0.0.1 and the port after the network's JSON-RPC]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// How many of them visitors from one /24 of IPv4 or /64 of IPv6 get; five times as many from one /16 or /48
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u64).range(1..=MAX_GIFTS))]
    pub per_prefix: u64,
    /// How many zero bits the proof for the cheapest gift has; 20 are seconds of a browser's work
    #[arg(long, value_name = "BITS", default_value_t = 20, value_parser = value_parser!(u32).range(1..=40))]
    pub difficulty: u32,
    /// Believe the X-Forwarded-For of the proxy at this address; several times for several
    #[arg(long, value_name = "IP")]
    pub proxy: Vec<IpAddr>,
    /// The explorer to which the page links, as http://HOST:PORT
    #[arg(long, value_name = "URL", value_parser = explorer_url)]
    pub explorer: Option<String>,
    /// Show what it would give, and end
    #[arg(long)]
    pub dry_run: bool,
}

/// The most gifts of a day: all of them are looked through for each visitor.
const MAX_GIFTS: u64 = 100_000;

/// A URL that a page may link to.
fn explorer_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_plain = |rest: &str| rest.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/[]".contains(c));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') && is_plain(rest) => Ok(text.to_owned()),
        _ => Err(String::from("expected a URL such as http://127.0.0.1:29741")),
    }
}

/// A file to read or to write.
#[derive(Debug, Args)]
pub struct FileArgument {
    /// Which file
    #[arg(value_parser = path_parser())]
    pub file: PathBuf,
}

/// Which account.
pub fn account_parser() -> clap::builder::RangedI64ValueParser<u32> {
    value_parser!(u32).range(..=i64::from(MAX_ACCOUNT))
}

/// What `restore` takes.
#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// Where the words come from.
    #[command(flatten)]
    pub words: WordsArguments,
    /// Look for accounts that were ever paid, until 20 in a row were not
    #[arg(long, conflicts_with = "account")]
    pub discover: bool,
    /// How hard the password is to guess.
    #[command(flatten)]
    pub kdf: KdfArguments,
}

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub enum AccountsAction {
    /// Add the next account of the words
    Add(AddAccountArguments),
    /// Add every account that was ever paid, until 20 in a row were not
    Discover,
}

/// What `accounts add` takes.
#[derive(Debug, Args)]
pub struct AddAccountArguments {
    /// Another one than the next
    #[arg(long, value_name = "N", value_parser = account_parser())]
    pub number: Option<u32>,
    /// What it is called
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
}

/// What `change-password` takes.
#[derive(Debug, Args)]
pub struct ChangePasswordArguments {
    /// Read the new password from the first line of this file instead of asking
    #[arg(long, value_name = "FILE", value_parser = path_parser())]
    new_password_file: Option<PathBuf>,
    /// How hard the new password is to guess.
    #[command(flatten)]
    pub kdf: KdfArguments,
}

impl ChangePasswordArguments {
    /// Where the new password comes from.
    pub fn new_source(&self) -> PasswordSource {
        self.new_password_file.clone().map_or(PasswordSource::Prompt, PasswordSource::File)
    }
}

/// What to do with a shared key.
#[derive(Debug, Subcommand)]
pub enum SharedAction {
    /// Make a key of several members: their addresses are enough when all shall sign
    New(SharedNewArguments),
    /// Take part in the ceremony of a key of which some members shall be enough
    Join {
        /// The ceremony's file; several copies are put together, and the first is written
        #[arg(value_name = "FILE", required = true, value_parser = path_parser())]
        files: Vec<PathBuf>,
        /// What the wallet of the shared key shall be called
        #[arg(long = "as", value_name = "NAME")]
        name: WalletName,
    },
}

/// What `shared new` takes.
#[derive(Debug, Args)]
pub struct SharedNewArguments {
    /// The members, one address each
    #[arg(value_name = "ADDRESS", required = true, num_args = 2..)]
    pub members: Vec<String>,
    /// How many of them shall sign [default: all]
    #[arg(long, value_name = "N", requires = "ceremony")]
    pub threshold: Option<u16>,
    /// Where the file that goes round is written
    #[arg(long, value_name = "FILE", requires = "threshold", value_parser = path_parser())]
    pub ceremony: Option<PathBuf>,
}

/// What `cosign` takes.
#[derive(Debug, Args)]
pub struct CosignArguments {
    /// The payment's file; several copies are put together
    #[arg(value_name = "FILE", required = true, value_parser = path_parser())]
    pub files: Vec<PathBuf>,
    /// Where the file goes next [default: the first FILE; once signed, with .signed before its ending]
    #[arg(long, value_name = "FILE", value_parser = path_parser())]
    pub out: Option<PathBuf>,
    /// Do not ask before signing
    #[arg(long, short)]
    pub yes: bool,
}

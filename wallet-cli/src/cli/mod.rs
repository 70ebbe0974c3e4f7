//! The command line.

mod arguments;
pub(crate) mod help;

pub use arguments::*;

use crate::node::{COMMAND_TIMEOUT, EVERY_HEADER_TIMEOUT};
use crate::output::{Output, Style};
use crate::{error::USAGE, keys::PasswordSource, payment::WaitArguments, store::WalletName};
use cairn_host::quoted;
use cairn_ledger::{TxId, Work};
use clap::{Args, FromArgMatches, Parser, Subcommand, error::ErrorKind};
use clap_complete::Shell;
use std::ffi::{OsStr, OsString};
use std::{io::Write, path::PathBuf, process::ExitCode, time::Duration};

/// What variables of the wallet's environment begin with.
const VARIABLES: &str = "CAIRN_WALLET_";
/// Those that mean something. None holds a secret: other processes can read the environment.
const KNOWN_VARIABLES: [&str; 3] = ["CAIRN_WALLET_CHAIN", "CAIRN_WALLET_DATA_DIR", "CAIRN_WALLET_NODE"];

/// The Cairn wallet.
///
/// Keys live in an encrypted file on this machine; payments go through a node. Begin with `wallet new`; alone,
/// `wallet` shows where you stand.
#[derive(Debug, Parser)]
#[command(name = "wallet", version)]
pub struct Arguments {
    /// Options every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do; nothing shows where you stand.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Network: main, test, local, or the path of a network file
    #[arg(long, global = true, value_name = "CHAIN", default_value = "main", env = "CAIRN_WALLET_CHAIN")]
    pub chain: String,
    /// Which wallet
    #[arg(long, global = true, value_name = "NAME", default_value = WalletName::DEFAULT)]
    pub wallet: WalletName,
    /// Which account of the wallet [default: its first]
    #[arg(long, global = true, value_name = "N", value_parser = account_parser())]
    pub account: Option<u32>,
    /// Node to ask; given several times, all are asked, and the most work is believed [default: the one
    /// paired with, or the network's port on this machine]
    #[arg(long, global = true, value_name = "URL", env = "CAIRN_WALLET_NODE", value_delimiter = ',')]
    pub node: Vec<String>,
    /// Believe the node instead of verifying what it says
    #[arg(long, global = true)]
    pub trust_node: bool,
    /// Check every header of the chain instead of samples: slow the first time, and no argument from probability
    #[arg(long, global = true, conflicts_with = "trust_node")]
    pub every_header: bool,
    /// How long all questions of one command to the nodes may take together; waiting for a block has a bound of its own
    /// [default: 60, with --every-header 3600]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_time: Option<u64>,
    /// Where files are [default: $XDG_DATA_HOME/cairn or ~/.local/share/cairn]
    #[arg(long, global = true, value_name = "DIR", env = "CAIRN_WALLET_DATA_DIR", value_parser = path_parser())]
    pub data_dir: Option<PathBuf>,
    /// Print one JSON object on standard output, errors included
    #[arg(long, global = true)]
    pub json: bool,
    /// Read the password from the first line of this file instead of asking
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "password_fd", value_parser = path_parser())]
    password_file: Option<PathBuf>,
    /// Read the password from the first line of this open file descriptor
    #[arg(long, global = true, value_name = "N")]
    password_fd: Option<u32>,
}

impl Global {
    /// Where the password comes from.
    pub fn password_source(&self) -> PasswordSource {
        match (&self.password_file, self.password_fd) {
            (Some(path), _) => PasswordSource::File(path.clone()),
            (None, Some(number)) => PasswordSource::Descriptor(number),
            (None, None) => PasswordSource::Prompt,
        }
    }

    /// How long all questions of the command to the nodes may take together.
    pub fn time(&self) -> Duration {
        let default = if self.every_header { EVERY_HEADER_TIMEOUT } else { COMMAND_TIMEOUT };
        self.max_time.map_or(default, Duration::from_secs)
    }

    /// The options that lead to the chosen wallet and the same node.
    pub fn leading(&self) -> String {
        self.leading_to(&self.wallet)
    }

    /// The same for another wallet.
    pub fn leading_to(&self, wallet: &WalletName) -> String {
        let unless = |value: &str, default: &str| (value != default).then(|| value.to_owned());
        let options = [
            ("--chain", unless(&self.chain, "main")),
            ("--wallet", unless(wallet.as_str(), WalletName::DEFAULT)),
            ("--account", self.account.map(|number| number.to_string())),
            ("--data-dir", self.data_dir.as_ref().map(|path| path.display().to_string())),
        ];
        let nodes = self.node.iter().map(|url| ("--node", Some(url.clone())));
        let options = options.into_iter().chain(nodes).filter_map(|(option, value)| Some((option, value?)));
        options.map(|(option, value)| format!(" {option} {}", quoted(&value))).collect()
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new wallet and show its 24 words, once
    New(KdfArguments),
    /// Make a wallet from its words
    ///
    /// The words are asked for without showing them, or read from standard input when that is no terminal.
    Restore(RestoreArguments),
    /// Show the address, a payment URI and its QR code, to be paid
    Receive(ReceiveArguments),
    /// Show the address alone
    Address,
    /// Show every wallet here, of all networks
    List,
    /// Show what the wallet has
    Balance,
    /// Watch balance, payments and chain on the whole screen
    Watch,
    /// Pay an address, a label, a payment URI, or all in a CSV file
    Send(SendArguments),
    /// Show what keeps a payment from being mined, and what to do
    Why(TxidArgument),
    /// Pay more for a payment that waits, in its place
    Bump(ReplaceArguments),
    /// Put a payment to oneself in the place of one that waits
    Cancel(ReplaceArguments),
    /// Hand lost payments over again, and fill gaps before others
    Repair {
        /// Do not ask first
        #[arg(long, short)]
        yes: bool,
    },
    /// Hand a payment of the journal to the node once more
    Resend(TxidArgument),
    /// Show what became of a payment
    Status(TxidArgument),
    /// Show the payments sent, or those received, newest first
    History {
        /// How many payments at most
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// Show what others paid to this wallet instead, from a node that keeps an index of addresses
        #[arg(long)]
        received: bool,
    },
    /// Print a receipt for a payment: proof that it was mined
    Receipt(TxidArgument),
    /// Check a receipt, without asking anybody
    VerifyReceipt {
        /// Which file
        #[arg(value_parser = path_parser())]
        file: PathBuf,
        /// Refuse it unless so many hashes of work lie above the payment: what it costs at least to forge one
        #[arg(long, value_name = "HASHES")]
        min_work: Option<Work>,
    },
    /// Show the accounts of the wallet, or add some
    Accounts {
        /// What to do; nothing lists them
        #[command(subcommand)]
        action: Option<AccountsAction>,
    },
    /// Make a wallet that watches an address and has no key
    WatchOnly {
        /// Whose payments to watch
        address: String,
    },
    /// Give coins of a test network to whoever asks, for a share of work
    ///
    /// Serves a page on which a visitor's browser works for its coins, and JSON for scripts. It runs until it is
    /// ended, at any moment and by any means: no gift is lost, and none is given twice.
    Faucet(FaucetArguments),
    /// Name an address or a payment
    Label {
        /// An address or a payment's id
        #[arg(value_name = "ADDRESS|TXID")]
        subject: String,
        /// What it is called; nothing takes its name away
        #[arg(value_name = "TEXT", default_value = "", hide_default_value = true)]
        label: String,
    },
    /// Show every label
    Labels,
    /// Take over labels from a file in BIP 329 form
    ImportLabels(FileArgument),
    /// Write the labels to a file in BIP 329 form
    ExportLabels(FileArgument),
    /// Encrypt the wallet under another password
    ChangePassword(ChangePasswordArguments),
    /// Check whether words that were written down are this wallet's
    VerifyBackup(WordsArguments),
    /// Sign a message with the wallet's key
    SignMessage {
        /// What to sign
        #[arg(value_name = "TEXT")]
        message: String,
    },
    /// Check who signed a message
    VerifyMessage {
        /// Who is said to have signed
        address: String,
        /// The signature, 128 hex digits
        signature: String,
        /// What is said to have been signed
        #[arg(value_name = "TEXT")]
        message: String,
    },
    /// Sign a payment written by send --unsigned, without a network
    Sign {
        /// The unsigned payment
        #[arg(value_parser = path_parser())]
        file: PathBuf,
        /// Where the signed one goes [default: FILE with .signed before its ending]
        #[arg(long, value_name = "FILE", value_parser = path_parser())]
        out: Option<PathBuf>,
        /// Do not ask before signing
        #[arg(long, short)]
        yes: bool,
    },
    /// Send a payment that was signed elsewhere
    Broadcast {
        /// The signed payment
        #[arg(value_parser = path_parser())]
        file: PathBuf,
        /// Waiting.
        #[command(flatten)]
        wait: WaitArguments,
    },
    /// Make a key that several people share
    Shared {
        /// What to do
        #[command(subcommand)]
        action: SharedAction,
    },
    /// Take part in signing a payment of a shared key
    Cosign(CosignArguments),
    /// Write completions for a shell to standard output
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Write man pages
    Man {
        /// Into which directory, which has to be there
        #[arg(value_name = "DIR", value_parser = path_parser())]
        directory: PathBuf,
    },
    /// Keep a node's token, and ask that node from now on
    Pair {
        /// The line that `cairn-node token new` printed; read from standard input when it is not given, so that
        /// other users of this machine do not see it among the processes
        line: Option<String>,
        /// Forget the node of this network instead
        #[arg(long, conflicts_with = "line")]
        forget: bool,
    },
}

/// Which payment.
#[derive(Clone, Copy, Debug, Args)]
pub struct TxidArgument {
    /// Its id, 64 hex digits
    pub txid: TxId,
}

/// Why there is nothing to run: help was asked for, or the command line makes no sense.
#[derive(Debug)]
pub struct Stopped {
    error: clap::Error,
    json: bool,
}

impl Stopped {
    /// Shows the help or what is wrong, and gives the exit code.
    pub fn show(&self, out: &mut dyn Write, err: &mut dyn Write) -> ExitCode {
        if self.error.exit_code() == 0 {
            // Nobody is left to be told when help finds no reader.
            let _unheard = write!(out, "{}", self.error.render());
            return ExitCode::SUCCESS;
        }
        if self.json {
            let text = self.error.render().to_string();
            let message = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
            Output::new(true, Style::Plain, out, err).failure("usage", message, None);
        } else {
            let _unheard = write!(err, "{}", self.error.render());
        }
        ExitCode::from(USAGE)
    }
}

/// Reads the command line, and refuses variables of the environment that look like the wallet's and mean
/// nothing: a misspelt one would silently choose another network.
///
/// # Errors
/// Help, or what is wrong.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Arguments, Stopped> {
    let arguments: Vec<OsString> = arguments.collect();
    let json = arguments.iter().any(|argument| argument == OsStr::new("--json"));
    let stopped = |error| Stopped { error, json };
    let matches = help::command().try_get_matches_from(arguments).map_err(stopped)?;
    let parsed = Arguments::from_arg_matches(&matches).map_err(stopped)?;
    match unknown_variable(std::env::vars_os().map(|(name, _)| name)) {
        Some(name) => {
            let known = KNOWN_VARIABLES.join(", ");
            let message = format!("the environment variable {name} means nothing to the wallet; it knows {known}\n");
            Err(stopped(clap::Error::raw(ErrorKind::UnknownArgument, message)))
        }
        None => Ok(parsed),
    }
}

fn unknown_variable(names: impl Iterator<Item = OsString>) -> Option<String> {
    let mut names = names.map(|name| name.to_string_lossy().into_owned());
    names.find(|name| name.starts_with(VARIABLES) && !KNOWN_VARIABLES.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::any::TypeId;

    fn parsed(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_is_sound() {
        help::command().debug_assert();
    }

    #[test]
    fn known_variables_are_those_of_the_options() {
        let command = Arguments::command();
        let mut names: Vec<_> = command.get_arguments().filter_map(|argument| argument.get_env()).collect();
        names.sort();
        assert_eq!(names, KNOWN_VARIABLES);
        let unknown = |name: &str| unknown_variable(std::iter::once(OsString::from(name)));
        assert_eq!(unknown("CAIRN_WALLET_CHIAN"), Some(String::from("CAIRN_WALLET_CHIAN")));
        assert_eq!(unknown("CAIRN_WALLET_PASSWORD"), Some(String::from("CAIRN_WALLET_PASSWORD")));
        assert_eq!(unknown("CAIRN_WALLET_CHAIN"), None);
        assert_eq!(unknown("CAIRN_NODE_CHAIN"), None);
    }

    #[test]
    fn options_stand_before_or_after_the_command() {
        for line in ["wallet --chain local --json balance", "wallet balance --json --chain local"] {
            let arguments = parsed(line).expect(line);
            assert_eq!((arguments.global.chain.as_str(), arguments.global.json), ("local", true));
            assert!(matches!(arguments.command, Some(Command::Balance)));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "wallet fly",
            "wallet send",
            "wallet send addr 1 --csv file",
            "wallet send addr 1 --valid-for 3",
            "wallet send addr 1 --valid-for 1000001",
            "wallet send addr 1 --wait=fried",
            "wallet send addr 1 --wait --unsigned x",
            "wallet shared new a",
            "wallet shared new a b --threshold 2",
            "wallet restore --discover --account 3",
            "wallet send addr 1e3",
            "wallet send addr 1 --timeout 5",
            "wallet status 12",
            "wallet --wallet ../x address",
            "wallet new --kdf-memory-mib 7",
            "wallet new --kdf-memory-mib 4097",
            "wallet new --password hunter2",
            "wallet new --password-file a --password-fd 3",
            "wallet restore --account 2147483648",
        ] {
            assert_eq!(parsed(line).map(|_| ()).map_err(|error| error.exit_code()), Err(i32::from(USAGE)), "{line}");
        }
    }

    /// Every option of every command.
    fn all_arguments(command: &clap::Command) -> Vec<clap::Arg> {
        let below = command.get_subcommands().flat_map(all_arguments);
        command.get_arguments().cloned().chain(below).collect()
    }

    #[test]
    fn every_path_may_begin_with_a_tilde() {
        let home = PathBuf::from(std::env::var_os("HOME").expect("a home"));
        let is_path = |argument: &clap::Arg| argument.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        let paths: Vec<_> = all_arguments(&Arguments::command()).into_iter().filter(is_path).collect();
        assert!(paths.len() > 12, "{}", paths.len());
        for argument in paths {
            let id = argument.get_id().clone();
            // Its parser alone, as that of a positional argument.
            let alone = clap::Arg::new("x").value_parser(argument.get_value_parser().clone());
            let matches =
                clap::Command::new("wallet").arg(alone).try_get_matches_from(["wallet", "~/a b"]).expect("a path");
            assert_eq!(matches.get_one::<PathBuf>("x"), Some(&home.join("a b")), "{id}");
        }
        assert!(
            parsed("wallet send ~/x 1 --memo ~/x").is_ok_and(|parsed| format!("{parsed:?}").contains("memo: \"~/x\""))
        );
    }

    #[test]
    fn hints_lead_to_the_same_wallet() {
        let hint = |line| {
            let global = parsed(line).expect(line).global;
            crate::hints::Hints::new(global.leading(), &global.chain).here("status x")
        };
        assert_eq!(hint("wallet address"), "wallet status x");
        assert_eq!(
            hint("wallet --chain local --wallet savings address"),
            "wallet --chain local --wallet savings status x"
        );
        assert_eq!(
            hint("wallet --data-dir testnet --node http://127.0.0.1:29751 address"),
            "wallet --data-dir testnet --node http://127.0.0.1:29751 status x"
        );
    }
}

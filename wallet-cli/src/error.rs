//! Why a command failed: one enum over the rooms' errors, with a kind for programs and an exit code.

use crate::faucet::FaucetError;
use crate::keys::{KeystoreError, MessageError, SecretError, WordsError};
use crate::network::NetworkError;
use crate::node::{ClientError, NodeError, PairingError};
use crate::payment::{CsvError, PaymentError, PaymentFileError, PlanError, ReceiptFileError, UriError};
use crate::store::{LabelsError, NoDataDir, WalletName};
use cairn_host::{FileError, InFile, quoted};
use cairn_ledger::{Amount, TxId, address::AddressError};
use cairn_shared_keys::SharedError;
use std::{io, path::PathBuf};

/// The exit code of a command that was refused or failed.
pub const FAILED: u8 = 1;
/// The exit code of a command line that makes no sense.
pub const USAGE: u8 = 2;
/// The exit code when no node answered.
pub const NO_ANSWER: u8 = 3;
/// The exit code of a payment that was not mined in time.
pub const NOT_MINED: u8 = 4;
/// The exit code of a payment that was sent, when nobody took the news of it.
pub const SENT_UNREPORTED: u8 = 5;

/// What a command gives, or why it failed.
pub type Result<T, E = WalletError> = std::result::Result<T, E>;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The data directory.
    #[error(transparent)]
    NoDataDir(#[from] NoDataDir),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The wallet file.
    #[error(transparent)]
    Keystore(#[from] InFile<KeystoreError>),
    /// A file of labels.
    #[error(transparent)]
    Labels(#[from] InFile<LabelsError>),
    /// A file of receivers.
    #[error(transparent)]
    Recipients(#[from] InFile<CsvError>),
    /// A payment's file.
    #[error(transparent)]
    PaymentFile(#[from] InFile<PaymentFileError>),
    /// A file that is no receipt, or proves nothing.
    #[error(transparent)]
    Receipt(#[from] InFile<ReceiptFileError>),
    /// A payment.
    #[error(transparent)]
    Payment(Box<PaymentError>),
    /// Nothing to sign.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The faucet.
    #[error(transparent)]
    Faucet(#[from] FaucetError),
    /// The nodes.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A wallet of this name is there.
    #[error("there is a wallet {name} already ({path}); it was not touched; name another with --wallet")]
    WalletExists { name: WalletName, path: PathBuf },
    /// The words of a new wallet could not be shown.
    #[error("the words of the new wallet could not be shown, so no wallet was made: {0}")]
    WordsUnseen(io::Error),
    /// No wallet of this name is there.
    #[error("there is no wallet {name} ({path}); make one with `wallet new`, or see `wallet list`")]
    NoWallet { name: WalletName, path: PathBuf },
    /// The password or the words, on the way in.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The words.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// The receiver.
    #[error("the receiver: {0}")]
    Receiver(Box<AddressError>),
    /// Text that is neither an address nor a label; inert.
    #[error("the receiver: {error}; and no address is called {label}: see `wallet labels`")]
    NoReceiver { label: String, error: Box<AddressError> },
    /// A label that several addresses have; inert.
    #[error("{} addresses are called {label}: {}; pay one of them by its address", addresses.len(), addresses.join(", "))]
    AmbiguousLabel { label: String, addresses: Vec<String> },
    /// What is to be paired with.
    #[error(transparent)]
    Pairing(#[from] PairingError),
    /// Less came than was waited for.
    #[error("after {seconds} s, {came} CRN had come; it may still come: look with `wallet balance`")]
    NotReceived { came: Amount, seconds: u64 },
    /// Nothing to pay.
    #[error("how much? Give the amount after the address, or in the payment URI")]
    NoAmount,
    /// The URI says one thing and the command line another.
    #[error("the payment URI and the command line give a different {what}; leave one out")]
    Disagree { what: &'static str },
    /// A payment URI.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// A file that is there.
    #[error("there is a file {path} already; it was not touched; name another")]
    FileExists { path: PathBuf },
    /// Too late to bump or cancel.
    #[error("the payment {txid} is in a block: nothing replaces it any more")]
    AlreadyMined { txid: TxId },
    /// Signing for somebody else: who pays, inert, and the wallet's address.
    #[error("the payment is from {got}, and this wallet's address is {expected}; choose with --wallet and --account")]
    NotTheSender { got: String, expected: String },
    /// One member cannot sign for a shared key.
    #[error("{path}: the payment is of a shared key; take part with `wallet cosign {}`", quoted(&path.display().to_string()))]
    SharedPayment { path: PathBuf },
    /// Nothing to cosign.
    #[error("{path}: the payment is not of a shared key; sign it with `wallet sign {}`", quoted(&path.display().to_string()))]
    NotShared { path: PathBuf },
    /// A threshold key needs a ceremony.
    #[error("a key of which fewer than all members sign is made in a ceremony; name its file with --ceremony FILE")]
    NoCeremonyFile,
    /// Shared keys.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// The files of single-use secrets.
    #[error("cannot keep the single-use secret: {0}")]
    SingleUse(io::Error),
    /// Signed messages.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// Words of another wallet.
    #[error(
        "these are valid words, and not those of the wallet {name}: they bring another wallet back; look for the right \
         paper, or make a new wallet and move the money there while this one opens"
    )]
    OtherWords { name: WalletName },
    /// A command that needs a terminal.
    #[error("`wallet watch` needs a terminal; without one use `wallet balance` and `wallet history`")]
    NoScreen,
    /// The system has no randomness.
    #[error("the system gave no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// Nobody takes what is to be shown.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

impl From<ClientError> for WalletError {
    fn from(error: ClientError) -> Self {
        Self::Node(error.into())
    }
}

impl From<PaymentError> for WalletError {
    fn from(error: PaymentError) -> Self {
        Self::Payment(Box::new(error))
    }
}

impl WalletError {
    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Payment(error) => match &**error {
                PaymentError::InDoubt { .. } => NO_ANSWER,
                PaymentError::NotMined { .. } => NOT_MINED,
                PaymentError::SentUnreported { .. } => SENT_UNREPORTED,
                _ => FAILED,
            },
            Self::Node(error) if error.is_silence() => NO_ANSWER,
            Self::NotReceived { .. } => NOT_MINED,
            _ => FAILED,
        }
    }

    /// The kind in words, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Network(_) => "bad_network",
            Self::NoDataDir(_) => "no_data_dir",
            Self::File(_) => "file",
            Self::Keystore(InFile { error, .. }) => error.kind(),
            Self::Labels(_) => "labels",
            Self::Recipients(_) => "bad_csv",
            Self::PaymentFile(_) => "payment_file",
            Self::Receipt(_) => "bad_receipt",
            Self::Payment(error) => error.kind(),
            Self::Plan(error) => error.kind(),
            Self::Faucet(error) => error.kind(),
            Self::Node(error) => error.kind(),
            Self::WalletExists { .. } => "wallet_exists",
            Self::WordsUnseen(_) => "words_unseen",
            Self::NoWallet { .. } => "no_wallet",
            Self::Secret(_) => "no_secret",
            Self::Words(_) => "bad_words",
            Self::Receiver(_) | Self::NoReceiver { .. } => "bad_address",
            Self::AmbiguousLabel { .. } => "ambiguous_label",
            Self::Pairing(_) => "bad_pairing",
            Self::NotReceived { .. } => "not_received",
            Self::NoAmount => "no_amount",
            Self::Disagree { .. } => "uri_disagrees",
            Self::Uri(_) => "bad_uri",
            Self::FileExists { .. } => "file_exists",
            Self::AlreadyMined { .. } => "already_mined",
            Self::NotTheSender { .. } => "not_the_sender",
            Self::SharedPayment { .. } => "shared_payment",
            Self::NotShared { .. } => "not_shared",
            Self::NoCeremonyFile => "no_ceremony_file",
            Self::Shared(error) => error.kind(),
            Self::SingleUse(_) => "single_use_secret",
            Self::Message(_) => "bad_message_signature",
            Self::OtherWords { .. } => "other_words",
            Self::NoScreen => "no_screen",
            Self::Random(_) => "no_randomness",
            Self::Output(_) => "output",
        }
    }

    /// The payment it is about.
    pub fn txid(&self) -> Option<TxId> {
        match self {
            Self::Payment(error) => error.txid(),
            Self::AlreadyMined { txid } | Self::Node(NodeError::NoReceipt { txid, .. }) => Some(*txid),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::{collections::BTreeSet, fs};

    /// Every source file of the wallet.
    fn sources(directory: &Path) -> Vec<PathBuf> {
        let entries =
            fs::read_dir(directory).expect("the wallet's sources").map(|entry| entry.expect("an entry").path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn every_command_that_is_named_is_marked_so_that_it_can_be_copied() {
        let commands = crate::cli::help::command();
        let names: BTreeSet<&str> = commands.get_subcommands().map(clap::Command::get_name).collect();
        // What help says is about the commands themselves.
        let help = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/");
        let mut marked = 0;
        for path in sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
            if path.starts_with(help) || path.ends_with("tests.rs") {
                continue;
            }
            let source = fs::read_to_string(&path).expect("a source file");
            let source = source.as_str();
            let production = source.split("#[cfg(test)]").next().unwrap_or(source);
            for line in production.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for (before, after) in line.match_indices("wallet ").map(|(at, found)| line.split_at(at + found.len()))
                {
                    let word: String = after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
                    if names.contains(word.as_str()) {
                        assert!(before.ends_with("`wallet "), "{}: {line}", path.display());
                        marked += 1;
                    }
                }
            }
        }
        assert!(marked > 10, "{marked}");
    }
}

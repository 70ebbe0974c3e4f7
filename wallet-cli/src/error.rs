//! Why a command failed: one enum over the modules' errors, with a kind for programs and an exit code.

mod sentences;

use crate::{
    commands::show::receipt::ReceiptFileError,
    keys::{keystore::KeystoreError, message::MessageError, mnemonic::WordsError, secret::SecretError},
    network::NetworkError,
    node::{client::ClientError, pairing::PairingError, verify::report::Liar},
    payment::{
        file::PaymentFileError,
        not_mined::NotMined,
        plan::PlanError,
        recipients::CsvError,
        state::{Hindrance, Impossible, InTheWay},
        uri::UriError,
    },
    store::{
        data_dir::{NoDataDir, WalletName},
        labels::LabelsError,
    },
};
use cairn_host::shell::quoted;
use cairn_ledger::{address::AddressError, hash::TxId, units::Amount};
use cairn_rpc::types::TxState;
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
pub const SENT_UNTOLD: u8 = 5;

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
    #[error("cannot {action} {path}: {error}")]
    File {
        /// What was to be done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A wallet of this name is there.
    #[error("there is a wallet {name} already ({path}); it was not touched; name another with --wallet")]
    WalletExists {
        /// The name.
        name: WalletName,
        /// Its file.
        path: PathBuf,
    },
    /// The words of a new wallet could not be shown.
    #[error("the words of the new wallet could not be shown, so no wallet was made: {0}")]
    WordsUnseen(io::Error),
    /// No wallet of this name is there.
    #[error("there is no wallet {name} ({path}); make one with `wallet new`, or see `wallet list`")]
    NoWallet {
        /// The name.
        name: WalletName,
        /// Where its file would be.
        path: PathBuf,
    },
    /// The wallet file.
    #[error("{path}: {error}")]
    Keystore {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: KeystoreError,
    },
    /// The password or the words, on the way in.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The words.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// The receiver.
    #[error("the receiver: {0}")]
    Receiver(Box<AddressError>),
    /// Text that is neither an address nor a label.
    #[error("the receiver: {error}; and no address is called {label}: see `wallet labels`")]
    NoReceiver {
        /// The text, inert.
        label: String,
        /// Why it is no address.
        error: Box<AddressError>,
    },
    /// A label that several addresses have.
    #[error("{} addresses are called {label}: {}; pay one of them by its address", addresses.len(), addresses.join(", "))]
    AmbiguousLabel {
        /// The label, inert.
        label: String,
        /// Whose.
        addresses: Vec<String>,
    },
    /// Nothing to sign.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// What is to be paired with.
    #[error(transparent)]
    Pairing(#[from] PairingError),
    /// The node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No node told the truth.
    #[error(
        "no node could be believed: {}; name another with --node",
        liars.iter().map(|liar| format!("the node at {} lies: {}", liar.node, liar.claim)).collect::<Vec<_>>().join("; ")
    )]
    Lies {
        /// Which nodes, and what they claimed.
        liars: Vec<Liar>,
    },
    /// This computer's clock is the odd one out.
    #[error(
        "this computer's clock is {} s behind the nodes' ({nodes} asked), and their newest blocks are from its future: \
         set it, and try again",
        behind_ms / 1_000
    )]
    Clock {
        /// How far it is behind.
        behind_ms: u64,
        /// How many nodes were asked.
        nodes: usize,
    },
    /// A payment that has no receipt.
    #[error("there is no receipt for {txid} yet: {}", match state {
        TxState::Pooled => "it waits for a block; try again once it is mined",
        TxState::Mined => "it was mined a moment ago; try again",
        _ => "no node proves that it is in a block",
    })]
    NoReceipt {
        /// The payment.
        txid: TxId,
        /// What the node says of it.
        state: TxState,
    },
    /// A file that is no receipt, or proves nothing.
    #[error("{path}: {error}")]
    Receipt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ReceiptFileError,
    },
    /// The node did not take a payment.
    #[error(
        "{error}. The payment {txid} is signed and open all the same, for a node that refuses it may pass it on; see what \
         becomes of it: {why}"
    )]
    Refused {
        /// The payment.
        txid: TxId,
        /// What the node says.
        error: ClientError,
        /// The command that says what has become of it.
        why: String,
    },
    /// The node fell silent while it was given a payment.
    #[error(
        "the payment {txid} was signed and is in the journal, but no node answered, so it may or may not be on its way \
         ({error}); see what becomes of it: {why}"
    )]
    InDoubt {
        /// The payment.
        txid: TxId,
        /// What happened.
        error: ClientError,
        /// The command that says what has become of it.
        why: String,
    },
    /// A payment like one that is open.
    #[error("{}", sentences::in_the_way(payments, resend))]
    InTheWay {
        /// The earlier ones, those that the owner was not told of first.
        payments: Vec<InTheWay>,
        /// The command that hands the same one over again.
        resend: String,
    },
    /// A payment may be hidden in a line of the journal that cannot be read.
    #[error("{}", sentences::damaged_journal(path, lines))]
    DamagedJournal {
        /// The journal.
        path: PathBuf,
        /// The lines, from 1.
        lines: Vec<usize>,
    },
    /// A payment that is over.
    #[error("the payment {txid} can never be mined: {why}; {}", why.advice())]
    Never {
        /// Which.
        txid: TxId,
        /// Why.
        why: Impossible,
    },
    /// A payment left, and its owner could not be told.
    #[error(
        "the payment {txid} was sent, and telling so failed ({error}); it is in the journal: see `wallet status {txid}`"
    )]
    SentUntold {
        /// The payment.
        txid: TxId,
        /// What happened.
        error: io::Error,
    },
    /// A payment is not in a block.
    #[error(
        "the payment {txid} was signed and sent, and is not where it was to be: {why} (`wallet why {txid}` says more)"
    )]
    NotMined {
        /// The payment.
        txid: TxId,
        /// Why.
        why: NotMined,
    },
    /// The journal has no such payment.
    #[error("the journal of this wallet has no payment {txid} for this network; see `wallet history`")]
    NotInJournal {
        /// Which.
        txid: TxId,
    },
    /// Another payment took the nonce.
    #[error(
        "nonce {nonce} is used: a payment with it was mined, and it is not this one, or not proven to be (the next is \
         {next}); see `wallet history`"
    )]
    NonceUsed {
        /// The payment's nonce.
        nonce: u64,
        /// The first that is free.
        next: u64,
    },
    /// Less came than was waited for.
    #[error("after {seconds} s, {came} CRN had come; it may still come: look with `wallet balance`")]
    NotReceived {
        /// What came.
        came: Amount,
        /// How long the wallet waited.
        seconds: u64,
    },
    /// Too little time left.
    #[error(
        "it may be mined until block {valid_until} and the tip is block {height}: too near to get there; make it anew, \
         with more blocks in --valid-for"
    )]
    TooLate {
        /// The payment's last height.
        valid_until: u64,
        /// The tip's height.
        height: u64,
    },
    /// More than there is now.
    #[error("the payment needs {need} CRN and the address has {have} CRN at the tip; see `wallet balance`")]
    Overdrawn {
        /// What there is.
        have: Amount,
        /// Amounts, fee, and the most that new accounts may cost.
        need: Amount,
    },
    /// The owner said no.
    #[error("nothing was signed and nothing was sent")]
    Declined,
    /// Nothing to pay.
    #[error("how much? Give the amount after the address, or in the payment URI")]
    NoAmount,
    /// The URI says one thing and the command line another.
    #[error("the payment URI and the command line give a different {what}; leave one out")]
    Disagree {
        /// What.
        what: &'static str,
    },
    /// A payment URI.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// A file of receivers.
    #[error("{path}: {error}")]
    Recipients {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: CsvError,
    },
    /// A file of labels.
    #[error("{path}: {error}")]
    Labels {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: LabelsError,
    },
    /// A file that is there.
    #[error("there is a file {path} already; it was not touched; name another")]
    FileExists {
        /// Which.
        path: PathBuf,
    },
    /// Too late to bump or cancel.
    #[error("the payment {txid} is in a block: nothing replaces it any more")]
    TooLateToReplace {
        /// Which.
        txid: TxId,
    },
    /// A payment's file.
    #[error("{path}: {error}")]
    PaymentFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: PaymentFileError,
    },
    /// Signing for somebody else.
    #[error("the payment is from {got}, and this wallet's address is {expected}; choose with --wallet and --account")]
    NotTheSender {
        /// Who pays, inert.
        got: String,
        /// The wallet's address.
        expected: String,
    },
    /// One member cannot sign for a shared key.
    #[error("{path}: the payment is of a shared key; take part with `wallet cosign {}`", quoted(&path.display().to_string()))]
    SharedPayment {
        /// The file.
        path: PathBuf,
    },
    /// Nothing to cosign.
    #[error("{path}: the payment is not of a shared key; sign it with `wallet sign {}`", quoted(&path.display().to_string()))]
    NotShared {
        /// The file.
        path: PathBuf,
    },
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
    OtherWords {
        /// The wallet.
        name: WalletName,
    },
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

impl WalletError {
    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::InDoubt { .. } => NO_ANSWER,
            Self::Client(error) if error.is_silence() => NO_ANSWER,
            Self::NotMined { .. } | Self::NotReceived { .. } => NOT_MINED,
            Self::SentUntold { .. } => SENT_UNTOLD,
            _ => FAILED,
        }
    }

    /// The kind in words, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Network(_) => "bad_network",
            Self::NoDataDir(_) => "no_data_dir",
            Self::File { .. } => "file",
            Self::WalletExists { .. } => "wallet_exists",
            Self::WordsUnseen(_) => "words_unseen",
            Self::NoWallet { .. } => "no_wallet",
            Self::Keystore { error, .. } => error.kind(),
            Self::Secret(_) => "no_secret",
            Self::Words(_) => "bad_words",
            Self::Receiver(_) | Self::NoReceiver { .. } => "bad_address",
            Self::AmbiguousLabel { .. } => "ambiguous_label",
            Self::Plan(error) => error.kind(),
            Self::Pairing(_) => "bad_pairing",
            Self::Client(error) | Self::Refused { error, .. } => error.kind(),
            Self::Lies { .. } => "node_lies",
            Self::NoReceipt { .. } => "no_receipt",
            Self::Clock { .. } => "clock_wrong",
            Self::Receipt { .. } => "bad_receipt",
            Self::InDoubt { .. } => "in_doubt",
            Self::InTheWay { payments, .. }
                if payments.first().is_some_and(|first| matches!(first.why, Hindrance::Mined { .. })) =>
            {
                "already_paid"
            }
            Self::InTheWay { .. } => "payment_open",
            Self::DamagedJournal { .. } => "journal_damaged",
            Self::SentUntold { .. } => "sent_untold",
            Self::Never { why: Impossible::Replaced(_), .. } => "nonce_used",
            Self::Never { why: Impossible::Expired { .. }, .. } => "expired",
            Self::NotMined { .. } => "not_mined",
            Self::NotReceived { .. } => "not_received",
            Self::NotInJournal { .. } => "not_in_journal",
            Self::NonceUsed { .. } => "nonce_used",
            Self::TooLate { .. } => "too_late",
            Self::Overdrawn { .. } => "overdrawn",
            Self::Declined => "declined",
            Self::NoAmount => "no_amount",
            Self::Disagree { .. } => "uri_disagrees",
            Self::Uri(_) => "bad_uri",
            Self::Recipients { .. } => "bad_csv",
            Self::Labels { .. } => "labels",
            Self::FileExists { .. } => "file_exists",
            Self::TooLateToReplace { .. } => "already_mined",
            Self::PaymentFile { .. } => "payment_file",
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
            Self::Refused { txid, .. }
            | Self::InDoubt { txid, .. }
            | Self::SentUntold { txid, .. }
            | Self::Never { txid, .. }
            | Self::NotMined { txid, .. }
            | Self::NoReceipt { txid, .. }
            | Self::TooLateToReplace { txid }
            | Self::NotInJournal { txid } => Some(*txid),
            Self::InTheWay { payments, .. } => payments.first().map(|first| first.txid),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs,
        path::{Path, PathBuf},
    };

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

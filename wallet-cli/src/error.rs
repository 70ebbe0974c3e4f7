//! Why a command failed: one enum over the modules' errors, with a kind for programs and an exit code.

use crate::{
    client::ClientError,
    data_dir::{NoDataDir, WalletName},
    keystore::KeystoreError,
    network::NetworkError,
    pairing::PairingError,
    plan::PlanError,
    secret::SecretError,
    wait::NotMined,
    words::WordsError,
};
use cairn_ledger::{address::AddressError, hash::TxId};
use std::{io, path::PathBuf};

/// The exit code of a command that was refused or failed.
pub const FAILED: u8 = 1;
/// The exit code of a command line that makes no sense.
pub const USAGE: u8 = 2;
/// The exit code when no node answered.
pub const NO_ANSWER: u8 = 3;
/// The exit code of a payment that was not mined in time.
pub const NOT_MINED: u8 = 4;

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
    /// No wallet of this name is there.
    #[error("there is no wallet {name} ({path}); make one with wallet new, or see wallet list")]
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
    /// Nothing to sign.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// What is to be paired with.
    #[error(transparent)]
    Pairing(#[from] PairingError),
    /// The node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The node did not take a payment.
    #[error("{error} (payment {txid}; it is in the journal and can be handed over with wallet resend)")]
    Refused {
        /// The payment.
        txid: TxId,
        /// What the node says.
        error: ClientError,
    },
    /// The node fell silent while it was given a payment.
    #[error(
        "the payment {txid} was signed and is in the journal, but the node did not answer, so it may or may not be \
         on its way ({error}); ask with wallet status {txid}, hand it over again with wallet resend {txid}"
    )]
    InDoubt {
        /// The payment.
        txid: TxId,
        /// What happened.
        error: ClientError,
    },
    /// A payment is not in a block.
    #[error("the payment {txid} was sent and is not in a block: {why}")]
    NotMined {
        /// The payment.
        txid: TxId,
        /// Why.
        why: NotMined,
    },
    /// The journal has no such payment.
    #[error("the journal of this wallet has no payment {txid} for this network; see wallet history")]
    NotInJournal {
        /// Which.
        txid: TxId,
    },
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
            Self::NotMined { .. } => NOT_MINED,
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
            Self::NoWallet { .. } => "no_wallet",
            Self::Keystore { error, .. } => error.kind(),
            Self::Secret(_) => "no_secret",
            Self::Words(_) => "bad_words",
            Self::Receiver(_) => "bad_address",
            Self::Plan(error) => error.kind(),
            Self::Pairing(_) => "bad_pairing",
            Self::Client(error) | Self::Refused { error, .. } => error.kind(),
            Self::InDoubt { .. } => "in_doubt",
            Self::NotMined { .. } => "not_mined",
            Self::NotInJournal { .. } => "not_in_journal",
            Self::Random(_) => "no_randomness",
            Self::Output(_) => "output",
        }
    }

    /// The payment it is about.
    pub fn txid(&self) -> Option<TxId> {
        match self {
            Self::Refused { txid, .. }
            | Self::InDoubt { txid, .. }
            | Self::NotMined { txid, .. }
            | Self::NotInJournal { txid } => Some(*txid),
            _ => None,
        }
    }
}

//! Why there is no faucet.

use cairn_host::{FileError, Inert, quoted};
use std::{io, net::SocketAddr, path::PathBuf};

/// Why there is no faucet.
#[derive(Debug, thiserror::Error)]
pub enum FaucetError {
    /// The main network.
    #[error(
        "a faucet gives money away to whoever asks, so it is for test and local networks, and {chain} is the main \
         network or shares its addresses: choose another with --chain"
    )]
    MainNetwork { chain: String },
    /// Nothing to give.
    #[error("the amount is 0; a faucet gives at least 0.00000001 CRN")]
    NothingToGive,
    /// Another faucet of this wallet.
    #[error("another faucet of this wallet is running ({path} is locked); end that one first")]
    Running { path: PathBuf },
    /// A file that cannot be read as a whole.
    #[error(
        "line {line} of {path} cannot be read, and what was given away may be hidden in it, so the faucet does not \
         start. Look at it with sed -n {line}p {}, or bring the file back from a backup; moved aside, all limits \
         begin anew",
        quoted(&.path.display().to_string())
    )]
    Damaged { path: PathBuf, line: usize },
    /// A file of another wallet of the same name.
    #[error(
        "{path} is of another network or wallet, of the address {}: move it aside, and keep it while that one may be \
         needed",
        Inert(.address)
    )]
    OtherOwner { path: PathBuf, address: String },
    /// A place to listen on that is not to be had.
    #[error("cannot listen on {address}: {error}; name another place with --listen")]
    Listen { address: SocketAddr, error: io::Error },
    /// The system gives no thread.
    #[error("cannot serve: {0}")]
    Serve(io::Error),
    /// The part that serves has ended.
    #[error("the faucet's server ended, which it never should; please report it, and start the faucet again")]
    Ended,
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
}

impl FaucetError {
    /// The kind in words, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::MainNetwork { .. } => "main_network",
            Self::NothingToGive => "zero_amount",
            Self::Running { .. } => "faucet_running",
            Self::Damaged { .. } => "faucet_damaged",
            Self::OtherOwner { .. } => "faucet_of_another",
            Self::Listen { .. } => "cannot_listen",
            Self::Serve(_) | Self::Ended => "cannot_serve",
            Self::File(_) => "file",
        }
    }
}

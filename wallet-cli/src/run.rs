//! One session: from the command line to the command, and what every command works with.

use crate::{
    cli::{Arguments, Command, Global},
    client::Node,
    commands,
    data_dir::DataDir,
    error::WalletError,
    files,
    journal::{self, Contents},
    keystore::{Keystore, KeystoreError, MAX_FILE_BYTES, SealRandomness, WalletSecret},
    network,
    output::Output,
    pairing::Pairing,
};
use cairn_genesis::Network;
use cairn_ledger::keys::Address;
use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Runs the command of `arguments`.
///
/// # Errors
/// Says why it failed.
pub fn run(arguments: &Arguments, output: &mut Output<'_>) -> Result<(), WalletError> {
    let session = Session::new(&arguments.global)?;
    // A wallet talks to one node about one thing at a time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match &arguments.command {
        Command::New(options) => commands::new::run(&session, *options, output),
        Command::Restore(options) => commands::restore::run(&session, options, output),
        Command::Address => commands::address::run(&session, output),
        Command::List => commands::list::run(&session, output),
        Command::Balance => runtime.block_on(commands::balance::run(&session, output)),
        Command::Send(options) => runtime.block_on(commands::send::run(&session, options, output)),
        Command::Resend(options) => runtime.block_on(commands::resend::run(&session, options.txid, output)),
        Command::Status(options) => runtime.block_on(commands::status::run(&session, options.txid, output)),
        Command::Pair(options) => runtime.block_on(commands::pair::run(&session, options, output)),
        Command::History(options) => runtime.block_on(commands::history::run(&session, *options, output)),
    }
}

/// The options of every command, and where they lead.
pub(crate) struct Session<'a> {
    pub options: &'a Global,
    pub data: DataDir,
}

/// A wallet that is there: its file without its secret.
pub(crate) struct Wallet {
    pub path: PathBuf,
    pub keystore: Keystore,
    pub address: Address,
}

impl<'a> Session<'a> {
    fn new(options: &'a Global) -> Result<Self, WalletError> {
        let data = DataDir::choose(options.data_dir.as_deref(), |name| std::env::var_os(name))?;
        Ok(Self { options, data })
    }

    /// The chosen network.
    pub fn network(&self) -> Result<Network, WalletError> {
        Ok(network::load(&self.options.chain)?)
    }

    /// The chosen node, which has to be on `network`.
    pub fn node<'b>(&self, network: &'b Network) -> Result<Node<'b>, WalletError> {
        let path = self.data.pairing_file(&network.id());
        let pairing = Pairing::load(&self.data, &network.id()).map_err(file_error("read", &path))?;
        let asked = self.options.node.as_deref();
        // The token is for the node that gave it, and for no other.
        match pairing.filter(|pairing| asked.is_none_or(|url| url.trim_end_matches('/') == pairing.url())) {
            Some(pairing) => Ok(Node::paired(&pairing, network)?),
            None => Ok(Node::new(asked, network)?),
        }
    }

    /// The chosen wallet, which has to be of `network`.
    pub fn wallet(&self, network: &Network) -> Result<Wallet, WalletError> {
        let name = &self.options.wallet;
        let path = self.data.wallet_file(name);
        let keystore = match read_keystore(&path) {
            Err(WalletError::File { error, path, .. }) if error.kind() == ErrorKind::NotFound => {
                return Err(WalletError::NoWallet { name: name.clone(), path });
            }
            read => read?,
        };
        match keystore.address_on(network) {
            Ok(address) => Ok(Wallet { path, keystore, address }),
            Err(error) => Err(WalletError::Keystore { path, error }),
        }
    }

    /// Refuses when the chosen wallet is there already: before anybody is asked for anything.
    pub fn check_absent(&self) -> Result<(), WalletError> {
        let path = self.data.wallet_file(&self.options.wallet);
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(file_error("look for", &path)(error)),
            Ok(_) => Err(WalletError::WalletExists { name: self.options.wallet.clone(), path }),
        }
    }

    /// Writes `secret` as the chosen wallet; a wallet that is there stays as it is.
    pub fn create_wallet(
        &self,
        network: &Network,
        secret: &WalletSecret,
        cost: crate::keystore::KdfCost,
    ) -> Result<Wallet, WalletError> {
        let address = secret.key(network)?.address();
        let password = self.options.password_source().read_new()?;
        let mut random = SealRandomness { salt: [0; 16], nonce: [0; 24] };
        getrandom::fill(&mut random.salt)?;
        getrandom::fill(&mut random.nonce)?;
        let path = self.data.wallet_file(&self.options.wallet);
        let failed = |error| WalletError::Keystore { path: path.clone(), error };
        let keystore = Keystore::seal(secret, (network, &address), &password, cost, &random).map_err(failed)?;
        files::private_dir(self.data.wallets()).map_err(file_error("make", self.data.wallets()))?;
        files::save_new(&path, keystore.to_json().as_bytes()).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                WalletError::WalletExists { name: self.options.wallet.clone(), path: path.clone() }
            }
            _ => file_error("write", &path)(error),
        })?;
        Ok(Wallet { path, keystore, address })
    }

    /// The journal's file.
    pub fn journal_path(&self) -> PathBuf {
        self.data.journal_file(&self.options.wallet)
    }

    /// What the journal says.
    pub fn journal(&self) -> Result<Contents, WalletError> {
        let path = self.journal_path();
        journal::read(&path).map_err(file_error("read", &path))
    }
}

/// Reads a wallet file.
pub(crate) fn read_keystore(path: &Path) -> Result<Keystore, WalletError> {
    let failed = |error| WalletError::Keystore { path: path.to_path_buf(), error };
    let bytes = match files::read_bounded(path, MAX_FILE_BYTES) {
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            return Err(failed(KeystoreError::Damaged { reason: error.to_string() }));
        }
        read => read.map_err(file_error("read", path))?,
    };
    Keystore::parse(&bytes).map_err(failed)
}

/// Names the file a failure is about.
pub(crate) fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WalletError {
    let path = path.to_path_buf();
    move |error| WalletError::File { action, path, error }
}

/// Now, in Unix ms.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

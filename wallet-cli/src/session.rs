//! One session: what every command works with.

use crate::{
    cli::Global,
    error::{Result, WalletError},
    hints::Hints,
    keys::keystore::{Keystore, KeystoreError, MAX_FILE_BYTES},
    network,
    node::nodes::{Nodes, Trust},
    payment::{
        journal::{self, Contents},
        payer::PayingAccount,
    },
    store::{
        data_dir::{DataDir, WalletName},
        labels::Labels,
    },
};
use cairn_genesis::Network;
use cairn_host::files::{self, FileError, InFile};
use cairn_ledger::keys::{Address, SecretKey};
use std::{
    fs::{File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The options of every command, and where they lead.
pub(crate) struct Session<'a> {
    pub options: &'a Global,
    pub data: DataDir,
    /// The wallet it is about: the one that was chosen, or one that is being made.
    pub name: WalletName,
    pub nodes: Nodes,
    pub hints: Hints,
}

/// A wallet that is there: its file without its secret.
pub(crate) struct Wallet {
    pub path: PathBuf,
    pub keystore: Keystore,
    pub address: Address,
}

impl<'a> Session<'a> {
    /// A session about the wallet that was chosen.
    pub fn new(options: &'a Global) -> Result<Self> {
        let data = DataDir::choose(options.data_dir.as_deref(), |name| std::env::var_os(name))?;
        Ok(Self::about(options, data, options.wallet.clone()))
    }

    /// A session about the wallet `name`.
    pub fn about(options: &'a Global, data: DataDir, name: WalletName) -> Self {
        let trust = match (options.trust_node, options.every_header) {
            (true, _) => Trust::Node,
            (false, true) => Trust::EveryHeader,
            (false, false) => Trust::Samples,
        };
        let nodes = Nodes::new(options.node.clone(), data.clone(), trust, options.time());
        let hints = Hints::new(options.leading_to(&name), &options.chain);
        Self { options, data, name, nodes, hints }
    }

    /// Keeps other commands from changing the wallet, its accounts and its labels until the lock is dropped.
    pub fn lock(&self) -> Result<File> {
        let path = self.data.lock_file(&self.name);
        let options = OpenOptions::new().create(true).append(true).mode(files::FILE_MODE).open(&path);
        let file = options.map_err(|error| match error.kind() {
            // No directory, no wallet in it.
            ErrorKind::NotFound => self.no_wallet(),
            _ => FileError::cannot("open", &path)(error).into(),
        })?;
        files::lock(&file).map_err(FileError::cannot("lock", &path))?;
        Ok(file)
    }

    fn no_wallet(&self) -> WalletError {
        WalletError::NoWallet { name: self.name.clone(), path: self.data.wallet_file(&self.name) }
    }

    /// The chosen network.
    pub fn network(&self) -> Result<Network> {
        Ok(network::load(&self.options.chain)?)
    }

    /// The chosen wallet, which has to be of `network`.
    pub fn wallet(&self, network: &Network) -> Result<Wallet> {
        let path = self.data.wallet_file(&self.name);
        let mut keystore = match read_keystore(&path) {
            Err(WalletError::File(FileError { error, .. })) if error.kind() == ErrorKind::NotFound => {
                return Err(self.no_wallet());
            }
            read => read?,
        };
        let failed = InFile::at(&path);
        if let Some(number) = self.options.account {
            keystore.select(number).map_err(&failed)?;
        }
        let address = keystore.address_on(network).map_err(&failed)?;
        Ok(Wallet { path, keystore, address })
    }

    /// What the payments of a wallet need.
    pub fn paying<'b>(&'b self, network: &'b Network, wallet: &Wallet) -> PayingAccount<'b> {
        self.paying_from(network, wallet.address, wallet.keystore.address())
    }

    /// What the payments of an address need, which may be that of no wallet here: somebody else may have signed.
    pub fn paying_from<'b>(&'b self, network: &'b Network, address: Address, shown: &str) -> PayingAccount<'b> {
        PayingAccount {
            network,
            nodes: &self.nodes,
            hints: &self.hints,
            journal: self.data.journal_file(&self.name),
            labels: self.data.labels_file(&self.name),
            address,
            shown: String::from(shown),
        }
    }

    /// Opens the wallet for its password: the key of the account in use.
    pub fn unlock(&self, network: &Network, wallet: &Wallet) -> Result<SecretKey> {
        wallet.check_has_key()?;
        let password = self.options.password_source().read()?;
        Ok(wallet.keystore.unlock(network, &password).map_err(InFile::at(&wallet.path))?)
    }

    /// The same as bytes.
    pub fn unlock_bytes(&self, network: &Network, wallet: &Wallet) -> Result<Zeroizing<[u8; 32]>> {
        wallet.check_has_key()?;
        let password = self.options.password_source().read()?;
        Ok(wallet.keystore.unlock_bytes(network, &password).map_err(InFile::at(&wallet.path))?)
    }

    /// The labels.
    pub fn labels(&self) -> Result<Labels> {
        Ok(Labels::load(&self.data.labels_file(&self.name))?)
    }

    /// What the journal says.
    pub fn journal(&self) -> Result<Contents> {
        Ok(journal::read(&self.data.journal_file(&self.name))?)
    }
}

impl Wallet {
    /// Refuses when there is no key behind the password: before anybody is asked for one.
    pub fn check_has_key(&self) -> Result<()> {
        Ok(self.keystore.check_has_key().map_err(InFile::at(&self.path))?)
    }
}

/// An address of the network.
pub(crate) fn decode_address(network: &Network, text: &str) -> Result<Address> {
    network.spec.params().prefix.decode(text).map_err(|error| WalletError::Receiver(Box::new(error)))
}

/// Reads a wallet file.
pub(crate) fn read_keystore(path: &Path) -> Result<Keystore> {
    let failed = InFile::at(path);
    let bytes = match files::read_bounded(path, MAX_FILE_BYTES) {
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            return Err(failed(KeystoreError::Damaged { reason: error.to_string() }).into());
        }
        read => read.map_err(FileError::cannot("read", path))?,
    };
    Ok(Keystore::parse(&bytes).map_err(failed)?)
}

//! One session: what every command works with.

use crate::error::{Result, WalletError};
use crate::keys::{
    Account, KdfCost, Keystore, KeystoreError, MAX_KEYSTORE_BYTES, PasswordSource, SealRandomness, Secret, WalletSecret,
};
use crate::node::{Nodes, Source, Trust};
use crate::payment::{Contents, Payer, journal};
use crate::store::{DataDir, Labels, WalletName};
use crate::{cli::Global, hints::Hints, network, output::Output, random};
use cairn_genesis::Network;
use cairn_host::{FileError, InFile, files};
use cairn_ledger::{Address, SecretKey};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::{cell::OnceCell, io::ErrorKind, os::unix::fs::OpenOptionsExt};
use zeroize::Zeroizing;

/// The options of every command, and where they lead.
pub(crate) struct Session<'a> {
    pub options: &'a Global,
    pub data: DataDir,
    /// The wallet it is about: the one that was chosen, or one that is being made.
    pub name: WalletName,
    pub nodes: Nodes,
    pub hints: Hints,
    network: OnceCell<Network>,
}

/// A wallet that is there: its file without its secret.
pub(crate) struct Wallet<'a> {
    pub network: &'a Network,
    pub path: PathBuf,
    pub keystore: Keystore,
    pub address: Address,
    password: PasswordSource,
}

/// Which wallet it is, as most results begin.
#[derive(Serialize)]
pub(crate) struct WalletHead {
    pub name: String,
    pub chain: String,
    pub address: String,
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
        Self { options, data, name, nodes, hints, network: OnceCell::new() }
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
    pub fn network(&self) -> Result<&Network> {
        if let Some(network) = self.network.get() {
            return Ok(network);
        }
        let network = network::load(&self.options.chain)?;
        Ok(self.network.get_or_init(|| network))
    }

    /// The chosen wallet, which has to be of the chosen network.
    pub fn wallet(&self) -> Result<Wallet<'_>> {
        let network = self.network()?;
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
        Ok(Wallet { network, path, keystore, address, password: self.options.password_source() })
    }

    /// Which wallet it is that has this file.
    pub fn head(&self, keystore: &Keystore) -> WalletHead {
        let (chain, address) = (String::from(keystore.chain()), String::from(keystore.address()));
        WalletHead { name: self.name.to_string(), chain, address }
    }

    /// Asks all the nodes about the payments of a wallet.
    pub async fn payer<'b>(&'b self, wallet: &Wallet<'b>, output: &mut Output<'_>) -> Result<Payer<'b>> {
        self.payer_from(wallet.network, wallet.address, output).await
    }

    /// The same for an address, which may be that of no wallet here: somebody else may have signed.
    pub async fn payer_from<'b>(
        &'b self,
        network: &'b Network,
        address: Address,
        output: &mut Output<'_>,
    ) -> Result<Payer<'b>> {
        let source = Source::open(&self.nodes, network).await?;
        source.report_to(network, output)?;
        Ok(Payer {
            network,
            nodes: &self.nodes,
            hints: &self.hints,
            journal: self.data.journal_file(&self.name),
            labels: self.data.labels_file(&self.name),
            address,
            shown: network.spec.params().prefix.encode(&address),
            source,
        })
    }

    /// The labels.
    pub fn labels(&self) -> Result<Labels> {
        Ok(Labels::load(&self.data.labels_file(&self.name))?)
    }

    /// What the journal says.
    pub fn journal(&self) -> Result<Contents> {
        Ok(journal::read(&self.data.journal_file(&self.name))?)
    }

    /// Refuses when the chosen wallet is there already: before anybody is asked for anything.
    pub fn check_absent(&self) -> Result<()> {
        let path = self.data.wallet_file(&self.name);
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(FileError::cannot("look for", &path)(error).into()),
            Ok(_) => Err(WalletError::WalletExists { name: self.name.clone(), path }),
        }
    }

    /// Encrypts a wallet, with fresh randomness.
    pub fn seal(
        &self,
        secret: &WalletSecret,
        accounts: Vec<Account>,
        password: &Secret,
        cost: KdfCost,
    ) -> Result<Keystore> {
        let random = SealRandomness { salt: random()?, nonce: random()? };
        let sealed = Keystore::seal(secret, self.network()?, accounts, password, cost, &random);
        Ok(sealed.map_err(InFile::at(&self.data.wallet_file(&self.name)))?)
    }

    /// Writes a wallet that must not be there yet.
    pub fn write_new_wallet(&self, keystore: &Keystore) -> Result<PathBuf> {
        let prepared = self.prepare_new_wallet(keystore)?;
        self.commit_new_wallet(prepared)
    }

    /// The first half of it: the wallet is written and has no name yet.
    pub fn prepare_new_wallet(&self, keystore: &Keystore) -> Result<files::Prepared> {
        let (path, directory) = (self.data.wallet_file(&self.name), &self.data.wallets);
        files::private_dir(directory).map_err(FileError::cannot("make", directory))?;
        Ok(files::prepare_new(&path, keystore.to_json().as_bytes()).map_err(FileError::cannot("write", &path))?)
    }

    /// The second half: it is there from here on.
    pub fn commit_new_wallet(&self, prepared: files::Prepared) -> Result<PathBuf> {
        let path = self.data.wallet_file(&self.name);
        match prepared.commit() {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(WalletError::WalletExists { name: self.name.clone(), path })
            }
            Err(error) => Err(FileError::cannot("write", &path)(error).into()),
        }
    }
}

impl Wallet<'_> {
    /// Refuses when there is no key behind the password: before anybody is asked for one.
    pub fn check_has_key(&self) -> Result<()> {
        Ok(self.keystore.check_has_key().map_err(InFile::at(&self.path))?)
    }

    /// Opens it with its password: the words, and the password.
    pub fn open(&self) -> Result<(Secret, WalletSecret)> {
        self.check_has_key()?;
        let password = self.password.read()?;
        let secret = self.keystore.open(self.network, &password).map_err(InFile::at(&self.path))?;
        Ok((password, secret))
    }

    /// The key of the account in use.
    pub fn unlock(&self) -> Result<SecretKey> {
        self.check_has_key()?;
        Ok(self.keystore.unlock(self.network, &self.password.read()?).map_err(InFile::at(&self.path))?)
    }

    /// The same as bytes.
    pub fn unlock_bytes(&self) -> Result<Zeroizing<[u8; 32]>> {
        self.check_has_key()?;
        Ok(self.keystore.unlock_bytes(self.network, &self.password.read()?).map_err(InFile::at(&self.path))?)
    }

    /// Writes it anew; a crash leaves the old file or the new one.
    pub fn replace(&self, keystore: &Keystore) -> Result<()> {
        Ok(files::save(&self.path, keystore.to_json().as_bytes()).map_err(FileError::cannot("write", &self.path))?)
    }
}

/// An address of the network.
pub(crate) fn decode_address(network: &Network, text: &str) -> Result<Address> {
    network.spec.params().prefix.decode(text).map_err(|error| WalletError::Receiver(Box::new(error)))
}

/// Reads a wallet file.
pub(crate) fn read_keystore(path: &Path) -> Result<Keystore> {
    let failed = InFile::at(path);
    let bytes = match files::read_bounded(path, MAX_KEYSTORE_BYTES) {
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            return Err(failed(KeystoreError::Damaged { reason: error.to_string() }).into());
        }
        read => read.map_err(FileError::cannot("read", path))?,
    };
    Ok(Keystore::parse(&bytes).map_err(failed)?)
}

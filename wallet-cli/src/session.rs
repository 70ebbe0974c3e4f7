//! One session: from the command line to the command, and what every command works with.

use crate::{
    cli::Global,
    error::WalletError,
    keys::{
        keystore::{Account, KdfCost, Keystore, KeystoreError, MAX_FILE_BYTES, SealRandomness, WalletSecret},
        secret::Secret,
    },
    network,
    node::{budget::Budget, client::Node, pairing::Pairing},
    payment::journal::{self, Contents},
    store::{
        data_dir::{DataDir, WalletName},
        labels::Labels,
    },
};
use cairn_genesis::Network;
use cairn_host::files::{self, Prepared};
use cairn_ledger::keys::{Address, SecretKey};
use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

/// The options of every command, and where they lead.
pub(crate) struct Session<'a> {
    pub options: &'a Global,
    pub data: DataDir,
    /// The wallet it is about: the one that was chosen, or one that is being made.
    pub name: WalletName,
    /// What each node has left of the command's time.
    budgets: Vec<Arc<Budget>>,
}

/// A wallet that is there: its file without its secret.
pub(crate) struct Wallet {
    pub path: PathBuf,
    pub keystore: Keystore,
    pub address: Address,
}

impl<'a> Session<'a> {
    /// A session about the wallet that was chosen.
    pub fn new(options: &'a Global) -> Result<Self, WalletError> {
        let data = DataDir::choose(options.data_dir.as_deref(), |name| std::env::var_os(name))?;
        Ok(Self::about(options, data, options.wallet.clone()))
    }

    /// A session about the wallet `name`. Its time is shared out among the nodes that are named: none takes another's.
    pub fn about(options: &'a Global, data: DataDir, name: WalletName) -> Self {
        let count = options.node.len().max(1);
        let share = options.time() / u32::try_from(count).unwrap_or(u32::MAX);
        Self { options, data, name, budgets: (0..count).map(|_| Budget::new(share)).collect() }
    }

    /// Gives the nodes as much time as at first, for the next look of a command that waits within a bound of its own.
    pub fn renew_time(&self) {
        self.budgets.iter().for_each(|budget| budget.renew());
    }

    /// Keeps other commands from changing the wallet, its accounts and its labels until the lock is dropped.
    pub fn lock(&self) -> Result<File, WalletError> {
        let path = self.data.lock_file(&self.name);
        let options = OpenOptions::new().create(true).append(true).mode(files::FILE_MODE).open(&path);
        let file = options.map_err(|error| match error.kind() {
            // No directory, no wallet in it.
            ErrorKind::NotFound => {
                WalletError::NoWallet { name: self.name.clone(), path: self.data.wallet_file(&self.name) }
            }
            _ => file_error("open", &path)(error),
        })?;
        files::lock(&file).map_err(file_error("lock", &path))?;
        Ok(file)
    }

    /// The chosen network.
    pub fn network(&self) -> Result<Network, WalletError> {
        Ok(network::load(&self.options.chain)?)
    }

    /// The chosen node, which has to be on `network`.
    pub fn node<'b>(&self, network: &'b Network) -> Result<Node<'b>, WalletError> {
        self.node_at(network, self.options.node.first().map(String::as_str), 0)
    }

    /// All the chosen nodes; the one paired with, or on this machine, when none is named.
    pub fn nodes<'b>(&self, network: &'b Network) -> Result<Vec<Node<'b>>, WalletError> {
        if self.options.node.is_empty() {
            return Ok(vec![self.node(network)?]);
        }
        self.options.node.iter().zip(0..).map(|(url, place)| self.node_at(network, Some(url), place)).collect()
    }

    fn node_at<'b>(&self, network: &'b Network, asked: Option<&str>, place: usize) -> Result<Node<'b>, WalletError> {
        let budget = self.budgets.get(place).cloned().unwrap_or_else(|| Budget::new(self.options.time()));
        let path = self.data.pairing_file(&network.id());
        let pairing = Pairing::load(&self.data, &network.id()).map_err(file_error("read", &path))?;
        // The token is for the node that gave it, and for no other.
        match pairing
            .filter(|pairing| asked.is_none_or(|text| text.parse().is_ok_and(|url| pairing.url().is_meant_by(&url))))
        {
            Some(pairing) => Ok(Node::paired(&pairing, network, budget)?),
            None => Ok(Node::new(asked, network, budget)?),
        }
    }

    /// The chosen wallet, which has to be of `network`.
    pub fn wallet(&self, network: &Network) -> Result<Wallet, WalletError> {
        let name = &self.name;
        let path = self.data.wallet_file(name);
        let mut keystore = match read_keystore(&path) {
            Err(WalletError::File { error, path, .. }) if error.kind() == ErrorKind::NotFound => {
                return Err(WalletError::NoWallet { name: name.clone(), path });
            }
            read => read?,
        };
        if let Some(number) = self.options.account {
            keystore.select(number).map_err(|error| WalletError::Keystore { path: path.clone(), error })?;
        }
        match keystore.address_on(network) {
            Ok(address) => Ok(Wallet { path, keystore, address }),
            Err(error) => Err(WalletError::Keystore { path, error }),
        }
    }

    /// Refuses when the chosen wallet is there already: before anybody is asked for anything.
    pub fn check_absent(&self) -> Result<(), WalletError> {
        let path = self.data.wallet_file(&self.name);
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(file_error("look for", &path)(error)),
            Ok(_) => Err(WalletError::WalletExists { name: self.name.clone(), path }),
        }
    }

    /// Writes `secret` as the chosen wallet; a wallet that is there stays as it is.
    pub fn create_wallet(
        &self,
        network: &Network,
        (secret, accounts): (&WalletSecret, Vec<Account>),
        cost: KdfCost,
    ) -> Result<Wallet, WalletError> {
        let address = secret.key(network)?.address();
        let password = self.options.password_source().read_new()?;
        let keystore = self.seal(network, (secret, accounts), &password, cost)?;
        let path = self.write_new_wallet(&keystore)?;
        Ok(Wallet { path, keystore, address })
    }

    /// Encrypts a wallet, with fresh randomness.
    pub fn seal(
        &self,
        network: &Network,
        (secret, accounts): (&WalletSecret, Vec<Account>),
        password: &Secret,
        cost: KdfCost,
    ) -> Result<Keystore, WalletError> {
        let mut random = SealRandomness { salt: [0; 16], nonce: [0; 24] };
        getrandom::fill(&mut random.salt)?;
        getrandom::fill(&mut random.nonce)?;
        let path = self.data.wallet_file(&self.name);
        Keystore::seal(secret, (network, accounts), password, cost, &random)
            .map_err(|error| WalletError::Keystore { path, error })
    }

    /// Writes a wallet that must not be there yet.
    pub fn write_new_wallet(&self, keystore: &Keystore) -> Result<PathBuf, WalletError> {
        let prepared = self.prepare_new_wallet(keystore)?;
        self.commit_new_wallet(prepared)
    }

    /// The first half of it: the wallet is written and has no name yet.
    pub fn prepare_new_wallet(&self, keystore: &Keystore) -> Result<Prepared, WalletError> {
        let path = self.data.wallet_file(&self.name);
        files::private_dir(self.data.wallets()).map_err(file_error("make", self.data.wallets()))?;
        files::prepare_new(&path, keystore.to_json().as_bytes()).map_err(file_error("write", &path))
    }

    /// The second half: it is there from here on.
    pub fn commit_new_wallet(&self, prepared: Prepared) -> Result<PathBuf, WalletError> {
        let path = self.data.wallet_file(&self.name);
        prepared.commit().map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => WalletError::WalletExists { name: self.name.clone(), path: path.clone() },
            _ => file_error("write", &path)(error),
        })?;
        Ok(path)
    }

    /// Writes the wallet that is there anew; a crash leaves the old one or the new one.
    pub fn replace_wallet(&self, path: &Path, keystore: &Keystore) -> Result<(), WalletError> {
        files::save(path, keystore.to_json().as_bytes()).map_err(file_error("write", path))
    }

    /// Opens the wallet for its password: the key of the account in use.
    pub fn unlock(&self, network: &Network, wallet: &Wallet) -> Result<SecretKey, WalletError> {
        let bytes = self.unlock_bytes(network, wallet)?;
        SecretKey::from_bytes(&bytes).map_err(|_| wallet.failed()(KeystoreError::Inconsistent))
    }

    /// The same as bytes.
    pub fn unlock_bytes(&self, network: &Network, wallet: &Wallet) -> Result<Zeroizing<[u8; 32]>, WalletError> {
        wallet.keystore.check_has_key().map_err(wallet.failed())?;
        let password = self.options.password_source().read()?;
        wallet.keystore.unlock_bytes(network, &password).map_err(wallet.failed())
    }

    /// The labels' file.
    pub fn labels_path(&self) -> PathBuf {
        self.data.labels_file(&self.name)
    }

    /// The labels.
    pub fn labels(&self) -> Result<Labels, WalletError> {
        let path = self.labels_path();
        Labels::load(&path).map_err(|error| WalletError::Labels { path, error })
    }

    /// A command to try next, with the options that lead to this wallet.
    pub fn hint(&self, command: &str) -> String {
        self.options.hint_for(&self.name, command)
    }

    /// The journal's file.
    pub fn journal_path(&self) -> PathBuf {
        self.data.journal_file(&self.name)
    }

    /// What the journal says.
    pub fn journal(&self) -> Result<Contents, WalletError> {
        let path = self.journal_path();
        journal::read(&path).map_err(file_error("read", &path))
    }
}

impl Wallet {
    /// A wallet that is in no file: for a payment that somebody else signed.
    pub fn watching(network: &Network, address: &Address) -> Self {
        Self { path: PathBuf::new(), keystore: Keystore::without_words(network, address, None), address: *address }
    }

    /// Names the file a failure is about.
    pub fn failed(&self) -> impl Fn(KeystoreError) -> WalletError + use<> {
        let path = self.path.clone();
        move |error| WalletError::Keystore { path: path.clone(), error }
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

//! Wallet files that are made, or written anew.

use crate::{
    error::{Result, WalletError},
    keys::{
        keystore::{Account, KdfCost, Keystore, SealRandomness, WalletSecret},
        secret::Secret,
    },
    session::Session,
};
use cairn_genesis::Network;
use cairn_host::files::{self, FileError, InFile, Prepared};
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

impl Session<'_> {
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
        network: &Network,
        secret: &WalletSecret,
        accounts: Vec<Account>,
        password: &Secret,
        cost: KdfCost,
    ) -> Result<Keystore> {
        let mut random = SealRandomness { salt: [0; 16], nonce: [0; 24] };
        getrandom::fill(&mut random.salt)?;
        getrandom::fill(&mut random.nonce)?;
        let sealed = Keystore::seal(secret, network, accounts, password, cost, &random);
        Ok(sealed.map_err(InFile::at(&self.data.wallet_file(&self.name)))?)
    }

    /// Writes a wallet that must not be there yet.
    pub fn write_new_wallet(&self, keystore: &Keystore) -> Result<PathBuf> {
        let prepared = self.prepare_new_wallet(keystore)?;
        self.commit_new_wallet(prepared)
    }

    /// The first half of it: the wallet is written and has no name yet.
    pub fn prepare_new_wallet(&self, keystore: &Keystore) -> Result<Prepared> {
        let (path, directory) = (self.data.wallet_file(&self.name), self.data.wallets());
        files::private_dir(directory).map_err(FileError::cannot("make", directory))?;
        Ok(files::prepare_new(&path, keystore.to_json().as_bytes()).map_err(FileError::cannot("write", &path))?)
    }

    /// The second half: it is there from here on.
    pub fn commit_new_wallet(&self, prepared: Prepared) -> Result<PathBuf> {
        let path = self.data.wallet_file(&self.name);
        match prepared.commit() {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(WalletError::WalletExists { name: self.name.clone(), path })
            }
            Err(error) => Err(FileError::cannot("write", &path)(error).into()),
        }
    }

    /// Writes the wallet that is there anew; a crash leaves the old one or the new one.
    pub fn replace_wallet(&self, path: &Path, keystore: &Keystore) -> Result<()> {
        Ok(files::save(path, keystore.to_json().as_bytes()).map_err(FileError::cannot("write", path))?)
    }
}

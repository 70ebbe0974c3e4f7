//! `wallet cosign`: a member's next step in signing a payment of a shared key, whatever it is: put in a
//! commitment, put in a share, or combine all shares. The file goes round until it is signed.

use super::offline::{self, with_signed, written};
use crate::{
    cli::CosignArguments,
    error::{Result, WalletError},
    output::Output,
    payment::{error::PaymentError, file::PaymentFile},
    session::{Session, Wallet},
};
use cairn_genesis::Network;
use cairn_host::{
    files::{self, FileError, InFile},
    shell::quoted,
};
use cairn_ledger::{hash::Hash, transaction::TransactionBody};
use cairn_shared_keys::{
    Group, SharedError, frost, musig,
    nonce_store::{NonceStore, NonceStoreError},
    seal::SealKey,
    signing::{self, SigningSession, SigningStep},
};
use serde::Serialize;
use std::{fmt, path::Path};
use zeroize::Zeroizing;

#[derive(Serialize)]
struct Cosigned {
    file: String,
    member: String,
    group: String,
    /// What this run did: `committed`, `signed`, both in their order, or nothing.
    steps: Vec<&'static str>,
    /// Members whose turn it is.
    waiting_for: Vec<String>,
    /// Of how many of them something is needed.
    needed: usize,
    #[serde(skip)]
    next: String,
}

/// One member, for one run.
struct Cosigner<'a> {
    session: &'a Session<'a>,
    network: &'a Network,
    wallet: Wallet,
    secret: Zeroizing<[u8; 32]>,
    nonces: NonceStore,
    message: Hash,
}

pub(crate) fn run(session: &Session<'_>, options: &CosignArguments, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    let (mut file, body, mut shared) = merged(options, &network)?;
    let member = String::from(wallet.keystore.address());
    if !shared.group.members().contains(&member) {
        return Err(SharedError::NotAMember { address: member }.into());
    }
    offline::show(&file, output)?;
    let path = options.out.clone().or_else(|| options.files.first().cloned()).unwrap_or_default();
    let mut steps = Vec::new();
    if matches!(shared.next_step(&member), SigningStep::Commit | SigningStep::Sign) {
        if !options.yes && output.can_ask() && !output.ask("Take part in signing this? [y/N] ")? {
            return Err(PaymentError::Declined.into());
        }
        let signer = Cosigner::new(session, &network, wallet, &body)?;
        if shared.next_step(&member) == SigningStep::Commit {
            signer.commit(&mut shared, &member)?;
            steps.push("committed");
        }
        if shared.next_step(&member) == SigningStep::Sign {
            signer.sign(&mut shared, &member)?;
            steps.push("signed");
        }
    }
    let message = body.sighash(&network.id());
    if shared.next_step(&member) == SigningStep::Combine {
        let signature = shared.combine(&network.spec.params().prefix, &message)?;
        file.session = None;
        let signed = file.signed(&signature);
        signed.transaction(body.clone(), &network).map_err(InFile::at(&path))?;
        let path = options.out.clone().unwrap_or_else(|| with_signed(&path));
        save(&path, &signed)?;
        let next = format!("the payment is signed; send it with {}", session.hints.here(&broadcast(&path)));
        output.result(&written(&signed, &body, &path, next))?;
        return Ok(());
    }
    let (waiting_for, needed) = match shared.next_step(&member) {
        SigningStep::Wait { missing, needed } => (missing, needed),
        SigningStep::Commit | SigningStep::Sign | SigningStep::Combine | SigningStep::NotNeeded => (Vec::new(), 0),
    };
    let group = shared.group.phrase();
    file.session = Some(shared);
    save(&path, &file)?;
    let shown = path.display().to_string();
    let cosign = session.hints.elsewhere(&format!("cosign {}", quoted(&shown)));
    let next = format!("hand {shown} to a member it waits for, who runs: {cosign}");
    Ok(output.result(&Cosigned { file: shown, member, group, steps, waiting_for, needed, next })?)
}

fn broadcast(path: &Path) -> String {
    format!("broadcast {}", quoted(&path.display().to_string()))
}

fn save(path: &Path, file: &PaymentFile) -> Result<()> {
    Ok(files::save(path, file.to_json().as_bytes()).map_err(FileError::cannot("write", path))?)
}

/// All copies of the payment as one.
fn merged(options: &CosignArguments, network: &Network) -> Result<(PaymentFile, TransactionBody, SigningSession)> {
    let mut all: Option<(PaymentFile, TransactionBody, SigningSession)> = None;
    for path in &options.files {
        let (mut file, body) = offline::read(path, network)?;
        let shared = file.session.take().ok_or_else(|| WalletError::NotShared { path: path.clone() })?;
        shared.check()?;
        // The address that pays is the group's: nobody is asked to sign for another key.
        if shared.group.address(&network.spec.params().prefix).map_err(SharedError::Group)? != body.sender {
            return Err(SharedError::Apart { reason: String::from("the group's key is not the payer's") }.into());
        }
        all = Some(match all {
            None => (file, body, shared),
            Some((first, payment, mut merged)) if payment == body => {
                merged.merge(shared)?;
                (first, payment, merged)
            }
            Some(_) => {
                return Err(SharedError::Apart { reason: String::from("they are two payments") }.into());
            }
        });
    }
    all.ok_or(WalletError::NoAmount)
}

impl<'a> Cosigner<'a> {
    fn new(session: &'a Session<'a>, network: &'a Network, wallet: Wallet, body: &TransactionBody) -> Result<Self> {
        let secret = session.unlock_bytes(network, &wallet)?;
        let nonces = NonceStore::new(session.data.once_dir(&session.options.wallet));
        let message = body.sighash(&network.id());
        Ok(Self { session, network, wallet, secret, nonces, message })
    }

    /// The nonce goes to the disk before the commitment goes anywhere. One that waits already is used again
    /// as it is: it has signed nothing.
    fn commit(&self, shared: &mut SigningSession, member: &str) -> Result<()> {
        let name = shared.nonce_name(&self.wallet.address, &self.message);
        if let Some(public) = self.nonces.public(&name).map_err(nonce_error)? {
            shared.commit(member, public);
            return Ok(());
        }
        let (mut seed, mut seal_nonce) = (Zeroizing::new([0; 32]), [0; 24]);
        getrandom::fill(seed.as_mut())?;
        getrandom::fill(&mut seal_nonce)?;
        let nonce = match &shared.group {
            Group::Musig2 { .. } => {
                let members = shared.group.addresses(&self.network.spec.params().prefix).map_err(SharedError::Group)?;
                musig::commit(&members, &self.secret, &self.message, shared.id(), &seed)?
            }
            Group::Frost { .. } => frost::commit(&self.key_share(&shared.group)?, &seed)?,
        };
        self.nonces.keep(&name, &nonce, &SealKey::own(&self.secret), seal_nonce).map_err(nonce_error)?;
        shared.commit(member, nonce.public);
        Ok(())
    }

    fn sign(&self, shared: &mut SigningSession, member: &str) -> Result<()> {
        let name = shared.nonce_name(&self.wallet.address, &self.message);
        if self.nonces.is_used(&name) {
            return Err(SharedError::NonceUsed.into());
        }
        // Another commitment in this member's name than the one whose nonce is here: nothing is spent on it.
        let kept = self.nonces.public(&name).map_err(nonce_error)?.ok_or(SharedError::NonceMissing)?;
        if shared.commitment(member) != Some(kept.as_slice()) {
            return Err(SharedError::NonceMissing.into());
        }
        let key_share = match &shared.group {
            Group::Musig2 { .. } => None,
            Group::Frost { .. } => Some(self.key_share(&shared.group)?),
        };
        let nonce = self.nonces.take(&name, &SealKey::own(&self.secret)).map_err(nonce_error)?;
        let prefix = &self.network.spec.params().prefix;
        let key_share = key_share.as_ref().map(|share| share.as_slice());
        let signer = signing::Signer { member, secret: &self.secret, key_share };
        Ok(shared.sign(prefix, &signer, &nonce, &self.message)?)
    }

    /// This member's share of the group's key, from the wallet of the group.
    fn key_share(&self, group: &Group) -> Result<Zeroizing<Vec<u8>>> {
        let missing = |reason: &str| SharedError::Own { what: "share of the key", reason: String::from(reason) };
        for name in self.session.data.names().map_err(FileError::cannot("read", self.session.data.wallets()))? {
            let Ok(keystore) = crate::session::read_keystore(&self.session.data.wallet_file(&name)) else { continue };
            let Some(part) = keystore.shared().filter(|part| part.group == *group) else { continue };
            let Some(share) = &part.share else { continue };
            if let Ok(plain) = SealKey::own(&self.secret).open(&share.0, keystore.address().as_bytes()) {
                return Ok(plain);
            }
        }
        Err(missing("no wallet here has it; it is in the wallet file that `wallet shared join` made").into())
    }
}

pub(crate) fn nonce_error(error: NonceStoreError) -> WalletError {
    match error {
        NonceStoreError::Shared(error) => error.into(),
        NonceStoreError::File(error) => WalletError::SingleUse(error),
    }
}

impl fmt::Display for Cosigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.steps.as_slice() {
            [] => writeln!(f, "Nothing to do for {} now ({}).\n", self.member, self.group)?,
            steps => writeln!(f, "{} has {} ({}).\n", self.member, steps.join(" and "), self.group)?,
        }
        if self.needed > 0 {
            writeln!(f, "{} more needed, of:", self.needed)?;
            self.waiting_for.iter().try_for_each(|member| writeln!(f, "  {member}"))?;
            writeln!(f)?;
        }
        writeln!(f, "file  {}\n", self.file)?;
        writeln!(f, "Next: {}", self.next)
    }
}

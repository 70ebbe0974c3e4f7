//! `wallet cosign`: a member's next step in signing a payment of a shared key, whatever it is: put in a
//! commitment, put in a share, or combine all shares. The file goes round until it is signed.

use super::offline;
use crate::payment::{PaymentFile, agree};
use crate::session::{Wallet, read_keystore};
use crate::{Output, Result, Session, WalletError, cli::CosignArguments, random};
use cairn_genesis::Network;
use cairn_host::{FileError, InFile, files, quoted};
use cairn_ledger::{Hash, TransactionBody};
use cairn_shared_keys::nonce_store::{NonceStore, NonceStoreError};
use cairn_shared_keys::signing::{SigningSession, SigningStep};
use cairn_shared_keys::{Group, SharedError, frost, musig, seal::SealKey, signing};
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
}

/// One member, for one run.
struct Cosigner<'a> {
    session: &'a Session<'a>,
    wallet: &'a Wallet<'a>,
    secret: Zeroizing<[u8; 32]>,
    nonces: NonceStore,
    message: Hash,
}

pub(crate) fn run(session: &Session<'_>, options: &CosignArguments, output: &mut Output<'_>) -> Result<()> {
    let wallet = session.wallet()?;
    let network = wallet.network;
    let (mut file, body, mut shared) = merged(options, network)?;
    let member = String::from(wallet.keystore.address());
    if !shared.group.members().contains(&member) {
        return Err(SharedError::NotAMember { address: member }.into());
    }
    offline::show(&file, output)?;
    let path = options.out.clone().or_else(|| options.files.first().cloned()).unwrap_or_default();
    let mut steps = Vec::new();
    if matches!(shared.next_step(&member), SigningStep::Commit | SigningStep::Sign) {
        agree("Take part in signing this? [y/N] ", options.yes, output)?;
        let signer = Cosigner::new(session, &wallet, &body)?;
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
        signed.transaction(body.clone(), network).map_err(InFile::at(&path))?;
        let path = options.out.clone().unwrap_or_else(|| offline::with_signed(&path));
        save(&path, &signed)?;
        let broadcast = session.hints.here(&format!("broadcast {}", quoted(&path.display().to_string())));
        return offline::tell(
            &signed,
            &body,
            &path,
            &format!("the payment is signed; send it with {broadcast}"),
            output,
        );
    }
    let (waiting_for, needed) = match shared.next_step(&member) {
        SigningStep::Wait { missing, needed } => (missing, needed),
        SigningStep::Commit | SigningStep::Sign | SigningStep::Combine | SigningStep::NotNeeded => (Vec::new(), 0),
    };
    let group = shared.group.phrase();
    file.session = Some(shared);
    save(&path, &file)?;
    let cosigned = Cosigned { file: path.display().to_string(), member, group, steps, waiting_for, needed };
    let cosign = session.hints.elsewhere(&format!("cosign {}", quoted(&cosigned.file)));
    let next = format!("hand {} to a member it waits for, who runs: {cosign}", cosigned.file);
    Ok(output.result(&cosigned, format_args!("{cosigned}Next: {next}\n"))?)
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
    fn new(session: &'a Session<'a>, wallet: &'a Wallet<'a>, body: &TransactionBody) -> Result<Self> {
        let secret = wallet.unlock_bytes()?;
        let nonces = NonceStore::new(session.data.once_dir(&session.options.wallet));
        let message = body.sighash(&wallet.network.id());
        Ok(Self { session, wallet, secret, nonces, message })
    }

    /// The nonce goes to the disk before the commitment goes anywhere. One that waits already is used again
    /// as it is: it has signed nothing.
    fn commit(&self, shared: &mut SigningSession, member: &str) -> Result<()> {
        let name = shared.nonce_name(&self.wallet.address, &self.message);
        if let Some(public) = self.nonces.public(&name).map_err(nonce_error)? {
            shared.commit(member, public);
            return Ok(());
        }
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())?;
        let nonce = match &shared.group {
            Group::Musig2 { .. } => {
                let members =
                    shared.group.addresses(&self.wallet.network.spec.params().prefix).map_err(SharedError::Group)?;
                musig::commit(&members, &self.secret, &self.message, shared.id(), &seed)?
            }
            Group::Frost { .. } => frost::commit(&self.key_share(&shared.group)?, &seed)?,
        };
        self.nonces.keep(&name, &nonce, &SealKey::own(&self.secret), random()?).map_err(nonce_error)?;
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
        let prefix = &self.wallet.network.spec.params().prefix;
        let key_share = key_share.as_ref().map(|share| share.as_slice());
        let signer = signing::Signer { member, secret: &self.secret, key_share };
        Ok(shared.sign(prefix, &signer, &nonce, &self.message)?)
    }

    /// This member's share of the group's key, from the wallet of the group.
    fn key_share(&self, group: &Group) -> Result<Zeroizing<Vec<u8>>> {
        let missing = |reason: &str| SharedError::Own { what: "share of the key", reason: String::from(reason) };
        for name in self.session.data.names().map_err(FileError::cannot("read", &self.session.data.wallets))? {
            let Ok(keystore) = read_keystore(&self.session.data.wallet_file(&name)) else { continue };
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
        writeln!(f, "file  {}\n", self.file)
    }
}

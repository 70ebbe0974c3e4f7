//! `wallet shared new` and `wallet shared join`: a key of several people. All of them sign with a MuSig2 key,
//! which needs nothing but their addresses; some of them are enough with a FROST key, which they make in a
//! ceremony.

use crate::keys::{Keystore, SharedKeyPart};
use crate::session::{WalletHead, decode_address};
use crate::{
    Output, Result, Session, WalletError, cli::SharedNewArguments, commands::pay::cosign::nonce_error,
    commands::write_new, random, store::WalletName,
};
use cairn_genesis::Network;
use cairn_host::{FileError, files};
use cairn_rpc::HexBytes;
use cairn_shared_keys::dkg::{Dkg, DkgStep, Finished, Member};
use cairn_shared_keys::{Group, SharedError, dkg, in_order, nonce_store::NonceStore, seal::SealKey};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A shared key, ready.
#[derive(Serialize)]
struct Made {
    #[serde(flatten)]
    wallet: WalletHead,
    scheme: &'static str,
    threshold: usize,
    members: Vec<String>,
    file: String,
}

/// A ceremony that goes on.
#[derive(Serialize)]
struct Joined {
    file: String,
    threshold: u16,
    members: Vec<String>,
    /// Members whose turn it is.
    waiting_for: Vec<String>,
}

pub(crate) fn new(session: &Session<'_>, options: &SharedNewArguments, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let prefix = &network.spec.params().prefix;
    let members = options.members.iter().map(|text| decode_address(network, text)).collect::<Result<Vec<_>>>()?;
    let members = in_order(&members).map_err(SharedError::Group)?;
    if usize::from(options.threshold.unwrap_or(u16::MAX)) >= members.len() && options.ceremony.is_none() {
        session.check_absent()?;
        let group = Group::Musig2 { members: members.iter().map(|member| prefix.encode(member)).collect() };
        return store(session, SharedKeyPart { group, share: None }, output);
    }
    let (Some(threshold), Some(path)) = (options.threshold, &options.ceremony) else {
        return Err(WalletError::NoCeremonyFile);
    };
    let ceremony = Dkg::new(network, random()?, threshold, &members).map_err(SharedError::Group)?;
    write_new(path, ceremony.to_json().as_bytes())?;
    tell(session, &ceremony, path, ceremony.members.clone(), output)
}

pub(crate) fn join(
    session: &Session<'_>,
    paths: &[PathBuf],
    group_name: &WalletName,
    output: &mut Output<'_>,
) -> Result<()> {
    let wallet = session.wallet()?;
    let (name, mut ceremony) = (String::from(wallet.keystore.address()), merged(paths, wallet.network)?);
    if !ceremony.members.contains(&name) {
        return Err(SharedError::NotAMember { address: name }.into());
    }
    let group_session = Session::about(session.options, session.data.clone(), group_name.clone());
    group_session.check_absent()?;
    let path = paths.first().cloned().unwrap_or_default();
    let secret = wallet.unlock_bytes()?;
    let member = Member { network: wallet.network, address: wallet.address, name: &name, secret: &secret };
    let secrets = Secrets { nonces: NonceStore::new(session.data.once_dir(&session.options.wallet)), member: &member };
    loop {
        match ceremony.next_step(&name) {
            DkgStep::First => {
                let mut seed = Zeroizing::new([0; 32]);
                getrandom::fill(seed.as_mut())?;
                let kept = ceremony.first(&member, &seed)?;
                secrets.keep(&ceremony, 1, &kept)?;
            }
            DkgStep::Second => {
                let first = secrets.take(&ceremony, 1)?;
                let mut nonces = vec![[0; 24]; ceremony.members.len()];
                nonces.iter_mut().try_for_each(|nonce| getrandom::fill(nonce))?;
                let kept = ceremony.second(&member, &first, &nonces)?;
                secrets.keep(&ceremony, 2, &kept)?;
            }
            DkgStep::Finish => {
                let Finished { group, share } = ceremony.finish(&member, &secrets.take(&ceremony, 2)?)?;
                let prefix = &wallet.network.spec.params().prefix;
                let context = prefix.encode(&group.address(prefix).map_err(SharedError::Group)?);
                let sealed = SealKey::own(&secret).seal(&share, context.as_bytes(), random()?);
                store(&group_session, SharedKeyPart { group, share: Some(HexBytes(sealed)) }, output)?;
                return secrets.forget(&ceremony);
            }
            DkgStep::Wait { missing } => return tell(session, &ceremony, &path, missing, output),
        }
        files::save(&path, ceremony.to_json().as_bytes()).map_err(FileError::cannot("write", &path))?;
    }
}

/// A member's secrets between the rounds. They are no nonces: a round that failed for another's fault may be
/// run again, so taking one out leaves it.
struct Secrets<'a> {
    nonces: NonceStore,
    member: &'a Member<'a>,
}

impl Secrets<'_> {
    fn keep(&self, ceremony: &Dkg, round: u8, secret: &[u8]) -> Result<()> {
        let name = ceremony.secret_name(&self.member.address, round);
        let sealed = SealKey::own(self.member.secret).seal(secret, name.as_bytes(), random()?);
        let path = self.nonces.ceremony_path(&name);
        self.nonces.make_directory().map_err(nonce_error)?;
        Ok(files::save(&path, &sealed).map_err(FileError::cannot("write", &path))?)
    }

    fn take(&self, ceremony: &Dkg, round: u8) -> Result<Zeroizing<Vec<u8>>> {
        let name = ceremony.secret_name(&self.member.address, round);
        let path = self.nonces.ceremony_path(&name);
        let sealed = files::read_bounded(&path, dkg::MAX_BYTES).map_err(FileError::cannot("read", &path))?;
        let opened = SealKey::own(self.member.secret).open(&sealed, name.as_bytes());
        Ok(opened.map_err(|error| SharedError::Own { what: "part", reason: error.to_string() })?)
    }

    /// The key is on the disk: what it was made from is of no more use.
    fn forget(&self, ceremony: &Dkg) -> Result<()> {
        [1, 2].iter().try_for_each(|round| {
            let path = self.nonces.ceremony_path(&ceremony.secret_name(&self.member.address, *round));
            Ok(files::remove(&path).map_err(FileError::cannot("remove", &path))?)
        })
    }
}

fn merged(paths: &[PathBuf], network: &Network) -> Result<Dkg> {
    let mut all: Option<Dkg> = None;
    for path in paths {
        let bytes = files::read_bounded(path, dkg::MAX_BYTES).map_err(FileError::cannot("read", path))?;
        let next = Dkg::parse(&bytes, network)?;
        match &mut all {
            None => all = Some(next),
            Some(ceremony) => ceremony.merge(next)?,
        }
    }
    all.ok_or(WalletError::NoCeremonyFile)
}

/// Writes the wallet of a shared key.
fn store(session: &Session<'_>, shared: SharedKeyPart, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let address = shared.group.address(&network.spec.params().prefix).map_err(SharedError::Group)?;
    let scheme = match &shared.group {
        Group::Musig2 { .. } => "musig2",
        Group::Frost { .. } => "frost",
    };
    let (threshold, members) = (shared.group.needed(), shared.group.members().to_vec());
    let keystore = Keystore::without_words(network, &address, Some(shared));
    let file = session.write_new_wallet(&keystore)?.display().to_string();
    let wallet = session.head(&keystore);
    let made = Made { wallet, scheme, threshold, members, file };
    let pay = session.hints.here("send ADDRESS AMOUNT --unsigned pay.json");
    Ok(output.result(&made, format_args!("{made}Next: be paid at that address; to pay from it: {pay}\n"))?)
}

/// Says for whom the ceremony waits.
fn tell(
    session: &Session<'_>,
    ceremony: &Dkg,
    path: &Path,
    waiting_for: Vec<String>,
    output: &mut Output<'_>,
) -> Result<()> {
    let file = path.display().to_string();
    let join = session.hints.here(&format!("shared join {file} --as NAME"));
    let next = format!("hand {file} to each of them in turn, who runs {join}");
    let joined = Joined { file, threshold: ceremony.threshold, members: ceremony.members.clone(), waiting_for };
    Ok(output.result(&joined, format_args!("{joined}Next: {next}\n"))?)
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The key of {} members, of whom {} sign, is ready.\n", self.members.len(), self.threshold)?;
        writeln!(f, "address  {}", self.wallet.address)?;
        self.members.iter().try_for_each(|member| writeln!(f, "member   {member}"))?;
        writeln!(f, "file     {}\n", self.file)?;
        if self.scheme == "frost" {
            writeln!(f, "Copy the file for a backup: your words open the share in it, and do not replace it.")?;
        }
        writeln!(f, "Compare the address with the other members before anybody pays to it.\n")
    }
}

impl fmt::Display for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "A key of which {} of {} members sign is being made.\n", self.threshold, self.members.len())?;
        writeln!(f, "It waits for:")?;
        self.waiting_for.iter().try_for_each(|member| writeln!(f, "  {member}"))?;
        writeln!(f, "\nfile  {}\n", self.file)
    }
}

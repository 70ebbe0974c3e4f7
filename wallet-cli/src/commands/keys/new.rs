//! How wallets come to be: `wallet new`, fresh words, shown once; `wallet restore`, a wallet from its words;
//! `wallet watch-only`, one without a key. And `wallet list`: every wallet here, of all networks.

use super::accounts;
use crate::cli::{KdfArguments, RestoreArguments};
use crate::keys::{Keystore, NEW_ENTROPY_BYTES, Secret, WalletSecret, Words, read_words};
use crate::session::{WalletHead, decode_address, read_keystore};
use crate::{Output, Result, Session, WalletError, store::WalletName};
use cairn_host::{FileError, Inert};
use cairn_ledger::BlockId;
use cairn_rpc::Text;
use serde::{Serialize, Serializer};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::{fmt, fs, fs::File, io, os::fd::AsFd};
use zeroize::Zeroizing;

/// Words in a row.
const COLUMNS: usize = 4;

/// Which wallet it is.
#[derive(Serialize)]
struct WalletEntry {
    name: String,
    chain: String,
    genesis_id: Text<BlockId>,
    address: String,
}

impl WalletEntry {
    fn new(name: &WalletName, keystore: &Keystore) -> Self {
        let (chain, address) = (String::from(keystore.chain()), String::from(keystore.address()));
        Self { name: name.to_string(), chain, genesis_id: Text(keystore.genesis_id()), address }
    }
}

#[derive(Serialize)]
struct Created {
    #[serde(flatten)]
    wallet: WalletEntry,
    account: u32,
    file: String,
    #[serde(serialize_with = "exposed")]
    words: Secret,
}

/// The one place where words leave the wallet in the clear.
fn exposed<S: Serializer>(words: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(words.expose())
}

pub(crate) fn new(session: &Session<'_>, options: KdfArguments, output: &mut Output<'_>) -> Result<()> {
    session.check_absent()?;
    if is_discarded(io::stdout())? {
        return Err(WalletError::WordsUnseen(io::Error::other("standard output is closed, or /dev/null")));
    }
    let network = session.network()?;
    let mut entropy = Zeroizing::new([0; NEW_ENTROPY_BYTES]);
    getrandom::fill(entropy.as_mut())?;
    let secret = WalletSecret { words: Words::from_entropy(entropy.as_ref())?, account: 0 };
    let password = session.options.password_source().read_new()?;
    let accounts = vec![accounts::derive(network, &secret.words, 0)?];
    let keystore = session.seal(&secret, accounts, &password, options.cost())?;
    let prepared = session.prepare_new_wallet(&keystore)?;
    let created = Created {
        wallet: WalletEntry::new(&session.name, &keystore),
        account: secret.account,
        file: session.data.wallet_file(&session.name).display().to_string(),
        words: secret.words.phrase(),
    };
    let next = format!("be paid at that address; for a payment URI and a QR code: {}", session.hints.here("receive"));
    // The words first: money sent to a wallet whose words nobody saw is lost with this machine.
    output.result(&created, format_args!("{created}Next: {next}\n")).map_err(WalletError::WordsUnseen)?;
    session.commit_new_wallet(prepared)?;
    Ok(())
}

/// Whether standard output is where nobody looks: `/dev/null`, which also stands in for one that is closed.
fn is_discarded(output: impl AsFd) -> io::Result<bool> {
    let (output, null) = (File::from(output.as_fd().try_clone_to_owned()?).metadata()?, fs::metadata("/dev/null")?);
    Ok(output.file_type().is_char_device() && output.rdev() == null.rdev())
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Made the wallet {} on the network {}.\n", self.wallet.name, self.wallet.chain)?;
        writeln!(f, "These words are the wallet. Write them on paper, in order. They are shown only now:")?;
        writeln!(f, "whoever reads them can take the money, and without them nobody brings it back when this")?;
        writeln!(f, "machine is gone or the password is forgotten.\n")?;
        let words: Vec<&str> = self.words.expose().split(' ').collect();
        for (row, words) in words.chunks(COLUMNS).enumerate() {
            for (column, word) in words.iter().enumerate() {
                // No word of the list has more than eight letters.
                let width = if column + 1 == COLUMNS { 0 } else { 9 };
                write!(f, "  {:>2}. {word:<width$}", row * COLUMNS + column + 1)?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\naddress  {}", self.wallet.address)?;
        writeln!(f, "file     {}\n", self.file)
    }
}

#[derive(Serialize)]
struct Restored {
    #[serde(flatten)]
    wallet: WalletEntry,
    account: u32,
    /// Every account the wallet has now.
    accounts: Vec<u32>,
    file: String,
}

pub(crate) async fn restore(session: &Session<'_>, options: &RestoreArguments, output: &mut Output<'_>) -> Result<()> {
    session.check_absent()?;
    let network = session.network()?;
    let words = Words::parse(&read_words(options.words.words_file.as_deref())?)?;
    let account = session.options.account.unwrap_or(0);
    let first = vec![accounts::derive(network, &words, account)?];
    let found = if options.discover {
        accounts::search(&session.nodes.all(network)?, network, &words, first).await?
    } else {
        first
    };
    let secret = WalletSecret { words, account };
    let password = session.options.password_source().read_new()?;
    let keystore = session.seal(&secret, found, &password, options.kdf.cost())?;
    let path = session.write_new_wallet(&keystore)?;
    let restored = Restored {
        wallet: WalletEntry::new(&session.name, &keystore),
        account: secret.account,
        accounts: keystore.accounts().iter().filter_map(|account| account.number).collect(),
        file: path.display().to_string(),
    };
    let more = match restored.accounts.len() {
        0 => String::new(),
        1 => {
            let discover = session.hints.here("accounts discover");
            format!("If these words had several accounts, find the others with {discover}\n\n")
        }
        several => format!("Found {several} accounts; see them with `wallet accounts`.\n\n"),
    };
    let next = format!("compare the address with the one you remember, then see {}", session.hints.here("balance"));
    Ok(output.result(&restored, format_args!("{restored}{more}Next: {next}\n"))?)
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WalletEntry { name, chain, address, .. } = &self.wallet;
        writeln!(f, "Restored the wallet {name} on the network {chain} (account {}).\n", self.account)?;
        writeln!(f, "address  {address}")?;
        writeln!(f, "file     {}\n", self.file)
    }
}

#[derive(Serialize)]
struct Watching {
    #[serde(flatten)]
    wallet: WalletHead,
    file: String,
}

/// A wallet without a key: for the machine that is on the network, while the key is elsewhere.
pub(crate) fn watch_only(session: &Session<'_>, address: &str, output: &mut Output<'_>) -> Result<()> {
    session.check_absent()?;
    let network = session.network()?;
    let keystore = Keystore::without_words(network, &decode_address(network, address)?, None);
    let file = session.write_new_wallet(&keystore)?.display().to_string();
    let wallet = session.head(&keystore);
    let (address, next) = (&wallet.address, session.hints.here("balance"));
    let what = format!("The wallet {} watches an address on the network {} and has no key.", wallet.name, wallet.chain);
    let text = format!("{what}\n\naddress  {address}\nfile     {file}\n\nNext: {next}\n");
    Ok(output.result(&Watching { wallet, file }, text)?)
}

#[derive(Serialize)]
struct List {
    wallets: Vec<WalletEntry>,
    /// Files that are there and cannot be read.
    unreadable: Vec<Unreadable>,
}

#[derive(Serialize)]
struct Unreadable {
    name: String,
    kind: &'static str,
    message: String,
}

pub(crate) fn list(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    let directory = &session.data.wallets;
    let mut list = List { wallets: Vec::new(), unreadable: Vec::new() };
    for name in session.data.names().map_err(FileError::cannot("read", directory))? {
        match read_keystore(&session.data.wallet_file(&name)) {
            Ok(keystore) => list.wallets.push(WalletEntry::new(&name, &keystore)),
            Err(error) => list.unreadable.push(Unreadable {
                name: name.to_string(),
                kind: error.kind(),
                message: error.to_string(),
            }),
        }
    }
    if list.wallets.is_empty() && list.unreadable.is_empty() {
        let (directory, new) = (directory.display(), session.hints.here("new"));
        return Ok(output.result(&list, format_args!("No wallets in {directory}. Make one with {new}\n"))?);
    }
    Ok(output.result(&list, &list)?)
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
        let name = width(&mut self.wallets.iter().map(|entry| entry.name.len()));
        let chain = width(&mut self.wallets.iter().map(|entry| entry.chain.len()));
        for entry in &self.wallets {
            writeln!(f, "{:name$}  {:chain$}  {}", entry.name, Inert(&entry.chain).to_string(), Inert(&entry.address))?;
        }
        for wallet in &self.unreadable {
            writeln!(f, "{}: {}", wallet.name, wallet.message)?;
        }
        Ok(())
    }
}

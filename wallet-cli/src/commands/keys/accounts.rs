//! `wallet accounts`: the accounts of the wallet's words, and more of them.

use crate::commands::{Basis, complain};
use crate::keys::{Account, KeyPath, Keystore, MAX_ACCOUNT, MAX_ACCOUNTS, Secret, WalletSecret, Words};
use crate::node::{ClientError, Node, Report, Source};
use crate::session::{Wallet, decode_address};
use crate::store::{Label, LabelKind, Labels};
use crate::{Output, Result, Session, cli::AddAccountArguments, commands::misc::label::set_label};
use cairn_genesis::Network;
use cairn_host::Inert;
use cairn_rpc::Pebbles;
use serde::Serialize;
use std::fmt;

/// So many unused accounts in a row end the search for more (BIP44's gap limit).
pub(crate) const GAP_LIMIT: u32 = 20;

#[derive(Serialize)]
struct Accounts {
    name: String,
    chain: String,
    kind: &'static str,
    accounts: Vec<Shown>,
    /// Whether the balances are known.
    balances: bool,
    /// What stands behind them, at the tip; null with `--trust-node`, or when no node was of help.
    proof: Option<Report>,
}

#[derive(Serialize)]
struct Shown {
    account: Option<u32>,
    address: String,
    label: Option<String>,
    balance: Option<Pebbles>,
}

pub(crate) async fn list(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    let wallet = session.wallet()?;
    show(session, wallet.network, &wallet.keystore, output).await
}

async fn show(session: &Session<'_>, network: &Network, keystore: &Keystore, output: &mut Output<'_>) -> Result<()> {
    let labels = session.labels()?;
    let mut accounts: Vec<Shown> = keystore.accounts().iter().map(|account| Shown::new(account, &labels)).collect();
    let balances = ask(session, network, &mut accounts).await;
    if let Err(error) = &balances {
        output.note(format_args!("No balances: {error}\n"))?;
    }
    let proof = balances.as_ref().ok().cloned().flatten();
    complain(proof.as_ref(), output)?;
    let shown = Accounts {
        name: session.name.to_string(),
        chain: String::from(keystore.chain()),
        kind: keystore.kind(),
        accounts,
        balances: balances.is_ok(),
        proof,
    };
    let next = session.hints.here("accounts add");
    let next = match keystore.kind() {
        "words" => format!("\nNext: use one with --account N; make another with {next}\n"),
        _ => String::new(),
    };
    Ok(output.result(&shown, format_args!("{shown}{next}"))?)
}

/// What each account has at the tip: proven, or as the node says that its owner believes.
async fn ask(session: &Session<'_>, network: &Network, accounts: &mut [Shown]) -> Result<Option<Report>> {
    let mut source = Source::open(&session.nodes, network).await?;
    for account in accounts {
        let address = decode_address(network, &account.address)?;
        account.balance = Some(Pebbles(source.sender(&address, &account.address).await?.sender.get().balance));
    }
    Ok(source.report())
}

/// Adds the next account, or the one that was named.
pub(crate) async fn add(session: &Session<'_>, options: &AddAccountArguments, output: &mut Output<'_>) -> Result<()> {
    // From reading to writing nobody else changes it: another's new password would be lost.
    let changing = session.lock()?;
    let wallet = session.wallet()?;
    let (password, secret) = wallet.open()?;
    let mut accounts = known(wallet.keystore.accounts(), &secret);
    let next = || {
        let highest = accounts.iter().filter_map(|account| account.number).max();
        highest.map_or(0, |highest| highest.saturating_add(1)).min(MAX_ACCOUNT)
    };
    let number = options.number.unwrap_or_else(next);
    if accounts.iter().all(|account| account.number != Some(number)) {
        accounts.push(derive(wallet.network, &secret.words, number)?);
    }
    let keystore = replace(session, &wallet, &secret, accounts, &password)?;
    if let Some(label) = &options.label {
        let address = keystore.accounts().iter().find(|account| account.number == Some(number));
        let subject = address.map(|account| account.address.clone()).unwrap_or_default();
        set_label(session, Label { kind: LabelKind::Addr, subject, label: label.clone() })?;
    }
    drop(changing);
    show(session, wallet.network, &keystore, output).await
}

/// Adds every account that was ever paid.
pub(crate) async fn discover(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    // From reading to writing nobody else changes it: another's new password would be lost.
    let changing = session.lock()?;
    let wallet = session.wallet()?;
    wallet.check_has_key()?;
    let nodes = session.nodes.all(wallet.network)?;
    let (password, secret) = wallet.open()?;
    let accounts = known(wallet.keystore.accounts(), &secret);
    let accounts = search(&nodes, wallet.network, &secret.words, accounts).await?;
    let keystore = replace(session, &wallet, &secret, accounts, &password)?;
    drop(changing);
    show(session, wallet.network, &keystore, output).await
}

/// Writes the wallet anew, with these accounts.
fn replace(
    session: &Session<'_>,
    wallet: &Wallet<'_>,
    secret: &WalletSecret,
    accounts: Vec<Account>,
    password: &Secret,
) -> Result<Keystore> {
    let keystore = session.seal(secret, accounts, password, wallet.keystore.cost())?;
    wallet.replace(&keystore)?;
    Ok(keystore)
}

/// What a version 1 file did not say: the number of its account.
pub(crate) fn known(accounts: &[Account], secret: &WalletSecret) -> Vec<Account> {
    let number = |account: &Account| Some(account.number.unwrap_or(secret.account));
    accounts.iter().map(|account| Account { number: number(account), ..account.clone() }).collect()
}

pub(crate) fn derive(network: &Network, words: &Words, number: u32) -> Result<Account> {
    let address = words.key(KeyPath::new(network, number))?.address();
    Ok(Account { number: Some(number), address: network.spec.params().prefix.encode(&address) })
}

/// Adds to `accounts` every one that a node has an account for, until [`GAP_LIMIT`] in a row have none.
pub(crate) async fn search(
    nodes: &[Node<'_>],
    network: &Network,
    words: &Words,
    mut accounts: Vec<Account>,
) -> Result<Vec<Account>> {
    let (mut number, mut unused) = (0, 0);
    let mut answering = Vec::new();
    let mut failure = None;
    for node in nodes {
        match node.info().await {
            Ok(_) => answering.push(node),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    if let Some(error) = failure.filter(|_| answering.is_empty()) {
        return Err(error.into());
    }
    while unused < GAP_LIMIT && accounts.len() < MAX_ACCOUNTS {
        let account = derive(network, words, number)?;
        if exists(&answering, &account.address).await? {
            unused = 0;
            if accounts.iter().all(|known| known.number != Some(number)) {
                accounts.push(account);
            }
        } else {
            unused += 1;
        }
        number += 1;
    }
    Ok(accounts)
}

/// Whether any node knows an account of this address: one that knows of none hides none.
async fn exists(nodes: &[&Node<'_>], address: &str) -> Result<bool, ClientError> {
    for node in nodes {
        if node.account(address).await?.exists {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Shown {
    fn new(account: &Account, labels: &Labels) -> Self {
        let label = labels.address(&account.address).map(String::from);
        Self { account: account.number, address: account.address.clone(), label, balance: None }
    }
}

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for account in &self.accounts {
            match account.account {
                Some(number) => write!(f, "{number:>3}  {}", Inert(&account.address))?,
                None => write!(f, "  -  {}", Inert(&account.address))?,
            }
            if let Some(Pebbles(balance)) = account.balance {
                write!(f, "  {balance} CRN")?;
            }
            match &account.label {
                Some(label) => writeln!(f, "  {}", Inert(label))?,
                None => writeln!(f)?,
            }
        }
        if self.balances {
            writeln!(f, "\nBalances at the tip are {}.", Basis(self.proof.as_ref()))?;
        }
        Ok(())
    }
}

//! The commands: they ask, call the pure parts, and tell. Each has one result type, whose fields are its JSON and whose
//! text is for people.
//!
//! | folder | commands that |
//! |---|---|
//! | `pay/` | pay, or help a payment along |
//! | `show/` | show what is there |
//! | `keys/` | make wallets and look after their keys |
//! | `misc/` | name things, pair with a node, write pages for shells and readers |

mod keys;
mod misc;
mod pay;
mod show;

use crate::cli::{AccountsAction, Arguments, Command, SharedAction};
use crate::{Output, Result, Session, WalletError, node::Report};
use cairn_host::{FileError, files};
use keys::{accounts, message, new, password, shared};
use misc::{label, pages, pair};
use pay::{cosign, faucet, offline, resend, send};
use show::{balance, history, receipt, receive, status, watch};
use std::{fmt, io, path::Path};

/// Runs the command of `arguments`.
///
/// # Errors
/// Says why it failed.
pub fn run(arguments: &Arguments, output: &mut Output<'_>) -> Result<()> {
    let session = Session::new(&arguments.global)?;
    // A wallet talks to one node about one thing at a time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match &arguments.command {
            Some(command) => handle(&session, command, output).await,
            None => balance::overview(&session, output).await,
        }
    })
}

/// A command that is added has no handler until it has a line here, and then does not compile.
async fn handle(session: &Session<'_>, command: &Command, output: &mut Output<'_>) -> Result<()> {
    match command {
        Command::Accounts { action: None } => accounts::list(session, output).await,
        Command::Accounts { action: Some(AccountsAction::Add(options)) } => {
            accounts::add(session, options, output).await
        }
        Command::Accounts { action: Some(AccountsAction::Discover) } => accounts::discover(session, output).await,
        Command::Address => receive::address(session, output),
        Command::Balance => balance::balance(session, output).await,
        Command::Broadcast { file, wait } => offline::broadcast(session, file, *wait, output).await,
        Command::Bump(options) => send::replace(session, options, false, output).await,
        Command::Cancel(options) => send::replace(session, options, true, output).await,
        Command::ChangePassword(options) => password::change(session, options, output),
        Command::Completions { shell } => pages::completions(*shell, output),
        Command::Cosign(options) => cosign::run(session, options, output),
        Command::ExportLabels(file) => label::export(session, &file.file, output),
        Command::Faucet(options) => faucet::run(session, options, output).await,
        Command::History { limit, received: true } => history::received(session, *limit, output).await,
        Command::History { limit, received: false } => history::sent(session, *limit, output).await,
        Command::ImportLabels(file) => label::import(session, &file.file, output),
        Command::Label { subject, label } => label::set(session, subject, label, output),
        Command::Labels => label::list(session, output),
        Command::List => new::list(session, output),
        Command::Man { directory } => pages::man(directory, output),
        Command::New(options) => new::new(session, *options, output),
        Command::Pair { line, forget } => pair::run(session, line.as_deref(), *forget, output).await,
        Command::Receipt(payment) => receipt::make(session, payment.txid, output).await,
        Command::Receive(options) => receive::receive(session, options, output).await,
        Command::Repair { yes } => resend::repair(session, *yes, output).await,
        Command::Resend(payment) => resend::resend(session, payment.txid, output).await,
        Command::Restore(options) => new::restore(session, options, output).await,
        Command::Send(options) => send::send(session, options, output).await,
        Command::Shared { action: SharedAction::New(options) } => shared::new(session, options, output),
        Command::Shared { action: SharedAction::Join { files, name } } => shared::join(session, files, name, output),
        Command::Sign { file, out, yes } => offline::sign(session, file, out.as_deref(), *yes, output),
        Command::SignMessage { message } => message::sign(session, message, output),
        Command::Status(payment) => status::status(session, payment.txid, output).await,
        Command::VerifyBackup(words) => password::verify_backup(session, words, output),
        Command::VerifyMessage { address, signature, message } => {
            message::verify(session, address, signature, message, output)
        }
        Command::VerifyReceipt { file, min_work } => {
            receipt::verify(session, file, min_work.unwrap_or_default(), output)
        }
        Command::Watch => watch::run(session, output).await,
        Command::WatchOnly { address } => new::watch_only(session, address, output),
        Command::Why(payment) => status::why(session, payment.txid, output).await,
    }
}

/// Says aloud that nothing is verified, when its owner wants that.
fn warn_of_trust(session: &Session<'_>, output: &mut Output<'_>) -> io::Result<()> {
    if session.options.trust_node {
        output.warn("--trust-node: nothing of this is verified; a node that lies is not found out")?;
    }
    Ok(())
}

/// Says what makes the wallet less sure than it should be, and which nodes lied.
fn complain(report: Option<&Report>, output: &mut Output<'_>) -> io::Result<()> {
    report.into_iter().flat_map(Report::complaints).try_for_each(|complaint| output.warn(complaint))
}

/// What stands behind an answer.
struct Basis<'a>(Option<&'a Report>);

impl fmt::Display for Basis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(report) => write!(f, "proven by {report}"),
            None => f.write_str("as the node says; nothing is verified"),
        }
    }
}

/// Writes a file of the user's, which must not be there yet.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    files::save_new(path, bytes).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => WalletError::FileExists { path: path.to_path_buf() },
        _ => FileError::cannot("write", path)(error).into(),
    })
}

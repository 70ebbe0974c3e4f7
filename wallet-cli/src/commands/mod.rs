//! The commands, one file each: they ask, call the pure parts, and tell. Each has one result type, whose
//! fields are its JSON and whose text is for people.
//!
//! | folder | commands that |
//! |---|---|
//! | `pay/` | pay, or help a payment along |
//! | `show/` | show what is there |
//! | `keys/` | make wallets and look after their keys |
//! | `misc/` | name things, pair with a node, write pages for shells and readers |

pub(crate) mod basis;
pub(crate) mod keys;
pub(crate) mod misc;
pub(crate) mod pay;
pub(crate) mod show;
mod user_file;

use crate::{
    cli::{AccountsAction, Arguments, Command, SharedAction},
    error::Result,
    output::Output,
    session::Session,
};
use keys::{accounts, message, new, password, restore, shared, watch_only};
use misc::{label, pages, pair};
use pay::{cosign, offline, repair, replace, resend, send};
use show::{address, balance, history, list, overview, receipt, receive, received, status, watch, why};

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
            None => overview::run(&session, output).await,
        }
    })
}

/// A command that is added has no handler until it has a line here, and then does not compile.
async fn handle(session: &Session<'_>, command: &Command, output: &mut Output<'_>) -> Result<()> {
    match command {
        Command::Accounts(options) => match &options.action {
            None => accounts::list(session, output).await,
            Some(AccountsAction::Add(options)) => accounts::add(session, options, output).await,
            Some(AccountsAction::Discover) => accounts::discover(session, output).await,
        },
        Command::Address => address::run(session, output),
        Command::Balance => balance::run(session, output).await,
        Command::Broadcast(options) => offline::broadcast(session, options, output).await,
        Command::Bump(options) => replace::run(session, options, false, output).await,
        Command::Cancel(options) => replace::run(session, options, true, output).await,
        Command::ChangePassword(options) => password::change(session, options, output),
        Command::Completions(options) => pages::completions(options, output),
        Command::Cosign(options) => cosign::run(session, options, output),
        Command::ExportLabels(options) => label::export(session, options, output),
        Command::History(options) if options.received => received::run(session, options.limit, output).await,
        Command::History(options) => history::run(session, *options, output).await,
        Command::ImportLabels(options) => label::import(session, options, output),
        Command::Label(options) => label::set(session, options, output),
        Command::Labels => label::list(session, output),
        Command::List => list::run(session, output),
        Command::Man(options) => pages::man(options, output),
        Command::New(options) => new::run(session, *options, output),
        Command::Pair(options) => pair::run(session, options, output).await,
        Command::Receipt(options) => receipt::make(session, options.txid, output).await,
        Command::Receive(options) => receive::run(session, options, output).await,
        Command::Repair(options) => repair::run(session, *options, output).await,
        Command::Resend(options) => resend::run(session, options.txid, output).await,
        Command::Restore(options) => restore::run(session, options, output).await,
        Command::Send(options) => send::run(session, options, output).await,
        Command::Shared(options) => match &options.action {
            SharedAction::New(options) => shared::new(session, options, output),
            SharedAction::Join(options) => shared::join(session, options, output),
        },
        Command::Sign(options) => offline::sign(session, options, output),
        Command::SignMessage(options) => message::sign(session, options, output),
        Command::Status(options) => status::run(session, options.txid, output).await,
        Command::VerifyBackup(options) => password::verify_backup(session, options, output),
        Command::VerifyMessage(options) => message::verify(session, options, output),
        Command::VerifyReceipt(options) => receipt::verify(session, options, output),
        Command::Watch => watch::run(session, output).await,
        Command::WatchOnly(options) => watch_only::run(session, options, output),
        Command::Why(options) => why::run(session, options.txid, output).await,
    }
}

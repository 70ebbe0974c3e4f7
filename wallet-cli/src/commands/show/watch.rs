//! `wallet watch`: balance, payments and chain on the whole screen, until `q`: all the nodes that are named are asked,
//! what is proven is shown as proven, and what they merely say as their word.

use crate::node::{Mined, Report, Source};
use crate::payment::{Payment, phrase};
use crate::tui::{Money, PaymentRow, Tip, View};
use crate::{Output, Result, Session, Style, WalletError, clock::now, session::Wallet, store::Labels, tui};
use cairn_ledger::TxId;
use cairn_rpc::{TxState, TxStatus, policy::BURIED};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use std::io::{self, IsTerminal};
use std::{collections::BTreeMap, time::Duration};

/// How long the view rests between two questions to the node.
const REFRESH: Duration = Duration::from_secs(1);
/// How often keys are looked at: soon enough to feel at once.
const KEYS: Duration = Duration::from_millis(50);
/// The payments that are shown and asked about: a screen full.
const MAX_PAYMENTS: usize = 50;
/// The tips that are remembered.
const MAX_SEEN: usize = 20;

/// Payments that are proven to be buried: nothing is asked about them again.
type Buried = BTreeMap<[u8; 32], Mined>;

pub(crate) async fn run(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    let wallet = session.wallet()?;
    if session.options.json || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(WalletError::NoScreen);
    }
    let mut view = View {
        name: session.name.to_string(),
        chain: String::from(wallet.keystore.chain()),
        address: String::from(wallet.keystore.address()),
        coloured: Style::of(true, std::env::var_os("NO_COLOR").as_deref()) == Style::Coloured,
        ..View::default()
    };
    let mut terminal = ratatui::try_init()?;
    let watched = watch(session, &wallet, &mut terminal, &mut view).await;
    // Whatever happened, the user's screen comes back.
    ratatui::try_restore()?;
    watched?;
    output.note("")?;
    Ok(())
}

async fn watch(
    session: &Session<'_>,
    wallet: &Wallet<'_>,
    terminal: &mut DefaultTerminal,
    view: &mut View,
) -> Result<()> {
    let mut buried = Buried::new();
    loop {
        session.nodes.renew_time();
        let (payments, labels) = (own_payments(session, wallet)?, session.labels()?);
        let mut answer = std::pin::pin!(ask(session, wallet, &payments, &labels, &mut buried, view.clone()));
        let seen = loop {
            terminal.draw(|frame| tui::draw(frame, view))?;
            tokio::select! {
                seen = &mut answer => break seen,
                () = tokio::time::sleep(KEYS) => if wants_to_end()? { return Ok(()) },
            }
        };
        // What was shown before stays, with why there is nothing newer.
        match seen {
            Ok(seen) => *view = seen,
            Err(error) => view.error = Some(error.to_string()),
        }
        let mut rested = Duration::ZERO;
        while rested < REFRESH {
            terminal.draw(|frame| tui::draw(frame, view))?;
            tokio::time::sleep(KEYS).await;
            rested += KEYS;
            if wants_to_end()? {
                return Ok(());
            }
        }
    }
}

/// The journal's newest payments of this wallet, newest first.
fn own_payments(session: &Session<'_>, wallet: &Wallet<'_>) -> Result<Vec<Payment>> {
    let contents = session.journal()?;
    let own = contents.payments.iter().rev().filter(|payment| payment.is_of(&wallet.address, wallet.network));
    Ok(own.take(MAX_PAYMENTS).cloned().collect())
}

/// Asks all the nodes that are named, and gives the view with what they prove and say.
async fn ask(
    session: &Session<'_>,
    wallet: &Wallet<'_>,
    payments: &[Payment],
    labels: &Labels,
    buried: &mut Buried,
    view: View,
) -> Result<View> {
    let mut source = Source::open(&session.nodes, wallet.network).await?;
    let account = source.sender(&wallet.address, wallet.keystore.address()).await?;
    let (sender, proven) = (*account.sender.get(), source.is_proven());
    let mut rows = Vec::with_capacity(payments.len());
    for payment in payments {
        let (status, is_proven) = outcome(payment.txid.0, sender.height, buried, &mut source).await?;
        // One that is said to be in a block, and not proven to be, still waits as far as is known.
        let doubtful = proven && !is_proven;
        rows.push(PaymentRow {
            time: payment.time,
            amount: payment.amount.0,
            to: labels.address(&payment.to).map_or_else(|| payment.receivers(), String::from),
            state: if status.state == TxState::Mined && doubtful { TxState::Pooled } else { status.state },
            phrase: brief(&status, !doubtful),
        });
    }
    // What waits comes first: it is what one watches for.
    rows.sort_by_key(|row| row.state == TxState::Mined);
    let (report, info) = (source.report(), source.infos().first().map(|(_, info)| (*info).clone()));
    let claimed = info.as_ref().map(|info| info.tip.0.to_string());
    let id = report.as_ref().map(|report| report.tip.0.to_string()).or(claimed).unwrap_or_default();
    let mut seen = view.seen;
    if seen.first().is_none_or(|(_, last, _)| *last != id) {
        seen.insert(0, (sender.height, id, now()));
        seen.truncate(MAX_SEEN);
    }
    let pending = &account.claimed.get().pending;
    Ok(View {
        node: source.node().unwrap_or_default().to_owned(),
        proven,
        money: Some(Money { balance: sender.balance, pending: pending.balance.0, count: pending.count }),
        tip: info.map(|info| Tip {
            height: sender.height,
            peers: info.peers,
            pooled: info.pooled,
            phase: info.sync.phase,
            target: info.sync.target,
        }),
        payments: rows,
        seen,
        complaints: report.iter().flat_map(Report::complaints).collect(),
        error: None,
        ..view
    })
}

/// What became of a payment under the tip at this height, and whether that is proven.
async fn outcome(txid: TxId, tip: u64, buried: &mut Buried, source: &mut Source<'_>) -> Result<(TxStatus, bool)> {
    let proven = source.is_proven();
    if let Some(mined) = buried.get(txid.as_bytes()) {
        let confirmations = tip.saturating_sub(mined.height).saturating_add(1);
        return Ok((Mined { confirmations, ..*mined }.status(txid), proven));
    }
    let found = source.payment_status(txid).await?;
    if let Some(mined) = found.mined.filter(|mined| proven && mined.get().confirmations >= BURIED) {
        buried.insert(*txid.as_bytes(), *mined.get());
    }
    Ok((found.status(txid), proven && found.mined.is_some()))
}

/// What became of a payment, in a column's width.
fn brief(status: &TxStatus, proven: bool) -> String {
    match (status.state, status.height) {
        (TxState::Mined, _) if !proven => String::from("mined? not proven"),
        (TxState::Mined, Some(height)) => format!("block {height}, {} deep", status.confirmations),
        (TxState::Unknown, _) => String::from("not known; resend"),
        (TxState::Dropped, _) => String::from("dropped; see why"),
        (TxState::Expired, _) => String::from("expired; see why"),
        (TxState::Pooled, _) => String::from("waiting"),
        (TxState::Mined, None) => phrase(status),
    }
}

/// Whether `q`, Escape or Ctrl-C was pressed.
fn wants_to_end() -> io::Result<bool> {
    while event::poll(Duration::ZERO)? {
        let Event::Key(key) = event::read()? else { continue };
        if key.kind != KeyEventKind::Press {
            continue;
        }
        let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        if interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
            return Ok(true);
        }
    }
    Ok(false)
}

//! `wallet watch`: balance, payments and chain on the whole screen, until `q`: all the nodes that are named are asked,
//! what is proven is shown as proven, and what they merely say as their word.

use crate::{
    clock::now,
    error::{Result, WalletError},
    node::verify::{
        fact::{Mined, Sender},
        report::Report,
        source::Source,
    },
    output::{Output, Style},
    payment::{journal::Payment, status::phrase},
    session::{Session, Wallet},
    tui::view::{self, Money, Tip, View},
};
use cairn_genesis::Network;
use cairn_ledger::hash::TxId;
use cairn_rpc::{
    policy::BURIED,
    text::Text,
    types::{NodeInfo, PendingJson, TxState, TxStatus},
};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
};
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    time::Duration,
};

/// How long the view rests between two questions to the node.
const REFRESH: Duration = Duration::from_secs(1);
/// How often keys are looked at: soon enough to feel at once.
const KEYS: Duration = Duration::from_millis(50);
/// The payments that are shown and asked about: a screen full.
const MAX_PAYMENTS: usize = 50;
/// The tips that are remembered.
const MAX_SEEN: usize = 20;

/// Everything one round of questions brings.
struct News {
    node: String,
    info: Option<NodeInfo>,
    /// Whether it is proven, and not one node's word.
    proven: bool,
    sender: Sender,
    /// The tip's block.
    tip: String,
    pending: PendingJson,
    /// What became of each payment, and whether that is proven.
    statuses: Vec<(TxStatus, bool)>,
    complaints: Vec<String>,
}

/// Payments that are proven to be buried: nothing is asked about them again.
type Buried = BTreeMap<[u8; 32], Mined>;

pub(crate) async fn run(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
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
    let watched = watch(session, &network, &wallet, &mut terminal, &mut view).await;
    // Whatever happened, the user's screen comes back.
    ratatui::try_restore()?;
    watched?;
    output.note("")?;
    Ok(())
}

async fn watch(
    session: &Session<'_>,
    network: &Network,
    wallet: &Wallet,
    terminal: &mut DefaultTerminal,
    view: &mut View,
) -> Result<()> {
    let mut buried = Buried::new();
    loop {
        session.nodes.renew_time();
        let payments = own_payments(session, network, wallet)?;
        let mut answer = std::pin::pin!(ask(session, network, wallet, &payments, &mut buried));
        let news = loop {
            terminal.draw(|frame| view::draw(frame, view))?;
            tokio::select! {
                news = &mut answer => break news,
                () = tokio::time::sleep(KEYS) => if wants_to_end()? { return Ok(()) },
            }
        };
        show(session, view, &payments, news)?;
        let mut rested = Duration::ZERO;
        while rested < REFRESH {
            terminal.draw(|frame| view::draw(frame, view))?;
            tokio::time::sleep(KEYS).await;
            rested += KEYS;
            if wants_to_end()? {
                return Ok(());
            }
        }
    }
}

/// The journal's newest payments of this wallet, newest first.
fn own_payments(session: &Session<'_>, network: &Network, wallet: &Wallet) -> Result<Vec<Payment>> {
    let contents = session.journal()?;
    let own = contents.payments.iter().rev().filter(|payment| payment.is_of(&wallet.address, network));
    Ok(own.take(MAX_PAYMENTS).cloned().collect())
}

/// Asks all the nodes that are named.
async fn ask(
    session: &Session<'_>,
    network: &Network,
    wallet: &Wallet,
    payments: &[Payment],
    buried: &mut Buried,
) -> Result<News> {
    let mut source = Source::open(&session.nodes, network).await?;
    let seen = source.sender(&wallet.address, wallet.keystore.address()).await?;
    let (sender, proven) = (*seen.sender.get(), source.is_proven());
    let mut statuses = Vec::with_capacity(payments.len());
    for payment in payments {
        let txid = payment.txid.0;
        if let Some(mined) = buried.get(txid.as_bytes()) {
            statuses.push((still_buried(txid, mined, sender.height), proven));
            continue;
        }
        let found = source.payment_status(txid).await?;
        if let Some(mined) = found.mined.filter(|mined| proven && mined.get().confirmations >= BURIED) {
            buried.insert(*txid.as_bytes(), *mined.get());
        }
        statuses.push((found.status(txid), proven && found.mined.is_some()));
    }
    let report = source.report();
    let info = source.infos().first().map(|(_, info)| (*info).clone());
    let claimed = info.as_ref().map(|info| info.tip.0.to_string());
    Ok(News {
        node: source.node().unwrap_or_default().to_owned(),
        tip: report.as_ref().map(|report| report.tip.0.to_string()).or(claimed).unwrap_or_default(),
        info,
        proven,
        sender,
        pending: seen.claimed.get().pending.clone(),
        statuses,
        complaints: report.iter().flat_map(Report::complaints).collect(),
    })
}

/// What a buried payment is under a newer tip.
fn still_buried(txid: TxId, mined: &Mined, tip: u64) -> TxStatus {
    TxStatus {
        txid: Text(txid),
        state: TxState::Mined,
        block: Some(Text(mined.block)),
        height: Some(mined.height),
        confirmations: tip.saturating_sub(mined.height).saturating_add(1),
        reason: None,
    }
}

/// Puts the news into the view; what was shown before stays, with why there is nothing newer.
fn show(session: &Session<'_>, view: &mut View, payments: &[Payment], news: Result<News>) -> Result<()> {
    let labels = session.labels()?;
    let news = match news {
        Ok(news) => news,
        Err(error) => {
            view.error = Some(error.to_string());
            return Ok(());
        }
    };
    view.error = None;
    let shown = |payment: &Payment, (status, proven): &(TxStatus, bool)| view::PaymentRow {
        time: payment.time,
        amount: payment.amount.0,
        to: labels.address(&payment.to).map_or_else(|| payment.receivers(), String::from),
        // One that is said to be in a block, and not proven to be, still waits as far as is known.
        state: if status.state == TxState::Mined && !proven && news.proven { TxState::Pooled } else { status.state },
        phrase: brief(status, *proven || !news.proven),
    };
    view.proven = news.proven;
    view.complaints.clone_from(&news.complaints);
    view.node.clone_from(&news.node);
    let (Sender { height, balance, .. }, pending) = (news.sender, &news.pending);
    view.money = Some(Money { balance, pending: pending.balance.0, count: pending.count });
    if view.seen.first().is_none_or(|(_, seen, _)| *seen != news.tip) {
        view.seen.insert(0, (height, news.tip.clone(), now()));
        view.seen.truncate(MAX_SEEN);
    }
    view.tip = news.info.as_ref().map(|info| Tip {
        height,
        peers: info.peers,
        pooled: info.pooled,
        phase: info.sync.phase,
        target: info.sync.target,
    });
    let rows: Vec<_> = payments.iter().zip(&news.statuses).map(|(payment, found)| shown(payment, found)).collect();
    // What waits comes first: it is what one watches for.
    let (waiting, over): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.state != TxState::Mined);
    view.payments = waiting.into_iter().chain(over).collect();
    Ok(())
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

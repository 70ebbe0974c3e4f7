//! `wallet watch`: balance, payments and chain on the whole screen, until `q`: quick, and all of it the word of the first
//! node that answers, as the screen says.

use crate::{
    client::{ClientError, Node},
    error::WalletError,
    journal::Payment,
    output::{Output, Style},
    run::{Session, Wallet, now},
    screen::{self, Money, Tip, View},
};
use cairn_genesis::Network;
use cairn_rpc::types::{AccountJson, NodeInfo, TxState, TxStatus};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
};
use std::{
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
    url: String,
    info: NodeInfo,
    account: AccountJson,
    statuses: Vec<Option<TxStatus>>,
}

pub(crate) async fn run(session: &Session<'_>, output: &mut Output<'_>) -> Result<(), WalletError> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    let nodes = session.nodes(&network)?;
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
    let watched = watch(session, (&network, &nodes), &wallet, (&mut terminal, &mut view)).await;
    // Whatever happened, the user's screen comes back.
    ratatui::try_restore()?;
    watched?;
    output.note("")?;
    Ok(())
}

async fn watch(
    session: &Session<'_>,
    (network, nodes): (&Network, &[Node<'_>]),
    wallet: &Wallet,
    (terminal, view): (&mut DefaultTerminal, &mut View),
) -> Result<(), WalletError> {
    loop {
        session.renew_time();
        let payments = own_payments(session, network, wallet)?;
        let mut asked = std::pin::pin!(ask_all(nodes, wallet, &payments));
        let news = loop {
            terminal.draw(|frame| screen::draw(frame, view))?;
            tokio::select! {
                news = &mut asked => break news,
                () = tokio::time::sleep(KEYS) => if wants_to_end()? { return Ok(()) },
            }
        };
        show(session, view, &payments, news)?;
        let mut rested = Duration::ZERO;
        while rested < REFRESH {
            terminal.draw(|frame| screen::draw(frame, view))?;
            tokio::time::sleep(KEYS).await;
            rested += KEYS;
            if wants_to_end()? {
                return Ok(());
            }
        }
    }
}

/// The journal's newest payments of this wallet, newest first.
fn own_payments(session: &Session<'_>, network: &Network, wallet: &Wallet) -> Result<Vec<Payment>, WalletError> {
    let contents = session.journal()?;
    let own = contents.payments.iter().rev().filter(|payment| payment.is_of(&wallet.address, network));
    Ok(own.take(MAX_PAYMENTS).cloned().collect())
}

/// The first node that answers.
async fn ask_all(nodes: &[Node<'_>], wallet: &Wallet, payments: &[Payment]) -> Option<Result<News, ClientError>> {
    let mut failed = None;
    for node in nodes {
        match ask(node, wallet, payments).await {
            Ok(news) => return Some(Ok(news)),
            Err(error) => failed = failed.or(Some(Err(error))),
        }
    }
    failed
}

async fn ask(node: &Node<'_>, wallet: &Wallet, payments: &[Payment]) -> Result<News, ClientError> {
    let info = node.info().await?;
    let account = node.account(wallet.keystore.address()).await?;
    let mut statuses = Vec::with_capacity(payments.len());
    for payment in payments {
        statuses.push(Some(node.status(payment.txid.0).await?));
    }
    Ok(News { url: String::from(node.url()), info, account, statuses })
}

/// Puts the news into the view; what a node that fell silent said before stays, with its silence.
fn show(
    session: &Session<'_>,
    view: &mut View,
    payments: &[Payment],
    news: Option<Result<News, ClientError>>,
) -> Result<(), WalletError> {
    let labels = session.labels()?;
    let shown = |payment: &Payment, status: Option<&TxStatus>| screen::Payment {
        time: payment.time,
        amount: payment.amount.0,
        to: labels.address(&payment.to).map_or_else(|| payment.receivers(), String::from),
        state: status.map(|status| status.state),
        phrase: status.map(brief).unwrap_or_default(),
    };
    let News { url, info, account, statuses } = match news {
        Some(Ok(news)) => news,
        Some(Err(error)) => {
            view.error = Some(error.to_string());
            return Ok(());
        }
        None => return Ok(()),
    };
    view.error = None;
    view.node = url;
    let pending = &account.pending;
    view.money = Some(Money { balance: account.balance.0, pending: pending.balance.0, count: pending.count });
    let id = info.tip.0.to_string();
    if view.seen.first().is_none_or(|(_, seen, _)| *seen != id) {
        view.seen.insert(0, (info.height, id.clone(), now()));
        view.seen.truncate(MAX_SEEN);
    }
    view.tip = Some(Tip {
        height: info.height,
        id,
        peers: info.peers,
        pooled: info.pooled,
        phase: info.sync.phase,
        target: info.sync.target,
    });
    let rows = payments.iter().zip(&statuses).map(|(payment, status)| shown(payment, status.as_ref()));
    // What waits comes first: it is what one watches for.
    let (waiting, over): (Vec<_>, Vec<_>) = rows.partition(|row| row.state != Some(TxState::Mined));
    view.payments = waiting.into_iter().chain(over).collect();
    Ok(())
}

/// What became of a payment, in a column's width.
fn brief(status: &TxStatus) -> String {
    match (status.state, status.height) {
        (TxState::Mined, Some(height)) => format!("block {height}, {} deep", status.confirmations),
        (TxState::Mined, None) => String::from("mined"),
        (TxState::Pooled, _) => String::from("waiting"),
        (TxState::Unknown, _) => String::from("not known; resend"),
        (TxState::Dropped, _) => String::from("dropped; see why"),
        (TxState::Expired, _) => String::from("expired"),
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

//! The full-screen view: what is known becomes a picture. Pure; `wallet watch` asks and draws.

use crate::output::{Inert, Utc};
use cairn_ledger::units::Amount;
use cairn_rpc::types::{SyncPhase, TxState};
use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Paragraph, Row, Table},
};

/// The smallest screen on which everything has its place.
pub const MIN_SIZE: (u16, u16) = (60, 16);

/// What is shown.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The wallet.
    pub name: String,
    /// Its network.
    pub chain: String,
    /// Its address.
    pub address: String,
    /// Where the node is.
    pub node: String,
    /// What the node last said; `None` before its first answer.
    pub money: Option<Money>,
    /// The same about the chain.
    pub tip: Option<Tip>,
    /// Newest first.
    pub payments: Vec<Payment>,
    /// The tips that were seen while watching, newest first: height, id, when (Unix ms).
    pub seen: Vec<(u64, String, u64)>,
    /// Why the last question was not answered.
    pub error: Option<String>,
    /// Whether colours are wanted.
    pub coloured: bool,
}

/// What the address has.
#[derive(Clone, Copy, Debug)]
pub struct Money {
    /// At the tip.
    pub balance: Amount,
    /// With its payments in the pool counted as mined.
    pub pending: Amount,
    /// How many those are.
    pub count: u64,
}

/// The chain, as the node follows it.
#[derive(Clone, Debug)]
pub struct Tip {
    /// Its height.
    pub height: u64,
    /// Its block.
    pub id: String,
    /// The node's peers.
    pub peers: u64,
    /// Transactions in its pool.
    pub pooled: u64,
    /// What its synchronisation does.
    pub phase: SyncPhase,
    /// The height its peers have.
    pub target: u64,
}

/// A payment of the journal.
#[derive(Clone, Debug)]
pub struct Payment {
    /// When it was signed, Unix ms.
    pub time: u64,
    /// What it pays.
    pub amount: Amount,
    /// Whom, by label or address.
    pub to: String,
    /// Where it is; `None` before the node said so.
    pub state: Option<TxState>,
    /// The same in words.
    pub phrase: String,
}

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, view: &View) {
    let area = frame.area();
    if area.width < MIN_SIZE.0 || area.height < MIN_SIZE.1 {
        let text = format!(
            "This screen is {} x {}.\nMake it {} x {}; q ends.",
            area.width, area.height, MIN_SIZE.0, MIN_SIZE.1
        );
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let tall = area.height >= 30;
    let chain = if tall { 12 } else { 7 };
    let [head, money, payments, blocks, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(4),
        Constraint::Min(4),
        Constraint::Length(chain),
        Constraint::Length(1),
    ])
    .areas(area);
    let title = format!(" wallet {} on {} ", Inert(&view.name), Inert(&view.chain));
    frame.render_widget(Paragraph::new(title).style(view.style(Color::Cyan, Modifier::REVERSED)), head);
    draw_money(frame, money, view);
    draw_payments(frame, payments, view);
    draw_chain(frame, blocks, view);
    let foot_text = match &view.error {
        Some(error) => Line::from(Span::styled(format!(" {}", Inert(error)), view.style(Color::Red, Modifier::BOLD))),
        None => Line::from(format!(" {}   q ends", Inert(&view.node))),
    };
    frame.render_widget(Paragraph::new(foot_text), foot);
}

fn draw_money(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let block = Block::bordered().title(" Balance, as the node says ");
    let mut lines = match view.money {
        None => vec![Line::from("asking the node ...")],
        Some(money) => {
            let balance = Span::styled(format!("{} CRN", money.balance), view.style(Color::Green, Modifier::BOLD));
            let mut spans = vec![balance];
            if money.count > 0 {
                let payments = if money.count == 1 { "payment on its way" } else { "payments on their way" };
                spans.push(Span::raw(format!("   {} CRN after {} {payments}", money.pending, money.count)));
            }
            vec![Line::from(spans)]
        }
    };
    lines.push(Line::from(Inert(&view.address).to_string()));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_payments(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let block = Block::bordered().title(" Payments, as the node says ");
    if view.payments.is_empty() {
        let text = Paragraph::new("none were sent from here").block(block);
        frame.render_widget(text, area);
        return;
    }
    let rows = view.payments.iter().map(|payment| {
        let colour = match payment.state {
            Some(TxState::Mined) => Color::Green,
            Some(TxState::Pooled) => Color::Yellow,
            Some(TxState::Unknown | TxState::Dropped | TxState::Expired) => Color::Red,
            None => Color::Reset,
        };
        let phrase = Span::styled(Inert(&payment.phrase).to_string(), view.style(colour, Modifier::empty()));
        let amount = Line::from(payment.amount.to_string()).alignment(Alignment::Right);
        Row::new([
            Line::from(Utc(payment.time).to_string().trim_end_matches(" UTC").to_owned()),
            amount,
            Line::from(shortened(&Inert(&payment.to).to_string(), 17)),
            Line::from(phrase),
        ])
    });
    let crn = Line::from("CRN").alignment(Alignment::Right);
    let header = Row::new([Line::from("signed (UTC)"), crn, Line::from("to"), Line::from("state")]);
    let header = header.style(Style::new().add_modifier(Modifier::BOLD));
    let widths = [Constraint::Length(16), Constraint::Length(14), Constraint::Length(17), Constraint::Min(12)];
    frame.render_widget(Table::new(rows, widths).header(header).block(block), area);
}

fn draw_chain(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let block = Block::bordered().title(" Chain, as the node says ");
    let mut lines = match &view.tip {
        None => vec![Line::from("asking the node ...")],
        Some(tip) => {
            let state = match tip.phase {
                SyncPhase::CaughtUp => String::from("caught up"),
                SyncPhase::Discovering => String::from("no peer yet"),
                SyncPhase::Headers | SyncPhase::Bodies => format!("catching up to {}", tip.target),
                SyncPhase::Stalled => format!("stalled on the way to {}", tip.target),
            };
            vec![Line::from(format!("block {}   {state}   peers {}   pool {}", tip.height, tip.peers, tip.pooled))]
        }
    };
    for (height, id, time) in &view.seen {
        lines.push(Line::from(format!("{height:>9}  {}  seen {}", shortened(id, 20), Utc(*time))));
    }
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// At most `width` characters: beginning and end, as people compare addresses.
fn shortened(text: &str, width: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= width {
        return String::from(text);
    }
    let end = width.saturating_sub(3) / 2;
    let start = width.saturating_sub(3).saturating_sub(end);
    let head: String = letters.iter().take(start).collect();
    let tail: String = letters.iter().skip(letters.len().saturating_sub(end)).collect();
    format!("{head}...{tail}")
}

impl View {
    fn style(&self, colour: Color, modifier: Modifier) -> Style {
        let style = Style::new().add_modifier(modifier);
        if self.coloured { style.fg(colour) } else { style }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::{Terminal, backend::TestBackend};

    fn crn(text: &str) -> Amount {
        text.parse().expect("an amount")
    }

    fn view() -> View {
        let payment = |time, to: &str, state, phrase: &str| Payment {
            time,
            amount: crn("1.5"),
            to: String::from(to),
            state,
            phrase: String::from(phrase),
        };
        View {
            name: String::from("default"),
            chain: String::from("local"),
            address: String::from("lcrn1y39592wlwdqpgu7llrkfclu95zqf2tp5yj2zznve5k438448rpjqq7x9pf"),
            node: String::from("http://127.0.0.1:29741"),
            money: Some(Money { balance: crn("10"), pending: crn("8.5"), count: 1 }),
            tip: Some(Tip {
                height: 101,
                id: "ab".repeat(32),
                peers: 3,
                pooled: 1,
                phase: SyncPhase::CaughtUp,
                target: 101,
            }),
            payments: vec![
                payment(1_793_491_200_000, "Bob\u{1b}[2J", Some(TxState::Pooled), "waiting"),
                payment(
                    1_793_491_100_000,
                    "lcrn1steec5v7mkhymqz4k7zjza9zng5hxg53pu0trgg4ha59vghtzkrs092drp",
                    Some(TxState::Mined),
                    "block 100, 2 deep",
                ),
            ],
            seen: vec![(101, "ab".repeat(32), 1_793_491_200_000)],
            error: None,
            coloured: false,
        }
    }

    fn drawn(view: &View, (width, height): (u16, u16)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
        terminal.draw(|frame| draw(frame, view)).expect("memory");
        let buffer = terminal.backend().buffer().clone();
        let rows = buffer.content().chunks(usize::from(width));
        let rows = rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>());
        rows.map(|row| format!("{}\n", row.trim_end())).collect()
    }

    #[test]
    fn the_screen_is_the_golden_one() {
        let golden =
            [include_str!("../tests/golden/screen-80x24.txt"), include_str!("../tests/golden/screen-120x40.txt")];
        assert_eq!([drawn(&view(), (80, 24)), drawn(&view(), (120, 40))], golden);
    }

    #[test]
    fn what_is_not_known_yet_and_what_failed_is_said() {
        let waiting = View { money: None, tip: None, payments: Vec::new(), seen: Vec::new(), ..view() };
        let text = drawn(&waiting, (80, 24));
        assert!(text.contains("asking the node ...") && text.contains("none were sent from here"), "{text}");
        let failed = View { error: Some(String::from("no node answered\u{1b}[2J")), ..view() };
        let text = drawn(&failed, (80, 24));
        assert!(text.contains("no node answered\\u{1b}[2J") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn no_size_breaks_it() {
        for width in [1, 2, 59, 60, 61, 300] {
            for height in [1, 2, 15, 16, 17, 100] {
                let text = drawn(&view(), (width, height));
                assert_eq!(text.lines().count(), usize::from(height));
            }
        }
        assert!(drawn(&view(), (40, 10)).contains("Make it 60 x 16"));
    }
}

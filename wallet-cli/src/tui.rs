//! The full-screen view: what is known becomes a picture. Pure; `wallet watch` asks and draws.

use crate::clock::Utc;
use cairn_host::Inert;
use cairn_ledger::Amount;
use cairn_rpc::{TxState, types::SyncPhase};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Table};

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
    /// Where the node is whose chain is believed.
    pub node: String,
    /// Whether balance, blocks and payments in them are proven, and not the word of one node.
    pub proven: bool,
    /// What the address has; `None` before the first answer.
    pub money: Option<Money>,
    /// The same about the chain.
    pub tip: Option<Tip>,
    /// Newest first.
    pub payments: Vec<PaymentRow>,
    /// The tips that were seen while watching, newest first: height, id, when (Unix ms).
    pub seen: Vec<(u64, String, u64)>,
    /// Nodes that lie, and what makes the wallet less sure than it should be.
    pub complaints: Vec<String>,
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

/// The chain.
#[derive(Clone, Debug)]
pub struct Tip {
    /// Its height.
    pub height: u64,
    /// The node's peers, as it says.
    pub peers: u64,
    /// Transactions in its pool, as it says.
    pub pooled: u64,
    /// What its synchronisation does, as it says.
    pub phase: SyncPhase,
    /// The height its peers have, as it says.
    pub target: u64,
}

/// A payment of the journal.
#[derive(Clone, Debug)]
pub struct PaymentRow {
    /// When it was signed, Unix ms.
    pub time: u64,
    /// What it pays.
    pub amount: Amount,
    /// Whom, by label or address.
    pub to: String,
    /// Where it is.
    pub state: TxState,
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
    let beware = beware(view, area.width);
    let bewared = beware.as_ref().map_or(0, |(_, height)| *height);
    let [head, warned, money, payments, blocks, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(bewared),
        Constraint::Length(4),
        Constraint::Min(4),
        Constraint::Length(chain),
        Constraint::Length(1),
    ])
    .areas(area);
    let title = format!(" wallet {} on {} ", Inert(&view.name), Inert(&view.chain));
    frame.render_widget(Paragraph::new(title).style(view.style(Color::Cyan, Modifier::REVERSED)), head);
    if let Some((beware, _)) = beware {
        frame.render_widget(beware, warned);
    }
    draw_money(frame, money, view);
    draw_payments(frame, payments, view);
    draw_chain(frame, blocks, view);
    frame.render_widget(Paragraph::new(format!(" {}   q ends", Inert(&view.node))), foot);
}

/// What its owner should beware of, in whole sentences, and how many lines that takes.
fn beware(view: &View, width: u16) -> Option<(Paragraph<'static>, u16)> {
    let texts: Vec<String> = view.error.iter().chain(&view.complaints).map(|text| Inert(text).to_string()).collect();
    if texts.is_empty() {
        return None;
    }
    let (shown, more) = texts.split_at(texts.len().min(MAX_COMPLAINTS));
    let more = (!more.is_empty()).then(|| format!("and {} more: see `wallet balance`", more.len()));
    let inner = usize::from(width.saturating_sub(2));
    let lines: Vec<Line<'static>> =
        shown.iter().chain(&more).flat_map(|text| wrapped(text, inner)).map(Line::from).collect();
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let text = Paragraph::new(lines).style(view.style(Color::Red, Modifier::BOLD));
    Some((text.block(Block::bordered().title(" Beware ")), height))
}

/// A sentence in lines of at most `width` characters, broken between words, and within those that are longer.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        for part in word.chars().collect::<Vec<_>>().chunks(width.max(1)) {
            if !line.is_empty() && line.chars().count().saturating_add(part.len()).saturating_add(1) > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.extend(part);
        }
    }
    lines.push(line);
    lines
}

/// How many sentences about what to beware of are shown.
const MAX_COMPLAINTS: usize = 2;

fn draw_money(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let block = Block::bordered().title(view.title(" Balance, proven at the tip ", " Balance, as the node says "));
    let mut lines = match view.money {
        None => vec![Line::from("asking the nodes ...")],
        Some(money) => {
            let balance = Span::styled(format!("{} CRN", money.balance), view.style(Color::Green, Modifier::BOLD));
            let mut spans = vec![balance];
            if money.count > 0 {
                let (pending, count) = (money.pending, money.count);
                spans.push(Span::raw(format!("   {pending} CRN after {count} on the way, it says")));
            }
            vec![Line::from(spans)]
        }
    };
    lines.push(Line::from(Inert(&view.address).to_string()));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_payments(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let title = view.title(" Payments: proven where in a block, else as nodes say ", " Payments, as the node says ");
    let block = Block::bordered().title(title);
    if view.payments.is_empty() {
        let text = Paragraph::new("none were sent from here").block(block);
        frame.render_widget(text, area);
        return;
    }
    let rows = view.payments.iter().map(|payment| {
        let colour = match payment.state {
            TxState::Mined => Color::Green,
            TxState::Pooled => Color::Yellow,
            TxState::Unknown | TxState::Dropped | TxState::Expired => Color::Red,
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
    let title = view.title(" Chain: blocks are proven, the rest is what the node says ", " Chain, as the node says ");
    let block = Block::bordered().title(title);
    let mut lines = match &view.tip {
        None => vec![Line::from("asking the nodes ...")],
        Some(tip) => {
            let state = match tip.phase {
                SyncPhase::CaughtUp => String::from("caught up"),
                SyncPhase::Discovering => String::from("no peer yet"),
                SyncPhase::Headers | SyncPhase::Snapshot | SyncPhase::Bodies => {
                    format!("catching up to {}", tip.target)
                }
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
    /// A title, by whether what is under it is proven.
    const fn title(&self, proven: &'static str, claimed: &'static str) -> &'static str {
        match self.money {
            // Nothing is shown yet.
            None => proven,
            Some(_) if self.proven => proven,
            Some(_) => claimed,
        }
    }

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
        let payment = |time, to: &str, state, phrase: &str| PaymentRow {
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
            proven: true,
            money: Some(Money { balance: crn("10"), pending: crn("8.5"), count: 1 }),
            tip: Some(Tip { height: 101, peers: 3, pooled: 1, phase: SyncPhase::CaughtUp, target: 101 }),
            payments: vec![
                payment(1_793_491_200_000, "Bob\u{1b}[2J", TxState::Pooled, "waiting"),
                payment(
                    1_793_491_100_000,
                    "lcrn1steec5v7mkhymqz4k7zjza9zng5hxg53pu0trgg4ha59vghtzkrs092drp",
                    TxState::Mined,
                    "block 100, 2 deep",
                ),
            ],
            seen: vec![(101, "ab".repeat(32), 1_793_491_200_000)],
            complaints: Vec::new(),
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
        assert!(text.contains("asking the nodes ...") && text.contains("none were sent from here"), "{text}");
        let failed = View { error: Some(String::from("no node answered\u{1b}[2J")), ..view() };
        let text = drawn(&failed, (80, 24));
        assert!(text.contains("no node answered\\u{1b}[2J") && !text.contains('\u{1b}'), "{text}");
    }

    /// A liar is named in whole sentences, however narrow the screen is, and its words are inert.
    #[test]
    fn what_to_beware_of_is_said_whole_and_what_is_claimed_is_called_so() {
        let lie = "the node at http://127.0.0.1:1 lies: it claims a balance of 999 CRN at block 30\u{1b}[2J, and proves 13 CRN";
        let many: Vec<String> = (0..5).map(|number| format!("{lie} ({number})")).collect();
        for size in [(60, 24), (80, 24), (120, 40)] {
            let text = drawn(&View { complaints: many.clone(), ..view() }, size);
            let joined: String = text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
            for part in ["and proves 13 CRN (0)", "and proves 13 CRN (1)", "and 3 more: see `wallet balance`"] {
                assert!(joined.replace("│ │", "").replace("││", " ").contains(part), "{part}: {text}");
            }
            assert!(!text.contains('\u{1b}') && text.contains("q ends"), "{text}");
        }
        let proven = drawn(&view(), (80, 24));
        assert!(proven.contains("Balance, proven at the tip") && !proven.contains("Beware"), "the control: {proven}");
        let said = drawn(&View { proven: false, ..view() }, (80, 24));
        assert!(said.contains("Balance, as the node says") && !said.contains("proven"), "{said}");
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

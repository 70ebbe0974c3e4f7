//! An address.

use super::{Id, Moment, Money, PaymentRow, Shell};
use crate::format;
use askama::Template;
use cairn_rpc::types::{AccountJson, AddressHistory, HistoryEntry, PoolEntry};

/// What touched an address.
#[derive(Debug)]
pub enum History {
    /// A page of it.
    Page(AddressHistory),
    /// There is none here, as a sentence.
    None(String),
}

/// `/address/…`.
#[derive(Template)]
#[template(path = "address.html")]
pub struct AddressPage {
    /// What stands around it.
    pub shell: Shell,
    /// What it has.
    pub account: AccountJson,
    /// What touched it.
    pub history: History,
    /// Whether this is a later page of its history.
    pub is_later: bool,
    /// Its own payments that wait in the pool.
    pub waiting: Vec<PoolEntry>,
}

/// A line of a history.
struct Line {
    kind: &'static str,
    with: Option<Id>,
    more: usize,
    payment: Option<Id>,
    height: u64,
    block: Id,
    time: Moment,
    sign: &'static str,
    amount: Money,
}

impl AddressPage {
    fn id(&self) -> Id {
        Id::address(&self.account.address)
    }

    fn balance(&self) -> Money {
        Money(self.account.balance.0)
    }

    fn pending(&self) -> Money {
        Money(self.account.pending.balance.0)
    }

    fn at(&self) -> (Id, u64) {
        (Id::block(self.account.block.0), self.account.height)
    }

    fn nonce(&self) -> String {
        format::grouped(self.account.nonce.0)
    }

    fn waiting_rows(&self) -> Vec<PaymentRow> {
        let row = |entry: &PoolEntry| PaymentRow::new(&entry.transaction).at(None, entry.added);
        self.waiting.iter().map(row).collect()
    }

    fn lines(&self) -> Vec<Line> {
        match &self.history {
            History::Page(page) => page.entries.iter().map(|entry| self.line(entry)).collect(),
            History::None(_) => Vec::new(),
        }
    }

    fn line(&self, entry: &HistoryEntry) -> Line {
        let (sent, received) = (entry.sent.0, entry.received.0);
        let (sign, amount) = match received.checked_sub(sent) {
            Some(gain) if gain.pebbles() > 0 => ("+", gain),
            _ => ("−", sent.checked_sub(received).unwrap_or_default()),
        };
        let transaction = entry.transaction.as_ref();
        let is_sender = transaction.is_some_and(|transaction| transaction.sender == self.account.address);
        let receivers = || transaction.into_iter().flat_map(|transaction| &transaction.outputs);
        let with = match transaction {
            None => None,
            Some(_) if is_sender => receivers().next().map(|output| Id::address(&output.to)),
            Some(transaction) => Some(Id::address(&transaction.sender)),
        };
        Line {
            kind: match transaction {
                None => "Reward",
                Some(_) if is_sender => "Sent to",
                Some(_) => "Received from",
            },
            with,
            more: if is_sender { receivers().count().saturating_sub(1) } else { 0 },
            payment: transaction.map(|transaction| Id::payment(transaction.txid.0)),
            height: entry.height,
            block: Id::block(entry.block.0),
            time: Moment(entry.time),
            sign,
            amount: Money(amount),
        }
    }

    fn next(&self) -> Option<String> {
        let History::Page(page) = &self.history else { return None };
        page.next.as_ref().map(|next| format!("/address/{}?before={}", self.account.address, next.0))
    }

    /// The last block that stayed, when the chain was reorganised since the page before.
    fn reorganised(&self) -> Option<u64> {
        match &self.history {
            History::Page(page) => page.reorganised_above,
            History::None(_) => None,
        }
    }

    fn no_history(&self) -> Option<&str> {
        match &self.history {
            History::Page(_) => None,
            History::None(why) => Some(why),
        }
    }
}

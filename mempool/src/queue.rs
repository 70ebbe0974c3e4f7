//! One sender's transactions, in order of nonce.

use super::policy::FeeRate;
use cairn_ledger::{Account, CheckedTransaction, Timestamp};
use std::collections::BTreeMap;

/// What keeping a transaction is worth. Those that can be mined come before those that cannot yet; among
/// them the rate decides, and that is the lowest of its own and its predecessors': a transaction is not
/// mined before them, so a high fee does not protect cheap predecessors.
///
/// Along a queue it never rises. Evicting by lowest worth therefore takes a queue's tail first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Worth {
    /// It follows the account's nonce without a gap, and the balance covers it and those before it.
    pub ready: bool,
    /// The lowest rate up to and including its own.
    pub rate: FeeRate,
}

/// A pooled transaction.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// It.
    pub transaction: CheckedTransaction,
    /// What it pays.
    pub price: FeeRate,
    /// When it came.
    pub added: Timestamp,
    /// What keeping it is worth, as it stands in the pool's ranking.
    pub worth: Worth,
}

impl Entry {
    /// What it takes from its sender at most, in pebbles: how many accounts it will create is told by the block that
    /// mines it.
    pub fn max_cost(&self) -> u64 {
        self.transaction.transaction().body.max_cost()
    }
}

/// One sender's transactions.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// The order in which senders came to the pool; decides between equal worths.
    pub arrival: u64,
    /// The sender's account at the tip; a sender without one has nothing.
    pub account: Account,
    /// By nonce. After a reorganisation they may be many.
    pub entries: BTreeMap<u64, Entry>,
    /// What they spend together, in pebbles.
    spent: u128,
}

/// Walks a queue from its account's nonce on and tells the worth of each transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    next: u64,
    left: u64,
    ready: bool,
    lowest: Option<FeeRate>,
}

impl Walk {
    /// Begins at an account.
    pub fn new(account: Account) -> Self {
        Self { next: account.nonce, left: account.balance.pebbles(), ready: true, lowest: None }
    }

    /// The worth of the next transaction in order of nonce.
    pub fn step(&mut self, nonce: u64, most: u64, price: FeeRate) -> Worth {
        self.ready &= nonce == self.next && most <= self.left;
        if self.ready {
            self.next = nonce.saturating_add(1);
            self.left -= most;
        }
        let rate = self.lowest.map_or(price, |lowest| lowest.min(price));
        self.lowest = Some(rate);
        Worth { ready: self.ready, rate }
    }
}

impl Queue {
    /// An empty one.
    pub fn new(arrival: u64, account: Account) -> Self {
        Self { arrival, account, entries: BTreeMap::new(), spent: 0 }
    }

    /// Puts a transaction where nothing is.
    pub fn insert(&mut self, nonce: u64, entry: Entry) {
        self.spent += u128::from(entry.max_cost());
        self.entries.insert(nonce, entry);
    }

    /// Takes a transaction out.
    pub fn remove(&mut self, nonce: u64) -> Option<Entry> {
        let entry = self.entries.remove(&nonce)?;
        self.spent -= u128::from(entry.max_cost());
        Some(entry)
    }

    /// The first nonce, from the account's on, that is not in the queue; not looked for from `end` on.
    pub fn missing(&self, end: u64) -> u64 {
        let mut missing = self.account.nonce;
        for nonce in self.entries.keys() {
            if *nonce != missing || missing >= end {
                break;
            }
            missing = missing.saturating_add(1);
        }
        missing
    }

    /// What its transactions spend at most but for one of them, in pebbles.
    pub fn spent_without(&self, other: Option<&Entry>) -> u64 {
        let spent = self.spent.saturating_sub(other.map_or(0, |other| u128::from(other.max_cost())));
        u64::try_from(spent).unwrap_or(u64::MAX)
    }

    /// The worth a transaction would have in the place of `nonce`.
    pub fn worth_at(&self, nonce: u64, most: u64, price: FeeRate) -> Worth {
        let mut walk = Walk::new(self.account);
        for (before, entry) in self.entries.range(..nonce) {
            walk.step(*before, entry.max_cost(), entry.price);
        }
        walk.step(nonce, most, price)
    }
}

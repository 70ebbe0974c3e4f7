//! What several pages show: ids, amounts, moments, and lines of tables.

use crate::format;
use cairn_ledger::address::AddressPrefix;
use cairn_ledger::hash::TxId;
use cairn_ledger::transaction::Transaction;
use cairn_ledger::units::Amount;
use cairn_rpc::types::{HeaderJson, TransactionJson};

/// An id or an address: in full, in short, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    /// In full.
    pub full: String,
    /// The page about it.
    pub href: String,
}

impl Id {
    /// Of a block.
    pub fn block(id: impl ToString) -> Self {
        Self::at("/block/", id)
    }

    /// Of a payment.
    pub fn payment(txid: impl ToString) -> Self {
        Self::at("/tx/", txid)
    }

    /// An address.
    pub fn address(address: impl ToString) -> Self {
        Self::at("/address/", address)
    }

    fn at(folder: &str, id: impl ToString) -> Self {
        let full = id.to_string();
        Self { href: [folder, &full].concat(), full }
    }

    /// Its start and its end.
    pub fn short(&self) -> String {
        format::short(&self.full)
    }
}

/// An amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money(pub Amount);

impl Money {
    /// In CRN, exactly.
    pub fn crn(&self) -> String {
        format::crn(self.0)
    }

    /// In pebbles.
    pub fn pebbles(&self) -> u64 {
        self.0.pebbles()
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.0.pebbles() == 0
    }
}

/// A moment, Unix ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub u64);

impl Moment {
    /// For programs.
    pub fn rfc3339(&self) -> String {
        format::rfc3339(self.0)
    }

    /// For people, in UTC.
    pub fn utc(&self) -> String {
        format::utc(self.0)
    }

    /// How long ago it was at `now`.
    pub fn ago(&self, now: &u64) -> String {
        format::span(now.saturating_sub(self.0))
    }
}

/// A line about a payment.
#[derive(Clone, Debug)]
pub struct PaymentRow {
    /// Its id.
    pub txid: Id,
    /// Who pays.
    pub from: Id,
    /// The first who receives; a transaction without outputs does not exist.
    pub to: Option<Id>,
    /// How many receive besides.
    pub more: usize,
    /// What all of them receive.
    pub amount: Money,
    /// What its miner earns.
    pub fee: Money,
    /// The block's height, when it is in one.
    pub height: Option<u64>,
    /// When that block was made, or when it came into the pool.
    pub time: Option<Moment>,
    /// Its size in bytes.
    pub size: u64,
}

impl PaymentRow {
    /// A payment wherever it is.
    pub fn new(transaction: &TransactionJson) -> Self {
        let total = transaction.outputs.iter().fold(0_u64, |sum, output| sum.saturating_add(output.amount.0.pebbles()));
        Self {
            txid: Id::payment(transaction.txid.0),
            from: Id::address(&transaction.sender),
            to: transaction.outputs.first().map(|output| Id::address(&output.to)),
            more: transaction.outputs.len().saturating_sub(1),
            amount: Money(Amount::from_pebbles(total).unwrap_or(Amount::MAX)),
            fee: Money(transaction.fee.0),
            height: None,
            time: None,
            size: transaction.size,
        }
    }

    /// One that lies in a block. The id is given: those of many together take a fraction of the time.
    pub fn mined(transaction: &Transaction, txid: &TxId, prefix: &AddressPrefix) -> Self {
        let body = &transaction.body;
        let total = body.outputs.iter().fold(0_u64, |sum, output| sum.saturating_add(output.amount.pebbles()));
        Self {
            txid: Id::payment(format::hex(txid.as_bytes())),
            from: Id::address(prefix.encode(&body.sender)),
            to: body.outputs.first().map(|output| Id::address(prefix.encode(&output.to))),
            more: body.outputs.len().saturating_sub(1),
            amount: Money(Amount::from_pebbles(total).unwrap_or(Amount::MAX)),
            fee: Money(body.fee),
            height: None,
            time: None,
            size: transaction.size() as u64,
        }
    }

    /// The same, with where it is and since when.
    #[must_use]
    pub fn at(self, height: Option<u64>, time: u64) -> Self {
        Self { height, time: Some(Moment(time)), ..self }
    }

    /// Pebbles for each byte.
    pub fn fee_rate(&self) -> String {
        format!("{:.1}", self.fee.pebbles() as f64 / self.size.max(1) as f64)
    }
}

/// What a list shows of a block.
#[derive(Clone, Debug)]
pub struct BlockSummary {
    /// Its id.
    pub id: Id,
    /// Its height.
    pub height: u64,
    /// When its miner says it was made.
    pub time: Moment,
    /// Who received its reward.
    pub miner: Id,
    /// Attempts that one like it takes.
    pub work: f64,
    /// What is known of its body; nothing where it was pruned, or not looked at.
    pub body: Option<BodySummary>,
}

/// What a list shows of a block's payments.
#[derive(Clone, Debug)]
pub struct BodySummary {
    /// How many there are.
    pub count: u64,
    /// The block's size in bytes.
    pub size: u64,
    /// All fees together.
    pub fees: Money,
    /// The median of what its payments pay for each byte, in pebbles.
    pub fee_rate: f64,
    /// The last of them, the last first.
    pub last: Vec<PaymentRow>,
}

impl BodySummary {
    /// How many payments there are, for people.
    pub(super) fn count(&self) -> String {
        format::grouped(self.count)
    }
}

impl BlockSummary {
    /// A block of which the header alone is known.
    pub fn new(header: &HeaderJson) -> Self {
        let work = header.target.0.decode().map_or(0.0, |target| target.work().to_f64());
        Self {
            id: Id::block(header.id.0),
            height: header.height,
            time: Moment(header.time),
            miner: Id::address(&header.beneficiary),
            work,
            body: None,
        }
    }

    /// Bytes, for people.
    pub(super) fn size(&self) -> String {
        self.body.as_ref().map_or_else(String::new, |body| format::bytes(body.size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_to_their_pages() {
        assert_eq!(Id::block("ab").href, "/block/ab");
        assert_eq!(Id::payment("ab").href, "/tx/ab");
        assert_eq!(Id::address("lcrn1x").href, "/address/lcrn1x");
        assert_eq!(Moment(1_000).ago(&64_000), "1 min 3 s");
        assert_eq!(Moment(64_000).ago(&1_000), "0 s", "a miner's clock may be ahead");
    }
}

//! What may become of a payment, decided by proofs alone: pure.
//!
//! The journal is the write-ahead log: a payment is in it before it leaves, and what a node answers is noted after it.
//! Whatever happens in between, a crash or a node that lies, the next command finds the payment there and judges it
//! anew from what is proven at that time.
//!
//! # States
//! | state | when | what may be done |
//! |---|---|---|
//! | open | from the moment it is signed | hand the same one over again, or put another with **the same nonce** in its place |
//! | mined | a block that is proven holds it | nothing is left to pay |
//! | impossible | another payment with its nonce is proven mined and buried, or its last block is buried and its nonce is unused | pay anew |
//!
//! The last blocks of a chain may be replaced by others. Then what was mined is open again, and what was overtaken by
//! another payment may be mined after all. So a payment whose nonce is used in a block that is not [`BURIED`] yet stays
//! open, and so does one whose last block is not: it is paid anew in **its own place**.
//!
//! # Invariants
//! 1. Nothing but a [`Proven`] moves a payment out of *open*: no refusal, no silence, no "expired" or "dropped" of a
//!    node.
//! 2. A payment of the same amounts to the same receivers is not made while an earlier one may still be mined beside
//!    it, or was mined without its owner having been told, unless the owner asks for a second one. Who asks for a
//!    second one means beside those that it knows of: that they left, or from the last question. What a later look
//!    finds besides, because a node shows an older chain or blocks were replaced, is a question of its own.
//! 3. A new payment takes no nonce that an open one has. One that is made for an expired payment takes that one's
//!    nonce, so that at most one of the two is ever mined, even if the last blocks are replaced.
//! 4. Nothing is called impossible that blocks which are not buried could still make possible beside a second one.

use super::journal::{Contents, Payment};
use crate::node::{Claimed, Mined, Proven, Sender};
use cairn_genesis::Network;
use cairn_ledger::{Address, Amount, Transaction, TxId, transaction::Output};
use cairn_rpc::policy::{BURIED, MAX_PER_SENDER};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a payment of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPayment {
    /// Its id.
    pub txid: TxId,
    /// Its place among the sender's.
    pub nonce: u64,
    /// Who receives what.
    pub outputs: Vec<Output>,
    /// All it may cost.
    pub most: u64,
    /// The last height at which it may be mined; 0 for ever.
    pub valid_until: u64,
    /// When it was signed, Unix ms; 0 when that is not known.
    pub signed: u64,
    /// Whether its owner was told that it left: a node took it, or it was seen mined.
    pub reported: bool,
    /// Whether the last question to its owner named it.
    pub asked: bool,
}

/// Which earlier payments of the same amounts to the same receivers another may be made beside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Again {
    /// None: the owner is asked.
    #[default]
    No,
    /// Those that the owner knows of.
    Known,
    /// Any: it pays nobody.
    Any,
}

impl From<bool> for Again {
    /// What `--again` says.
    fn from(again: bool) -> Self {
        if again { Self::Known } else { Self::No }
    }
}

/// What is proven about one payment, all of it under one tip.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// The sender.
    pub sender: Proven<Sender>,
    /// The payment itself in a block.
    pub mined: Option<Proven<Mined>>,
    /// Another payment of the sender with the same nonce in a block.
    pub rival: Option<Rival>,
    /// Another payment in its place that pays the same and may still be mined.
    pub beside: Option<TxId>,
}

/// A payment that took the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Which.
    pub txid: TxId,
    /// Where it is.
    pub mined: Proven<Mined>,
    /// Whether it pays the same amount to the same receiver: then nothing is left to pay.
    pub pays_the_same: bool,
}

impl Rival {
    /// `transaction`, in the place of a payment to `outputs`.
    pub fn new(transaction: &Transaction, mined: Proven<Mined>, outputs: &[Output]) -> Self {
        let pays_the_same = same_purpose(&transaction.body.outputs, outputs);
        Self { txid: transaction.id(), mined, pays_the_same }
    }

    /// The height of its block.
    pub const fn height(&self) -> u64 {
        self.mined.get().height
    }

    /// How many more blocks have to confirm it until it is buried.
    pub const fn left(&self) -> u64 {
        BURIED.saturating_sub(self.mined.get().confirmations)
    }
}

/// What has become of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may still be mined, or may have been.
    Open(Open),
    /// It is in a block.
    Mined(Mined),
    /// It can never be mined.
    Impossible(Impossible),
}

/// Why a payment is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// Its nonce is not used yet.
    Unused,
    /// Its nonce is used, and it is not proven by which payment.
    NonceUsed,
    /// Another payment took its nonce, in a block that may still be replaced.
    Overtaken(Rival),
    /// Its last block has passed and may still be replaced; its nonce is unused.
    Expiring { valid_until: u64, height: u64 },
}

/// Why a payment can never be mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// Another payment took its nonce, and is buried.
    #[error("another payment with its nonce, {}, is in block {}", .0.txid, .0.height())]
    Replaced(Rival),
    /// Its last block is buried, and its nonce is unused; perhaps another payment in its place pays the same and may
    /// still be mined.
    #[error(
        "it expired: it could be mined until block {valid_until}, the tip is block {height}, and its nonce is unused"
    )]
    Expired { valid_until: u64, height: u64, beside: Option<TxId> },
}

impl Impossible {
    /// What follows, in words.
    pub fn advice(&self) -> String {
        match self {
            Self::Expired { beside: Some(other), .. } => {
                format!("{other} pays the same in its place and may still be mined: see `wallet why {other}`")
            }
            Self::Replaced(rival) if rival.pays_the_same => {
                String::from("that one pays the same, so nothing is left to pay")
            }
            _ => String::from("to pay all the same, send it again"),
        }
    }
}

/// How many more blocks have to come until the block at `height` is buried.
const fn until_buried(height: u64, tip: u64) -> u64 {
    BURIED.saturating_sub(tip.saturating_sub(height).saturating_add(1))
}

/// Judges a payment by what is proven.
pub fn judge(known: &KnownPayment, evidence: &Evidence) -> Outcome {
    if let Some(mined) = &evidence.mined {
        return Outcome::Mined(*mined.get());
    }
    let sender = evidence.sender.get();
    if known.nonce >= sender.nonce {
        let (valid_until, height) = (known.valid_until, sender.height);
        return match until_buried(valid_until, height) {
            _ if valid_until == 0 || valid_until > height || !sender.newest => Outcome::Open(Open::Unused),
            0 => Outcome::Impossible(Impossible::Expired { valid_until, height, beside: evidence.beside }),
            _ => Outcome::Open(Open::Expiring { valid_until, height }),
        };
    }
    match evidence.rival {
        Some(rival) if rival.left() == 0 && sender.newest => Outcome::Impossible(Impossible::Replaced(rival)),
        Some(rival) => Outcome::Open(Open::Overtaken(rival)),
        None => Outcome::Open(Open::NonceUsed),
    }
}

/// An earlier payment of the same amounts to the same receivers that keeps another from being made unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InTheWay {
    /// Which.
    pub txid: TxId,
    /// Why.
    pub why: Hindrance,
}

/// Why an earlier payment keeps another of its kind from being made unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// It may still be mined.
    Open,
    /// It was mined without its owner having been told.
    Mined { height: u64 },
    /// It is over, by blocks that may still be replaced.
    Unsettled { left: u64 },
}

/// What to do about a payment that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Make it, with this nonce.
    Pay { nonce: u64 },
    /// Ask whether it is meant to be a second one: all that are in its way, those that its owner was not told of first.
    Ask(Vec<InTheWay>),
}

/// The sender's payments that matter to a new one, each with what has become of it.
pub struct Book {
    sender: Proven<Sender>,
    payments: Vec<(KnownPayment, Outcome)>,
}

impl Book {
    /// Of `known`, with what has become of each.
    pub fn new(sender: Proven<Sender>, payments: Vec<(KnownPayment, Outcome)>) -> Self {
        Self { sender, payments }
    }

    /// Whether a payment to `outputs` may be made, and where; `pending` is the first nonce that the nodes say is
    /// neither mined nor pooled: other wallets with the same words pay, too.
    pub fn decide(&self, outputs: &[Output], pending: Option<Claimed<u64>>, again: Again) -> Decision {
        self.decide_at(outputs, self.next_nonce(pending, self.expired_place(outputs)), again)
    }

    /// The same for a payment with this nonce: of those that have it, too, at most one is mined, so they are no
    /// hindrance.
    pub fn decide_at(&self, outputs: &[Output], nonce: u64, again: Again) -> Decision {
        let in_the_way = self.in_the_way(outputs, nonce);
        let is_agreed = in_the_way.iter().all(|(known, _)| match again {
            Again::No => false,
            Again::Known => known.reported || known.asked,
            Again::Any => true,
        });
        if is_agreed {
            return Decision::Pay { nonce };
        }
        Decision::Ask(in_the_way.into_iter().map(|(known, why)| InTheWay { txid: known.txid, why }).collect())
    }

    /// The payments to `outputs` that may be mined beside one with this nonce, or were without their owner having been
    /// told: those that it was not told of first.
    fn in_the_way(&self, outputs: &[Output], nonce: u64) -> Vec<(&KnownPayment, Hindrance)> {
        let same = self.payments.iter().filter(|(known, _)| same_purpose(&known.outputs, outputs));
        let others = same.filter(|(known, _)| known.nonce != nonce);
        let mut found: Vec<_> =
            others.filter_map(|(known, outcome)| Some((known, hindrance(outcome, known.reported)?))).collect();
        found.sort_by_key(|(known, _)| known.reported);
        found
    }

    /// The place of the last payment to `outputs` that expired.
    fn expired_place(&self, outputs: &[Output]) -> Option<u64> {
        let same = self.payments.iter().filter(|(known, _)| same_purpose(&known.outputs, outputs));
        let is_expired = |outcome: &Outcome| {
            matches!(outcome, Outcome::Open(Open::Expiring { .. }) | Outcome::Impossible(Impossible::Expired { .. }))
        };
        let expired = same.filter(|(_, outcome)| is_expired(outcome));
        expired.map(|(known, _)| known.nonce).max()
    }

    /// The nonce of a new payment: that of the expired one it is made for, or the first that is free.
    fn next_nonce(&self, pending: Option<Claimed<u64>>, retried: Option<u64>) -> u64 {
        let taken: BTreeSet<u64> = self.open().map(|known| known.nonce).collect();
        if let Some(nonce) = retried.filter(|nonce| !taken.contains(nonce)) {
            return nonce;
        }
        let first = self.sender.get().nonce;
        let claimed = pending.map_or(first, |claimed| *claimed.get());
        let mut nonce = claimed.clamp(first, first.saturating_add(MAX_PER_SENDER));
        while taken.contains(&nonce) {
            nonce = nonce.saturating_add(1);
        }
        nonce
    }

    /// Those that may still be mined.
    fn open(&self) -> impl Iterator<Item = &KnownPayment> {
        let open = self.payments.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Open(Open::Unused)));
        open.map(|(known, _)| known)
    }

    /// What is left of the balance when every open payment is mined; one with the nonce `except` makes way. Of several
    /// with one nonce at most one is mined: the dearest counts.
    pub fn available(&self, except: Option<u64>) -> Amount {
        let mut held: BTreeMap<u64, u64> = BTreeMap::new();
        for known in self.open().filter(|known| Some(known.nonce) != except) {
            let most = held.entry(known.nonce).or_default();
            *most = known.most.max(*most);
        }
        let held = held.values().fold(0, |sum: u64, most| sum.saturating_add(*most));
        Amount::from_pebbles(self.sender.get().balance.pebbles().saturating_sub(held)).unwrap_or(Amount::ZERO)
    }

    /// How many places open payments take.
    pub fn waiting(&self) -> usize {
        self.open().map(|known| known.nonce).collect::<BTreeSet<_>>().len()
    }
}

/// Whether a payment that is so keeps another of its kind from being made unasked.
const fn hindrance(outcome: &Outcome, reported: bool) -> Option<Hindrance> {
    match outcome {
        Outcome::Impossible(_) => None,
        Outcome::Mined(_) if reported => None,
        Outcome::Mined(mined) => Some(Hindrance::Mined { height: mined.height }),
        // The one that took its place counts.
        Outcome::Open(Open::Overtaken(rival)) if rival.pays_the_same => None,
        Outcome::Open(Open::Overtaken(rival)) => Some(Hindrance::Unsettled { left: rival.left() }),
        Outcome::Open(Open::Expiring { valid_until, height }) => {
            Some(Hindrance::Unsettled { left: until_buried(*valid_until, *height) })
        }
        Outcome::Open(_) => Some(Hindrance::Open),
    }
}

/// Another payment of the journal in the place of `known` that pays the same and may still be mined, if only because
/// blocks that are not buried give way to others.
pub fn beside(contents: &Contents, known: &KnownPayment, sender: &Sender) -> Option<TxId> {
    let lives = |payment: &&Payment| payment.valid_until == 0 || until_buried(payment.valid_until, sender.height) > 0;
    let others = contents.payments.iter().filter(|other| other.nonce.0 == known.nonce && other.txid.0 != known.txid);
    let same = |payment: &&Payment| {
        payment.transaction().is_some_and(|transaction| same_purpose(&transaction.body.outputs, &known.outputs))
    };
    others.rev().filter(lives).find(same).map(|other| other.txid.0)
}

/// Whether two payments pay somebody the same amount: then one may have been meant as the other once more.
fn same_purpose(one: &[Output], other: &[Output]) -> bool {
    one.iter().any(|output| other.contains(output))
}

/// The payments of the journal that matter to a new one to `outputs`: those whose nonce is not used yet, and of the
/// same purpose those whose nonce is not settled or that its owner was not told of. Only of those are signatures
/// verified.
pub fn relevant(
    contents: &Contents,
    network: &Network,
    address: &Address,
    sender: &Sender,
    outputs: &[Output],
) -> Vec<KnownPayment> {
    let mut known = Vec::new();
    for payment in &contents.payments {
        let Some(transaction) = payment.transaction() else { continue };
        let one = KnownPayment::new(payment, &transaction, contents);
        let unclear = one.nonce >= sender.settled || !one.reported;
        let matters = one.nonce >= sender.nonce || unclear && same_purpose(&one.outputs, outputs);
        if transaction.body.sender == *address && matters && payment.is_of(address, network) {
            known.push(one);
        }
    }
    known
}

impl KnownPayment {
    /// What the journal knows of a payment.
    pub fn new(payment: &Payment, transaction: &Transaction, contents: &Contents) -> Self {
        let body = &transaction.body;
        Self {
            txid: payment.txid.0,
            nonce: body.nonce,
            outputs: body.outputs.to_vec(),
            most: body.max_cost(),
            valid_until: body.valid_until.get(),
            signed: contents.payment(&payment.txid.0).map_or(0, |payment| payment.time),
            reported: contents.is_reported(&payment.txid.0),
            asked: contents.asked.contains(payment.txid.0.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests;

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
//! | impossible | another payment with its nonce is proven mined, or a proven tip has passed its last block and its nonce is unused | pay anew |
//!
//! # Invariants
//! 1. Nothing but a [`Proven`] moves a payment out of *open*: no refusal, no silence, no "expired" or "dropped" of a node.
//! 2. A payment of the same amounts to the same receivers is not made while an earlier one is open, or was mined
//!    without its owner having been told, unless the owner asks for a second one.
//! 3. A new payment takes no nonce that an open one has. One that is made for an expired payment takes that one's
//!    nonce, so that at most one of the two is ever mined, even if the last blocks are replaced.

use crate::{
    journal::{Contents, Payment},
    proven::fact::{Claimed, Proven},
};
use cairn_genesis::Network;
use cairn_ledger::{
    hash::{BlockId, TxId},
    keys::Address,
    transaction::{Output, Transaction},
    units::Amount,
};
use std::collections::{BTreeMap, BTreeSet};

/// How far beyond the proven nonce a node's word about payments that wait is followed: a pool takes no more than 64 of
/// a sender (`max_per_sender`).
const MAX_PENDING: u64 = 64;

/// The sender's account at a tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The tip's height.
    pub height: u64,
    /// The first nonce that is not mined.
    pub nonce: u64,
    /// The money.
    pub balance: Amount,
    /// Whether this wallet has proven no chain with more work: an older tip, or a branch that was left, closes nothing.
    pub newest: bool,
}

/// Where a payment was mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mined {
    /// The block.
    pub block: BlockId,
    /// Its height.
    pub height: u64,
    /// From that block to the tip, both counted.
    pub confirmations: u64,
}

/// What is known of a payment of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
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
    pub told: bool,
}

/// What is proven about one payment, all of it under one tip.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// The sender.
    pub sender: Proven<Sender>,
    /// The payment itself in a block.
    pub mined: Option<Proven<Mined>>,
    /// Another payment of the sender with the same nonce in a block.
    pub rival: Option<(TxId, Proven<Mined>)>,
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
}

/// Why a payment can never be mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// Another payment took its nonce.
    #[error("another payment with its nonce, {by}, is in block {height}")]
    Replaced {
        /// Which.
        by: TxId,
        /// In which block.
        height: u64,
    },
    /// Its last block has passed, and its nonce is unused.
    #[error(
        "it expired: it could be mined until block {valid_until}, the tip is block {height}, and its nonce is unused"
    )]
    Expired {
        /// Its last height.
        valid_until: u64,
        /// The tip's height.
        height: u64,
    },
}

/// Judges a payment by what is proven.
pub fn judge(known: &Known, evidence: &Evidence) -> Outcome {
    if let Some(mined) = &evidence.mined {
        return Outcome::Mined(*mined.get());
    }
    let sender = evidence.sender.get();
    let expired = known.valid_until != 0 && known.valid_until <= sender.height;
    match &evidence.rival {
        _ if known.nonce >= sender.nonce && expired && sender.newest => {
            Outcome::Impossible(Impossible::Expired { valid_until: known.valid_until, height: sender.height })
        }
        _ if known.nonce >= sender.nonce => Outcome::Open(Open::Unused),
        Some((by, rival)) if sender.newest => {
            Outcome::Impossible(Impossible::Replaced { by: *by, height: rival.get().height })
        }
        _ => Outcome::Open(Open::NonceUsed),
    }
}

/// An earlier payment of the same amounts to the same receivers that keeps another from being made unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InTheWay {
    /// Which.
    pub txid: TxId,
    /// The block it is in, when it was mined without its owner having been told.
    pub mined: Option<u64>,
}

/// What to do about a payment that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Make it, with this nonce.
    Pay {
        /// Its place.
        nonce: u64,
    },
    /// Ask whether it is meant to be a second one: all that are in its way, those that its owner was not told of first.
    Ask(Vec<InTheWay>),
}

/// The sender's payments that matter to a new one, each with what has become of it.
pub struct Book {
    sender: Proven<Sender>,
    payments: Vec<(Known, Outcome)>,
}

impl Book {
    /// Of `known`, with what has become of each.
    pub fn new(sender: Proven<Sender>, payments: Vec<(Known, Outcome)>) -> Self {
        Self { sender, payments }
    }

    /// Whether a payment to `outputs` may be made, and where; `pending` is the first nonce that the nodes say is
    /// neither mined nor pooled: other wallets with the same words pay, too.
    pub fn decide(&self, outputs: &[Output], pending: Option<Claimed<u64>>, again: bool) -> Decision {
        let in_the_way = self.in_the_way(outputs, None);
        if again || in_the_way.is_empty() {
            return Decision::Pay { nonce: self.next_nonce(pending, self.expired_place(outputs)) };
        }
        Decision::Ask(in_the_way)
    }

    /// The same for a payment that takes the place of another: those in that place are no hindrance.
    pub fn decide_at(&self, outputs: &[Output], nonce: u64, again: bool) -> Decision {
        let in_the_way = self.in_the_way(outputs, Some(nonce));
        if again || in_the_way.is_empty() { Decision::Pay { nonce } } else { Decision::Ask(in_the_way) }
    }

    /// The payments to `outputs` that may be mined beside another, or were without their owner having been told.
    fn in_the_way(&self, outputs: &[Output], except: Option<u64>) -> Vec<InTheWay> {
        let same = self.payments.iter().filter(|(known, _)| same_purpose(&known.outputs, outputs));
        let mut found = Vec::new();
        for (Known { txid, told, .. }, outcome) in same.filter(|(known, _)| Some(known.nonce) != except) {
            match outcome {
                Outcome::Impossible(_) => {}
                Outcome::Mined(_) | Outcome::Open(Open::NonceUsed) if *told => {}
                Outcome::Mined(mined) => found.push((told, InTheWay { txid: *txid, mined: Some(mined.height) })),
                Outcome::Open(_) => found.push((told, InTheWay { txid: *txid, mined: None })),
            }
        }
        found.sort_by_key(|(told, _)| **told);
        found.into_iter().map(|(_, one)| one).collect()
    }

    /// The place of the last payment to `outputs` that expired.
    fn expired_place(&self, outputs: &[Output]) -> Option<u64> {
        let same = self.payments.iter().filter(|(known, _)| same_purpose(&known.outputs, outputs));
        let expired = same.filter(|(_, outcome)| matches!(outcome, Outcome::Impossible(Impossible::Expired { .. })));
        expired.map(|(known, _)| known.nonce).max()
    }

    /// The nonce of a new payment: that of the expired one it is made for, or the first that is free.
    fn next_nonce(&self, pending: Option<Claimed<u64>>, retried: Option<u64>) -> u64 {
        let taken: BTreeSet<u64> = self.open().map(|known| known.nonce).collect();
        if let Some(nonce) = retried.filter(|nonce| !taken.contains(nonce)) {
            return nonce;
        }
        let first = self.sender.get().nonce;
        let said = pending.map_or(first, |said| *said.said());
        let mut nonce = said.clamp(first, first.saturating_add(MAX_PENDING));
        while taken.contains(&nonce) {
            nonce = nonce.saturating_add(1);
        }
        nonce
    }

    /// Those that may still be mined.
    fn open(&self) -> impl Iterator<Item = &Known> {
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

/// Whether two payments pay somebody the same amount: then one may have been meant as the other once more.
fn same_purpose(one: &[Output], other: &[Output]) -> bool {
    one.iter().any(|output| other.contains(output))
}

/// The payments of the journal that matter to a new one to `outputs`: those whose nonce is not used yet, and earlier
/// ones of the same purpose that its owner was not told of. Only of those are signatures verified.
pub fn relevant(
    contents: &Contents,
    (address, network): (&Address, &Network),
    sender: &Sender,
    outputs: &[Output],
) -> Vec<Known> {
    let mut known = Vec::new();
    for payment in &contents.payments {
        let Some(transaction) = payment.transaction() else { continue };
        let one = Known::new(payment, &transaction, contents);
        let matters = one.nonce >= sender.nonce || !one.told && same_purpose(&one.outputs, outputs);
        if transaction.body.sender == *address && matters && payment.is_of(address, network) {
            known.push(one);
        }
    }
    known
}

impl Known {
    /// What the journal knows of a payment.
    pub fn new(payment: &Payment, transaction: &Transaction, contents: &Contents) -> Self {
        let body = &transaction.body;
        Self {
            txid: payment.txid.0,
            nonce: body.nonce,
            outputs: body.outputs.to_vec(),
            most: body.most(),
            valid_until: body.valid_until.get(),
            signed: contents.payment(&payment.txid.0).map_or(0, |payment| payment.time),
            told: contents.is_told(&payment.txid.0),
        }
    }
}

#[cfg(test)]
mod tests;

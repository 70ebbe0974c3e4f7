//! Why a payment is where it is, and what mends it: pure. What is proven decides whether it is over; of one that is
//! open the nodes say what holds it up, and all that is advised on their word leaves at most one payment to be mined.

use super::state::{Impossible, Open, Outcome};
use super::status::counted;
use crate::node::{Mined, Sender};
use cairn_ledger::{Amount, Transaction, TxId};
use cairn_rpc::{TxState, TxStatus, types::AccountJson};

/// Everything a judgement needs.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The payment.
    pub transaction: &'a Transaction,
    /// What is proven to have become of it.
    pub outcome: Outcome,
    /// The sender, as is proven.
    pub sender: &'a Sender,
    /// What the nodes say about it.
    pub status: &'a TxStatus,
    /// What a node says about the sender.
    pub account: &'a AccountJson,
    /// The least fee a pool takes, in pebbles a byte.
    pub min_fee_rate: u64,
}

/// Where a payment is and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// In a block.
    #[error("it is in block {height}; {} it, its own counted", confirmed(*confirmations))]
    Mined { height: u64, confirmations: u64 },
    /// Its nonce is used: it can never be mined.
    #[error("another payment with its nonce {nonce}, {rival}, is in block {height}, so this one can never be")]
    NonceUsed { nonce: u64, rival: TxId, height: u64 },
    /// A payment that pays the same took its place.
    #[error(
        "the payment {rival}, which pays the same in its place (nonce {nonce}), is in block {height}: nothing is left to \
         pay"
    )]
    PaidInstead { nonce: u64, rival: TxId, height: u64 },
    /// Its nonce is used, in a block that may still be replaced.
    #[error(
        "another payment with its nonce {nonce}, {rival}, is in block {height}, and the last blocks may still be replaced: \
         nothing is sent again before {} confirm that",
        counted(*left, "more block")
    )]
    Overtaken { nonce: u64, rival: TxId, height: u64, left: u64 },
    /// Its nonce is used, and nobody proves by which payment.
    #[error(
        "a payment with its nonce {nonce} is in a block, and no node proves which: it may be this one, so nothing is sent \
         again; ask another node with --node"
    )]
    NonceUnproven { nonce: u64 },
    /// A node says that it is in a block, and does not prove it.
    #[error("it is in a block, a node says, and it is not proven yet: ask again once more blocks have come")]
    Unproven,
    /// Its last block is buried: it can never be mined.
    #[error("it expired: it could be mined until block {valid_until}, and the tip is block {height}")]
    Expired { valid_until: u64, height: u64 },
    /// The same, and another in its place pays the same.
    #[error(
        "it expired at block {valid_until}; the payment {other}, which pays the same in its place, may still be mined"
    )]
    ExpiredBeside { valid_until: u64, other: TxId },
    /// Its last block has passed, and may still be replaced.
    #[error(
        "it could be mined until block {valid_until}, and the tip is block {height}: the last blocks may still be replaced, \
         so it is paid anew in its own place"
    )]
    Expiring { valid_until: u64, height: u64 },
    /// The node does not have it.
    #[error("no node that was asked has it{}", reason.as_deref().map(|why| format!(" any more: {why}")).unwrap_or_default())]
    Absent { reason: Option<String> },
    /// An earlier nonce is nowhere: nothing after it is mined before it is filled.
    #[error(
        "it waits for the nonce {missing}, which no payment the node knows has: a gap before its own nonce {nonce}"
    )]
    Gap { missing: u64, nonce: u64 },
    /// More than the sender has.
    #[error("the sender has {have}, less than the {need} it needs (in CRN)")]
    NotEnough { have: Amount, need: Amount },
    /// Others of the same sender come first.
    #[error("it waits for {before} earlier payments of the same sender")]
    Queued { before: u64 },
    /// It pays less than gets in now.
    #[error("it pays {got} pebbles for its {bytes} bytes, and the pool is so full that it takes {least} or more now")]
    Cheap { got: u64, bytes: u64, least: u64 },
    /// Nothing is wrong.
    #[error("it is in the pool and the next block may hold it{}", until(*left))]
    Waiting { left: Option<u64> },
}

fn until(left: Option<u64>) -> String {
    left.map(|left| format!("; it may be mined in the next {left} blocks")).unwrap_or_default()
}

fn confirmed(count: u64) -> String {
    if count == 1 { String::from("1 block confirms") } else { format!("{count} blocks confirm") }
}

impl Cause {
    /// The cause in one word, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Mined { .. } => "mined",
            Self::NonceUsed { .. } => "nonce_used",
            Self::PaidInstead { .. } => "paid_instead",
            Self::Overtaken { .. } => "overtaken",
            Self::NonceUnproven { .. } => "nonce_unproven",
            Self::Unproven => "unproven",
            Self::Expired { .. } | Self::ExpiredBeside { .. } => "expired",
            Self::Expiring { .. } => "expiring",
            Self::Absent { .. } => "absent",
            Self::Gap { .. } => "gap",
            Self::NotEnough { .. } => "not_enough_money",
            Self::Queued { .. } => "queued",
            Self::Cheap { .. } => "cheap",
            Self::Waiting { .. } => "waiting",
        }
    }

    /// The payment that the remedy is about, where it is another one.
    pub fn other(&self) -> Option<TxId> {
        match self {
            Self::ExpiredBeside { other, .. } => Some(*other),
            _ => None,
        }
    }

    /// The command that mends it; none when nothing has to be done.
    pub fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::Mined { .. } | Self::PaidInstead { .. } | Self::Queued { .. } | Self::Waiting { .. } => return None,
            Self::NonceUnproven { .. } | Self::Overtaken { .. } | Self::Unproven | Self::ExpiredBeside { .. } => "why",
            // Proven to be over.
            Self::NonceUsed { .. } | Self::Expired { .. } => "send",
            Self::Absent { .. } => "resend",
            Self::Gap { .. } => "repair",
            Self::NotEnough { .. } => "cancel",
            Self::Cheap { .. } | Self::Expiring { .. } => "bump",
        })
    }
}

/// Judges a payment: what is proven first, then what keeps it from the next block, nearest cause first.
pub fn diagnose(facts: &Facts<'_>) -> Cause {
    let nonce = facts.transaction.body.nonce;
    match facts.outcome {
        Outcome::Mined(Mined { height, confirmations, .. }) => Cause::Mined { height, confirmations },
        Outcome::Impossible(Impossible::Replaced(rival)) | Outcome::Open(Open::Overtaken(rival)) => {
            let (rival, height, left, paid) = (rival.txid, rival.height(), rival.left(), rival.pays_the_same);
            match facts.outcome {
                _ if paid => Cause::PaidInstead { nonce, rival, height },
                Outcome::Open(_) => Cause::Overtaken { nonce, rival, height, left },
                _ => Cause::NonceUsed { nonce, rival, height },
            }
        }
        Outcome::Impossible(Impossible::Expired { valid_until, beside: Some(other), .. }) => {
            Cause::ExpiredBeside { valid_until, other }
        }
        Outcome::Impossible(Impossible::Expired { valid_until, height, .. }) => Cause::Expired { valid_until, height },
        Outcome::Open(Open::Expiring { valid_until, height }) => Cause::Expiring { valid_until, height },
        Outcome::Open(Open::NonceUsed) => Cause::NonceUnproven { nonce },
        Outcome::Open(Open::Unused) => held_up(facts),
    }
}

/// What keeps an open payment from the next block, as the nodes say.
fn held_up(facts: &Facts<'_>) -> Cause {
    let Facts { transaction, status, account, sender, .. } = *facts;
    let body = &transaction.body;
    let (nonce, valid_until) = (body.nonce, body.valid_until.get());
    if status.state == TxState::Mined {
        return Cause::Unproven;
    }
    if status.state != TxState::Pooled {
        return Cause::Absent { reason: status.reason.clone() };
    }
    if account.pending.nonce.0 < nonce {
        return Cause::Gap { missing: account.pending.nonce.0.max(sender.nonce), nonce };
    }
    let need = Amount::from_pebbles(body.max_cost()).unwrap_or(Amount::MAX);
    if need > sender.balance {
        return Cause::NotEnough { have: sender.balance, need };
    }
    let (got, bytes) = (body.fee.pebbles(), transaction.size() as u64);
    let least = bytes.saturating_mul(facts.min_fee_rate);
    if got < least {
        return Cause::Cheap { got, bytes, least };
    }
    match nonce.saturating_sub(sender.nonce) {
        0 => Cause::Waiting { left: (valid_until != 0).then(|| valid_until.saturating_sub(sender.height)) },
        before => Cause::Queued { before },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{node::Proven, payment::state::Rival};
    use cairn_ledger::codec::{BoundedBytes, BoundedVec};
    use cairn_ledger::transaction::{Output, TRANSACTION_VERSION};
    use cairn_ledger::{BlockId, Height, SecretKey, TransactionBody};
    use cairn_rpc::{Pebbles, Text, types::PendingJson};

    fn transaction(nonce: u64) -> Transaction {
        let key = SecretKey::from_bytes(&[1; 32]).expect("a key");
        let pebbles = |pebbles| Amount::from_pebbles(pebbles).expect("an amount");
        let body = TransactionBody {
            version: TRANSACTION_VERSION,
            sender: key.address(),
            nonce,
            fee: pebbles(200),
            max_price: pebbles(50),
            valid_until: Height::new(120),
            outputs: BoundedVec::new(vec![Output { to: key.address(), amount: pebbles(1_000) }]).expect("one"),
            memo: BoundedBytes::new(Vec::new()).expect("none"),
        };
        body.sign(&key, &BlockId::from_bytes([7; 32]), &[0; 32])
    }

    /// An open payment with nonce 7 in the pool, with every change a test makes to the facts.
    fn cause(change: impl FnOnce(&mut TxStatus, &mut AccountJson, &mut Sender, &mut Outcome, &mut u64)) -> Cause {
        let transaction = transaction(7);
        let mut status = TxStatus {
            txid: Text(transaction.id()),
            state: TxState::Pooled,
            block: None,
            height: None,
            confirmations: 0,
            reason: None,
        };
        let balance = Amount::from_pebbles(10_000).expect("an amount");
        let mut account = AccountJson {
            address: String::new(),
            exists: true,
            balance: Pebbles(balance),
            nonce: Text(7),
            pending: PendingJson { balance: Pebbles(balance), nonce: Text(8), count: 1 },
            height: 100,
            block: Text(BlockId::from_bytes([0; 32])),
        };
        let mut sender = Sender { height: 100, nonce: 7, settled: 7, balance, newest: true };
        let (mut outcome, mut min_fee_rate) = (Outcome::Open(Open::Unused), 1);
        change(&mut status, &mut account, &mut sender, &mut outcome, &mut min_fee_rate);
        let (transaction, status, account) = (&transaction, &status, &account);
        diagnose(&Facts { transaction, outcome, sender: &sender, status, account, min_fee_rate })
    }

    #[test]
    fn each_cause_is_told_from_the_others_with_its_remedy() {
        let crn = |pebbles| Amount::from_pebbles(pebbles).expect("an amount");
        let block = BlockId::from_bytes([0; 32]);
        let mined = Outcome::Mined(Mined { block, height: 90, confirmations: 11 });
        let rival = |confirmations, pays_the_same| Rival {
            txid: TxId::from_bytes([9; 32]),
            mined: Proven::for_test(Mined { block, height: 90, confirmations }),
            pays_the_same,
        };
        let replaced = |same| Outcome::Impossible(Impossible::Replaced(rival(11, same)));
        let overtaken = |same| Outcome::Open(Open::Overtaken(rival(2, same)));
        let by = TxId::from_bytes([9; 32]);
        let expired = |beside| Outcome::Impossible(Impossible::Expired { valid_until: 120, height: 125, beside });
        let expiring = Outcome::Open(Open::Expiring { valid_until: 120, height: 124 });
        for (cause, kind, remedy) in [
            (cause(|_, _, _, _, _| {}), "waiting", None),
            (cause(|_, _, _, outcome, _| *outcome = mined), "mined", None),
            (cause(|_, _, _, outcome, _| *outcome = replaced(false)), "nonce_used", Some("send")),
            (cause(|_, _, _, outcome, _| *outcome = replaced(true)), "paid_instead", None),
            (cause(|_, _, _, outcome, _| *outcome = overtaken(false)), "overtaken", Some("why")),
            (cause(|_, _, _, outcome, _| *outcome = overtaken(true)), "paid_instead", None),
            (cause(|_, _, _, outcome, _| *outcome = expired(None)), "expired", Some("send")),
            (cause(|_, _, _, outcome, _| *outcome = expired(Some(by))), "expired", Some("why")),
            (cause(|_, _, _, outcome, _| *outcome = expiring), "expiring", Some("bump")),
            (cause(|_, _, _, outcome, _| *outcome = Outcome::Open(Open::NonceUsed)), "nonce_unproven", Some("why")),
            (
                cause(|_, account, sender, _, _| {
                    (account.pending.nonce, sender.nonce) = (Text(5), 5);
                }),
                "gap",
                Some("repair"),
            ),
            (cause(|_, _, sender, _, _| sender.balance = crn(1_249)), "not_enough_money", Some("cancel")),
            (cause(|_, _, _, _, rate| *rate = 2), "cheap", Some("bump")),
            (cause(|_, _, sender, _, _| sender.nonce = 5), "queued", None),
        ] {
            assert_eq!((cause.kind(), cause.remedy()), (kind, remedy), "{cause}");
        }
        // The control: exactly enough money.
        assert_eq!(cause(|_, _, sender, _, _| sender.balance = crn(1_250)).kind(), "waiting");
    }

    /// The attack: a node that says that a payment is over. On its word alone nobody is told to pay again.
    #[test]
    fn no_word_of_a_node_ends_in_another_payment() {
        for state in [TxState::Mined, TxState::Pooled, TxState::Unknown, TxState::Dropped, TxState::Expired] {
            for (nonce, pending) in [(0, 0), (7, 7), (8, 8), (1_000, 1_000), (0, u64::MAX)] {
                for height in [0, 119, 120, u64::MAX] {
                    let told = cause(|status, account, _, _, rate| {
                        status.state = state;
                        (account.nonce, account.pending.nonce) = (Text(nonce), Text(pending));
                        (account.height, *rate) = (height, 2);
                        account.balance = Pebbles(Amount::ZERO);
                    });
                    assert_ne!(told.remedy(), Some("send"), "{state:?} {nonce} {pending} {height}: {told}");
                }
            }
        }
    }
}

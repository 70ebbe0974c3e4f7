//! Why a payment is where it is, and what mends it: pure. The node's answers and the journal come in.

use cairn_ledger::{hash::TxId, transaction::Transaction, units::Amount};
use cairn_rpc::types::{AccountJson, TxState, TxStatus};

/// A pool takes only what can still be mined for so many blocks (docs/protocol.md, section 3).
pub const LIFETIME_BLOCKS: u64 = 4;

/// Everything a judgement needs.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The payment.
    pub transaction: &'a Transaction,
    /// What the node says about it.
    pub status: &'a TxStatus,
    /// The sender.
    pub account: &'a AccountJson,
    /// The height of the tip.
    pub height: u64,
    /// The least fee the pool takes, in pebbles a byte.
    pub min_fee_rate: u64,
    /// Another payment of the journal with the same nonce that was mined.
    pub rival: Option<TxId>,
}

/// Where a payment is and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// In a block.
    #[error("it is in block {height}; {confirmations} blocks confirm it, its own counted")]
    Mined {
        /// The block's height.
        height: u64,
        /// From that block to the tip, both counted.
        confirmations: u64,
    },
    /// Its nonce is used: it can never be mined.
    #[error("another payment with its nonce {nonce} was mined{}, so this one can never be", by(.rival.as_ref()))]
    NonceUsed {
        /// The nonce.
        nonce: u64,
        /// The other payment, when the journal has it.
        rival: Option<TxId>,
    },
    /// Its last height has passed: it can never be mined.
    #[error("it expired: it could be mined until block {valid_until}, and the tip is block {height}")]
    Expired {
        /// Its last height.
        valid_until: u64,
        /// The tip's height.
        height: u64,
    },
    /// The node does not have it.
    #[error("the node does not have it{}", reason.as_deref().map(|why| format!(" any more: {why}")).unwrap_or_default())]
    Absent {
        /// Why the node dropped it.
        reason: Option<String>,
    },
    /// An earlier nonce is nowhere: nothing after it is mined before it is filled.
    #[error(
        "it waits for the nonce {missing}, which no payment the node knows has: a gap before its own nonce {nonce}"
    )]
    Gap {
        /// The first nonce nobody has.
        missing: u64,
        /// The payment's.
        nonce: u64,
    },
    /// More than the sender has.
    #[error("the sender has {have}, less than the {need} it needs (in CRN)")]
    NotEnough {
        /// The balance.
        have: Amount,
        /// Amounts, fee, and the most that new accounts may cost, in CRN.
        need: Amount,
    },
    /// Others of the same sender come first.
    #[error("it waits for {before} earlier payments of the same sender")]
    Queued {
        /// How many.
        before: u64,
    },
    /// It pays less than gets in now.
    #[error("it pays {got} pebbles for its {bytes} bytes, and the pool is so full that it takes {least} or more now")]
    Cheap {
        /// Its fee.
        got: u64,
        /// Its size.
        bytes: u64,
        /// The least fee for its size.
        least: u64,
    },
    /// Nothing is wrong.
    #[error("it is in the pool and the next block may hold it{}", until(*left))]
    Waiting {
        /// For how many more blocks it may be mined; `None` for ever.
        left: Option<u64>,
    },
}

/// What mends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing has to be done.
    Nothing,
    /// Hand it over again.
    Resend,
    /// Fill the gap.
    Repair,
    /// Pay more, or for longer.
    Bump,
    /// Make a new payment: this one is over.
    SendAgain,
    /// Cancel it, or wait for money.
    Cancel,
}

fn by(rival: Option<&TxId>) -> String {
    match rival {
        Some(rival) => format!(" ({rival})"),
        None => String::from(" (this journal does not have it: another wallet with the same words may have sent it)"),
    }
}

fn until(left: Option<u64>) -> String {
    left.map(|left| format!("; it may be mined in the next {left} blocks")).unwrap_or_default()
}

impl Cause {
    /// The cause in one word, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Mined { .. } => "mined",
            Self::NonceUsed { .. } => "nonce_used",
            Self::Expired { .. } => "expired",
            Self::Absent { .. } => "absent",
            Self::Gap { .. } => "gap",
            Self::NotEnough { .. } => "not_enough_money",
            Self::Queued { .. } => "queued",
            Self::Cheap { .. } => "cheap",
            Self::Waiting { .. } => "waiting",
        }
    }

    /// What mends it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Mined { .. } | Self::Queued { .. } | Self::Waiting { .. } => Remedy::Nothing,
            Self::NonceUsed { .. } | Self::Expired { .. } => Remedy::SendAgain,
            Self::Absent { .. } => Remedy::Resend,
            Self::Gap { .. } => Remedy::Repair,
            Self::NotEnough { .. } => Remedy::Cancel,
            Self::Cheap { .. } => Remedy::Bump,
        }
    }
}

/// Judges a payment: what is final first, then what keeps it from the next block, nearest cause first.
pub fn diagnose(facts: &Facts<'_>) -> Cause {
    let Facts { transaction, status, account, height, .. } = *facts;
    let body = &transaction.body;
    let (nonce, valid_until) = (body.nonce, body.valid_until.get());
    if status.state == TxState::Mined {
        return Cause::Mined { height: status.height.unwrap_or(height), confirmations: status.confirmations };
    }
    if nonce < account.nonce.0 {
        return Cause::NonceUsed { nonce, rival: facts.rival };
    }
    if status.state == TxState::Expired || valid_until != 0 && valid_until <= height {
        return Cause::Expired { valid_until, height };
    }
    if status.state != TxState::Pooled {
        return Cause::Absent { reason: status.reason.clone() };
    }
    if account.pending.nonce.0 < nonce {
        return Cause::Gap { missing: account.pending.nonce.0, nonce };
    }
    let need = Amount::from_pebbles(body.most()).unwrap_or(Amount::MAX);
    if need > account.balance.0 {
        return Cause::NotEnough { have: account.balance.0, need };
    }
    let (got, bytes) = (body.fee.pebbles(), transaction.size() as u64);
    let least = bytes.saturating_mul(facts.min_fee_rate);
    if got < least {
        return Cause::Cheap { got, bytes, least };
    }
    match nonce.saturating_sub(account.nonce.0) {
        0 => Cause::Waiting { left: (valid_until != 0).then(|| valid_until.saturating_sub(height)) },
        before => Cause::Queued { before },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::{
        codec::{BoundedBytes, BoundedVec},
        hash::BlockId,
        keys::SecretKey,
        transaction::{Output, TRANSACTION_VERSION, TransactionBody},
        units::Height,
    };
    use cairn_rpc::{
        text::{Pebbles, Text},
        types::PendingJson,
    };

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

    /// A payment with nonce 7 in the pool, with every change a test makes to the facts.
    fn cause(change: impl FnOnce(&mut TxStatus, &mut AccountJson, &mut u64, &mut u64)) -> Cause {
        let transaction = transaction(7);
        let mut status = TxStatus {
            txid: Text(transaction.id()),
            state: TxState::Pooled,
            block: None,
            height: None,
            confirmations: 0,
            reason: None,
        };
        let balance = Pebbles(Amount::from_pebbles(10_000).expect("an amount"));
        let mut account = AccountJson {
            address: String::new(),
            exists: true,
            balance,
            nonce: Text(7),
            pending: PendingJson { balance, nonce: Text(8), count: 1 },
            height: 100,
            block: Text(BlockId::from_bytes([0; 32])),
        };
        let (mut height, mut min_fee_rate) = (100, 1);
        change(&mut status, &mut account, &mut height, &mut min_fee_rate);
        let rival = None;
        diagnose(&Facts { transaction: &transaction, status: &status, account: &account, height, min_fee_rate, rival })
    }

    #[test]
    fn each_cause_is_told_from_the_others_with_its_remedy() {
        let balance = |pebbles| Pebbles(Amount::from_pebbles(pebbles).expect("an amount"));
        for (cause, kind, remedy) in [
            (cause(|_, _, _, _| {}), "waiting", Remedy::Nothing),
            (cause(|status, _, _, _| status.state = TxState::Mined), "mined", Remedy::Nothing),
            (cause(|status, _, _, _| status.state = TxState::Expired), "expired", Remedy::SendAgain),
            (cause(|_, _, height, _| *height = 120), "expired", Remedy::SendAgain),
            (cause(|_, account, _, _| account.nonce = Text(8)), "nonce_used", Remedy::SendAgain),
            (cause(|status, _, _, _| status.state = TxState::Unknown), "absent", Remedy::Resend),
            (cause(|status, _, _, _| status.state = TxState::Dropped), "absent", Remedy::Resend),
            (
                cause(|_, account, _, _| (account.nonce, account.pending.nonce) = (Text(5), Text(5))),
                "gap",
                Remedy::Repair,
            ),
            (cause(|_, account, _, _| account.balance = balance(1_249)), "not_enough_money", Remedy::Cancel),
            (cause(|_, _, _, rate| *rate = 2), "cheap", Remedy::Bump),
            (cause(|_, account, _, _| account.nonce = Text(5)), "queued", Remedy::Nothing),
        ] {
            assert_eq!((cause.kind(), cause.remedy()), (kind, remedy), "{cause}");
        }
        // The controls: exactly enough money, and the last block before the last height.
        assert_eq!(cause(|_, account, _, _| account.balance = balance(1_250)).kind(), "waiting");
        assert_eq!(cause(|_, _, height, _| *height = 119), Cause::Waiting { left: Some(1) });
    }
}

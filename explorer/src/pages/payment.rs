//! A payment.

use super::{Id, Moment, Money, Shell};
use crate::format::{self, Memo};
use askama::Template;
use cairn_rpc::types::{TransactionInfo, TxState, TxStatus};

/// What is known of a payment.
#[derive(Debug)]
pub enum Found {
    /// It is in a block, made at that time, or waits in the pool.
    Here(Box<TransactionInfo>, Option<u64>),
    /// It is neither; perhaps it was in the pool.
    Gone(TxStatus),
}

/// `/tx/…`.
#[derive(Template)]
#[template(path = "payment.html")]
pub struct PaymentPage {
    /// What stands around it.
    pub shell: Shell,
    /// Its id.
    pub txid: Id,
    /// What is known of it.
    pub found: Found,
}

impl PaymentPage {
    fn state(&self) -> TxState {
        match &self.found {
            Found::Here(info, _) => info.state,
            Found::Gone(status) => status.state,
        }
    }

    /// One word, for scripts and the style sheet.
    fn state_name(&self) -> &'static str {
        match self.state() {
            TxState::Unknown => "unknown",
            TxState::Pooled => "pooled",
            TxState::Mined => "mined",
            TxState::Dropped => "dropped",
            TxState::Expired => "expired",
        }
    }

    fn confirmations(&self) -> u64 {
        match &self.found {
            Found::Here(info, _) => info.confirmations,
            Found::Gone(_) => 0,
        }
    }

    /// Whether the page says the same for ever.
    pub fn is_buried(&self) -> bool {
        self.confirmations() > super::BURIED
    }

    fn confirmed(&self) -> String {
        format::grouped(self.confirmations())
    }

    /// Why it is not there.
    fn reason(&self) -> String {
        let (state, reason) = match &self.found {
            Found::Here(..) => return String::new(),
            Found::Gone(status) => (status.state, status.reason.as_deref()),
        };
        match (state, reason) {
            (TxState::Expired, _) => {
                String::from("The last block it might be mined in has passed: it is void, and nothing was paid.")
            }
            (TxState::Dropped, Some(reason)) => {
                format!("This node dropped it from its pool: {}.", format::in_short(reason))
            }
            (TxState::Dropped, None) => String::from("This node dropped it from its pool."),
            _ => String::from("This node knows no payment with this id. It may not have come here yet."),
        }
    }

    fn time(&self) -> Option<Moment> {
        match &self.found {
            Found::Here(_, time) => time.map(Moment),
            Found::Gone(_) => None,
        }
    }

    fn block(&self) -> Option<(Id, u64)> {
        let Found::Here(info, _) = &self.found else { return None };
        info.block.zip(info.height).map(|(block, height)| (Id::block(block.0), height))
    }

    fn shown(&self) -> Option<PaymentDetails<'_>> {
        let Found::Here(info, _) = &self.found else { return None };
        Some(PaymentDetails { info })
    }
}

/// What a payment says itself.
struct PaymentDetails<'a> {
    info: &'a TransactionInfo,
}

impl PaymentDetails<'_> {
    fn from(&self) -> Id {
        Id::address(&self.info.transaction.sender)
    }

    fn outputs(&self) -> Vec<(Id, Money)> {
        let outputs = self.info.transaction.outputs.iter();
        outputs.map(|output| (Id::address(&output.to), Money(output.amount.0))).collect()
    }

    fn amount(&self) -> Money {
        super::PaymentRow::new(&self.info.transaction).amount
    }

    fn fee(&self) -> Money {
        Money(self.info.transaction.fee.0)
    }

    fn fee_rate(&self) -> String {
        super::PaymentRow::new(&self.info.transaction).fee_rate()
    }

    fn max_price(&self) -> Money {
        Money(self.info.transaction.max_price.0)
    }

    fn nonce(&self) -> u64 {
        self.info.transaction.nonce.0
    }

    fn valid_until(&self) -> Option<u64> {
        Some(self.info.transaction.valid_until).filter(|height| *height > 0)
    }

    fn size(&self) -> String {
        format::bytes(self.info.transaction.size)
    }

    fn memo(&self) -> Memo {
        Memo::of(&self.info.transaction.memo.0)
    }

    fn memo_hex(&self) -> String {
        hex::encode(&self.info.transaction.memo.0)
    }

    fn signature(&self) -> &str {
        &self.info.transaction.signature
    }

    fn raw(&self) -> String {
        hex::encode(&self.info.transaction.raw.0)
    }
}

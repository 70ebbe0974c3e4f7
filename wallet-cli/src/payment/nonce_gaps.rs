//! Which nonces of a sender are missing, and what to put there: pure.
//!
//! Payments are mined in the order of their nonces. One that was lost on its way holds up all after it: the
//! wallet hands it over again while it can still be mined, and otherwise puts a payment to itself in its
//! place.

use cairn_ledger::TxId;
use cairn_rpc::policy::{LIFETIME_BLOCKS, MAX_PER_SENDER};
use std::collections::BTreeMap;

/// A payment of the journal, and what the node knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusedPayment {
    /// Its place.
    pub nonce: u64,
    /// Its id.
    pub txid: TxId,
    /// Whether the node has it in its pool.
    pub pooled: bool,
    /// The last height at which it may be mined; 0 for no limit.
    pub valid_until: u64,
    /// Whether a node refused it: then it left only if its owner says so again.
    pub refused: bool,
}

/// What to do for one nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hand this payment over again.
    Resend { nonce: u64, txid: TxId },
    /// Pay oneself, so that what comes after can be mined.
    Fill { nonce: u64 },
}

/// What the node says about the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolView {
    /// The first nonce that is not mined.
    pub nonce: u64,
    /// The first nonce neither mined nor pooled.
    pub missing: u64,
    /// How many payments are in the pool.
    pub pooled: u64,
    /// The height of the tip.
    pub height: u64,
}

/// The steps, in the order of their nonces; none when nothing is missing.
pub fn plan(sender: &PoolView, known: &[UnusedPayment]) -> Vec<Step> {
    let end = sender.nonce.saturating_add(MAX_PER_SENDER);
    let own = known.iter().filter(|payment| (sender.nonce..end).contains(&payment.nonce));
    // Of several with one nonce the pooled one counts, then the newest that can still be mined.
    let mut by_nonce: BTreeMap<u64, UnusedPayment> = BTreeMap::new();
    for payment in own.filter(|payment| payment.pooled || can_be_mined(payment, sender.height)) {
        let slot = by_nonce.entry(payment.nonce).or_insert(*payment);
        if !slot.pooled {
            *slot = *payment;
        }
    }
    let last_known = by_nonce.keys().next_back().map_or(sender.nonce, |nonce| nonce.saturating_add(1));
    // The pool's first stretch has no gap; what it has of the sender besides lies beyond one.
    let more_beyond = sender.pooled > sender.missing.saturating_sub(sender.nonce);
    let mut steps = Vec::new();
    for nonce in sender.missing..last_known.min(end) {
        match by_nonce.get(&nonce) {
            Some(payment) if payment.pooled => {}
            Some(payment) => steps.push(Step::Resend { nonce, txid: payment.txid }),
            None => steps.push(Step::Fill { nonce }),
        }
    }
    // Another wallet with the same words has payments in the pool that this journal does not know: the gap
    // before them is somewhere, and it begins here.
    if steps.is_empty() && more_beyond && sender.missing < end {
        steps.push(Step::Fill { nonce: sender.missing });
    }
    steps
}

fn can_be_mined(payment: &UnusedPayment, height: u64) -> bool {
    let in_time = payment.valid_until == 0 || payment.valid_until >= height.saturating_add(LIFETIME_BLOCKS);
    in_time && !payment.refused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn txid(number: u8) -> TxId {
        TxId::from_bytes([number; 32])
    }

    fn known(nonce: u64, pooled: bool) -> UnusedPayment {
        UnusedPayment { nonce, txid: txid(nonce as u8), pooled, valid_until: 200, refused: false }
    }

    fn sender(missing: u64, pooled: u64) -> PoolView {
        PoolView { nonce: 5, missing, pooled, height: 100 }
    }

    #[test]
    fn nothing_is_done_where_nothing_is_missing() {
        assert_eq!(plan(&sender(5, 0), &[]), []);
        assert_eq!(plan(&sender(7, 2), &[known(5, true), known(6, true)]), []);
        assert_eq!(plan(&sender(5, 0), &[known(3, false), known(4, false)]), [], "mined nonces are over");
    }

    #[test]
    fn a_lost_payment_is_handed_over_again() {
        let resend = |nonce: u64| Step::Resend { nonce, txid: txid(nonce as u8) };
        assert_eq!(plan(&sender(5, 1), &[known(5, false), known(6, true)]), [resend(5)]);
        assert_eq!(plan(&sender(6, 1), &[known(5, true), known(6, false), known(7, false)]), [resend(6), resend(7)]);
    }

    #[test]
    fn what_can_no_longer_be_mined_is_filled_only_before_another() {
        let expired = UnusedPayment { valid_until: 103, ..known(5, false) };
        let refused = UnusedPayment { refused: true, ..known(5, false) };
        for dead in [expired, refused] {
            assert_eq!(plan(&sender(5, 1), &[dead, known(6, true)]), [Step::Fill { nonce: 5 }]);
            assert_eq!(plan(&sender(5, 0), &[dead]), [], "nothing waits for it");
        }
    }

    #[test]
    fn of_several_with_one_nonce_the_pooled_one_counts_then_the_newest() {
        let newer = UnusedPayment { txid: txid(99), ..known(5, false) };
        assert_eq!(
            plan(&sender(5, 1), &[known(5, false), newer, known(6, true)]),
            [Step::Resend { nonce: 5, txid: txid(99) }]
        );
        assert_eq!(plan(&sender(7, 2), &[known(5, true), newer, known(6, true)]), []);
    }

    #[test]
    fn a_gap_before_another_wallets_payments_is_filled() {
        assert_eq!(plan(&sender(5, 2), &[]), [Step::Fill { nonce: 5 }]);
        assert_eq!(plan(&sender(7, 2), &[]), [], "they are the first stretch");
        assert_eq!(plan(&sender(7, 3), &[]), [Step::Fill { nonce: 7 }]);
    }

    #[test]
    fn a_repair_is_bounded() {
        let far = known(5 + 2 * MAX_PER_SENDER, true);
        assert!(plan(&sender(5, 0), &[far]).len() as u64 <= MAX_PER_SENDER);
        let edge = known(5 + MAX_PER_SENDER - 1, true);
        assert_eq!(plan(&sender(5, 1), &[edge]).len() as u64, MAX_PER_SENDER - 1);
    }
}

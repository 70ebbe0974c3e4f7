//! Whether to go on waiting for a payment: pure.

use cairn_rpc::types::{TxState, TxStatus};

/// What the last answers mean for a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is in a block.
    Mined,
    /// It may still be mined.
    Waiting,
    /// It will not be mined as things stand.
    Over(NotMined),
}

/// Why a payment is not in a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMined {
    /// Its last height is behind the tip: it can never be mined.
    #[error("it expired: block {height} is here and it was valid until block {valid_until}; it can be sent again")]
    Expired {
        /// The height of the tip.
        height: u64,
        /// Its last height.
        valid_until: u64,
    },
    /// The node says so.
    #[error("it expired: its last block is past; it can be sent again")]
    SaidExpired,
    /// The node's pool does not hold it any more.
    #[error("the node dropped it from its pool ({reason}); other nodes may still have it")]
    Dropped {
        /// What the node says.
        reason: String,
    },
    /// Time is up, and at the end the node did not even answer.
    #[error("after {seconds} s: {reason}; it may be in one all the same")]
    Silent {
        /// How long the wallet waited.
        seconds: u64,
        /// What happened at the last question.
        reason: String,
    },
    /// In a block, and time is up before that is buried.
    #[error("it is in a block, and after {seconds} s only {confirmations} blocks confirm it; that goes on by itself")]
    Shallow {
        /// How long the wallet waited.
        seconds: u64,
        /// From its block to the tip, both counted.
        confirmations: u64,
    },
    /// Time is up.
    #[error("it is not in a block after {seconds} s; it may still get into one")]
    TimedOut {
        /// How long the wallet waited.
        seconds: u64,
    },
}

/// Judges a payment valid until `valid_until` (0 for ever) by its `status`, which was asked for after the
/// tip was seen at `height`.
pub fn judge(valid_until: u64, height: u64, status: &TxStatus) -> Judgement {
    match status.state {
        TxState::Mined => Judgement::Mined,
        TxState::Expired => Judgement::Over(NotMined::SaidExpired),
        // The block at its last height is here and it is not in it, nor below.
        _ if valid_until != 0 && height >= valid_until => Judgement::Over(NotMined::Expired { height, valid_until }),
        TxState::Dropped => {
            let reason = status.reason.clone().unwrap_or_else(|| String::from("no reason given"));
            Judgement::Over(NotMined::Dropped { reason })
        }
        TxState::Pooled | TxState::Unknown => Judgement::Waiting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::hash::TxId;
    use cairn_rpc::text::Text;

    fn status(state: TxState) -> TxStatus {
        TxStatus {
            txid: Text(TxId::from_bytes([1; 32])),
            state,
            block: None,
            height: None,
            confirmations: 0,
            reason: None,
        }
    }

    #[test]
    fn a_payment_waits_until_it_is_mined_dropped_or_expired() {
        let at = |height, state| judge(10, height, &status(state));
        for state in [TxState::Pooled, TxState::Unknown] {
            assert_eq!(at(9, state), Judgement::Waiting);
            assert_eq!(at(10, state), Judgement::Over(NotMined::Expired { height: 10, valid_until: 10 }));
            assert_eq!(judge(0, u64::MAX, &status(state)), Judgement::Waiting, "0 is no limit");
        }
        assert_eq!(at(5, TxState::Mined), Judgement::Mined);
        assert_eq!(at(500, TxState::Mined), Judgement::Mined, "mined in time, seen late");
        assert_eq!(at(5, TxState::Expired), Judgement::Over(NotMined::SaidExpired));
        assert!(matches!(at(5, TxState::Dropped), Judgement::Over(NotMined::Dropped { .. })));
    }
}

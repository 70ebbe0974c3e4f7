//! The ledger's errors by the names that the specification gives to broken rules.

use cairn_ledger::error::{BlockError, ExecutionError, HeaderError, TxError};

/// The rule that a block breaks.
pub fn block_rule(error: &BlockError) -> &'static str {
    match error {
        BlockError::Header(error) => header_rule(error),
        BlockError::TxsRoot { .. } => "txs-root",
        BlockError::Size { .. } => "block-bytes",
        BlockError::Transaction { error, .. } => transaction_rule(error),
        BlockError::Execution { error, .. } => execution_rule(error),
        // The specification has no such rule: the supply is below what a balance holds.
        BlockError::RewardOverflow { .. } => "unreachable",
        BlockError::StateRoot { .. } => "state-root",
    }
}

/// The rule that a header breaks.
pub fn header_rule(error: &HeaderError) -> &'static str {
    match error {
        HeaderError::Version { .. } => "version",
        HeaderError::ZeroBeneficiary => "beneficiary",
        HeaderError::TargetForm { .. } => "target-form",
        HeaderError::TargetAboveLimit { .. } => "target-limit",
        HeaderError::Work { .. } => "work",
        HeaderError::Parent { .. } => "parent-unknown",
        HeaderError::Height { .. } => "height",
        HeaderError::Target { .. } => "target",
        HeaderError::TimeNotRising { .. } => "time",
        HeaderError::TimeAhead { .. } => "time-ahead",
        HeaderError::HistoryRoot { .. } => "history-root",
        HeaderError::WorkOverflow => "total-work",
    }
}

/// The rule that a transaction breaks by itself.
pub fn transaction_rule(error: &TxError) -> &'static str {
    match error {
        TxError::Version { .. } => "tx-version",
        TxError::ZeroSender => "tx-sender",
        TxError::LastNonce => "tx-nonce-exhausted",
        TxError::NoOutputs => "tx-outputs",
        TxError::ZeroAmount { .. } => "tx-amount",
        TxError::ZeroReceiver { .. } => "tx-receiver",
        TxError::Signature => "tx-signature",
    }
}

/// The rule that a transaction breaks on the accounts it meets.
pub fn execution_rule(error: &ExecutionError) -> &'static str {
    match error {
        ExecutionError::UnknownSender { .. } => "tx-unknown-sender",
        ExecutionError::Nonce { .. } => "tx-nonce",
        ExecutionError::Expired { .. } => "tx-expired",
        ExecutionError::PriceAboveMax { .. } => "tx-max-price",
        ExecutionError::InsufficientBalance { .. } => "tx-balance",
        ExecutionError::TooManyNewAccounts { .. } => "new-accounts",
        // As above.
        ExecutionError::BalanceOverflow { .. } => "unreachable",
    }
}

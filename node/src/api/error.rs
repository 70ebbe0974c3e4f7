//! How the parts' refusals are told to a client.
//!
//! Every variant has its code in [`Code`]; nothing is told by its text alone.

use crate::{
    chain::ChainError,
    mempool::{PoolError, PoolStopped},
    miner::{GenerateError, MAX_GENERATE, WorkError},
    network::{AddPeerError, AdmitError, BanError, FindError, UnknownKind},
    store::BackupError,
};
use cairn_rpc::error::{Code, RpcError};

/// The node is stopping.
pub(super) fn stopping() -> RpcError {
    RpcError::new(Code::Stopping, "the node is stopping")
}

/// The storage failed; the node stops.
pub(super) fn storage() -> RpcError {
    // The details go to the operator's log: they name files, which are not the client's business.
    RpcError::new(Code::Storage, "the node's storage failed; it is stopping")
}

impl From<ChainError> for RpcError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Stopping => stopping(),
            ChainError::Reorganising => Self::new(Code::Busy, error.to_string()),
        }
    }
}

impl From<BackupError> for RpcError {
    fn from(error: BackupError) -> Self {
        let code = match error {
            BackupError::Exists { .. } | BackupError::Relative { .. } => Code::BadDirectory,
            BackupError::Refused { .. } | BackupError::Failed { .. } => Code::BackupFailed,
        };
        Self::new(code, error)
    }
}

impl From<PoolStopped> for RpcError {
    fn from(_: PoolStopped) -> Self {
        stopping()
    }
}

impl From<PoolError> for RpcError {
    fn from(error: PoolError) -> Self {
        let say = |code| Self::new(code, error);
        match error {
            PoolError::Invalid(error) => error.into(),
            PoolError::Execution(error) => error.into(),
            PoolError::AlreadyPooled => say(Code::TxAlreadyPooled),
            PoolError::AlreadyMined => say(Code::TxAlreadyMined),
            PoolError::FeeTooLow { got, min } => say(Code::TxFeeTooLow).with(got, min),
            PoolError::ReplacementFeeTooLow { got, min } => say(Code::TxReplacementFeeTooLow).with(got, min),
            PoolError::SenderLimit { max } => with_limit(say(Code::TxSenderLimit), max),
            PoolError::NonceGap { got, expected } => say(Code::TxNonceGap).with(got, expected),
            PoolError::ExpiresSoon { valid_until, tip } => say(Code::TxExpiresSoon).with(valid_until, tip),
            PoolError::PoolFull { min_fee_rate } => with_limit(say(Code::TxPoolFull), min_fee_rate),
        }
    }
}

/// Adds the limit that was met, where what was given cannot be told.
fn with_limit(error: RpcError, limit: impl ToString) -> RpcError {
    RpcError { expected: Some(limit.to_string()), ..error }
}

impl From<GenerateError> for RpcError {
    fn from(error: GenerateError) -> Self {
        match error {
            GenerateError::Count { got } => Self::new(Code::BadCount, error).with(got, format!("1 to {MAX_GENERATE}")),
            GenerateError::Stopping => stopping(),
        }
    }
}

impl From<WorkError> for RpcError {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Paused { .. } => Self::new(Code::MiningPaused, error),
            WorkError::Stale => Self::new(Code::StaleWork, error),
            WorkError::LowWork { id, target } => Self::new(Code::LowWork, &error).with(id, target),
            WorkError::Stopping => stopping(),
        }
    }
}

impl From<AddPeerError> for RpcError {
    fn from(error: AddPeerError) -> Self {
        match error {
            AddPeerError::Target(error) => Self::new(Code::BadPeerAddress, error),
            AddPeerError::Stopping => stopping(),
        }
    }
}

impl From<BanError> for RpcError {
    fn from(error: BanError) -> Self {
        match error {
            BanError::Target(error) => Self::new(Code::BadBanTarget, error),
            BanError::Stopping => stopping(),
        }
    }
}

impl From<AdmitError> for RpcError {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::NotAPeerId { .. } => Self::new(Code::BadPeerId, error),
            AdmitError::NotPrivate => Self::new(Code::NotPrivate, error),
            AdmitError::TooMany { max } => with_limit(Self::new(Code::TooManyAdmitted, error), max),
            AdmitError::Stopping => stopping(),
        }
    }
}

impl From<FindError> for RpcError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Off => Self::new(Code::DiscoveryOff, error),
            FindError::Busy => Self::new(Code::Busy, error),
            FindError::Stopping => stopping(),
        }
    }
}

impl From<UnknownKind> for RpcError {
    fn from(error: UnknownKind) -> Self {
        Self::new(Code::BadResource, error)
    }
}

//! How the parts' refusals are told to a client.
//!
//! Every variant has its code in [`Code`]; nothing is told by its text alone.

use cairn_chain::{ChainError, store::BackupError, store::Kept, store::StoreError};
use cairn_common::mailbox::Stopped;
use cairn_ledger::units::Height;
use cairn_mempool::PoolError;
use cairn_miner::{GenerateError, MAX_GENERATE, WorkError};
use cairn_network::{AdmitError, BanError, FindError, TargetError, UnknownKind};
use cairn_rpc::error::{Code, RpcError};
use cairn_rpc::types::BlockRef;
use std::sync::Arc;

/// A refusal of one of the node's parts.
pub trait IntoRpcError {
    /// As a client is told it.
    fn into_rpc(self) -> RpcError;
}

/// What a client is told of a refusal: for `map_err`.
pub fn refused(refusal: impl IntoRpcError) -> RpcError {
    refusal.into_rpc()
}

/// The node is stopping.
pub fn stopping() -> RpcError {
    RpcError::new(Code::Stopping, "the node is stopping")
}

/// The storage failed; the node stops.
pub fn storage() -> RpcError {
    // The details go to the operator's log: they name files, which are not the client's business.
    RpcError::new(Code::Storage, "the node's storage failed; it is stopping")
}

/// The body of a block was pruned.
pub fn pruned(height: Height, kept: Arc<Kept>) -> RpcError {
    let stretches = kept.stretches().iter().map(|stretch| format!(", or {stretch}")).collect::<String>();
    let expected = format!("{} or more{stretches}", kept.lowest());
    RpcError::new(Code::BlockPruned, StoreError::Pruned { height, kept }).with(height, expected)
}

pub fn no_such_block(block: BlockRef) -> RpcError {
    let (message, got) = match block {
        BlockRef::Height(height) => (format!("the chain has no block {height} yet"), height.to_string()),
        BlockRef::Id(id) => (format!("no block has the id {}", id.0), id.0.to_string()),
    };
    RpcError { got: Some(got), ..RpcError::new(Code::BlockNotFound, message) }
}

impl IntoRpcError for ChainError {
    fn into_rpc(self) -> RpcError {
        match self {
            ChainError::Stopped(Stopped) => stopping(),
            ChainError::Reorganising => RpcError::new(Code::Busy, self.to_string()),
        }
    }
}

impl IntoRpcError for BackupError {
    fn into_rpc(self) -> RpcError {
        let code = match self {
            BackupError::Exists { .. } | BackupError::Relative { .. } => Code::BadDirectory,
            BackupError::Refused { .. } | BackupError::Failed { .. } => Code::BackupFailed,
        };
        RpcError::new(code, self)
    }
}

impl IntoRpcError for Stopped {
    fn into_rpc(self) -> RpcError {
        stopping()
    }
}

impl IntoRpcError for PoolError {
    fn into_rpc(self) -> RpcError {
        let say = |code| RpcError::new(code, self);
        match self {
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

impl IntoRpcError for GenerateError {
    fn into_rpc(self) -> RpcError {
        match self {
            GenerateError::Count { got } => {
                RpcError::new(Code::BadCount, self).with(got, format!("1 to {MAX_GENERATE}"))
            }
            GenerateError::Stopped(Stopped) => stopping(),
        }
    }
}

impl IntoRpcError for WorkError {
    fn into_rpc(self) -> RpcError {
        match self {
            WorkError::Paused { .. } => RpcError::new(Code::MiningPaused, self),
            WorkError::Stale => RpcError::new(Code::StaleWork, self),
            WorkError::LowWork { id, target } => RpcError::new(Code::LowWork, &self).with(id, target),
            WorkError::Stopped(Stopped) => stopping(),
        }
    }
}

impl IntoRpcError for TargetError {
    fn into_rpc(self) -> RpcError {
        match self {
            TargetError::Stopped(Stopped) => stopping(),
            error => RpcError::new(Code::BadPeerAddress, error),
        }
    }
}

impl IntoRpcError for BanError {
    fn into_rpc(self) -> RpcError {
        match self {
            BanError::Target(error) => RpcError::new(Code::BadBanTarget, error),
            BanError::Stopped(Stopped) => stopping(),
        }
    }
}

impl IntoRpcError for AdmitError {
    fn into_rpc(self) -> RpcError {
        match self {
            AdmitError::NotAPeerId { .. } => RpcError::new(Code::BadPeerId, self),
            AdmitError::NotPrivate => RpcError::new(Code::NotPrivate, self),
            AdmitError::TooMany { max } => with_limit(RpcError::new(Code::TooManyAdmitted, self), max),
            AdmitError::Stopped(Stopped) => stopping(),
        }
    }
}

impl IntoRpcError for FindError {
    fn into_rpc(self) -> RpcError {
        match self {
            FindError::Off => RpcError::new(Code::DiscoveryOff, self),
            FindError::Busy => RpcError::new(Code::Busy, self),
            FindError::Stopped(Stopped) => stopping(),
        }
    }
}

impl IntoRpcError for UnknownKind {
    fn into_rpc(self) -> RpcError {
        RpcError::new(Code::BadResource, self)
    }
}

//! Why the program did not do what it was asked, and what the shell learns of it.

use crate::config::{ChainFileError, ConfigError};
use crate::{bench::BenchError, node::NodeError, repair::RepairError, system::data_dir::DataDirError};
use cairn_api::{ApiError, rpc_client::RpcClientError, tokens::TokenFileError};
use cairn_chain::audit::AuditError;
use cairn_chain::replay::{ReplayError, VerifyError};
use cairn_chain::store::{BackupError, StoreError};
use std::{io, path::PathBuf};

/// Why the program did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{file}: {reason}")]
    Chain { file: String, reason: ChainFileError },
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Tokens(#[from] TokenFileError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("there is a configuration already, {}; it was not touched", path.display())]
    ConfigExists { path: PathBuf },
    #[error("there is no database in {}; name the node's --chain and --data-dir", path.display())]
    NoDatabase { path: PathBuf },
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Repair(#[from] RepairError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("the node that runs on this directory: {0}")]
    Ask(#[from] RpcClientError),
    #[error("no node runs on {}; start one with `cairn-node run`", path.display())]
    NotRunning { path: PathBuf },
    #[error("{method}: {message} ({code})")]
    Refused { method: String, message: String, code: i32 },
    #[error("got {got:?} among parameters given as NAME=VALUE; expected all of them by name, or all in order")]
    MixedParameters { got: String },
    #[error("there is no method {got:?}; did you mean {nearest}? `cairn-node call rpc.discover` lists all")]
    NoMethod { got: String, nearest: String },
    #[error("the node was told to stop and still runs after {seconds} s; its log says what it waits for")]
    StillRuns { seconds: u64 },
    #[error("{} is on a disk that cannot be written to; {advice}", path.display())]
    ReadOnlyDisk { path: PathBuf, advice: &'static str },
    #[error(
        "got {got} free bytes, expected {expected}: as many as the database takes, and a reserve; free space first"
    )]
    NoRoom { got: u64, expected: u64 },
    #[error("--threads: got {got}, expected 1 to {max}, the cores this process may use")]
    Threads { got: usize, max: usize },
    /// A node is not well; whether its storage, or its configuration, is among what is to be mended.
    #[error("{faults} {} to be mended", if *faults == 1 { "thing is" } else { "things are" })]
    Unwell { faults: usize, storage: bool, config: bool },
    #[error("{0}; choose another log.directory")]
    Log(#[from] tracing_appender::rolling::InitError),
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

impl CliError {
    /// What the shell is told.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Audit(_) | Self::Unwell { storage: true, .. } => 3,
            Self::Node(error) if error.is_storage_failure() => 3,
            Self::Replay(error) | Self::Repair(RepairError::Replay(error)) if error.is_storage_failure() => 3,
            Self::Verify(error) if error.is_storage_failure() => 3,
            Self::Store(error) | Self::Bench(BenchError::Store(error)) if error.is_storage_failure() => 3,
            Self::Config(_) | Self::Threads { .. } | Self::Log(_) | Self::Unwell { config: true, .. } => 2,
            Self::NoRoom { .. } => 5,
            Self::Node(error) if error.is_no_room() => 5,
            _ => 1,
        }
    }
}

//! The shapes of parameters and answers.

mod account;
mod block;
mod health;
mod history;
mod mining;
mod net;
mod node;
mod pool;
mod proof;
mod rules;
mod spans;
mod transaction;
mod usage;

pub use account::{AccountJson, AccountValue, PendingJson};
pub use block::{BlockJson, BlockRef, BlockTransactions, HeaderJson};
pub use health::{HealthJson, ProblemJson};
pub use history::{AddressHistory, HistoryCursor, HistoryCursorError, HistoryEntry};
pub use mining::{FoundBlock, Generated, MiningInfo, WorkJson};
pub use net::{BanJson, LossesJson, NetInfo, PeerJson, ProviderJson, TrafficJson};
pub use node::{NodeInfo, SnapshotProgressJson, SyncInfo, SyncPhase};
pub use pool::{FeeEstimateJson, MempoolInfo, PoolCursor, PoolCursorError, PoolEntry, PoolPage, TxCheck};
pub use proof::{LeafJson, LightProofJson, ProofJson, TransactionProofJson};
pub use rules::{RulesJson, UpgradeJson};
pub use spans::{AddressMove, BlockPage, ChainMove, DifficultyJson, HeaderPage, Place, Supply, TransactionPage};
pub use transaction::{OutputJson, Submitted, TransactionInfo, TransactionJson, TxState, TxStatus};
pub use usage::{BackupInfo, MemoryInfo, Room, SnapshotJson, StorageInfo, StretchJson, TableSize, Trust, UploadInfo};

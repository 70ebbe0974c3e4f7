//! What a node uses.

use crate::text::Text;
use cairn_ledger::hash::Hash;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the database and the process use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StorageInfo {
    /// Table by table.
    pub tables: Vec<TableSize>,
    /// All tables together, on the disk.
    pub bytes: u64,
    /// Memory, part by part.
    pub memory: MemoryInfo,
}

/// A table of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableSize {
    /// Its name.
    pub name: String,
    /// Its files, in bytes; what was written last may not be in a file yet.
    pub bytes: u64,
    /// About how many entries it has.
    pub entries: u64,
}

/// Memory, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryInfo {
    /// The whole process, as far as it is in RAM; null where the system does not say.
    pub process: Option<u64>,
    /// What the database has cached.
    pub database_cache: u64,
    /// What was written and is not in files yet.
    pub database_writes: u64,
    /// Indexes of the database that are not in its cache.
    pub database_indexes: u64,
    /// Transactions that wait, without what finds them.
    pub pool: u64,
}

/// The room that a node's data takes, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Room {
    /// What the data directory takes.
    pub used_bytes: u64,
    /// What is free on its disk. The node stops before nothing is.
    pub free_bytes: u64,
    /// The most that the data directory may take; null without `storage.max_bytes`.
    pub max_bytes: Option<u64>,
    /// What came in a day, by the last day or the time since the start; null in the first ten minutes.
    pub growth_bytes_per_day: Option<u64>,
    /// In how many days there is no more room, if it goes on like that; null while nothing grows.
    pub days_until_full: Option<u64>,
}

/// What a node gives to those who catch up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadInfo {
    /// Bytes since midnight UTC.
    pub today_bytes: u64,
    /// The most in a day; null without `network.max_upload_per_day`.
    pub max_bytes_per_day: Option<u64>,
}

/// What a node's word on the accounts rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// It has executed every block since block 0.
    #[default]
    Full,
    /// It began with the accounts of a snapshot, for which the work on the headers vouches, and has executed every
    /// block since.
    Work,
}

/// A snapshot of all accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotJson {
    /// The block after which they were so.
    pub height: u64,
    /// The root over them.
    pub state_root: Text<Hash>,
    /// How many there are.
    pub accounts: u64,
}

/// Blocks below the lowest body whose transactions a node keeps, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StretchJson {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// Whether the node's peer id draws it; others it has fetched, as few nodes have them.
    pub drawn: bool,
}

/// A copy of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackupInfo {
    /// The directory; the copy is `db` in it.
    pub directory: String,
    /// What it takes; on the database's own disk it shares its files.
    pub bytes: u64,
    /// The height of its tip.
    pub height: u64,
}

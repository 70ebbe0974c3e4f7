//! What a node uses.

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

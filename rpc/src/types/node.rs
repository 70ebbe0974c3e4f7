//! What a node is, and how far it is.

use super::{HealthJson, Room, RulesJson, SnapshotJson, StretchJson, Trust, UploadInfo};
use crate::text::Text;
use cairn_ledger::{hash::BlockId, hash::Hash, pow::Work};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a node is and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeInfo {
    /// The version of the node's program.
    pub version: String,
    /// The network's name.
    pub chain: String,
    /// The id of its block 0.
    pub genesis_id: Text<BlockId>,
    /// What its addresses begin with.
    pub address_prefix: String,
    /// The node's identity among peers.
    pub peer_id: String,
    /// The height of the tip.
    pub height: u64,
    /// The id of the tip.
    pub tip: Text<BlockId>,
    /// The state root after the tip.
    pub state_root: Text<Hash>,
    /// The work of the followed chain.
    pub work: Text<Work>,
    /// The rules of the next block.
    pub rules: RulesJson,
    /// Whether the chain with the most work goes on under an upgrade that the node does not know: then what it says is
    /// of a chain that most have left.
    pub outdated: bool,
    /// What is wrong with its rules and what to do: an upgrade that it does not know, or peers that have others; null
    /// when all is well.
    pub rules_notice: Option<String>,
    /// How well it is, by its own judgement.
    pub health: HealthJson,
    /// How far it is behind its peers.
    pub sync: SyncInfo,
    /// Connected peers.
    pub peers: u64,
    /// Transactions in the pool.
    pub pooled: u64,
    /// The node's clock, Unix ms.
    pub time: u64,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// The height up to which the index of addresses is built: the tip's once it is whole; null while it is off.
    pub address_index: Option<u64>,
    /// How many accounts there are. In memory one takes some 180 bytes; those that do not fit are on the disk.
    pub accounts: u64,
    /// The bytes of memory that the process holds, if the system says so.
    pub memory_bytes: Option<u64>,
    /// The most that it may hold: memory.max_bytes, or what the machine or the container allows; null where neither is
    /// known.
    pub max_memory_bytes: Option<u64>,
    /// The lowest block, but for block 0, whose transactions it keeps; 0 while it keeps those of all.
    pub lowest_body: u64,
    /// The stretches of history below it whose transactions it keeps, too, so that all nodes together keep all.
    pub stretches: Vec<StretchJson>,
    /// Whether it has executed all blocks itself.
    pub trust: Trust,
    /// The block whose accounts it began with, if that was not block 0.
    pub restored_at: Option<u64>,
    /// Up to which block it has executed those below that in the background; null when it does not.
    pub history_height: Option<u64>,
    /// The snapshots of the accounts that it gives to those who join, the lowest first.
    pub snapshots: Vec<SnapshotJson>,
    /// How often it has found damage in its database and mended it, since it started.
    pub damage_mended: u64,
    /// The room that its data takes.
    pub room: Room,
    /// What it gives to those who catch up.
    pub upload: UploadInfo,
}

/// How far a node is behind its peers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SyncInfo {
    /// What it is doing.
    pub phase: SyncPhase,
    /// The height of the best header it has.
    pub headers: u64,
    /// The greatest height a peer has reported.
    pub target: u64,
    /// How much of the chain up to there is here, from 0 to 1; while it fetches the accounts, how much of them.
    pub progress: f64,
    /// Blocks a second that were connected lately, or headers while it fetches headers only.
    pub blocks_per_second: f64,
    /// How many milliseconds the rest takes at this rate; null while nobody can tell.
    pub left_ms: Option<u64>,
    /// How much of the accounts is here, while it fetches them.
    pub snapshot: Option<SnapshotProgressJson>,
    /// Where it is stalled, or peers claim a better chain that it does not follow: what is wrong, and what to do about
    /// it.
    pub reason: Option<String>,
}

/// How much is here of the accounts as they were after a block. They come in runs, each of which is checked against the
/// state root of that block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotProgressJson {
    /// The height of the block.
    pub height: u64,
    /// Runs that are here.
    pub here: u64,
    /// How many there are; null until the first has come.
    pub runs: Option<u64>,
}

/// What a node's synchronisation is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncPhase {
    /// It has no peer yet.
    Discovering,
    /// It fetches headers.
    Headers,
    /// It fetches the accounts as they were after a block, instead of all blocks up to it.
    Snapshot,
    /// It fetches and connects bodies.
    Bodies,
    /// It follows the best chain it knows of.
    CaughtUp,
    /// It does not get on; the reason stands beside.
    Stalled,
}

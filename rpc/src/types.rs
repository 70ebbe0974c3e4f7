//! The shapes of parameters and answers.

mod health;
mod history;
mod net;
mod pool;
mod rules;
mod spans;
mod usage;
mod work;

pub use health::{HealthJson, ProblemJson};
pub use history::{AddressHistory, HistoryCursor, HistoryCursorError, HistoryEntry};
pub use net::{BanJson, LossesJson, NetInfo, PeerJson, ProviderJson, TrafficJson};
pub use pool::{FeeEstimateJson, PoolCursor, PoolCursorError, PoolEntry, PoolPage, TxCheck};
pub use rules::{RulesJson, UpgradeJson};
pub use spans::{AddressMove, BlockPage, ChainMove, DifficultyJson, HeaderPage, Place, Supply, TransactionPage};
pub use usage::{BackupInfo, MemoryInfo, Room, SnapshotJson, StorageInfo, StretchJson, TableSize, Trust, UploadInfo};
pub use work::{FoundBlock, WorkJson};

use crate::text::{HexBytes, Pebbles, Text};
use cairn_ledger::accounts::{Account, AccountProof};
use cairn_ledger::hash::{BlockId, Hash, TxId};
use cairn_ledger::pow::{CompactTarget, Work};
use cairn_ledger::transaction::{Output, Transaction};
use cairn_ledger::{address::AddressPrefix, block::Header, codec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A block, named by its height on the followed chain (a number) or by its id (a string).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a block's height as a number or its id as 64 lower-case hex digits")]
pub enum BlockRef {
    /// The block at this height of the followed chain.
    Height(u64),
    /// The block with this id.
    Id(Text<BlockId>),
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderJson {
    /// The block's id.
    pub id: Text<BlockId>,
    /// What goes with the rules of its height: 1 before any upgrade.
    pub version: u16,
    /// Its place in the chain.
    pub height: u64,
    /// The id of the block before.
    pub parent: Text<BlockId>,
    /// When its miner says it was made, Unix ms.
    pub time: u64,
    /// What its id meets.
    pub target: Text<CompactTarget>,
    /// Who received its reward.
    pub beneficiary: String,
    /// The root over its transactions.
    pub txs_root: Text<Hash>,
    /// The root over all accounts after it.
    pub state_root: Text<Hash>,
    /// The root over all blocks before it.
    pub history_root: Text<Hash>,
    /// What its miner found.
    pub nonce: Text<u64>,
    /// The work of the chain up to and including it.
    pub work: Text<Work>,
    /// Its 190 bytes.
    pub raw: HexBytes,
}

impl HeaderJson {
    /// Writes a header; `work` is the chain's, up to and including it.
    pub fn new(header: &Header, work: Work, prefix: &AddressPrefix) -> Self {
        Self {
            id: Text(header.id()),
            version: header.version,
            height: header.height.get(),
            parent: Text(header.parent),
            time: header.time.millis(),
            target: Text(header.target),
            beneficiary: prefix.encode(&header.beneficiary),
            txs_root: Text(header.txs_root),
            state_root: Text(header.state_root),
            history_root: Text(header.history_root),
            nonce: Text(header.nonce),
            work: Text(work),
            raw: HexBytes(codec::encode(header)),
        }
    }
}

/// One payment of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutputJson {
    /// The receiver.
    pub to: String,
    /// What it receives.
    pub amount: Pebbles,
}

impl OutputJson {
    /// The payments of a transaction, in their order.
    pub fn list(outputs: &[Output], prefix: &AddressPrefix) -> Vec<Self> {
        outputs.iter().map(|output| Self { to: prefix.encode(&output.to), amount: Pebbles(output.amount) }).collect()
    }
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionJson {
    /// Its id.
    pub txid: Text<TxId>,
    /// 1.
    pub version: u8,
    /// Who pays.
    pub sender: String,
    /// How many of the sender's transactions come before it.
    pub nonce: Text<u64>,
    /// What its miner earns.
    pub fee: Pebbles,
    /// The most that the accounts it creates may cost its sender, on top of fee and amounts.
    pub max_price: Pebbles,
    /// The last height at which it may be mined; 0 for no limit.
    pub valid_until: u64,
    /// Who receives what.
    pub outputs: Vec<OutputJson>,
    /// Free bytes for the receiver.
    pub memo: HexBytes,
    /// Encoded size in bytes.
    pub size: u64,
    /// The sender's signature.
    pub signature: String,
    /// Its encoded bytes.
    pub raw: HexBytes,
}

impl TransactionJson {
    /// Writes a transaction.
    pub fn new(transaction: &Transaction, prefix: &AddressPrefix) -> Self {
        let body = &transaction.body;
        Self {
            txid: Text(transaction.id()),
            version: body.version,
            sender: prefix.encode(&body.sender),
            nonce: Text(body.nonce),
            fee: Pebbles(body.fee),
            max_price: Pebbles(body.max_price),
            valid_until: body.valid_until.get(),
            outputs: OutputJson::list(&body.outputs, prefix),
            memo: HexBytes(body.memo.to_vec()),
            size: transaction.size() as u64,
            signature: transaction.signature.to_string(),
            raw: HexBytes(codec::encode(transaction)),
        }
    }
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockJson {
    /// Its header.
    pub header: HeaderJson,
    /// Encoded size in bytes.
    pub size: u64,
    /// Its transactions, in order.
    pub transactions: BlockTransactions,
}

/// The transactions of a block: their ids, or themselves when `full` was asked for. An empty list is an
/// empty list of either, and is read as one of ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BlockTransactions {
    /// Their ids.
    Ids(Vec<Text<TxId>>),
    /// Themselves.
    Full(Vec<TransactionJson>),
}

/// A transaction, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionInfo {
    /// The transaction.
    pub transaction: TransactionJson,
    /// `mined` or `pooled`.
    pub state: TxState,
    /// The block it is in.
    pub block: Option<Text<BlockId>>,
    /// That block's height.
    pub height: Option<u64>,
    /// Blocks from that one to the tip, both counted; 0 in the pool.
    pub confirmations: u64,
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TxState {
    /// Neither in a block nor in the pool of this node, nor lately dropped from it.
    Unknown,
    /// In the pool.
    Pooled,
    /// In a block of the followed chain.
    Mined,
    /// Dropped from the pool; `reason` says why.
    Dropped,
    /// Dropped from the pool because its last height has passed: it can never be mined.
    Expired,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TxStatus {
    /// Its id.
    pub txid: Text<TxId>,
    /// Where it is.
    pub state: TxState,
    /// The block it is in.
    pub block: Option<Text<BlockId>>,
    /// That block's height.
    pub height: Option<u64>,
    /// Blocks from that one to the tip, both counted; 0 unless mined.
    pub confirmations: u64,
    /// Why it was dropped.
    pub reason: Option<String>,
}

/// An account at the tip, and what the pool would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountJson {
    /// The address.
    pub address: String,
    /// Whether it has an account; without one, balance and nonce are 0.
    pub exists: bool,
    /// Its money.
    pub balance: Pebbles,
    /// How many of its transactions were mined: the nonce of the next.
    pub nonce: Text<u64>,
    /// The same with its transactions in the pool counted as mined; what it would receive is not.
    pub pending: PendingJson,
    /// The height of the block it was read at.
    pub height: u64,
    /// The id of that block.
    pub block: Text<BlockId>,
}

/// What an account's own transactions in the pool would make of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PendingJson {
    /// Its money without what they spend.
    pub balance: Pebbles,
    /// The first nonce that is neither mined nor in the pool.
    pub nonce: Text<u64>,
    /// How many they are.
    pub count: u64,
}

/// Balance and nonce of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountValue {
    /// Its money.
    pub balance: Pebbles,
    /// Its next nonce.
    pub nonce: Text<u64>,
}

impl From<Account> for AccountValue {
    fn from(account: Account) -> Self {
        Self { balance: Pebbles(account.balance), nonce: Text(account.nonce) }
    }
}

/// A leaf of the account tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeafJson {
    /// Whose account it is, as 64 hex digits: the sentinel has no address.
    pub address: String,
    /// The next address in ascending order, as 64 hex digits; zero after the last.
    pub next: String,
    /// Its money.
    pub balance: Pebbles,
    /// Its next nonce.
    pub nonce: Text<u64>,
}

/// A proof of a tip and of the work below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LightProofJson {
    /// The tip.
    pub tip: Text<BlockId>,
    /// Its height.
    pub height: u64,
    /// The work of the chain up to and including it, as the node says: what `raw` proves is what counts.
    pub work: Text<Work>,
    /// The verified tip that `raw` continues; null when it proves the chain from its block 0.
    pub since: Option<Text<BlockId>>,
    /// The encoded `LightProof`; with `since`, the headers after that block up to the tip, 190 bytes each.
    pub raw: HexBytes,
}

/// A proof that a transaction is in a block of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionProofJson {
    /// The transaction.
    pub txid: Text<TxId>,
    /// The block it is in.
    pub block: Text<BlockId>,
    /// That block's height.
    pub height: u64,
    /// The block that the proof stands under.
    pub at: Text<BlockId>,
    /// The encoded `TransactionProof`.
    pub raw: HexBytes,
}

/// A proof of an account, or of its absence, against the state root of a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProofJson {
    /// The header it stands against, as its 190 bytes.
    pub header: HexBytes,
    /// The address asked for.
    pub address: String,
    /// What it has; null when the proof shows that it has no account.
    pub account: Option<AccountValue>,
    /// The address's leaf, or the one below it.
    pub leaf: LeafJson,
    /// The leaf's place in the tree.
    pub index: u64,
    /// Leaves in the tree.
    pub count: u64,
    /// The siblings from the leaf upward.
    pub path: Vec<Text<Hash>>,
    /// The encoded `AccountProof`.
    pub raw: HexBytes,
}

impl ProofJson {
    /// Writes a proof about `address` (shown as `shown`), which stands at the state root of `header`.
    pub fn new(header: &Header, shown: String, account: Option<Account>, proof: &AccountProof) -> Self {
        Self {
            header: HexBytes(codec::encode(header)),
            address: shown,
            account: account.map(AccountValue::from),
            leaf: LeafJson {
                address: proof.leaf.address.to_string(),
                next: proof.leaf.next.to_string(),
                balance: Pebbles(proof.leaf.account.balance),
                nonce: Text(proof.leaf.account.nonce),
            },
            index: proof.index,
            count: proof.count,
            path: proof.path.iter().copied().map(Text).collect(),
            raw: HexBytes(codec::encode(proof)),
        }
    }
}

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

/// An accepted transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Submitted {
    /// Its id.
    pub txid: Text<TxId>,
}

/// The pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MempoolInfo {
    /// Transactions in it.
    pub count: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// How many it holds at most.
    pub max_count: u64,
    /// How many bytes it holds at most.
    pub max_bytes: u64,
    /// How many senders they have.
    pub senders: u64,
    /// The least fee it takes now, in pebbles for each byte.
    pub min_fee_rate: u64,
}

/// The miner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MiningInfo {
    /// Threads that mine; 0 when it is off.
    pub threads: u64,
    /// The share of their time they spend, in percent.
    pub duty: u8,
    /// Who receives the rewards; null when none is set.
    pub beneficiary: Option<String>,
    /// Attempts per second, over the last seconds.
    pub hash_rate: f64,
    /// Blocks found since the node started.
    pub blocks_found: u64,
    /// Why it is not mining although it is on.
    pub paused: Option<String>,
    /// The height of the next block.
    pub next_height: u64,
    /// The target of the next block.
    pub next_target: Text<CompactTarget>,
    /// The expected number of attempts for the next block.
    pub next_work: Text<Work>,
}

/// What `mining_generate` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Generated {
    /// The ids of the new blocks, in order.
    pub blocks: Vec<Text<BlockId>>,
    /// Why there are fewer than asked for.
    pub stopped: Option<String>,
}

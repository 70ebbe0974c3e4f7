//! Every table, one line each: the whole database on one screen.

use super::codec::{KeyCodec, Table};
use super::stretches::StretchList;
use super::{ChainStore, StoreError};
use cairn_ledger::accounts::{Leaf, MAX_CHANGED_LEAVES, RunLeaves, StateChange};
use cairn_ledger::codec::{BoundedVec, Decode, Encode};
use cairn_ledger::{
    Account, Address, BlockId, Body, Hash, Header, Height, LinkedHeader, TxId, Work, mmr::MmrNode, pow::CompactTarget,
};

/// The format this program reads and writes. It rises with any change of a table, a key or a value.
pub const FORMAT: u32 = 6;

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident: $cf:literal, $key:ty => $value:ty;)*) => {
        $(
            $(#[$doc])*
            pub struct $name;
            impl Table for $name {
                const NAME: &'static str = $cf;
                type Key = $key;
                type Value = $value;
            }
        )*

        /// The names of all tables.
        pub const TABLES: &[&str] = &[$($cf),*];

        /// Reads all entries of a table; what is wrong with the first that cannot be read.
        pub(crate) fn read_all(store: &ChainStore, table: &'static str) -> Option<StoreError> {
            match table {
                $($cf => store.first_damage::<$name>(),)*
                _ => None,
            }
        }
    };
}

tables! {
    /// Format version, genesis id, tip.
    Meta: "meta", MetaKey => MetaRecord;
    /// Headers of all stored blocks.
    HeaderById: "header_by_id", BlockId => HeaderRecord;
    /// Transactions of all stored blocks that were not pruned, block 0 always.
    BodyByBlock: "body_by_block", BlockKey => Body;
    /// How to take connected blocks back that were not pruned.
    UndoByBlock: "undo_by_block", BlockKey => UndoLeaves;
    /// The followed chain.
    IdByHeight: "id_by_height", Height => BlockId;
    /// Where the transactions of the followed chain are.
    LocationByTxid: "location_by_txid", TxId => TxLocation;
    /// Where all accounts at the tip are, the sentinel included, in order of creation.
    IndexByAddress: "index_by_address", Address => u64;
    /// What they have: all that a payment between them writes.
    AccountByIndex: "account_by_index", u64 => Account;
    /// Whose they are, and who comes next: with what they have, the leaves, bucket by bucket.
    LinkByIndex: "link_by_index", u64 => AddressLink;
    /// Roots of the account tree's buckets as of some block, in parts: a start reads these, and not all accounts.
    RootsByPart: "roots_by_part", u64 => BucketRoots;
    /// Where accounts were touched, if the index of addresses is on: the keys say all.
    TouchByAccount: "touch_by_account", TouchKey => ();
    /// Snapshots of the accounts, whole or not, by the block after which they were so.
    SnapshotByHeight: "snapshot_by_height", Height => SnapshotRecord;
    /// Their leaves, run by run.
    LeavesByRun: "leaves_by_run", RunKey => RunLeaves;
    /// The node of the account tree over each run.
    RootByRun: "root_by_run", RunKey => Hash;
    /// Headers that are here while a restore is under way, and on no chain yet.
    RestoredHeader: "restored_header", Height => HeaderRecord;
}

/// What `meta` records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaKey {
    /// What the database is.
    Identity,
    /// The last connected block.
    Tip,
    /// How far the index of addresses is built; nothing while it is off.
    AddressIndex,
    /// What a reorganisation leads from and to; only while one of several batches is under way.
    Reorganisation,
    /// The lowest block that was not pruned; nothing as long as none was.
    LowestBody,
    /// What the roots of buckets are of; nothing until they are all there.
    Roots,
    /// The block whose accounts are being put in place of those of block 0; only while that is under way.
    Restoring,
    /// The block whose accounts came from others, if they did: what is below was not executed here.
    Restored,
    /// The stretches that are kept below the lowest body; nothing where there are none.
    Stretches,
}

impl KeyCodec for MetaKey {
    type Bytes = [u8; 1];

    fn to_bytes(&self) -> [u8; 1] {
        [*self as u8]
    }
}

/// A record of `meta`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
#[expect(missing_docs, reason = "the names of the fields say what they are")]
pub enum MetaRecord {
    /// Format version and genesis id.
    Identity { format: u32, genesis_id: BlockId },
    /// The last connected block.
    Tip(BlockId),
    /// The last block of the followed chain that the index of addresses covers, with all below it.
    AddressIndex(Height),
    /// A reorganisation of several batches.
    Reorganisation(UnderWay),
    /// The lowest block, but for block 0, that was not pruned.
    LowestBody(Height),
    /// The roots of buckets that are stored.
    Roots(StoredRoots),
    /// The block whose accounts are being put in place.
    Restoring(BlockId),
    /// The block whose accounts came from others.
    Restored(Height),
    /// The stretches that are kept below the lowest body.
    Stretches(StretchList),
}

/// Of what the roots of buckets are that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct StoredRoots {
    /// The block after which they were so.
    pub block: BlockId,
    /// How many accounts there were, the sentinel included.
    pub count: u64,
    /// All balances together, in pebbles.
    pub balances: u64,
    /// Leaves in a bucket, as a power of two.
    pub bits: u32,
}

/// A snapshot of all accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct SnapshotRecord {
    /// The block after which they were so.
    pub block: BlockId,
    /// The root over them.
    pub state_root: Hash,
    /// How many there are, the sentinel included.
    pub count: u64,
    /// Whether all runs are here.
    pub is_whole: bool,
}

/// A run of a snapshot: all of one snapshot lie together, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunKey {
    /// The height of the snapshot.
    pub height: Height,
    /// Which run.
    pub number: u64,
}

impl KeyCodec for RunKey {
    type Bytes = [u8; 16];

    fn to_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.height.to_bytes());
        bytes[8..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }
}

/// Roots in a record: some thirty kilobytes.
pub const ROOTS_IN_PART: usize = 1024;

/// Roots of buckets that follow one another.
pub type BucketRoots = BoundedVec<Hash, ROOTS_IN_PART>;

/// A reorganisation that is under way. All blocks of both branches are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct UnderWay {
    /// The tip that is being left.
    pub from: BlockId,
    /// The block that is to be the tip.
    pub to: BlockId,
}

/// A block, in order of height: what is pruned together lies together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockKey {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub id: BlockId,
}

impl BlockKey {
    /// Below the keys of all blocks at that height.
    pub(super) fn before(height: Height) -> Self {
        Self { height, id: BlockId::ZERO }
    }
}

impl From<&LinkedHeader> for BlockKey {
    fn from(header: &LinkedHeader) -> Self {
        Self { height: header.header().height, id: header.id() }
    }
}

impl KeyCodec for BlockKey {
    type Bytes = [u8; 40];

    fn to_bytes(&self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..8].copy_from_slice(&self.height.to_bytes());
        bytes[8..].copy_from_slice(self.id.as_bytes());
        bytes
    }
}

/// A header with what was learned when it was linked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct HeaderRecord {
    /// The header.
    pub header: Header,
    /// The work of its chain, itself included.
    pub total_work: Work,
    /// The target of its children.
    pub next_target: CompactTarget,
    /// The inner nodes of the history it completes, from level 1 up.
    pub completed: BoundedVec<MmrNode, 64>,
}

impl From<&LinkedHeader> for HeaderRecord {
    fn from(header: &LinkedHeader) -> Self {
        let completed = BoundedVec::new(header.completed().to_vec()).unwrap_or_default();
        let (total_work, next_target) = (header.total_work(), header.next_target());
        Self { header: header.header().clone(), total_work, next_target, completed }
    }
}

/// An account's address and the next: what its leaf has besides the account. It changes when accounts are created and
/// taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct AddressLink {
    /// The address.
    pub address: Address,
    /// The next address in ascending order; zero after the last.
    pub next: Address,
}

impl From<&Leaf> for AddressLink {
    fn from(leaf: &Leaf) -> Self {
        Self { address: leaf.address, next: leaf.next }
    }
}

/// How to take a block's changes back, in a third of the bytes of an
/// [`UndoRecord`](cairn_ledger::accounts::UndoRecord): an address is known by its index, and `next` changes
/// only where an account is created.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct UndoLeaves {
    /// The number of leaves before the block.
    pub count: u64,
    /// The leaves below that number which it changed.
    pub leaves: BoundedVec<UndoLeaf, MAX_CHANGED_LEAVES>,
}

/// What a changed leaf was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct UndoLeaf {
    /// Its place in the tree.
    pub index: u64,
    /// What it had.
    pub account: Account,
    /// Its next address, if that changed.
    pub next: Option<Address>,
}

impl UndoLeaves {
    /// How to take a block's changes back.
    pub fn new(change: &StateChange) -> Self {
        let changed = change.leaves.iter().filter_map(|leaf| leaf.old.map(|old| (leaf.index, old, leaf.new)));
        let leaves = changed.map(|(index, old, new)| {
            let next = (old.next != new.next).then_some(old.next);
            UndoLeaf { index, account: old.account, next }
        });
        let leaves = BoundedVec::new(leaves.collect()).expect("no block that fits its limits changes more leaves");
        Self { count: change.old_count, leaves }
    }
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct TxLocation {
    /// The height of its block.
    pub height: Height,
    /// Its place in it.
    pub place: u32,
}

/// Where an account was touched. An account is known by its index, a quarter of the bytes of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TouchKey {
    /// The account's place in the tree.
    pub account: u64,
    /// The height of the block.
    pub height: Height,
    /// The transaction's place in it, or [`REWARD`](super::REWARD).
    pub place: u32,
}

impl KeyCodec for TouchKey {
    type Bytes = [u8; 20];

    fn to_bytes(&self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.account.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.height.get().to_be_bytes());
        bytes[16..].copy_from_slice(&self.place.to_be_bytes());
        bytes
    }
}

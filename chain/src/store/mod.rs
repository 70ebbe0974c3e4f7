//! The database: typed tables over RocksDB, written in atomic batches by one writer.
//!
//! # Tables
//! | table | key → value | changes |
//! |---|---|---|
//! | `meta` | what → record | format version, genesis id and tip; the tip with every import; while a reorganisation of several batches is under way, its ends; the lowest body, and the stretches kept below it, once some were pruned |
//! | `header_by_id` | block id → header, total work, history nodes | created with the block; never deleted |
//! | `body_by_block` | height, block id → transactions | created with the block, deleted when it is pruned |
//! | `undo_by_block` | height, block id → undo record | created on connect, deleted on disconnect and when the block is pruned |
//! | `id_by_height` | height → block id | created on connect, deleted on disconnect |
//! | `location_by_txid` | transaction id → height, place | created on connect, deleted on disconnect; of pruned blocks by compactions |
//! | `index_by_address` | address → index | created with the account, deleted when its block is undone |
//! | `account_by_index` | index → balance, nonce | written on connect and disconnect |
//! | `link_by_index` | index → address, next address | written when accounts are created or undone |
//! | `roots_by_part` | part → roots of buckets of the account tree | written anew every some hundred blocks, and when a node stops |
//! | `touch_by_account` | account index, height, place → nothing | off unless `index.addresses`: created on connect or when it is built, deleted on disconnect; of pruned blocks by compactions |
//! | `snapshot_by_height` | height → block id, state root, count, whether it is whole | created when a snapshot is begun; the last two whole ones stay |
//! | `leaves_by_run` | height of a snapshot, run → its leaves | created run by run, deleted with the snapshot |
//! | `root_by_run` | height of a snapshot, run → the node over it | with its leaves |
//! | `restored_header` | height → header, total work, history nodes | only while accounts are fetched from others: the headers up to them |
//!
//! # Map
//! [`schema`] is the whole database on one screen; [`codec`](self) says how keys and values become bytes;
//! `db` is what all of it goes through, over `rocks`, the only file that names rocksdb, or over `memory`;
//! [`Batch`] is the only way to write; [`ChainStore`] answers
//! questions about the chain, `open` is how it begins, and `address_index` tells where accounts were touched;
//! `pruning` is how old blocks go, and `stretches` which of them stay; `backup` copies a database in use;
//! `snapshots` is what is stored of snapshots, and of a restore from one; `anew` writes a damaged table anew.
//!
//! # Invariants
//! 1. tip ∈ connected ⊆ headers: every connected block has a header and, unless it was pruned, a body.
//! 2. A height exists exactly for connected blocks; an undo record and the locations of its transactions exactly for
//!    those of them that were not pruned; block 0 has no undo record. Pruned are all below one height, but for block 0
//!    and for the bodies and the locations of kept stretches, which `meta` names.
//! 3. The leaves in `link_by_index` and `account_by_index`, which have the same indices, hash to the state root of the
//!    tip's header; `index_by_address` leads from each of their addresses to its index, and has no other.
//! 4. A batch is all or nothing, also across a power cut.
//! 5. While the index of addresses is on, `touch_by_account` has exactly the touches of the blocks of the followed
//!    chain up to the height in `meta` that were not pruned; while it is off, it is empty.
//! 6. While a reorganisation is under way, all blocks of both its branches are stored, and every other invariant holds
//!    after each of its batches.
//! 7. Damage is mended by the writer, or it is final, as every other error: then whoever meets one stops the node
//!    ([`StoreError`]).

mod accounts;
mod address_index;
mod anew;
mod backup;
mod chain_store;
mod codec;
mod db;
mod error;
#[cfg(test)]
mod fuzz;
mod ingest;
mod memory;
mod open;
mod pruning;
pub(crate) mod rocks;
pub mod schema;
mod snapshots;
mod stretches;

pub(crate) use address_index::{drop_index, put_indexed};
pub use backup::{Backup, BackupError};
pub use chain_store::{ChainStore, ConnectedRecords, REWARD, StoredBlock};
pub(crate) use chain_store::{completed_node, put_connected, put_disconnected, put_under_way};
pub(crate) use codec::Table;
pub use db::{BLOCK_BYTES, Batch, CHECKED_BYTES, Db, DbOptions, DbUsage, Durability, SNAPSHOT_EVERY, TableUsage};
pub use error::StoreError;
pub use memory::MemoryDisk;
pub use pruning::{Kept, LEAST_KEPT, LowestBody};
pub use rocks::awaits_mending;
pub(crate) use stretches::StretchList;
pub use stretches::{MAX_STRETCHES, STRETCH_BLOCKS, Stretch, StretchOptions};

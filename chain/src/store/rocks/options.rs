//! How each table is laid out on the disk: what is filtered, compressed and merged, and how.

use crate::store::DbOptions;
use crate::store::pruning::LowestBody;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DBCompactionStyle, DBCompressionType, Options,
    UniversalCompactOptions, compaction_filter::Decision,
};

/// Sorted runs of changed accounts before they are merged: a look-up may ask the filter of each.
const MAX_RUNS: i32 = 12;

/// How tables are opened.
pub(super) struct TableOptions {
    /// Shared by all tables.
    pub(super) cache: Cache,
    write_buffer_bytes: usize,
    lowest: LowestBody,
    /// Whether files are merged.
    pub(super) merges: bool,
}

impl TableOptions {
    pub(super) fn new(options: DbOptions, lowest: &LowestBody) -> Self {
        let cache = Cache::new_lru_cache(options.cache_bytes);
        Self { cache, write_buffer_bytes: options.write_buffer_bytes, lowest: lowest.clone(), merges: true }
    }

    /// Of a table.
    pub(super) fn of(&self, table: &str) -> Options {
        let mut options = table_options(table, &self.cache, self.write_buffer_bytes);
        drop_pruned(&mut options, table, &self.lowest);
        options.set_disable_auto_compactions(!self.merges);
        options
    }
}

/// Has compactions of a table drop the entries of blocks that are pruned.
fn drop_pruned(options: &mut Options, table: &str, lowest: &LowestBody) {
    if let Some(table) = ["location_by_txid", "touch_by_account"].into_iter().find(|pruned| *pruned == table) {
        let lowest = lowest.clone();
        options.set_compaction_filter("pruned", move |_, key, value| match lowest.is_pruned(table, key, value) {
            true => Decision::Remove,
            false => Decision::Keep,
        });
    }
}

fn table_options(name: &str, cache: &Cache, write_buffer_bytes: usize) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    // Indexes and filters of large files are read piece by piece: whole ones, of half a megabyte each, would push
    // one another out of a small cache with every look-up.
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_pin_top_level_index_and_filter(true);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // Looked up in many files, by hash often in vain: a filter saves the read.
    let of_accounts = matches!(name, "index_by_address" | "account_by_index" | "link_by_index");
    if of_accounts || matches!(name, "header_by_id" | "location_by_txid") {
        blocks.set_bloom_filter(10.0, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    // Most accounts that are looked up are there: filters of the last level, nine tenths of all, would save little.
    options.set_optimize_filters_for_hits(of_accounts);
    // Keys and values made of hashes do not become shorter, and accounts change too often for it to pay.
    options.set_compression_type(if of_accounts || name == "location_by_txid" {
        DBCompressionType::None
    } else {
        DBCompressionType::Lz4
    });
    options.set_write_buffer_size(write_buffer_bytes / 2);
    // Changes are all over these tables: level by level, each few megabytes of them would rewrite most of a table. So
    // changes are merged with changes, and with the table when there are as many as it has itself.
    if of_accounts {
        let mut universal = UniversalCompactOptions::default();
        universal.set_max_size_amplification_percent(100);
        options.set_compaction_style(DBCompactionStyle::Universal);
        options.set_universal_compaction_options(&universal);
        options.set_level_zero_file_num_compaction_trigger(MAX_RUNS);
        // Writing slows down, and then stops, once so many more have come while they are merged.
        options.set_level_zero_slowdown_writes_trigger(MAX_RUNS * 2);
        options.set_level_zero_stop_writes_trigger(MAX_RUNS * 3);
    }
    // Large, and written once: out of the way of compactions.
    if matches!(name, "body_by_block" | "undo_by_block" | "leaves_by_run") {
        options.set_enable_blob_files(true);
        options.set_min_blob_size(4096);
        options.set_blob_compression_type(DBCompressionType::Lz4);
    }
    options
}

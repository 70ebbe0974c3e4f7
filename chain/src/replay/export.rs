//! The followed chain of a stopped node, into a file.

use super::{feed::ReplayError, file::BlockFileWriter};
use crate::store::{ChainStore, DbOptions};
use cairn_ledger::{Block, ChainSpec, Height};
use std::{path::Path, sync::Arc};

/// What to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export {
    /// The first height; by default 1, or the one after the file's last where it is continued.
    pub from: Option<Height>,
    /// The last; the tip's when nothing is said.
    pub to: Option<Height>,
    /// Whether a file that exists is continued.
    pub append: bool,
}

/// What was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// How many blocks.
    pub blocks: u64,
    /// The height of the last in the file; 0 when there is none.
    pub to: Height,
    /// The size of the file.
    pub bytes: u64,
}

/// Writes blocks of the followed chain to the file `to`. `show` sees how many of how many were written.
///
/// # Errors
/// A failing database, a file that cannot be written or continued, or heights that the chain does not have.
pub fn export(
    spec: &ChainSpec,
    database: &Path,
    options: DbOptions,
    to: &Path,
    export: Export,
    show: &mut dyn FnMut(u64, u64),
) -> Result<Exported, ReplayError> {
    let store = Arc::new(ChainStore::open_read_only(database, spec, options)?);
    if store.under_way()?.is_some() {
        return Err(ReplayError::Reorganising);
    }
    let tip = store.expect_header(&store.tip()?)?.header().height;
    let genesis_id = spec.genesis_id();
    let (mut file, last) = match export.append && to.exists() {
        true => BlockFileWriter::append(to, genesis_id)?,
        false => (BlockFileWriter::create(to, genesis_id)?, None),
    };
    let last = last.map(|header| (header.height, header.id()));
    if let Some((height, id)) = last
        && store.id_at(height)? != Some(id)
    {
        return Err(ReplayError::OtherBranch { height, id });
    }
    let (from, up_to) = range(export, last.map(|(height, _)| height), tip)?;
    if from <= up_to {
        store.expect_all_kept(Height::new(from), Height::new(up_to))?;
    }
    let total = up_to.saturating_add(1).saturating_sub(from);
    for (block, done) in stored_blocks(store, from, up_to).zip(1..) {
        file.put(&block?)?;
        show(done, total);
    }
    let to = if total > 0 { Height::new(up_to) } else { last.map_or(Height::GENESIS, |(height, _)| height) };
    Ok(Exported { blocks: total, to, bytes: file.finish()? })
}

/// The first and the last height to write; the last is below the first when there is nothing to add.
fn range(export: Export, last: Option<Height>, tip: Height) -> Result<(u64, u64), ReplayError> {
    let from = export.from.unwrap_or(last.unwrap_or(Height::GENESIS).saturating_add(1));
    let to = export.to.unwrap_or(tip);
    let refused = Err(ReplayError::Range { from, to, tip });
    // Each block stands after its parent: a file is continued without a gap.
    let continues = last.is_none_or(|last| from == last.saturating_add(1));
    if from == Height::GENESIS || to > tip || !continues {
        return refused;
    }
    // A chain, or a file, that has nothing more is no mistake; heights in the wrong order are one.
    if from > to && (export.from, export.to) != (None, None) {
        return refused;
    }
    Ok((from.get(), to.get()))
}

/// The blocks of the followed chain in a store, from one height up to another.
pub(super) fn stored_blocks(
    store: Arc<ChainStore>,
    from: u64,
    to: u64,
) -> impl Iterator<Item = Result<Block, ReplayError>> {
    (from..=to).map(move |height| {
        let header = store.header_on_chain(Height::new(height))?;
        Ok(Block { body: store.expect_body(&header)?, header: header.header().clone() })
    })
}

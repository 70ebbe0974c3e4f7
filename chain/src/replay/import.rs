//! A file of blocks, into a stopped node.

use super::{
    feed::{Fed, ReplayError, Replayed, feed, run},
    file::BlockFile,
    overtake::overtake,
};
use crate::{ChainHandle, Tip, store::DbOptions};
use cairn_ledger::chain_spec::ChainSpec;
use std::{future::Future, path::Path, sync::Arc, time::Duration};

/// What was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The figures.
    pub replayed: Replayed,
    /// The tip now.
    pub tip: Arc<Tip>,
    /// Whether the file's last block is on the followed chain; without one, yes.
    pub followed: bool,
    /// From the first block until everything was on the disk.
    pub elapsed: Duration,
}

/// Imports a file of blocks into the chain in `database`, also when its chain leaves the stored one, however deep.
/// Blocks that are here already are passed over, so a run that was interrupted goes on where it stopped.
///
/// # Errors
/// A file that is none, a block that breaks a rule, a failing database, or `stop`; what came before stays.
pub async fn import(
    spec: Arc<ChainSpec>,
    database: &Path,
    options: DbOptions,
    mut file: BlockFile,
    show: &mut dyn FnMut(&Replayed),
    stop: impl Future<Output = ()>,
) -> Result<Imported, ReplayError> {
    let fill = async |chain: &ChainHandle| {
        let before = overtake(chain, &mut file, show).await?;
        let blocks = std::iter::from_fn(move || file.next_block().map_err(ReplayError::File).transpose());
        feed(chain, before, blocks, show).await
    };
    let Fed { replayed, tip, reader, elapsed } = run(spec, database, options, fill, stop).await?;
    // A branch with less work is kept, and not followed.
    let followed = replayed.last.is_none_or(|last| {
        let at = reader.header_at(replayed.height).ok().flatten();
        at.is_some_and(|header| header.id() == last)
    });
    Ok(Imported { replayed, tip, followed, elapsed })
}

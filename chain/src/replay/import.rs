//! A file of blocks, into a stopped node.

use super::{
    feed::{Fed, ReplayError, Replayed, feed, run},
    file::BlockFile,
    overtake::overtake,
};
use crate::{ChainHandle, Tip, store::DbOptions};
use cairn_ledger::{block::Block, chain_spec::ChainSpec};
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
        feed(chain, before, FileBlocks { file, ended: false }, show).await
    };
    let Fed { replayed, tip, reader, elapsed } = run(spec, database, options, fill, stop).await?;
    // A branch with less work is kept, and not followed.
    let followed = replayed.last.is_none_or(|last| {
        let at = reader.header_at(replayed.height).ok().flatten();
        at.is_some_and(|header| header.id() == last)
    });
    Ok(Imported { replayed, tip, followed, elapsed })
}

struct FileBlocks {
    file: BlockFile,
    ended: bool,
}

impl Iterator for FileBlocks {
    type Item = Result<Block, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.file.next_block().map_err(ReplayError::File).transpose();
        // After an error there is no telling where a record begins.
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

//! A file of blocks, into a stopped node; also one whose chain leaves the stored one, and overtakes it further up.
//!
//! A branch waits in memory until it has more work than the tip, and that memory is bounded, as strangers fill it. A
//! file is another matter: it can be read twice. So its headers are read first, up to the one with which its chain has
//! more work than the tip: checked as any, and forgotten. Only then, and only so far, are its blocks stored, and then
//! followed: how long the branch is does not matter.

use super::feed::{Fed, Feeder, ReplayError, Replayed, feed, run};
use super::file::BlockFile;
use crate::{ChainHandle, Reader, Tip, store::DbOptions};
use cairn_common::clock;
use cairn_ledger::validate::{check_header, check_work};
use cairn_ledger::{BlockId, ChainContext, ChainSpec, Header, LinkedHeader};
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

/// A chain in a file, followed header by header.
struct Branch<'a> {
    reader: &'a Reader,
    /// The last block of the file so far; nothing before the first that is on the followed chain.
    at: Option<ChainContext>,
    /// Whether it has left the followed chain.
    has_left: bool,
}

/// What a header of the file is.
enum Step {
    /// A block of the followed chain.
    Connected,
    /// A block of another one.
    Left(LinkedHeader),
    /// It does not follow from those before it, which is for the import itself to say.
    Broken,
}

impl<'a> Branch<'a> {
    fn new(reader: &'a Reader) -> Self {
        Self { reader, at: None, has_left: false }
    }

    /// Takes in the next header.
    fn step(&mut self, header: Header) -> Result<Step, ReplayError> {
        let (spec, store) = (self.reader.spec(), self.reader.store());
        if !self.has_left && store.connected(&header.id())?.is_some() {
            self.at = None;
            return Ok(Step::Connected);
        }
        let parent = match self.at.take() {
            Some(parent) => parent,
            None => match store.connected(&header.parent)? {
                Some(parent) => store.context_at(parent.header().height)?,
                None => return Ok(Step::Broken),
            },
        };
        self.has_left = true;
        let linked = check_work(spec, header).and_then(|sealed| check_header(spec, &parent, sealed, clock::now()));
        let Ok(linked) = linked else { return Ok(Step::Broken) };
        self.at = Some(parent.extend(&linked));
        Ok(Step::Left(linked))
    }
}

/// The first block of a file whose chain has more work than the tip, if the file leaves the followed chain below that.
fn overtaking(chain: &ChainHandle, mut file: BlockFile) -> Result<Option<BlockId>, ReplayError> {
    let (tip, mut branch) = (chain.tip(), Branch::new(chain.reader()));
    // What a header does not show of a broken file, its blocks will.
    while let Ok(Some(header)) = file.next_header() {
        if !branch.has_left && header.parent == tip.id {
            return Ok(None);
        }
        match branch.step(header)? {
            Step::Left(linked) if linked.total_work() > tip.total_work => return Ok(Some(linked.id())),
            Step::Connected | Step::Left(_) => {}
            Step::Broken => return Ok(None),
        }
    }
    Ok(None)
}

/// Follows the chain of a file, up to where it overtakes the stored one, if it leaves that. The file is then read up to
/// there; otherwise up to nothing.
async fn overtake(
    chain: &ChainHandle,
    file: &mut BlockFile,
    show: &mut dyn FnMut(&Replayed),
) -> Result<Replayed, ReplayError> {
    // A pipe cannot be read twice.
    if file.bytes() == 0 {
        return Ok(Replayed::default());
    }
    let Some(goal) = overtaking(chain, file.again()?)? else { return Ok(Replayed::default()) };
    let (mut branch, mut feeder) = (Branch::new(chain.reader()), Feeder::new(chain, show));
    let mut last = None;
    while last != Some(goal)
        && let Some(block) = file.next_block()?
    {
        let id = block.header.id();
        match branch.step(block.header.clone())? {
            Step::Left(linked) if chain.reader().header(&id)?.is_none() => feeder.store(linked, block).await?,
            Step::Connected | Step::Left(_) => feeder.pass(&block),
            Step::Broken => break,
        }
        last = Some(id);
    }
    let replayed = feeder.end().await?;
    chain.follow(goal).await?;
    // It waits until the chain is there, or back.
    chain.sync().await?;
    match refusal(chain, goal).await? {
        Some(error) => Err(error),
        None => Ok(replayed),
    }
}

/// Why a branch is not followed up to `goal`, if it is not.
async fn refusal(chain: &ChainHandle, goal: BlockId) -> Result<Option<ReplayError>, ReplayError> {
    let mut at = goal;
    while let Some(header) = chain.reader().header(&at)? {
        if chain.reader().is_connected(&header)? {
            break;
        }
        let height = header.header().height;
        if let Some(error) = chain.refusal(at).await? {
            return Ok(Some(ReplayError::InvalidBlock { height, id: at, error }));
        }
        at = header.header().parent;
    }
    let height = chain.reader().header(&goal)?.map_or(chain.tip().height(), |header| header.header().height);
    Ok((at != goal).then_some(ReplayError::InvalidAncestor { height, id: goal }))
}

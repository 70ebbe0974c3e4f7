//! A file whose chain leaves the stored one, and overtakes it further up.
//!
//! A branch waits in memory until it has more work than the tip, and that memory is bounded, as strangers fill it. A
//! file is another matter: it can be read twice. So its headers are read first, up to the one with which its chain has
//! more work than the tip: checked as any, and forgotten. Only then, and only so far, are its blocks stored, and then
//! followed: how long the branch is does not matter.

use super::{
    feed::{Feeder, ReplayError, Replayed},
    file::BlockFile,
};
use crate::{ChainHandle, Reader};
use cairn_common::clock;
use cairn_ledger::{
    block::Header,
    hash::BlockId,
    validate::{ChainContext, LinkedHeader, check_header, check_work},
};

/// A chain in a file, followed header by header.
struct Branch<'a> {
    reader: &'a Reader,
    /// The last block of the file so far; nothing before the first that is on the followed chain.
    at: Option<ChainContext>,
    /// Whether it has left the followed chain.
    has_left: bool,
}

impl<'a> Branch<'a> {
    fn new(reader: &'a Reader) -> Self {
        Self { reader, at: None, has_left: false }
    }

    /// Takes in the next header: the block, if it is not on the followed chain; `Err` when it does not follow from
    /// those before it, which is for the import itself to say.
    fn step(&mut self, header: Header) -> Result<Result<Option<LinkedHeader>, Broken>, ReplayError> {
        if !self.has_left
            && let Some(known) = self.reader.header(&header.id())?
            && self.reader.is_connected(&known)?
        {
            self.at = None;
            return Ok(Ok(None));
        }
        let parent = match self.at.take() {
            Some(parent) => parent,
            None => match self.connected(&header.parent)? {
                Some(parent) => parent,
                None => return Ok(Err(Broken)),
            },
        };
        self.has_left = true;
        let spec = self.reader.spec();
        let linked = check_work(spec, header).and_then(|sealed| check_header(spec, &parent, sealed, clock::now()));
        Ok(match linked {
            Ok(linked) => {
                self.at = Some(parent.extend(&linked));
                Ok(Some(linked))
            }
            Err(_) => Err(Broken),
        })
    }

    fn connected(&self, id: &BlockId) -> Result<Option<ChainContext>, ReplayError> {
        let Some(header) = self.reader.header(id)? else { return Ok(None) };
        if !self.reader.is_connected(&header)? {
            return Ok(None);
        }
        Ok(Some(self.reader.context_at(header.header().height)?))
    }
}

/// A header that does not follow from those before it.
struct Broken;

/// The first block of a file whose chain has more work than the tip, if the file leaves the followed chain below that.
fn overtaking(chain: &ChainHandle, mut file: BlockFile) -> Result<Option<BlockId>, ReplayError> {
    let (tip, mut branch) = (chain.tip(), Branch::new(chain.reader()));
    // What a header does not show of a broken file, its blocks will.
    while let Ok(Some(header)) = file.next_header() {
        if !branch.has_left && header.parent == tip.id {
            return Ok(None);
        }
        match branch.step(header)? {
            Ok(Some(linked)) if linked.total_work() > tip.total_work => return Ok(Some(linked.id())),
            Ok(_) => {}
            Err(Broken) => return Ok(None),
        }
    }
    Ok(None)
}

/// Follows the chain of a file, up to where it overtakes the stored one, if it leaves that. The file is then read up to
/// there; otherwise up to nothing.
pub(super) async fn overtake(
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
        match branch.step(block.header.clone())? {
            Ok(linked) => {
                let id = block.header.id();
                let is_known = linked.is_none() || chain.reader().header(&id)?.is_some();
                let linked = linked.map_or_else(|| chain.reader().header(&id), |linked| Ok(Some(linked)))?;
                if let Some(linked) = linked {
                    feeder.store(linked, block, is_known).await?;
                }
                last = Some(id);
            }
            Err(Broken) => break,
        }
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

//! The path from one block to another, by the parents of stored headers, which are never deleted.

use cairn_chain::{Reader, store::StoreError};
use cairn_ledger::{hash::BlockId, validate::LinkedHeader};

/// How far behind a subscription may begin, in blocks up and down; beyond, pages are the way.
pub const MAX_BEHIND: u64 = 2_000;
/// Blocks in one notification; a longer path takes several.
const STEP: usize = 100;

/// The path from one block to another.
#[derive(Debug, Default)]
pub struct ChainPath {
    down: Vec<LinkedHeader>,
    up: Vec<LinkedHeader>,
}

/// Why there is no path.
pub enum NoPath {
    Unknown,
    TooFar,
}

pub fn find(reader: &Reader, from: BlockId, to: BlockId) -> Result<Result<ChainPath, NoPath>, StoreError> {
    let (Some(mut low), Some(mut high)) = (reader.header(&from)?, reader.header(&to)?) else {
        return Ok(Err(NoPath::Unknown));
    };
    let mut path = ChainPath::default();
    while low.id() != high.id() {
        if (path.down.len() + path.up.len()) as u64 > MAX_BEHIND {
            return Ok(Err(NoPath::TooFar));
        }
        let (side, blocks) = if low.header().height > high.header().height {
            (&mut low, &mut path.down)
        } else {
            (&mut high, &mut path.up)
        };
        let Some(below) = reader.header(&side.header().parent)? else { return Ok(Err(NoPath::Unknown)) };
        blocks.push(std::mem::replace(side, below));
    }
    path.up.reverse();
    Ok(Ok(path))
}

/// A piece of a path: its blocks, and where it leads.
pub struct PathStep {
    pub down: Vec<LinkedHeader>,
    pub up: Vec<LinkedHeader>,
    pub leads_to: BlockId,
}

impl ChainPath {
    /// Cuts the path into pieces. Each leads to a block, so that each can be resumed from.
    pub fn steps(&self) -> Vec<PathStep> {
        let mut steps = Vec::new();
        for piece in self.down.chunks(STEP) {
            let Some(last) = piece.last() else { continue };
            steps.push(PathStep { leads_to: last.header().parent, down: piece.to_vec(), up: Vec::new() });
        }
        for piece in self.up.chunks(STEP) {
            let Some(last) = piece.last() else { continue };
            // A short reorganisation is told in one.
            match steps.last_mut().filter(|step| step.up.is_empty()) {
                Some(step) => (step.leads_to, step.up) = (last.id(), piece.to_vec()),
                None => steps.push(PathStep { leads_to: last.id(), down: Vec::new(), up: piece.to_vec() }),
            }
        }
        steps
    }
}

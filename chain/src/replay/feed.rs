//! Blocks into the chain, on the path of a synchronisation.

use super::FileError;
use crate::{
    BlockOutcome, ChainHandle, HeaderOutcome, Import, Reader, StoreError, Tip, store::DbOptions, verdict::Origin,
};
use cairn_common::mailbox::Stopped;
use cairn_ledger::{Block, BlockError, BlockId, ChainSpec, Header, HeaderError, Height, LinkedHeader};
use std::time::{Duration, Instant};
use std::{collections::VecDeque, future::Future, path::Path, sync::Arc, thread};
use tokio::sync::mpsc;

/// Blocks linked together at most. A piece ends earlier once it has [`PIECE_BYTES`].
const PIECE_BLOCKS: usize = 256;
/// Bytes of a piece, but for its last block: large enough that the writer is seldom asked to link.
const PIECE_BYTES: usize = 4 << 20;
/// Pieces read ahead. With the two in hand they bound what waits in memory to 24 MiB.
const PIECES_AHEAD: usize = 3;
/// Imports whose outcome is awaited. The chain itself bounds those it checks at once, by their bytes; this bounds those
/// behind them, and is as many as its mailbox takes, so that no worker ever waits for this task.
const IN_FLIGHT: usize = 64;

/// Why blocks could not be replayed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what the fields are")]
pub enum ReplayError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A header breaks a rule.
    #[error("the block {id} at height {height} breaks a rule: {error}; the chain ends before it")]
    InvalidHeader { height: Height, id: BlockId, error: HeaderError },
    /// A block breaks a rule.
    #[error("the block {id} at height {height} breaks a rule: {error}; the chain ends before it")]
    InvalidBlock { height: Height, id: BlockId, error: BlockError },
    /// A block descends from one that was refused.
    #[error("the block {id} at height {height} descends from a block that breaks a rule")]
    InvalidAncestor { height: Height, id: BlockId },
    /// A block without its parent.
    #[error("the block at height {height} follows {parent}, which is not here: begin with blocks from a lower height")]
    Orphan { height: Height, parent: BlockId },
    /// A block from the future.
    #[error("the block at height {height} is from the future: see whether this machine's clock is right")]
    Early { height: Height },
    /// A branch for which there is no room.
    #[error("the block at height {height} is on a branch with less work than the followed chain, too long to keep")]
    Unwanted { height: Height },
    /// A block under upgrades that are not those of the network's file.
    #[error(
        "the block at height {height} has version {version}, which the network's file does not give that height: it was \
         made under other upgrades; update cairn-node, or its network file"
    )]
    OtherRules { height: Height, version: u16 },
    /// A range of heights that the chain does not have.
    #[error("got the heights {from} to {to}, expected heights from 1 to {tip}, the tip's, in rising order")]
    Range { from: Height, to: Height, tip: Height },
    /// A file that continues another chain.
    #[error("the last block of the file, {id} at height {height}, is not on this node's chain: export to a new file")]
    OtherBranch { height: Height, id: BlockId },
    /// A chain that nobody chose.
    #[error("the node was stopped in the middle of a long reorganisation: start it, and it ends that first")]
    Reorganising,
    /// The operator ended it.
    #[error("interrupted; what was done so far is kept")]
    Interrupted,
}

impl From<Stopped> for ReplayError {
    /// The chain ends only by itself here: why, its writer tells at its end, and that is what is reported.
    fn from(Stopped: Stopped) -> Self {
        Self::Interrupted
    }
}

impl ReplayError {
    /// Whether the database is to blame, not what was fed to it.
    pub fn is_storage_failure(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_storage_failure())
    }
}

/// What was replayed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Blocks that went through every rule.
    pub blocks: u64,
    /// Blocks that were here before.
    pub known: u64,
    /// Transactions in the blocks.
    pub transactions: u64,
    /// Outputs of them.
    pub payments: u64,
    /// Bytes of all blocks, known ones included.
    pub bytes: u64,
    /// The height of the last.
    pub height: Height,
    /// The last.
    pub last: Option<BlockId>,
}

impl Replayed {
    /// Of a block that was here before.
    fn known(self) -> Self {
        Self { blocks: 0, known: 1, transactions: 0, payments: 0, ..self }
    }
}

/// What an import in flight adds to the figures once it has ended.
struct Sent {
    id: BlockId,
    figures: Replayed,
    import: Import,
}

/// What a run over a chain of its own gave.
pub(super) struct Fed {
    pub(super) replayed: Replayed,
    pub(super) tip: Arc<Tip>,
    /// For reading what is stored now.
    pub(super) reader: Reader,
    /// From the first block until everything was on the disk.
    pub(super) elapsed: Duration,
}

/// Opens a chain, has it fed, and closes it again, also when `stop` comes first.
///
/// # Errors
/// What feeding it met; a failing database before everything that follows from it.
pub(super) async fn run(
    spec: Arc<ChainSpec>,
    path: &Path,
    options: DbOptions,
    fill: impl AsyncFnOnce(&ChainHandle) -> Result<Replayed, ReplayError>,
    stop: impl Future<Output = ()>,
) -> Result<Fed, ReplayError> {
    let (chain, writer) = crate::spawn(spec, path, options)?;
    let started = Instant::now();
    let fed = tokio::select! {
        fed = async { fill(&chain).await } => fed,
        () = stop => Err(ReplayError::Interrupted),
    };
    // A writer that cannot do this ends, and says why below. A reorganisation that the operator interrupts goes on at
    // the next start.
    if !matches!(fed, Err(ReplayError::Interrupted)) {
        let _ = chain.sync().await;
    }
    let elapsed = started.elapsed();
    chain.stop().await;
    writer.ended().await?;
    Ok(Fed { replayed: fed?, tip: chain.tip(), reader: chain.reader().clone(), elapsed })
}

/// Feeds blocks, each after its parent, and waits until the last has its outcome. `show` sees the figures
/// after every block, added to those of `before`.
///
/// # Errors
/// The first block that does not follow the rules, or what the reader met; blocks before it are imported.
pub(super) async fn feed<S>(
    chain: &ChainHandle,
    before: Replayed,
    blocks: S,
    show: &mut dyn FnMut(&Replayed),
) -> Result<Replayed, ReplayError>
where
    S: Iterator<Item = Result<Block, ReplayError>> + Send + 'static,
{
    let (sender, mut pieces) = mpsc::channel(PIECES_AHEAD);
    // Reading and decoding have a thread of their own; it ends when nobody takes its pieces any more.
    let reader = thread::Builder::new().name(String::from("replay")).spawn(move || read_ahead(blocks, &sender));
    let reader = reader.map_err(|error| StoreError::Workers { reason: error.to_string() })?;
    let mut feeder = Feeder { chain, show, total: before, sent: VecDeque::new() };
    let fed = async {
        let (mut linked, mut failed) = (Vec::new(), None);
        while let Some(piece) = pieces.recv().await {
            match piece {
                Ok(piece) => {
                    // The writer links a piece before it connects the one ahead of it: asked afterwards, it would link
                    // none before it has connected all, and meanwhile no worker had a block to check.
                    let (next, taken) = tokio::join!(biased; link(chain, piece), feeder.take(linked));
                    taken?;
                    linked = next?;
                }
                // What came before it is good, and stays.
                Err(error) => failed = Some(error),
            }
        }
        feeder.take(linked).await?;
        match failed {
            Some(error) => Err(feeder.after_all(error).await),
            None => feeder.drain(0).await,
        }
    };
    let fed = fed.await;
    drop(pieces);
    let total = feeder.total;
    reader.join().expect("the reading thread panicked");
    fed.map(|()| total)
}

/// Reads pieces until the end, the first error, or until nobody wants them.
fn read_ahead(
    blocks: impl Iterator<Item = Result<Block, ReplayError>>,
    sender: &mpsc::Sender<Result<Vec<Block>, ReplayError>>,
) {
    let (mut piece, mut bytes, mut ended) = (Vec::new(), 0, None);
    for block in blocks {
        match block {
            Ok(block) => {
                bytes += block.size();
                piece.push(block);
            }
            Err(error) => {
                ended = Some(Err(error));
                break;
            }
        }
        if piece.len() == PIECE_BLOCKS || bytes >= PIECE_BYTES {
            bytes = 0;
            if sender.blocking_send(Ok(std::mem::take(&mut piece))).is_err() {
                return;
            }
        }
    }
    let last = (!piece.is_empty()).then_some(Ok(piece));
    for last in [last, ended].into_iter().flatten() {
        // Whoever no longer listens has an error of its own.
        let _ = sender.blocking_send(last);
    }
}

/// Blocks, and what became of their headers.
type LinkedPiece = Vec<(Block, HeaderOutcome)>;

async fn link(chain: &ChainHandle, piece: Vec<Block>) -> Result<LinkedPiece, ReplayError> {
    let headers: Vec<Header> = piece.iter().map(|block| block.header.clone()).collect();
    let outcomes = chain.link_headers(Origin::Local, headers).await?;
    Ok(piece.into_iter().zip(outcomes).collect())
}

pub(super) struct Feeder<'a> {
    chain: &'a ChainHandle,
    show: &'a mut dyn FnMut(&Replayed),
    total: Replayed,
    sent: VecDeque<Sent>,
}

impl<'a> Feeder<'a> {
    pub(super) fn new(chain: &'a ChainHandle, show: &'a mut dyn FnMut(&Replayed)) -> Self {
        Self { chain, show, total: Replayed::default(), sent: VecDeque::new() }
    }

    /// Has a block checked and stored, without asking whether it is to be followed.
    pub(super) async fn store(&mut self, header: LinkedHeader, block: Block) -> Result<(), ReplayError> {
        let (id, figures) = (header.id(), figures_of(&block));
        let import = self.chain.store(header, block.body).await?;
        self.sent.push_back(Sent { id, figures, import });
        self.drain(IN_FLIGHT).await
    }

    /// Passes over a block that is stored already.
    pub(super) fn pass(&mut self, block: &Block) {
        self.add(figures_of(block).known());
    }

    /// The figures, once all blocks have their outcome.
    pub(super) async fn end(mut self) -> Result<Replayed, ReplayError> {
        self.drain(0).await?;
        Ok(self.total)
    }

    async fn take(&mut self, piece: LinkedPiece) -> Result<(), ReplayError> {
        for (block, outcome) in piece {
            let figures = figures_of(&block);
            let (height, id, parent) = (figures.height, block.header.id(), block.header.parent);
            let error = match outcome {
                HeaderOutcome::Linked(linked) => {
                    let import = self.chain.import(linked, block.body).await?;
                    self.sent.push_back(Sent { id, figures, import });
                    self.drain(IN_FLIGHT).await?;
                    continue;
                }
                HeaderOutcome::Known { .. } => {
                    self.add(figures.known());
                    continue;
                }
                HeaderOutcome::Orphan { .. } => ReplayError::Orphan { height, parent },
                HeaderOutcome::Early => ReplayError::Early { height },
                HeaderOutcome::Unwanted => ReplayError::Unwanted { height },
                HeaderOutcome::OtherRules { version, .. } => ReplayError::OtherRules { height, version },
                HeaderOutcome::Invalid(error) => ReplayError::InvalidHeader { height, id, error },
                HeaderOutcome::InvalidAncestor => match self.chain.refusal(id).await? {
                    Some(error) => ReplayError::InvalidBlock { height, id, error },
                    None => ReplayError::InvalidAncestor { height, id },
                },
            };
            return Err(self.after_all(error).await);
        }
        Ok(())
    }

    /// `error`, after everything before it has its outcome; an error among those comes first.
    async fn after_all(&mut self, error: ReplayError) -> ReplayError {
        self.drain(0).await.err().unwrap_or(error)
    }

    /// Waits until no more than `left` imports are in flight.
    async fn drain(&mut self, left: usize) -> Result<(), ReplayError> {
        while self.sent.len() > left
            && let Some(Sent { id, mut figures, import }) = self.sent.pop_front()
        {
            let height = figures.height;
            match import.outcome().await? {
                BlockOutcome::Connected => {}
                // A worker was done with it before its parent's. All before it are answered by now, so it was
                // connected with one of them, or refused; or it is on a branch with less work.
                BlockOutcome::Waiting => {
                    if let Some(error) = self.chain.refusal(id).await? {
                        return Err(ReplayError::InvalidBlock { height, id, error });
                    }
                }
                BlockOutcome::Known => figures = figures.known(),
                BlockOutcome::Unwanted => return Err(ReplayError::Unwanted { height }),
                BlockOutcome::Invalid(error) => return Err(ReplayError::InvalidBlock { height, id, error }),
            }
            self.add(figures);
        }
        Ok(())
    }

    fn add(&mut self, more: Replayed) {
        let total = &mut self.total;
        total.blocks += more.blocks;
        total.known += more.known;
        total.transactions += more.transactions;
        total.payments += more.payments;
        total.bytes += more.bytes;
        total.height = more.height;
        total.last = more.last;
        (self.show)(total);
    }
}

fn figures_of(block: &Block) -> Replayed {
    Replayed {
        blocks: 1,
        known: 0,
        transactions: block.body.len() as u64,
        payments: block.body.iter().map(|transaction| transaction.body.outputs.len() as u64).sum(),
        bytes: block.size() as u64,
        height: block.header.height,
        last: Some(block.header.id()),
    }
}

//! The stored chain once more, from block 0 through every rule, into a scratch state; then both are compared.

use super::feed::{Fed, ReplayError, Replayed, feed, run};
use super::{FileError, export::stored_blocks};
use crate::ChainHandle;
use crate::store::{ChainStore, DbOptions, StoreError};
use cairn_ledger::{Address, BlockId, ChainSpec, Hash, Height, accounts::Leaf};
use std::{fs, future::Future, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

/// How scratch directories are called: whatever bears this name in a data directory that nobody uses is left
/// over from a run that was killed.
pub const SCRATCH_PREFIX: &str = "verify-";

/// What a verification found, where nothing differs.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The figures.
    pub replayed: Replayed,
    /// The tip.
    pub tip: BlockId,
    /// The state root after it: of the replay, and of its header.
    pub state_root: Hash,
    /// Accounts compared, the sentinel not counted.
    pub accounts: u64,
    /// From the first block until everything was on the disk; the comparison not counted.
    pub elapsed: Duration,
}

/// What differs, or what stood in the way.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what the fields are")]
pub enum VerifyError {
    /// The replay itself.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The replay ended on another block.
    #[error("the replay ends with the block {got} at height {height}, the stored chain with {expected}; {ADVICE}")]
    Tip { got: BlockId, height: Height, expected: BlockId },
    /// An account is not what the blocks make it.
    #[error(
        "the stored account {} is not what the blocks make it: got {got}, expected {expected}; {ADVICE}",
        hex::encode(address.as_bytes())
    )]
    Account { address: Address, got: String, expected: String },
}

impl From<StoreError> for VerifyError {
    fn from(error: StoreError) -> Self {
        Self::Replay(error.into())
    }
}

const ADVICE: &str = "delete db/ in the data directory, and the node fetches the chain again";

impl VerifyError {
    /// Whether the database is to blame. What is stored and breaks a rule now was changed on the disk.
    pub fn is_storage_failure(&self) -> bool {
        match self {
            Self::Replay(ReplayError::Store(error)) => error.is_storage_failure(),
            Self::Replay(error) => !matches!(error, ReplayError::File(_) | ReplayError::Interrupted),
            Self::Tip { .. } | Self::Account { .. } => true,
        }
    }
}

fn shown(leaf: Option<(u64, Leaf)>) -> String {
    match leaf {
        None => String::from("no account"),
        Some((index, Leaf { next, account, .. })) => format!(
            "balance {} nonce {} (leaf {index}, before {})",
            account.balance,
            account.nonce,
            hex::encode(next.as_bytes())
        ),
    }
}

/// Replays the chain in `database` into a directory of its own in `scratch`, which is gone afterwards.
///
/// # Errors
/// What differs, where, and what to do; or why it could not be found out.
pub async fn verify(
    spec: Arc<ChainSpec>,
    database: &Path,
    options: DbOptions,
    scratch: &Path,
    show: &mut dyn FnMut(&Replayed, Height),
    stop: impl Future<Output = ()>,
) -> Result<Verified, VerifyError> {
    let stored = Arc::new(ChainStore::open_read_only(database, &spec, options)?);
    let tip = stored.expect_header(&stored.tip()?)?;
    let height = tip.header().height;
    // Accounts are compared with what all blocks make of them.
    stored.expect_whole(Height::new(1))?;
    let directory = scratch_in(scratch)?;
    // What is compared needs no index.
    let options = DbOptions { address_index: false, ..options };
    let copy = directory.path().join("db");
    let blocks = stored_blocks(stored.clone(), 1, height.get());
    let mut show = |replayed: &Replayed| show(replayed, height);
    let fill = async |chain: &ChainHandle| feed(chain, Replayed::default(), blocks, &mut show).await;
    let fed = run(spec.clone(), &copy, options, fill, stop).await?;
    let Fed { replayed, tip: reached, elapsed, reader } = fed;
    drop(reader);
    if reached.id != tip.id() {
        return Err(VerifyError::Tip { got: reached.id, height: reached.height(), expected: tip.id() });
    }
    // Opened again: what is compared is what reached the disk.
    let replay = ChainStore::open(&copy, &spec, options)?;
    let accounts = compare(&stored, &replay)?;
    Ok(Verified { replayed, tip: tip.id(), state_root: reached.header.state_root, accounts, elapsed })
}

/// A new directory in `parent`.
fn scratch_in(parent: &Path) -> Result<TempDir, ReplayError> {
    let made = fs::create_dir_all(parent).and_then(|()| TempDir::with_prefix_in(SCRATCH_PREFIX, parent));
    made.map_err(|reason| FileError::Refused { path: parent.to_owned(), reason }.into())
}

/// Compares all accounts, in order of creation, and counts them.
fn compare(stored: &ChainStore, replayed: &ChainStore) -> Result<u64, VerifyError> {
    let (mut left, mut right, mut count) = (stored.leaves()?, replayed.leaves()?, 0_u64);
    loop {
        let (ours, theirs) = (left.next().transpose()?, right.next().transpose()?);
        let (ours, theirs) = (ours.unwrap_or_default(), theirs.unwrap_or_default());
        let longer = ours.len().max(theirs.len());
        if longer == 0 {
            return Ok(count.saturating_sub(1));
        }
        if let Some(place) = (0..longer).find(|place| ours.get(*place) != theirs.get(*place)) {
            let index = count + place as u64;
            let (ours, theirs) = (ours.get(place).copied(), theirs.get(place).copied());
            let address = ours.or(theirs).map_or(Address::ZERO, |leaf| leaf.address);
            let shown = |leaf: Option<Leaf>| shown(leaf.map(|leaf| (index, leaf)));
            return Err(VerifyError::Account { address, got: shown(ours), expected: shown(theirs) });
        }
        count += ours.len() as u64;
    }
}

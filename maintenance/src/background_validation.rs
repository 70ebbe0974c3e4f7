//! The blocks below the accounts that a node began with: executed aside, from block 0, while the node already serves.
//!
//! A chain that began with a snapshot rests on the work of its headers ([`Trust::Work`](cairn_rpc::types::Trust)). In
//! the background a second chain, in a database of its own, is synchronised from block 0 as any new node's is, through
//! every rule. At the block of the snapshot both have to be one: then the blocks are taken into the node's own
//! database, and the second one goes. A node that prunes has no use for them, and stays as it is.
//!
//! # Invariants
//! 1. The node's own chain is not touched until the second has executed all blocks up to the snapshot's.
//! 2. A history that breaks a rule ends the node with a sentence: what it served rested on nothing but work.
//! 3. A crash costs nothing: the second chain goes on where it was.
//! 4. The second chain can be made again: whatever else goes wrong with it, or where there is no room for two, it goes,
//!    and the node stays as it is.

use crate::disk_budget::BudgetHandle;
use cairn_chain::store::DbOptions;
use cairn_chain::{ChainHandle, Reader, StoreError};
use cairn_common::tasks::{Shutdown, TaskError};
use cairn_common::{mailbox::Stopped, runtime, runtime::JoinError, tasks};
use cairn_ledger::units::Height;
use cairn_network::{NetworkHandle, sync};
use std::path::{Path, PathBuf};
use std::{fs, io, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

/// The task's name.
const NAME: &str = "history";
/// How often it is looked how far the second chain is.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Of the memory for the accounts of the node's own chain, a part of so many is the second one's, besides.
const MEMORY_PART: u64 = 4;
/// The same of the bytes for blocks.
const BLOCKS_PART: usize = 2;
/// For what its database has read, and written lately.
const CACHE_BYTES: usize = 8 << 20;
/// The most files that it has open.
pub const OPEN_FILES: i32 = 64;

/// What the task stands on.
pub struct ValidationParts {
    /// How far, and on which network, sync goes.
    pub rules: sync::SyncConfig,
    /// How the node's own database is opened.
    pub options: DbOptions,
    /// The node's own chain.
    pub chain: ChainHandle,
    /// Where blocks come from.
    pub network: NetworkHandle,
    /// What is told of peers.
    pub events: sync::EventFanout,
    /// How much room there is.
    pub budget: BudgetHandle,
    /// Where the second database is, while there is one.
    pub directory: PathBuf,
}

/// How far the second chain is. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ValidationHandle(watch::Receiver<Option<Height>>);

impl ValidationHandle {
    /// The height up to which it has executed blocks; `None` while there is none.
    pub fn height(&self) -> Option<Height> {
        *self.0.borrow()
    }
}

/// Executes what the node has not, from now on, if there is anything.
pub fn spawn(parts: ValidationParts, shutdown: Shutdown) -> (ValidationHandle, JoinHandle<Result<(), TaskError>>) {
    let (sender, height) = watch::channel(None);
    (ValidationHandle(height), tokio::spawn(run(parts, sender, shutdown)))
}

/// Why the work on it ended.
enum Ended {
    /// The node is stopping.
    Stopping,
    /// The second chain is of no use, or there is no room for it.
    GivenUp(String),
    /// Something is wrong with what the node has served.
    Failed(TaskError),
}

impl From<Stopped> for Ended {
    fn from(_: Stopped) -> Self {
        Self::Stopping
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::GivenUp(error.to_string())
    }
}

impl From<JoinError> for Ended {
    fn from(error: JoinError) -> Self {
        Self::Failed(TaskError::Panicked { name: NAME, reason: error.to_string() })
    }
}

async fn run(
    parts: ValidationParts,
    sender: watch::Sender<Option<Height>>,
    mut shutdown: Shutdown,
) -> Result<(), TaskError> {
    let restored = tokio::select! {
        () = shutdown.requested() => return Ok(()),
        restored = wait_for_restore(&parts) => restored,
    };
    let ended = match restored {
        Ok(Some(pivot)) => check(&parts, pivot, &sender, &mut shutdown).await,
        Ok(None) => Ok(()),
        Err(ended) => Err(ended),
    };
    match ended {
        Err(Ended::Failed(error)) => return Err(error),
        Err(Ended::GivenUp(reason)) => tracing::warn!(
            target: "cairn::node",
            reason,
            "the blocks below the snapshot are not executed; restart the node to have it tried again"
        ),
        Ok(()) | Err(Ended::Stopping) => {}
    }
    shutdown.requested().await;
    Ok(())
}

/// Waits until the chain has begun with a snapshot; `None` where it has begun with block 0.
async fn wait_for_restore(parts: &ValidationParts) -> Result<Option<Height>, Ended> {
    let mut tip = parts.chain.watch_tip();
    loop {
        let reader = parts.chain.reader().clone();
        let restored = runtime::blocking(move || reader.restored()).await??;
        if restored.is_some() {
            return Ok(restored);
        }
        if tip.borrow_and_update().height() > Height::GENESIS {
            remove(&parts.directory);
            return Ok(None);
        }
        tip.changed().await.map_err(|_| Ended::Stopping)?;
    }
}

/// Executes all blocks up to the pivot aside, and takes them in.
async fn check(
    parts: &ValidationParts,
    pivot: Height,
    told: &watch::Sender<Option<Height>>,
    stop: &mut Shutdown,
) -> Result<(), Ended> {
    let (path, spec) = (parts.directory.clone(), parts.rules.spec.clone());
    let options = DbOptions {
        cache_bytes: CACHE_BYTES,
        write_buffer_bytes: CACHE_BYTES,
        block_bytes: parts.options.block_bytes / BLOCKS_PART,
        max_open_files: OPEN_FILES,
        address_index: false,
        account_bytes: parts.options.account_bytes.map(|bytes| bytes / MEMORY_PART),
        keep_snapshots: false,
        from_snapshot: false,
        ..parts.options
    };
    let opening = runtime::blocking(move || cairn_chain::spawn(spec, &path, options));
    let opened = tokio::select! {
        () = stop.requested() => return Err(Ended::Stopping),
        opened = opening => opened?,
    };
    // What cannot be opened is made again, by the next start.
    let (history, writer) = opened.inspect_err(|_| remove(&parts.directory))?;
    tracing::info!(target: "cairn::node", pivot = pivot.get(), "executing the blocks below the snapshot, from block 0, aside");
    let work = execute(parts, pivot, &history, told);
    let executed = tokio::select! {
        () = stop.requested() => Err(Ended::Stopping),
        executed = work => executed,
    };
    told.send_replace(None);
    // What it has is on the disk then, and it goes on from there.
    history.stop().await;
    let ended = writer.ended().await;
    drop(history);
    if matches!(executed, Ok(()) | Err(Ended::GivenUp(_))) || ended.is_err() {
        remove(&parts.directory);
    }
    ended?;
    executed
}

/// Synchronises the second chain up to the pivot, and has the blocks taken in.
async fn execute(
    parts: &ValidationParts,
    pivot: Height,
    history: &ChainHandle,
    told: &watch::Sender<Option<Height>>,
) -> Result<(), Ended> {
    let (switch, shutdown) = tasks::shutdown();
    let rules =
        sync::SyncConfig { is_own: false, block_bytes: parts.rules.block_bytes / BLOCKS_PART, ..parts.rules.clone() };
    let events = parts.events.another().await;
    let (_, mut syncing) = sync::spawn(rules, history.clone(), parts.network.clone(), events, shutdown);
    tokio::select! {
        reached = reach(parts, pivot, history, told) => reached?,
        ended = &mut syncing => {
            let reason = ended?.err().map_or_else(|| String::from("its synchronisation has ended"), |error| error.to_string());
            return Err(Ended::GivenUp(reason));
        }
    }
    switch.request();
    // All it was for is here.
    let _ = syncing.await;
    adopt(parts, history).await
}

/// Waits until the second chain has the block at the pivot; refuses a history that is invalid below it.
async fn reach(
    parts: &ValidationParts,
    pivot: Height,
    history: &ChainHandle,
    told: &watch::Sender<Option<Height>>,
) -> Result<(), Ended> {
    loop {
        let at = history.tip().height();
        told.send_replace(Some(at.min(pivot)));
        let next = at.saturating_add(1).min(pivot);
        let (own, theirs) = (parts.chain.reader().clone(), history.reader().clone());
        let compare = runtime::blocking(move || -> Result<_, StoreError> {
            let id = |reader: &Reader, height| Ok::<_, StoreError>(reader.header_at(height)?.map(|header| header.id()));
            Ok((id(&own, pivot)? == id(&theirs, pivot)?, id(&own, next)?))
        });
        let (is_reached, next_id) = compare.await??;
        if is_reached {
            return Ok(());
        }
        if let Some(id) = next_id
            && let Some(error) = history.refusal(id).await?
        {
            let reason = format!(
                "block {next} of the chain that this node began with breaks a rule: {error}; most of the work was spent on \
                 an invalid history: delete db/ and history/ in the data directory, and start with sync.from = genesis"
            );
            return Err(Ended::Failed(TaskError::Failed { name: NAME, reason, storage: false }));
        }
        if parts.budget.is_nearly_full() {
            return Err(Ended::GivenUp(String::from("there is no room on the disk for a second chain")));
        }
        runtime::sleep(LOOK_EVERY).await;
    }
}

/// Has the blocks taken in, some at a time.
async fn adopt(parts: &ValidationParts, history: &ChainHandle) -> Result<(), Ended> {
    loop {
        match parts.chain.adopt_history(history.reader()).await? {
            Some(Height::GENESIS) => return Ok(()),
            Some(_) => {}
            // A reorganisation is under way.
            None => runtime::sleep(LOOK_EVERY).await,
        }
    }
}

/// Removes the second chain, where there is one.
pub fn remove(directory: &Path) {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(target: "cairn::node", path = %directory.display(), %error, "cannot be removed, and is of no use");
        }
        Ok(()) | Err(_) => {}
    }
}

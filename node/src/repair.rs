//! A damaged database made whole: mended where it lies ([`audit::mend`]) or, where that cannot be, built anew: what can
//! be read is saved ([`replay::salvage`]), what cannot is asked of peers, and the two databases change places in one
//! step.
//!
//! # Invariants
//! 1. A database that is built anew is only read, and kept beside the new one: whoever repairs decides when it goes.
//! 2. The new one takes its place whole, or not at all, whenever the power fails.
//! 3. A body is believed by its hash, whoever gave it; peers are waited for for a bounded time.

use crate::system::data_dir::DataDir;
use cairn_chain::audit::{self, AuditReport};
use cairn_chain::replay::{self, ReplayError, Replayed, Salvaged};
use cairn_chain::store::{DbOptions, MemoryDisk};
use cairn_chain::{ChainHandle, SharedChecks, Wanted};
use cairn_common::tasks;
use cairn_ledger::chain_spec::ChainSpec;
use cairn_maintenance::repair_fetch;
use cairn_mempool::PoolConfig;
use cairn_network::{NetworkConfig, NetworkFiles, NetworkParts};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::future::{self, Future};
use std::path::{Path, PathBuf};
use std::{fs, io, sync::Arc, thread};
use tokio::sync::{mpsc, oneshot};

/// What a repair needs of the configuration.
#[derive(Clone, Debug)]
pub struct Repair {
    /// The network's rules.
    pub spec: Arc<ChainSpec>,
    /// How the database is opened.
    pub options: DbOptions,
    /// How peers are found.
    pub network: NetworkConfig,
}

/// A repaired database.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// What was saved.
    pub salvaged: Salvaged,
    /// Where the damaged database is now.
    pub broken: PathBuf,
}

/// Why it was not repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("cannot use {}: {reason}", path.display())]
    Refused { path: PathBuf, reason: io::Error },
}

/// Mends the database of a stopped node where it lies, table by table, as a running node does; how many were mended, or
/// what cannot be. The directory is held meanwhile.
///
/// # Errors
/// Says what stood in the way of trying.
pub async fn mend(
    repair: Repair,
    data_dir: &DataDir,
    stop: impl Future<Output = ()>,
) -> Result<Result<(AuditReport, u64), String>, RepairError> {
    let Repair { spec, options, network } = repair;
    let (sender, wanted) = mpsc::channel(1);
    let (done, mended) = oneshot::channel();
    let (rules, database) = (spec.clone(), data_dir.database());
    // A thread that nobody waits for: whoever stops a repair leaves what a kill would.
    thread::spawn(move || done.send(audit::mend(&rules, &database, options, sender)));
    // Peers are asked by a node at block 0: what is mended is nobody's chain before it is whole.
    let face = cairn_chain::spawn_in_memory(spec.clone(), MemoryDisk::default(), SharedChecks::default());
    let (chain, _running) = face.map_err(ReplayError::from)?;
    let answering = answer(spec, network, data_dir.network_files(), chain, wanted);
    tokio::select! {
        mended = mended => Ok(match mended {
            Ok(mended) => mended.map_err(|error| error.to_string()),
            Err(_) => Err(String::from("mending it panicked")),
        }),
        () = stop => Err(ReplayError::Interrupted.into()),
        never = async { answering.await; future::pending().await } => never,
    }
}

/// Builds the database of a stopped node anew from its blocks. Its directory is held meanwhile.
///
/// # Errors
/// Says what stood in the way; the damaged database is where it was then.
pub async fn repair(
    repair: Repair,
    data_dir: &DataDir,
    show: &mut dyn FnMut(&Replayed),
    stop: impl Future<Output = ()>,
) -> Result<Repaired, RepairError> {
    let refused = |path: &Path| {
        let path = path.to_owned();
        move |reason| RepairError::Refused { path, reason }
    };
    // Where a link leads, on the disk that the operator chose.
    let database = fs::canonicalize(data_dir.database()).map_err(refused(&data_dir.database()))?;
    let fresh = beside(&database, "repair");
    // Left over from a repair that was ended.
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(refused(&fresh))?;
    }
    let (sender, wanted) = mpsc::channel(1);
    let files = data_dir.network_files();
    let Repair { spec, options, network } = repair;
    let answer = {
        let spec = spec.clone();
        move |chain| answer(spec, network, files, chain, wanted)
    };
    let places = (database.as_path(), fresh.as_path(), options);
    let salvaged = replay::salvage(spec, places, (sender, answer), show, stop).await?;
    let broken = free_name(&database);
    // One step: there is a database by this name at every moment.
    renameat_with(CWD, &fresh, CWD, &database, RenameFlags::EXCHANGE).map_err(|error| refused(&fresh)(error.into()))?;
    fs::rename(&fresh, &broken).map_err(refused(&fresh))?;
    Ok(Repaired { salvaged, broken })
}

/// A name that no earlier repair took.
fn free_name(database: &Path) -> PathBuf {
    let name = |n: u32| beside(database, &if n == 1 { "broken".to_owned() } else { format!("broken.{n}") });
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(1))
}

/// A directory beside the database, by its name and an ending.
fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    database.with_file_name(name)
}

/// Answers what is wanted, from peers; joins the network when the first thing is.
async fn answer(
    spec: Arc<ChainSpec>,
    config: NetworkConfig,
    files: NetworkFiles,
    chain: ChainHandle,
    mut wanted: mpsc::Receiver<Wanted>,
) {
    let Some(first) = wanted.recv().await else { return };
    let (_pool_switch, shutdown) = tasks::shutdown();
    let (pool, _) = cairn_mempool::spawn(spec.clone(), PoolConfig::default(), chain.clone(), None, shutdown);
    let (_switch, shutdown) = tasks::shutdown();
    let parts = NetworkParts { config, spec, chain, pool, files, shutdown };
    let (network, mut events, _) = match cairn_network::spawn(parts).await {
        Ok(started) => started,
        // Without it, what is wanted is not had: the salvage ends where it is wanted, and says so.
        Err(error) => return tracing::warn!(target: "cairn::node", %error, "no peers can be asked"),
    };
    let listen = async {
        // Somebody has to.
        while events.recv().await.is_some() {}
    };
    let answer = repair_fetch::answer(network, Some(first), wanted);
    tokio::select! {
        () = listen => {}
        () = answer => {}
    }
}

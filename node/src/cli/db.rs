//! `db` and `backup`: a node's database, looked after.

use super::{CliError, NodeArgs, print, progress::Progress, replay::block_on, with_database};
use crate::config::{Flags, Settings};
use crate::node::NodeError;
use crate::repair::{self, Repair};
use crate::system::data_dir::{DataDir, Occupancy, Occupant};
use crate::system::telemetry;
use cairn_api::{rpc_client, table_size};
use cairn_chain::store::{ChainStore, LEAST_KEPT};
use cairn_chain::{audit, replay::Replayed};
use cairn_common::disk;
use cairn_ledger::Height;
use cairn_maintenance::stretches;
use cairn_network::NetworkConfig;
use cairn_rpc::methods::NodeClient;
use cairn_rpc::types::{BackupInfo, TableSize};
use clap::{Args, Subcommand};
use jsonrpsee::core::ClientError;
use jsonrpsee_ws_client::WsClient;
use serde_json::json;
use std::path::{self, PathBuf};
use std::time::Duration;

/// How long a running node may take to make a backup: where it goes to another disk, every file is copied.
const BACKUP_WITHIN: Duration = Duration::from_secs(3_600);
/// How long it may take to say what its database takes.
const STATS_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug, Subcommand)]
pub(super) enum DbTask {
    /// Check that everything in it belongs together: blocks, index, accounts, money
    Check {
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Say what each table takes; of a running node, too
    Stats {
        #[command(flatten)]
        node: NodeArgs,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget the transactions of old blocks, and what the indexes say of them, for good; a running node does the same
    /// with storage.keep_blocks or storage.max_bytes
    Prune {
        #[command(flatten)]
        node: NodeArgs,
        /// Of how many blocks up to the tip the transactions stay, at least 288
        #[arg(long, value_name = "BLOCKS", value_parser = blocks_to_keep)]
        keep: u64,
    },
    /// Make a damaged one whole: table by table or, where that cannot be, anew from its blocks, through every rule;
    /// what no other table tells is asked of peers
    #[command(after_help = super::KEYS_HELP)]
    Repair {
        #[command(flatten)]
        run: super::RunArgs,
        /// Anew, even if nothing is wrong with it
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The directory to make; a data directory like the node's own, with the database alone
    #[arg(value_parser = super::path_parser())]
    directory: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
}

pub(super) fn run(task: DbTask) -> Result<(), CliError> {
    match task {
        DbTask::Check { node } => check(node),
        DbTask::Stats { node, json } => stats(node, json),
        DbTask::Prune { node, keep } => prune(node, keep),
        DbTask::Repair { run, force } => mend(&run.flags(), force),
    }
}

fn check(node: NodeArgs) -> Result<(), CliError> {
    let settings = with_database(&node.flags())?;
    // Its lock keeps a node from starting meanwhile.
    let data_dir = DataDir::open_to_read(&settings.data_dir)?;
    let report = audit::check(&settings.spec, &data_dir.database(), settings.storage)?;
    let audit::AuditReport { blocks, pruned, transactions, accounts, supply, burned } = report;
    if pruned > 0 {
        return print(format_args!(
            "The database holds together: {blocks} blocks, of which {pruned} are pruned, {transactions} transactions of \
             the others, {accounts} accounts, {supply} CRN."
        ));
    }
    print(format_args!(
        "The database holds together: {blocks} blocks, {transactions} transactions, {accounts} accounts, {supply} CRN, \
         and {burned} CRN burned."
    ))
}

/// A number of blocks that may be kept.
fn blocks_to_keep(given: &str) -> Result<u64, String> {
    match given.parse() {
        Ok(keep) if keep >= LEAST_KEPT => Ok(keep),
        Ok(_) => Err(format!("at least {LEAST_KEPT} are kept, so that reorganisations can be followed")),
        Err(error) => Err(format!("{error}")),
    }
}

fn prune(node: NodeArgs, keep: u64) -> Result<(), CliError> {
    let settings = with_database(&node.flags())?;
    let data_dir = DataDir::open(&settings.data_dir)?;
    let (database, spec) = (data_dir.database(), &settings.spec);
    let before = disk::used(&database).bytes;
    let options = stretches::drawn(settings.storage, &data_dir.network_files().node_key).map_err(NodeError::from)?;
    let store = ChainStore::open(&database, spec, options)?;
    let tip = store.expect_header(&store.tip()?)?.header().height;
    store.prune(Height::new(tip.get().saturating_add(1).saturating_sub(keep)), &options.stretches)?;
    store.compact_indexes();
    let kept = store.kept();
    drop(store);
    let freed = before.saturating_sub(disk::used(&database).bytes);
    print(format_args!("Transactions are kept {kept}, up to block {tip}; {freed} bytes are free again."))
}

fn stats(node: NodeArgs, as_json: bool) -> Result<(), CliError> {
    let settings = with_database(&node.flags())?;
    let tables = match DataDir::look(&settings.data_dir)? {
        Occupancy::Used(occupant) => {
            ask(&settings, &occupant, STATS_WITHIN, async |client| client.node_storage().await)?.tables
        }
        // While this value is there, no node starts and changes what is being read.
        _held @ (Occupancy::Free { .. } | Occupancy::Absent) => {
            let path = settings.data_dir.join("db");
            let store = ChainStore::open_read_only(&path, &settings.spec, settings.storage)?;
            store.usage()?.tables.iter().map(table_size).collect()
        }
    };
    let total: u64 = tables.iter().map(|table| table.bytes).sum();
    if as_json {
        return print(format_args!("{}", json!({ "bytes": total, "tables": tables })));
    }
    print(format_args!("{:<20}{:>16}{:>16}", "table", "bytes", "entries, about"))?;
    for TableSize { name, bytes, entries } in tables {
        print(format_args!("{name:<20}{bytes:>16}{entries:>16}"))?;
    }
    print(format_args!("{:<20}{total:>16}", "all"))
}

fn mend(flags: &Flags, force: bool) -> Result<(), CliError> {
    let settings = with_database(flags)?;
    telemetry::start_with_warnings_alone()?;
    let data_dir = DataDir::open(&settings.data_dir)?;
    let database = data_dir.database();
    // It asks, and nobody asks it: the port may be taken by another node.
    let network = NetworkConfig { listen: Vec::new(), ..settings.network.clone() };
    let repair = Repair { spec: settings.spec.clone(), options: settings.storage, network };
    if !force {
        let store = ChainStore::open_read_only(&database, &settings.spec, settings.storage);
        match store.map_err(audit::AuditError::from).and_then(|store| audit::audit(&store, &settings.spec)) {
            Ok(report) => {
                return print(format_args!("Nothing to repair: {} blocks hold together.", report.blocks));
            }
            Err(damage) => eprintln!("{damage}"),
        }
        match block_on(|stop| repair::mend(repair.clone(), &data_dir, stop))?? {
            Ok((report, tables)) => {
                return print(format_args!(
                    "Mended in its place (tables written anew: {tables}): {} blocks hold together.",
                    report.blocks
                ));
            }
            Err(reason) => eprintln!("It cannot be mended in its place, and is built anew from its blocks: {reason}"),
        }
    }
    room(&settings, &database)?;
    let mut progress = Progress::start("blocks");
    let total = tip_height(&settings, &database);
    let mut show = |done: &Replayed| progress.show(done.height.get(), total, String::new);
    let done = block_on(|stop| repair::repair(repair, &data_dir, &mut show, stop))??;
    progress.end();
    let repair::Repaired { salvaged, broken } = done;
    print(format_args!(
        "Saved the chain up to block {}; {} blocks came from peers.",
        salvaged.tip.height(),
        salvaged.fetched
    ))?;
    if let Some((height, reason)) = &salvaged.lost {
        print(format_args!("From block {height} on ({reason}) the node fetches it from its peers at the next start."))?;
    }
    print(format_args!("The damaged database is {}: remove it when the node runs.", broken.display()))
}

/// How many blocks there are to save, as far as a damaged database says.
fn tip_height(settings: &Settings, database: &path::Path) -> u64 {
    let store = ChainStore::open_damaged(database, &settings.spec, settings.storage);
    let tip = store.and_then(|store| store.expect_header(&store.tip()?));
    tip.map_or(0, |tip| tip.header().height.get())
}

/// A repair needs as much room again.
fn room(settings: &Settings, database: &path::Path) -> Result<(), CliError> {
    let (needed, got) = (disk::used(database).bytes, disk::free_bytes(database)?);
    let expected = needed.saturating_add(settings.storage.reserve_bytes());
    if got >= expected { Ok(()) } else { Err(CliError::NoRoom { got, expected }) }
}

pub(super) fn backup(args: BackupArgs) -> Result<(), CliError> {
    let flags = args.node.flags();
    let settings = with_database(&flags)?;
    // The node may have been started elsewhere.
    let directory = path::absolute(&args.directory)?;
    let info = match DataDir::look(&settings.data_dir)? {
        Occupancy::Used(occupant) => {
            let directory = directory.display().to_string();
            ask(&settings, &occupant, BACKUP_WITHIN, async |client| client.node_backup(directory).await)?
        }
        Occupancy::Free { lock, .. } => {
            drop(lock);
            let held = DataDir::open_to_read(&settings.data_dir)?;
            if held.is_on_read_only_disk() {
                let advice = "nobody changes the database there, so copy its db with `cp -r` into a new data directory";
                return Err(CliError::ReadOnlyDisk { path: settings.data_dir, advice });
            }
            let store = ChainStore::open(&held.database(), &settings.spec, settings.storage)?;
            let backup = store.backup(&directory)?;
            BackupInfo { directory: directory.display().to_string(), bytes: backup.bytes, height: backup.height.get() }
        }
        Occupancy::Absent => return Err(CliError::NoDatabase { path: settings.data_dir }),
    };
    let BackupInfo { directory, bytes, height } = info;
    print(format_args!("Wrote a backup up to block {height}, {bytes} bytes: {directory}."))?;
    let run = super::leading(flags.chain.as_deref(), Some(path::Path::new(&directory)));
    print(format_args!("To use it: cairn-node run{run}, or put its db in place of a stopped node's."))
}

/// Asks a node that runs.
pub(super) fn ask<T>(
    settings: &Settings,
    occupant: &Occupant,
    within: Duration,
    question: impl AsyncFnOnce(&WsClient) -> Result<T, ClientError>,
) -> Result<T, CliError> {
    Ok(wait(rpc_client::ask(settings.node_address(occupant), within, question))??)
}

pub(super) fn wait<T>(answer: impl Future<Output = T>) -> Result<T, CliError> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(answer))
}

//! `export`, `import` and `verify`: whole chains of a stopped node.

use super::{CliError, NodeArgs, cores, print, progress::Progress, with_database};
use crate::system::data_dir::{DataDir, ReadOnly};
use crate::{config::Settings, node::NodeError, system::telemetry};
use cairn_chain::replay::{self, BlockFile, Export, Exported, Imported, Replayed, SCRATCH_PREFIX, Verified};
use cairn_chain::store::DbOptions;
use cairn_ledger::units::Height;
use cairn_maintenance::stretches;
use clap::Args;
use serde_json::{Value, json};
use std::{fs, future::Future, io, path::PathBuf, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The file to write
    #[arg(value_parser = super::path_parser())]
    file: PathBuf,
    /// Continue the file after its last block
    #[arg(long)]
    append: bool,
    /// The first height; by default 1, or the one after the last in the file
    #[arg(long, value_name = "HEIGHT")]
    from: Option<u64>,
    /// The last height; by default the tip's
    #[arg(long, value_name = "HEIGHT")]
    to: Option<u64>,
    /// The result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// A file that `cairn-node export` wrote
    #[arg(value_parser = super::path_parser())]
    file: PathBuf,
    /// Use so many cores at most; all by default
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The result as JSON, with figures
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Where the scratch state may be, about as large as the database; by default in the data directory
    #[arg(long, value_name = "DIR", value_parser = super::path_parser())]
    scratch: Option<PathBuf>,
    /// Use so many cores at most; all by default
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The result as JSON, with figures
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: NodeArgs,
}

/// The settings of a node that has a database, and its data directory, kept from changing.
fn open_to_read(node: NodeArgs) -> Result<(Settings, ReadOnly), CliError> {
    let settings = with_database(&node.flags())?;
    telemetry::start_with_warnings_alone()?;
    let data_dir = DataDir::open_to_read(&settings.data_dir)?;
    Ok((settings, data_dir))
}

/// Runs a replay on this thread, with a future that completes when the operator wants it to end.
pub(super) fn block_on<T, F: Future<Output = T>>(run: impl FnOnce(Stop) -> F) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let stop = Box::pin(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        Ok(run(stop).await)
    })
}

/// Completes when the operator wants a task to end.
pub(super) type Stop = std::pin::Pin<Box<dyn Future<Output = ()>>>;

pub(super) fn export(args: ExportArgs) -> Result<(), CliError> {
    let (settings, data_dir) = open_to_read(args.node)?;
    let mut progress = Progress::start("blocks");
    let (from, to) = (args.from.map(Height::new), args.to.map(Height::new));
    let export = Export { from, to, append: args.append };
    let mut show = |done, total| progress.show(done, total, String::new);
    let database = data_dir.database();
    let done = replay::export(&settings.spec, &database, settings.storage, &args.file, export, &mut show)?;
    progress.end();
    let Exported { blocks, to, bytes } = done;
    if args.json {
        return print(format_args!("{}", json!({ "blocks": blocks, "to": to.get(), "bytes": bytes })));
    }
    print(format_args!("Wrote {blocks} blocks, up to height {to}: {}, {bytes} bytes.", args.file.display()))
}

/// Whoever replays a chain gives nobody snapshots meanwhile.
fn without_snapshots(options: DbOptions) -> DbOptions {
    DbOptions { keep_snapshots: false, ..options }
}

pub(super) fn import(args: ImportArgs) -> Result<(), CliError> {
    let cores = cores::limit(args.threads)?;
    let settings = args.node.settings()?;
    telemetry::start_with_warnings_alone()?;
    let data_dir = DataDir::open(&settings.data_dir)?;
    let file = BlockFile::open(&args.file, settings.spec.genesis_id()).map_err(replay::ReplayError::File)?;
    let (total, mut progress) = (file.bytes(), Progress::start("bytes"));
    let mut show = |done: &Replayed| progress.show(done.bytes, total, || format!("block {}", done.height));
    let database = data_dir.database();
    let options = stretches::drawn(without_snapshots(settings.storage), &data_dir.network_files().node_key)
        .map_err(NodeError::from)?;
    let done = block_on(|stop| replay::import(settings.spec.clone(), &database, options, file, &mut show, stop))??;
    progress.end();
    let Imported { replayed, tip, followed, elapsed } = done;
    if args.json {
        let mut shown = figures(&replayed, elapsed, cores);
        shown["known"] = json!(replayed.known);
        shown["followed"] = json!(followed);
        shown["tip"] = json!(tip.id.to_string());
        shown["height"] = json!(tip.height().get());
        return print(format_args!("{shown}"));
    }
    let Replayed { blocks, known, .. } = replayed;
    let rates = rates(&replayed, elapsed);
    print(format_args!("Imported {blocks} blocks {rates}; {known} were here already."))?;
    if !followed {
        print(format_args!("They are kept, but not followed: the chain here has more work."))?;
    }
    print(format_args!("The tip is {} at height {}.", tip.id, tip.height()))
}

pub(super) fn verify(args: VerifyArgs) -> Result<(), CliError> {
    let cores = cores::limit(args.threads)?;
    let (settings, data_dir) = open_to_read(args.node)?;
    let scratch = match args.scratch {
        Some(scratch) => scratch,
        None if data_dir.is_on_read_only_disk() => {
            let advice = "say with --scratch where a state about as large as the database may be";
            return Err(CliError::ReadOnlyDisk { path: data_dir.path().to_owned(), advice });
        }
        None => data_dir.path().to_owned(),
    };
    remove_leftovers(&data_dir)?;
    let mut progress = Progress::start("blocks");
    let mut show = |done: &Replayed, height: Height| {
        progress.show(done.blocks, height.get(), || format!("{} payments", done.payments));
    };
    let database = data_dir.database();
    let done = block_on(|stop| {
        replay::verify(settings.spec.clone(), &database, without_snapshots(settings.storage), &scratch, &mut show, stop)
    })??;
    progress.end();
    let Verified { replayed, tip, state_root, accounts, elapsed } = done;
    if args.json {
        let mut shown = figures(&replayed, elapsed, cores);
        shown["agrees"] = json!(true);
        shown["accounts"] = json!(accounts);
        shown["tip"] = json!(tip.to_string());
        shown["height"] = json!(replayed.height.get());
        shown["state_root"] = json!(state_root.to_string());
        return print(format_args!("{shown}"));
    }
    let Replayed { blocks, transactions, .. } = replayed;
    let rates = rates(&replayed, elapsed);
    print(format_args!("Replayed {blocks} blocks with {transactions} transactions {rates}."))?;
    print(format_args!("state root agrees: {state_root} at height {}, {accounts} accounts", replayed.height))
}

/// Removes what a verification that was killed has left. The lock says that nobody uses it.
fn remove_leftovers(data_dir: &ReadOnly) -> Result<(), io::Error> {
    for entry in fs::read_dir(data_dir.path())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(SCRATCH_PREFIX) && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn figures(replayed: &Replayed, elapsed: Duration, cores: usize) -> Value {
    let seconds = elapsed.as_secs_f64();
    json!({
        "blocks": replayed.blocks,
        "transactions": replayed.transactions,
        "payments": replayed.payments,
        "bytes": replayed.bytes,
        "seconds": seconds,
        "blocks_per_second": replayed.blocks as f64 / seconds,
        "transactions_per_second": replayed.transactions as f64 / seconds,
        "payments_per_second": replayed.payments as f64 / seconds,
        "cores": cores,
        "cpu_seconds": cores::cpu_seconds(),
    })
}

fn rates(replayed: &Replayed, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    let (blocks, payments) = (replayed.blocks as f64 / seconds, replayed.payments as f64 / seconds);
    format!("in {seconds:.1} s, {blocks:.0} blocks/s and {payments:.0} payments/s")
}

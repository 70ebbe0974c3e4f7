//! The node: opens, connects and starts its parts, and stops them in order. Wiring only.

use crate::config::Settings;
use crate::system::data_dir::{self, DataDir, DataDirError};
use crate::system::systemd;
use cairn_api::{ApiError, Handles, RpcConfig, Services, ipc::IpcListener, tokens::TokenFile};
use cairn_chain::store::{DbOptions, StoreError};
use cairn_chain::{Chain, ChainHandle};
use cairn_common::runtime::JoinHandle;
use cairn_common::tasks::{self, Shutdown, TaskError, Tasks};
use cairn_ledger::chain_spec::ChainSpec;
use cairn_maintenance::background_validation::{self, ValidationHandle, ValidationParts};
use cairn_maintenance::disk_budget::{self, DiskLimits, NoRoom};
use cairn_maintenance::stretches::{self, StretchParts};
use cairn_maintenance::{health, repair_fetch};
use cairn_network::{NetworkError, NetworkHandle, NetworkParts, sync};
use std::time::{Duration, Instant};
use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// So often a node starts again by itself, to mend its database or to begin anew.
const MOST_RESTARTS: usize = 3;
/// How long it waits for that.
const RESTART_PAUSE: Duration = Duration::from_secs(2);
/// How long its own ports are waited for then.
const LETS_GO_WITHIN: Duration = Duration::from_secs(60);

/// How long the system is given to say where the node listens; after that the node goes on without.
const LISTEN_WITHIN: Duration = Duration::from_secs(5);

/// Starts nodes.
pub struct Node;

/// A node at work.
#[must_use = "a node that is not stopped in order may lose what it did last"]
pub struct RunningNode {
    handles: Handles,
    /// Where it serves JSON-RPC.
    pub rpc_address: SocketAddr,
    /// Where it listens for peers, as multiaddresses that end in its peer id.
    pub p2p_addresses: Vec<String>,
    stop_requests: mpsc::Receiver<()>,
    /// Why the writer of the chain gave up, if it did.
    chain_failure: oneshot::Receiver<StoreError>,
    tasks: Tasks,
    // The lock goes last, after everything that the tasks had open.
    data_dir: DataDir,
}

/// Why a node did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The chain cannot be opened, or followed any more.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The network cannot be joined.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// JSON-RPC cannot be served.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// There is no room for the data.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// A task failed.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A thread panicked: a bug.
    #[error("a panic: {0}")]
    Panic(String),
    /// The system refuses to say what is free, or to hand signals over.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

impl NodeError {
    /// Whether the disk, or what is on it, is to blame.
    pub fn is_storage_failure(&self) -> bool {
        match self {
            Self::Store(error) => error.is_storage_failure(),
            Self::Task(error) => error.is_storage_failure(),
            _ => false,
        }
    }

    /// Whether there is no room for the data, at the start or any more.
    pub fn is_no_room(&self) -> bool {
        matches!(self, Self::NoRoom(_)) || matches!(self, Self::Task(error) if error.is_no_room())
    }
}

impl Node {
    /// Runs a node until it is told to stop (by a signal or a call), or until one of its parts fails, and stops it in
    /// order. `started` is called when it serves.
    ///
    /// # Errors
    /// Why it did not start, or which part failed.
    pub async fn run(settings: Settings, mut started: impl FnMut(&Handles)) -> Result<(), NodeError> {
        // Before anything is started: a signal during the start stops the node right after it.
        let (mut signals, mut panics) = (Signals::new()?, watch_panics());
        let (mut restarts, mut ended_at) = (0, Instant::now());
        loop {
            let ended = Self::run_once(settings.clone(), &mut signals, &mut panics, &mut started).await;
            let is_left = match ended {
                Err(error)
                    if restarts < MOST_RESTARTS
                        && error.is_storage_failure()
                        && data_dir::awaits_mending(&settings.data_dir) =>
                {
                    tracing::warn!(target: "cairn::node", "starting again: the database has to be opened anew to be mended");
                    false
                }
                Err(NodeError::Store(StoreError::ForkPruned { fork, lowest }))
                    if restarts < MOST_RESTARTS && settings.storage.from_snapshot =>
                {
                    tracing::error!(
                        target: "cairn::node", fork = fork.get(), lowest_body = lowest.get(),
                        "the chain with the most work leaves the stored one below what is kept of it: everything since \
                         then is undone, and this node begins anew, with a snapshot of that chain"
                    );
                    true
                }
                // QUIC has its port until those it was connected with have heard of the end, or do not answer.
                Err(NodeError::Network(NetworkError::Listen { .. }))
                    if restarts > 0 && ended_at.elapsed() < LETS_GO_WITHIN =>
                {
                    if signals.stop_within(RESTART_PAUSE).await {
                        return Ok(());
                    }
                    continue;
                }
                ended => return ended,
            };
            (restarts, ended_at) = (restarts + 1, Instant::now());
            // Whoever still reads holds it open.
            if signals.stop_within(RESTART_PAUSE).await {
                return Ok(());
            }
            if is_left {
                DataDir::open(&settings.data_dir)?.remove_chain()?;
            }
        }
    }

    /// The same, to its first end.
    async fn run_once(
        settings: Settings,
        signals: &mut Signals,
        panics: &mut mpsc::Receiver<String>,
        started: &mut impl FnMut(&Handles),
    ) -> Result<(), NodeError> {
        let mut node = Self::start(settings).await?;
        started(&node.handles);
        let failure = tokio::select! {
            () = signals.stop() => None,
            failure = node.ended() => failure.map(NodeError::Task),
            Some(panic) = panics.recv() => Some(NodeError::Panic(panic)),
        };
        match &failure {
            None => tracing::info!(target: "cairn::node", "stopping, as asked"),
            Some(error) => tracing::error!(target: "cairn::node", %error, "stopping, because a part failed"),
        }
        match (node.stop().await, failure) {
            // Others may notice before the writer has said so.
            (Err(error), _) if matches!(error, NodeError::Store(_)) || error.is_storage_failure() => Err(error),
            (_, Some(error)) => Err(error),
            (stopped, None) => stopped,
        }
    }

    /// Starts a node; it serves when this returns.
    ///
    /// # Errors
    /// Says what could not be started.
    pub async fn start(settings: Settings) -> Result<RunningNode, NodeError> {
        let data_dir = DataDir::open(&settings.data_dir)?;
        let mut tasks = Tasks::default();
        let (stop, stop_requests) = mpsc::channel(1);
        let (chain_failed, chain_failure) = oneshot::channel();
        match start_parts(settings, &data_dir, Ends { stop, chain_failed }, &mut tasks).await {
            Ok((handles, rpc_address, p2p_addresses)) => {
                Ok(RunningNode { handles, rpc_address, p2p_addresses, stop_requests, chain_failure, tasks, data_dir })
            }
            Err(error) => {
                // What was started lets go of the data before the lock goes. Its own failure is the lesser.
                let _ = tasks.stop().await;
                Err(error)
            }
        }
    }
}

impl RunningNode {
    /// The file with the token of the user it runs as, who may do everything.
    pub fn admin_token_file(&self) -> PathBuf {
        TokenFile::of(self.data_dir.path()).admin_path()
    }

    /// Returns when the node must be stopped: a part has failed, or JSON-RPC has said so.
    pub async fn ended(&mut self) -> Option<TaskError> {
        tokio::select! {
            failure = self.tasks.first_end() => Some(failure),
            // The sender is in the handlers, and so ends with the tasks.
            Some(()) = self.stop_requests.recv() => None,
        }
    }

    /// Stops all parts in order; all that was imported is on the disk then.
    ///
    /// # Errors
    /// The first part that failed, or that did not stop.
    pub async fn stop(self) -> Result<(), NodeError> {
        let Self { handles, tasks, mut chain_failure, data_dir: _lock, .. } = self;
        drop(handles);
        let stopped = tasks.stop().await;
        if let Ok(failure) = chain_failure.try_recv() {
            return Err(NodeError::Store(failure));
        }
        stopped?;
        tracing::info!(target: "cairn::node", "stopped");
        Ok(())
    }
}

/// The signals that would end a process at once, with what waits in its pool.
struct Signals {
    /// Stop in order: SIGINT, SIGTERM, SIGQUIT.
    stop: [Signal; 3],
    /// Go on: SIGHUP, SIGUSR1, SIGUSR2. By the custom of services SIGHUP asks for files to be read anew; certificate
    /// and tokens are, as soon as they change. A terminal that was closed sends it, too.
    pass: [Signal; 3],
}

impl Signals {
    fn new() -> io::Result<Self> {
        let stop = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::quit())?];
        let pass =
            [signal(SignalKind::hangup())?, signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?];
        Ok(Self { stop, pass })
    }

    /// Waits so long; whether the node is to stop before that.
    async fn stop_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.stop()).await.is_ok()
    }

    /// Returns when the node is to stop.
    async fn stop(&mut self) {
        let ([interrupt, terminate, quit], [hangup, first, second]) = (&mut self.stop, &mut self.pass);
        loop {
            let name = tokio::select! {
                _ = interrupt.recv() => return,
                _ = terminate.recv() => return,
                _ = quit.recv() => return,
                _ = hangup.recv() => "SIGHUP",
                _ = first.recv() => "SIGUSR1",
                _ = second.recv() => "SIGUSR2",
            };
            tracing::info!(target: "cairn::node", signal = name, "going on: certificate and tokens are read anew when they change");
        }
    }
}

/// Where the parts say that the node is to end.
struct Ends {
    /// A caller wants it to.
    stop: mpsc::Sender<()>,
    /// The chain cannot be followed any more.
    chain_failed: oneshot::Sender<StoreError>,
}

/// Starts every part after those it uses.
async fn start_parts(
    settings: Settings,
    data_dir: &DataDir,
    Ends { stop, chain_failed }: Ends,
    tasks: &mut Tasks,
) -> Result<(Handles, SocketAddr, Vec<String>), NodeError> {
    let started = Instant::now();
    let limits = make_room(&settings, data_dir)?;
    let listen = settings.network.listen.len();
    let executes_history = settings.executes_history();
    let Settings { spec, local, mining, max_memory_bytes, .. } = settings;
    let storage = stretches::drawn(settings.storage, &data_dir.network_files().node_key)?;
    let chain = open_chain(spec.clone(), data_dir.database(), storage, chain_failed, tasks).await?;
    let budget = start(tasks, "budget", |shutdown| disk_budget::spawn(limits, chain.clone(), shutdown));
    let pool = start(tasks, "mempool", |shutdown| {
        cairn_mempool::spawn(spec.clone(), settings.mempool, chain.clone(), Some(data_dir.pool()), shutdown)
    });

    let (switch, shutdown) = tasks::shutdown();
    let (config, files) = (settings.network, data_dir.network_files());
    let parts = NetworkParts { config, spec: spec.clone(), chain: chain.clone(), pool: pool.clone(), files, shutdown };
    let (network, events, task) = cairn_network::spawn(parts).await?;
    tasks.adopt("network", switch.throw(), task);
    let (others, wanted) = mpsc::channel(1);
    chain.ask_others(others);
    start(tasks, "others", |shutdown| ((), repair_fetch::spawn(network.clone(), wanted, shutdown)));

    let rules = sync::SyncConfig { spec: spec.clone(), local, block_bytes: storage.block_bytes, is_own: true };
    let (events, fork) = sync::fan_out(events);
    let sync =
        start(tasks, "sync", |shutdown| sync::spawn(rules.clone(), chain.clone(), network.clone(), events, shutdown));

    let parts = ValidationParts {
        rules,
        options: storage,
        chain: chain.clone(),
        network: network.clone(),
        events: fork.clone(),
        budget: budget.clone(),
        directory: data_dir.history(),
    };
    let history = start_history(parts, executes_history, tasks);

    if storage.keep_blocks.is_some() || budget.max_bytes.is_some() {
        let (chain, network, interval) = (chain.clone(), network.clone(), spec.params().interval_ms);
        let (sync, budget, interval) = (sync.clone(), budget.clone(), Duration::from_millis(interval));
        let parts = StretchParts { chain, network, sync, events: fork, budget, interval };
        start(tasks, "stretches", |shutdown| ((), stretches::spawn(parts, shutdown)));
    }

    let miner = start(tasks, "miner", |shutdown| {
        cairn_miner::spawn(mining.clone(), chain.clone(), pool.clone(), network.clone(), sync.clone(), shutdown)
    });
    let health = start(tasks, "health", |shutdown| {
        health::spawn(spec.clone(), local, chain.clone(), network.clone(), sync.clone(), shutdown)
    });

    let handles = Handles { chain, pool, network, sync, miner, budget, health, history };
    let services =
        Services { spec: spec.clone(), local, started, mining, max_memory_bytes, handles: handles.clone(), stop };
    let rpc_address = serve(settings.rpc_listen, settings.rpc, services, data_dir, tasks).await?;
    start(tasks, "notify", |shutdown| ((), systemd::spawn(handles.chain.clone(), handles.network.clone(), shutdown)));
    let p2p_addresses = listening(&handles.network, listen).await;
    tell_ready(&spec, &handles, rpc_address, &p2p_addresses).await;
    Ok((handles, rpc_address, p2p_addresses))
}

/// Sees to it that there is room for a node, before the database is opened, which writes.
fn make_room(settings: &Settings, data_dir: &DataDir) -> Result<DiskLimits, NodeError> {
    raise_file_limit(settings.open_files());
    data_dir.finish_removal()?;
    let limits = settings.limits();
    limits.judge_disk(&disk_budget::measure(&limits))?;
    Ok(limits)
}

/// Starts a part that stops when it is told to, before those that were started earlier.
fn start<H, T: Into<JoinHandle<Result<(), TaskError>>>>(
    tasks: &mut Tasks,
    name: &'static str,
    spawn: impl FnOnce(Shutdown) -> (H, T),
) -> H {
    let (switch, shutdown) = tasks::shutdown();
    let (handle, task) = spawn(shutdown);
    tasks.adopt(name, switch.throw(), task);
    handle
}

/// Executes aside what the chain has not, where that is to be done; removes what is left of it elsewhere.
fn start_history(parts: ValidationParts, executes: bool, tasks: &mut Tasks) -> Option<ValidationHandle> {
    if !executes {
        background_validation::remove(&parts.directory);
        return None;
    }
    Some(start(tasks, "history", |shutdown| background_validation::spawn(parts, shutdown)))
}

/// Serves JSON-RPC, and notes in the data directory where.
async fn serve(
    listen: SocketAddr,
    config: RpcConfig,
    services: Services,
    data_dir: &DataDir,
    tasks: &mut Tasks,
) -> Result<SocketAddr, NodeError> {
    let (switch, shutdown) = tasks::shutdown();
    let (own, tokens) = (own_socket(data_dir), TokenFile::of(data_dir.path()));
    let (address, task) = cairn_api::spawn(listen, own, config, tokens, services, shutdown).await?;
    tasks.adopt("api", switch.throw(), task);
    data_dir.note_rpc(address);
    Ok(address)
}

/// The socket of the node's own tools. Where the file system has none, they ask at the port, with a token.
fn own_socket(data_dir: &DataDir) -> Option<IpcListener> {
    IpcListener::bind(data_dir.path())
        .inspect_err(|error| {
            tracing::warn!(target: "cairn::node", %error, "no Unix socket in the data directory: doctor and its like ask at the RPC port");
        })
        .ok()
}

/// The line that whoever starts a node waits for.
async fn tell_ready(spec: &ChainSpec, handles: &Handles, rpc: SocketAddr, p2p: &[String]) {
    let (tip, network) = (handles.chain.tip(), handles.network.info().await);
    tracing::info!(
        target: "cairn::node",
        chain = spec.params().name,
        genesis_id = %spec.genesis_id(),
        height = tip.height().get(),
        tip = %tip.id,
        rpc = %format_args!("http://{rpc}"),
        ?p2p,
        peer_id = network.peer_id,
        "ready"
    );
}

/// Starts the writer, which is stopped last. If it gives up, it says why.
async fn open_chain(
    spec: Arc<ChainSpec>,
    path: PathBuf,
    options: DbOptions,
    failed: oneshot::Sender<StoreError>,
    tasks: &mut Tasks,
) -> Result<ChainHandle, NodeError> {
    // It reads all accounts: that takes as long as there are many.
    let opened = tokio::task::spawn_blocking(move || cairn_chain::spawn(spec, &path, options));
    let opened = systemd::patiently(opened).await;
    let opened = opened.map_err(|error| TaskError::Panicked { name: "chain", reason: error.to_string() })?;
    let (chain, writer) = opened?;
    let last = chain.clone();
    tasks.adopt("chain", async move { last.stop().await }, tokio::spawn(ended(writer, failed)));
    Ok(chain)
}

/// Sees to it that as many files can be open as may be needed. Where the system does not allow that, the node runs as
/// long as it does with fewer: a peer or a caller too many is refused then.
fn raise_file_limit(needed: u64) {
    // Never down: what is allowed already stays allowed.
    let now = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(0, |(soft, _)| soft);
    match rlimit::increase_nofile_limit(needed.max(now)) {
        Ok(got) if got >= needed => {}
        Ok(got) => tracing::warn!(
            target: "cairn::node", got, needed, "fewer files may be open than may be needed: raise the limit (ulimit -n)"
        ),
        Err(error) => tracing::warn!(target: "cairn::node", %error, needed, "the limit of open files is not known"),
    }
}

/// Where the node listens for peers: known once the system has given `expected` ports or more.
async fn listening(network: &NetworkHandle, expected: usize) -> Vec<String> {
    let deadline = Instant::now() + LISTEN_WITHIN;
    loop {
        let addresses = network.info().await.listening;
        if addresses.len() >= expected || Instant::now() >= deadline {
            return addresses;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Tells of panics anywhere in this process, those that a library catches included: whatever was half done
/// then, nothing is to be built on it.
fn watch_panics() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        // When there is no room, an earlier one is stopping the node already.
        let _ = sender.try_send(panic.to_string());
    }));
    receiver
}

/// The writer as a task; what it failed of is told to `failed`, too.
async fn ended(writer: Chain, failed: oneshot::Sender<StoreError>) -> Result<(), TaskError> {
    writer.ended().await.map_err(|error| {
        let (reason, storage) = (error.to_string(), error.is_storage_failure());
        // Where nobody listens any more, the task's own end says it.
        let _ = failed.send(error);
        TaskError::Failed { name: "chain", reason, storage }
    })
}

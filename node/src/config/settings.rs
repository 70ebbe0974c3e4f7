//! The checked configuration.

use super::keys::{
    DiscoverySection, ExplorerSection, KEYS, LogSection, MempoolSection, MiningSection, NetworkSection, ReachSection,
    RpcSection, StorageSection,
};
use super::layers::{CHAIN_VARIABLE, DATA_DIR_VARIABLE, Layers};
use super::value::{Sourced, SyncFrom, value, value_or};
use super::{Config, ConfigError, Environment, Flags, memory::Memory};
use crate::system::data_dir::Occupant;
use crate::system::telemetry::{LogFilter, LogFormat};
use cairn_api::{ExplorerConfig, RpcConfig, TlsFiles, rpc_client::NodeAddress, tokens::TokenFile};
use cairn_chain::store::{DbOptions, StretchOptions};
use cairn_common::{clock, disk};
use cairn_genesis::{Defaults, Network};
use cairn_host::shell::expand_home;
use cairn_ledger::chain_spec::{ChainParams, ChainSpec};
use cairn_maintenance::{background_validation, disk_budget::DiskLimits};
use cairn_mempool::PoolConfig;
use cairn_miner::MiningConfig;
use cairn_network::{DiscoveryConfig, NetworkConfig, NotAdmissible, ReachConfig};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{fmt::Display, sync::Arc};

/// Everything a node needs to know to start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The rules of the network.
    pub spec: Arc<ChainSpec>,
    /// Whether the network lives on this machine alone.
    pub local: bool,
    /// Where the node keeps its data.
    pub data_dir: PathBuf,
    /// Peers.
    pub network: NetworkConfig,
    /// The miner.
    pub mining: MiningConfig,
    /// Where JSON-RPC is served.
    pub rpc_listen: SocketAddr,
    /// How, and to whom.
    pub rpc: RpcConfig,
    /// The pool.
    pub mempool: PoolConfig,
    /// The database.
    pub storage: DbOptions,
    /// The most bytes that the data directory may take.
    pub max_storage_bytes: Option<u64>,
    /// The most bytes of memory that the process may hold; nothing where neither the configuration nor the system says.
    pub max_memory_bytes: Option<u64>,
    /// What is told on stderr.
    pub log: LogFilter,
    /// How it is written.
    pub log_format: LogFormat,
    /// Where it is kept in files, too.
    pub log_directory: Option<PathBuf>,
}

impl Settings {
    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// Names the first key that is wrong, what it got, where that came from and what was expected.
    pub fn load(flags: &Flags, environment: &Environment) -> Result<Self, ConfigError> {
        let Network { spec, defaults } = load_chain(flags, environment)?;
        let data_dir = locate_data_dir(flags, environment, &spec.params().name)?;
        let config = Config::read(&Layers::gather(KEYS, flags, environment, &data_dir)?)?;
        let max_memory = config.memory.max_bytes.as_ref();
        let memory = Memory::of(max_memory, cairn_common::memory::limit())?;
        let mempool = mempool(&config.mempool, memory.pool());
        let storage = storage(&config.storage, memory.database());
        if let Some(given) = max_memory {
            Memory::check(given, &storage, &mempool)?;
        }
        let from_snapshot = value_or(&config.sync.from, SyncFrom::Genesis) == SyncFrom::Snapshot;
        let two_chains = from_snapshot || data_dir.join("history").exists();
        let network = peering(&config.network, &defaults)?;
        let rpc_listen = value_or(&config.rpc.listen, SocketAddr::from((Ipv4Addr::LOCALHOST, defaults.rpc_port)));
        check_ports(rpc_listen, &network, &config)?;
        Ok(Self {
            network: NetworkConfig {
                max_memory_mib: network.max_memory_mib.or(memory.shares.map(|shares| shares.no_new_peers_mib)),
                discovery: discovery(&config.discovery, defaults.local),
                reach: reach(&config.reach),
                ..network
            },
            mining: mining(&config.mining, &spec)?,
            rpc_listen,
            rpc: RpcConfig { explorer: explorer(&config.explorer)?, ..rpc(&config.rpc)? },
            max_storage_bytes: value(&config.storage.max_bytes),
            max_memory_bytes: memory.max_bytes,
            storage: DbOptions {
                address_index: value_or(&config.index.addresses, false),
                // Where a second chain is executed beside the node's own, that has a fourth of it besides.
                account_bytes: memory
                    .for_accounts(&storage, &mempool)
                    .map(|bytes| if two_chains { bytes / 5 * 4 } else { bytes }),
                snapshot_every: defaults.snapshot_every.get(),
                stretches: StretchOptions {
                    blocks: defaults.stretch_blocks.get(),
                    keep: value_or(&config.storage.keep_stretches, KEEP_STRETCHES),
                    ..StretchOptions::default()
                },
                from_snapshot,
                ..storage
            },
            mempool,
            log: log(&config.log)?,
            log_format: value_or(&config.log.format, LogFormat::Text),
            log_directory: value(&config.log.directory),
            local: defaults.local,
            spec: Arc::new(spec),
            data_dir,
        })
    }
}

impl Settings {
    /// Whether blocks that were not executed are, in the background: not where they would be pruned.
    pub fn executes_history(&self) -> bool {
        self.storage.keep_blocks.is_none() && self.max_storage_bytes.is_none()
    }
}

/// Stretches of history that a node keeps below what it prunes: its own, and one more where others lack it.
const KEEP_STRETCHES: usize = 2;
/// Open files besides those of the database, the peers and the callers: logs, listeners, pipes, small files.
const OTHER_FILES: u64 = 64;

impl Settings {
    /// Looks at what the configuration names, the files it points at and who could call, and changes nothing. `run`,
    /// `config check` and `doctor` all ask here, so that none of them calls good what another refuses.
    ///
    /// # Errors
    /// The first thing that a node could not be started with, under its key.
    pub fn check_usable(&self) -> Result<(), ConfigError> {
        let unusable = |key, reason: String| Err(ConfigError::Unusable { key, reason });
        if let Err(error) = cairn_network::check_psk(&self.network) {
            return unusable("network.psk_file", error.to_string());
        }
        if let Some(files) = &self.rpc.tls
            && let Err(error) = cairn_api::check_tls(files)
        {
            return unusable("rpc.tls_cert and rpc.tls_key", error.to_string());
        }
        if let Err(error) =
            cairn_api::check_callers(self.rpc_listen, &self.rpc.explorer, &TokenFile::of(&self.data_dir), clock::now())
        {
            return unusable("rpc.listen", error.to_string());
        }
        match self.log_directory.as_deref().map(check_directory) {
            Some(Err(reason)) => unusable("log.directory", reason),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// What the data may take of the disk.
    pub fn limits(&self) -> DiskLimits {
        DiskLimits {
            data_dir: self.data_dir.clone(),
            database: self.data_dir.join("db"),
            max_bytes: self.max_storage_bytes,
            reserve_bytes: self.storage.reserve_bytes(),
        }
    }

    /// Where the node that runs on the data directory can be asked.
    pub fn node_address(&self, occupant: &Occupant) -> NodeAddress<'_> {
        let port = occupant.rpc.unwrap_or(self.rpc_listen);
        NodeAddress { data_dir: &self.data_dir, port, is_tls: self.rpc.tls.is_some() }
    }

    /// How many files a node can have open at once with these settings.
    pub fn open_files(&self) -> u64 {
        let peers = self.network.max_inbound.saturating_add(self.network.max_outbound);
        let sockets = peers.saturating_add(self.rpc.max_connections) as u64;
        let databases = self.storage.max_open_files.unsigned_abs() + background_validation::OPEN_FILES.unsigned_abs();
        OTHER_FILES.saturating_add(sockets).saturating_add(u64::from(databases))
    }
}

/// Whether files can be made in a directory that is there, or that can be made.
fn check_directory(path: &Path) -> Result<(), String> {
    let there = path.ancestors().find(|part| part.exists());
    if let Some(file) = there.filter(|there| !there.is_dir()) {
        return Err(format!("{} is no directory", file.display()));
    }
    disk::may_write(path).map_err(|reason| format!("{} cannot be written: {reason}", path.display()))
}

/// The network that `--chain` names: one that ships with the program, or a file.
fn load_chain(flags: &Flags, environment: &Environment) -> Result<Network, ConfigError> {
    let (got, origin) = match (&flags.chain, environment.get(CHAIN_VARIABLE)) {
        (Some(chain), _) => (chain.as_str(), "the flag --chain".to_owned()),
        (None, Some(chain)) => (chain, format!("the environment variable {CHAIN_VARIABLE}")),
        (None, None) => ("main", "the default".to_owned()),
    };
    read_chain(got).map_err(|reason| {
        let expected = format!("main, test, local or a genesis file ({reason})");
        ConfigError::Value { key: "chain", got: got.to_owned(), origin, expected }
    })
}

/// Reads a network by the name it ships under, or from a file.
///
/// # Errors
/// Says why it cannot be read, or what is wrong in it.
pub fn read_chain(name_or_path: &str) -> Result<Network, ChainFileError> {
    match cairn_genesis::shipped(name_or_path) {
        Some(text) => Ok(Network::parse(text)?),
        None => {
            let path = expand_home(Path::new(name_or_path), std::env::var_os("HOME"));
            Ok(Network::parse(&std::fs::read_to_string(path)?)?)
        }
    }
}

/// Why a genesis file gives no network.
#[derive(Debug, thiserror::Error)]
pub enum ChainFileError {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("{0}")]
    Genesis(#[from] cairn_genesis::GenesisError),
}

/// `--data-dir`, or the directory of the network under `$XDG_DATA_HOME/cairn`.
fn locate_data_dir(flags: &Flags, environment: &Environment, chain: &str) -> Result<PathBuf, ConfigError> {
    if let Some(path) = &flags.data_dir {
        return Ok(expand_home(path, std::env::var_os("HOME")));
    }
    // The XDG rules: an empty variable counts as unset.
    let variable = |name| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = variable(DATA_DIR_VARIABLE) {
        return Ok(expand_home(&path, environment.get("HOME").map(Into::into)));
    }
    let home = || variable("HOME").map(|home| home.join(".local/share"));
    let base = variable("XDG_DATA_HOME").or_else(home).ok_or(ConfigError::NoHome)?;
    Ok(base.join("cairn").join(chain))
}

fn peering(section: &NetworkSection, defaults: &Defaults) -> Result<NetworkConfig, ConfigError> {
    if let (Some(listen), Some(_)) = (&section.listen, &section.port) {
        return Err(listen.refuse("either network.listen or network.port, not both"));
    }
    let port = value_or(&section.port, defaults.p2p_port);
    let base = NetworkConfig::default();
    let listen = checked(&section.listen, check_listen)?;
    let peers = checked(&section.peers, cairn_network::check_peers)?.unwrap_or_default();
    let boot_nodes = checked(&section.boot_nodes, cairn_network::check_peers)?;
    Ok(NetworkConfig {
        listen: listen.unwrap_or_else(|| default_listen(port, defaults.local)),
        peers,
        boot_nodes: boot_nodes.unwrap_or_else(|| defaults.boot_nodes.clone()),
        external: checked(&section.external, cairn_network::check_external)?.unwrap_or_default(),
        allow_private: value_or(&section.allow_private, defaults.local),
        max_inbound: value_or(&section.max_inbound, base.max_inbound),
        max_outbound: value_or(&section.max_outbound, base.max_outbound),
        max_upload_per_day: value(&section.max_upload_per_day),
        max_memory_mib: value(&section.max_memory_mib),
        max_upload_per_second: value(&section.max_upload_per_second),
        admit: checked(&section.admit, check_admitted)?,
        psk_file: value(&section.psk_file),
        ..base
    })
}

/// A list that was checked.
fn checked<E: Display>(
    given: &Option<Sourced<Vec<String>>>,
    check: impl Fn(&[String]) -> Result<(), E>,
) -> Result<Option<Vec<String>>, ConfigError> {
    let Some(given) = given else { return Ok(None) };
    check(&given.value).map_err(|expected| given.refuse(expected))?;
    Ok(Some(given.value.clone()))
}

/// Who is let in. That the list was given at all makes the network private,
/// so an empty one is refused rather than taken for "nobody" or for "anyone".
fn check_admitted(peer_ids: &[String]) -> Result<(), String> {
    if peer_ids.is_empty() {
        return Err(String::from("one peer id at least, or no such key"));
    }
    cairn_network::check_admitted(peer_ids).map_err(|why| why.to_string())
}

fn check_listen(texts: &[String]) -> Result<(), NotAdmissible> {
    texts.iter().try_for_each(|text| cairn_network::listen_address(text).map(drop))
}

/// The port of JSON-RPC must not be that of peers: only one of them could listen there.
fn check_ports(rpc: SocketAddr, network: &NetworkConfig, config: &Config) -> Result<(), ConfigError> {
    let overlap = |peers: SocketAddr| {
        let same = peers.ip() == rpc.ip() || peers.ip().is_unspecified() || rpc.ip().is_unspecified();
        same && peers.port() == rpc.port() && rpc.port() != 0 && peers.is_ipv4() == rpc.is_ipv4()
    };
    let taken = network.listen.iter().find(
        |text| matches!(cairn_network::listen_address(text), Ok((address, is_udp)) if !is_udp && overlap(address)),
    );
    let Some(taken) = taken else { return Ok(()) };
    let expected = format!("another port than that of peers, {taken}, has for JSON-RPC, {rpc}");
    let (listen, port) = (config.network.listen.as_ref(), config.network.port.as_ref());
    let given = config.rpc.listen.as_ref().map(|given| given.refuse(&expected));
    let given = given.or_else(|| listen.map(|given| given.refuse(&expected)));
    let given = given.or_else(|| port.map(|given| given.refuse(&expected)));
    Err(given.unwrap_or(ConfigError::Unusable { key: "rpc.listen", reason: expected }))
}

/// Where a node listens unless told otherwise: everywhere, or on loopback when its network is local.
fn default_listen(port: u16, local: bool) -> Vec<String> {
    let interfaces: &[&str] = if local { &["/ip4/127.0.0.1"] } else { &["/ip4/0.0.0.0", "/ip6/::"] };
    let on = |interface| [format!("{interface}/tcp/{port}"), format!("{interface}/udp/{port}/quic-v1")];
    interfaces.iter().flat_map(on).collect()
}

/// How peers are found. A local network is on loopback, where there is nobody to multicast to.
fn discovery(section: &DiscoverySection, local: bool) -> DiscoveryConfig {
    let base = DiscoveryConfig::default();
    DiscoveryConfig {
        kademlia: value_or(&section.kademlia, base.kademlia),
        rendezvous: value_or(&section.rendezvous, base.rendezvous),
        rendezvous_server: value_or(&section.rendezvous_server, base.rendezvous_server),
        exchange: value_or(&section.exchange, base.exchange),
        mdns: value_or(&section.mdns, base.mdns && !local),
    }
}

/// How peers are reached.
fn reach(section: &ReachSection) -> ReachConfig {
    let base = ReachConfig::default();
    ReachConfig {
        autonat: value_or(&section.autonat, base.autonat),
        upnp: value_or(&section.upnp, base.upnp),
        relay: value_or(&section.relay, base.relay),
        relay_server: value_or(&section.relay_server, base.relay_server),
        hole_punching: value_or(&section.hole_punching, base.hole_punching),
    }
}

fn mining(section: &MiningSection, spec: &ChainSpec) -> Result<MiningConfig, ConfigError> {
    let ChainParams { name, prefix, .. } = spec.params();
    let decode = |given: &Sourced<String>| {
        let decoded = prefix.decode(&given.value);
        decoded.map_err(|error| given.refuse(format!("an address of the network {name} ({error})")))
    };
    let beneficiary = section.beneficiary.as_ref().map(decode).transpose()?;
    let threads = value_or(&section.threads, 0);
    if let (Some(given), None) = (&section.threads, beneficiary)
        && threads > 0
    {
        return Err(given.refuse("0, or mining.beneficiary set to the address that receives the rewards"));
    }
    let duty = value_or(&section.duty, 100);
    Ok(MiningConfig { threads, duty, beneficiary })
}

fn rpc(section: &RpcSection) -> Result<RpcConfig, ConfigError> {
    let base = RpcConfig::default();
    let tls = match (&section.tls_cert, &section.tls_key) {
        (Some(certificate), Some(key)) => {
            Some(TlsFiles { certificate: certificate.value.clone(), key: key.value.clone() })
        }
        (Some(alone), None) | (None, Some(alone)) => {
            return Err(alone.refuse("rpc.tls_cert and rpc.tls_key together, or neither"));
        }
        (None, None) => None,
    };
    Ok(RpcConfig {
        hosts: checked(&section.hosts, each(is_host, "names without port, such as node.example.org"))?
            .unwrap_or_default(),
        cors_origins: checked(&section.cors_origins, each(is_origin, "origins such as https://wallet.example.org"))?
            .unwrap_or_default(),
        tls,
        max_connections: value_or(&section.max_connections, base.max_connections),
        rate: value_or(&section.rate, base.rate),
        // Whoever says how many may ask means everybody, those behind a reverse proxy on this machine among them.
        local_rate: value_or(&section.rate, base.local_rate),
        ..base
    })
}

fn explorer(section: &ExplorerSection) -> Result<ExplorerConfig, ConfigError> {
    let base = ExplorerConfig::default();
    let nodes = checked(&section.nodes, each(is_origin, "URLs such as https://node.example.org:9741"))?;
    Ok(ExplorerConfig {
        enabled: value_or(&section.enabled, base.enabled),
        public: value_or(&section.public, base.public),
        nodes: nodes.unwrap_or_default(),
        faucet: faucet(&section.faucet)?,
    })
}

/// Whether each item has a form.
fn each(has_form: fn(&str) -> bool, expected: &'static str) -> impl Fn(&[String]) -> Result<(), &'static str> {
    move |items| if items.iter().all(|item| has_form(item)) { Ok(()) } else { Err(expected) }
}

/// A name, an IPv4 address, or an IPv6 address in brackets. No wildcard: it would let every page in.
fn is_host(text: &str) -> bool {
    let name = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match name {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)),
    }
}

fn is_origin(text: &str) -> bool {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host_of = |authority: &str| match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host.to_owned(),
        _ => authority.to_owned(),
    };
    authority.is_some_and(|authority| is_host(&host_of(authority)))
}

/// What pages may link to, without a slash at its end.
fn faucet(given: &Option<Sourced<String>>) -> Result<Option<String>, ConfigError> {
    let Some(given) = given else { return Ok(None) };
    let origin = given.value.strip_suffix('/').unwrap_or(&given.value);
    if is_origin(origin) {
        Ok(Some(origin.to_owned()))
    } else {
        Err(given.refuse("a URL such as https://faucet.example.org"))
    }
}

fn mempool(section: &MempoolSection, base: PoolConfig) -> PoolConfig {
    PoolConfig {
        max_count: value_or(&section.max_count, base.max_count),
        max_bytes: value(&section.max_mib).map_or(base.max_bytes, |mib| mib << 20),
        min_fee_rate: value_or(&section.min_fee_rate, base.min_fee_rate),
        ..base
    }
}

fn storage(section: &StorageSection, base: DbOptions) -> DbOptions {
    DbOptions {
        cache_bytes: value(&section.cache_mib).map_or(base.cache_bytes, |mib| mib << 20),
        write_buffer_bytes: value(&section.write_buffer_mib).map_or(base.write_buffer_bytes, |mib| mib << 20),
        max_open_files: value_or(&section.max_open_files, base.max_open_files),
        keep_blocks: value(&section.keep_blocks),
        keep_snapshots: value_or(&section.snapshots, base.keep_snapshots),
        ..base
    }
}

fn log(section: &LogSection) -> Result<LogFilter, ConfigError> {
    let filter = LogFilter::new(value_or(&section.level, tracing::Level::INFO));
    match &section.filter {
        None => Ok(filter),
        Some(given) => filter.and(&given.value).map_err(|reason| {
            given.refuse(format!("directives such as cairn::network=debug,libp2p_swarm=info ({reason})"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FILE_NAME;

    /// A configuration set in three places, on the local network.
    #[derive(Default)]
    struct Input {
        flags: Vec<(&'static str, &'static str)>,
        environment: Vec<(&'static str, &'static str)>,
        file: &'static str,
    }

    impl Input {
        fn load(&self) -> Result<Settings, ConfigError> {
            let dir = tempfile::tempdir().expect("a directory");
            std::fs::write(dir.path().join(FILE_NAME), self.file).expect("a file");
            let keys = self.flags.iter().map(|(key, value)| (*key, vec![(*value).to_owned()])).collect();
            let flags = Flags { chain: Some("local".to_owned()), data_dir: Some(dir.path().to_owned()), keys };
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            Settings::load(&flags, &self.environment.iter().map(owned).collect())
        }

        fn refused(&self) -> String {
            self.load().map(|settings| settings.data_dir).expect_err("a broken configuration").to_string()
        }
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
        let mut input = Input { file: "[mining]\nduty = 10\n", ..Input::default() };
        assert_eq!(Input::default().load().expect("defaults").mining.duty, 100);
        assert_eq!(input.load().expect("a file").mining.duty, 10);
        input.environment.push(("CAIRN_NODE_MINING_DUTY", "20"));
        assert_eq!(input.load().expect("and a variable").mining.duty, 20);
        input.flags.push(("mining.duty", "30"));
        assert_eq!(input.load().expect("and a flag").mining.duty, 30);
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_key_its_place_and_what_was_expected() {
        let flag = Input { flags: vec![("mining.duty", "101")], ..Input::default() };
        assert_eq!(
            flag.refused(),
            "mining.duty: got \"101\" from the flag --mining.duty, expected a whole number from 1 to 100"
        );
        let variable = Input { environment: vec![("CAIRN_NODE_RPC_LISTEN", "here")], ..Input::default() };
        assert!(variable.refused().contains("from the environment variable CAIRN_NODE_RPC_LISTEN"));
        let file = Input { file: "[network]\nallow_private = 1\n", ..Input::default() };
        let refused = file.refused();
        assert!(refused.contains(FILE_NAME) && refused.contains("expected true or false"), "{refused}");
    }

    #[test]
    fn unknown_keys_and_variables_are_refused_with_the_nearest_known_one() {
        for (file, nearest) in [
            ("[mining]\nthread = 1\n", "mining.threads"),
            ("[minning]\nthreads = 1\n", "mining.threads"),
            ("chain = \"local\"\n", "mining"),
            ("[rpc.listen]\nport = 1\n", "rpc.listen"),
        ] {
            let refused = Input { file, ..Input::default() }.refused();
            assert!(refused.contains("unknown key") || refused.contains("rpc.listen: got"), "{refused}");
            assert!(file.starts_with("chain") || refused.contains(nearest), "{refused}");
        }
        let input = Input { environment: vec![("CAIRN_NODE_MINING_THREAD", "1")], ..Input::default() };
        assert_eq!(
            input.refused(),
            "unknown key CAIRN_NODE_MINING_THREAD in the environment; did you mean CAIRN_NODE_MINING_THREADS?"
        );
        // What other programs keep there is none of ours.
        Input { environment: vec![("CAIRN_WALLET_RPC", "x")], ..Input::default() }.load().expect("not ours");
    }

    #[test]
    fn who_may_ask_from_elsewhere_is_named_exactly() {
        let load = |key, value| Input { flags: vec![(key, value)], ..Input::default() }.load();
        let rpc = |key, value| load(key, value).expect(value).rpc;
        assert_eq!(rpc("rpc.hosts", "node.example.org,[2001:db8::1]").hosts.len(), 2);
        assert_eq!(rpc("rpc.cors_origins", "https://a.example,http://b.example:8080").cors_origins.len(), 2);
        let faucet = |value| rpc("explorer.faucet", value).explorer.faucet;
        assert_eq!(faucet("http://127.0.0.1:29742/").as_deref(), Some("http://127.0.0.1:29742"));
        for (key, value) in [
            ("rpc.hosts", "*"),
            ("rpc.hosts", "node.example:9741"),
            ("rpc.hosts", "https://node.example"),
            ("rpc.cors_origins", "*"),
            ("rpc.cors_origins", "null"),
            ("rpc.cors_origins", "wallet.example"),
            ("rpc.cors_origins", "https://wallet.example/"),
            ("rpc.tls_cert", "cert.pem"),
            ("rpc.tls_key", "key.pem"),
            ("explorer.nodes", "http://a.example; script-src *"),
            ("explorer.nodes", "http://a.example/path"),
            ("explorer.nodes", "javascript:alert(1)"),
            ("explorer.faucet", "javascript:alert(1)"),
            ("explorer.faucet", "http://a.example/x"),
            ("explorer.faucet", "http://a.example\"><script>"),
            ("explorer.faucet", ""),
        ] {
            assert!(load(key, value).is_err(), "{key} {value}");
        }
        let none = Input::default().load().expect("defaults").rpc;
        assert!(none.hosts.is_empty() && none.cors_origins.is_empty() && none.tls.is_none());
    }

    #[test]
    fn a_default_that_is_told_is_the_one_that_holds() {
        let shown = |key: &'static str, value: &'static str| {
            let directory = |settings: &Settings| settings.data_dir.display().to_string();
            let settings = Input { flags: vec![(key, value)], ..Input::default() }.load().expect(key);
            let plain = Input::default().load().expect("defaults");
            (
                format!("{settings:?}").replace(&directory(&settings), "DATA"),
                format!("{plain:?}").replace(&directory(&plain), "DATA"),
            )
        };
        let mut shown_defaults = 0;
        for key in KEYS {
            let Some(default) = key.default_value() else { continue };
            let (set, unset) = shown(key.name, default);
            assert_eq!(set, unset, "{}", key.name);
            shown_defaults += 1;
        }
        assert!(shown_defaults > 20, "{shown_defaults}");
        let (set, unset) = shown("rpc.max_connections", "7");
        assert_ne!(set, unset, "the control: another value is seen");
    }

    #[test]
    fn a_rate_that_is_set_is_that_of_callers_on_this_machine_too() {
        let rates = |flags| {
            let rpc = Input { flags, ..Input::default() }.load().expect("settings").rpc;
            (rpc.rate, rpc.local_rate)
        };
        assert_eq!((rates(vec![]), rates(vec![("rpc.rate", "7")])), ((10_000, 100_000), (7, 7)));
    }

    #[test]
    fn a_local_network_stays_on_this_machine_and_others_do_not() {
        let settings = Input::default().load().expect("defaults");
        assert_eq!(settings.network.listen, ["/ip4/127.0.0.1/tcp/29740", "/ip4/127.0.0.1/udp/29740/quic-v1"]);
        assert!(settings.local && settings.network.allow_private);
        let dir = tempfile::tempdir().expect("a directory");
        let flags = Flags { data_dir: Some(dir.path().to_owned()), ..Flags::default() };
        let settings = Settings::load(&flags, &Environment::default()).expect("main");
        assert!(!settings.local && !settings.network.allow_private);
        assert_eq!((settings.network.listen.len(), settings.rpc_listen.port()), (4, 9741));
        assert!(settings.network.listen.contains(&"/ip6/::/udp/9740/quic-v1".to_owned()));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let both = vec![("network.listen", "/ip4/127.0.0.1/tcp/1"), ("network.port", "2")];
        assert!(Input { flags: both, ..Input::default() }.refused().contains("not both"));
        let nobody = Input { flags: vec![("mining.threads", "1")], ..Input::default() };
        assert!(nobody.refused().contains("mining.beneficiary"));
        let other = "tcrn1y39592wlwdqpgu7llrkfclu95zqf2tp5yj2zznve5k438448rpjq5hjyy8";
        let elsewhere = Input { flags: vec![("mining.beneficiary", other)], ..Input::default() };
        assert!(elsewhere.refused().contains("an address of the network local"));
        let no_id = Input { flags: vec![("network.peers", "/ip4/127.0.0.1/tcp/1")], ..Input::default() };
        assert!(no_id.refused().contains("peer id"));
    }

    #[test]
    fn one_limit_of_memory_governs_every_part_that_has_one_and_the_parts_must_fit() {
        let load = |flags| Input { flags, ..Input::default() }.load();
        let half = load(vec![("memory.max_bytes", "512MiB")]).expect("half a GiB");
        assert_eq!((half.storage.cache_bytes, half.storage.write_buffer_bytes), (64 << 20, 16 << 20));
        assert_eq!((half.mempool.max_bytes, half.network.max_memory_mib), (32 << 20, Some(448)));
        // What is set for a part wins, as long as it fits.
        let small = load(vec![("memory.max_bytes", "512MiB"), ("mempool.max_mib", "5")]).expect("it fits");
        assert_eq!((small.mempool.max_bytes, small.storage.cache_bytes), (5 << 20, 64 << 20));
        let large =
            Input { flags: vec![("memory.max_bytes", "512MiB"), ("storage.cache_mib", "500")], ..Input::default() };
        assert!(large.refused().contains("storage.cache_mib"), "{}", large.refused());
        let little = Input { flags: vec![("memory.max_bytes", "255MiB")], ..Input::default() };
        assert!(little.refused().contains("at least 256MiB"), "{}", little.refused());
        let none = load(Vec::new()).expect("defaults");
        assert_eq!((none.mempool.max_bytes, none.network.max_memory_mib), (64 << 20, None));
    }

    #[test]
    fn the_data_directory_follows_flag_variable_xdg_and_home() {
        let environment = |input: &[(&str, &str)]| -> Environment {
            input.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let locate = |flag: Option<&str>, input: &[(&str, &str)]| {
            let flags = Flags { data_dir: flag.map(PathBuf::from), ..Flags::default() };
            locate_data_dir(&flags, &environment(input), "local").ok().map(|path| path.display().to_string())
        };
        let all = [("CAIRN_NODE_DATA_DIR", "/v"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(locate(Some("/f"), &all).as_deref(), Some("/f"));
        assert_eq!(locate(None, &all).as_deref(), Some("/v"));
        assert_eq!(locate(None, &all[1..]).as_deref(), Some("/x/cairn/local"));
        assert_eq!(locate(None, &all[2..]).as_deref(), Some("/h/.local/share/cairn/local"));
        assert_eq!(locate(None, &[("XDG_DATA_HOME", ""), ("HOME", "/h")]), locate(None, &all[2..]));
        assert_eq!(locate(None, &[]), None);
    }

    #[test]
    fn a_chain_that_is_neither_shipped_nor_a_file_is_refused() {
        let flags = Flags { chain: Some("mian".to_owned()), ..Flags::default() };
        let refused = Settings::load(&flags, &Environment::default()).map(|_| ()).expect_err("no such chain");
        assert!(refused.to_string().starts_with("chain: got \"mian\" from the flag --chain, expected main, test"));
    }
}

//! A network for one test: a file like those in `genesis/`, with the ledger's easy test numbers.

use cairn_genesis::{Defaults, Network};
use cairn_ledger::chain_spec::{ChainParams, ChainSpec};
use cairn_ledger::{testing, units::Timestamp};
use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// How long before now the first block of a [`TestNetwork::new`] was: `mining_generate` stamps blocks one
/// interval apart, so this leaves room for 43 200 of them.
const AGE_MS: u64 = 86_400_000;

/// A network whose file exists while this value does.
#[derive(Debug)]
pub struct TestNetwork {
    directory: TempDir,
    spec: ChainSpec,
}

impl TestNetwork {
    /// A new local network, one day old, on which a block takes two attempts and keys 0 to 9 of
    /// [`testing::key`] have 10^12 pebbles each.
    pub fn new() -> Self {
        Self::with(AGE_MS, true)
    }

    /// The same, of another age, and local or not: where it is not, blocks are mined, never generated.
    ///
    /// # Panics
    /// The system refuses a temporary file.
    pub fn with(age_ms: u64, local: bool) -> Self {
        Self::shaped(age_ms, local, |_| {})
    }

    /// The same, with other numbers.
    ///
    /// # Panics
    /// The system refuses a temporary file.
    pub fn shaped(age_ms: u64, local: bool, shape: impl FnOnce(&mut ChainParams)) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut params = testing::easy_params();
        shape(&mut params);
        // No two tests share a genesis, so none can find another's nodes.
        params.name = format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        params.genesis_time = Timestamp::from_millis(now_ms() - age_ms);
        Self::of(&params, local)
    }

    /// A network with exactly these numbers, its name among them.
    ///
    /// # Panics
    /// The system refuses a temporary file.
    pub fn of(params: &ChainParams, local: bool) -> Self {
        let text = testing::network_file(params, local);
        let directory = TempDir::with_prefix("cairn-test-").expect("a temporary directory");
        fs::write(directory.path().join("network.toml"), &text).expect("a file in a fresh directory");
        let spec = Network::parse(&text).expect("valid parameters make a valid file").spec;
        Self { directory, spec }
    }

    /// The same network under other upgrades, in a file of its own: `tables` are its `[[upgrade]]` tables.
    ///
    /// # Panics
    /// The tables are no upgrades, or the system refuses a temporary file.
    pub fn upgraded(&self, tables: &str) -> Self {
        let text = fs::read_to_string(self.file()).expect("the file is there") + tables;
        let directory = TempDir::with_prefix("cairn-test-").expect("a temporary directory");
        fs::write(directory.path().join("network.toml"), &text).expect("a file in a fresh directory");
        let spec = Network::parse(&text).unwrap_or_else(|error| panic!("{error}")).spec;
        Self { directory, spec }
    }

    /// The same network, whose nodes make a snapshot of the accounts each `every` blocks, in a file of its own.
    ///
    /// # Panics
    /// The system refuses a temporary file.
    pub fn with_snapshots(&self, every: u64) -> Self {
        self.with_default("snapshot_every", every)
    }

    /// The same network, whose history is divided into stretches of so many blocks, in a file of its own.
    ///
    /// # Panics
    /// The system refuses a temporary file.
    pub fn with_stretches(&self, blocks: u64) -> Self {
        self.with_default("stretch_blocks", blocks)
    }

    fn with_default(&self, key: &str, value: u64) -> Self {
        let text = fs::read_to_string(self.file()).expect("the file is there");
        let text = text.replacen("[defaults]\n", &format!("[defaults]\n{key} = {value}\n"), 1);
        let directory = TempDir::with_prefix("cairn-test-").expect("a temporary directory");
        fs::write(directory.path().join("network.toml"), &text).expect("a file in a fresh directory");
        let network = Network::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        let Defaults { snapshot_every, stretch_blocks, .. } = network.defaults;
        assert!([snapshot_every, stretch_blocks].map(NonZeroU64::get).contains(&value), "{key} is one of them");
        Self { directory, spec: network.spec }
    }

    /// The file, for `--chain`.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("network.toml")
    }

    /// A directory that is deleted together with the network.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The rules.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// What the names of its protocols begin with.
    pub fn prefix(&self) -> String {
        format!("/cairn/{}", self.spec.genesis_id().to_string().chars().take(8).collect::<String>())
    }

    /// The address of the n-th test key, as text.
    pub fn address(&self, n: u64) -> String {
        self.spec.params().prefix.encode(&testing::key(n).address())
    }
}

impl Default for TestNetwork {
    fn default() -> Self {
        Self::new()
    }
}

/// The time now, Unix ms.
///
/// # Panics
/// The clock stands before 1970.
#[expect(clippy::disallowed_methods, reason = "the one place where the tests read it")]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    u64::try_from(since.as_millis()).expect("a clock before the year 584 million")
}

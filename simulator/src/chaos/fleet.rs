//! All processes with what is under and between them, and what goes wrong with them.

use super::between::{Between, BetweenError, Kind};
use super::interrupt::Interrupt;
use super::process::{Process, command, find};
use crate::executor::{NodeId, random};
use crate::scenario::{FaultKind, Planned, Scenario};
use cairn_ledger::chain_spec::{ChainParams, ChainSpec};
use cairn_ledger::pow::CompactTarget;
use cairn_ledger::testing::{self, key};
use cairn_ledger::units::Timestamp;
use cairn_rpc::types::NodeInfo;
use cairn_tests::faults::{ENOSPC, Faults, SmallDisk};
use cairn_tests::network::now_ms;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long a node may take until it answers.
const START_WITHIN: Duration = Duration::from_secs(60);
/// The stream of random numbers of what the plan leaves open.
const OPEN: u64 = 4 << 32;
/// The small disk of a node whose disk will be full.
const DISK_MIB: u32 = 256;
/// The easiest target, some hundred thousand hashes, and the first one, some million.
const TARGETS: (u32, u32) = (0x1e3f_ffff, 0x1e02_0000);
/// Of one core, what all miners together take, in percent.
const MINING_PERCENT: u32 = 40;
/// How far blocks may be ahead of the clock, in the simulator's time (`Scenario::spec`).
const MAX_FUTURE_MS: u64 = 120_000;

/// Why there are no processes.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum FleetError {
    /// Files, or processes.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What is between them.
    #[error(transparent)]
    Between(#[from] BetweenError),
    /// The rules.
    #[error(transparent)]
    Rules(#[from] crate::scenario::ScenarioError),
    /// One does not start.
    #[error("node {number} does not answer; the end of its log, {}:\n{tail}", log.display())]
    Start { number: u32, log: PathBuf, tail: String },
    /// Too few for a network, or too many for a machine.
    #[error("nodes: got {nodes}, expected 2 to 16; --nodes takes another number than the scenario's")]
    Count { nodes: u32 },
    /// The directory is somebody's.
    #[error("{} is there already; name another directory, or delete it", directory.display())]
    Occupied { directory: PathBuf },
    /// It was told to end.
    #[error("interrupted")]
    Interrupted,
}

/// What is wrong with one node's surroundings, by how many faults.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    killed: u32,
    full: u32,
    /// The life in which it last had a full disk, and so may end by itself.
    excused: u32,
}

/// A process that has ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whose.
    pub node: NodeId,
    /// How.
    pub status: ExitStatus,
    /// Whether its disk was full.
    pub is_excused: bool,
}

/// How the processes are set up.
pub struct Setup<'a> {
    /// What is played.
    pub scenario: &'a Scenario,
    /// What decides everything that is left to chance.
    pub seed: u64,
    /// How long a minute of the scenario takes.
    pub minute: Duration,
    /// Where everything is.
    pub directory: &'a Path,
    /// What is between nodes.
    pub kind: Kind,
}

/// The processes.
pub struct Fleet {
    // Dropped in this order: whoever uses a disk or a machine ends first.
    processes: Vec<Process>,
    arguments: Vec<Vec<String>>,
    trouble: Vec<Trouble>,
    disks: BTreeMap<NodeId, SmallDisk>,
    faults: BTreeMap<NodeId, Faults>,
    between: Between,
    directory: PathBuf,
    program: PathBuf,
    spec: ChainSpec,
    random: ChaCha8Rng,
    peers: Vec<String>,
    /// Kinds of faults that cannot be had here, and why.
    left_out: BTreeMap<&'static str, String>,
}

impl Fleet {
    /// Starts all, one after the other, and waits until they answer.
    ///
    /// # Errors
    /// Something does not start.
    pub fn start(setup: &Setup<'_>, plan: &[Planned], interrupt: &Interrupt) -> Result<Self, FleetError> {
        let Setup { scenario, seed, minute, directory, kind } = *setup;
        let program = find("cairn-node")?;
        fs::create_dir_all(directory)?;
        let params = params(scenario, minute);
        fs::write(directory.join("genesis.toml"), testing::network_file(&params, false))?;
        let spec = ChainSpec::new(params).map_err(crate::scenario::ScenarioError::from)?;
        let mut random = random(seed, OPEN);
        let between = Between::new(scenario.nodes, kind, &mut random)?;
        let mut fleet = Self {
            processes: Vec::new(),
            arguments: Vec::new(),
            trouble: vec![Trouble::default(); scenario.nodes as usize],
            disks: BTreeMap::new(),
            faults: BTreeMap::new(),
            between,
            directory: directory.to_owned(),
            program,
            spec,
            random,
            peers: Vec::new(),
            left_out: BTreeMap::new(),
        };
        fleet.surround(plan);
        for node in (0..scenario.nodes).map(NodeId) {
            fleet.add(node, scenario)?;
            fleet.await_answer(node, interrupt)?;
        }
        Ok(fleet)
    }

    /// Gives nodes the disks and clocks that can go wrong, if the plan has it so.
    fn surround(&mut self, plan: &[Planned]) {
        let hit =
            |kind| plan.iter().filter(move |planned| planned.fault.kind == kind).flat_map(|planned| &planned.nodes);
        for node in hit(FaultKind::Disk) {
            if !self.disks.contains_key(node)
                && let Ok(disk) = SmallDisk::new(DISK_MIB)
            {
                self.disks.insert(*node, disk);
            }
        }
        let simulated = hit(FaultKind::Disk).filter(|node| !self.disks.contains_key(node));
        for node in hit(FaultKind::Clock).chain(simulated).copied().collect::<Vec<_>>() {
            if self.faults.contains_key(&node) {
                continue;
            }
            match Faults::new() {
                Ok(faults) => drop(self.faults.insert(node, faults)),
                Err(reason) => drop(self.left_out.insert("wrong clocks, or full disks", reason)),
            }
        }
        if plan.iter().any(|planned| planned.fault.kind == FaultKind::PowerCut) {
            let reason = "played as kill -9; what was not synced is lost with a machine alone";
            self.left_out.insert("power cuts", String::from(reason));
        }
    }

    /// What cannot be played as it is meant, and why.
    pub fn left_out(&self) -> impl Iterator<Item = String> {
        self.left_out.iter().map(|(what, reason)| format!("{what}: {reason}"))
    }

    fn add(&mut self, node: NodeId, scenario: &Scenario) -> Result<(), FleetError> {
        let number = number(node);
        let home = match self.disks.get(&node) {
            Some(disk) => disk.path().join("data"),
            None => self.directory.join(format!("node-{number}")),
        };
        fs::create_dir_all(&home)?;
        let mut arguments = self.between.arguments(node, scenario.boot_nodes, &self.peers)?;
        if node.0 < scenario.miners {
            let beneficiary = self.spec.params().prefix.encode(&key(1_000 + u64::from(node.0)).address());
            let duty = (MINING_PERCENT / scenario.miners).max(1);
            arguments.extend(["--mining.threads=1".to_owned(), format!("--mining.duty={duty}")]);
            arguments.push(format!("--mining.beneficiary={beneficiary}"));
        }
        arguments.push(format!("--rpc.listen=127.0.0.1:{}", cairn_tests::node::free_port()));
        let rest = ["--discovery.mdns=false", "--reach.upnp=false", "--storage.write_buffer_mib=8"];
        arguments.extend(rest.map(str::to_owned));
        self.arguments.push(arguments);
        self.processes.push(Process::new(home, self.log(node)));
        Ok(self.launch(node)?)
    }

    fn await_answer(&mut self, node: NodeId, interrupt: &Interrupt) -> Result<(), FleetError> {
        let process = &mut self.processes[node.0 as usize];
        let (deadline, mut peer) = (Instant::now() + START_WITHIN, None);
        let goes_on = interrupt.wait_until(deadline, || {
            peer = process.ask::<NodeInfo>("node_info", &json!([])).ok().map(|info| info.peer_id);
            peer.is_some() || process.ended().is_some()
        });
        if !goes_on {
            return Err(FleetError::Interrupted);
        }
        let Some(peer) = peer else {
            let log = self.log(node);
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(8).collect();
            let tail = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
            return Err(FleetError::Start { number: number(node), log, tail });
        };
        self.peers.push(peer);
        Ok(())
    }

    /// Starts a node's process, if it does not run.
    fn launch(&mut self, node: NodeId) -> io::Result<()> {
        let process = &mut self.processes[node.0 as usize];
        let mut command = command(&self.program);
        command.arg("run").arg("--chain").arg(self.directory.join("genesis.toml"));
        command.arg("--data-dir").arg(process.home()).args(&self.arguments[node.0 as usize]);
        if let Some(faults) = self.faults.get(&node) {
            command.envs(faults.environment());
        }
        process.start(self.between.enter(node, command))
    }

    /// The command line of something done to the data of a node that does not run.
    pub fn offline(&self, node: NodeId, arguments: &[&str]) -> Command {
        let mut command = command(&self.program);
        command.args(arguments).arg("--chain").arg(self.directory.join("genesis.toml"));
        command.arg("--data-dir").arg(self.process(node).home());
        command
    }

    /// What a node has told.
    pub fn log(&self, node: NodeId) -> PathBuf {
        self.directory.join(format!("node-{}.log", number(node)))
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.processes.len() as u32).map(NodeId)
    }

    /// A node's process.
    pub fn process(&self, node: NodeId) -> &Process {
        &self.processes[node.0 as usize]
    }

    /// The same, to do something to it.
    pub fn process_mut(&mut self, node: NodeId) -> &mut Process {
        &mut self.processes[node.0 as usize]
    }

    /// The rules.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// What is between them, in a sentence.
    pub fn describe(&self) -> &'static str {
        self.between.describe()
    }

    /// Something goes wrong.
    ///
    /// # Errors
    /// The system refuses.
    pub fn begin(&mut self, kind: FaultKind, nodes: &[NodeId]) -> Result<(), FleetError> {
        match kind {
            FaultKind::Crash | FaultKind::PowerCut => {
                for node in nodes {
                    self.trouble[node.0 as usize].killed += 1;
                    self.process_mut(*node).kill();
                }
            }
            FaultKind::Disk => nodes.iter().try_for_each(|node| self.fill(*node))?,
            FaultKind::Stop => nodes.iter().for_each(|node| {
                self.process_mut(*node).set_stopped(true);
            }),
            FaultKind::Partition => {
                let part = 1 + (self.random.next_u64() % 1_000) as u32;
                self.between.links.part(nodes.iter().copied(), part);
                self.between.apply()?;
            }
            FaultKind::OneWay => {
                nodes.windows(2).for_each(|pair| self.between.links.cut(pair[0], pair[1]));
                self.between.apply()?;
            }
            FaultKind::Clock => {
                // Half of what is allowed, in whole seconds, as far as the shim goes.
                let most = (self.spec.params().max_future_ms / 2_000).max(1);
                for node in nodes {
                    let ahead = (self.random.next_u64() % (2 * most + 1)) as i64 - most as i64;
                    if let Some(faults) = self.faults.get(node) {
                        faults.shift_clock(ahead);
                    }
                }
            }
        }
        Ok(())
    }

    /// It is mended.
    ///
    /// # Errors
    /// The system refuses.
    pub fn end(&mut self, kind: FaultKind, nodes: &[NodeId]) -> Result<(), FleetError> {
        match kind {
            FaultKind::Crash | FaultKind::PowerCut => {
                for node in nodes {
                    self.trouble[node.0 as usize].killed -= 1;
                    self.come_back(*node)?;
                }
            }
            FaultKind::Disk => nodes.iter().try_for_each(|node| self.empty(*node))?,
            FaultKind::Stop => nodes.iter().for_each(|node| {
                self.process_mut(*node).set_stopped(false);
            }),
            FaultKind::Partition => {
                self.between.links.part(nodes.iter().copied(), 0);
                self.between.apply()?;
            }
            FaultKind::OneWay => {
                nodes.windows(2).for_each(|pair| self.between.links.mend(pair[0], pair[1]));
                self.between.apply()?;
            }
            FaultKind::Clock => nodes.iter().filter_map(|node| self.faults.get(node)).for_each(|faults| {
                faults.shift_clock(0);
            }),
        }
        Ok(())
    }

    fn fill(&mut self, node: NodeId) -> io::Result<()> {
        let life = self.process(node).lives();
        let trouble = &mut self.trouble[node.0 as usize];
        trouble.full += 1;
        trouble.excused = life;
        if let Some(disk) = self.disks.get(&node) {
            let (mut filler, chunk) = (File::create(disk.path().join("filler"))?, vec![1; 64 << 10]);
            while filler.write_all(&chunk).is_ok() {}
        } else if let Some(faults) = self.faults.get(&node) {
            faults.fail_writes(ENOSPC);
        }
        Ok(())
    }

    fn empty(&mut self, node: NodeId) -> io::Result<()> {
        let full = &mut self.trouble[node.0 as usize].full;
        *full -= 1;
        if *full > 0 {
            return Ok(());
        }
        if let Some(disk) = self.disks.get(&node) {
            fs::remove_file(disk.path().join("filler"))?;
        } else if let Some(faults) = self.faults.get(&node) {
            faults.fail_writes(0);
        }
        self.come_back(node)
    }

    /// Starts a node that nothing keeps down any more.
    fn come_back(&mut self, node: NodeId) -> io::Result<()> {
        if self.trouble[node.0 as usize].killed > 0 {
            return Ok(());
        }
        self.launch(node)?;
        let life = self.process(node).lives();
        let trouble = &mut self.trouble[node.0 as usize];
        if trouble.full > 0 {
            trouble.excused = life;
        }
        Ok(())
    }

    /// Who has ended by itself since the last look, how, and whether it may: nobody works without room. Whoever may,
    /// and has room again, comes back.
    ///
    /// # Errors
    /// The system refuses.
    pub fn ended(&mut self) -> io::Result<Vec<Ended>> {
        let mut ended = Vec::new();
        for (process, node) in self.processes.iter_mut().zip((0..).map(NodeId)) {
            if let Some(status) = process.ended() {
                let is_excused = self.trouble[node.0 as usize].excused == process.lives();
                ended.push(Ended { node, status, is_excused });
            }
        }
        for Ended { node, is_excused, .. } in &ended {
            if *is_excused && self.trouble[node.0 as usize].full == 0 {
                self.come_back(*node)?;
            }
        }
        Ok(ended)
    }

    /// Calls a method of one that answers.
    ///
    /// # Errors
    /// It does not.
    pub fn ask<T: serde::de::DeserializeOwned>(
        &self,
        node: NodeId,
        method: &str,
        params: &Value,
    ) -> Result<T, super::rpc::AskError> {
        self.process(node).ask(method, params)
    }

    /// Copies what is on small disks, which go with this program, to the directory.
    ///
    /// # Errors
    /// The system refuses.
    pub fn keep(&self) -> io::Result<()> {
        for node in self.disks.keys() {
            let to = self.directory.join(format!("node-{}", number(*node)));
            // Every system has it, and it keeps what files are.
            Command::new("cp").arg("-a").arg(self.process(*node).home()).arg(to).status()?;
        }
        Ok(())
    }
}

/// What people call a node.
pub fn number(node: NodeId) -> u32 {
    node.0 + 1
}

/// The rules: local's, at the scenario's pace.
fn params(scenario: &Scenario, minute: Duration) -> ChainParams {
    let scaled = |millis: u64| (millis as f64 * minute.as_secs_f64() / 60.0) as u64;
    let interval_ms = scaled(scenario.interval_ms).max(1_000);
    let (limit, first) = TARGETS;
    ChainParams {
        name: format!("chaos-{}", std::process::id()),
        interval_ms,
        half_life_ms: interval_ms * 10,
        max_future_ms: scaled(MAX_FUTURE_MS).max(5_000),
        genesis_time: Timestamp::from_millis(now_ms()),
        pow_limit: CompactTarget::from_bits(limit),
        genesis_target: CompactTarget::from_bits(first),
        ..testing::easy_params()
    }
}

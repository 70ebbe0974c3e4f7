//! What is wrong with a node, in sentences, and what to do about it.
//!
//! # The path of an examination
//! the configuration → who holds the data directory ([`DataDir::look`]) → the machine (`machine`: disk, open files) →
//! a node that runs is asked over JSON-RPC at its own socket (`running`); of one that does not, the ports are
//! tried and the database is read (`stopped`) → the peers it is told to begin with are dialled (`targets`) → a
//! [`Diagnosis`].
//!
//! # Map
//! here: findings, and what they amount to · `machine` disk and files · `running` what a node says of itself ·
//! `stopped` what it left on the disk · `targets` who it begins with
//!
//! # Invariants
//! 1. Nothing is changed: not the data directory, not the database, not the node.
//! 2. Every fault comes with what to do; what could not be looked at is said, never passed over as good.
//! 3. Each look is bounded: a host that does not answer costs some seconds, the database is read once.

mod machine;
mod running;
mod stopped;
mod targets;

use crate::config::{ConfigError, Environment, Flags, Settings};
use crate::system::data_dir::{DataDir, Occupancy};

/// How thorough an examination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The database is opened, and its tip looked at.
    Quick,
    /// Everything in the database is read once.
    Whole,
}

/// Examines the node that this configuration describes, running or stopped.
pub async fn examine(flags: &Flags, environment: &Environment, depth: Depth) -> Diagnosis {
    let mut report = Diagnosis::default();
    let settings = match Settings::load(flags, environment) {
        Ok(settings) => settings,
        Err(error) => {
            report.fault("config", error.to_string(), advice_for(&error));
            report.note("data", "nothing else was looked at: the configuration says where everything is", None);
            return report;
        }
    };
    let (chain, place) = (&settings.spec.params().name, settings.data_dir.display());
    match settings.check_usable() {
        Ok(()) => report.ok("config", format!("it is good: the network {chain}, data in {place}")),
        Err(error) => report.fault("config", error.to_string(), advice_for(&error)),
    }
    machine::disk(&settings, &mut report);
    match DataDir::look(&settings.data_dir) {
        Ok(Occupancy::Used(occupant)) => running::examine(&settings, &occupant, &mut report).await,
        Ok(Occupancy::Free { left_by, lock }) => {
            stopped::left(&mut report, left_by.as_deref());
            stopped::examine(&settings, depth, &mut report).await;
            // Until here no node could start and change what was being read.
            drop(lock);
        }
        Ok(Occupancy::Absent) => {
            report.ok("data", format!("no node has run in {place} yet"));
            stopped::examine(&settings, depth, &mut report).await;
        }
        Err(error) => report.fault("data", error.to_string(), "let the user who runs the node own the directory"),
    }
    report
}

/// What to do about a configuration that is refused.
fn advice_for(error: &ConfigError) -> String {
    match error {
        ConfigError::UnknownKey { .. } => format!(
            "correct or remove the key; if it is right, it belongs to another version of cairn-node than this one, {}",
            env!("CARGO_PKG_VERSION")
        ),
        ConfigError::Value { .. } => {
            "correct the value; cairn-node config check says where each one comes from".to_owned()
        }
        ConfigError::Unreadable { .. } => "let the user who runs the node read the file".to_owned(),
        ConfigError::NotToml { .. } => {
            "correct the file; cairn-node init writes one to compare with, elsewhere".to_owned()
        }
        ConfigError::Unusable { .. } => "correct the key, or what it names: a node does not start with it".to_owned(),
        ConfigError::NoHome => "name the directory with --data-dir".to_owned(),
    }
}

/// What was looked at: `config`, `version` (the program, and the format of the database), `data` (the directory, and
/// who holds it), `disk`, `files` (how many may be open), `ports`, `network` (which one data and answers belong to),
/// `database`, `clock`, `sync`, `rules` (the network's upgrades), `peers`, `boot_nodes`, `reach` (how others reach the
/// node).
pub type Check = &'static str;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing; the node works.
    Note,
    /// To be mended.
    Fault,
}

impl Severity {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Fault => "fault",
        }
    }
}

/// What one look gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// At what.
    pub check: Check,
    /// How grave it is.
    pub severity: Severity,
    /// A sentence.
    pub message: String,
    /// What to do, where there is something to do.
    pub advice: Option<String>,
}

/// Everything that was found, in the order in which it was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// What was found.
    pub findings: Vec<Finding>,
    /// Whether the database, or what is under it, is among the faults.
    pub storage_failed: bool,
}

impl Diagnosis {
    /// How many findings are to be mended.
    pub fn faults(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Fault).count()
    }

    /// Whether the configuration, with which a node would not start, is among the faults.
    pub fn is_refused_configuration(&self) -> bool {
        self.findings.iter().any(|finding| finding.check == "config" && finding.severity == Severity::Fault)
    }

    /// As it should be.
    fn ok(&mut self, check: Check, message: impl Into<String>) {
        self.add(check, Severity::Ok, message.into(), None);
    }

    /// Worth knowing.
    fn note(&mut self, check: Check, message: impl Into<String>, advice: Option<&str>) {
        self.add(check, Severity::Note, message.into(), advice.map(str::to_owned));
    }

    /// To be mended, so.
    fn fault(&mut self, check: Check, message: impl Into<String>, advice: impl Into<String>) {
        self.add(check, Severity::Fault, message.into(), Some(advice.into()));
    }

    /// To be mended, so; the stored data is in danger, or lost.
    fn storage_fault(&mut self, check: Check, message: impl Into<String>, advice: impl Into<String>) {
        self.storage_failed = true;
        self.fault(check, message, advice);
    }

    fn add(&mut self, check: Check, severity: Severity, message: String, advice: Option<String>) {
        self.findings.push(Finding { check, severity, message, advice });
    }
}

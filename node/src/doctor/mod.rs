//! What is wrong with a node, in sentences, and what to do about it.
//!
//! # The path of an examination
//! the configuration → who holds the data directory ([`DataDir::look`]) → the machine (`machine`: disk, open files) →
//! a node that runs is asked over JSON-RPC at its own socket (`running`); of one that does not, the ports are
//! tried and the database is read (`stopped`) → the peers it is told to begin with are dialled (`targets`) → a
//! [`Diagnosis`].
//!
//! # Map
//! `report` findings, and what they amount to · `machine` disk and files · `running` what a node says of itself ·
//! `stopped` what it left on the disk · `targets` who it begins with
//!
//! # Invariants
//! 1. Nothing is changed: not the data directory, not the database, not the node.
//! 2. Every fault comes with what to do; what could not be looked at is said, never passed over as good.
//! 3. Each look is bounded: a host that does not answer costs some seconds, the database is read once.

mod machine;
mod report;
mod running;
mod stopped;
mod targets;

pub use report::{Check, Diagnosis, Finding, Severity};

use crate::{
    config::{ConfigError, Environment, Flags, Settings},
    system::data_dir::{DataDir, Occupancy},
};

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
            report.fault(Check::Config, error.to_string(), advice_for(&error));
            report.note(Check::Data, "nothing else was looked at: the configuration says where everything is", None);
            return report;
        }
    };
    let (chain, place) = (&settings.spec.params().name, settings.data_dir.display());
    match settings.check_usable() {
        Ok(()) => report.ok(Check::Config, format!("it is good: the network {chain}, data in {place}")),
        Err(error) => report.fault(Check::Config, error.to_string(), advice_for(&error)),
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
            report.ok(Check::Data, format!("no node has run in {place} yet"));
            stopped::examine(&settings, depth, &mut report).await;
        }
        Err(error) => report.fault(Check::Data, error.to_string(), "let the user who runs the node own the directory"),
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

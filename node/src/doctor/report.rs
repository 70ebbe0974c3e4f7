//! Findings, and what they amount to.

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The configuration.
    Config,
    /// The program, and the format of the database.
    Version,
    /// The data directory, and who holds it.
    Data,
    /// Room on the disk.
    Disk,
    /// How many files may be open.
    Files,
    /// Ports to listen on.
    Ports,
    /// The network that data and answers belong to.
    Network,
    /// The database.
    Database,
    /// This machine's clock.
    Clock,
    /// How far the chain is.
    Sync,
    /// The network's upgrades.
    Rules,
    /// Connected peers.
    Peers,
    /// Whom the node begins with.
    BootNodes,
    /// How others reach the node.
    Reach,
}

impl Check {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Version => "version",
            Self::Data => "data",
            Self::Disk => "disk",
            Self::Files => "files",
            Self::Ports => "ports",
            Self::Network => "network",
            Self::Database => "database",
            Self::Clock => "clock",
            Self::Sync => "sync",
            Self::Rules => "rules",
            Self::Peers => "peers",
            Self::BootNodes => "boot_nodes",
            Self::Reach => "reach",
        }
    }
}

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
    findings: Vec<Finding>,
    storage_failed: bool,
}

impl Diagnosis {
    /// What was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many findings are to be mended.
    pub fn faults(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Fault).count()
    }

    /// Whether the database, or what is under it, is among the faults.
    pub fn is_storage_failure(&self) -> bool {
        self.storage_failed
    }

    /// Whether the configuration, with which a node would not start, is among the faults.
    pub fn is_refused_configuration(&self) -> bool {
        self.findings.iter().any(|finding| finding.check == Check::Config && finding.severity == Severity::Fault)
    }

    /// As it should be.
    pub(super) fn ok(&mut self, check: Check, message: impl Into<String>) {
        self.add(check, Severity::Ok, message.into(), None);
    }

    /// Worth knowing.
    pub(super) fn note(&mut self, check: Check, message: impl Into<String>, advice: Option<&str>) {
        self.add(check, Severity::Note, message.into(), advice.map(str::to_owned));
    }

    /// To be mended, so.
    pub(super) fn fault(&mut self, check: Check, message: impl Into<String>, advice: impl Into<String>) {
        self.add(check, Severity::Fault, message.into(), Some(advice.into()));
    }

    /// To be mended, so; the stored data is in danger, or lost.
    pub(super) fn storage_fault(&mut self, check: Check, message: impl Into<String>, advice: impl Into<String>) {
        self.storage_failed = true;
        self.fault(check, message, advice);
    }

    fn add(&mut self, check: Check, severity: Severity, message: String, advice: Option<String>) {
        self.findings.push(Finding { check, severity, message, advice });
    }
}

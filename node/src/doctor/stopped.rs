//! A node that does not run: the ports it would take, and what it left on the disk.

use super::targets::{self, Target};
use super::{Depth, Diagnosis, machine};
use crate::config::Settings;
use cairn_chain::audit::{self, AuditReport};
use cairn_chain::store::{ChainStore, StoreError};
use cairn_common::clock;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::{collections::BTreeSet, path::Path};

/// Says how the last run ended.
pub(super) fn left(report: &mut Diagnosis, left_by: Option<&str>) {
    match left_by {
        None => report.ok("data", "no node runs on it"),
        Some(process) => report.note(
            "data",
            format!(
                "no node runs on it; the lock is a stale one, of process {process}, which was killed or lost its power"
            ),
            Some("nothing: the next start takes the lock over, and the database survives a kill"),
        ),
    }
}

/// Looks at a node that does not run.
pub(super) async fn examine(settings: &Settings, depth: Depth, report: &mut Diagnosis) {
    machine::files(settings, machine::own_limit(), report);
    ports(settings, report);
    database(settings, depth, report);
    known(settings, report);
    targets::examine(settings, &BTreeSet::new(), report).await;
}

/// Tries the ports that a node would listen on, for a moment.
fn ports(settings: &Settings, report: &mut Diagnosis) {
    let mut taken = Vec::new();
    if let Err(error) = TcpListener::bind(settings.rpc_listen) {
        taken.push(format!("{} for JSON-RPC ({error})", settings.rpc_listen));
    }
    for listen in &settings.network.listen {
        let Some((target, ip)) = Target::parse(listen).and_then(|target| target.ip().map(|ip| (target, ip))) else {
            continue;
        };
        let address = SocketAddr::new(ip, target.port);
        let tried = if target.udp { UdpSocket::bind(address).map(drop) } else { TcpListener::bind(address).map(drop) };
        match tried {
            // A host without IPv6 is none the worse: a node goes on without.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse || ip.is_ipv4() => {
                taken.push(format!("{listen} for peers ({error})"));
            }
            _ => {}
        }
    }
    if taken.is_empty() {
        return report.ok("ports", format!("{} and those for peers are free", settings.rpc_listen));
    }
    report.fault(
        "ports",
        format!("a node could not listen on {}", taken.join(", nor on ")),
        "stop the program that has the port (ss -ltunp names it), or choose another with --rpc.listen or --network.port",
    );
}

fn database(settings: &Settings, depth: Depth, report: &mut Diagnosis) {
    let path = settings.data_dir.join("db");
    // RocksDB's own sign that there is one.
    if !path.join("CURRENT").is_file() {
        return empty(&path, report);
    }
    match read(settings, &path, depth, report) {
        Ok(message) => {
            report.ok("version", format!("the database has the format of this program, {}", env!("CARGO_PKG_VERSION")));
            report.ok("network", format!("the database belongs to {}", settings.spec.params().name));
            report.ok("database", message);
        }
        Err(audit::AuditError::Store(error @ StoreError::Format { got, expected })) => {
            let advice = if got > expected {
                "use the version of cairn-node that wrote it, or a later one"
            } else {
                "use the version of cairn-node that wrote it, or a data directory of its own for this one"
            };
            report.fault("version", error.to_string(), advice);
        }
        Err(audit::AuditError::Store(error @ StoreError::NoTable { .. })) => {
            report.note("version", error.to_string(), Some("nothing more: the next start does it"));
        }
        Err(audit::AuditError::Store(error @ StoreError::OtherNetwork { .. })) => {
            let advice = "name the network this directory was made with (--chain), or another --data-dir";
            report.fault("network", error.to_string(), advice);
        }
        Err(error) => report.storage_fault(
            "database",
            error.to_string(),
            "see to the disk first (dmesg, smartctl); then cairn-node db repair makes it whole, with the help of peers",
        ),
    }
}

fn empty(path: &Path, report: &mut Diagnosis) {
    let is_left = path.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    if is_left {
        let message = format!("{} holds files, and is no database: its CURRENT is missing", path.display());
        report.storage_fault("database", message, "move the directory away; the node fetches the chain from its peers");
    } else {
        report.ok("database", "there is none yet; the first start makes it");
    }
}

/// Reads the database as deep as asked.
fn read(settings: &Settings, path: &Path, depth: Depth, report: &mut Diagnosis) -> Result<String, audit::AuditError> {
    let store = ChainStore::open_read_only(path, &settings.spec, settings.storage)?;
    let tip = store.expect_header(&store.tip()?)?;
    let tip = tip.header();
    // Before what may take a while. With the clock right, no block of the chain was ever from the future.
    let ahead = tip.time.millis().saturating_sub(clock::now().millis());
    if ahead > settings.spec.params().max_future_ms {
        report.fault(
            "clock",
            format!("this machine's clock is behind: the last block it took was stamped {} s from now", ahead / 1000),
            "set it, and keep it right with chrony or systemd-timesyncd (timedatectl set-ntp true)",
        );
    } else {
        report.ok("clock", "it stands after the last block that was taken; peers are asked only while a node runs");
    }
    if depth == Depth::Quick {
        return Ok(format!("its tip is block {}; the rest was not read", tip.height));
    }
    let AuditReport { blocks, transactions, accounts, .. } = audit::audit(&store, &settings.spec)?;
    Ok(format!("it holds together: {blocks} blocks, {transactions} transactions, {accounts} accounts"))
}

/// Whether a start would find anybody.
fn known(settings: &Settings, report: &mut Diagnosis) {
    let network = &settings.network;
    let named = network.peers.len() + network.boot_nodes.len();
    if named > 0 {
        return report.ok("peers", format!("{named} are named to begin with"));
    }
    if settings.data_dir.join("peers.bin").is_file() {
        return report.ok("peers", "none is named; the node remembers those it met");
    }
    if settings.local {
        return report.ok("peers", "none is named: a local network of one node");
    }
    report.fault(
        "peers",
        "a node started now would have no peers: none is named, and none was met before",
        "name a node that runs with --network.peers",
    );
}

//! A node that runs: what it says of itself.

use super::{
    machine,
    report::{Check, Report},
    targets,
};
use crate::{
    ask::{self, AskError},
    config::Settings,
    data_dir::Occupant,
};
use cairn_rpc::{
    methods::{NetClient, NodeClient},
    text::Text,
    types::{NetInfo, NodeInfo, PeerJson, SyncPhase},
};
use std::{collections::BTreeSet, net::SocketAddr, path::Path, time::Duration};

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(10);

/// What a node says of itself.
struct Answers {
    node: NodeInfo,
    net: NetInfo,
    peers: Vec<PeerJson>,
}

async fn answers(address: SocketAddr, data_dir: &Path) -> Result<Answers, AskError> {
    let client = ask::client(address, data_dir, WITHIN)?;
    Ok(Answers { node: client.node_info().await?, net: client.net_info().await?, peers: client.net_peers().await? })
}

/// Looks at a node that runs.
pub(super) async fn examine(settings: &Settings, occupant: &Occupant, report: &mut Report) {
    machine::files(settings, machine::limit_of(&occupant.process), report);
    let process = &occupant.process;
    if settings.rpc.tls.is_some() {
        let says = format!(
            "process {process} runs and serves TLS, which this examination does not speak: what only the node knows, its \
             clock, its peers and its chain, was not looked at"
        );
        return report.note(Check::Data, says, Some("ask it with node_info and net_info"));
    }
    let address = ask::reachable(occupant.rpc.unwrap_or(settings.rpc_listen));
    match answers(address, &settings.data_dir).await {
        Ok(answers) => {
            report.ok(Check::Data, format!("a node runs as process {process}"));
            report.ok(Check::Ports, format!("it answers on {address}, and listens for peers on {}", all(&answers.net)));
            judge(settings, &answers, report).await;
        }
        Err(error) => silent(process, address, &error, report),
    }
}

/// Somebody holds the lock, and no node answers.
fn silent(process: &str, address: SocketAddr, error: &AskError, report: &mut Report) {
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    let name = match name.trim() {
        "" => "which is no longer there: a process it started holds on to the lock".to_owned(),
        name => format!("a {name}"),
    };
    report.fault(
        Check::Data,
        format!("process {process}, {name}, holds the lock of the data directory and does not answer on {address}: {error}"),
        "wait if it has just been started; else stop it (kill, and kill -9 when it does not end), and start the node again",
    );
}

async fn judge(settings: &Settings, answers: &Answers, report: &mut Report) {
    let Answers { node, net, peers } = answers;
    version(node, report);
    if !network(settings, node, report) {
        return;
    }
    clock(settings, net, report);
    sync(node, report);
    rules(node, report);
    let connected: BTreeSet<&str> = peers.iter().map(|peer| peer.peer_id.as_str()).collect();
    count(settings, net, report);
    targets::examine(settings, &connected, report).await;
    reach(settings, net, report);
}

fn version(node: &NodeInfo, report: &mut Report) {
    let own = env!("CARGO_PKG_VERSION");
    if node.version == own {
        report.ok(Check::Version, format!("the node runs version {own}"));
    } else {
        let says = format!("the node runs version {}, this program is {own}", node.version);
        report.note(Check::Version, says, Some("restart the node to run the installed version"));
    }
}

/// Whether the answers are this network's.
fn network(settings: &Settings, node: &NodeInfo, report: &mut Report) -> bool {
    let (chain, expected) = (&settings.spec.params().name, settings.spec.genesis_id());
    if node.genesis_id == Text(expected) {
        report.ok(Check::Network, format!("it is on {chain}, genesis id {expected}"));
        return true;
    }
    report.fault(
        Check::Network,
        format!("the node is on {}, genesis id {}; --chain says {chain}, {expected}", node.chain, node.genesis_id.0),
        "name the network the node was started with, with --chain",
    );
    false
}

fn clock(settings: &Settings, net: &NetInfo, report: &mut Report) {
    let Some(ahead) = net.clock_ahead_ms else {
        return report.note(Check::Clock, "it could not be compared: that takes three peers", None);
    };
    // A block may be stamped that much ahead of a node's clock. Half of it leaves room for the other's error.
    let most = settings.spec.params().max_future_ms / 2;
    let off = ahead.unsigned_abs() as f64 / 1000.0;
    if ahead.unsigned_abs() <= most {
        return report.ok(Check::Clock, format!("it is within {off:.1} s of the median of the peers' clocks"));
    }
    let (way, harm) = if ahead > 0 {
        ("behind", "new blocks seem to come from the future, and wait")
    } else {
        ("ahead of", "blocks mined here come too early for others")
    };
    report.fault(
        Check::Clock,
        format!("this machine's clock is {off:.1} s {way} the median of the peers' clocks: {harm}"),
        "set it, and keep it right with chrony or systemd-timesyncd (timedatectl set-ntp true)",
    );
}

fn sync(node: &NodeInfo, report: &mut Report) {
    let (height, target) = (node.height, node.sync.target.max(node.sync.headers));
    match node.sync.phase {
        SyncPhase::Headers | SyncPhase::Bodies if height < target => {
            report.note(Check::Sync, format!("it is catching up: block {height} of {target}"), None);
        }
        _ => match &node.sync.reason {
            Some(reason) => report.note(Check::Sync, format!("its tip is block {height}: {reason}"), None),
            None => report.ok(Check::Sync, format!("its tip is block {height}")),
        },
    }
}

/// Whether it follows the rules that most follow.
fn rules(node: &NodeInfo, report: &mut Report) {
    let next =
        node.rules.next_upgrade.as_ref().map(|next| format!("; the next, {}, at block {}", next.name, next.height));
    let next = next.unwrap_or_else(|| String::from("; none is known to come"));
    match (&node.rules_notice, node.outdated) {
        (Some(notice), true) => report.fault(
            Check::Rules,
            notice.clone(),
            "install the current cairn-node, give it the network's current file if it has one of its own (--chain), and \
             start it again",
        ),
        (Some(notice), false) => report.note(
            Check::Rules,
            notice.clone(),
            Some("ask those who run the network for its current program and file, or tell those who have not updated"),
        ),
        (None, _) => report.ok(Check::Rules, format!("its upgrades are those of its peers{next}")),
    }
}

fn count(settings: &Settings, net: &NetInfo, report: &mut Report) {
    let told = !settings.network.peers.is_empty() || !settings.network.boot_nodes.is_empty();
    match net.peers {
        0 if settings.local && !told => report.ok(Check::Peers, "none, and none is named: a local network of one node"),
        0 => report.fault(
            Check::Peers,
            format!("the node has no peers; it knows {} addresses to try", net.known_new + net.known_tried),
            "name a node that runs with --network.peers, and see that a firewall lets connections out",
        ),
        count => {
            let says = format!("{count}: {} that it dialled, {} that dialled it", net.outbound, net.inbound);
            report.ok(Check::Peers, says);
        }
    }
}

fn reach(settings: &Settings, net: &NetInfo, report: &mut Report) {
    let says = format!("{}: {}", net.reach, net.reach_reason);
    match net.reach.as_str() {
        "relayed" | "outbound_only" if !settings.local => report.note(
            Check::Reach,
            says,
            Some("forward the peers' port, TCP and UDP, to this machine, or name its address with network.external"),
        ),
        _ => report.ok(Check::Reach, says),
    }
}

fn all(net: &NetInfo) -> String {
    if net.listening.is_empty() { "no address".to_owned() } else { net.listening.join(", ") }
}

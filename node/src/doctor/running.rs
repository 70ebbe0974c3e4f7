//! A node that runs: what it says of itself.

use super::{Diagnosis, machine, machine::mib, targets};
use crate::{config::Settings, system::data_dir::Occupant};
use cairn_api::rpc_client::{self, RpcClientError};
use cairn_rpc::methods::{NetClient, NodeClient};
use cairn_rpc::types::{LossesJson, NetInfo, NodeInfo, PeerJson, ProblemJson, StretchJson};
use cairn_rpc::{policy::clock_tolerance_ms, text::Text};
use std::{collections::BTreeSet, time::Duration};

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(10);

/// What a node says of itself.
struct Answers {
    node: NodeInfo,
    net: NetInfo,
    peers: Vec<PeerJson>,
}

/// Looks at a node that runs.
pub(super) async fn examine(settings: &Settings, occupant: &Occupant, report: &mut Diagnosis) {
    machine::files(settings, machine::limit_of(&occupant.process), report);
    let (process, node_address) = (&occupant.process, settings.node_address(occupant));
    let answers = rpc_client::ask(node_address, WITHIN, async |client| {
        Ok(Answers { node: client.node_info().await?, net: client.net_info().await?, peers: client.net_peers().await? })
    });
    match answers.await {
        Ok(answers) => {
            report.ok("data", format!("a node runs as process {process}"));
            let (port, peers) = (node_address.port, all(&answers.net));
            report.ok("ports", format!("it serves JSON-RPC on {port}, and listens for peers on {peers}"));
            judge(settings, &answers, report).await;
        }
        Err(error) => unanswered(process, &error, report),
    }
}

/// Somebody holds the lock, and no node answers. What is seen is said, and no more: who is silent may be at work.
fn unanswered(process: &str, error: &RpcClientError, report: &mut Diagnosis) {
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    let name = match name.trim() {
        "" => "which cannot be seen from here (another container's, or one that has ended)".to_owned(),
        name => format!("a {name}"),
    };
    let stop = match process.parse::<u32>() {
        Ok(process) => format!("systemctl stop, or kill {process}"),
        Err(_) => "systemctl stop".to_owned(),
    };
    let advice = match error {
        RpcClientError::Denied { .. } => "ask as the user who runs the node, or as root".to_owned(),
        RpcClientError::Unreachable { .. } => format!(
            "wait if it was started or told to stop just now, and read its log, which says what it is doing; to stop it in \
             order: {stop}"
        ),
        RpcClientError::Silent { .. } => format!(
            "read its log, and look at the load of the machine and its disk; ask again, and if it stays silent, stop it in \
             order ({stop}), which may take a minute"
        ),
        RpcClientError::Call(_) => {
            "see that this program and the node are of one version (cairn-node --version), and read the node's log"
                .to_owned()
        }
    };
    let message =
        format!("process {process}, {name}, holds the lock of the data directory and does not answer: {error}");
    report.fault("data", message, advice);
}

async fn judge(settings: &Settings, answers: &Answers, report: &mut Diagnosis) {
    let Answers { node, net, peers } = answers;
    version(node, report);
    if !network(settings, node, report) {
        return;
    }
    if node.health.problems.iter().all(|problem| problem.kind != "clock") {
        clock(settings, net, report);
    }
    health(node, report);
    rules(node, report);
    let connected: BTreeSet<&str> = peers.iter().map(|peer| peer.peer_id.as_str()).collect();
    count(settings, net, report);
    memory(node, report);
    trust(node, report);
    damage(node, report);
    losses(net, report);
    targets::examine(settings, &connected, report).await;
    reach(settings, net, report);
}

/// Whether what the process may hold is enough for long.
fn memory(node: &NodeInfo, report: &mut Diagnosis) {
    let (Some(held), Some(max)) = (node.memory_bytes, node.max_memory_bytes) else { return };
    let message = format!("{} of {} are taken, with {} accounts", mib(held), mib(max), node.accounts);
    if held > max / 10 * 9 {
        let advice = "accounts that do not fit are read from the disk, which is slower: raise memory.max_bytes, or the \
                      container's limit";
        report.note("memory", message, Some(advice));
    } else {
        report.ok("memory", message);
    }
}

/// What its word on the accounts rests on, and what it gives to those who join.
fn trust(node: &NodeInfo, report: &mut Diagnosis) {
    let gives = match node.snapshots.as_slice() {
        [] => "it has no snapshot for those who join yet".to_owned(),
        all => {
            let heights: Vec<String> = all.iter().map(|held| held.height.to_string()).collect();
            format!("those who join get the accounts as of block {}", heights.join(" or "))
        }
    };
    let rests = match node.restored_at {
        None => "it has executed every block".to_owned(),
        Some(height) => {
            format!(
                "it began with the accounts as of block {height}, proven by work, and has executed every block since"
            )
        }
    };
    let checks = match node.history_height {
        None => String::new(),
        Some(height) => format!(" (those below are being executed aside: {height})"),
    };
    report.ok("accounts", format!("{rests}{checks}; {gives}"));
    history(node, report);
}

/// Which transactions it keeps.
fn history(node: &NodeInfo, report: &mut Diagnosis) {
    if node.lowest_body == 0 {
        return report.ok("history", String::from("it keeps the transactions of all blocks"));
    }
    let stretches: String =
        node.stretches.iter().map(|StretchJson { from, to, .. }| format!(", and of blocks {from} to {to}")).collect();
    report.ok("history", format!("it keeps the transactions from block {} on{stretches}", node.lowest_body));
}

/// Whether the disk has damaged what was written.
fn damage(node: &NodeInfo, report: &mut Diagnosis) {
    if node.damage_mended > 0 {
        let message = format!("damage in tables that was found since the start, and mended: {}", node.damage_mended);
        let advice = "look at the disk (smartctl -a) and at the memory: what they damage next may not be mendable";
        report.note("database", message, Some(advice));
    }
}

fn version(node: &NodeInfo, report: &mut Diagnosis) {
    let own = env!("CARGO_PKG_VERSION");
    if node.version == own {
        report.ok("version", format!("the node runs version {own}"));
    } else {
        let message = format!("the node runs version {}, this program is {own}", node.version);
        report.note("version", message, Some("restart the node to run the installed version"));
    }
}

/// Whether the answers are this network's.
fn network(settings: &Settings, node: &NodeInfo, report: &mut Diagnosis) -> bool {
    let (chain, expected) = (&settings.spec.params().name, settings.spec.genesis_id());
    if node.genesis_id == Text(expected) {
        report.ok("network", format!("it is on {chain}, genesis id {expected}"));
        return true;
    }
    report.fault(
        "network",
        format!("the node is on {}, genesis id {}; --chain says {chain}, {expected}", node.chain, node.genesis_id.0),
        "name the network the node was started with, with --chain",
    );
    false
}

fn clock(settings: &Settings, net: &NetInfo, report: &mut Diagnosis) {
    let Some(ahead) = net.clock_ahead_ms else {
        return report.note("clock", "it could not be compared: that takes three peers", None);
    };
    let most = clock_tolerance_ms(settings.spec.params().max_future_ms);
    let off = ahead.unsigned_abs() as f64 / 1000.0;
    if ahead.unsigned_abs() <= most {
        return report.ok("clock", format!("it is within {off:.1} s of the median of the peers' clocks"));
    }
    let (side, harm) = if ahead > 0 {
        ("behind", "new blocks seem to come from the future, and wait")
    } else {
        ("ahead of", "blocks mined here come too early for others")
    };
    report.fault(
        "clock",
        format!("this machine's clock is {off:.1} s {side} the median of the peers' clocks: {harm}"),
        "set it, and keep it right with chrony or systemd-timesyncd (timedatectl set-ntp true)",
    );
}

/// What the node says is wrong with it. What other checks look at, they tell.
fn health(node: &NodeInfo, report: &mut Diagnosis) {
    let mut is_well = true;
    for ProblemJson { kind, blocking, message, advice } in &node.health.problems {
        match kind.as_str() {
            "catching_up" => {
                report.note("sync", format!("its tip is block {}: {message}", node.height), Some(advice));
            }
            "clock_differs" | "outdated" | "other_rules" => continue,
            "other_key" => report.fault("peers", message.clone(), advice.clone()),
            "clock" => report.fault("clock", message.clone(), advice.clone()),
            _ if *blocking => {
                report.fault("sync", format!("its tip is block {}: {message}", node.height), advice.clone());
            }
            _ => report.note("sync", format!("its tip is block {}: {message}", node.height), Some(advice)),
        }
        is_well = false;
    }
    if is_well {
        report.ok("sync", format!("its tip is block {}", node.height));
    }
}

/// Whether it follows the rules that most follow.
fn rules(node: &NodeInfo, report: &mut Diagnosis) {
    let next =
        node.rules.next_upgrade.as_ref().map(|next| format!("; the next, {}, at block {}", next.name, next.height));
    let next = next.unwrap_or_else(|| String::from("; none is known to come"));
    match (&node.rules_notice, node.outdated) {
        (Some(notice), true) => report.fault(
            "rules",
            notice.clone(),
            "install the current cairn-node, give it the network's current file if it has one of its own (--chain), and \
             start it again",
        ),
        (Some(notice), false) => report.note(
            "rules",
            notice.clone(),
            Some("ask those who run the network for its current program and file, or tell those who have not updated"),
        ),
        (None, _) => report.ok("rules", format!("its upgrades are those of its peers{next}")),
    }
}

fn count(settings: &Settings, net: &NetInfo, report: &mut Diagnosis) {
    let has_named = !settings.network.peers.is_empty() || !settings.network.boot_nodes.is_empty();
    match net.peers {
        0 if settings.local && !has_named => report.ok("peers", "none, and none is named: a local network of one node"),
        0 => report.fault(
            "peers",
            format!("the node has no peers; it knows {} addresses to try", net.known_new + net.known_tried),
            "name a node that runs with --network.peers, and see that a firewall lets connections out",
        ),
        count => {
            let message = format!("{count}: {} that it dialled, {} that dialled it", net.outbound, net.inbound);
            report.ok("peers", message);
        }
    }
}

/// What gossip has lost: nothing is wrong with the node for that, but perhaps with its line.
fn losses(net: &NetInfo, report: &mut Diagnosis) {
    let LossesJson { dropped, repeated, crowded_out, unlooked, sent_again } = net.losses;
    if dropped + repeated + crowded_out + unlooked + sent_again == 0 {
        return report.ok("gossip", "nothing was lost on the way to peers");
    }
    let message = format!(
        "{dropped} messages came too late for slow lines, {repeated} batches and {crowded_out} payments were not sent, \
         {unlooked} messages were not looked at, {sent_again} payments were sent again; peers find what they lack by \
         comparing pools"
    );
    let advice = (dropped > 0).then_some("see that the line is not full of other things, if that number grows");
    report.note("gossip", message, advice);
}

fn reach(settings: &Settings, net: &NetInfo, report: &mut Diagnosis) {
    let message = format!("{}: {}", net.reach, net.reach_reason);
    match net.reach.as_str() {
        "relayed" | "outbound_only" if !settings.local => report.note(
            "reach",
            message,
            Some("forward the peers' port, TCP and UDP, to this machine, or name its address with network.external"),
        ),
        _ => report.ok("reach", message),
    }
}

fn all(net: &NetInfo) -> String {
    if net.listening.is_empty() { "no address".to_owned() } else { net.listening.join(", ") }
}

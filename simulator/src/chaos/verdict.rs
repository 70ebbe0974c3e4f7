//! What must hold of real nodes once all is mended, asked of each by JSON-RPC, and of its database once it has stopped.

use super::fleet::{Fleet, number};
use super::interrupt::Interrupt;
use super::payments::{Fates, Over, Payments};
use super::rpc::AskError;
use crate::executor::NodeId;
use cairn_ledger::block::Block;
use cairn_ledger::hash::{BlockId, Hash};
use cairn_ledger::testing::genesis_state;
use cairn_ledger::units::Height;
use cairn_ledger::validate::ChainContext;
use cairn_rpc::text::HexBytes;
use cairn_rpc::types::{BanJson, NodeInfo, Supply};
use serde_json::json;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// How long a node may take to stop in order.
const STOP_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks whether nodes agree.
const LOOK: Duration = Duration::from_millis(500);
/// How much longer a moment is looked for at which no block is on its way.
const MOMENT: Duration = Duration::from_secs(20);
/// The peers that everybody has at least, where there are so many others.
const PEERS: u64 = 2;
/// How often states are compared that are not of one chain.
const ROUNDS: u32 = 5;

/// One thing that must hold, and whether it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it holds.
    pub holds: bool,
    /// What, in a sentence.
    pub text: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// One line each.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Whether all holds.
    pub fn is_good(&self) -> bool {
        !self.findings.is_empty() && self.findings.iter().all(|finding| finding.holds)
    }

    /// `good` where nothing is wrong, otherwise what is.
    fn note(&mut self, wrong: &[String], good: impl FnOnce() -> String) {
        let text = if wrong.is_empty() { good() } else { wrong.join("; ") };
        self.findings.push(Finding { holds: wrong.is_empty(), text });
    }
}

/// Where all nodes stand at one moment.
struct Stand(Vec<(NodeId, Result<NodeInfo, AskError>)>);

impl Stand {
    fn take(fleet: &Fleet) -> Self {
        Self(fleet.nodes().map(|node| (node, fleet.ask(node, "node_info", &json!([])))).collect())
    }

    /// The tips, with their heights and who has them.
    fn tips(&self) -> BTreeMap<BlockId, (u64, Vec<u32>)> {
        let mut tips = BTreeMap::<_, (u64, Vec<u32>)>::new();
        for (node, info) in &self.0 {
            if let Ok(info) = info {
                let who = tips.entry(info.tip.0).or_default();
                who.0 = info.height;
                who.1.push(number(*node));
            }
        }
        tips
    }

    /// Who has the longest chain.
    fn highest(&self) -> Option<NodeId> {
        let heights = self.0.iter().filter_map(|(node, info)| Some((info.as_ref().ok()?.height, *node)));
        heights.max().map(|(_, node)| node)
    }

    /// How many peers everybody needs.
    fn needed(&self) -> u64 {
        PEERS.min(self.0.len() as u64 - 1)
    }

    /// Who has fewer.
    fn alone(&self) -> Vec<String> {
        let alone = self.0.iter().filter_map(|(node, info)| {
            let peers = info.as_ref().ok()?.peers;
            (peers < self.needed()).then(|| format!("node {} has {peers} peers", number(*node)))
        });
        alone.collect()
    }

    /// Whether everybody whose process is there answers, and all have one tip.
    fn is_one(&self, fleet: &Fleet) -> bool {
        let answers =
            |(node, info): &(NodeId, Result<NodeInfo, AskError>)| info.is_ok() || !fleet.process(*node).is_up();
        self.0.iter().all(answers) && self.tips().len() == 1
    }
}

/// What the verdict is about besides the nodes.
pub struct Case<'a> {
    /// Every payment.
    pub payments: &'a Payments,
    /// How high the chain was when all was mended.
    pub well_since: u64,
    /// How high it has to be now.
    pub grown_to: u64,
    /// Who ended by itself on the way, and how.
    pub ended: &'a [String],
    /// How long to wait until all agree, and no payment is open.
    pub patience: Duration,
}

/// Waits until all is quiet, tells how it is then, and looks at everything; nodes have stopped at the end. Nothing if
/// it was interrupted.
pub fn judge(
    fleet: &mut Fleet,
    case: &Case<'_>,
    settled: &mut dyn FnMut(&str),
    interrupt: &Interrupt,
) -> Option<Verdict> {
    let mut verdict = Verdict::default();
    let mut ended = case.ended.to_vec();
    let (stand, fates) = settle(fleet, case, &mut ended, interrupt)?;
    let is_settled = stand.is_one(fleet) && fates.as_ref().is_ok_and(|fates| fates.open == 0);
    settled(if is_settled { "settled" } else { "NOT settled" });
    let count = stand.0.len();
    ended.extend(stand.0.iter().filter_map(|(node, info)| {
        info.as_ref().err().map(|error| format!("node {} is not well: {error}", number(*node)))
    }));
    verdict.note(&ended, || format!("all {count} processes are alive, and none has ended by itself"));
    one_tip(&mut verdict, &stand, case.grown_to);
    payments(&mut verdict, &fates);
    if let Some(reference) = stand.highest() {
        state(&mut verdict, fleet, reference, interrupt);
    }
    nobody_banned(&mut verdict, fleet);
    verdict.note(&stand.alone(), || format!("every node has {} peers at least", stand.needed()));
    stop(&mut verdict, fleet, interrupt);
    whole(&mut verdict, fleet, interrupt);
    (!interrupt.is_set()).then_some(verdict)
}

/// Blocks go on being found: a moment is looked for at which all agree, and every payment's fate is known.
fn settle(
    fleet: &mut Fleet,
    case: &Case<'_>,
    ended: &mut Vec<String>,
    interrupt: &Interrupt,
) -> Option<(Stand, Result<Fates, AskError>)> {
    let deadline = Instant::now() + case.patience;
    loop {
        match fleet.ended() {
            Ok(more) => ended.extend(
                more.iter()
                    .filter(|ended| !ended.is_excused)
                    .map(|ended| format!("node {} has ended by itself: {}", number(ended.node), ended.status)),
            ),
            Err(error) => ended.push(error.to_string()),
        }
        let stand = Stand::take(fleet);
        let first = stand.0.iter().find_map(|(node, info)| Some((*node, info.as_ref().ok()?.height)));
        let fates = match first {
            Some((node, height)) => case.payments.fates(fleet, node, height, case.well_since),
            None => Ok(Fates::default()),
        };
        let (is_late, is_one) = (Instant::now() >= deadline, stand.is_one(fleet));
        let is_known = fates.as_ref().is_ok_and(|fates| fates.open == 0) && stand.alone().is_empty();
        if (is_one && (is_late || is_known)) || Instant::now() >= deadline + MOMENT {
            return Some((stand, fates));
        }
        if !interrupt.wait_until(Instant::now() + LOOK, || false) {
            return None;
        }
    }
}

fn one_tip(verdict: &mut Verdict, stand: &Stand, grown_to: u64) {
    let tips = stand.tips();
    let list = |(tip, (height, who)): (&BlockId, &(u64, Vec<u32>))| {
        format!("{} at height {height}, {}…", names(who), short(tip))
    };
    let parted: Vec<String> = match tips.len() {
        1 => Vec::new(),
        _ => vec![format!("nodes follow different chains: {}", tips.iter().map(list).collect::<Vec<_>>().join("; "))],
    };
    verdict.note(&parted, || format!("one tip: {}", tips.iter().map(list).collect::<String>()));
    let height = tips.values().map(|(height, _)| *height).max().unwrap_or(0);
    let stands =
        (height < grown_to).then(|| format!("the chain is {height} blocks high, expected {grown_to} at least"));
    verdict.note(&Vec::from_iter(stands), || format!("the chain has grown to {height} blocks"));
}

fn payments(verdict: &mut Verdict, fates: &Result<Fates, AskError>) {
    let fates = match fates {
        Ok(fates) => fates,
        Err(error) => return verdict.note(&[format!("the fate of payments is not known: {error}")], String::new),
    };
    let mut wrong = Vec::new();
    if fates.open > 0 {
        wrong.push(format!("{} payments that were taken are neither mined nor over", fates.open));
    }
    wrong.extend(
        fates.lost.iter().map(|(txid, node)| {
            format!("payment {txid} was never mined, although node {node} had taken it and lived on")
        }),
    );
    let Fates { taken, mined, over, .. } = fates;
    let describe = |Over { by, at, lived_on }: &Over| {
        let fate = if *lived_on { "lived on" } else { "was killed" };
        format!("node {by} took one at block {at} and {fate}")
    };
    let over: Vec<String> = over.iter().map(describe).collect();
    verdict.note(&wrong, || {
        let ways = if over.is_empty() { String::new() } else { format!(" ({})", over.join("; ")) };
        format!("{taken} payments were taken: {mined} mined, {} over by their last block{ways}", over.len())
    });
}

/// By the ledger's rules alone, of every block of the chain: the state after it, and what all accounts have then.
type Replayed = BTreeMap<BlockId, (Hash, u64)>;

fn replay(fleet: &Fleet, node: NodeId, height: u64) -> Result<Replayed, String> {
    let spec = fleet.spec().clone();
    let mut blocks = Vec::new();
    for height in 1..=height {
        let raw: HexBytes = match fleet.ask(node, "chain_getRawBlock", &json!([height])) {
            Ok(raw) => raw,
            // Another is a block ahead.
            Err(AskError::Refused(_)) => break,
            Err(error) => return Err(error.to_string()),
        };
        blocks.push(Block::from_bytes(&raw.0).map_err(|error| format!("block {height}: {error}"))?);
    }
    let work = AssertUnwindSafe(|| {
        let (mut state, mut parent) = (genesis_state(&spec), ChainContext::genesis(&spec));
        let mut replayed = BTreeMap::from([(parent.id(), (state.tree().state_root(), state.total()))]);
        for block in blocks {
            parent = state.follow(&spec, &parent, block);
            replayed.insert(parent.id(), (state.tree().state_root(), state.total()));
        }
        replayed
    });
    catch_unwind(work).map_err(|_| format!("node {} follows a block that breaks a rule", number(node)))
}

/// What a node says of its tip and of the money there, both of one tip.
fn money(fleet: &Fleet, node: NodeId) -> Result<(NodeInfo, Supply), AskError> {
    loop {
        let before: NodeInfo = fleet.ask(node, "node_info", &json!([]))?;
        let supply: Supply = fleet.ask(node, "chain_supply", &json!([]))?;
        let after: NodeInfo = fleet.ask(node, "node_info", &json!([]))?;
        if before.tip == after.tip {
            return Ok((after, supply));
        }
    }
}

/// The state and the money of every node are what the blocks lead to.
fn state(verdict: &mut Verdict, fleet: &Fleet, reference: NodeId, interrupt: &Interrupt) {
    let (mut states, mut supplies, mut last) = (Vec::new(), Vec::new(), None);
    for round in 1..=ROUNDS {
        states.clear();
        supplies.clear();
        let told: Vec<_> = fleet.nodes().map(|node| (number(node), money(fleet, node))).collect();
        let heights = told.iter().filter_map(|(_, told)| Some(told.as_ref().ok()?.0.height));
        let replayed = match replay(fleet, reference, heights.max().unwrap_or(0)) {
            Ok(replayed) => replayed,
            Err(error) => return verdict.note(&[error], String::new),
        };
        for (number, told) in told {
            let (info, supply) = match told {
                Ok(told) => told,
                Err(error) => {
                    states.push(format!("node {number} does not tell its state: {error}"));
                    continue;
                }
            };
            let Some((root, total)) = replayed.get(&info.tip.0) else {
                let (height, tip) = (info.height, short(&info.tip.0));
                states.push(format!("node {number} follows another chain, with block {height}, {tip}…"));
                continue;
            };
            if info.state_root.0 != *root {
                let (got, root) = (short(&info.state_root.0), short(root));
                states.push(format!("node {number} has the state {got}…, its blocks lead to {root}…"));
            }
            let expected = fleet.spec().supply(Height::new(info.height));
            let held = supply.burned.and_then(|burned| supply.issued.0.pebbles().checked_sub(burned.0.pebbles()));
            if supply.issued.0 != expected || held != Some(*total) {
                let issued = supply.issued.0;
                supplies.push(format!("node {number} counts {issued} CRN, {held:?} pebbles of them held"));
            }
            last = Some((info, supply));
        }
        // Blocks go on being found: two may be at one height just now.
        if states.is_empty() || round == ROUNDS || !interrupt.wait_until(Instant::now() + LOOK * 4, || false) {
            break;
        }
    }
    let Some((info, supply)) = last else { return verdict.note(&states, String::new) };
    verdict.note(&states, || format!("one state, {}…, and the ledger's rules lead to it", short(&info.state_root.0)));
    let burned = supply.burned.map_or_else(String::new, |burned| format!(", {} of them burned", burned.0));
    verdict.note(&supplies, || format!("the supply is right: {} CRN at {}{burned}", supply.issued.0, supply.height));
}

fn nobody_banned(verdict: &mut Verdict, fleet: &Fleet) {
    let mut wrong = Vec::new();
    for node in fleet.nodes() {
        match fleet.ask::<Vec<BanJson>>(node, "net_listBans", &json!([])) {
            Ok(bans) => wrong.extend(bans.into_iter().map(|BanJson { target, reason, .. }| {
                format!("node {} has banned {target}, who is honest: {reason}", number(node))
            })),
            Err(error) => wrong.push(format!("node {} does not tell its bans: {error}", number(node))),
        }
    }
    verdict.note(&wrong, || String::from("nobody is banned"));
}

fn stop(verdict: &mut Verdict, fleet: &mut Fleet, interrupt: &Interrupt) {
    let mut wrong = Vec::new();
    let nodes: Vec<NodeId> = fleet.nodes().filter(|node| fleet.process(*node).is_up()).collect();
    nodes.iter().for_each(|node| fleet.process_mut(*node).terminate());
    let deadline = Instant::now() + STOP_WITHIN;
    for node in &nodes {
        let mut status = None;
        interrupt.wait_until(deadline, || {
            status = fleet.process_mut(*node).ended();
            status.is_some()
        });
        match status {
            Some(status) if status.success() => {}
            Some(status) => wrong.push(format!("node {} did not stop in order: {status}", number(*node))),
            None => {
                wrong.push(format!("node {} does not stop within {} s", number(*node), STOP_WITHIN.as_secs()));
                fleet.process_mut(*node).kill();
            }
        }
    }
    verdict.note(&wrong, || format!("all {} have stopped in order", nodes.len()));
}

fn whole(verdict: &mut Verdict, fleet: &Fleet, interrupt: &Interrupt) {
    let mut wrong = Vec::new();
    for node in fleet.nodes() {
        if interrupt.is_set() {
            return;
        }
        let output = fleet.offline(node, &["db", "check"]).output();
        match output {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                wrong.push(format!("the database of node {} does not hold together: {said}", number(node)));
            }
            Err(error) => wrong.push(format!("the database of node {} was not checked: {error}", number(node))),
        }
    }
    verdict.note(&wrong, || String::from("every database holds together (cairn-node db check)"));
}

/// Nodes in a list.
pub fn names(numbers: &[u32]) -> String {
    let text: Vec<String> = numbers.iter().map(u32::to_string).collect();
    match &text[..] {
        [] => String::from("no node"),
        [one] => format!("node {one}"),
        [first @ .., last] => format!("nodes {} and {last}", first.join(", ")),
    }
}

fn short(id: &impl ToString) -> String {
    id.to_string().chars().take(12).collect()
}

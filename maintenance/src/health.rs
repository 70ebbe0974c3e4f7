//! What is wrong with a node, judged in one place: `/ready`, `node_info`, the log and `doctor` all have it from here.
//!
//! # The path of a judgement
//! [`HealthHandle::look`] asks the parts (sync, chain, network) for their state → `HealthInputs` →
//! `HealthInputs::judge` (pure) → [`Health`]. The task of [`spawn`] looks now and then, and writes what has changed to
//! the log.
//!
//! # Invariants
//! 1. A problem comes with what to do about it.
//! 2. What peers merely claim never makes a node unready: anybody could.
//! 3. Looking changes nothing, and what was seen never ends the node.

use cairn_chain::{ChainHandle, UnknownRules};
use cairn_common::clock;
use cairn_common::tasks::{Shutdown, TaskError};
use cairn_ledger::chain_spec::ChainSpec;
use cairn_network::sync::{Stall, SyncHandle, SyncPhase, Unfollowed};
use cairn_network::{NetworkHandle, OtherKey, OtherUpgrades};
use cairn_rpc::policy::clock_tolerance_ms;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
use tokio::{task::JoinHandle, time::MissedTickBehavior};

/// How many blocks a node may be behind its peers and still be ready: as many as may be on their way.
const LAG_BLOCKS: u64 = 2;
/// After how many block intervals without a block a network, or the way to it, counts as broken.
const SILENT_INTERVALS: u64 = 60;
/// How long the network's task may take to say how it is. It answers within milliseconds, unless it hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often the log is told what has changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The kind of the problem that a node is on its way.
const CATCHING_UP: &str = "catching_up";

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its name.
    pub kind: &'static str,
    /// Whether the node is not ready because of it.
    pub blocking: bool,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub advice: &'static str,
    /// The peer whom it concerns, where several may have the same problem.
    peer: String,
}

impl Problem {
    /// One because of which the node is not ready.
    fn blocking(kind: &'static str, what: impl Into<String>, advice: &'static str) -> Self {
        Self { kind, blocking: true, what: what.into(), advice, peer: String::new() }
    }

    /// One with which what the node says of the chain is up to date all the same.
    fn harmless(kind: &'static str, what: String, advice: &'static str) -> Self {
        Self { blocking: false, ..Self::blocking(kind, what, advice) }
    }

    /// The network's task does not answer.
    fn hangs() -> Self {
        let what = format!("its network task has not answered within {} s", ANSWER_WITHIN.as_secs());
        let advice = "look at the load of the machine; if this lasts, restart the node, and report what its log says";
        Self::blocking("hangs", what, advice)
    }

    /// The chain with the most work goes on under rules that this node does not know, or peers know other upgrades.
    fn rules(Notice { outdated, message }: Notice) -> Self {
        if outdated {
            let advice = "update cairn-node, or its network file (--chain), and start it again";
            return Self::blocking("outdated", message, advice);
        }
        let advice = "see that cairn-node and its network file are current, or tell those who have not updated";
        Self::harmless("other_rules", message, advice)
    }

    /// Sync does not get on.
    fn stalled(stall: Stall) -> Self {
        Self::blocking(stall.name(), stall.to_string(), stall.advice())
    }

    fn no_peer_yet() -> Self {
        let advice = "wait if it has just started; else name one with --network.peers, and see net_info";
        Self::blocking("no_peer", "it has no peer yet", advice)
    }

    /// It is on its way.
    fn catching_up(missing: u64, target: u64) -> Self {
        let what = format!("it is catching up: {missing} of {target} blocks are missing");
        Self::blocking(CATCHING_UP, what, "wait; the log says how long it will take")
    }

    /// Nothing is known to be missing, and no block comes.
    fn no_blocks(minutes: u64) -> Self {
        let what = format!("no block has come for {minutes} minutes");
        Self::blocking("no_blocks", what, "look at its peers, and at this machine's clock")
    }

    /// Peers claim another chain.
    fn unfollowed(unfollowed: Unfollowed) -> Self {
        Self::harmless("unfollowed", unfollowed.to_string(), unfollowed.advice())
    }

    /// The clocks of most peers are so far ahead of this one.
    fn clock_differs(ahead_ms: i64) -> Self {
        let way = if ahead_ms > 0 { "behind" } else { "ahead of" };
        let seconds = ahead_ms.unsigned_abs() as f64 / 1000.0;
        let what = format!("this machine's clock is {seconds:.1} s {way} the median of the peers' clocks");
        Self::harmless("clock_differs", what, "set it, and keep it right (timedatectl set-ntp true)")
    }

    /// Somebody else answers where the operator named a peer.
    fn other_key(OtherKey { expected, got, address }: OtherKey) -> Self {
        let what = format!("at {address} the peer {expected} is expected, and {got} answers");
        let advice = "if that node has a new key, correct the peer id in network.peers or network.boot_nodes; if not, \
                      somebody else answers in its place";
        Self { peer: expected, ..Self::harmless("other_key", what, advice) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.advice)
    }
}

/// How well a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What is wrong, the gravest first.
    pub problems: Vec<Problem>,
}

impl Health {
    /// Whether what the node says of the chain is up to date.
    pub fn is_ready(&self) -> bool {
        self.blocking().is_none()
    }

    /// Why it is not.
    pub fn blocking(&self) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.blocking)
    }
}

/// What is judged.
#[derive(Clone, Debug)]
struct HealthInputs {
    notice: Option<Notice>,
    phase: SyncPhase,
    height: u64,
    target: u64,
    unfollowed: Option<Unfollowed>,
    /// How old the tip is, in ms.
    tip_age: u64,
    /// How far the clocks of peers are ahead, their median in ms.
    clock_ahead: Option<i64>,
    other_keys: Vec<OtherKey>,
    interval: u64,
    /// How far ahead of a node's clock a block may be stamped, in ms.
    max_future: u64,
    /// On a local network blocks come when somebody makes them, and a node may well be alone.
    local: bool,
}

impl HealthInputs {
    fn judge(self) -> Health {
        let (outdated, other) = match self.notice {
            Some(notice) if notice.outdated => (Some(notice), None),
            other => (None, other),
        };
        let missing = self.target.saturating_sub(self.height);
        let is_silent = !self.local && self.tip_age > self.interval.saturating_mul(SILENT_INTERVALS);
        let sync = match self.phase {
            SyncPhase::Stalled(stall) => Some(Problem::stalled(stall)),
            SyncPhase::Discovering if !self.local => Some(Problem::no_peer_yet()),
            SyncPhase::Headers | SyncPhase::Snapshot | SyncPhase::Bodies if missing > LAG_BLOCKS => {
                Some(Problem::catching_up(missing, self.target))
            }
            _ if is_silent => Some(Problem::no_blocks(self.tip_age / 60_000)),
            _ => None,
        };
        let is_off = |ahead: &i64| ahead.unsigned_abs() > clock_tolerance_ms(self.max_future);
        let mut problems = Vec::from_iter(outdated.map(Problem::rules));
        problems.extend(sync);
        problems.extend(self.unfollowed.map(Problem::unfollowed));
        problems.extend(self.clock_ahead.filter(is_off).map(Problem::clock_differs));
        problems.extend(other.map(Problem::rules));
        problems.extend(self.other_keys.into_iter().map(Problem::other_key));
        Health { problems }
    }
}

/// Looks at a node. Cloning shares it.
#[derive(Clone)]
pub struct HealthHandle {
    spec: Arc<ChainSpec>,
    local: bool,
    chain: ChainHandle,
    network: NetworkHandle,
    sync: SyncHandle,
}

impl HealthHandle {
    /// How well the node is.
    pub async fn look(&self) -> Health {
        let Ok(network) = tokio::time::timeout(ANSWER_WITHIN, self.network.info()).await else {
            return Health { problems: vec![Problem::hangs()] };
        };
        let (tip, sync) = (self.chain.tip(), self.sync.status());
        let inputs = HealthInputs {
            notice: notice(self.chain.unknown_rules().as_ref(), network.other_upgrades.as_ref()),
            phase: sync.phase,
            height: tip.height().get(),
            target: sync.target.get(),
            unfollowed: sync.unfollowed,
            tip_age: clock::now().millis().saturating_sub(tip.header.time.millis()),
            clock_ahead: network.clock_ahead,
            other_keys: network.other_keys,
            interval: self.spec.params().interval_ms,
            max_future: self.spec.params().max_future_ms,
            local: self.local,
        };
        inputs.judge()
    }
}

/// Begins to tell the log what is wrong, and when it no longer is.
pub fn spawn(
    spec: Arc<ChainSpec>,
    local: bool,
    chain: ChainHandle,
    network: NetworkHandle,
    sync: SyncHandle,
    mut shutdown: Shutdown,
) -> (HealthHandle, JoinHandle<Result<(), TaskError>>) {
    let handle = HealthHandle { spec, local, chain, network, sync };
    let looking = handle.clone();
    let task = tokio::spawn(async move {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut log = ProblemLog::default();
        loop {
            let next = async {
                tick.tick().await;
                looking.look().await
            };
            tokio::select! {
                () = shutdown.requested() => return Ok(()),
                health = next => log.write(&health),
            }
        }
    });
    (handle, task)
}

/// What the log was told, by kind and whom it concerns: the sentence of a problem that lasts changes with every block.
#[derive(Debug, Default)]
struct ProblemLog(BTreeMap<(&'static str, String), Problem>);

impl ProblemLog {
    fn write(&mut self, health: &Health) {
        let (began, ended) = self.changes(health);
        for problem in began {
            let Problem { kind, blocking, .. } = problem;
            tracing::warn!(target: "cairn::node", kind, blocking, %problem, "a problem");
        }
        for problem in ended {
            tracing::info!(target: "cairn::node", kind = problem.kind, ready = health.is_ready(), "a problem is over");
        }
    }

    /// What has begun, and what has ended, since the last time.
    fn changes(&mut self, health: &Health) -> (Vec<Problem>, Vec<Problem>) {
        // That it is on its way is told by sync, with how far it is.
        let logged = health.problems.iter().filter(|problem| problem.kind != CATCHING_UP);
        let now = logged.map(|problem| ((problem.kind, problem.peer.clone()), problem.clone())).collect();
        let before = std::mem::replace(&mut self.0, now);
        let new = self.0.iter().filter(|(name, _)| !before.contains_key(*name));
        let began = new.map(|(_, problem)| problem.clone()).collect();
        (began, before.into_iter().filter(|(name, _)| !self.0.contains_key(name)).map(|(_, problem)| problem).collect())
    }
}

/// What is wrong with the rules this node follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether the chain with the most work has left this node behind.
    pub outdated: bool,
    /// What is so, and what to do.
    pub message: String,
}

/// What to tell; nothing where this node's rules are those of its peers and of the chain with the most work.
pub fn notice(unknown: Option<&UnknownRules>, other: Option<&OtherUpgrades>) -> Option<Notice> {
    let named = |other: &OtherUpgrades| other.unknown.clone().map(|(height, name)| (height.get(), name));
    if let Some(UnknownRules { since, version, height }) = unknown {
        let called = other.and_then(named).filter(|(at, _)| *at == since.get());
        let called = called.map(|(_, name)| format!(", which its peers call {name:?}")).unwrap_or_default();
        let message = format!(
            "the chain with the most work goes on under an upgrade that this node does not know{called}: from block \
             {since} on, up to block {height} by now (header version {version}); update cairn-node, or its network file, \
             and start it again"
        );
        return Some(Notice { outdated: true, message });
    }
    let OtherUpgrades { peers, of, .. } = other?;
    let message = match other.and_then(named) {
        Some((height, name)) => format!(
            "{peers} of {of} peers know an upgrade that this node does not, {name:?} from block {height} on: see that \
             cairn-node and its network file are current before that block"
        ),
        None => format!(
            "{peers} of {of} peers have other upgrades than this node, or lack some: whoever is not updated in time is \
             left behind"
        ),
    };
    Some(Notice { outdated: false, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::units::Height;

    fn well() -> HealthInputs {
        HealthInputs {
            notice: None,
            phase: SyncPhase::CaughtUp,
            height: 10,
            target: 10,
            unfollowed: None,
            tip_age: 30_000,
            clock_ahead: Some(20),
            other_keys: Vec::new(),
            interval: 30_000,
            max_future: 60_000,
            local: false,
        }
    }

    fn why(inputs: HealthInputs) -> String {
        inputs.judge().blocking().map(Problem::to_string).unwrap_or_default()
    }

    fn all_stalls() -> Vec<Stall> {
        let height = Height::new(11);
        let with_height = [Stall::NoBodies { height }, Stall::NoAnswers { height }];
        [Stall::NoPeer, Stall::NoHeaders, Stall::Clock, Stall::Disk].into_iter().chain(with_height).collect()
    }

    #[test]
    fn a_node_is_ready_when_it_is_up_to_date_and_else_says_why() {
        assert_eq!(well().judge(), Health::default());
        assert_eq!(
            why(HealthInputs { phase: SyncPhase::Bodies, target: 12, ..well() }),
            "",
            "two blocks are on their way"
        );
        assert!(
            why(HealthInputs { phase: SyncPhase::Bodies, target: 13, ..well() }).contains("3 of 13 blocks are missing")
        );
        assert!(why(HealthInputs { phase: SyncPhase::Discovering, ..well() }).contains("no peer"));
        let silent = HealthInputs { tip_age: 30 * 60_000 + 1, ..well() };
        assert!(why(silent.clone()).contains("30 minutes"));
        assert_eq!(why(HealthInputs { local: true, phase: SyncPhase::Discovering, ..silent }), "");
        let notice = Some(Notice { outdated: true, message: String::from("an upgrade") });
        assert!(why(HealthInputs { notice, local: true, ..well() }).starts_with("an upgrade: update cairn-node"));
    }

    #[test]
    fn every_stall_makes_a_node_unready_on_every_network_whether_or_not_it_had_caught_up() {
        for stall in all_stalls() {
            for local in [false, true] {
                let inputs = HealthInputs { phase: SyncPhase::Stalled(stall), local, ..well() };
                assert_eq!(inputs.judge().problems, [Problem::stalled(stall)], "{stall:?}");
                let told = why(HealthInputs { phase: SyncPhase::Stalled(stall), local, ..well() });
                assert_eq!(told, format!("{stall}: {}", stall.advice()));
            }
        }
    }

    #[test]
    fn what_peers_claim_is_told_and_makes_no_node_unready() {
        let height = Height::new(99);
        let key = OtherKey { expected: "A".to_owned(), got: "B".to_owned(), address: "/ip4/192.0.2.1".to_owned() };
        let inputs = HealthInputs {
            unfollowed: Some(Unfollowed::NotShown { height }),
            clock_ahead: Some(-30_001),
            notice: Some(Notice { outdated: false, message: String::from("others know more") }),
            other_keys: vec![key],
            ..well()
        };
        let health = inputs.judge();
        assert!(health.is_ready());
        let kinds: Vec<_> = health.problems.iter().map(|problem| problem.kind).collect();
        assert_eq!(kinds, ["unfollowed", "clock_differs", "other_rules", "other_key"]);
        assert_eq!(HealthInputs { clock_ahead: Some(30_000), ..well() }.judge(), Health::default(), "the control");
        assert!(health.problems.iter().all(|problem| !problem.advice.is_empty() && !problem.what.is_empty()));
    }

    #[test]
    fn the_log_is_told_when_a_problem_begins_and_when_it_is_over() {
        let mut log = ProblemLog::default();
        let with = |problems: &[Problem]| Health { problems: problems.to_vec() };
        let clock = Problem::stalled(Stall::Clock);
        let key = |peer: &str| {
            Problem::other_key(OtherKey { expected: peer.to_owned(), got: "X".to_owned(), address: "/a".to_owned() })
        };
        let moving = |missing| Problem::catching_up(missing, 100);
        assert_eq!(log.changes(&with(&[])), (vec![], vec![]));
        assert_eq!(log.changes(&with(&[moving(5)])), (vec![], vec![]), "sync tells that");
        assert_eq!(log.changes(&with(&[clock.clone(), key("A")])), (vec![clock.clone(), key("A")], vec![]));
        assert_eq!(log.changes(&with(&[clock.clone(), key("A"), key("B")])), (vec![key("B")], vec![]));
        assert_eq!(log.changes(&with(&[key("A"), key("B")])), (vec![], vec![clock]));
        let silent = |minutes| Problem::no_blocks(minutes);
        assert_eq!(log.changes(&with(&[silent(30)])).0, [silent(30)]);
        assert_eq!(log.changes(&with(&[silent(31)])), (vec![], vec![]), "it lasts, and was told");
    }

    #[test]
    fn a_notice_says_which_height_which_name_and_what_to_do() {
        let of_peers = |unknown| OtherUpgrades { peers: 2, of: 3, unknown };
        let cheap = of_peers(Some((Height::new(70), String::from("cheap"))));
        assert_eq!(notice(None, None), None);
        let soon = notice(None, Some(&cheap)).expect("peers know more");
        assert!(!soon.outdated && soon.message.contains("\"cheap\" from block 70 on"), "{}", soon.message);
        let unknown = UnknownRules { since: Height::new(70), version: 7, height: Height::new(75) };
        let late = notice(Some(&unknown), Some(&cheap)).expect("it is behind");
        for said in ["\"cheap\"", "from block 70", "block 75", "update cairn-node"] {
            assert!(late.outdated && late.message.contains(said), "{said}: {}", late.message);
        }
        let nameless = notice(Some(&unknown), None).expect("it is behind");
        assert!(nameless.outdated && !nameless.message.contains("call"), "{}", nameless.message);
        let lacking = notice(None, Some(&of_peers(None))).expect("they differ");
        assert!(!lacking.outdated && lacking.message.contains("2 of 3 peers"), "{}", lacking.message);
    }
}

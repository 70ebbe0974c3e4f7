//! What is wrong with a node, judged in one place: `/ready`, `node_info`, the log and `doctor` all have it from here.
//!
//! # The path of a judgement
//! [`HealthHandle::look`] asks the parts (sync, chain, network) for their state → `HealthInputs` → `HealthInputs::judge` (pure) →
//! [`Health`]. The task of [`spawn`] looks now and then, and writes what has changed to the log.
//!
//! # Invariants
//! 1. A problem comes with what to do about it.
//! 2. What peers merely claim never makes a node unready: anybody could.
//! 3. Looking changes nothing, and what was seen never ends the node.

mod rules;

pub use rules::{Notice, notice};

use cairn_chain::ChainHandle;
use cairn_common::{
    clock,
    tasks::{Shutdown, TaskError},
};
use cairn_ledger::chain_spec::ChainSpec;
use cairn_network::{
    NetworkHandle, OtherKey,
    sync::{Stall, SyncHandle, SyncPhase, Unfollowed},
};
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

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The network's task does not answer.
    Hangs,
    /// The chain with the most work goes on under rules that this node does not know.
    Outdated(String),
    /// Sync does not get on.
    Stalled(Stall),
    /// There is no peer yet.
    NoPeerYet,
    /// It is on its way.
    CatchingUp {
        /// Blocks that are missing.
        missing: u64,
        /// Of so many.
        target: u64,
    },
    /// Nothing is known to be missing, and no block comes.
    NoBlocks {
        /// For how long.
        minutes: u64,
    },
    /// Peers claim another chain.
    Unfollowed(Unfollowed),
    /// Peers know other upgrades.
    OtherRules(String),
    /// The clocks of most peers differ from this one.
    ClockDiffers {
        /// How far they are ahead of it, in ms.
        ahead_ms: i64,
    },
    /// Somebody else answers where the operator named a peer.
    OtherKey(OtherKey),
}

impl Problem {
    /// Its name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hangs => "hangs",
            Self::Outdated(_) => "outdated",
            Self::Stalled(stall) => stall.name(),
            Self::NoPeerYet => "no_peer",
            Self::CatchingUp { .. } => "catching_up",
            Self::NoBlocks { .. } => "no_blocks",
            Self::Unfollowed(_) => "unfollowed",
            Self::OtherRules(_) => "other_rules",
            Self::ClockDiffers { .. } => "clock_differs",
            Self::OtherKey(_) => "other_key",
        }
    }

    /// Whether the node is not ready because of it.
    pub fn is_blocking(&self) -> bool {
        match self {
            Self::Hangs
            | Self::Outdated(_)
            | Self::Stalled(_)
            | Self::NoPeerYet
            | Self::CatchingUp { .. }
            | Self::NoBlocks { .. } => true,
            Self::Unfollowed(_) | Self::OtherRules(_) | Self::ClockDiffers { .. } | Self::OtherKey(_) => false,
        }
    }

    /// What is wrong.
    pub fn what(&self) -> String {
        match self {
            Self::Hangs => format!("its network task has not answered within {} s", ANSWER_WITHIN.as_secs()),
            Self::Outdated(what) | Self::OtherRules(what) => what.clone(),
            Self::Stalled(stall) => stall.what(),
            Self::NoPeerYet => "it has no peer yet".to_owned(),
            Self::CatchingUp { missing, target } => {
                format!("it is catching up: {missing} of {target} blocks are missing")
            }
            Self::NoBlocks { minutes } => format!("no block has come for {minutes} minutes"),
            Self::Unfollowed(unfollowed) => unfollowed.what(),
            Self::ClockDiffers { ahead_ms } => {
                let way = if *ahead_ms > 0 { "behind" } else { "ahead of" };
                let seconds = ahead_ms.unsigned_abs() as f64 / 1000.0;
                format!("this machine's clock is {seconds:.1} s {way} the median of the peers' clocks")
            }
            Self::OtherKey(OtherKey { expected, got, address }) => {
                format!("at {address} the peer {expected} is expected, and {got} answers")
            }
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Hangs => {
                "look at the load of the machine; if this lasts, restart the node, and report what its log says"
            }
            Self::Outdated(_) => "update cairn-node, or its network file (--chain), and start it again",
            Self::OtherRules(_) => {
                "see that cairn-node and its network file are current, or tell those who have not updated"
            }
            Self::Stalled(stall) => stall.advice(),
            Self::NoPeerYet => "wait if it has just started; else name one with --network.peers, and see net_info",
            Self::CatchingUp { .. } => "wait; the log says how long it will take",
            Self::NoBlocks { .. } => "look at its peers, and at this machine's clock",
            Self::Unfollowed(unfollowed) => unfollowed.advice(),
            Self::ClockDiffers { .. } => "set it, and keep it right (timedatectl set-ntp true)",
            Self::OtherKey(_) => {
                "if that node has a new key, correct the peer id in network.peers or network.boot_nodes; if not, somebody \
                 else answers in its place"
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what(), self.advice())
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
        self.problems.iter().find(|problem| problem.is_blocking())
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
        let mut problems = Vec::new();
        let (outdated, other) = match self.notice {
            Some(Notice { outdated: true, message }) => (Some(Problem::Outdated(message)), None),
            Some(Notice { outdated: false, message }) => (None, Some(Problem::OtherRules(message))),
            None => (None, None),
        };
        problems.extend(outdated);
        let missing = self.target.saturating_sub(self.height);
        let is_silent = !self.local && self.tip_age > self.interval.saturating_mul(SILENT_INTERVALS);
        problems.extend(match self.phase {
            SyncPhase::Stalled(stall) => Some(Problem::Stalled(stall)),
            SyncPhase::Discovering if !self.local => Some(Problem::NoPeerYet),
            SyncPhase::Headers | SyncPhase::Bodies if missing > LAG_BLOCKS => {
                Some(Problem::CatchingUp { missing, target: self.target })
            }
            _ if is_silent => Some(Problem::NoBlocks { minutes: self.tip_age / 60_000 }),
            _ => None,
        });
        problems.extend(self.unfollowed.map(Problem::Unfollowed));
        let is_off = |ahead: &i64| ahead.unsigned_abs() > clock_tolerance_ms(self.max_future);
        problems.extend(self.clock_ahead.filter(is_off).map(|ahead_ms| Problem::ClockDiffers { ahead_ms }));
        problems.extend(other);
        problems.extend(self.other_keys.into_iter().map(Problem::OtherKey));
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
            return Health { problems: vec![Problem::Hangs] };
        };
        let (tip, sync) = (self.chain.tip(), self.sync.status());
        let inputs = HealthInputs {
            notice: notice(self.chain.unknown_rules().as_ref(), network.other_rules.as_ref()),
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
            tokio::select! {
                () = shutdown.requested() => return Ok(()),
                _ = tick.tick() => {}
            }
            let health = tokio::select! {
                () = shutdown.requested() => return Ok(()),
                health = looking.look() => health,
            };
            log.write(&health);
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
            let (kind, blocking) = (problem.kind(), problem.is_blocking());
            tracing::warn!(target: "cairn::node", kind, blocking, %problem, "a problem");
        }
        for problem in ended {
            tracing::info!(target: "cairn::node", kind = problem.kind(), ready = health.is_ready(), "a problem is over");
        }
    }

    /// What has begun, and what has ended, since the last time.
    fn changes(&mut self, health: &Health) -> (Vec<Problem>, Vec<Problem>) {
        // That it is on its way is told by sync, with how far it is.
        let is_logged = |problem: &&Problem| !matches!(problem, Problem::CatchingUp { .. });
        let named = |problem: &Problem| match problem {
            Problem::OtherKey(other) => (problem.kind(), other.expected.clone()),
            _ => (problem.kind(), String::new()),
        };
        let now: BTreeMap<_, _> =
            health.problems.iter().filter(is_logged).map(|problem| (named(problem), problem.clone())).collect();
        let before = std::mem::replace(&mut self.0, now);
        let began = self.0.iter().filter(|(name, _)| !before.contains_key(*name)).map(|(_, problem)| problem.clone());
        let began = began.collect();
        (began, before.into_iter().filter(|(name, _)| !self.0.contains_key(name)).map(|(_, problem)| problem).collect())
    }
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
                assert_eq!(inputs.judge().problems, [Problem::Stalled(stall)], "{stall:?}");
                assert_eq!(why(HealthInputs { phase: SyncPhase::Stalled(stall), local, ..well() }), stall.to_string());
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
        let kinds: Vec<_> = health.problems.iter().map(Problem::kind).collect();
        assert_eq!(kinds, ["unfollowed", "clock_differs", "other_rules", "other_key"]);
        assert_eq!(HealthInputs { clock_ahead: Some(30_000), ..well() }.judge(), Health::default(), "the control");
        assert!(health.problems.iter().all(|problem| !problem.advice().is_empty() && !problem.what().is_empty()));
    }

    #[test]
    fn the_log_is_told_when_a_problem_begins_and_when_it_is_over() {
        let mut log = ProblemLog::default();
        let with = |problems: &[Problem]| Health { problems: problems.to_vec() };
        let clock = Problem::Stalled(Stall::Clock);
        let key = |peer: &str| {
            Problem::OtherKey(OtherKey { expected: peer.to_owned(), got: "X".to_owned(), address: "/a".to_owned() })
        };
        let moving = |missing| Problem::CatchingUp { missing, target: 100 };
        assert_eq!(log.changes(&with(&[])), (vec![], vec![]));
        assert_eq!(log.changes(&with(&[moving(5)])), (vec![], vec![]), "sync tells that");
        assert_eq!(log.changes(&with(&[clock.clone(), key("A")])), (vec![clock.clone(), key("A")], vec![]));
        assert_eq!(log.changes(&with(&[clock.clone(), key("A"), key("B")])), (vec![key("B")], vec![]));
        assert_eq!(log.changes(&with(&[key("A"), key("B")])), (vec![], vec![clock]));
        let silent = |minutes| Problem::NoBlocks { minutes };
        assert_eq!(log.changes(&with(&[silent(30)])).0, [silent(30)]);
        assert_eq!(log.changes(&with(&[silent(31)])), (vec![], vec![]), "it lasts, and was told");
    }
}

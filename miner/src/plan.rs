//! When to mine, and which time to stamp. Pure.

use cairn_ledger::units::Timestamp;

/// What the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct MiningConditions {
    /// This node's clock.
    pub now: Timestamp,
    /// The tip's time.
    pub parent_time: Timestamp,
    /// How far ahead of the clock a block's time may be.
    pub max_future_ms: u64,
    /// The intended time between blocks.
    pub interval_ms: u64,
    /// Whether blocks of a better chain are being connected just now.
    pub is_gaining: bool,
}

/// A tip younger than this many intervals is mined on whatever others show: no header, claim or block keeps a node
/// that follows the chain from mining. What is connected on an older one is history, and had to be mined, too.
const RECENT_INTERVALS: u64 = 20;

/// Why nothing is mined right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what the fields are")]
pub enum Pause {
    #[error("no address is set to receive the rewards")]
    NoBeneficiary,
    #[error("the chain is still being caught up with")]
    Syncing,
    #[error(
        "the tip's time is {ahead_ms} ms ahead of this node's clock, so a block on it would be refused as early: \
         check the clock, or wait"
    )]
    TipAhead { ahead_ms: u64 },
    #[error("the chain has caught up with the clock: the next block can be generated in {wait_ms} ms")]
    CaughtUp { wait_ms: u64 },
    #[error("blocks are being generated on request")]
    Generating,
    #[error("the chain is being reorganised")]
    Reorganising,
    #[error("the node is stopping")]
    Stopping,
}

/// The time to stamp, or why not to mine.
pub(super) fn plan(conditions: &MiningConditions) -> Result<Timestamp, Pause> {
    let age = conditions.now.since(conditions.parent_time);
    if conditions.is_gaining && age > conditions.interval_ms.saturating_mul(RECENT_INTERVALS) {
        return Err(Pause::Syncing);
    }
    let stamp = conditions.now.max(conditions.parent_time.saturating_add(1));
    if stamp > conditions.now.saturating_add(conditions.max_future_ms) {
        return Err(Pause::TipAhead { ahead_ms: conditions.parent_time.since(conditions.now) });
    }
    Ok(stamp)
}

/// The time of the next generated block, one interval after its parent's; or why it has to wait.
pub(super) fn plan_generated(parent_time: Timestamp, interval_ms: u64, now: Timestamp) -> Result<Timestamp, Pause> {
    let stamp = parent_time.saturating_add(interval_ms);
    if stamp <= now { Ok(stamp) } else { Err(Pause::CaughtUp { wait_ms: stamp.since(now) }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_block_is_stamped_now_or_just_after_its_parent() {
        let conditions = |now, parent| MiningConditions {
            now: at(now),
            parent_time: at(parent),
            max_future_ms: 100,
            interval_ms: 50,
            is_gaining: false,
        };
        assert_eq!(plan(&conditions(1_000, 900)), Ok(at(1_000)));
        assert_eq!(plan(&conditions(1_000, 1_000)), Ok(at(1_001)));
        assert_eq!(plan(&conditions(1_000, 1_099)), Ok(at(1_100)), "the last that others accept now");
        assert_eq!(plan(&conditions(1_000, 1_100)), Err(Pause::TipAhead { ahead_ms: 100 }));
    }

    #[test]
    fn only_an_old_tip_that_is_being_left_is_not_mined_on() {
        let conditions = MiningConditions {
            now: at(10_000),
            parent_time: at(9_000),
            max_future_ms: 100,
            interval_ms: 50,
            is_gaining: true,
        };
        assert_eq!(plan(&conditions), Ok(at(10_000)), "twenty intervals old, and no more");
        let old = MiningConditions { parent_time: at(8_999), ..conditions };
        assert_eq!(plan(&old), Err(Pause::Syncing));
        assert_eq!(plan(&MiningConditions { is_gaining: false, ..old }), Ok(at(10_000)), "nothing is connected");
    }

    #[test]
    fn generated_blocks_are_an_interval_apart_and_never_ahead_of_the_clock() {
        assert_eq!(plan_generated(at(1_000), 50, at(1_050)), Ok(at(1_050)));
        let refused = plan_generated(at(1_000), 50, at(1_049)).expect_err("a millisecond early").to_string();
        assert!(refused.ends_with("in 1 ms"), "{refused}");
    }
}

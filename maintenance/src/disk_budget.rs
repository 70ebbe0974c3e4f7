//! What a node may take of the disk: watched, forecast, and kept.
//!
//! # The path of a measurement
//! a file system's room and the data's size ([`disk`]) → near `storage.max_bytes` old blocks are pruned
//! ([`DiskLimits::excess`]), and the writer waits for what the database merges → [`DiskLimits::judge`]: go on, or why
//! to stop, before the disk is full and a batch could be torn → [`Forecast`]: how fast the data grows, and when that
//! ends → a [`Usage`] that `node_info` tells.
//!
//! # Invariants
//! 1. A node never starts on a disk without the reserve it needs to stop in order.
//! 2. Only room that is known to be missing ends a node: what cannot be measured is told, and stops nobody.
//! 3. The end of room is no failure of the storage: it has an error and an exit code of its own.

use cairn_chain::{ChainHandle, store::LEAST_KEPT};
use cairn_common::tasks::{Shutdown, TaskError};
use cairn_common::{clock, disk, runtime};
use cairn_ledger::units::{Height, Timestamp};
use std::{collections::VecDeque, path::PathBuf, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

/// Between two samples that are kept.
const SAMPLE_EVERY_MS: u64 = 600_000;
/// Samples kept: a day.
const SAMPLES: usize = 144;
/// Of so many parts of the most that the data may take …
const PARTS: u64 = 8;
/// … old blocks are pruned above so many …
const PRUNED_ABOVE: u64 = 6;
/// … until no more are taken than these. What others would like is fetched up to there.
const PRUNED_TO: u64 = 5;
/// Above so many nothing is written until what is merged has been merged: until then its files are there twice.
const HELD_ABOVE: u64 = 7;
/// How long that is waited for.
const HELD_FOR: Duration = Duration::from_secs(5);
/// A day, in milliseconds.
const DAY_MS: u128 = 86_400_000;

/// What may be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskLimits {
    /// Where the data is.
    pub data_dir: PathBuf,
    /// Where the database is: on another disk, where its name in the data directory is a link or a mount.
    pub database: PathBuf,
    /// The most bytes of data, if there is a most.
    pub max_bytes: Option<u64>,
    /// Bytes that have to stay free, so that a node can stop in order.
    pub reserve_bytes: u64,
}

/// What is taken, and what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// What the data takes.
    pub used_bytes: u64,
    /// What is free on its disk.
    pub free_bytes: u64,
    /// How much it grows in a day, once that is known.
    pub growth_per_day: Option<u64>,
    /// In how many days there is no more room, if it goes on like that.
    pub days_until_full: Option<u64>,
}

/// Why a node does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum NoRoom {
    #[error(
        "the disk is full: {got} bytes are free where {} is, expected {expected}, which a node needs to stop without \
         harm; free space, or move the data to a larger disk (--data-dir)", place.display()
    )]
    Disk { got: u64, expected: u64, place: PathBuf },
    #[error(
        "the data in {} takes {got} bytes, storage.max_bytes allows {expected}, and there is nothing left to prune; raise it",
        data_dir.display()
    )]
    Budget { got: u64, expected: u64, data_dir: PathBuf },
}

/// What was found out about the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measurement {
    /// What the data takes.
    pub used: u64,
    /// What of it could not be looked at, and is not counted.
    pub unread: Vec<PathBuf>,
    /// What is free where the least is, and where that is; none where the system does not say.
    pub free: Option<(u64, PathBuf)>,
}

impl DiskLimits {
    /// Whether a node may go on: unless there is known to be no room. What could not be measured stops nobody; a disk
    /// that has failed stops the database.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, measured: &Measurement) -> Result<(), NoRoom> {
        self.judge_disk(measured)?;
        match self.max_bytes {
            Some(max) if measured.used > max => {
                Err(NoRoom::Budget { got: measured.used, expected: max, data_dir: self.data_dir.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The same as far as it is the disk's room: the data may be pruned.
    ///
    /// # Errors
    /// Why not.
    pub fn judge_disk(&self, measured: &Measurement) -> Result<(), NoRoom> {
        if let Some((free, place)) = &measured.free
            && *free < self.reserve_bytes
        {
            return Err(NoRoom::Disk { got: *free, expected: self.reserve_bytes, place: place.clone() });
        }
        Ok(())
    }

    /// What has to be pruned, in bytes: near the most that the data may take, so much that it is well below.
    pub fn excess(&self, used: u64) -> Option<u64> {
        let part = self.max_bytes? / PARTS;
        (used > part * PRUNED_ABOVE).then(|| used - part * PRUNED_TO)
    }

    /// What may be taken before nothing is written for a while.
    fn held_above(&self) -> u64 {
        self.max_bytes.map_or(u64::MAX, |max| max / PARTS * HELD_ABOVE)
    }

    /// How long nobody need look, after the data has grown so much in such a time.
    fn pause(&self, used: u64, grown: u64, took: Duration) -> Duration {
        if grown == 0 {
            return MEASURE_EVERY;
        }
        // A fraction of how long the rest would last.
        let left = self.held_above().saturating_sub(used) / PARTS;
        let lasts = took.as_secs_f64() * (left as f64 / grown as f64);
        Duration::try_from_secs_f64(lasts).unwrap_or(MEASURE_EVERY).clamp(MEASURE_AFTER, MEASURE_EVERY)
    }

    /// Bytes that may still be taken.
    fn left(&self, used: u64, free: u64) -> u64 {
        let on_disk = free.saturating_sub(self.reserve_bytes);
        self.max_bytes.map_or(on_disk, |max| on_disk.min(max.saturating_sub(used)))
    }
}

/// How fast the data grew within the last day, or since the node started.
#[derive(Clone, Debug, Default)]
pub struct Forecast {
    samples: VecDeque<(Timestamp, u64)>,
}

impl Forecast {
    /// Takes a measurement in, and says what it means. A clock that jumps back begins anew.
    pub fn take(&mut self, limits: &DiskLimits, used: u64, free: u64, now: Timestamp) -> Usage {
        if self.samples.back().is_some_and(|(last, _)| *last > now) {
            self.samples.clear();
        }
        if self.samples.back().is_none_or(|(last, _)| now.since(*last) >= SAMPLE_EVERY_MS) {
            if self.samples.len() == SAMPLES {
                self.samples.pop_front();
            }
            self.samples.push_back((now, used));
        }
        let growth_per_day = self.growth(used, now);
        let days = |growth: u64| limits.left(used, free).checked_div(growth);
        Usage { used_bytes: used, free_bytes: free, growth_per_day, days_until_full: growth_per_day.and_then(days) }
    }

    fn growth(&self, used: u64, now: Timestamp) -> Option<u64> {
        let (first, before) = self.samples.front()?;
        let elapsed = u128::from(now.since(*first));
        // Within minutes, a single file that is written or removed would be all there is to see.
        if elapsed < u128::from(SAMPLE_EVERY_MS) {
            return None;
        }
        let grown = u128::from(used.saturating_sub(*before));
        u64::try_from(grown.saturating_mul(DAY_MS).checked_div(elapsed)?).ok()
    }
}

/// The task's name.
const NAME: &str = "budget";
/// With less than so many times the reserve left, what the node can do without goes.
const NEARLY_FULL: u64 = 4;
/// Between two measurements, at most: what a disk takes in meanwhile is less than the reserve.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// At least.
const MEASURE_AFTER: Duration = Duration::from_millis(100);

/// What was measured last. Cloning shares it.
#[derive(Clone, Debug)]
pub struct BudgetHandle {
    usage: watch::Receiver<Usage>,
    /// The most bytes of data, if there is a most.
    pub max_bytes: Option<u64>,
    /// Bytes that have to stay free.
    reserve_bytes: u64,
}

impl BudgetHandle {
    /// Whether so little is left that what can be done without is to go.
    pub fn is_nearly_full(&self) -> bool {
        let usage = self.usage();
        usage.used_bytes > 0 && usage.free_bytes < self.reserve_bytes.saturating_mul(NEARLY_FULL)
    }

    /// Whether so many bytes more are far from what makes blocks be pruned, or ends the node.
    pub fn has_room_for(&self, bytes: u64) -> bool {
        let usage = self.usage();
        let most = self.max_bytes.map_or(u64::MAX, |max| max / PARTS * PRUNED_TO);
        let reserve = self.reserve_bytes.saturating_mul(NEARLY_FULL);
        usage.used_bytes > 0
            && usage.used_bytes.saturating_add(bytes) <= most
            && usage.free_bytes >= reserve.saturating_add(bytes)
    }

    /// What is taken, and what is left.
    pub fn usage(&self) -> Usage {
        *self.usage.borrow()
    }
}

/// What the data takes, and what is free on the disk, or on the fuller of two. Blocks on the disk.
pub fn measure(limits: &DiskLimits) -> Measurement {
    let disk::Used { bytes: used, unread } = disk::used(&limits.data_dir);
    let free = |place: &PathBuf| disk::free_bytes(place).ok().map(|free| (free, place.clone()));
    let free = [&limits.data_dir, &limits.database].into_iter().filter_map(free).min_by_key(|(free, _)| *free);
    Measurement { used, unread, free }
}

/// Tells the operator what could not be measured, once.
#[derive(Debug, Default)]
struct UnmeasuredLog {
    unread: Vec<PathBuf>,
    no_free: bool,
}

impl UnmeasuredLog {
    /// Takes a measurement in.
    fn note(&mut self, limits: &DiskLimits, measured: &Measurement) {
        for path in measured.unread.iter().filter(|path| !self.unread.contains(path)) {
            tracing::warn!(target: "cairn::node", path = %path.display(), "cannot be looked at, and is not counted as data");
        }
        if measured.free.is_none() && !self.no_free {
            tracing::warn!(
                target: "cairn::node", data_dir = %limits.data_dir.display(),
                "the system does not say how much room is left; the node cannot stop before the disk is full"
            );
        }
        (self.unread, self.no_free) = (measured.unread.clone(), measured.free.is_none());
    }
}

/// Watches the disk from now on; the task fails when there is no more room.
pub fn spawn(
    limits: DiskLimits,
    chain: ChainHandle,
    shutdown: Shutdown,
) -> (BudgetHandle, JoinHandle<Result<(), TaskError>>) {
    let (sender, usage) = watch::channel(Usage::default());
    let handle = BudgetHandle { usage, max_bytes: limits.max_bytes, reserve_bytes: limits.reserve_bytes };
    (handle, tokio::spawn(run(limits, chain, sender, shutdown)))
}

async fn measure_aside(limits: &DiskLimits) -> Result<Measurement, TaskError> {
    let limits = limits.clone();
    let measured = runtime::blocking(move || measure(&limits)).await;
    measured.map_err(|error| TaskError::Panicked { name: NAME, reason: error.to_string() })
}

/// The same once what is merged has been merged. Nothing is written meanwhile.
async fn measure_when_merged(limits: &DiskLimits, chain: &ChainHandle) -> Result<Measurement, TaskError> {
    // Whoever stops does not wait.
    let _ = chain.wait_for_compactions(HELD_FOR).await;
    measure_aside(limits).await
}

/// Prunes old blocks until about so many bytes are free, as far as they take as many, and rewrites the indexes without
/// them; whether there was anything to prune.
async fn prune(chain: &ChainHandle, excess: u64) -> Result<bool, TaskError> {
    let failed = |reason: String| TaskError::Failed { name: NAME, reason, storage: true };
    let (reader, tip) = (chain.reader().clone(), chain.tip().height().get());
    let measured = runtime::blocking(move || reader.usage().map(|usage| (usage.of_blocks(), reader.kept()))).await;
    let (bytes, kept) =
        measured.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    // Every block is taken to be as large as any other; what this errs by is pruned next.
    let (lowest, before) = (kept.lowest(), kept.pruned());
    let all = (tip + 1).saturating_sub(before);
    let blocks = (tip + 1).saturating_sub(lowest.get());
    let share = u128::from(all) * u128::from(excess) / u128::from(bytes.max(1));
    let below = lowest.get().saturating_add(u64::try_from(share).unwrap_or(u64::MAX).min(blocks)).saturating_add(1);
    let Ok(left) = chain.prune(Height::new(below)).await else { return Ok(false) };
    // The last blocks are worth more than old ones.
    let last = (tip + 1).saturating_sub(left.get());
    let in_stretches = left.get().saturating_sub(chain.reader().kept().pruned());
    let gives_up = in_stretches > last.max(LEAST_KEPT) || (last <= LEAST_KEPT && left == lowest);
    let gives_up = gives_up && chain.drop_stretches().await == Ok(true);
    if gives_up {
        tracing::warn!(target: "cairn::node", "gave up the stretches of history below the last blocks for want of room");
    }
    // What only became a stretch freed nothing.
    if chain.reader().kept().pruned() > before {
        let reader = chain.reader().clone();
        runtime::blocking(move || reader.compact_indexes()).await.map_err(|error| failed(error.to_string()))?;
    }
    Ok(left > lowest || gives_up)
}

async fn run(
    limits: DiskLimits,
    chain: ChainHandle,
    sender: watch::Sender<Usage>,
    mut shutdown: Shutdown,
) -> Result<(), TaskError> {
    let (mut forecast, mut unmeasured) = (Forecast::default(), UnmeasuredLog::default());
    let (mut looked, mut pause) = (None, Duration::ZERO);
    loop {
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        let mut measured = measure_aside(&limits).await?;
        let (before, at) =
            looked.replace((measured.used, clock::instant())).unwrap_or((measured.used, clock::instant()));
        pause = limits.pause(measured.used, measured.used.saturating_sub(before), at.elapsed());
        if measured.used > limits.held_above() {
            // What is merged is there twice, and is not what there is to prune.
            measured = measure_when_merged(&limits, &chain).await?;
        }
        // What is kept in stretches frees less than expected.
        while let Some(excess) = limits.excess(measured.used)
            && prune(&chain, excess).await?
        {
            measured = measure_aside(&limits).await?;
        }
        if limits.judge(&measured).is_err() {
            measured = measure_when_merged(&limits, &chain).await?;
        }
        // What others would be given goes before this node does.
        if limits.judge(&measured).is_err() && chain.drop_snapshots().await == Ok(true) {
            tracing::warn!(target: "cairn::node", "gave up all snapshots of the accounts for want of room, and makes no more");
            measured = measure_aside(&limits).await?;
        }
        unmeasured.note(&limits, &measured);
        // What the system no longer says is taken to be as it was.
        let free = measured.free.as_ref().map_or(sender.borrow().free_bytes, |(free, _)| *free);
        sender.send_replace(forecast.take(&limits, measured.used, free, clock::now()));
        limits.judge(&measured).map_err(|full: NoRoom| TaskError::NoRoom { reason: full.to_string() })?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_chain::HeaderOutcome;
    use cairn_chain::store::{DbOptions, StretchOptions};
    use cairn_chain::verdict::{Origin, PeerNumber};
    use cairn_ledger::testing::{easy_network, genesis_state, mine};
    use cairn_ledger::validate::ChainContext;
    use std::sync::Arc;

    const MIB: u64 = 1 << 20;

    fn limits(max_bytes: Option<u64>) -> DiskLimits {
        DiskLimits { data_dir: "/data".into(), database: "/data/db".into(), max_bytes, reserve_bytes: 128 * MIB }
    }

    fn judge(limits: &DiskLimits, used: u64, free: u64) -> Result<(), NoRoom> {
        limits.judge(&Measurement { used, unread: Vec::new(), free: Some((free, "/data/db".into())) })
    }

    #[test]
    fn a_node_stops_before_the_disk_is_full_and_at_its_budget() {
        let free = limits(None);
        assert_eq!(judge(&free, u64::MAX, 128 * MIB), Ok(()));
        let full = judge(&free, 0, 128 * MIB - 1).expect_err("less than the reserve").to_string();
        assert!(full.starts_with("the disk is full") && full.contains("free space"), "{full}");
        assert!(full.contains("/data/db"), "it names the disk: {full}");
        assert_eq!(free.judge(&Measurement::default()), Ok(()), "what could not be measured stops nobody");
        let bounded = limits(Some(10 * MIB));
        assert_eq!(judge(&bounded, 10 * MIB, u64::MAX), Ok(()));
        let spent = judge(&bounded, 10 * MIB + 1, u64::MAX).expect_err("more than allowed").to_string();
        assert!(spent.contains("storage.max_bytes allows 10485760, and there"), "{spent}");
    }

    #[test]
    fn near_its_budget_so_much_is_pruned_that_three_eighths_are_free() {
        let bounded = limits(Some(800 * MIB));
        assert_eq!((bounded.excess(600 * MIB), bounded.excess(601 * MIB)), (None, Some(101 * MIB)));
        assert_eq!(limits(None).excess(u64::MAX), None);
    }

    /// A second was too long once: a chain that was fetched as fast as could be took more than it might in that time.
    #[test]
    fn the_faster_the_data_grows_the_sooner_it_is_looked_at_again() {
        let (bounded, second) = (limits(Some(800 * MIB)), Duration::from_secs(1));
        assert_eq!(bounded.pause(400 * MIB, 0, second), second);
        assert_eq!(bounded.pause(400 * MIB, MIB, second), second, "an hour would do");
        assert_eq!(bounded.pause(540 * MIB, 40 * MIB, second), second / 2, "160 MiB last four seconds");
        assert_eq!(bounded.pause(790 * MIB, 40 * MIB, second), Duration::from_millis(100));
        assert_eq!(bounded.pause(790 * MIB, 0, second), second, "the control: it does not grow");
        assert_eq!(limits(None).pause(790 * MIB, 400 * MIB, second), second, "the control: nobody has to look");
    }

    #[test]
    fn what_can_be_done_without_is_taken_in_only_far_below_what_makes_blocks_be_pruned() {
        let (sender, usage) = watch::channel(Usage::default());
        let handle = |max_bytes| BudgetHandle { usage: usage.clone(), max_bytes, reserve_bytes: 128 * MIB };
        assert!(!handle(None).has_room_for(0), "nothing was measured yet");
        sender.send_replace(Usage { used_bytes: 500 * MIB, free_bytes: 1_000 * MIB, ..Usage::default() });
        let (bounded, free) = (handle(Some(960 * MIB)), handle(None));
        assert_eq!((bounded.has_room_for(100 * MIB), bounded.has_room_for(101 * MIB)), (true, false));
        assert_eq!((free.has_room_for(488 * MIB), free.has_room_for(489 * MIB)), (true, false), "four reserves stay");
    }

    /// As long as it frees anything, pruning goes on, so that what is kept in stretches never makes the data too large.
    #[tokio::test]
    async fn the_last_blocks_stay_and_stretches_go_where_both_do_not_fit() {
        for stretch in [100, 400] {
            let (spec, directory) = (Arc::new(easy_network()), tempfile::tempdir().expect("a directory"));
            let drawing = |node| StretchOptions { blocks: stretch, keep: 1, node: [node; 32] };
            let first = |options: &StretchOptions| options.score(0) > options.score(1);
            let stretches = (0..=u8::MAX).map(drawing).find(first).expect("half of them");
            let options = DbOptions { stretches, ..DbOptions::default() };
            let (chain, _writer) = cairn_chain::spawn(spec.clone(), directory.path(), options).expect("a chain");
            let (mut parent, mut state) = (ChainContext::genesis(&spec), genesis_state(&spec));
            for _ in 0..LEAST_KEPT + 400 {
                let block = mine(&spec, &parent, &state, Vec::new());
                parent = state.follow(&spec, &parent, block.clone());
                let linked =
                    chain.link_headers(Origin::Peer(PeerNumber(1)), vec![block.header]).await.expect("an answer");
                let Some(HeaderOutcome::Linked(linked)) = linked.into_iter().next() else { panic!("not linked") };
                chain.import(linked, block.body).await.expect("an import").outcome().await.expect("an outcome");
            }
            let kept = || chain.reader().kept();
            let mut steps = Vec::new();
            assert!(!chain.reader().gave_up_stretches());
            while prune(&chain, u64::MAX).await.expect("a prune") {
                assert_eq!(kept().lowest().get(), 401, "the last blocks stay");
                steps.push(kept().stretches().len());
            }
            // One that takes less than they do goes once nothing else is left.
            assert_eq!(steps, if stretch == 100 { vec![1, 0] } else { vec![0] });
            assert_eq!(kept().stretches(), []);
            assert!(chain.reader().gave_up_stretches(), "and nobody fetches others");
        }
    }

    #[test]
    fn growth_is_told_once_it_can_be_seen_and_ends_where_room_does() {
        let (limits, mut forecast) = (limits(Some(1_000 * MIB)), Forecast::default());
        let at = |minutes: u64| Timestamp::from_millis(minutes * 60_000);
        let begun = forecast.take(&limits, 100 * MIB, 10_000 * MIB, at(0));
        assert_eq!((begun.growth_per_day, begun.days_until_full), (None, None));
        assert_eq!(forecast.take(&limits, 101 * MIB, 10_000 * MIB, at(9)).growth_per_day, None);
        // 1 MiB in 14.4 minutes is 100 MiB a day; 899 are left of the budget.
        let seen = forecast.take(&limits, 101 * MIB, 10_000 * MIB, Timestamp::from_millis(864_000));
        assert_eq!((seen.growth_per_day, seen.days_until_full), (Some(100 * MIB), Some(8)));
        // The disk may be nearer than the budget.
        let near = forecast.take(&limits, 101 * MIB, 228 * MIB, Timestamp::from_millis(864_000));
        assert_eq!(near.days_until_full, Some(1));
        // What does not grow never ends.
        let still = forecast.take(&limits, 100 * MIB, 10_000 * MIB, at(30));
        assert_eq!((still.growth_per_day, still.days_until_full), (Some(0), None));
    }

    #[test]
    fn a_day_of_samples_is_kept_and_a_clock_that_jumps_back_begins_anew() {
        let (limits, mut forecast) = (limits(None), Forecast::default());
        for n in 0..1_000 {
            let _ = forecast.take(&limits, n * MIB, u64::MAX, Timestamp::from_millis(n * SAMPLE_EVERY_MS));
        }
        assert_eq!(forecast.samples.len(), SAMPLES);
        assert_eq!(forecast.take(&limits, 0, u64::MAX, Timestamp::from_millis(5)).growth_per_day, None);
    }
}

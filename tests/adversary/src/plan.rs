//! A forged chain as parameters, and what becomes of it.

use crate::forge::{Forger, scaled};
use cairn_ledger::pow::{CompactTarget, Work};
use cairn_ledger::testing::{HeaderChain, arbitrary_hash};
use cairn_ledger::{chain_spec::ChainSpec, light::DifficultyBounds, mmr::MmrNode, units::Timestamp};
use std::sync::Arc;

/// What comes after the fork, one after another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// A tree of blocks that do not exist.
    Invent {
        /// Over 2^level blocks; at most as many as fit there.
        level: u32,
        /// What it claims of the work that is missing, relative to other inventions.
        share: f64,
        /// How far difficulty goes, of what is plausible: from −1, as hard as can be, to 1, as easy as can be.
        change: f64,
        /// The time it takes, in half-lives.
        time: f64,
    },
    /// Blocks that are mined.
    Mine {
        /// How many.
        blocks: u32,
        /// The time between them, in half-lives; at least a millisecond.
        gap: f64,
    },
    /// Blocks that are right in everything but were not mined.
    Unmined {
        /// How many.
        blocks: u32,
        /// The time between them, in half-lives.
        gap: f64,
    },
}

/// A forged chain: where it forks, what follows, and a tail that is mined.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Blocks that it shares with the honest chain.
    pub fork: u64,
    /// What follows.
    pub steps: Vec<Step>,
    /// Blocks at the beginning of the tail that come a half-life after one another, so that the rest is cheap.
    pub fall: u32,
    /// The time between the others, in half-lives.
    pub gap: f64,
}

/// Blocks of the tail.
const TAIL_BLOCKS: u32 = 513;

/// What a plan comes to.
#[derive(Clone)]
pub struct Forgery {
    /// The chain.
    pub forger: Forger,
    /// log2 of the chance that no sample falls on what was not mined.
    pub chance: f64,
}

/// Why a plan is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It costs more than there is.
    #[error("it costs more than the budget")]
    Budget,
    /// It ends after the present.
    #[error("it ends in the future")]
    Future,
    /// It claims less than the honest chain, whatever is invented.
    #[error("it claims less work than the honest chain")]
    Lighter,
    /// Nothing was invented, or there is no place for a tree.
    #[error("nothing is invented")]
    Nothing,
}

impl Plan {
    /// Forges the chain without mining: what it would claim and cost.
    ///
    /// # Errors
    /// It costs too much, ends too late, or claims too little.
    pub fn reckon(&self, honest: &Arc<HeaderChain>, budget: Work) -> Result<Forgery, Failure> {
        let least = self.play(Forger::dry(honest, self.fork), Work::ZERO, budget)?;
        let claimed = honest.tip.total_work();
        // One more than others have: of equals the first stays.
        let missing = claimed.checked_sub(least.claimed()).unwrap_or_default().checked_add(Work::from_u64(1));
        let shares: f64 =
            self.steps.iter().map(|step| if let Step::Invent { share, .. } = step { *share } else { 0.0 }).sum();
        if shares <= 0.0 {
            return Err(Failure::Nothing);
        }
        let forger = self.play(Forger::dry(honest, self.fork), missing.ok_or(Failure::Lighter)?, budget)?;
        if forger.claimed() <= claimed {
            return Err(Failure::Lighter);
        }
        let chance = chance(&forger);
        Ok(Forgery { forger, chance })
    }

    /// The same with real work.
    ///
    /// # Errors
    /// As [`Plan::reckon`].
    pub fn forge(&self, honest: &Arc<HeaderChain>, budget: Work) -> Result<Forgery, Failure> {
        let least = self.play(Forger::dry(honest, self.fork), Work::ZERO, budget)?;
        let missing = honest.tip.total_work().checked_sub(least.claimed()).unwrap_or_default();
        let missing = missing.checked_add(Work::from_u64(1)).ok_or(Failure::Lighter)?;
        let forger = self.play(Forger::new(honest, self.fork), missing, budget)?;
        let chance = chance(&forger);
        Ok(Forgery { forger, chance })
    }

    fn play(&self, mut forger: Forger, missing: Work, budget: Work) -> Result<Forger, Failure> {
        let half_life = forger.spec().params().half_life_ms as f64;
        let ms = |half_lives: f64| ((half_lives * half_life) as u64).max(1);
        let shares: f64 =
            self.steps.iter().map(|step| if let Step::Invent { share, .. } = step { *share } else { 0.0 }).sum();
        for step in &self.steps {
            match *step {
                Step::Invent { level, share, change, time } => {
                    let part = missing.to_f64() * share / shares.max(f64::MIN_POSITIVE);
                    invent(&mut forger, level, Work::from_u64(part.ceil() as u64), change, ms(time));
                }
                Step::Mine { blocks, gap } => mine(&mut forger, blocks, ms(gap), budget)?,
                Step::Unmined { blocks, gap } => (0..blocks).for_each(|_| forger.unmined(ms(gap))),
            }
        }
        let fall = self.fall.min(TAIL_BLOCKS);
        mine(&mut forger, fall, half_life as u64, budget)?;
        mine(&mut forger, TAIL_BLOCKS - fall, ms(self.gap), budget)?;
        Ok(forger)
    }
}

fn mine(forger: &mut Forger, blocks: u32, gap: u64, budget: Work) -> Result<(), Failure> {
    for _ in 0..blocks {
        if forger.spent() > budget {
            return Err(Failure::Budget);
        }
        if forger.time() > forger.now() {
            return Err(Failure::Future);
        }
        forger.mine(gap);
    }
    if forger.spent() > budget { Err(Failure::Budget) } else { Ok(()) }
}

/// Invents a tree with the least plausible work and so much on top.
fn invent(forger: &mut Forger, level: u32, more: Work, change: f64, time: u64) {
    let level = level.clamp(1, 40).min(forger.count().trailing_zeros());
    if level == 0 {
        return;
    }
    let (spec, blocks) = (forger.spec().clone(), 1_u64 << level);
    let time = time.max(blocks);
    let first_target = forger.target();
    let Some((next_target, least)) = changed(&spec, first_target, blocks, time, change) else { return };
    let last_time = forger.time().saturating_add(time);
    let work = least.checked_add(more).unwrap_or(least);
    let hash = arbitrary_hash(forger.count());
    forger.invent(level, MmrNode { hash, work, last_time, first_target, next_target });
}

/// The target after so many invented blocks, and the least work that these may claim.
fn changed(
    spec: &ChainSpec,
    first: CompactTarget,
    blocks: u64,
    time: u64,
    change: f64,
) -> Option<(CompactTarget, Work)> {
    let difficulty = DifficultyBounds::new(spec);
    let target = |compact: CompactTarget| compact.decode().ok();
    let bounds = difficulty.bounds(target(first)?, target(first)?, blocks, time)?;
    let (easier, harder) = (bounds.easier as f64 / 2_f64.powi(32), bounds.harder as f64 / 2_f64.powi(32));
    // A hair within what is allowed.
    let octaves =
        (harder + (easier - harder) * (change.clamp(-1.0, 1.0) + 1.0) / 2.0).clamp(harder + 1e-4, easier - 1e-4);
    let limit = target(spec.params().pow_limit)?;
    let next = target(scaled(first, octaves.clamp(-40.0, 40.0))).filter(|next| *next <= limit).unwrap_or(limit);
    let least = difficulty.bounds(target(first)?, next, blocks, time)?;
    let moved = i128::from(next.log2()) - i128::from(target(first)?.log2());
    (moved <= least.easier && moved >= least.harder).then(|| (next.to_compact(), least.work))
}

/// log2 of the chance that no sample falls on what was not mined.
fn chance(forger: &Forger) -> f64 {
    let (total, before) = (forger.claimed().to_f64(), forger.work_before_the_tail().to_f64());
    let mut chance = 0.0;
    for octave in 1..=64 {
        let low = total - total / 2_f64.powi(octave - 1);
        let high = (total - total / 2_f64.powi(octave)).min(before);
        if high <= low {
            break;
        }
        let overlap = |(from, to): &(Work, Work)| (to.to_f64().min(high) - from.to_f64().max(low)).max(0.0);
        let invented: f64 = forger.invented().iter().map(overlap).sum();
        let share = (invented / (high - low)).min(1.0);
        chance += cairn_ledger::light::SAMPLES as f64 * (1.0 - share).log2();
    }
    chance
}

/// The present, for the adversary and for the verifier.
pub fn present(honest: &HeaderChain) -> Timestamp {
    honest.tip.header().time
}

//! What an adversary with a share of all work can reach at best, luck included.
//!
//! It forks off where honest blocks have the work 1, while others find n blocks. Its chain has to claim n at least. Of
//! that it really does R, the last R before its tip, and invents I = n − R before. It escapes if
//!
//! - **luck**: it mines its R before the others find more than n. With the power q = p / (1 − p) of theirs and blocks
//!   of work w it takes Σ w·Exp / q against Gamma(n): by Chernoff's bound at most
//!   min over θ of Π 1 / (1 + θ·w / q) · (1 − θ)^−n, whatever the works are;
//! - **evasion**: no sample falls on what it invented: Π (1 − x)^samples over the octaves, where x is the invented part
//!   of each.
//!
//! It chooses n, R, where the fork lies between octaves, and how difficulty goes. Heavier blocks are fewer, and luck
//! varies more with them; so it climbs as fast as the rule lets it, σ octaves a block, and lets difficulty fall again
//! at the end, half-life by half-life, so that the tail costs it little. The climb to its first real block is invented,
//! and claims at least the work that the verifier demands of such blocks. It may also climb up to its tip, or not at
//! all.

use std::fmt;

/// What a network's rules make of the adversary's choices.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How much harder a block may be than the one before, in octaves: in the tail and in blocks that are mined.
    pub step: f64,
    /// The same where nobody looks: with the slack of plausibility.
    pub rise: f64,
    /// How many blocks the others find in a half-life.
    pub half_life: f64,
    /// Blocks of the tail.
    pub tail: u32,
    /// Samples in each octave.
    pub samples: f64,
}

impl Rules {
    /// Those of a network with so many intervals in a half-life.
    pub fn new(intervals: f64, samples: u64) -> Self {
        Self {
            step: 1.0 / intervals,
            rise: 1.0 / intervals + 2_f64.powi(-11),
            half_life: intervals,
            tail: 513,
            samples: samples as f64,
        }
    }
}

/// An adversary's best choice, and its chances as binary logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// Blocks the others find meanwhile.
    pub others: f64,
    /// What of the claimed work is really done.
    pub real: f64,
    /// The blocks it climbs for, of those that it mines.
    pub climb: u32,
    /// How many half-lives it lets difficulty fall for at the end; none when it climbs up to its tip.
    pub fall: u32,
    /// Where the fork lies between octaves, from 1 to 2.
    pub alignment: f64,
    /// The chance to be lucky.
    pub luck: f64,
    /// The chance to evade the samples.
    pub evasion: f64,
}

impl Best {
    /// Both together.
    pub fn together(&self) -> f64 {
        self.luck + self.evasion
    }
}

impl fmt::Display for Best {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { others, real, climb, fall, luck, evasion, .. } = self;
        let percent = real * 100.0;
        write!(f, "{others:6.0} blocks  {percent:3.0} % real  climb {climb:4}  fall {fall:2}  ")?;
        write!(f, "luck 2^{luck:.1}  evasion 2^{evasion:.1}  together 2^{:.1}", self.together())
    }
}

/// The works of the blocks that are really mined, the first at `first`: `climb` blocks, each harder than the one
/// before, then a fall of so many half-lives, and the rest of a tail at what difficulty is then; without a fall the
/// climb goes on, or what is left of a tail has the last difficulty.
fn mined(rules: &Rules, first: f64, climb: u32, fall: u32) -> Vec<f64> {
    let mut works = Vec::new();
    let mut work = first;
    for _ in 0..climb {
        works.push(work);
        work *= rules.step.exp2();
    }
    for _ in 0..fall {
        // A gap of a half-life makes a block easier by one octave less a step.
        work *= (rules.step - 1.0).exp2();
        works.push(work);
    }
    // The tail has to be real. Where difficulty fell it begins with the fall.
    let tail = if fall > 0 { fall } else { climb };
    works.extend(std::iter::repeat_n(work, rules.tail.saturating_sub(tail) as usize));
    works
}

/// log2 of the chance to mine `works` before others with 1 / `power` of the power find more than `others` blocks.
fn luck(works: &[f64], power: f64, others: f64) -> f64 {
    let exponent = |theta: f64| {
        let mined: f64 = works.iter().map(|work| (1.0 + theta * work / power).log2()).sum();
        -mined - others * (1.0 - theta).log2()
    };
    // The exponent is convex in theta: thirds.
    let (mut low, mut high) = (0.0, 1.0 - 1e-9);
    for _ in 0..40 {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if exponent(left) < exponent(right) { high = right } else { low = left }
    }
    exponent(low).min(0.0)
}

/// log2 of the chance that no sample falls on the invented work between the distances `real` and `claimed` from the
/// tip, of which the last octave before `claimed` ends at `alignment` · 2^k. Blocks may be invented anywhere there, and
/// as much as that has to be invented altogether: `invented`.
fn evasion(rules: &Rules, real: f64, claimed: f64, alignment: f64) -> f64 {
    // The octave of the fork: from end / 2 to end, with end ≥ claimed.
    let end = claimed * alignment;
    let (mut chance, mut high) = (0.0, end);
    while high > real {
        let low = high / 2.0;
        let invented = (high.min(claimed) - low.max(real)).max(0.0) / (high - low);
        if invented >= 1.0 {
            return f64::NEG_INFINITY;
        }
        chance += rules.samples * (1.0 - invented).log2();
        high = low;
    }
    chance
}

/// What the adversary chooses.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// The work of its first real block, as a logarithm.
    first: f64,
    climb: u32,
    fall: u32,
    /// What it invents, as a part of what is real.
    invented: f64,
}

/// The best of an adversary that has the part `share` of all power: from many beginnings uphill, until no small change
/// of any choice is better.
pub fn best(rules: &Rules, share: f64) -> Best {
    let power = share / (1.0 - share);
    let mut best: Option<Best> = None;
    for fall in [0, 2, 5, 9] {
        for climb in [0, 60, 200, 500] {
            for first in [0.0, 1.0, 2.5] {
                let start = Shape { first, climb, fall, invented: 0.3 };
                let found = uphill(rules, power, start);
                let better = |best: &Best| found.is_some_and(|found| found.together() > best.together());
                if best.as_ref().is_none_or(better) {
                    best = found.or(best);
                }
            }
        }
    }
    best.unwrap_or(Best {
        others: 0.0,
        real: 1.0,
        climb: 0,
        fall: 0,
        alignment: 1.0,
        luck: 0.0,
        evasion: f64::NEG_INFINITY,
    })
}

fn uphill(rules: &Rules, power: f64, start: Shape) -> Option<Best> {
    let (mut shape, mut best) = (start, chances(rules, power, start));
    let mut stride = 8.0_f64;
    while stride >= 0.25 {
        let blocks = stride.ceil() as u32;
        let neighbours = [
            Shape { first: shape.first + stride / 16.0, ..shape },
            Shape { first: (shape.first - stride / 16.0).max(0.0), ..shape },
            Shape { climb: shape.climb + 4 * blocks, ..shape },
            Shape { climb: shape.climb.saturating_sub(4 * blocks), ..shape },
            Shape { fall: shape.fall + 1, ..shape },
            Shape { fall: shape.fall.saturating_sub(1), ..shape },
            Shape { invented: shape.invented + stride / 100.0, ..shape },
            Shape { invented: (shape.invented - stride / 100.0).max(0.0), ..shape },
        ];
        let mut found = false;
        for neighbour in neighbours {
            let there = chances(rules, power, neighbour);
            let better = there.is_some_and(|there| best.as_ref().is_none_or(|best| there.together() > best.together()));
            if better {
                (shape, best, found) = (neighbour, there, true);
            }
        }
        if !found {
            stride /= 2.0;
        }
    }
    best
}

/// The chances of a shape, at the best alignment; nothing where the rules do not allow it.
fn chances(rules: &Rules, power: f64, shape: Shape) -> Option<Best> {
    let (climb, fall, first) = (shape.climb, shape.fall, shape.first.exp2());
    let works = mined(rules, first, climb, fall);
    let real: f64 = works.iter().sum();
    let claimed = real * (1.0 + shape.invented);
    // The climb from honest difficulty to the first real block: as little as the verifier lets it claim. And while
    // difficulty falls, the others go on.
    if claimed - real < (first - 1.0) / rules.rise || claimed < f64::from(fall) * rules.half_life {
        return None;
    }
    let best = (0..32).map(|place| (f64::from(place) / 32.0).exp2());
    let best = best.map(|alignment| (evasion(rules, real, claimed, alignment), alignment));
    let (evasion, alignment) =
        best.fold((f64::NEG_INFINITY, 1.0), |best, next| if next.0 > best.0 { next } else { best });
    let luck = luck(&works, power, claimed);
    Some(Best { others: claimed, real: real / claimed, climb, fall, alignment, luck, evasion })
}

/// The table of docs/light-proofs.md.
pub fn table(samples: u64) -> String {
    let mut text = String::new();
    for (name, intervals) in [("main", 120.0), ("local", 10.0)] {
        let rules = Rules::new(intervals, samples);
        for (share, shown) in [(1.0 / 4.0, "1/4"), (1.0 / 3.0, "1/3"), (2.0 / 5.0, "2/5")] {
            text += &format!("{name:5}  {shown}  {}\n", best(&rules, share));
        }
    }
    text
}

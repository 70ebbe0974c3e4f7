//! Looks for the plan that gets through most likely for what it costs.

use crate::forge::{Forger, Trick};
use crate::plan::{Forgery, Plan, Step, present};
use cairn_ledger::light::{LightProof, LightRequest, Receipt, TransactionProof};
use cairn_ledger::merkle::{InclusionProof, txs_root};
use cairn_ledger::testing::{HeaderChain, arbitrary_hash, key, payment};
use cairn_ledger::{codec, hash::Hash, pow::Work};
use std::sync::Arc;

/// Numbers that look random; the same for the same seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next of them (SplitMix64).
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    /// One from 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The honest chain that is to be outdone, and what the adversary has for that.
pub struct World {
    /// The chain.
    pub honest: Arc<HeaderChain>,
    /// The part of all work that the adversary has.
    pub share: f64,
}

/// What a search came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Plans that were reckoned.
    pub plans: u64,
    /// Of these, such as the rules and the budget allow.
    pub possible: u64,
    /// Chains that were really mined.
    pub forged: u64,
    /// Random bytes that were tried on them.
    pub tried: u64,
    /// The fewest samples that fell on what does not exist.
    pub fewest_missed: Option<usize>,
    /// The best chance, as a binary logarithm.
    pub best: Option<f64>,
    /// Tips that were mined to draw other samples of a receipt.
    pub tips: u64,
    /// Proofs that the verifier accepted.
    pub accepted: u64,
    /// Receipts that it accepted.
    pub receipts: u64,
}

impl World {
    /// A chain of `blocks` blocks, one interval apart.
    pub fn new(spec: cairn_ledger::chain_spec::ChainSpec, blocks: u64, share: f64) -> Self {
        let mut chain = HeaderChain::new(spec);
        chain.grow(blocks);
        Self { honest: Arc::new(chain), share }
    }

    /// What the adversary can mine while the others mine what comes after its fork.
    pub fn budget(&self, plan: &Plan) -> Work {
        let honest = &self.honest;
        let since = honest.tip.total_work().to_f64() - honest.history(plan.fork).total_work().to_f64();
        Work::from_u64((since * self.share / (1.0 - self.share)) as u64)
    }

    /// The chances of a plan, if it is possible.
    pub fn reckon(&self, plan: &Plan) -> Option<Forgery> {
        plan.reckon(&self.honest, self.budget(plan)).ok()
    }

    /// A plan of any kind.
    pub fn random_plan(&self, random: &mut Random) -> Plan {
        let height = self.honest.tip.header().height.get();
        let level = 1 + random.below(u64::from(height.ilog2()) - 1) as u32;
        // Trees begin at multiples of their size.
        let fork = (random.below(height) >> level << level).max(1 << level);
        let mut steps = vec![Step::Invent {
            level,
            share: random.unit() + 0.01,
            change: self.change(random),
            time: self.time(random),
        }];
        for _ in 0..random.below(4) {
            steps.push(self.random_step(random, level));
        }
        Plan { fork, steps, fall: random.below(14) as u32, gap: self.gap(random) }
    }

    fn random_step(&self, random: &mut Random, level: u32) -> Step {
        let blocks = random.below(400) as u32;
        let gap = self.gap(random);
        match random.below(8) {
            0..3 => Step::Invent {
                level: random.below(u64::from(level) + 1) as u32,
                share: random.unit() * f64::from(random.below(2) as u32),
                change: self.change(random),
                time: self.time(random),
            },
            3 => Step::Unmined { blocks: blocks / 8, gap },
            _ => Step::Mine { blocks, gap },
        }
    }

    fn change(&self, random: &mut Random) -> f64 {
        match random.below(3) {
            0 => -1.0,
            1 => 1.0,
            _ => random.unit() * 2.0 - 1.0,
        }
    }

    /// The time between blocks: an interval, more or less; now and then as little or as much as counts.
    fn gap(&self, random: &mut Random) -> f64 {
        let params = self.honest.spec.params();
        let interval = params.interval_ms as f64 / params.half_life_ms as f64;
        match random.below(5) {
            0 => 0.0,
            1 => 1.0,
            _ => interval * (0.25 + 1.5 * random.unit()),
        }
    }

    /// Half-lives: mostly few.
    fn time(&self, random: &mut Random) -> f64 {
        random.unit().powi(3) * 20.0
    }

    /// A plan that differs a little.
    pub fn neighbour(&self, plan: &Plan, random: &mut Random) -> Plan {
        let mut plan = plan.clone();
        match random.below(10) {
            0 => plan.fall = (plan.fall + random.below(5) as u32).saturating_sub(2),
            1 => plan.gap *= 0.5 + random.unit(),
            2 => {
                let size = 1_u64 << plan.fork.trailing_zeros();
                plan.fork = if random.below(2) == 0 { plan.fork.saturating_sub(size) } else { plan.fork + size };
                plan.fork = plan.fork.clamp(1, self.honest.tip.header().height.get());
            }
            3 => plan.steps.push(self.random_step(random, 8)),
            4 if plan.steps.len() > 1 => drop(plan.steps.remove(random.below(plan.steps.len() as u64) as usize)),
            _ => {
                let place = random.below(plan.steps.len() as u64) as usize;
                plan.steps[place] = self.changed(plan.steps[place], random);
            }
        }
        plan
    }

    fn changed(&self, step: Step, random: &mut Random) -> Step {
        let scale = 0.5 + random.unit();
        match step {
            Step::Invent { level, share, change, time } => match random.below(4) {
                0 => Step::Invent { level: (level + random.below(3) as u32).saturating_sub(1), share, change, time },
                1 => Step::Invent { level, share: share * scale, change, time },
                2 => Step::Invent { level, share, change: (change + random.unit() - 0.5).clamp(-1.0, 1.0), time },
                _ => Step::Invent { level, share, change, time: time * scale },
            },
            Step::Mine { blocks, gap } => {
                Step::Mine { blocks: (f64::from(blocks) * scale).ceil() as u32, gap: gap * (0.5 + random.unit()) }
            }
            Step::Unmined { blocks, gap } => Step::Unmined { blocks: (f64::from(blocks) * scale) as u32, gap },
        }
    }

    /// Looks for a good plan: `restarts` random ones, each improved in `steps` steps.
    pub fn search(&self, random: &mut Random, restarts: u64, steps: u64, tally: &mut Tally) -> Option<(Plan, f64)> {
        let mut best: Option<(Plan, f64)> = None;
        for _ in 0..restarts {
            let mut plan = self.random_plan(random);
            let mut chance = self.chance(&plan, tally);
            for _ in 0..steps {
                let next = self.neighbour(&plan, random);
                let better = self.chance(&next, tally);
                if better.is_some() && better >= chance {
                    (plan, chance) = (next, better);
                }
            }
            if let Some(chance) = chance.filter(|chance| best.as_ref().is_none_or(|(_, best)| chance > best)) {
                best = Some((plan, chance));
            }
        }
        tally.best = best.iter().map(|(_, chance)| *chance).chain(tally.best).reduce(f64::max);
        best
    }

    fn chance(&self, plan: &Plan, tally: &mut Tally) -> Option<f64> {
        tally.plans += 1;
        let forgery = self.reckon(plan)?;
        tally.possible += 1;
        Some(forgery.chance)
    }

    /// Really mines a plan, and tries `attempts` random bytes of the asker on it, and as many receipts.
    pub fn attack(&self, plan: &Plan, random: &mut Random, attempts: u64, tally: &mut Tally) {
        let Ok(Forgery { forger, .. }) = plan.forge(&self.honest, self.budget(plan)) else { return };
        tally.forged += 1;
        for _ in 0..attempts {
            tally.tried += 1;
            let bytes = arbitrary_hash(random.draw());
            let missed = forger.missed(&bytes);
            tally.fewest_missed = Some(tally.fewest_missed.map_or(missed, |fewest| fewest.min(missed)));
            if missed > 0 {
                continue;
            }
            // Whatever else is wrong with it, the verifier has to find out.
            let Ok(proof) = forger.prove(&bytes, Trick::None) else { continue };
            let request = LightRequest { tip: forger.tip(), random: bytes };
            let read = LightProof::from_bytes(&codec::encode(&proof)).expect("an encoded proof");
            let verdict = read.verify(&self.honest.spec, &request, present(&self.honest));
            if verdict.is_ok_and(|tip| tip.total_work() > self.honest.tip.total_work()) {
                tally.accepted += 1;
            }
        }
        self.attack_receipts(forger, self.budget(plan), attempts, tally);
    }

    /// Makes receipts of a payment that the forged chain's tip contains. Their samples follow from the tip: other ones
    /// cost another tip, as long as the budget lasts.
    fn attack_receipts(&self, mut forger: Forger, budget: Work, attempts: u64, tally: &mut Tally) {
        let spec = &self.honest.spec;
        for attempt in 0..attempts {
            if forger.spent() > budget {
                break;
            }
            let paid = payment(spec, &key(1), attempt, key(2).address(), 1_000_000, 10);
            forger.mine_another_tip(1, txs_root(&[paid.id()]));
            tally.tips += 1;
            let missed = forger.missed(&Hash::ZERO);
            tally.fewest_missed = Some(tally.fewest_missed.map_or(missed, |fewest| fewest.min(missed)));
            if missed > 0 {
                continue;
            }
            let Ok(light) = forger.prove(&Hash::ZERO, Trick::None) else { continue };
            let header = forger.header(forger.count() - 1).expect("the tip").clone();
            let inclusion = InclusionProof::new(&[paid.id()], 0).expect("a place");
            let transaction = TransactionProof { header, transaction: paid, inclusion, history: None };
            let receipt = Receipt { tip: forger.tip(), light, transaction };
            let read = Receipt::from_bytes(&codec::encode(&receipt)).expect("an encoded receipt");
            let verdict = read.verify(spec, present(&self.honest));
            if verdict.is_ok_and(|(tip, _)| tip.total_work() > self.honest.tip.total_work()) {
                tally.receipts += 1;
            }
        }
    }
}

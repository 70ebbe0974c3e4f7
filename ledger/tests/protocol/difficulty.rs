//! The difficulty rule in simulation: jumps of hash rate, pauses, lying clocks. Blocks are found at random
//! with a fixed seed; times are simulated, nothing waits. The figures are those of docs/protocol.md.

use cairn_ledger::pow::{CompactTarget, DifficultyRule};
use cairn_ledger::units::Timestamp;

#[derive(Clone, Copy)]
struct Network {
    interval: f64,
    half_life: f64,
    max_future: f64,
}

/// In milliseconds.
const MAIN: Network = Network { interval: 30_000.0, half_life: 3_600_000.0, max_future: 60_000.0 };
const LOCAL: Network = Network { interval: 2_000.0, half_life: 20_000.0, max_future: 5_000.0 };

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    /// Above 0, at most 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }

    /// A waiting time with this mean.
    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }
}

/// A chain that knows only what the rule needs, and the real time beside it.
struct Simulation {
    network: Network,
    rule: DifficultyRule,
    random: Random,
    now: f64,
    target: CompactTarget,
    /// The last two stamps.
    stamps: [Timestamp; 2],
    blocks: u64,
}

impl Simulation {
    /// It begins where `rate` (attempts per millisecond) finds one block in each interval.
    fn new(network: Network, seed: u64) -> Self {
        let start = CompactTarget::from_bits(0x1b00_ffff);
        let rule = DifficultyRule {
            interval_ms: network.interval as u64,
            half_life_ms: network.half_life as u64,
            pow_limit: CompactTarget::from_bits(0x207f_ffff).decode().unwrap(),
        };
        let stamps = [Timestamp::from_millis(1 << 40); 2].map(|it| it.saturating_add(network.interval as u64));
        Self {
            network,
            rule,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now: stamps[1].millis() as f64,
            target: start,
            stamps,
            blocks: 0,
        }
    }

    /// The rate that finds one block in each interval at the first target.
    fn fair_rate(&self) -> f64 {
        CompactTarget::from_bits(0x1b00_ffff).decode().unwrap().work().to_f64() / self.network.interval
    }

    fn work(&self) -> f64 {
        self.target.decode().unwrap().work().to_f64()
    }

    /// How far the target is from what `rate` needs: 1 when it fits, 2 when blocks come twice as fast.
    fn speed(&self, rate: f64) -> f64 {
        rate * self.network.interval / self.work()
    }

    /// Waits until the next block at this rate, without making it.
    fn wait(&mut self, rate: f64) {
        self.now += self.random.exponential(self.work() / rate);
    }

    /// Makes a block with the stamp nearest to `wanted` that the rules and an honest clock allow.
    fn block(&mut self, wanted: f64) {
        let latest = (self.now + self.network.max_future) as u64;
        let earliest = self.stamps[1].millis() + 1;
        let stamp = Timestamp::from_millis((wanted as u64).min(latest).max(earliest));
        self.stamps = [self.stamps[1], stamp];
        self.target = self.rule.next_target(self.target.decode().unwrap(), self.stamps[1], self.stamps[0]);
        self.blocks += 1;
    }

    fn honest_blocks(&mut self, rate: f64, count: u64) {
        for _ in 0..count {
            self.wait(rate);
            self.block(self.now);
        }
    }

    /// Milliseconds until the target fits `rate` within a fifth.
    fn absorb(&mut self, rate: f64) -> f64 {
        let start = self.now;
        while !(1.0 / 1.2..=1.2).contains(&self.speed(rate)) {
            self.wait(rate);
            self.block(self.now);
        }
        self.now - start
    }
}

/// The mean of what `run` gives for many seeds.
fn mean(runs: u64, run: impl Fn(u64) -> f64) -> f64 {
    (1..=runs).map(run).sum::<f64>() / runs as f64
}

fn absorbs(network: Network, factor: f64) -> f64 {
    mean(40, |seed| {
        let mut simulation = Simulation::new(network, seed);
        let rate = simulation.fair_rate();
        simulation.honest_blocks(rate, 200);
        simulation.absorb(rate * factor)
    })
}

#[track_caller]
fn assert_between(low: f64, value: f64, high: f64) {
    assert!(low < value && value < high, "got {value}, expected {low} to {high}");
}

const HOUR: f64 = 3_600_000.0;
const MINUTE: f64 = 60_000.0;

#[test]
fn a_steady_rate_gives_the_intended_interval() {
    for network in [MAIN, LOCAL] {
        let mut simulation = Simulation::new(network, 1);
        let (rate, start) = (simulation.fair_rate(), simulation.now);
        simulation.honest_blocks(rate, 20_000);
        let interval = (simulation.now - start) / 20_000.0;
        assert_between(0.98, interval / network.interval, 1.02);
    }
}

#[test]
fn a_hundredfold_jump_of_hash_rate_is_absorbed() {
    assert_between(2.0 * HOUR, absorbs(MAIN, 100.0), 3.2 * HOUR);
    assert_between(30_000.0, absorbs(LOCAL, 100.0), 60_000.0);
}

#[test]
fn a_hundredfold_drop_of_hash_rate_is_absorbed() {
    assert_between(7.5 * HOUR, absorbs(MAIN, 0.01), 11.5 * HOUR);
    assert_between(4.0 * MINUTE, absorbs(LOCAL, 0.01), 14.0 * MINUTE);
}

#[test]
fn a_pause_of_any_length_makes_up_one_half_life_of_blocks_at_twice_the_rate() {
    for (network, pause) in [(MAIN, 10.0 * HOUR), (MAIN, 1_000.0 * HOUR), (LOCAL, 10.0 * HOUR)] {
        let in_half_life = network.half_life / network.interval;
        let made_up = mean(100, |seed| {
            let mut simulation = Simulation::new(network, seed);
            let rate = simulation.fair_rate();
            simulation.honest_blocks(rate, 500);
            let before = simulation.speed(rate);
            simulation.now += pause;
            simulation.block(simulation.now);
            assert_between(1.8, simulation.speed(rate) / before, 2.0);
            // Blocks beyond one in each interval, from the pause until its effect has gone.
            let (start, blocks) = (simulation.now, simulation.blocks);
            simulation.honest_blocks(rate, (12.0 * in_half_life) as u64);
            (simulation.blocks - blocks) as f64 - (simulation.now - start) / network.interval
        });
        // A schedule with an anchor would make up 1 200 or 120 000 of them.
        assert_between(0.9 * in_half_life - 2.0, made_up, 1.1 * in_half_life + 1.0);
    }
}

/// What a miner stamps, who is not honest.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// The earliest time allowed.
    Backdated,
    /// None: the time it is.
    Honest,
    /// The latest time allowed.
    Future,
    /// Whatever of the two helps: ahead after its own block, so that a next block of its own follows easily.
    Alternating,
}

impl Lie {
    fn stamp(self, simulation: &Simulation) -> f64 {
        let future = simulation.now + simulation.network.max_future;
        match self {
            Self::Backdated => 0.0,
            Self::Honest => simulation.now,
            Self::Future => future,
            Self::Alternating => {
                if simulation.blocks.is_multiple_of(2) {
                    future
                } else {
                    0.0
                }
            }
        }
    }
}

/// A miner with `share` of all hash rate lies about time; it mines only while the target is at least `easy`
/// times as easy as fair. Gives what it earns beyond an honest miner of the same effort, as a share: blocks
/// for its attempts, against the fair price of a block.
fn gain(network: Network, share: f64, lie: Lie, easy: f64) -> f64 {
    mean(4, |seed| {
        let mut simulation = Simulation::new(network, seed);
        let all = simulation.fair_rate();
        let (mut own, mut attempts) = (0.0, 0.0);
        for _ in 0..15_000 {
            let mines = simulation.speed(all) >= easy;
            let rate = if mines { all } else { all * (1.0 - share) };
            let before = simulation.now;
            simulation.wait(rate);
            attempts += if mines { (simulation.now - before) * all * share } else { 0.0 };
            let found_it = mines && simulation.random.unit() < share;
            own += if found_it { 1.0 } else { 0.0 };
            let stamp = if found_it { lie.stamp(&simulation) } else { simulation.now };
            simulation.block(stamp);
        }
        own * all * network.interval / attempts - 1.0
    })
}

#[test]
fn lying_clocks_alone_gain_under_one_percent() {
    for network in [MAIN, LOCAL] {
        for share in [0.3, 0.51] {
            for lie in [Lie::Backdated, Lie::Future, Lie::Alternating] {
                let gained = gain(network, share, lie, 0.0);
                assert!(gained < 0.01, "{lie:?} with {share} of the hash rate gains {gained}");
            }
        }
    }
}

/// Mining only while the target happens to be easy pays by itself, under every rule that adjusts at each
/// block. This is about what a lie adds to it.
#[test]
fn lying_clocks_with_hash_switched_on_and_off_gain_under_four_percent() {
    for share in [0.3, 0.51] {
        let honest = gain(MAIN, share, Lie::Honest, 1.0);
        assert_between(0.0, honest, 0.08);
        for lie in [Lie::Backdated, Lie::Future, Lie::Alternating] {
            let added = gain(MAIN, share, lie, 1.0) - honest;
            assert!(added < 0.04, "{lie:?} with {share} of the hash rate adds {added}");
        }
    }
}

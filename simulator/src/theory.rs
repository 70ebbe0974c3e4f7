//! What theory says of a network, to compare with what was measured.

/// The share of blocks that others overtake while they are on their way: with blocks that take `delay` on average to
/// whoever mines, one found in `interval` (Decker and Wattenhofer 2013, with ∫(1 − f(t))dt as the mean delay), when
/// others than its finder have a share `others` of all hashes: nobody competes with themselves.
pub fn stale_rate(delay_ms: f64, interval_ms: f64, others: f64) -> f64 {
    // Of the pair that conflicts one is stale.
    let conflict = 1.0 - (-delay_ms * others / interval_ms).exp();
    conflict / (1.0 + conflict)
}

/// The share of the chain of a selfish miner with a share `alpha` of all hashes, when of two blocks of one height a
/// share `gamma` of the others goes on from the selfish miner's (Eyal and Sirer 2013, equation 8).
pub fn selfish_share(alpha: f64, gamma: f64) -> f64 {
    let one = 1.0 - alpha;
    let gain = alpha * one * one * (4.0 * alpha + gamma * (1.0 - 2.0 * alpha)) - alpha.powi(3);
    gain / (1.0 - alpha * (1.0 + (2.0 - alpha) * alpha))
}

/// The chance that a payment is taken back after so many confirmations by somebody with a share `q` of all hashes, who
/// had found one block when it was made (Rosenfeld 2014, equation 1).
pub fn double_spend(q: f64, confirmations: u64) -> f64 {
    let p = 1.0 - q;
    if q >= p {
        return 1.0;
    }
    let n = confirmations as i32;
    // C(m + n − 1, m), from one to the next.
    let mut ways = 1.0;
    let mut fails = 0.0;
    for m in 0..=n {
        fails += ways * (p.powi(n) * q.powi(m) - p.powi(m) * q.powi(n));
        ways *= f64::from(m + n) / f64::from(m + 1);
    }
    1.0 - fails
}

/// How many blocks there are after a time of `intervals`, when miners hash so many times as much as the first
/// difficulty is for from each of these moments on: what the difficulty rule (ASERT) leads to, with a half-life of so
/// many intervals, in steps of a hundredth of an interval.
pub fn blocks_by(power: &[(f64, f64)], half_life: f64, intervals: f64) -> f64 {
    const STEPS: u64 = 100;
    let (mut blocks, mut factor, mut changes) = (0.0, 1.0, power.iter().peekable());
    for step in 0..(intervals * STEPS as f64).round() as u64 {
        let time = step as f64 / STEPS as f64;
        while let Some((_, next)) = changes.next_if(|(from, _)| *from <= time) {
            factor = *next;
        }
        blocks += factor * f64::exp2((time - blocks) / half_life) / STEPS as f64;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_about(got: f64, expected: f64) {
        assert!((got - expected).abs() < 5e-4, "got {got}, expected {expected}");
    }

    #[test]
    fn selfish_mining_gains_from_a_third_on_when_nobody_follows_it_and_always_when_all_do() {
        is_about(selfish_share(1.0 / 3.0, 0.0), 1.0 / 3.0);
        is_about(selfish_share(0.25, 0.5), 0.25);
        assert!(selfish_share(0.30, 0.0) < 0.30 && selfish_share(0.40, 0.0) > 0.45);
        assert!(selfish_share(0.1, 1.0) > 0.1);
    }

    /// Rosenfeld's table 1.
    #[test]
    fn double_spends_succeed_as_often_as_rosenfeld_computed() {
        for (q, n, percent) in [(0.1, 1, 20.0), (0.1, 2, 5.6), (0.1, 6, 0.059), (0.3, 1, 60.0), (0.3, 6, 15.645)] {
            is_about(double_spend(q, n), percent / 100.0);
        }
        is_about(double_spend(0.5, 6), 1.0);
    }

    #[test]
    fn blocks_come_as_they_should_whatever_miners_hash_once_the_difficulty_has_followed() {
        is_about(blocks_by(&[], 60.0, 100.0) / 100.0, 1.0);
        // One half-life ahead, and from then on one each interval.
        let doubled = |intervals| blocks_by(&[(0.0, 2.0)], 60.0, intervals);
        let (early, late) = (doubled(1_000.0), doubled(1_100.0));
        assert!((early - 1_060.0).abs() < 1.0 && (late - early - 100.0).abs() < 0.5, "{early} {late}");
        // And back again.
        let back = blocks_by(&[(100.0, 2.0), (600.0, 1.0)], 60.0, 1_500.0);
        assert!((back - 1_500.0).abs() < 1.0, "{back}");
    }

    #[test]
    fn blocks_are_stale_as_often_as_the_delay_is_of_the_interval() {
        is_about(stale_rate(100.0, 60_000.0, 1.0), 100.0 / 60_000.0);
        assert!(stale_rate(5_000.0, 10_000.0, 1.0) < 0.5);
        assert_eq!(stale_rate(5_000.0, 10_000.0, 0.0), 0.0, "a miner alone");
    }
}

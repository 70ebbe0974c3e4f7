//! How much work a gift costs: pure.
//!
//! Twice as much for each step up. Steps come from what was given in the last hour beyond an even pace, from how little
//! of the day's budget is left, and from what the visitor's own addresses and those around them took. So the first
//! visitor of a quiet day pays the least, and a bot that takes many pays more for each.

/// The steps from the visitor's own prefix, when it has taken all that it may.
const NARROW_STEPS: u64 = 6;
/// The same for the prefix around it.
const WIDE_STEPS: u64 = 4;
/// The most steps of all together: minutes of a browser's work, and not hours.
const MAX_STEPS: u64 = 8;

/// What was given, as it counts for the price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Gifts of the last hour.
    pub hour: u64,
    /// Gifts of the last 24 hours.
    pub day: u64,
    /// How many there may be in 24 hours.
    pub per_day: u64,
    /// Gifts of the last 24 hours to the visitor's prefix.
    pub narrow: u64,
    /// How many there may be.
    pub per_narrow: u64,
    /// The same of the prefix around it.
    pub wide: u64,
    /// How many there may be.
    pub per_wide: u64,
}

/// How many zero bits a proof needs, where the cheapest needs `least`.
pub fn bits(least: u32, load: &Load) -> u32 {
    let even = (load.per_day / 24).max(1);
    let pace = u64::from((load.hour / even).saturating_add(1).ilog2());
    let left = load.per_day.saturating_sub(load.day).max(1);
    let scarce = u64::from((load.per_day / left).max(1).ilog2());
    let narrow = NARROW_STEPS.saturating_mul(load.narrow) / load.per_narrow.max(1);
    let wide = WIDE_STEPS.saturating_mul(load.wide) / load.per_wide.max(1);
    let steps = [pace, scarce, narrow, wide].into_iter().fold(0, u64::saturating_add).min(MAX_STEPS);
    least.saturating_add(u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> Load {
        Load { per_day: 240, per_narrow: 10, per_wide: 50, ..Load::default() }
    }

    #[test]
    fn a_quiet_day_costs_the_least() {
        assert_eq!(bits(20, &load()), 20);
        assert_eq!(bits(20, &Load { hour: 9, day: 119, ..load() }), 20, "an even pace");
        assert_eq!(bits(20, &Load { per_day: 1, ..load() }), 20, "the only one of a day");
    }

    #[test]
    fn the_price_rises_with_the_pace_as_the_budget_falls_and_with_what_the_neighbours_took() {
        for (load, steps) in [
            (Load { hour: 10, day: 10, ..load() }, 1),
            (Load { hour: 30, day: 30, ..load() }, 2),
            (Load { day: 120, ..load() }, 1),
            (Load { day: 180, ..load() }, 2),
            (Load { day: 239, ..load() }, 7),
            (Load { narrow: 1, wide: 1, ..load() }, 0),
            (Load { narrow: 2, wide: 2, ..load() }, 1),
            (Load { narrow: 9, wide: 9, ..load() }, 5),
            (Load { wide: 25, ..load() }, 2),
            (Load { hour: 240, day: 240, narrow: 10, wide: 50, ..load() }, 8),
        ] {
            assert_eq!(bits(20, &load), 20 + steps, "{load:?}");
        }
    }

    #[test]
    fn no_numbers_break_it() {
        for n in [0, 1, u64::MAX / 8] {
            let load = Load { hour: n, day: n, per_day: n, narrow: n, per_narrow: 0, wide: n, per_wide: 0 };
            assert!((40..=48).contains(&bits(40, &load)), "{load:?}");
        }
    }
}

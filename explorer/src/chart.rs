//! Small charts as SVG: shapes alone, which the style sheet colours. Numbers stand beside them in words.

use std::fmt::Write as _;

/// How wide and high charts are drawn; pages stretch them.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;
/// What stays free above the highest value.
const MARGIN: f64 = 8.0;

/// One value for each of some blocks in a row.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// The height of the first block.
    pub first: u64,
    /// The values.
    pub values: Vec<f64>,
}

impl Series {
    /// Whether there is a line to be drawn.
    pub fn is_drawn(&self) -> bool {
        self.values.len() > 1
    }

    /// The height of the last block.
    pub fn last_height(&self) -> u64 {
        self.first + (self.values.len() as u64).saturating_sub(1)
    }

    /// The least value.
    pub fn min(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The greatest value.
    pub fn max(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }

    /// The last value.
    pub fn last(&self) -> f64 {
        self.values.last().copied().unwrap_or(0.0)
    }

    /// How wide and high it is drawn, as SVG's `viewBox`.
    pub fn view_box(&self) -> String {
        format!("0 0 {WIDTH} {HEIGHT}")
    }

    /// The line through all values, as the path of an SVG. It begins at zero, so that what looks twice as high is.
    pub fn line(&self) -> String {
        let (max, mut path) = (self.max().max(f64::MIN_POSITIVE), String::new());
        let step = WIDTH / (self.values.len().saturating_sub(1).max(1)) as f64;
        for (place, value) in self.values.iter().enumerate() {
            let (x, y) = (place as f64 * step, HEIGHT - value / max * (HEIGHT - MARGIN));
            // A String takes all.
            let _ = write!(path, "{}{x:.1} {y:.1}", if place == 0 { 'M' } else { 'L' });
        }
        path
    }

    /// The area below the line.
    pub fn area(&self) -> String {
        format!("{}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z", self.line())
    }

    /// A bar for each value.
    pub fn bars(&self) -> String {
        let (max, mut path) = (self.max().max(f64::MIN_POSITIVE), String::new());
        let step = WIDTH / self.values.len().max(1) as f64;
        for (place, value) in self.values.iter().enumerate() {
            let (x, width) = (place as f64 * step + step * 0.1, step * 0.8);
            let y = HEIGHT - value / max * (HEIGHT - MARGIN);
            let _ = write!(path, "M{x:.1} {HEIGHT}V{y:.1}h{width:.1}V{HEIGHT}Z");
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_drawn_within_its_box() {
        let series = Series { first: 5, values: vec![1.0, 4.0, 2.0] };
        assert_eq!((series.last_height(), series.min(), series.max(), series.last()), (7, 1.0, 4.0, 2.0));
        assert_eq!(series.line(), "M0.0 92.0L300.0 8.0L600.0 64.0");
        assert!(series.area().ends_with("L600 120L0 120Z"));
        assert_eq!(series.bars().matches('Z').count(), 3);
        let flat = Series { first: 0, values: vec![0.0, 0.0] };
        assert_eq!(flat.line(), "M0.0 120.0L600.0 120.0", "nothing is divided by nothing");
        assert!(!Series::default().is_drawn() && Series::default().line().is_empty());
    }
}

//! The plots.

use super::ReportError;
use crate::figures::{Figures, ratio};
use crate::scenario::Scenario;
use plotters::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Display;

const SIZE: (u32, u32) = (720, 360);
/// Readable on light and on dark pages.
const INK: RGBColor = RGBColor(37, 99, 171);
const TEXT: RGBColor = RGBColor(118, 118, 118);

/// A plot's file, title and SVG.
pub(super) type Plot = (&'static str, &'static str, String);

/// All of them for which there is something to draw.
pub(super) fn all(scenario: &Scenario, figures: &Figures) -> Result<Vec<Plot>, ReportError> {
    let sent = figures.sent.iter().map(|bytes| bytes / (1 << 20));
    let mut counted: BTreeMap<u64, u64> = BTreeMap::new();
    sent.for_each(|mebibytes| *counted.entry(mebibytes).or_default() += 1);
    let plots = [
        (
            "propagation.svg",
            "Blocks on their way",
            line(&cumulated(&figures.delays_ms), ("milliseconds", "% of nodes")),
        ),
        ("reorganisations.svg", "Reorganisations", bars(&figures.reorganisations, ("blocks left", "how often"))),
        ("peers.svg", "Peers of honest nodes", line(&figures.peers, ("minutes", "peers on average"))),
        ("bandwidth.svg", "Sent by honest nodes", bars(&counted, ("MiB", "nodes"))),
        ("difficulty.svg", "Seconds between blocks, and what the difficulty rule says", difficulty(scenario, figures)),
    ];
    let mut drawn = Vec::new();
    for (name, title, svg) in plots {
        if let Some(svg) = svg.map_err(|reason| ReportError::Plot { name, reason })? {
            drawn.push((name, title, svg));
        }
    }
    Ok(drawn)
}

/// Of counted values: up to which how many of a hundred are; the slowest hundredth is left out.
fn cumulated(counted: &BTreeMap<u64, u64>) -> Vec<(f64, f64)> {
    let total: u64 = counted.values().sum();
    let mut sum = 0;
    let points = counted.iter().map(|(value, count)| {
        sum += count;
        (*value as f64, sum as f64 * 100.0 / total as f64)
    });
    points.take_while(|(_, percent)| *percent <= 99.0).collect()
}

pub(super) type Drawn = Result<Option<String>, String>;

fn text(error: impl Display) -> String {
    error.to_string()
}

fn line(points: &[(f64, f64)], (across, up): (&str, &str)) -> Drawn {
    let (Some(last), Some(highest)) =
        (maximum(points.iter().map(|(x, _)| *x)), maximum(points.iter().map(|(_, y)| *y)))
    else {
        return Ok(None);
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area);
        chart.margin(10).x_label_area_size(42).y_label_area_size(56);
        let mut chart = chart.build_cartesian_2d(0.0..last * 1.02, 0.0..highest * 1.05).map_err(text)?;
        let labels = ("sans-serif", 14).into_font().color(&TEXT);
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(across).y_desc(up).label_style(labels.clone()).axis_desc_style(labels);
        mesh.axis_style(TEXT).bold_line_style(TEXT.mix(0.25)).light_line_style(TEXT.mix(0.0)).draw().map_err(text)?;
        let style = INK.stroke_width(2);
        // Several seeds' lines, one after the other: each begins where time goes back.
        for part in points.chunk_by(|one, next| one.0 <= next.0) {
            chart.draw_series(LineSeries::new(part.iter().copied(), style)).map_err(text)?;
        }
        area.present().map_err(text)?;
    }
    Ok(Some(svg))
}

/// The interval by time where miners hash now more, now less.
fn difficulty(scenario: &Scenario, figures: &Figures) -> Drawn {
    if scenario.hash_power.is_empty() {
        return Ok(None);
    }
    let quarter = (scenario.half_life_blocks * scenario.interval_ms) as f64 / 4_000.0;
    let middle = |which: usize| (which as f64 + 0.5) * quarter / 60.0;
    let measured = figures.by_quarters.iter().enumerate();
    let measured = measured.map(|(which, count)| (middle(which), quarter / ratio(*count, figures.seeds).max(1e-9)));
    let expected = |which| (middle(which), quarter / super::expected_blocks(scenario, which, which + 1).max(1e-9));
    let expected: Vec<(f64, f64)> = (0..figures.by_quarters.len()).map(expected).collect();
    points_and_curve(&measured.collect::<Vec<_>>(), &expected, ("minutes", "seconds between blocks"))
}

/// What was measured as points, and what theory says as a curve.
pub(super) fn points_and_curve(points: &[(f64, f64)], curve: &[(f64, f64)], (across, up): (&str, &str)) -> Drawn {
    let both = || points.iter().chain(curve);
    let (Some(last), Some(highest)) = (maximum(both().map(|(x, _)| *x)), maximum(both().map(|(_, y)| *y))) else {
        return Ok(None);
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area);
        chart.margin(10).x_label_area_size(42).y_label_area_size(56);
        let mut chart = chart.build_cartesian_2d(0.0..last * 1.02, 0.0..highest * 1.05).map_err(text)?;
        let labels = ("sans-serif", 14).into_font().color(&TEXT);
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(across).y_desc(up).label_style(labels.clone()).axis_desc_style(labels);
        mesh.axis_style(TEXT).bold_line_style(TEXT.mix(0.25)).light_line_style(TEXT.mix(0.0)).draw().map_err(text)?;
        chart.draw_series(LineSeries::new(curve.iter().copied(), TEXT.stroke_width(2))).map_err(text)?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, INK.filled()))).map_err(text)?;
        area.present().map_err(text)?;
    }
    Ok(Some(svg))
}

fn maximum(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(f64::max).filter(|greatest| *greatest > 0.0)
}

fn bars(counted: &BTreeMap<u64, u64>, (across, up): (&str, &str)) -> Drawn {
    let (Some((last, _)), Some(highest)) = (counted.last_key_value(), counted.values().max()) else { return Ok(None) };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area);
        chart.margin(10).x_label_area_size(42).y_label_area_size(70);
        let range = (0..*last as u32 + 1).into_segmented();
        let mut chart = chart.build_cartesian_2d(range, 0..*highest + highest / 20 + 1).map_err(text)?;
        let labels = ("sans-serif", 14).into_font().color(&TEXT);
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(across).y_desc(up).label_style(labels.clone()).axis_desc_style(labels).disable_x_mesh();
        mesh.axis_style(TEXT).bold_line_style(TEXT.mix(0.25)).light_line_style(TEXT.mix(0.0)).draw().map_err(text)?;
        let data = counted.iter().map(|(value, count)| (*value as u32, *count));
        chart.draw_series(Histogram::vertical(&chart).style(INK.filled()).margin(2).data(data)).map_err(text)?;
        area.present().map_err(text)?;
    }
    Ok(Some(svg))
}

//! The page.

use super::{Comparison, Report, delays};
use std::fmt::Write as _;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;\
color-scheme:light dark}table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;text-align:right;\
border-bottom:1px solid #8884}td:first-child,th:first-child{text-align:left}figure{margin:2rem 0}img{max-width:100%}\
.broken{color:#c33}pre{overflow-x:auto;background:#8882;padding:1rem}";

/// The whole page; plots are files beside it.
pub(super) fn page(report: &Report, plots: &[(&str, &str)]) -> String {
    let name = escaped(&report.scenario.name);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Simulation: {name}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n\
         <h1>Simulation: {name}</h1>\n"
    );
    page.push_str(&verdict(report));
    page.push_str(&figures(report));
    page.push_str(&theory(&report.theory));
    for (file, title) in plots {
        let _ = writeln!(page, "<figure><figcaption>{title}</figcaption><img src=\"{file}\" alt=\"{title}\"></figure>");
    }
    page.push_str(&seeds(report));
    let scenario = toml::to_string(&report.scenario).unwrap_or_default();
    let _ = writeln!(page, "<h2>The scenario</h2><pre>{}</pre></body></html>", escaped(&scenario));
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn verdict(report: &Report) -> String {
    let (failed, played) = (report.failed(), report.plays.len());
    match failed.as_slice() {
        [] => format!("<p>All that must hold holds, with each of {played} seeds.</p>\n"),
        some => {
            format!("<p class=\"broken\">Something does not hold with {} of {played} seeds: {some:?}</p>\n", some.len())
        }
    }
}

fn figures(report: &Report) -> String {
    let figures = &report.figures;
    let mut rows = vec![
        ("blocks found", figures.found.to_string()),
        ("of them on the chain", figures.on_chain.to_string()),
        ("stale", percent(figures.stale_rate())),
        ("seconds between blocks", format!("{:.1}", figures.interval_ms as f64 / 1_000.0)),
        ("blocks on others' chains", delays(figures)),
    ];
    if figures.by_adversaries > 0 {
        rows.push(("found by adversaries", percent(figures.share_of_adversaries())));
    }
    if figures.deeds > 0 {
        rows.push(("deeds of adversaries against the rules", figures.deeds.to_string()));
    }
    if figures.double_spends.0 > 0 {
        let (tried, done) = figures.double_spends;
        rows.push(("payments taken back", format!("{done} of {tried}")));
    }
    let rows: String = rows.iter().map(|(what, value)| format!("<tr><td>{what}</td><td>{value}</td></tr>\n")).collect();
    format!("<h2>What was measured</h2><table>\n{rows}</table>\n")
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn theory(comparisons: &[Comparison]) -> String {
    if comparisons.is_empty() {
        return String::new();
    }
    let row = |comparison: &Comparison| {
        let Comparison { what, measured, expected, deviation, source } = comparison;
        let difference = percent(comparison.difference());
        format!(
            "<tr><td>{what}</td><td>{measured:.4}</td><td>{expected:.4}</td><td>{difference}</td><td>{deviation:.4}</td>\
             <td>{source}</td></tr>\n"
        )
    };
    let rows: String = comparisons.iter().map(row).collect();
    format!(
        "<h2>What theory says</h2><table><tr><th>what</th><th>measured</th><th>theory</th><th>difference</th>\
         <th>one standard deviation</th><th>source</th></tr>\n{rows}</table>\n"
    )
}

fn seeds(report: &Report) -> String {
    let row = |play: &super::Play| {
        let super::Play { seed, broken, height, payments, digest, events, seconds } = play;
        let digest: String = digest.chars().take(16).collect();
        let broken: String =
            broken.iter().map(|what| format!("<br><span class=\"broken\">{}</span>", escaped(what))).collect();
        format!(
            "<tr><td>{seed}{broken}</td><td>{height}</td><td>{} of {}</td><td>{events}</td><td><code>{digest}</code></td>\
             <td>{seconds:.1}</td></tr>\n",
            payments.mined, payments.made
        )
    };
    let rows: String = report.plays.iter().map(row).collect();
    format!(
        "<h2>Seeds</h2><table><tr><th>seed</th><th>blocks</th><th>payments mined</th><th>events</th><th>digest</th>\
         <th>seconds</th></tr>\n{rows}</table>\n"
    )
}

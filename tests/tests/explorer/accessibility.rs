//! What people who do not see a page, or see it badly, or use no mouse, need: names, order, contrast, focus.

use crate::browsing::lively;
use cairn_tests::browser::{Browser, DESK, PHONE, Page, Screen};
use serde_json::{Value, json};
use std::env;
use std::fs;
use std::path::PathBuf;

/// Roles that need a name.
const NAMED: &[&str] =
    &["link", "button", "searchbox", "textbox", "image", "navigation", "table", "columnheader", "heading", "checkbox"];
/// The least contrast of text (WCAG 2.2, 1.4.3).
pub const CONTRAST: f64 = 4.5;

/// What is wrong with the page's structure, by what the document says itself.
pub const STRUCTURE: &str = r"(() => {
  const found = [], ids = new Set();
  if (document.documentElement.lang !== 'en') found.push('no language');
  if (document.querySelectorAll('main').length !== 1) found.push('not one main part');
  const levels = [...document.querySelectorAll('h1, h2, h3, h4')].map((h) => Number(h.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) found.push('not one h1');
  levels.forEach((level, place) => { if (place > 0 && level > levels[place - 1] + 1) found.push('a level of headings is left out'); });
  for (const e of document.querySelectorAll('[id]')) { if (ids.has(e.id)) found.push(`two are ${e.id}`); ids.add(e.id); }
  for (const e of document.querySelectorAll('label[for]')) if (!ids.has(e.htmlFor)) found.push(`a label for nothing: ${e.htmlFor}`);
  for (const e of document.querySelectorAll('[aria-describedby]')) if (!ids.has(e.getAttribute('aria-describedby'))) found.push('described by nothing');
  for (const e of document.querySelectorAll('[tabindex]')) if (e.tabIndex > 0) found.push('an order of its own');
  for (const t of document.querySelectorAll('table')) for (const th of t.querySelectorAll('th')) if (!th.scope) found.push('a header of nothing');
  for (const list of document.querySelectorAll('ul, ol')) for (const child of list.children) if (child.tagName !== 'LI') found.push('a list of no items');
  for (const dl of document.querySelectorAll('dl')) for (const child of dl.children) if (!['DT', 'DD'].includes(child.tagName)) found.push('a strange list of facts');
  return found;
})()";

/// Texts with too little contrast to what is behind them, each with its ratio.
pub const FAINT: &str = r"(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => { const part = (v) => { const s = v / 255; return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4; }; return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b); };
  const behind = (e) => { for (let at = e; at; at = at.parentElement) { const color = rgba(getComputedStyle(at).backgroundColor); if (color[3] === 255) return color; } return [255, 255, 255, 255]; };
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() === '' || e.closest('script, [hidden], noscript') || e.getClientRects().length === 0) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([ratio, walker.currentNode.data.trim().slice(0, 40)]);
  }
  return found.sort((x, y) => x[0] - y[0]).slice(0, 3);
})()";

/// axe-core's name in the folder into which `scripts/setup.sh --browser` fetches it.
const AXE: &str = "cairn-tools/axe-core-4.14.1.min.js";
/// What it finds: the rule, and the elements that break it.
const BARRIERS: &str = "axe.run(document, { resultTypes: ['violations'] }).then(({ violations, passes }) => [ \
    violations.map(({ id, help, nodes }) => [id, help, nodes.map(({ html, failureSummary }) => [html.slice(0, 200), failureSummary])]), \
    passes.length])";

/// The program of axe-core; none, with a word to whoever reads the test's output, where it was not fetched.
pub fn axe() -> Option<String> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).unwrap_or_default();
    let path = env::var_os("CAIRN_AXE").map_or_else(|| cache.join(AXE), PathBuf::from);
    let program = fs::read_to_string(&path).ok();
    if program.is_none() {
        eprintln!("skipped: there is no axe-core at {}; scripts/setup.sh --browser fetches it", path.display());
    }
    program
}

/// What axe-core finds wrong with the page.
pub fn barriers(page: &mut Page<'_>, axe: &str) -> Value {
    page.eval(&format!("{axe}; 0"));
    let found = page.eval(BARRIERS);
    assert!(found[1].as_u64().is_some_and(|passed| passed > 5), "the control: its rules were looked at: {found}");
    found[0].clone()
}

fn text<'a>(node: &'a Value, part: &str) -> &'a str {
    node[part]["value"].as_str().unwrap_or_default()
}

/// Elements that a screen reader would announce without a name.
pub fn nameless(page: &mut Page<'_>) -> Vec<String> {
    let tree = page.call("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().expect("a tree").clone();
    assert!(nodes.iter().any(|node| text(node, "role") == "main"), "the control: the tree is there");
    let shown = nodes.iter().filter(|node| node["ignored"] != true && NAMED.contains(&text(node, "role")));
    // A table is named by the heading above it.
    let nameless = shown.filter(|node| text(node, "name").trim().is_empty() && text(node, "role") != "table");
    nameless.map(Value::to_string).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_has_names_order_and_contrast_in_both_palettes() {
    let Some(mut browser) = Browser::start() else { return };
    let (node, paths) = lively().await;
    for screen in [PHONE, Screen { dark: true, ..DESK }] {
        let mut page = browser.open(screen);
        for path in &paths {
            page.go(&format!("{}{path}", node.url()));
            assert_eq!(page.eval(STRUCTURE), json!([]), "{path}");
            assert_eq!(nameless(&mut page), Vec::<String>::new(), "{path}");
            let faint = page.eval(FAINT);
            assert!(
                faint[0][0].as_f64().is_some_and(|ratio| ratio >= CONTRAST),
                "{path}, dark {}: {faint}",
                screen.dark
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_core_finds_no_barrier_on_any_page_in_either_palette() {
    let (Some(axe), Some(mut browser)) = (axe(), Browser::start()) else { return };
    let (node, paths) = lively().await;
    for screen in [PHONE, Screen { dark: true, ..DESK }] {
        let mut page = browser.open(screen);
        for path in &paths {
            page.go(&format!("{}{path}", node.url()));
            page.eval("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
            assert_eq!(barriers(&mut page, &axe), json!([]), "{path}, dark {}", screen.dark);
        }
        // The control: a barrier is found.
        page.eval("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"/web/icon.svg\">')");
        assert_eq!(barriers(&mut page, &axe)[0][0], "image-alt");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_reaches_everything_and_is_seen_where_it_is() {
    let Some(mut browser) = Browser::start() else { return };
    let (node, _) = lively().await;
    let mut page = browser.open(DESK);
    page.go(&format!("{}/block/1", node.url()));
    page.until("the last that can be reached is there", "document.querySelector('[data-light] button')");
    let reachable = page.eval("[...document.querySelectorAll('a[href], button, input, textarea, summary')].filter((e) => e.getClientRects().length && !e.hidden).length");
    let mut reached = 0;
    for place in 0..200 {
        page.press("Tab");
        let focus = page.eval("(() => { const e = document.activeElement, s = getComputedStyle(e); return [e.tagName, s.outlineStyle, parseFloat(s.outlineWidth)]; })()");
        if focus[0] == "BODY" {
            break;
        }
        assert!(
            focus[1] != "none" && focus[2].as_f64().is_some_and(|width| width >= 2.0),
            "the focus is not seen: {focus}"
        );
        reached = place + 1;
        if place == 0 {
            assert_eq!(page.eval("document.activeElement.className"), "skip", "the first leads past the menu");
        }
    }
    assert_eq!(json!(reached), reachable);
}

//! `docs/performance.md`, from what was measured.

use crate::results::{Figure, Results};
use std::fmt::Write as _;

/// A line of the page.
struct Row {
    what: &'static str,
    /// The figure's name.
    name: &'static str,
    unit: &'static str,
    reference: Reference,
    goal: Goal,
}

/// What a figure is compared with.
enum Reference {
    None,
    /// Another figure of the same run.
    Figure(&'static str, &'static str),
    /// What was published or measured elsewhere: the value, and what it is.
    Value(f64, &'static str),
}

/// What was aimed at.
enum Goal {
    None,
    AtLeast(f64),
    AtMost(f64),
}

use Goal::{AtLeast, AtMost};
use Reference::{Figure as Same, Value};

const fn row(what: &'static str, name: &'static str, unit: &'static str, reference: Reference, goal: Goal) -> Row {
    Row { what, name, unit, reference, goal }
}

const GROUPS: &[(&str, &[Row])] = &[
    (
        "Replay",
        &[
            row("R on one core", "replay.1.r", "", Reference::None, Goal::None),
            row(
                "payments replayed on one core",
                "replay.1.payments_per_second",
                "/s",
                Same("replay.1.reference_per_core", "libsecp256k1 verifications/s"),
                Goal::None,
            ),
            row("R on two cores", "replay.2.r", "", Value(0.45, "Bitcoin Core 31"), AtLeast(1.0)),
            row(
                "payments replayed on two cores",
                "replay.2.payments_per_second",
                "/s",
                Value(21_600.0, "Bitcoin Core 31"),
                Goal::None,
            ),
            row(
                "processor time of a payment, two cores",
                "replay.2.cpu_us_per_payment",
                "µs",
                Same("replay.2.reference_cpu_us", "one libsecp256k1 verification"),
                Goal::None,
            ),
            row(
                "the whole chain, accounts created included",
                "verify.payments_per_second",
                "/s",
                Reference::None,
                Goal::None,
            ),
            row(
                "from a pool that knows every signature, templates included",
                "warm.payments_per_second",
                "/s",
                Same("replay.2.payments_per_second", "cold replay"),
                Goal::None,
            ),
            row(
                "synchronisation over loopback",
                "sync.payments_per_second",
                "/s",
                Value(21_300.0, "Bitcoin Core 31"),
                Goal::None,
            ),
            row(
                "the same as a share of replay",
                "sync.share_of_replay",
                "",
                Value(1.0, "Bitcoin Core 31"),
                AtLeast(0.8),
            ),
            row(
                "20 000 blocks from 4 peers, each at a quarter of what is processed",
                "peers.4.seconds",
                "s",
                Same("peers.1.seconds", "from 1 such peer"),
                Goal::None,
            ),
            row("how many times as fast that is", "peers.speedup", "", Reference::None, AtLeast(2.5)),
            row(
                "the same when one of the four stalls in the middle",
                "peers.stalled.seconds",
                "s",
                Same("peers.1.seconds", "from 1 such peer"),
                Goal::None,
            ),
        ],
    ),
    (
        "The size of the state",
        &[
            row(
                "a payment at 10 thousand accounts",
                "accounts.10000.us_per_payment",
                "µs",
                Reference::None,
                Goal::None,
            ),
            row(
                "at 100 thousand",
                "accounts.100000.us_per_payment",
                "µs",
                Same("accounts.10000.us_per_payment", "at 10 thousand"),
                AtMost(1.5),
            ),
            row(
                "at 1 million",
                "accounts.1000000.us_per_payment",
                "µs",
                Same("accounts.10000.us_per_payment", "at 10 thousand"),
                AtMost(1.5),
            ),
            row(
                "at 10 million",
                "accounts.10000000.us_per_payment",
                "µs",
                Same("accounts.10000.us_per_payment", "at 10 thousand"),
                AtMost(1.5),
            ),
            row(
                "accounts made a second, from none to 1 million",
                "accounts.1000000.created_per_second",
                "/s",
                Reference::None,
                Goal::None,
            ),
            row(
                "accounts made a second, from none to 10 million",
                "accounts.10000000.created_per_second",
                "/s",
                Reference::None,
                Goal::None,
            ),
        ],
    ),
    (
        "JSON-RPC, 8 connections, the client counted in",
        &[
            row(
                "payments admitted, single calls",
                "admission.single.per_second",
                "/s",
                Value(3_000.0, "Bitcoin Core 31"),
                AtLeast(8_000.0),
            ),
            row(
                "payments admitted, in batches",
                "admission.batch.per_second",
                "/s",
                Value(3_600.0, "Bitcoin Core 31"),
                AtLeast(20_000.0),
            ),
            row(
                "`chain_tip`",
                "read.tip.per_second",
                "/s",
                Value(24_800.0, "Bitcoin Core 31, getblockcount"),
                AtLeast(25_000.0),
            ),
            row("`chain_tip`, p50", "read.tip.p50_ms", "ms", Reference::None, Goal::None),
            row("`chain_tip`, p99", "read.tip.p99_ms", "ms", Reference::None, Goal::None),
            row(
                "`state_getAccount`",
                "read.account.per_second",
                "/s",
                Value(18_900.0, "Bitcoin Core 31, gettxout"),
                AtLeast(20_000.0),
            ),
            row("`state_getAccount`, p99", "read.account.p99_ms", "ms", Reference::None, Goal::None),
            row(
                "`chain_getRawBlock`, 1 MiB as hex",
                "read.block_raw.per_second",
                "/s",
                Value(137.0, "Bitcoin Core 31, 1.6 MB"),
                AtLeast(400.0),
            ),
            row("the same, p99", "read.block_raw.p99_ms", "ms", Reference::None, Goal::None),
            row(
                "`chain_getBlock`, 1 MiB, transactions as JSON",
                "read.block_full.per_second",
                "/s",
                Reference::None,
                Goal::None,
            ),
            row("the same, p99", "read.block_full.p99_ms", "ms", Reference::None, Goal::None),
            row("`chain_getBlock`, 1 MiB, ids only", "read.block_ids.per_second", "/s", Reference::None, Goal::None),
            row("`chain_getBlock`, empty", "read.block_empty.per_second", "/s", Reference::None, Goal::None),
            row(
                "a head to 10 000 subscribers, client included, p50",
                "subscribers.p50_ms",
                "ms",
                Reference::None,
                Goal::None,
            ),
            row("the same, p99", "subscribers.p99_ms", "ms", Reference::None, Goal::None),
            row("the same, the last one", "subscribers.max_ms", "ms", Reference::None, AtMost(1_000.0)),
            row("a node's memory for a subscriber", "subscribers.kib_each", "KiB", Reference::None, Goal::None),
            row(
                "50 of 50 that never read are cut off after",
                "subscribers.cut_off_seconds",
                "s",
                Reference::None,
                Goal::None,
            ),
            row(
                "what the client alone can do, small answers",
                "client.small_per_second",
                "/s",
                Reference::None,
                Goal::None,
            ),
            row(
                "what the client alone can do, answers of 2 MiB",
                "client.block_per_second",
                "/s",
                Reference::None,
                Goal::None,
            ),
            row("litecoind, getblockcount", "peer.getblockcount_per_second", "/s", Reference::None, Goal::None),
        ],
    ),
    (
        "Blocks and pool",
        &[
            row(
                "a full 1 MiB block known from the pool, until its batch goes to the database",
                "connect.connect_ms",
                "ms",
                Reference::None,
                AtMost(10.0),
            ),
            row("writing and syncing that batch", "connect.disk_ms", "ms", Reference::None, Goal::None),
            row(
                "`mining_generate` of such a block: template, seal, connect, sync",
                "connect.call_ms",
                "ms",
                Reference::None,
                Goal::None,
            ),
            row(
                "`mining_generate` of an empty block, while 8 connections ask all they can",
                "callers.busy_ms",
                "ms",
                Same("callers.quiet_ms", "on a quiet node"),
                Goal::None,
            ),
            row(
                "a template of a full 1 MiB block, 10 000 accounts: chosen from the pool and made",
                "pool.template_ms",
                "ms",
                Reference::None,
                AtMost(5.0),
            ),
            row(
                "a template from 96 000 pooled payments, over JSON-RPC",
                "pool.template_call_seconds",
                "s",
                Reference::None,
                Goal::None,
            ),
        ],
    ),
    (
        "A block of 5 000 payments along a line of 8 nodes on this machine, from found to the last one's tip",
        &[
            row("known to all pools", "propagation.known_ms", "ms", Value(612.0, "Bitcoin Core 31"), AtMost(300.0)),
            row(
                "known to the miner's pool alone",
                "propagation.unknown_ms",
                "ms",
                Value(2_900.0, "Bitcoin Core 31"),
                AtMost(900.0),
            ),
        ],
    ),
    (
        "The network, and under attack",
        &[
            row("twelve nodes, told of one, are a mesh without it", "mesh.seconds", "s", Reference::None, AtMost(20.0)),
            row(
                "that one killed: all have noticed, and are one mesh",
                "mesh.without_boot_seconds",
                "s",
                Reference::None,
                Goal::None,
            ),
            row(
                "honest payments from a neighbour, beside transactions far ahead of their turn",
                "flood.gaps.honest_per_second",
                "/s",
                Same("flood.gaps.beside_burner_per_second", "beside a burner"),
                AtLeast(0.8),
            ),
            row("memory, last third against first", "flood.gaps.memory_growth", "", Reference::None, AtMost(1.1)),
            row("processors the attacker burns", "flood.gaps.attacker_cpus", "", Reference::None, Goal::None),
            row(
                "the same beside garbage from ever other peers",
                "flood.garbage.honest_per_second",
                "/s",
                Same("flood.garbage.beside_burner_per_second", "beside a burner"),
                AtLeast(0.8),
            ),
            row("memory, last third against first", "flood.garbage.memory_growth", "", Reference::None, AtMost(1.1)),
            row("processors the attacker burns", "flood.garbage.attacker_cpus", "", Reference::None, Goal::None),
            row(
                "the same beside requests for the largest answers",
                "flood.requests.honest_per_second",
                "/s",
                Same("flood.requests.beside_burner_per_second", "beside a burner"),
                AtLeast(0.8),
            ),
            row("memory, last third against first", "flood.requests.memory_growth", "", Reference::None, AtMost(1.1)),
            row("processors the attacker burns", "flood.requests.attacker_cpus", "", Reference::None, Goal::None),
        ],
    ),
    (
        "The process",
        &[
            row(
                "start to first answer, empty",
                "start.empty_seconds",
                "s",
                Value(0.15, "Bitcoin Core 31"),
                AtMost(0.3),
            ),
            row(
                "start to first answer, 1 million accounts",
                "start.million_seconds",
                "s",
                Value(1.6, "Bitcoin Core 31, 400 k coins"),
                AtMost(2.0),
            ),
            row("memory, idle and empty", "memory.idle_mib", "MiB", Value(48.7, "Bitcoin Core 31"), AtMost(48.0)),
            row("memory, idle with 1 million accounts", "memory.million_mib", "MiB", Reference::None, Goal::None),
            row(
                "memory after fetching 200 000 payments",
                "memory.after_sync_mib",
                "MiB",
                Value(116.0, "Bitcoin Core 31"),
                AtMost(120.0),
            ),
            row("its peak meanwhile", "memory.peak_in_sync_mib", "MiB", Reference::None, Goal::None),
            row(
                "disk for a payment, index and undo included, at rest",
                "disk.bytes_per_payment",
                "bytes",
                Value(300.0, "Bitcoin Core 31"),
                AtMost(320.0),
            ),
            row("litecoind, start to first answer", "peer.start_seconds", "s", Reference::None, Goal::None),
            row("litecoind, memory, idle and empty", "peer.idle_mib", "MiB", Reference::None, Goal::None),
        ],
    ),
    (
        "The machine, by `cairn-node bench`",
        &[
            row(
                "signatures one by one (k256), one core",
                "machine.single_signatures_per_second",
                "/s",
                Reference::None,
                Goal::None,
            ),
            row(
                "signatures in batches of 1 024, one core",
                "machine.batch_signatures_per_second",
                "/s",
                Same("machine.single_signatures_per_second", "one by one"),
                Goal::None,
            ),
            row("SHA-256 of 1 MiB, one core", "machine.hash_mib_per_second", "MiB/s", Reference::None, Goal::None),
            row(
                "mining attempts, one core",
                "machine.mining_attempts_per_second",
                "/s",
                Same("machine.plain_attempts_per_second", "`Sha256::digest` twice a nonce"),
                AtLeast(2.5),
            ),
            row("replay of a chain made on the fly", "machine.payments_per_second", "/s", Reference::None, Goal::None),
            row("share of that spent on signatures", "machine.signature_share", "", Reference::None, Goal::None),
            row("synced writes of 64 KiB", "machine.synced_writes_per_second", "/s", Reference::None, Goal::None),
        ],
    ),
];

/// The whole page.
pub fn page(results: &Results) -> String {
    let mut page = String::from(HEAD);
    let said = |name| results.text(name).unwrap_or("unknown");
    let (machine, system, compiler) = (said("machine"), said("system"), said("compiler"));
    write(&mut page, format_args!("\n**Machine**: {machine}; {system}; {compiler}; {}.", said("day")));
    let load = said("load");
    let busy = load.parse().is_ok_and(|load: f64| load > BUSY);
    let warning =
        if busy { ": **the machine was busy with other work; rates are too low, times too long**" } else { "" };
    write(&mut page, format_args!(" Load before the run: {load}{warning}.\n"));
    for (title, rows) in GROUPS {
        let measured: Vec<String> = rows.iter().filter_map(|row| line(results, row)).collect();
        if measured.is_empty() {
            continue;
        }
        write(
            &mut page,
            format_args!(
                "\n## {title}\n| what | measured (range) | reference | ratio | goal |\n|---|---|---|---|---|\n"
            ),
        );
        measured.iter().for_each(|line| page.push_str(line));
    }
    let notes: Vec<(&str, &str)> = results.notes().collect();
    if !notes.is_empty() {
        page.push_str("\n## Not measured\n");
        notes.iter().for_each(|(name, text)| write(&mut page, format_args!("- `{name}`: {text}\n")));
    }
    page
}

/// Above this load average, the benches did not have the machine to themselves.
const BUSY: f64 = 1.0;

const HEAD: &str = "\
# Performance

Written by `scripts/bench/run.sh`; every value behind it is in `scripts/bench/results.json`. A figure is the median of its
runs, with the least and the greatest in parentheses; ratios are of medians measured in turns in the same run, where the
reference has no such note. Figures for Bitcoin Core 31 were measured once on a machine of the same kind, with payments of one
input, and are repeated here for comparison only.

R is payments replayed per second, divided by cores times the single BIP340 verifications a core does in a second with
libsecp256k1, the key parsed from its bytes. It says what a payment costs in the currency of the one thing nobody can leave out, so
it survives a noisy or a slower machine. Replay is `cairn-node import`: every rule, from the bytes of a file to a state on disk.
";

fn write(page: &mut String, text: std::fmt::Arguments<'_>) {
    // A string takes whatever is written to it.
    let _ = page.write_fmt(text);
}

fn line(results: &Results, Row { what, name, unit, reference, goal }: &Row) -> Option<String> {
    let figure = results.figure(name)?;
    let (median, (low, high)) = (figure.median(), figure.range());
    let measured = match figure.values.len() {
        1 => shown(median, unit),
        _ => format!("{} ({} to {})", shown(median, unit), shown(low, ""), shown(high, "")),
    };
    let compared = match reference {
        Reference::None => None,
        Same(name, what) => results.figure(name).map(|figure: Figure| (figure.median(), *what, true)),
        Value(value, what) => Some((*value, *what, false)),
    };
    let ratio = compared.map(|(value, ..)| median / value);
    let reference = compared.map_or_else(String::new, |(value, what, _)| format!("{what}: {}", shown(value, unit)));
    // A goal for something that is compared in the same run is one for the ratio.
    let judged = match compared {
        Some((.., true)) => ratio.unwrap_or(f64::NAN),
        _ => median,
    };
    let unit = if matches!(compared, Some((.., true))) { " times" } else { unit };
    let goal = match goal {
        Goal::None => String::new(),
        AtLeast(goal) => format!("at least {}: {}", shown(*goal, unit), verdict(judged >= *goal)),
        AtMost(goal) => format!("at most {}: {}", shown(*goal, unit), verdict(judged <= *goal)),
    };
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    Some(format!("| {what} | {measured} | {reference} | {ratio} | {goal} |\n"))
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "**not reached**" }
}

/// Three digits that matter, thousands apart.
fn shown(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    let plain = format!("{value:.digits$}");
    let (whole, rest) = plain.split_once('.').map_or((plain.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) && whole.len() > 4 && grouped != "-" {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    let space = if unit.is_empty() || unit.starts_with(['/', ' ']) { "" } else { " " };
    format!("{grouped}{}{space}{unit}", rest.map_or_else(String::new, |rest| format!(".{rest}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_three_digits_that_matter() {
        let cases =
            [(0.4512, "", "0.451"), (21_600.4, "/s", "21 600/s"), (9.876, "ms", "9.88 ms"), (1234.0, "", "1234")];
        for (value, unit, text) in cases {
            assert_eq!(shown(value, unit), text);
        }
    }

    #[test]
    fn a_goal_is_judged_by_the_median_or_by_the_ratio_of_the_same_run() {
        let mut results = Results::default();
        [0.9, 1.1, 1.05].iter().for_each(|value| results.add("replay.2.r", *value));
        results.add("accounts.10000.us_per_payment", 20.0);
        results.add("accounts.1000000.us_per_payment", 40.0);
        let page = page(&results);
        assert!(
            page.contains(
                "| R on two cores | 1.05 (0.900 to 1.10) | Bitcoin Core 31: 0.450 | 2.33 | at least 1.00: reached |"
            ),
            "{page}"
        );
        assert!(page.contains("| 2.00 | at most 1.50 times: **not reached** |"), "{page}");
        assert!(!page.contains("JSON-RPC, 8"), "a group without figures is left out: {page}");
    }
}

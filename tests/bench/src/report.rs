//! `docs/performance.md`, from what was measured.

use crate::results::{Figure, Results, Run};
use std::fmt::Write as _;

/// What the page shows, group by group. A line that begins with `#` is a group's title. Any other has five columns
/// between bars, of which the last three may be empty: what it is, the figure's name, its unit, what it is compared
/// with (another figure of the same run, and what that is), and what was aimed at.
const FIGURES: &str = include_str!("figures.txt");

/// The groups of [`FIGURES`]: a title and its lines.
fn groups() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let groups = FIGURES.split("# ").skip(1).filter_map(|group| group.split_once('\n'));
    groups.map(|(title, rows)| (title, rows.lines().filter(|row| !row.is_empty()).collect()))
}

/// The columns of a line.
fn columns(row: &str) -> [&str; 5] {
    let mut columns = row.split('|').map(str::trim);
    std::array::from_fn(|_| columns.next().unwrap_or_default())
}

/// A goal: whether it is the least that was aimed at, or else the most; and the number.
fn goal(text: &str) -> Option<(bool, f64)> {
    let (sign, number) = text.split_once(' ')?;
    Some((sign == ">=", number.parse().ok()?))
}

/// The whole page.
pub fn page(results: &Results) -> String {
    let mut page = String::from(HEAD);
    for (title, rows) in groups() {
        let measured: Vec<String> = rows.iter().filter_map(|row| line(results, row)).collect();
        if measured.is_empty() {
            continue;
        }
        write(&mut page, format_args!("\n## {title}\n{COLUMNS}"));
        measured.iter().for_each(|line| page.push_str(line));
    }
    page.push_str(OPEN);
    let notes: Vec<(&str, &str)> = results.notes().collect();
    if !notes.is_empty() {
        page.push_str("\n## Not measured\n");
        notes.iter().for_each(|(name, text)| write(&mut page, format_args!("- `{name}`: {text}\n")));
    }
    page.push_str(RUNS);
    for (n, run) in results.runs().iter().enumerate() {
        let Run { day, machine, system, compiler, cairn, beside, load } = run;
        let busy = if load.parse().is_ok_and(|load: f64| load > BUSY) { ", **busy**" } else { "" };
        let beside = if beside.is_empty() { String::new() } else { format!("; {}", beside.join("; ")) };
        write(
            &mut page,
            format_args!("| {n} | {day} | {cairn}{beside} | {machine}; {system}; {compiler} | {load}{busy} |\n"),
        );
    }
    page
}

/// Above this load average, the benches did not have the machine to themselves.
const BUSY: f64 = 1.0;

const COLUMNS: &str = "| what | measured | reference | ratio | goal | run |\n|---|---|---|---|---|---|\n";

const RUNS: &str = "
## The runs
The load is the average of the minute before; above 1, the machine was busy with other work: rates are too low then, times too long.

| run | day | what | machine | load |
|---|---|---|---|---|
";

const HEAD: &str = "\
# Performance

Written by `scripts/bench/run.sh` and, where Cairn is compared with Bitcoin Core, `scripts/bench/peers.sh`; every value behind it is
in `scripts/bench/results.json`. A figure is the median of its values, with the least, the greatest and their number in
parentheses. The last column says of which run it is; [the runs](#the-runs) are listed below, with machine, versions and day. A
reference is always of the same run, measured in turns with what it is compared with; nothing is compared with figures from elsewhere.

R is payments replayed per second, divided by cores times the single BIP340 verifications a core does in a second with
libsecp256k1, the key parsed from its bytes. It says what a payment costs in the currency of the one thing nobody can leave out, so
it survives a noisy or a slower machine. Replay is `cairn-node import`: every rule, from the bytes of a file to a state on disk.

Bitcoin Core replays with `-reindex-chainstate -assumevalid=0`, timed by its own log, from its last block before the payments to its
tip. Its 200 000 payments have one input and two outputs each (P2TR, key path), all of them to keys that nobody has seen before, so
each leaves one coin more; that is like a Cairn payment that creates its receiver's account. A payment among accounts that are there
leaves the state as large as it was; Bitcoin has nothing of the kind, and the same figure stands beside it. Before each of these
measurements the script waits until others use less than a tenth of a core, and what they use meanwhile is counted: values beside more
than a fifth of a core are left out where two others are left, and called noisy where not.
";

/// What is not reached, and where it goes.
const OPEN: &str = "
## What is not reached, and why
- **An empty node to the tip in 3 seconds**, by a snapshot of a million accounts: by the node's log, in a run of 3.9 s on a machine
  half as fast again, headers took 0.01 s, the accounts 2.0 s to be fetched, proven and put in place, and 1.5 s went to 42 full
  blocks above the snapshot, 210 000 payments that are executed like all others. By `perf`, half of the processor time is the
  workers', a third the writer's. One that lies and one that sends nothing add nothing to that: the last pieces are asked of whoever
  brings them sooner. Ten million accounts were not fetched yet.
- **Memory under `memory.max_bytes`** has its price: where most accounts are on the disk, a synchronisation from block 0 with
  blocks full of new accounts takes 5.5 times as long as with all of them in memory: by the log, a block that makes 16 000 accounts
  takes a second then. By `perf`, four fifths of the processor time are of the threads that look accounts up in RocksDB, among
  them those below each new one.
- **One mebibyte fetched for a flipped byte** in the table of bodies: one block of that table's index names ten bodies, and each is
  full here. A byte in a body itself costs that body.
- **A hundred mebibytes before the tip of a million blocks**: 183 were fetched; headers are 190 bytes each, and all of them are
  ([why](decisions/snapshots-that-prove-themselves.md)).
- **88 million accounts under 3 GiB**: of the 116 s that the import of 510 000 payments took, 78 read all accounts before the first
  block, and of three starts the first took 36: the accounts were made without a bound, in buckets of 16, and were laid into buckets
  of 64. Since then buckets keep their size near that limit, and no start reads all for it; so many accounts were not made again.
  The payments came at 13 000 a second, 36 000 in the end: each needs two buckets of accounts from RocksDB, looked up, checked
  against their root and entered into the tables, which by a profile is where the time goes. With 512 MiB the node refuses 88 million
  with a sentence: the roots of their buckets take 265 MiB, and 208 are left for them. Payments among a hundredth of the accounts,
  and 100 million, were not measured: making accounts, 50 000 a second, slows down to a quarter where they no longer fit.
- **Replay beside Bitcoin Core**: by `perf`, of 200 000 payments among accounts 53 percent of the processor time is the
  workers' (33 the sums of points of the signatures), 26 the writer's, 11 RocksDB's threads', 9 reading the accounts, which a
  start leaves on the disk. Where accounts are created, the writer takes 38: finding who is below, tables and trees that grow.
- **Synchronisation** is replay, and what comes before it: start, connection, headers, and 200 000 accounts that are created and
  not counted, as Bitcoin Core's 200 000 coins are. By `perf`, 39 percent of the processor time is the workers', 37 the writer's, 12
  RocksDB's threads', 10 the network's.
- **Single calls**: a fifth of the processor time is the kernel's, waking threads: a payment is judged by the pool, which is a task of
  its own, checked, and admitted by it afterwards; accounts that are not cached are read by another thread. A signature alone takes
  55 microseconds, in a batch 4.
- **Batches of payments**: by `perf`, a fifth of the node's processor time is signatures, a sixth the kernel's, 13 percent
  RocksDB's, where the accounts are, 11 copies and allocations, 8 HTTP and JSON, the rest spread over a hundred functions.
- **Reads** are bounded by the HTTP server: 38 microseconds of two processors a call, the client counted in. By `perf`, 56 percent of
  the node's time for `chain_tip` is the kernel's, sending, receiving and switching to the client, 20 HTTP and JSON. For
  `state_getAccount` it is the same, and 7 the square root that tells whether an address is one; the account is asked of the thread
  that connects blocks, which alone knows it together with its tip, and what is pending of the pool's task: two more switches.
- **A full block without a token**: by `perf`, 30 percent of the node's time is the JSON library looking through two million digits
  for what has to be escaped, 11 copies, 10 the digits, 20 the kernel's, 8 RocksDB's.
- **Memory** with 400 000 accounts: 180 bytes for each, hashes included, against a cache of coins that starts empty. The peak of a
  synchronisation is blocks that wait, checked and decoded; with a quarter of the room for them it was 180 to 222 MiB, and the
  synchronisation 4 to 8 percent slower, so that was not taken.
- **Disk**: an address is stored four times (by address, in its leaf, as the link to it, in the payment), and payments are found by
  their id, for which Bitcoin Core keeps no index unless told to.
- **A block known to all along eight nodes**: eight nodes share two cores; each node executes 5 000 payments and writes them.
";

fn write(page: &mut String, text: std::fmt::Arguments<'_>) {
    // A string takes whatever is written to it.
    let _ = page.write_fmt(text);
}

fn line(results: &Results, row: &str) -> Option<String> {
    let [what, name, unit, reference, aim] = columns(row);
    let figure = results.figure(name)?;
    let (other, kind) = reference.split_once(": ").unwrap_or_default();
    // Of another run, it is no reference.
    let other = results.figure(other).filter(|other| other.run == figure.run);
    let ratio = other.map(|other| figure.median() / other.median());
    let reference = other.map_or_else(String::new, |other| format!("{kind}: {}", values(other, unit)));
    // A goal for something that is compared is one for the ratio.
    let (judged, goal_unit) = ratio.map_or((figure.median(), unit), |ratio| (ratio, " times"));
    let goal = match goal(aim) {
        None => String::new(),
        // The reference was not measured.
        Some(_) if ratio.is_none() && !kind.is_empty() => String::new(),
        Some((true, goal)) => format!("at least {}: {}", shown(goal, goal_unit), verdict(judged >= goal)),
        Some((false, goal)) => format!("at most {}: {}", shown(goal, goal_unit), verdict(judged <= goal)),
    };
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    Some(format!("| {what} | {} | {reference} | {ratio} | {goal} | {} |\n", values(figure, unit), figure.run))
}

/// The median, and of what.
fn values(figure: &Figure, unit: &str) -> String {
    let (low, high) = figure.range();
    let noisy = if figure.is_noisy() { ", noisy" } else { "" };
    match figure.values().len() {
        1 => format!("{}{noisy}", shown(figure.median(), unit)),
        n => format!("{} ({} to {}; {n}{noisy})", shown(figure.median(), unit), shown(low, ""), shown(high, "")),
    }
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
    fn every_line_of_the_figures_is_read() {
        assert_eq!(groups().map(|(_, rows)| rows.len()).sum::<usize>(), 178);
        for row in groups().flat_map(|(_, rows)| rows) {
            let [what, name, _, reference, aim] = columns(row);
            assert!(row.matches('|').count() == 4 && !what.is_empty() && !name.is_empty(), "{row}");
            assert!(reference.is_empty() || reference.contains(": "), "{row}");
            assert!(aim.is_empty() || goal(aim).is_some(), "{row}");
        }
    }

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
        let (text, mut results) = (String::new, Results::default());
        let (day, machine, system, compiler, cairn, load) = (text(), text(), text(), text(), text(), text());
        let run = Run { day, machine, system, compiler, cairn, beside: Vec::new(), load };
        results.begin(run.clone());
        results.add("start.million_killed_seconds", 1.0);
        [0.9, 1.1, 1.05].iter().for_each(|value| results.add("replay.2.r", *value));
        results.add("accounts.10000.us_per_payment", 20.0);
        results.add("accounts.1000000.us_per_payment", 40.0);
        results.begin(run);
        results.add("accounts.100000.us_per_payment", 20.0);
        let page = page(&results);
        assert!(
            page.contains("| R on two cores | 1.05 (0.900 to 1.10; 3) |  |  | at least 1.00: reached | 0 |"),
            "{page}"
        );
        assert!(page.contains("| 2.00 | at most 1.50 times: **not reached** | 0 |"), "{page}");
        assert!(page.contains("| at 100 thousand | 20.0 µs |  |  |  | 1 |"), "of another run is no reference: {page}");
        assert!(!page.contains("JSON-RPC, 8"), "a group without figures is left out: {page}");
    }
}

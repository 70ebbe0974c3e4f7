#!/usr/bin/env bash
# Measures whole nodes, and Cairn's parts against their references, in one run each, so that ratios hold on a
# noisy machine. Writes docs/performance.md.
#
# Usage: scripts/bench/run.sh [--full] [PART...]   measures these parts of whole nodes, or all (three quarters of an hour
#                                                  besides making the chains, once), and writes the page
#        scripts/bench/run.sh --page               writes the page again from what was measured
#        scripts/bench/run.sh --list               names the parts and how long each takes
#        scripts/bench/run.sh table                signatures: batches against libsecp256k1 and k256, as a table
#        scripts/bench/run.sh criterion            the same by criterion, with its statistics
#        scripts/bench/run.sh test                 tests the benches themselves
#
# --full adds states of 10 and 100 million accounts (30 GB of disk, more than an hour to make; CAIRN_BENCH_ACCOUNTS says
# another number than 100 million). Chains are kept in
# ${CAIRN_BENCH_WORK:-${XDG_CACHE_HOME:-~/.cache}/cairn-bench}; raw values go to scripts/bench/results.json. The
# node that is measured is CAIRN_BIN/cairn-node, built first unless CAIRN_BIN is set.
set -euo pipefail
# Where programs are is decided before env.sh gives it a default.
given_bin="${CAIRN_BIN:-}"
source "$(dirname "${BASH_SOURCE[0]}")/../env.sh"

# env.sh looks one folder above itself, so this holds from here, too.
cd "$ROOT"
work="${CAIRN_BENCH_WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/cairn-bench}"
results=scripts/bench/results.json
page=docs/performance.md

# The benches are a workspace of their own, with other features: in a target of their own, neither build
# disturbs the other's.
bench_target="$CARGO_TARGET_DIR/bench-workspace"

bench_program() {
    # In `$(…)` a failure ends nothing by itself; an old program must not be measured in place of one that does not build.
    CARGO_TARGET_DIR="$bench_target" claim_target &&
        CARGO_TARGET_DIR="$bench_target" cargo build --release --locked --manifest-path tests/bench/Cargo.toml >&2 &&
        printf '%s' "$bench_target/release/cairn-bench"
}

case "${1:-}" in
    table | criterion)
        export CARGO_TARGET_DIR="$bench_target"
        claim_target
        words=()
        [[ "$1" == criterion ]] || words=(-- table)
        exec cargo bench --locked --manifest-path tests/bench/Cargo.toml --bench schnorr "${words[@]}"
        ;;
    test)
        export CARGO_TARGET_DIR="$bench_target"
        claim_target
        exec cargo test --release --locked --manifest-path tests/bench/Cargo.toml
        ;;
    --list)
        program="$(bench_program)"
        exec "$program" parts
        ;;
    --page)
        program="$(bench_program)"
        exec "$program" report "$results" "$page"
        ;;
esac

[[ -n "$given_bin" ]] || build
program="$(bench_program)"
# With everything it started, when this script is stopped or after four hours.
bounded 14400 "$program" measure "$work" "$results" "$@"
"$program" report "$results" "$page"
say "wrote $page"

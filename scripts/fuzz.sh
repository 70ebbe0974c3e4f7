#!/usr/bin/env bash
# Feeds decoders, and all that eats strangers' bytes, with what nobody sends on purpose: for long, guided by the code
# that it reaches. The test suite does the same in a quarter of a second for each target (docs/testing.md).
#
# Usage: scripts/fuzz.sh [TARGET [MINUTES]]     (all targets, each for 10 minutes, unless said otherwise)
#        scripts/fuzz.sh --list                 the targets, and where each stands
#        scripts/fuzz.sh --replay FILE          tries one finding again, and shows its panic
#        scripts/fuzz.sh --merge [TARGET]       keeps in tests/fuzz/corpus what long runs found, as far as it reaches
#                                               what nothing else there does
#
# As many targets run at once as there are cores; CAIRN_FUZZ_AT_ONCE=1 is another number. A finding is written to
# tests/fuzz/findings/TARGET/, and then this ends with 1, after all targets. What reaches new code is kept in
# $CARGO_TARGET_DIR/fuzz between runs.
#
# The first run compiles our own crates with counters in them, which takes some minutes; nothing but stable Rust is
# needed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$ROOT"
PATH="$ROOT/scripts/bin:$PATH"
export CAIRN_FUZZ_KEPT="$CARGO_TARGET_DIR/fuzz"
# Past its time, what a target may take to end: its last input, and the shortening of a finding.
GRACE=180

# places: `TARGET FILE` for each target.
places() {
    grep -roE --include='*.rs' 'Target::new\("[a-z0-9_]+"\)' ./*/src ledger/tests |
        sed -E 's|^(\./)?([^:]*):Target::new\("(.*)"\)$|\3 \2|' | sort
}

# place_of TARGET: the file in which it stands.
place_of() {
    local target file
    while read -r target file; do
        [[ "$target" != "$1" ]] || { echo "$file" && return; }
    done < <(places)
    die "no target is called $1; scripts/fuzz.sh --list names them"
}

# compile: builds the programs of all targets; `CRATE PATH` for each, the crate by its folder.
compile() {
    say "Compiling with counters ..."
    local line
    # All packages at once, or the crates they stand on would be compiled anew with other features.
    RUSTC_WORKSPACE_WRAPPER=cairn-rustc-coverage \
        cargo test --workspace --release --locked --no-run --lib --test protocol 2>&1 | while IFS= read -r line; do
        if [[ "$line" =~ Executable.*\((.*/([a-z_]+)-[0-9a-f]+)\)$ ]]; then
            printf '%s %s\n' "${BASH_REMATCH[2]}" "${BASH_REMATCH[1]}"
        elif [[ "$line" == *error* || "$line" == *"-->"* ]]; then
            say "$line"
        fi
    done || die "it does not compile"
}

# program_of TARGET: the compiled program that has it.
program_of() {
    local file name program
    file="$(place_of "$1")"
    case "$file" in
        */src/*) name="cairn_$(tr - _ <<<"${file%%/src/*}")" ;;
        *) name="$(basename "$(dirname "$file")")" ;;
    esac
    program="$(sed -n "s/^$name //p" "$programs" | tail -1)"
    [[ -n "$program" ]] || die "the program of $1 ($name) was not compiled"
    [[ "$program" == /* ]] && echo "$program" || echo "$ROOT/$program"
}

# attack TARGET SECONDS: one long run.
attack() {
    local target="$1" seconds="$2" program status=0 current lost
    program="$(program_of "$target")"
    current="$CAIRN_FUZZ_KEPT/$target.current"
    CAIRN_FUZZ_TARGET="$target" CAIRN_FUZZ_SECONDS="$seconds" \
        bounded $((seconds + GRACE)) "$program" "$target" --nocapture --test-threads 1 >"$logs/$target" 2>&1 || status=$?
    grep -E "^$target: " "$logs/$target" | tail -2 >&2 || true
    ((status != 0)) || return 0
    # A finding is told of by the target itself, unless it ended the process.
    if grep -q "kept in " "$logs/$target"; then
        grep -E -A3 "^$target: |^input of|^kept in" "$logs/$target" | tail -6 >&2
    elif [[ -f "$current" ]]; then
        mkdir -p "tests/fuzz/findings/$target"
        lost="tests/fuzz/findings/$target/ended-$(date +%s)"
        cp "$current" "$lost"
        say "$target: the process ended with $status; its last input is in $lost; its last words:"
        tail -5 "$logs/$target" >&2
    else
        tail -20 "$logs/$target" >&2
    fi
    return 1
}

case "${1:-}" in
--list)
    places
    exit
    ;;
--replay)
    file="$(realpath -e -- "${2:?usage: scripts/fuzz.sh --replay FILE}" 2>/dev/null)" || die "there is no file $2"
    target="$(basename "$(dirname "$file")")"
    mode=replay
    place_of "$target" >/dev/null
    ;;
--merge)
    mode=merge targets=("${2:-}")
    ;;
-*) die "got $1; usage: scripts/fuzz.sh [TARGET [MINUTES]] | --list | --replay FILE | --merge [TARGET]" ;;
*)
    mode=attack minutes="${2:-10}" targets=("${1:-}")
    [[ "$minutes" =~ ^[1-9][0-9]{0,3}$ ]] || die "got $minutes minutes, expected 1 to 9999"
    ;;
esac
if [[ "$mode" != replay ]]; then
    if [[ "${targets[0]}" == all || -z "${targets[0]}" ]]; then
        mapfile -t targets < <(places | cut -d ' ' -f 1)
    else
        place_of "${targets[0]}" >/dev/null
    fi
fi

need cargo grep sed timeout
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
programs="$work/programs" logs="$work/logs"
mkdir -p "$logs" "$CAIRN_FUZZ_KEPT"
(claim_target && compile) >"$programs"

case "$mode" in
replay)
    CAIRN_FUZZ_TARGET="$target" CAIRN_FUZZ_REPLAY="$file" \
        bounded "$GRACE" "$(program_of "$target")" "$target" --nocapture --test-threads 1
    ;;
merge)
    for target in "${targets[@]}"; do
        CAIRN_FUZZ_TARGET="$target" CAIRN_FUZZ_MERGE=1 \
            bounded 600 "$(program_of "$target")" "$target" --nocapture --test-threads 1 2>&1 | grep -o "$target: .*" >&2
    done
    ;;
attack)
    at_once="${CAIRN_FUZZ_AT_ONCE:-$(nproc)}"
    [[ "$at_once" =~ ^[1-9][0-9]?$ ]] || die "CAIRN_FUZZ_AT_ONCE is $at_once, expected 1 to 99"
    say "${#targets[@]} targets, $minutes minutes each, $at_once at once"
    running=0 failed=0
    for target in "${targets[@]}"; do
        if ((running >= at_once)); then
            wait -n || failed=$((failed + 1))
            running=$((running - 1))
        fi
        attack "$target" $((60 * minutes)) &
        running=$((running + 1))
    done
    while ((running > 0)); do
        wait -n || failed=$((failed + 1))
        running=$((running - 1))
    done
    ((failed == 0)) || die "$failed of ${#targets[@]} targets found something"
    say "nothing found"
    ;;
esac

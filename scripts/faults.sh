#!/usr/bin/env bash
# Plants the bugs of simulator/faults, one at a time, and says which of them the simulator finds, and after how many seeds.
#
# Usage: scripts/faults.sh [--seeds N] [--seconds S] [NAME...]
#
# All bugs go into one build, of a copy of the sources beside what is built: production's sources stay as they are. With
# CAIRN_FAULT=NAME the program has that bug. Before anything is counted, the control: with no bug all seeds hold.
#
# --seeds N     seeds of each scenario (10)
# --seconds S   a scenario's seeds may take so long together; a node that hangs is found by that (300)
#
# The table comes on standard output: name, after how many seeds in all, scenario, what found it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# The cheap ones first.
SCENARIOS=(lonely parted sparse brisk lossy murky crossroads overloaded long still forged liars late rare quiet deaf stallers
    smuggled busy skewed flapping crowd neighbours deserted short)
COPY="$CARGO_TARGET_DIR/faults"
JOBS=2

# copy_sources FILE...: what git knows, or would, but for files that get bugs; what has not changed keeps its time, so that
# it is not built anew.
copy_sources() {
    local file from to
    mkdir -p "$COPY/tree"
    # What the sources have no more would be compiled all the same.
    while IFS= read -r -d '' file; do
        [[ -e "$ROOT/$file" ]] || rm "$COPY/tree/$file"
    done < <(find "$COPY/tree" -type f -printf '%P\0')
    while IFS= read -r -d '' file; do
        from="$ROOT/$file" to="$COPY/tree/$file"
        [[ -f "$from" && " $* " != *" $file "* ]] || continue
        cmp -s "$from" "$to" && continue
        mkdir -p "$(dirname "$to")"
        cp "$from" "$to"
    done < <(git -C "$ROOT" ls-files -z --cached --others --exclude-standard)
    for file in "$@"; do
        mkdir -p "$(dirname "$COPY/tree/$file")"
    done
}

# forget_our_own: has cargo compile our own packages anew, as claim_target does: to cargo, those of a copy are the same.
forget_our_own() {
    rm -rf "$CARGO_TARGET_DIR"/release/.fingerprint/cairn-*
}

# play NAME: plays scenarios with a bug until one finds it; a line of the table.
play() {
    local name="$1" scenario out code found before=0
    for scenario in "${SCENARIOS[@]}"; do
        code=0
        out="$(CAIRN_FAULT="$name" timeout "$seconds" nice -n 5 "$COPY/cairn-sim" run --until-failure \
            --seeds "1..$seeds" "$ROOT/simulator/scenarios/$scenario.toml" 2>&1)" || code=$?
        case "$code" in
        0) before=$((before + seeds)) && continue ;;
        1) found="$out" ;;
        124) found="? seeds; hang; no end within $seconds seconds" ;;
        2) found="? seeds; start; $out" ;;
        *) found="? seeds; panic; $(grep -m 1 -A 1 panicked <<<"$out" | tr '\n' ' ')" ;;
        esac
        found="$(tail -n 1 <<<"$found" | cut -c 1-150)"
        if [[ "$found" =~ ^([0-9]+)\ seeds\;\ (.*) ]]; then
            printf '%-32s %5s  %-8s %s\n' "$name" "$((before + BASH_REMATCH[1]))" "$scenario" "${BASH_REMATCH[2]}"
        else
            printf '%-32s %5s  %-8s %s\n' "$name" "$((before + 1))+" "$scenario" "${found#'? seeds; '}"
        fi
        return
    done
    printf '%-32s %5s  %-8s %s\n' "$name" "$before" - "NOT CAUGHT"
}

seeds=10 seconds=300 names=()
if [[ "${1:-}" == --play ]]; then
    seeds="$2" seconds="$3"
    play "$4"
    exit
fi
while (($#)); do
    case "$1" in
    --seeds | --seconds)
        [[ "${2:-}" =~ ^[1-9][0-9]{0,5}$ ]] || die "$1: got ${2:-nothing}, expected 1 to 999999"
        printf -v "${1#--}" %s "$2"
        shift 2
        ;;
    -*) die "usage: scripts/faults.sh [--seeds N] [--seconds S] [NAME...]" ;;
    *) names+=("$1") && shift ;;
    esac
done
need cargo git

cd "$ROOT"
say "building the simulator"
claim_target
cargo build --workspace --release --locked --quiet --bin cairn-sim
mkdir -p "$COPY"
plain="$COPY/cairn-sim.plain"
cp "$CARGO_TARGET_DIR/release/cairn-sim" "$plain"
mapfile -t all < <("$plain" faults "$ROOT")
((${#all[@]})) || die "there is nothing to plant"
for name in "${names[@]}"; do
    [[ " ${all[*]} " == *" $name "* ]] || die "there is no fault $name in simulator/faults"
done
((${#names[@]})) || names=("${all[@]}")
mapfile -t with_bugs < <(sed -n 's/^[a-z0-9_]*: \(.*\.rs\)$/\1/p' simulator/faults/*.txt | sort -u)
copy_sources "${with_bugs[@]}" ledger/src/lib.rs
"$plain" plant "$ROOT" "$COPY/tree"
say "building it with ${#all[@]} bugs"
forget_our_own
(cd "$COPY/tree" && cargo build --workspace --release --locked --quiet --bin cairn-sim)
mv "$CARGO_TARGET_DIR/release/cairn-sim" "$COPY/cairn-sim"
# What was just made is another checkout's.
forget_our_own

say "the control: no bug, $seeds seeds of each scenario"
for scenario in "${SCENARIOS[@]}"; do
    timeout "$((seconds * 4))" nice -n 5 "$COPY/cairn-sim" run --until-failure --seeds "1..$seeds" \
        "simulator/scenarios/$scenario.toml" || die "the control fails: $scenario"
done
table="$COPY/table.txt"
printf '%s\0' "${names[@]}" |
    xargs -0 -P "$JOBS" -I NAME bash "$ROOT/scripts/faults.sh" --play "$seeds" "$seconds" NAME | tee "$table"
missed="$(grep -c 'NOT CAUGHT$' "$table" || true)"
total="$(wc -l <"$table")"
printf '%s of %s bugs were caught (%s %%)\n' "$((total - missed))" "$total" "$(((total - missed) * 100 / total))"

# shellcheck shell=bash
# What every script shares: where builds go, and how to speak. Sourced, never run:
#   source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# Outside the tree, so that every checkout shares what was compiled.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/cairn-build}"
# Where the binaries are; the system tests look here, too.
export CAIRN_BIN="${CAIRN_BIN:-$CARGO_TARGET_DIR/release}"
# rustup installs here, and a shell that was open before does not know it.
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
# Compiles RocksDB in a third of the time. By its name alone: a path would differ from checkout to checkout, and with
# it cargo would compile RocksDB anew.
if [[ -z "${CXX:-}" ]]; then
    PATH="$ROOT/scripts/bin:$PATH"
    export CXX=cairn-c++
fi

# say TEXT...: progress, on standard error, so that standard output is for results.
say() {
    printf '%s\n' "$*" >&2
}

# die TEXT...: says why, and ends with 1.
die() {
    say "$(basename "$0"): $*"
    exit 1
}

# need PROGRAM...: ends unless every program is there.
need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || die "$program is missing; scripts/setup.sh installs it"
    done
}

# seconds_since SECONDS: whole seconds since that value of $SECONDS.
seconds_since() {
    printf '%s' "$((SECONDS - $1))"
}

# claim_target: has cargo compile our own packages anew when another checkout had claimed the target last. To cargo a
# source is unchanged when it is older than what was made, whichever checkout that was made from. Until the shell that
# calls this ends, with all it has started, other checkouts wait.
claim_target() {
    local owner="$CARGO_TARGET_DIR/checkout" lock
    mkdir -p "$CARGO_TARGET_DIR"
    exec {lock}>>"$owner"
    flock "$lock"
    [[ "$(cat "$owner")" != "$ROOT" ]] || return 0
    rm -rf "$CARGO_TARGET_DIR"/release/.fingerprint/cairn-*
    printf '%s\n' "$ROOT" >"$owner"
}

# build [WHAT...]: compiles the two programs, or what cargo's arguments say, and says how far it is. test.sh compiles
# the rest beside them.
build() {
    local what=("$@")
    ((${#what[@]} > 0)) || what=(-p cairn-node -p cairn-wallet-cli)
    # Before anything is compiled, and so that what cargo says of a network it cannot reach ends in a sentence.
    (cd "$ROOT" && cargo fetch --quiet --locked) ||
        die "the crates that Cairn is built from could not be downloaded; is this machine online?"
    (
        claim_target
        cd "$ROOT"
        cargo build --quiet --release --locked "${what[@]}" \
            --message-format json-render-diagnostics | progress
        [[ ! -t 2 ]] || printf '\r\033[K' >&2
    )
}

# progress: reads what cargo reports of each unit it has compiled, and says now and then how far the build is. A unit
# counts by the seconds that it takes (build-seconds.txt).
progress() {
    local -A weights=()
    local total=0 finished=0 now weight unit line pause=30 next
    [[ ! -t 2 ]] || pause=3
    next=$((SECONDS + 10))
    while read -r weight unit; do
        if [[ "$weight" =~ ^[0-9]+$ ]]; then weights["$unit"]=$weight; fi
    done <"$ROOT/scripts/build-seconds.txt"
    for weight in "${weights[@]}"; do total=$((total + weight)); done
    PROGRESS_BEGAN=$SECONDS PROGRESS_SINCE=$EPOCHSECONDS
    while true; do
        if IFS= read -r -t 3 line; then
            unit="$(unit_of "$line")"
            weight="${weights["${unit:-none}"]:-0}"
            unset "weights[${unit:-none}]"
            # What was there already takes no time of this build.
            if [[ "$line" == *'"fresh":true'* ]]; then total=$((total - weight)); else finished=$((finished + weight)); fi
        elif (($? <= 128)); then
            return 0
        fi
        ((SECONDS >= next)) || continue
        next=$((SECONDS + pause))
        now=$finished
        if [[ -n "${weights[librocksdb-sys:script]:-}" ]]; then
            now=$((now + weights["librocksdb-sys:script"] * $(rocksdb_files) / ROCKSDB_FILES))
        fi
        say_progress "$now" "$total"
    done
}

# The files of RocksDB, which take much of a build and are one unit to cargo.
ROCKSDB_FILES=343

# rocksdb_files: how many of them this build has compiled.
rocksdb_files() {
    find "$CARGO_TARGET_DIR"/release/build/librocksdb-sys-*/out -name '*.o' -newermt "@$PROGRESS_SINCE" 2>/dev/null | wc -l
}

# unit_of LINE: the package that a line of cargo's is about; with `:script` where it is of its build script's run.
unit_of() {
    [[ "$1" =~ \"package_id\":\"[^\"]*#([^\"@]+)@ ]] || return 0
    case "$1" in
        *'"reason":"build-script-executed"'*) echo "${BASH_REMATCH[1]}:script" ;;
        *'"kind":["custom-build"]'*) ;;
        *'"reason":"compiler-artifact"'*) echo "${BASH_REMATCH[1]}" ;;
    esac
}

# say_progress NOW TOTAL: one line; on a terminal always the same.
say_progress() {
    local spent=$((SECONDS - PROGRESS_BEGAN)) left text
    (($1 > 0 && $2 > $1)) || return 0
    text="  $(($1 * 100 / $2)) % built in $((spent / 60)) min $((spent % 60)) s"
    # What the first crates took says little of the rest.
    if (($1 * 20 >= $2)); then
        left=$(((spent * ($2 - $1) / $1 + 59) / 60))
        text+="; about $left min left"
    fi
    if [[ -t 2 ]]; then printf '\r\033[K%s' "$text" >&2; else say "$text"; fi
}

# bounded SECONDS COMMAND...: runs a command and, past its time or when this script is stopped, ends it with
# everything it started (`timeout` gives it a process group of its own).
bounded() {
    local seconds="$1" running status=0
    shift
    timeout --kill-after=10 "$seconds" "$@" &
    running=$!
    # shellcheck disable=SC2064 # this process, not a later one
    trap "kill $running 2>/dev/null; exit 130" INT TERM
    wait "$running" || status=$?
    trap - INT TERM
    ((status != 124)) || say "stopped after $seconds s: $*"
    return "$status"
}

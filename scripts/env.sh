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

# build: compiles everything, as test.sh does, so that nothing is compiled twice.
build() {
    (claim_target && cd "$ROOT" && cargo build --release --locked --workspace)
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

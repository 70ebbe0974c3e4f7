#!/usr/bin/env bash
# Attacks on the choice of the chain at full size: what the suite does in seconds.
#
# Usage: scripts/attack.sh PART [SIZE]
#
#   reorganise [BLOCKS]   a reorganisation of so many full blocks, killed a hundred times in the middle (5 000 blocks)
#
# The figures stand in what the tests print.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# attack LIMIT TEST [OPTION...]: one test of the attacks, alone.
attack() {
    local limit="$1" test="$2"
    shift 2
    bounded "$limit" cargo test --workspace --release --locked --test attacks "$test" -- --nocapture --test-threads 1 "$@"
}

part="${1:-}"
declare -A usual=([reorganise]=5000)
[[ -n "$part" && -n "${usual[$part]:-}" ]] || die "usage: scripts/attack.sh {$(tr ' ' '|' <<<"${!usual[*]}")} [SIZE]"
size="${2:-${usual[$part]}}"
[[ "$size" =~ ^[1-9][0-9]{0,6}$ ]] || die "got the size $size, expected 1 to 9999999"

export CAIRN_ATTACK_PATIENCE_S=1800
bash "$ROOT/scripts/setup.sh"
build
cd "$ROOT"
case "$part" in
reorganise)
    export CAIRN_ATTACK_BLOCKS="$size" CAIRN_ATTACK_KILLS="${CAIRN_ATTACK_KILLS:-100}" CAIRN_ATTACK_MOMENT_MS=3000
    attack 7200 a_reorganisation_of_full_blocks
    ;;
esac

#!/usr/bin/env bash
# Attacks on the choice of the chain at full size: what the suite does in seconds.
#
# Usage: scripts/attack.sh PART [SIZE]
#
#   withheld [SECONDS]    three miners, undisturbed and beside somebody who announces headers without their blocks
#                         (600 seconds each)
#   liars [BLOCKS]        one honest named peer among seven that claim the most work (20 000 blocks)
#   cheap [HEADERS]       six nodes under so many headers that cost nothing, and a tenth as many blocks, with a restart
#                         of all after each wave (1 000 000 headers, 20 restarts)
#   overtake [BLOCKS]     an honest chain overtakes a short heavy one, alone and beside seven strangers (300 000 blocks)
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
declare -A usual=([withheld]=600 [liars]=20000 [cheap]=1000000 [overtake]=300000 [reorganise]=5000)
[[ -n "$part" && -n "${usual[$part]:-}" ]] || die "usage: scripts/attack.sh {$(tr ' ' '|' <<<"${!usual[*]}")} [SIZE]"
size="${2:-${usual[$part]}}"
[[ "$size" =~ ^[1-9][0-9]{0,6}$ ]] || die "got the size $size, expected 1 to 9999999"

export CAIRN_ATTACK_PATIENCE_S=1800
bash "$ROOT/scripts/setup.sh"
build
cd "$ROOT"
case "$part" in
withheld)
    export CAIRN_ATTACK_SECONDS="$size"
    attack $((900 + 3 * size)) real_miners --ignored
    ;;
liars)
    export CAIRN_ATTACK_BLOCKS="$size" CAIRN_ATTACK_LATE_MS="${CAIRN_ATTACK_LATE_MS:-19000}"
    attack 3600 seven_who_claim
    ;;
cheap)
    export CAIRN_ATTACK_NODES=6 CAIRN_ATTACK_HEADERS="$size" CAIRN_ATTACK_BLOCKS=$((size / 10)) \
        CAIRN_ATTACK_RESTARTS="${CAIRN_ATTACK_RESTARTS:-20}"
    attack 7200 cheap_headers
    attack 7200 little_work
    ;;
overtake)
    export CAIRN_ATTACK_LONG="$size" CAIRN_ATTACK_LONG_AMONG="$size" CAIRN_ATTACK_PEERS=5
    attack 3600 overtake::
    ;;
reorganise)
    export CAIRN_ATTACK_BLOCKS="$size" CAIRN_ATTACK_KILLS="${CAIRN_ATTACK_KILLS:-100}" CAIRN_ATTACK_MOMENT_MS=3000
    attack 7200 a_reorganisation_of_full_blocks
    ;;
esac

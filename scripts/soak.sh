#!/usr/bin/env bash
# Repeats the crash tests many times: a node is killed with SIGKILL at ever other moments (of an import, a
# synchronisation, a reorganisation, a restore, of pruning and of mending) and must come back, each time, to the state
# that a fresh replay of its blocks gives.
#
# Usage: scripts/soak.sh kill9 [ROUNDS]           (100 rounds of each unless said otherwise; some five seconds each)
#        scripts/soak.sh reorg [KILLS [BLOCKS]]   (100 kills in the middle of a reorganisation of 5000 blocks)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

mode="${1:-}" rounds="${2:-100}" blocks="${3:-5000}"
[[ "$mode" == kill9 || "$mode" == reorg ]] || die "usage: scripts/soak.sh kill9 [ROUNDS] | reorg [KILLS [BLOCKS]]"
[[ "$rounds" =~ ^[1-9][0-9]{0,4}$ ]] || die "got $rounds rounds, expected 1 to 99999"
[[ "$blocks" =~ ^[1-9][0-9]{0,4}$ ]] || die "got $blocks blocks, expected 1 to 99999"

bash "$ROOT/scripts/setup.sh"
build
cd "$ROOT"
export CAIRN_SOAK_ROUNDS="$rounds"
if [[ "$mode" == reorg ]]; then
    say "Killing a reorganisation of $blocks blocks $rounds times ..."
    # Every kill is followed by a look at the whole database.
    export CAIRN_SOAK_DEPTH="$blocks"
    bounded $((600 + 60 * rounds)) \
        cargo test --workspace --release --locked --test process kill_9_in_a_long_reorganisation -- --nocapture
else
    say "Killing nodes $rounds times in each of their tasks ..."
    # A minute for a round of all is twice what one takes.
    bounded $((300 + 60 * rounds)) \
        cargo test --workspace --release --locked --test process --test snapshots --test pruning --test healing \
        kill_9 -- --nocapture
fi

#!/usr/bin/env bash
# Repeats the crash tests many times: a node is killed with SIGKILL at ever other moments and must come
# back, each time, to the state that a fresh replay of its blocks gives.
#
# Usage: scripts/soak.sh kill9 [ROUNDS]      (100 rounds unless said otherwise; some five seconds each)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

[[ "${1:-}" == kill9 ]] || die "usage: scripts/soak.sh kill9 [ROUNDS]"
rounds="${2:-100}"
[[ "$rounds" =~ ^[1-9][0-9]{0,4}$ ]] || die "got $rounds rounds, expected 1 to 99999"

bash "$ROOT/scripts/setup.sh"
build
cd "$ROOT"
say "Killing nodes $rounds times ..."
# Twenty seconds for a round are four times what one takes.
export CAIRN_SOAK_ROUNDS="$rounds"
bounded $((300 + 20 * rounds)) \
    cargo test --workspace --release --locked --test process kill_9 -- --nocapture

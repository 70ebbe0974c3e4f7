#!/usr/bin/env bash
# Compares the node's ledger with the specification in tests/spec, case by case, up to the first difference.
#
# Usage: scripts/spec.sh [BLOCKS [PROOFS [SEED]]]
#
# BLOCKS candidates on random chains, valid and broken, 2000 unless said; PROOFS light proofs and receipts, 100 unless
# said. Cases follow from SEED, a random one unless said. The specification wants Python 3.11 and the packages in
# tests/spec/requirements.txt, which go into a virtual environment in the cache directory.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

blocks="${1:-2000}"
proofs="${2:-100}"
seed="${3:-$RANDOM$RANDOM}"
for number in "$blocks" "$proofs" "$seed"; do
    [[ "$number" =~ ^[0-9]+$ ]] || die "got $number, expected a number; usage: scripts/spec.sh [BLOCKS [PROOFS [SEED]]]"
done
spec="$ROOT/tests/spec"
venv="${XDG_CACHE_HOME:-$HOME/.cache}/cairn-spec"
need python3

# The packages, unless those very ones are there.
if ! cmp -s "$spec/requirements.txt" "$venv/requirements.txt"; then
    say "Setting up $venv ..."
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$spec/requirements.txt"
    cp "$spec/requirements.txt" "$venv/"
fi

(claim_target && cd "$ROOT" && cargo build --release --locked --workspace --bin cairn-vectors)

"$venv/bin/python" "$spec/check_vectors.py"

# Several at once, each with a seed of its own.
workers="$(nproc)"
share() { printf '%s' "$((($1 + workers - 1) / workers))"; }
results="$(mktemp -d)"
trap 'rm -rf "$results"' EXIT
say "seed $seed: $blocks blocks and $proofs light proofs, $workers at once"
running=()
for ((worker = 0; worker < workers; worker++)); do
    "$CAIRN_BIN/cairn-vectors" "$((seed + worker))" "$(share "$blocks")" "$(share "$proofs")" |
        "$venv/bin/python" "$spec/compare.py" "$PWD/spec-difference-$((seed + worker)).txt" >"$results/$worker" &
    running+=($!)
done
failed=0
for process in "${running[@]}"; do
    wait "$process" || failed=1
done
cat "$results"/*
((failed == 0)) || die "the ledger and the specification differ"
say "no difference in $SECONDS s"

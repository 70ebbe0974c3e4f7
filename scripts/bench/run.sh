#!/usr/bin/env bash
# Measures Cairn's parts against their references, in one run each, so that ratios hold on a noisy machine.
#
# Usage: scripts/bench/run.sh            signatures: batches against libsecp256k1 and k256, as a table
#        scripts/bench/run.sh criterion  the same by criterion, with its statistics
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../env.sh"

# env.sh looks one folder above itself, so this holds from here, too.
cd "$ROOT"
case "${1:-table}" in
    table) exec cargo bench --locked --manifest-path tests/bench/Cargo.toml --bench schnorr -- table ;;
    criterion) exec cargo bench --locked --manifest-path tests/bench/Cargo.toml --bench schnorr ;;
    *) die "got '$1', expected nothing or 'criterion'" ;;
esac

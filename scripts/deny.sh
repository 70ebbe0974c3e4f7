#!/usr/bin/env bash
# Checks what third-party crates may be: known weaknesses, licences, sources, two versions of one library (deny.toml).
#
# Usage: scripts/deny.sh [WHAT...]      (advisories, bans, licenses, sources; all of them unless some are named)
#
# It needs cargo-deny (cargo install --locked cargo-deny), and the network for the list of known weaknesses. Where that is
# missing: scripts/deny.sh bans licenses sources
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$ROOT"

command -v cargo-deny >/dev/null || die "cargo-deny is missing; cargo install --locked cargo-deny"
cargo deny --locked --workspace check "$@"

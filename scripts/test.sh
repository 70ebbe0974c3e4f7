#!/usr/bin/env bash
# Everything that must hold before a change goes in: the whole of CI.
#
# Usage: scripts/test.sh [STAGE...]
#
# Stages, in order: fmt layers clippy build test web doc; all of them unless some are named. The first that
# fails ends the run. All share one profile and one set of features, so that nothing is compiled twice.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

STAGES=(fmt layers clippy build test web doc)
# The longest a stage may take, in seconds: a first build of RocksDB on two slow cores fits; a test that
# waits for ever does not.
STAGE_LIMIT=2400

stage_fmt() {
    cargo fmt --all --check
    # It leaves comments as they are; rows of tables cannot be folded.
    if LC_ALL=C.UTF-8 grep -rnP --include='*.rs' '^(?=.{121}) *//[/!]? (?!\|)' .; then
        die "these comments go beyond column 120"
    fi
}
stage_layers() { bash scripts/check-layers.sh; }
stage_clippy() {
    cargo clippy --workspace --all-targets --release --locked -- -D warnings
    # Alone, a crate must not need what only the node turns on.
    cargo check --release --locked -p cairn-wallet-cli
}
stage_build() { cargo build --workspace --all-targets --release --locked; }
stage_test() { cargo test --workspace --release --locked; }
# The light client in the explorer's pages has no package and needs no build.
stage_web() {
    if node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null; then
        node --test explorer/web/tests/*.test.mjs
    else
        say "skipped: the tests of explorer/web need Node.js 20 or later (apt-get install nodejs)"
    fi
}
stage_doc() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --release --locked; }

# One stage in a shell of its own, for `timeout` to end.
if [[ "${1:-}" == --stage ]]; then
    cd "$ROOT"
    claim_target
    "stage_$2"
    exit
fi

chosen=("$@")
((${#chosen[@]} > 0)) || chosen=("${STAGES[@]}")
for stage in "${chosen[@]}"; do
    [[ " ${STAGES[*]} " == *" $stage "* ]] || die "no stage is called $stage; there are: ${STAGES[*]}"
done

bash "$ROOT/scripts/setup.sh"
summary=()
for stage in "${chosen[@]}"; do
    say "== $stage"
    started=$SECONDS
    if ! bounded "$STAGE_LIMIT" bash "${BASH_SOURCE[0]}" --stage "$stage"; then
        printf '%s\n' "${summary[@]}" "$(printf '%-7s FAILED  %4d s' "$stage" "$(seconds_since "$started")")"
        exit 1
    fi
    summary+=("$(printf '%-7s ok      %4d s' "$stage" "$(seconds_since "$started")")")
done
printf '%s\n' "${summary[@]}" "$(printf '%-7s ok      %4d s' all "$SECONDS")"

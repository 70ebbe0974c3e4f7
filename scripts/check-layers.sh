#!/usr/bin/env bash
# Verifies what Cargo does not see of the order of the crates: Cargo refuses circles, this refuses shortcuts.
#
# Usage: scripts/check-layers.sh [ROOT]      (ROOT: another tree, to test this script on)
#
# Each violation is one line, `file:line: what`; then it ends with 1.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "${1:-$ROOT}"

# A crate, and those of ours that it may use; the tests of each may use cairn-fuzz, and nothing else may.
MAY="
    kernels:
    ledger: cairn-kernels cairn-ledger
    host:
    genesis: cairn-ledger
    rpc: cairn-ledger cairn-genesis
    common: cairn-ledger
    chain: cairn-ledger cairn-common
    mempool: cairn-ledger cairn-host cairn-common cairn-chain
    network: cairn-ledger cairn-host cairn-common cairn-chain cairn-mempool
    explorer: cairn-ledger cairn-host cairn-rpc
    miner: cairn-ledger cairn-common cairn-chain cairn-mempool cairn-network
    maintenance: cairn-ledger cairn-rpc cairn-common cairn-chain cairn-network
    api: cairn-ledger cairn-host cairn-rpc cairn-common cairn-chain cairn-mempool cairn-network cairn-miner cairn-maintenance cairn-explorer
    node: cairn-ledger cairn-host cairn-genesis cairn-rpc cairn-common cairn-chain cairn-mempool cairn-network cairn-miner cairn-maintenance cairn-api
    shared-keys: cairn-ledger cairn-host cairn-genesis cairn-rpc
    wallet-cli: cairn-ledger cairn-host cairn-genesis cairn-rpc cairn-common cairn-explorer cairn-shared-keys
    simulator: cairn-ledger cairn-common cairn-chain cairn-mempool cairn-network cairn-miner cairn-rpc cairn-tests
    tests: cairn-ledger cairn-genesis cairn-rpc cairn-common cairn-network
    tests/adversary: cairn-ledger
    tests/fuzz:
"
# A library, and the crates that may use it: what it is for is done in one place.
PLACES="
    bincode: ledger
    rocksdb: chain
    rayon: chain
    libp2p: network tests
    prometheus-client: api
    musig2: shared-keys
    frost-secp256k1-tr: shared-keys
    ratatui: wallet-cli
    askama: explorer
    tokio-rustls: api
"
# A crate that compiles without a system, and what it may use, none of it with its `std` feature.
PURE="
    kernels: cpufeatures k256 sha2
    ledger: bech32 bincode cairn-kernels hex k256 sha2 thiserror
"

# list_of NAME TABLE: what stands behind a name.
list_of() { sed -n "s/^ *$1: //p" <<<"$2"; }

# dependencies MANIFEST: `line name section` of each dependency.
dependencies() {
    awk '/^\[/ { section = $0; next }
        section ~ /dependencies\]$/ && match($0, /^[A-Za-z0-9_-]+/) { print NR, substr($0, 1, RLENGTH), section }' "$1"
}

check() {
    local crate list line name section
    while IFS=: read -r crate list; do
        while read -r line name section; do
            [[ "$name" != cairn-* || " $list " == *" $name "* || "$name $section" == "cairn-fuzz [dev-dependencies]" ]] ||
                echo "$crate/Cargo.toml:$line: may not use $name"
            [[ "$PLACES" != *" $name: "* ]] || [[ " $(list_of "$name" "$PLACES") " == *" $crate "* ]] ||
                echo "$crate/Cargo.toml:$line: $name is not used here"
            [[ "$PURE" != *" $crate: "* || "$section" == "[dev-dependencies]" ]] ||
                [[ " $(list_of "$crate" "$PURE") " == *" $name "* ]] ||
                echo "$crate/Cargo.toml:$line: $name is not on the closed list of $crate"
        done < <(dependencies "$crate/Cargo.toml")
        # The fuzzer counts memory, and reads the compiler's counters.
        [[ "$crate" == kernels || "$crate" == tests/fuzz ]] || grep -q '^#!\[forbid(unsafe_code)\]$' "$crate/src/lib.rs" ||
            echo "$crate/src/lib.rs:1: #![forbid(unsafe_code)] is missing"
    done < <(sed 's/^ *//' <<<"$MAY" | grep .)
    while IFS=: read -r crate list; do
        grep -q '^#!\[no_std\]$' "$crate/src/lib.rs" || echo "$crate/src/lib.rs:1: #![no_std] is missing"
        # A feature can come in by any way; what counts is what the crate alone is compiled with.
        list="${list# }"
        cargo tree --offline --locked -q -p "cairn-$crate" -e normal,features --prefix none | sort -u |
            sed -n 's/^\([a-z0-9-]*\) feature "std".*/\1/p' | grep -xE "${list// /|}" |
            sed "s/.*/Cargo.toml:1: & has its std feature in $crate/" || true
    done < <(sed 's/^ *//' <<<"$PURE" | grep .)
    # In one build of all crates each has the features that any of them asks for: the server is api's alone.
    grep -rnE --include='*.rs' '\bjsonrpsee::server\b' -- */src | grep -v '^api/src/' |
        sed 's/\(:[0-9]*\):.*/\1: the JSON-RPC server belongs into api/' || true
}

violations="$(check)"
if [[ -n "$violations" ]]; then
    echo "$violations"
    die "$(wc -l <<<"$violations") violations of the layers"
fi

#!/usr/bin/env bash
# Verifies who may use whom, and that each heavy library is named in one place only.
#
# Usage: scripts/check-layers.sh [ROOT]      (ROOT: another tree, to test this script on)
#
#   crates   ledger < genesis < rpc < { node, wallet-cli } < tests, read from each Cargo.toml
#   ledger   no_std; a closed list of dependencies, none with its `std` feature
#   node     store < chain < mempool < network < sync < miner < api < node.rs < main.rs, read from every
#            `crate::` in node/src; clock, tasks, telemetry and verdict are the ground below
#   places   rocksdb, libp2p, rayon, the jsonrpsee server, TLS, prometheus-client, bincode, the shared-key libraries and
#            ratatui are each named where the table below says
#
# Each violation is one line, `file:line: what`; then it ends with 1.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "${1:-$ROOT}"

violations="$(mktemp)"
trap 'rm -f "$violations"' EXIT

# ---- crates ------------------------------------------------------------------------------------------

# dependencies MANIFEST SECTION: `line name` of each entry of a section.
dependencies() {
    awk -v section="[$2]" '
        /^\[/ { inside = ($0 == section); next }
        inside && match($0, /^[A-Za-z0-9_-]+/) { print NR, substr($0, 1, RLENGTH) }
    ' "$1"
}

# may FOLDER NAME...: the folder may depend on these crates of ours, and on no other.
may() {
    local manifest="$1/Cargo.toml" line name
    shift
    while read -r line name; do
        [[ "$name" == cairn-* ]] || continue
        [[ " $* " == *" $name "* ]] || echo "$manifest:$line: may not use $name"
    done < <(dependencies "$manifest" dependencies; dependencies "$manifest" dev-dependencies)
}

check_crates() {
    may ledger cairn-ledger # itself, with the feature `testing`, in its own tests
    may genesis cairn-ledger
    may rpc cairn-ledger cairn-genesis
    may node cairn-ledger cairn-genesis cairn-rpc
    may wallet-cli cairn-ledger cairn-genesis cairn-rpc
    may tests cairn-ledger cairn-genesis cairn-rpc cairn-node
    may tests/adversary cairn-ledger
}

# ---- ledger ------------------------------------------------------------------------------------------

LEDGER_MAY="bech32 bincode cpufeatures hex k256 sha2 thiserror"

check_ledger() {
    local line name
    while read -r line name; do
        [[ " $LEDGER_MAY " == *" $name "* ]] || echo "ledger/Cargo.toml:$line: $name is not on ledger's closed list"
    done < <(dependencies ledger/Cargo.toml dependencies; dependencies ledger/Cargo.toml "target.'cfg(target_arch = \"x86_64\")'.dependencies")
    grep -q '^#!\[no_std\]$' ledger/src/lib.rs || echo "ledger/src/lib.rs:1: #![no_std] is missing"
    # A feature can come in by any way; what counts is what ledger alone is compiled with.
    for name in $LEDGER_MAY; do
        if cargo tree --offline --locked -q -p cairn-ledger -e normal,features --prefix none 2>/dev/null |
            grep -q "^$name feature \"std\""; then
            line="$(grep -n "^$name = " Cargo.toml | cut -d: -f1)"
            echo "Cargo.toml:${line:-1}: $name has its std feature in ledger"
        fi
    done
}

# ---- node's modules ----------------------------------------------------------------------------------

# A module may name those with a lower number.
NODE_ORDER="ipc=0 rpc_client=1 clock=0 data_dir=0 disk=0 tasks=0 telemetry=0 verdict=0 store=1 disk_budget=1 chain=2 replay=3 mempool=3 network=4 sync=5 health=6 miner=6 systemd=7 repair=7 api=7 bench=7 \
config=8 doctor=9 node=9 cli=10 lib=11 main=11"

# Prints `line module` for every module of the crate that a file names: in `crate::module`, in a group
# `crate::{a, b::{..}}` over any number of lines, and by `super::module` where super is the crate itself.
# Comments are skipped: a doc link is no dependency.
named_modules() {
    awk -v top="$2" '
        {
            sub(/\/\/.*/, "")
            if (top) gsub(/super::/, "crate::")
            rest = $0
            while (rest != "") {
                if (depth > 0) {                                  # inside `crate::{`
                    symbol = substr(rest, 1, 1)
                    if (symbol == "{") depth++
                    else if (symbol == "}") { depth--; start = 0 }
                    else if (depth == 1 && symbol == ",") start = 1
                    else if (depth == 1 && start && match(rest, /^[a-z_][a-z0-9_]*/)) {
                        print NR, substr(rest, 1, RLENGTH)
                        rest = substr(rest, RLENGTH)
                        start = 0
                    }
                    rest = substr(rest, 2)
                } else if (match(rest, /(^|[^$A-Za-z0-9_])crate::/)) {
                    rest = substr(rest, RSTART + RLENGTH)
                    if (substr(rest, 1, 1) == "{") { depth = 1; start = 1; rest = substr(rest, 2) }
                    else if (match(rest, /^[a-z_][a-z0-9_]*/)) print NR, substr(rest, 1, RLENGTH)
                } else rest = ""
            }
        }
    ' "$1"
}

check_node() {
    local -A rank
    local entry file module own line name top
    for entry in $NODE_ORDER; do
        rank["${entry%%=*}"]="${entry#*=}"
    done
    while read -r file; do
        module="${file#node/src/}"
        module="${module%%/*}"
        module="${module%.rs}"
        own="${rank[$module]:-}"
        if [[ -z "$own" ]]; then
            echo "$file:1: the module $module has no place in the order of scripts/check-layers.sh"
            continue
        fi
        # In these files `super` is the crate.
        top=0
        [[ "$file" != node/src/*/* || "$file" == node/src/*/mod.rs && "$file" != node/src/*/*/* ]] && top=1
        while read -r line name; do
            [[ -n "${rank[$name]:-}" && "$name" != "$module" ]] || continue
            ((rank[$name] < own)) || echo "$file:$line: $module may not use crate::$name"
            # What the network serves it reads through chain::Reader.
            if [[ "$module" == network && "$name" == store ]]; then
                echo "$file:$line: network may not use crate::store"
            fi
        done < <(named_modules "$file" "$top")
    done < <(find node/src -name '*.rs' | sort)
}

# ---- places ------------------------------------------------------------------------------------------

# only PATTERN WHAT PLACE...: outside the places no file of ours matches the pattern; a place is a file, or a
# folder with a slash at its end. Comments are skipped, and so is the attribute by which derives find bincode.
only() {
    local pattern="$1" what="$2" file line place
    shift 2
    while IFS=: read -r file line _; do
        for place in "$@"; do
            [[ "$file" == "$place" || "$place" == */ && "$file" == "$place"* ]] && continue 2
        done
        echo "$file:$line: $what belongs into $* only"
    done < <(grep -rnE --include='*.rs' "$pattern" ledger genesis rpc node wallet-cli |
        grep -vE '^[^:]+:[0-9]+:[[:space:]]*(//|#\[bincode\(crate)')
}

check_places() {
    only '\brocksdb(::|\b.*;)' rocksdb node/src/store/db.rs
    only '\blibp2p(::|_[a-z]+::)' libp2p node/src/network/
    only '\brayon::' rayon node/src/chain/precheck.rs
    only '\bjsonrpsee::server\b' "the jsonrpsee server" node/src/api/
    only '\b(tokio_)?rustls::' TLS node/src/api/ wallet-cli/src/node_url.rs
    only '\bprometheus_client::' prometheus-client node/src/api/metrics.rs
    only '\bjsonrpsee_(http|ws)_client::' "the jsonrpsee client" wallet-cli/ node/src/rpc_client.rs
    only '\b(musig2|frost_secp256k1_tr)::' "a call of the shared-key libraries" wallet-cli/src/shared/
    only '\bratatui::' ratatui wallet-cli/src/screen.rs wallet-cli/src/commands/watch.rs
    only '\bbincode::(encode|decode|borrow|config)[_:]' "a call of bincode" ledger/src/codec.rs
    local manifest line name
    for manifest in genesis rpc node wallet-cli tests; do
        while read -r line name; do
            [[ "$name" != bincode* ]] || echo "$manifest/Cargo.toml:$line: bincode is ledger's alone"
        done < <(dependencies "$manifest/Cargo.toml" dependencies)
    done
}

{
    check_crates
    check_ledger
    check_node
    check_places
} >"$violations"

if [[ -s "$violations" ]]; then
    cat "$violations"
    die "$(wc -l <"$violations") violations of the layers"
fi

#!/usr/bin/env bash
# Runs every program in examples/ against a local network of two nodes, and checks what each prints: the programs
# ask the first node, what is expected comes from the second.
#
# Usage: scripts/examples.sh
#
# Python's and npm's packages go to a temporary directory; where they cannot be fetched, or a language is missing,
# what needs it is skipped with the reason. Everything is on loopback and gone afterwards.
set -euo pipefail
# Where programs are is decided before env.sh gives it a default.
given_bin="${CAIRN_BIN:-}"
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
need curl jq
[[ -n "$given_bin" ]] || build

WORK="$(mktemp -d)"
# The longest any one thing may take, in seconds, before it counts as failed.
LIMIT=60
# What fetches packages may take longer.
INSTALL_LIMIT=300
PROCESSES=()
SKIPPED=0

# Ends what this script started, by number, and removes what it made.
clean_up() {
    local pid
    for pid in "${PROCESSES[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${PROCESSES[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$WORK"
}
trap clean_up EXIT

# What stands in the environment is meant for other nodes than these.
for variable in "${!CAIRN_NODE_@}" "${!CAIRN_WALLET_@}"; do
    unset "$variable"
done

# ---- two nodes ---------------------------------------------------------------------------------------

# free_port: a port of loopback that nobody listens on.
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# ask K METHOD [PARAMS]: the result of a call to node K, as one line of JSON, with the token of its owner.
ask() {
    curl --silent --show-error --max-time 30 --header 'Content-Type: application/json' \
        --header "Authorization: Bearer $(cat "$WORK/node-$1/admin.token")" \
        --data "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$2\",\"params\":${3:-[]}}" "http://127.0.0.1:${RPC[$1]}" |
        jq -ce 'if .error then error(.error.message) else .result end'
}

# until_true WHAT COMMAND...: looks again and again until the command succeeds.
until_true() {
    local what="$1" deadline=$((SECONDS + LIMIT))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || die "waited $LIMIT s in vain until $what; logs are below
$(tail -n 5 "$WORK"/*.log 2>/dev/null)"
        sleep 0.1
    done
}

start_node() {
    local k="$1"
    shift
    mkdir -p "$WORK/node-$k"
    "$CAIRN_BIN/cairn-node" run --chain "$WORK/genesis.toml" --data-dir "$WORK/node-$k" --network.port 0 \
        --rpc.listen "127.0.0.1:${RPC[$k]}" "$@" </dev/null >"$WORK/node-$k.log" 2>&1 &
    PROCESSES+=($!)
    until_true "node $k answers" ask "$k" node_info
}

# generate COUNT: blocks by the first node, and waits until the second has them.
generate() {
    ask 1 mining_generate "[$1, \"$MINER\"]" >/dev/null
    until_true "the nodes agree" agree
}

agree() {
    [[ "$(ask 1 node_info | jq .tip)" == "$(ask 2 node_info | jq .tip)" ]]
}

# same WHAT GOT EXPECTED
same() {
    [[ "$2" == "$3" ]] || die "$1: got
$2
expected
$3"
    say "   $1: as the second node says"
}

skip() {
    say "   skipped: $*"
    SKIPPED=$((SKIPPED + 1))
}

say "== a local network of two nodes"
born=$((($(date +%s) - 86400) * 1000))
sed "s/^genesis_time = .*/genesis_time = $born/" "$ROOT/genesis/local.toml" >"$WORK/genesis.toml"
# account N: its address in the network's file.
account() {
    sed -n "/# account $1\$/{n;s/^address = \"\\(.*\\)\"\$/\\1/p;}" "$WORK/genesis.toml"
}
PAYER="$(account 0)" PAYEE="$(account 1)" MINER="$(account 2)"
RPC=("" "$(free_port)" "$(free_port)")
start_node 1 --index.addresses true
start_node 2 --index.addresses true --network.peers "$(ask 1 net_info | jq -r '.listening[0]')"
generate 3
(umask 077 && echo "an example" >"$WORK/password")
wallet=("$CAIRN_BIN/wallet" --json --chain "$WORK/genesis.toml" --data-dir "$WORK/wallets" --wallet example
    --password-file "$WORK/password" --node "http://127.0.0.1:${RPC[1]}")
"${wallet[@]}" restore --kdf-memory-mib 8 >/dev/null <<<"test test test test test test test test test test test junk"
"${wallet[@]}" send "$PAYEE" 12.5 --yes >/dev/null
generate 2
HTTP="http://127.0.0.1:${RPC[1]}" WS="ws://127.0.0.1:${RPC[1]}"

# What the second node says, in the form in which the programs say it.
expected_account() {
    local info
    info="$(ask 2 node_info)"
    ask 2 state_getAccount "[\"$PAYER\"]" |
        jq -c --argjson info "$info" '{chain: $info.chain, height, balance,
            price: (if .exists then "0" else $info.rules.account_price end), next_nonce: .pending.nonce}'
}
expected_history() {
    ask 2 state_getHistory "[\"$1\"]" | jq -r '.entries[] | "\(.height) \(.sent) \(.received)"'
}
# expected_headers FROM COUNT
expected_headers() {
    ask 2 chain_getHeaders "[$1, $2]" | jq -r '.headers[] | "\(.height) \(.id)"'
}

# check_account NAME COMMAND...: it shows an account, and refuses what is no address with the error's code.
check_account() {
    local name="$1" refused status=0
    shift
    same "$name" "$(timeout "$LIMIT" "$@" "$HTTP" "$PAYER" | jq -c .)" "$(expected_account)"
    refused="$(timeout "$LIMIT" "$@" "$HTTP" nobody 2>&1)" || status=$?
    [[ "$status" == 1 && "$refused" == *"error 1001 (bad_address)"* ]] ||
        die "$name: got $refused (exit $status), expected error 1001 and exit 1"
}

# check_follow NAME COMMAND...: it tells of blocks as they come, and of those it missed.
check_follow() {
    local name="$1" height since running
    shift
    height="$(ask 2 chain_tip | jq .height)"
    since="$(ask 2 chain_getHeader "[$((height - 1))]" | jq -r .id)"
    timeout "$LIMIT" "$@" "$WS" 3 "$since" >"$WORK/follow.out" 2>"$WORK/follow.err" &
    running=$!
    PROCESSES+=("$running")
    until_true "$name follows" grep -q following "$WORK/follow.err"
    generate 2
    wait "$running" || die "$name: $(cat "$WORK/follow.err")"
    same "$name" "$(cat "$WORK/follow.out")" "$(expected_headers "$height" 3)"
}

# ---- Python ------------------------------------------------------------------------------------------

say "== Python"
if ! command -v python3 >/dev/null; then
    skip "python3 is missing"
else
    block="$(timeout "$LIMIT" python3 "$ROOT/examples/miner.py" "$HTTP" "$WORK/node-1/admin.token" "$MINER")"
    until_true "the nodes agree" agree
    same miner.py "$block" "$(ask 2 chain_tip | jq -r .id)"
    if ! python3 -m venv "$WORK/python" >"$WORK/pip.log" 2>&1 || ! timeout "$INSTALL_LIMIT" "$WORK/python/bin/pip" \
        install --quiet --requirement "$ROOT/examples/python/requirements.txt" >>"$WORK/pip.log" 2>&1; then
        skip "pip cannot fetch the packages: $(tail -n 1 "$WORK/pip.log")"
    else
        python=("$WORK/python/bin/python")
        check_account account.py "${python[@]}" "$ROOT/examples/python/account.py"
        for address in "$PAYER" "$MINER"; do
            got="$(timeout "$LIMIT" "${python[@]}" "$ROOT/examples/python/history.py" "$HTTP" "$address")"
            same history.py "$got" "$(expected_history "$address")"
        done
        check_follow follow.py "${python[@]}" "$ROOT/examples/python/follow.py"
    fi
fi

# ---- TypeScript --------------------------------------------------------------------------------------

say "== TypeScript"
if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    skip "node or npm is missing"
else
    mkdir "$WORK/typescript"
    cp -r "$ROOT"/examples/typescript/{package.json,package-lock.json,tsconfig.json,src} "$WORK/typescript"
    if ! (cd "$WORK/typescript" && timeout "$INSTALL_LIMIT" npm ci --no-audit --no-fund) >"$WORK/npm.log" 2>&1; then
        skip "npm cannot fetch the packages: $(grep -m 1 'npm error' "$WORK/npm.log" || tail -n 1 "$WORK/npm.log")"
    else
        (cd "$WORK/typescript" && npm run --silent build) >&2 || die "the TypeScript examples do not compile"
        check_account account.ts node "$WORK/typescript/out/account.js"
        check_follow follow.ts node "$WORK/typescript/out/follow.js"
    fi
fi

if ((SKIPPED == 0)); then
    say "Every example does what it says."
else
    say "$SKIPPED skipped; all others do what they say."
fi

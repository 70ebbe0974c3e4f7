#!/usr/bin/env bash
# A network of real nodes on this machine, with two wallets, a payment between them, and a faucet.
#
# Usage: scripts/testnet.sh up [--nodes N] [--open]
#                                             start N nodes (1 to 16, 4 by default), pay, print a receipt; with
#                                             --open, show the explorer in the browser
#        scripts/testnet.sh up --chaos SEED [--minutes M] [--nodes N]
#                                             another network, N nodes (2 to 16, 8 by default) that are killed,
#                                             stopped, parted, and run with full disks and wrong clocks for M
#                                             minutes (3 by default) as SEED draws it; ends with a verdict
#        scripts/testnet.sh status            how the nodes and the faucet are
#        scripts/testnet.sh logs [K]          follow the log of node K, or of all
#        scripts/testnet.sh down              stop them; the data stays, `up` goes on with it
#        scripts/testnet.sh reset             stop them and delete everything
#
# Everything is in ./testnet/: genesis.toml, node-K/ (data), node-K.log, wallets/, faucet.log, summary.json. Node k
# listens on the loopback ports 29740 + 10k (peers) and 29741 + 10k (JSON-RPC), a faucet on 29752. Node 1 mines, the
# others join by it.
# The keys are public development keys: this money is worth nothing, anywhere.
#
# --chaos leaves nothing behind when all holds, and ends with 0; otherwise it ends with 1, and data and logs stay in
# a directory that it names.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

DIR="$ROOT/testnet"
NODE="$CAIRN_BIN/cairn-node"
WALLET="$CAIRN_BIN/wallet"
DEV_WORDS="test test test test test test test test test test test junk"
AMOUNT="12.5"
# The longest any one thing may take, in seconds, before it counts as failed.
START_LIMIT=20
MINED_LIMIT=60
AGREE_LIMIT=60
STOP_LIMIT=30
WALLET_LIMIT=$((MINED_LIMIT + 10))

# What stands in the environment is meant for other nodes and wallets than these.
for variable in "${!CAIRN_NODE_@}" "${!CAIRN_WALLET_@}"; do
    unset "$variable"
done

p2p_port() { echo $((29740 + 10 * $1)); }
rpc_port() { echo $((29741 + 10 * $1)); }
node_dir() { echo "$DIR/node-$1"; }
node_log() { echo "$DIR/node-$1.log"; }
pid_file() { echo "$DIR/node-$1.pid"; }
explorer_url() { echo "http://127.0.0.1:$(rpc_port 1)/"; }
faucet_port() { echo $(($(rpc_port 1) + 1)); }
faucet_url() { echo "http://127.0.0.1:$(faucet_port)/"; }
faucet_log() { echo "$DIR/faucet.log"; }
node_count() { cat "$DIR/nodes" 2>/dev/null || echo 0; }

# ---- processes ---------------------------------------------------------------------------------------

# pid_of K: the process of node K, if it runs. A number in a file proves nothing: it must be our node, in its
# directory.
pid_of() {
    local pid
    pid="$(cat "$(pid_file "$1")" 2>/dev/null)" || return 1
    [[ "$pid" =~ ^[0-9]+$ && -r "/proc/$pid/cmdline" ]] || return 1
    tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -- "$(node_dir "$1")" || return 1
    echo "$pid"
}

running_nodes() {
    local k
    for ((k = 1; k <= $(node_count); k++)); do
        if pid_of "$k" >/dev/null; then echo "$k"; fi
    done
}

# other_urls K: where the others than node K are asked, with commas between.
other_urls() {
    local k urls=()
    for ((k = 1; k <= $(node_count); k++)); do
        ((k == $1)) || urls+=("http://127.0.0.1:$(rpc_port "$k")")
    done
    local IFS=,
    echo "${urls[*]}"
}

# start_node K: starts it in the background; ready_node waits for it.
start_node() {
    local k="$1" arguments
    arguments=(run --chain "$DIR/genesis.toml" --data-dir "$(node_dir "$k")"
        --network.port "$(p2p_port "$k")" --rpc.listen "127.0.0.1:$(rpc_port "$k")"
        --index.addresses true --explorer.faucet "$(faucet_url)")
    # The explorer of each shows all of them, and its pages may ask them.
    local others
    others="$(other_urls "$k")"
    [[ -z "$others" ]] || arguments+=(--explorer.nodes "$others" --rpc.cors_origins "$others")
    if ((k == 1)); then
        arguments+=(--mining.threads 1 --mining.duty 25 --mining.beneficiary "$(cat "$DIR/miner-address")")
    else
        arguments+=(--network.peers "$(cat "$DIR/first-peer")")
    fi
    mkdir -p "$(node_dir "$k")"
    # In a session of its own: it outlives this script and its terminal.
    setsid "$NODE" "${arguments[@]}" </dev/null >>"$(node_log "$k")" 2>&1 &
    echo $! >"$(pid_file "$k")"
}

ready_node() {
    local k="$1" deadline=$((SECONDS + START_LIMIT))
    until rpc "$k" node_info >/dev/null 2>&1; do
        pid_of "$k" >/dev/null || fail "$k" "node $k ended right after its start"
        ((SECONDS < deadline)) || fail "$k" "node $k does not answer on port $(rpc_port "$k") after $START_LIMIT s"
        sleep 0.1
    done
}

# stop_nodes K...: asks them to stop, waits, and kills what does not.
stop_nodes() {
    local k pid deadline=$((SECONDS + STOP_LIMIT))
    for k in "$@"; do
        if pid="$(pid_of "$k")"; then kill -TERM "$pid" 2>/dev/null || true; fi
    done
    for k in "$@"; do
        while pid="$(pid_of "$k")"; do
            if ((SECONDS >= deadline)); then
                say "Node $k does not stop after $STOP_LIMIT s; killing it."
                kill -KILL "$pid" 2>/dev/null || true
            fi
            sleep 0.1
        done
        rm -f "$(pid_file "$k")"
    done
}

# faucet_pid: the process of the faucet, if it runs; what is in the file must be our wallet, in our directory.
faucet_pid() {
    local pid
    pid="$(cat "$DIR/faucet.pid" 2>/dev/null)" || return 1
    [[ "$pid" =~ ^[0-9]+$ && -r "/proc/$pid/cmdline" ]] || return 1
    tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -- "$DIR/genesis.toml" || return 1
    echo "$pid"
}

# start_faucet: starts it in the background, with a wallet of its own; ready_faucet waits for it.
start_faucet() {
    if [[ ! -f "$DIR/wallets/faucet.json" ]]; then
        wallet faucet restore --account 3 --kdf-memory-mib 8 >/dev/null <<<"$DEV_WORDS" ||
            die "the wallet faucet could not be made"
    fi
    # All visitors are of this machine, and so of one prefix.
    setsid "$WALLET" --chain "$DIR/genesis.toml" --data-dir "$DIR" --wallet faucet --password-file "$DIR/password" \
        --node "http://127.0.0.1:$(rpc_port 1)" faucet --listen "127.0.0.1:$(faucet_port)" \
        --amount 10 --per-day 1000 --per-prefix 1000 --difficulty 18 --explorer "$(explorer_url)" \
        </dev/null >>"$(faucet_log)" 2>&1 &
    echo $! >"$DIR/faucet.pid"
}

ready_faucet() {
    local deadline=$((SECONDS + START_LIMIT))
    until [[ "$(curl --silent --max-time 5 "$(faucet_url)api/status" | jq -r .trouble 2>/dev/null)" == null ]]; do
        faucet_pid >/dev/null || fail_with "$(faucet_log)" "the faucet ended right after its start"
        ((SECONDS < deadline)) || fail_with "$(faucet_log)" "the faucet is not ready after $START_LIMIT s"
        sleep 0.1
    done
}

# stop_faucet: it may be ended at any moment; what it promised it pays when it is there again.
stop_faucet() {
    local pid deadline=$((SECONDS + STOP_LIMIT))
    while pid="$(faucet_pid)"; do
        kill -TERM "$pid" 2>/dev/null || true
        ((SECONDS < deadline)) || kill -KILL "$pid" 2>/dev/null || true
        sleep 0.1
    done
    rm -f "$DIR/faucet.pid"
}

# What this run started, for `abandon` to take down again.
STARTED=()
STARTED_FAUCET=""

# However an `up` ends before its receipt, it leaves nothing running that it started.
abandon() {
    ((${#STARTED[@]} == 0)) && [[ -z "$STARTED_FAUCET" ]] || say "Stopping what was started ..."
    [[ -z "$STARTED_FAUCET" ]] || stop_faucet
    stop_nodes "${STARTED[@]}"
}

# fail K TEXT: shows the last lines of node K's log, and ends with 1.
fail() {
    local k="$1"
    shift
    fail_with "$(node_log "$k")" "$@"
}

# fail_with LOG TEXT: the same with another log.
fail_with() {
    local log="$1"
    shift
    say ""
    say "The last lines of $log:"
    tail -n 20 "$log" >&2 2>/dev/null || say "(there is no log)"
    say ""
    die "$*"
}

# ---- questions ---------------------------------------------------------------------------------------

# rpc K METHOD [PARAMS]: the result of a call, as one line of JSON.
rpc() {
    local answer
    answer="$(curl --silent --show-error --max-time 5 --header 'Content-Type: application/json' \
        --data "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$2\",\"params\":${3:-[]}}" \
        "http://127.0.0.1:$(rpc_port "$1")")" || return 1
    jq -ce 'if .error then error(.error.message) else .result end' <<<"$answer"
}

# wallet NAME ARGUMENTS...: the wallet of that name, asking the last node; JSON on standard output.
wallet() {
    local name="$1"
    shift
    timeout "$WALLET_LIMIT" "$WALLET" --json --chain "$DIR/genesis.toml" --data-dir "$DIR" --wallet "$name" \
        --password-file "$DIR/password" --node "http://127.0.0.1:$(rpc_port "$(node_count)")" "$@"
}

# balance ADDRESS: in pebbles, as the last node sees it.
balance() {
    rpc "$(node_count)" state_getAccount "[\"$1\"]" | jq -r .balance
}

# crn PEBBLES: the same in CRN.
crn() {
    local text
    text="$(printf '%d.%08d' $(($1 / 100000000)) $(($1 % 100000000)))"
    text="${text%"${text##*[!0]}"}"
    echo "${text%.}"
}

# agreement: when all nodes have one tip, prints their node_info as a list; otherwise fails.
agreement() {
    local k infos=()
    for ((k = 1; k <= $(node_count); k++)); do
        infos+=("$(rpc "$k" node_info)") || return 1
    done
    printf '%s\n' "${infos[@]}" | jq -cse 'if map([.height, .tip, .state_root]) | unique | length == 1 then . else empty end'
}

# wait_agreement: the same, waited for.
wait_agreement() {
    local deadline=$((SECONDS + AGREE_LIMIT))
    until agreement 2>/dev/null; do
        ((SECONDS < deadline)) || fail "$(node_count)" "the nodes do not agree on a tip after $AGREE_LIMIT s"
        sleep 0.2
    done
}

# ---- up ----------------------------------------------------------------------------------------------

check_ports() {
    local k port
    for ((k = 1; k <= $1; k++)); do
        pid_of "$k" >/dev/null && continue
        for port in $(p2p_port "$k") $(rpc_port "$k"); do
            if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
                die "port $port, which node $k needs, is taken by another program; stop it first"
            fi
        done
    done
    if ! faucet_pid >/dev/null && (exec 3<>"/dev/tcp/127.0.0.1/$(faucet_port)") 2>/dev/null; then
        die "port $(faucet_port), which the faucet needs, is taken by another program; stop it first"
    fi
}

# new_network N: an empty network with a genesis of its own, one day old, so that blocks can also be made in
# a row and no two networks ever meet.
new_network() {
    rm -rf "$DIR"
    mkdir -p "$DIR"
    echo "$1" >"$DIR/nodes"
    local born=$((($(date +%s) - 86400) * 1000))
    # Of the ports, which are not bound by the genesis, wallets take the RPC's of node 1.
    sed -e "s/^genesis_time = .*/genesis_time = $born/" \
        -e "s/^p2p_port = .*/p2p_port = $(p2p_port 1)/" -e "s/^rpc_port = .*/rpc_port = $(rpc_port 1)/" \
        "$ROOT/genesis/local.toml" >"$DIR/genesis.toml"
    (
        umask 077
        head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$DIR/password"
    )
    local name account=0
    for name in alice bob; do
        wallet "$name" restore --account "$account" --kdf-memory-mib 8 >/dev/null <<<"$DEV_WORDS" ||
            die "the wallet $name could not be made"
        account=$((account + 1))
    done
    # Account 2 receives the rewards, so that the two balances show the payment alone.
    sed -n '/# account 2$/{n;s/^address = "\(.*\)"$/\1/p;}' "$DIR/genesis.toml" >"$DIR/miner-address"
}

start_all() {
    local k
    for ((k = 1; k <= $(node_count); k++)); do
        pid_of "$k" >/dev/null && continue
        start_node "$k"
        STARTED+=("$k")
        if ((k == 1)); then
            ready_node 1
            echo "/ip4/127.0.0.1/tcp/$(p2p_port 1)/p2p/$(rpc 1 node_info | jq -r .peer_id)" >"$DIR/first-peer"
        fi
    done
    if ! faucet_pid >/dev/null; then
        STARTED_FAUCET=1
        start_faucet
    fi
    for ((k = 2; k <= $(node_count); k++)); do
        ready_node "$k"
    done
}

up() {
    local nodes="" seed="" minutes="" open="" started=$SECONDS
    while (($# > 0)); do
        if [[ "$1" == --open ]]; then
            open=1
            shift
            continue
        fi
        (($# >= 2)) || die "usage: scripts/testnet.sh up [--nodes N] [--open] [--chaos SEED [--minutes M]]"
        [[ "$2" =~ ^(0|[1-9][0-9]{0,17})$ ]] || die "got $1 $2, expected a whole number"
        case "$1" in
            --nodes) nodes="$2" ;;
            --chaos) seed="$2" ;;
            --minutes) minutes="$2" ;;
            *) die "got $1, expected --nodes, --open, --chaos or --minutes" ;;
        esac
        shift 2
    done
    [[ "$nodes" =~ ^([1-9]|1[0-6])?$ ]] || die "got --nodes $nodes, expected 1 to 16"
    [[ -n "$seed" || -z "$minutes" ]] || die "--minutes goes with --chaos"
    [[ -z "$seed" || -z "$open" ]] || die "--open does not go with --chaos: its nodes end with it"
    if [[ -n "$seed" ]]; then
        chaos "$seed" "$minutes" "$nodes"
        return
    fi
    trap abandon EXIT
    trap 'exit 130' INT TERM
    bash "$ROOT/scripts/setup.sh"
    if [[ -f "$DIR/summary.json" ]]; then
        go_on "$nodes"
    else
        begin "${nodes:-4}" "$started"
    fi
    ready_faucet
    STARTED=()
    STARTED_FAUCET=""
    receipt
    [[ -z "$open" ]] || open_browser "$(explorer_url)"
}

# open_browser URL: as the desktop does it; where there is none, says what to type.
open_browser() {
    local program
    for program in "${BROWSER:-}" xdg-open open; do
        [[ -n "$program" ]] && command -v "$program" >/dev/null || continue
        setsid "$program" "$1" </dev/null >/dev/null 2>&1 &
        return
    done
    say "There is no desktop to open a browser on; please open $1"
}

# chaos SEED [MINUTES] [NODES]: cairn-sim plays a scenario on processes of its own, and ends them; this shell becomes
# it, so that whatever ends one ends the other.
chaos() {
    local arguments=(chaos "$ROOT/simulator/scenarios/chaos.toml" --seed "$1")
    [[ -z "$2" ]] || arguments+=(--minutes "$2")
    [[ -z "$3" ]] || arguments+=(--nodes "$3")
    bash "$ROOT/scripts/setup.sh"
    say "Building ..."
    build --workspace --bin cairn-node --bin cairn-sim
    exec "$CAIRN_BIN/cairn-sim" "${arguments[@]}"
}

# go_on [N]: a network is there; starts what does not run, and prints its receipt again.
go_on() {
    local count running k
    count="$(node_count)"
    [[ -z "$1" || "$1" == "$count" ]] ||
        die "there is a network of $count nodes; for another number: scripts/testnet.sh reset"
    mapfile -t running < <(running_nodes)
    if ((${#running[@]} < count)) || ! faucet_pid >/dev/null; then
        if ((${#running[@]} > 0)); then
            for ((k = 1; k <= count; k++)); do
                pid_of "$k" >/dev/null || say "Node $k has stopped; its log is $(node_log "$k")."
            done
        fi
        ((${#running[@]} == count)) ||
            say "Starting $((count - ${#running[@]})) of $count nodes on the data that is there ..."
        [[ -x "$NODE" && -x "$WALLET" ]] || build
        check_ports "$count"
        start_all
    fi
    local infos txid
    txid="$(jq -r .payment.txid "$DIR/summary.json")"
    wait_mined "$txid"
    infos="$(wait_agreement)"
    write_summary "$infos" "$(payment "$txid")" "$(jq -c .seconds "$DIR/summary.json")"
}

# begin N STARTED: a new network.
begin() {
    local count="$1" started="$2" running
    # What a failed or interrupted `up` may have left.
    mapfile -t running < <(running_nodes)
    stop_faucet
    stop_nodes "${running[@]}"
    check_ports "$count"

    say "Building ..."
    local build_started=$SECONDS
    build
    local build_seconds
    build_seconds="$(seconds_since "$build_started")"

    new_network "$count"
    say "Starting $count nodes ..."
    local start_started=$SECONDS
    start_all
    wait_agreement >/dev/null
    local start_seconds
    start_seconds="$(seconds_since "$start_started")"

    say "Paying $AMOUNT CRN from alice to bob ..."
    local from to before_from before_to sent txid mined_started=$SECONDS
    from="$(wallet alice address | jq -r .address)"
    to="$(wallet bob address | jq -r .address)"
    before_from="$(balance "$from")"
    before_to="$(balance "$to")"
    sent="$(wallet alice send "$to" "$AMOUNT" --wait --timeout "$MINED_LIMIT")" ||
        fail "$count" "the payment was not mined: $sent"
    txid="$(jq -r .txid <<<"$sent")"
    wait_mined "$txid"
    local infos
    infos="$(wait_agreement)"
    local seconds
    jq -n --arg from "$before_from" --arg to "$before_to" '{$from, $to}' >"$DIR/before.json"
    seconds="$(jq -cn --argjson build "$build_seconds" --argjson start "$start_seconds" \
        --argjson mined "$(seconds_since "$mined_started")" --argjson total "$(seconds_since "$started")" \
        '{$build, $start, $mined, $total}')"
    write_summary "$infos" "$(payment "$txid")" "$seconds"
}

# payment TXID: what the last node knows of it.
payment() {
    rpc "$(node_count)" chain_getTransaction "[\"$1\"]" | jq -c '{txid: .transaction.txid, from: .transaction.sender,
        to: .transaction.outputs[0].to, amount: .transaction.outputs[0].amount, fee: .transaction.fee, block, height}'
}

# wait_mined TXID: until every node says that it is mined.
wait_mined() {
    local k deadline=$((SECONDS + MINED_LIMIT))
    for ((k = 1; k <= $(node_count); k++)); do
        until [[ "$(rpc "$k" tx_status "[\"$1\"]" 2>/dev/null | jq -r .state)" == mined ]]; do
            ((SECONDS < deadline)) || fail "$k" "node $k does not know the payment as mined after $MINED_LIMIT s"
            sleep 0.2
        done
    done
}

# write_summary INFOS PAYMENT SECONDS: testnet/summary.json, whole or not at all.
write_summary() {
    local k nodes=() name wallets=() address
    for ((k = 1; k <= $(node_count); k++)); do
        nodes+=("$(jq -c --argjson k "$k" --argjson pid "$(pid_of "$k")" --argjson p2p "$(p2p_port "$k")" \
            --argjson rpc "$(rpc_port "$k")" --arg dir "$(node_dir "$k")" '.[$k - 1] |
            {name: "node-\($k)", $pid, $p2p, $rpc, data_dir: $dir, peer_id, height, tip, state_root}' <<<"$1")")
    done
    for name in alice bob; do
        address="$(wallet "$name" address | jq -r .address)"
        wallets+=("$(jq -cn --arg name "$name" --arg address "$address" --arg balance "$(balance "$address")" \
            '{$name, $address, $balance}')")
    done
    jq -n --argjson infos "$1" --argjson payment "$2" --argjson seconds "$3" \
        --argjson nodes "$(printf '%s\n' "${nodes[@]}" | jq -cs .)" \
        --argjson wallets "$(printf '%s\n' "${wallets[@]}" | jq -cs .)" \
        --arg explorer "$(explorer_url)" --arg faucet "$(faucet_url)" \
        '{chain: $infos[0].chain, genesis_id: $infos[0].genesis_id, agreed: true, $nodes, $wallets, $explorer, $faucet,
            $payment, $seconds}' \
        >"$DIR/summary.json.new"
    mv "$DIR/summary.json.new" "$DIR/summary.json"
}

# ---- what people read --------------------------------------------------------------------------------

line() { printf '  %-11s %s\n' "$1" "$2"; }

receipt() {
    local summary="$DIR/summary.json" count k
    count="$(node_count)"
    of() { jq -r "$1" "$summary"; }
    echo
    echo "A network of $count nodes is running, and all of them agree."
    echo
    line network "$(of .genesis_id)"
    for ((k = 1; k <= count; k++)); do
        line "node $k" "$(of ".nodes[$k - 1] | \"RPC http://127.0.0.1:\(.rpc)   peers 127.0.0.1:\(.p2p)   pid \(.pid)\"")"
    done
    line tip "height $(of '.nodes[0].height'), $(of '.nodes[0].tip')"
    echo
    line payment "$(of .payment.txid)"
    line from "alice  $(of .payment.from)"
    line to "bob    $(of .payment.to)"
    line amount "$(crn "$(of .payment.amount)") CRN, and a fee of $(crn "$(of .payment.fee)") CRN"
    line block "$(of .payment.block)"
    line height "$(of .payment.height), confirmed on $count of $count nodes"
    line alice "$(crn "$(jq -r .from "$DIR/before.json")") CRN before, $(crn "$(of '.wallets[0].balance')") now"
    line bob "$(crn "$(jq -r .to "$DIR/before.json")") CRN before, $(crn "$(of '.wallets[1].balance')") now"
    echo
    echo "Took $(of .seconds.total) s: build $(of .seconds.build), start $(of .seconds.start), payment $(of .seconds.mined)."
    echo
    echo "Next:"
    echo "  scripts/testnet.sh status"
    echo "  scripts/testnet.sh logs 1"
    echo "  $(wallet_command) --wallet bob send $(of .payment.from) 1 --wait"
    echo "  scripts/testnet.sh down"
    echo
    echo "Explorer: $(explorer_url)"
    echo "Faucet:   $(faucet_url)"
}

# How a person calls a wallet of this network.
wallet_command() {
    echo "$WALLET --chain testnet/genesis.toml --data-dir testnet --password-file testnet/password"
}

status() {
    local count k pid info
    count="$(node_count)"
    ((count > 0)) || die "there is no network; start one with scripts/testnet.sh up"
    for ((k = 1; k <= count; k++)); do
        if ! pid="$(pid_of "$k")"; then
            line "node $k" "stopped"
        elif info="$(rpc "$k" node_info 2>/dev/null)"; then
            line "node $k" "$(jq -r --arg pid "$pid" \
                '"height \(.height)   \(.peers) peers   \(.sync.phase)   tip \(.tip[:16])   pid \($pid)"' <<<"$info")"
        else
            line "node $k" "running as $pid, but does not answer"
        fi
    done
    if ! pid="$(faucet_pid)"; then
        line faucet stopped
    elif info="$(curl --silent --max-time 5 "$(faucet_url)api/status")"; then
        line faucet "$(jq -r --arg pid "$pid" --arg url "$(faucet_url)" \
            '"\($url)   \(.left) of \(.per_day) left today   \(.trouble // "ready")   pid \($pid)"' <<<"$info")"
    else
        line faucet "running as $pid, but does not answer"
    fi
}

logs() {
    local k files=()
    for ((k = 1; k <= $(node_count); k++)); do
        [[ -n "${1:-}" && "$1" != "$k" ]] || files+=("$(node_log "$k")")
    done
    ((${#files[@]} > 0)) || die "there is no node ${1:-}; there are $(node_count)"
    exec tail -n 50 -F "${files[@]}"
}

down() {
    local running
    mapfile -t running < <(running_nodes)
    stop_faucet
    stop_nodes "${running[@]}"
    say "Stopped ${#running[@]} nodes and the faucet."
}

reset() {
    down
    rm -rf "$DIR"
    say "Deleted $DIR."
}

command="${1:-}"
shift || true
case "$command" in
    up | status | logs | down | reset)
        [[ "$command" == down || "$command" == reset || "$command" == up ]] || need curl jq
        "$command" "$@"
        ;;
    *)
        sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}" >&2
        exit 2
        ;;
esac

#!/usr/bin/env bash
# Makes the pictures in README: the explorer, light and dark, of a network that a seed draws, and what testnet.sh and
# `wallet watch` show, as terminals that play by themselves.
#
# Usage: scripts/pictures.sh              all of them, into docs/images/
#        scripts/pictures.sh explorer     explorer.png and explorer-dark.png
#        scripts/pictures.sh pages DIR    every page at 390 and 1280 pixels, light and dark, into DIR: to look at
#        scripts/pictures.sh terminals    testnet.svg and watch.svg; starts a network by testnet.sh, and deletes it
#
# Needs Chromium (scripts/setup.sh --browser), or Python 3 and tmux. The chain, its payments and their memos are the same
# every time; its ids are not, since they follow from the time, which is now.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

IMAGES="$ROOT/docs/images"
TESTNET="$ROOT/scripts/testnet.sh"
CAST="$ROOT/scripts/cast.py"
DIR="$ROOT/testnet"
RPC=http://127.0.0.1:29751
# Larger pictures are slow to load where lines are slow.
MOST_BYTES=200000

cd "$ROOT"

build_pictures() {
    build --workspace --bin cairn-node --bin cairn-pictures
}

explorer() {
    build_pictures
    "$CAIRN_BIN/cairn-pictures" "$IMAGES"
}

pages() {
    mkdir -p "$1"
    build_pictures
    "$CAIRN_BIN/cairn-pictures" "$1" --pages
}

# wallet NAME ARGUMENTS...: the command line of a wallet of the network that testnet.sh started.
wallet() {
    local name="$1"
    shift
    "$CAIRN_BIN/wallet" --chain "$DIR/genesis.toml" --data-dir "$DIR" --wallet "$name" \
        --password-file "$DIR/password" --node "$RPC" "$@"
}

# alice_pays: what there is to see in her wallet.
alice_pays() {
    local to
    to="$(wallet bob --json address | jq -r .address)"
    sleep 3
    wallet alice send "$to" 3.25 --memo "for the tea" --yes >/dev/null
}

terminals() {
    need tmux python3 jq
    [[ ! -e "$DIR" ]] || die "there is a network in $DIR; delete it first: scripts/testnet.sh reset"
    # What is shown is how a network starts, not how programs are compiled.
    build
    trap 'bash "$TESTNET" reset >/dev/null 2>&1' EXIT
    # Without the lines that name paths of this machine.
    python3 "$CAST" "$IMAGES/testnet.svg" 104 36 --title "scripts/testnet.sh up" -- \
        "printf '$ scripts/testnet.sh up\n'; CAIRN_BIN='$CAIRN_BIN' CARGO_TARGET_DIR='$CARGO_TARGET_DIR'" \
        "bash '$TESTNET' up 2>&1 | sed -u '/^Next:/,/^$/d'"
    alice_pays &
    python3 "$CAST" "$IMAGES/watch.svg" 104 30 --title "wallet watch" --most 20 --keys q@16 -- \
        "'$CAIRN_BIN/wallet' --chain '$DIR/genesis.toml' --data-dir '$DIR' --wallet alice --node $RPC watch"
    wait
}

case "${1:-all}" in
    explorer) explorer ;;
    pages) pages "${2:?pages needs a directory}" ;;
    terminals) terminals ;;
    all) explorer && terminals ;;
    *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
esac

for picture in "$IMAGES"/{explorer.png,explorer-dark.png,testnet.svg,watch.svg}; do
    [[ ! -e "$picture" ]] || (($(stat -c %s "$picture") < MOST_BYTES)) ||
        die "$picture has $(stat -c %s "$picture") bytes, expected less than $MOST_BYTES"
done

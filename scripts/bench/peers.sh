#!/usr/bin/env bash
# Measures Cairn beside Bitcoin Core, in turns in one run, and writes docs/performance.md.
#
# Usage: scripts/bench/peers.sh [PART...]    measures these parts, or all (half an hour besides building and making the
#                                            chains, once)
#        scripts/bench/peers.sh --build      builds what is measured, and says where it is
#
# Bitcoin Core is built from the sources that the crate libbitcoinkernel-sys carries, by their own CMake, optimised and
# without a wallet (six minutes on two cores). Litecoin Core is Debian's package, where there is one. What their build needs
# is installed with apt-get, as root or by a sudo that asks no password; elsewhere this script says what to install.
# Everything is kept in ${CAIRN_BENCH_WORK:-${XDG_CACHE_HOME:-~/.cache}/cairn-bench}.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../env.sh"

CRATE=libbitcoinkernel-sys
VERSION=0.4.1
SHA256=345d18a1ce19a1becfcaaa066e3a60e9c7813ef5c23ea8c20704ca4ba1a46339
work="${CAIRN_BENCH_WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/cairn-bench}"
bitcoind="$work/bitcoind-$VERSION"

# install PACKAGE...: with apt-get, or says that it must be done.
install() {
    local as=()
    ((EUID == 0)) || as=(sudo -n)
    command -v apt-get >/dev/null && "${as[@]}" true 2>/dev/null || die "please install $*"
    DEBIAN_FRONTEND=noninteractive "${as[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

build_bitcoind() {
    local folder archive missing=()
    command -v cmake >/dev/null || missing+=(cmake)
    command -v ninja >/dev/null || missing+=(ninja-build)
    [[ -e /usr/include/boost/version.hpp ]] || missing+=(libboost-dev)
    ((${#missing[@]} == 0)) || install "${missing[@]}"
    need curl
    mkdir -p "$work"
    folder="$(mktemp -d "$work/build.XXXXXX")"
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf '$folder'" EXIT
    archive="$folder/$CRATE.crate"
    curl --proto '=https' -sSfL --max-time 300 -o "$archive" \
        "https://static.crates.io/crates/$CRATE/$CRATE-$VERSION.crate" || die "the sources of Bitcoin Core could not be downloaded"
    sha256sum --quiet -c <<<"$SHA256  $archive" || die "what came for $CRATE $VERSION is not what it was"
    tar -xzf "$archive" -C "$folder"
    say "building Bitcoin Core, some ten minutes"
    # Its list of networks for peers, which the crate leaves out, serves nothing on a regression network.
    cmake -G Ninja -S "$folder/$CRATE-$VERSION/bitcoin" -B "$folder/made" -DCMAKE_BUILD_TYPE=Release \
        -DENABLE_WALLET=OFF -DENABLE_IPC=OFF -DWITH_EMBEDDED_ASMAP=OFF -DBUILD_CLI=OFF -DBUILD_TX=OFF -DBUILD_UTIL=OFF \
        -DBUILD_BITCOIN_BIN=OFF -DBUILD_TESTS=OFF -DBUILD_BENCH=OFF >"$folder/log" 2>&1 || die "$(tail -n 20 "$folder/log")"
    ninja -C "$folder/made" bitcoind >"$folder/log" 2>&1 || die "$(tail -n 20 "$folder/log")"
    mv "$folder/made/bin/bitcoind" "$bitcoind"
}

[[ -x "$bitcoind" ]] || build_bitcoind
# A peer of another kind for two figures: whoever has no package of it goes without.
command -v litecoind >/dev/null || ! apt-cache show litecoind >/dev/null 2>&1 || install litecoind
if [[ "${1:-}" == --build ]]; then
    printf '%s\n' "$bitcoind"
    exit
fi
need taskset
parts=("$@")
((${#parts[@]} > 0)) || parts=(beside-replay beside-sync beside-admission beside-reads beside-start beside-line)
export CAIRN_BITCOIND="$bitcoind"
exec "$ROOT/scripts/bench/run.sh" "${parts[@]}"

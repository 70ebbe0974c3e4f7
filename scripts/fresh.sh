#!/usr/bin/env bash
# Tries the README's two commands on new machines: Debian in a folder of its own, with Rust and little else.
#
# Usage: scripts/fresh.sh [MACHINE...]     all of them unless some are named; about an hour on two cores
#
#   bare      Debian 12 with Rust alone: `testnet.sh up`, a second `up`, `down`, and all of `test.sh`
#   llvm      with LLVM and its libclang-cpp, which is not libclang
#   headers   with a libclang that lacks the compiler's headers
#   tools     with compiler and libclang, without curl, jq and make
#   user      as a user without root: a sentence with what to type; once that was typed, the build goes on
#   trixie    Debian 13 with Rust alone
#   offline   without a network: sentences
#
# All but the first and the last go as far as the crates that compile C and C++, for these are what a machine can lack
# something for. The tree is cloned, so what is not committed is not tried. Needs root, debootstrap, and the network that
# apt-get and cargo use here; what it makes is below $TMPDIR (/var/tmp unless set) and is deleted at the end, but for the
# logs of machines that failed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

MACHINES=(bare llvm headers tools user trixie offline)
# The longest one command on a machine may take, in seconds.
LIMIT=3600
# As far as the crates that a machine can lack something for, on a machine that setup.sh has found fit: bindgen reads
# RocksDB's headers, make and cc compile jemalloc, LZ4 and ring, and c++ a group of RocksDB's files. All of RocksDB would
# show nothing more: `bare` compiles it.
TO_THE_C_CRATES='bash scripts/setup.sh && source scripts/env.sh &&
    ROCKSDB_LIB_DIR=/ cargo build --quiet --release --locked -p librocksdb-sys -p lz4-sys -p tikv-jemalloc-sys -p ring &&
    cd ~/.cargo/registry/src/*/librocksdb-sys-*/ &&
    "$CXX" -std=c++20 -O0 -DNDEBUG -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX -I rocksdb/include -I rocksdb \
        -include cstdint -o /tmp/rocksdb.o -c rocksdb/cache/cache.cc'

chosen=("$@")
((${#chosen[@]} > 0)) || chosen=("${MACHINES[@]}")
for machine in "${chosen[@]}"; do
    [[ " ${MACHINES[*]} " == *" $machine "* ]] || die "no machine is called $machine; there are: ${MACHINES[*]}"
done
((EUID == 0)) || die "a machine in a folder needs root: sudo scripts/fresh.sh"
need git unshare chroot
command -v debootstrap >/dev/null || die "debootstrap is missing; apt-get install debootstrap"

WORK="$(mktemp -d "${TMPDIR:-/var/tmp}/cairn-fresh.XXXXXX")"
SYSROOT="$(rustc --print sysroot)"
trap 'rm -rf --one-file-system "$WORK"' EXIT
trap 'exit 130' INT TERM

# ---- machines ------------------------------------------------------------------------------------------

# base SUITE: a Debian of that suite with Rust, once for all machines that begin with it.
base() {
    local suite="$1" folder="$WORK/base-$1"
    [[ ! -d "$folder" ]] || return 0
    say "Making a Debian ($suite) ..."
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$folder" >"$WORK/debootstrap.log" 2>&1 || {
        tail -n 5 "$WORK/debootstrap.log" >&2
        return 1
    }
    # How this machine reaches package servers holds there, too.
    cp -L /etc/resolv.conf /etc/hosts "$folder/etc/"
    cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
    mkdir -p "$folder/opt"
    cp -a "$SYSROOT" "$folder/opt/rust"
    rm -rf "$folder/opt/rust/share/doc"
    if [[ -f "${CARGO_HOME:-$HOME/.cargo}/config.toml" ]]; then
        install -D "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$folder/root/.cargo/config.toml"
    fi
}

# machine NAME SUITE [PACKAGE...]: a new machine with these packages, and a clone of this tree in /root/cairn.
machine() {
    local name="$1" suite="$2" folder="$WORK/$1"
    shift 2
    base "$suite" || return 1
    cp -a "$WORK/base-$suite" "$folder"
    git clone -q "file://$ROOT" "$folder/root/cairn"
    (($# == 0)) || on "$name" "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $*"
}

# on [--offline] [--user] NAME COMMAND: runs a command in /root/cairn there (/home/ada/cairn as the user), in namespaces
# of its own: what it starts ends with it. The output goes to the machine's log.
on() {
    local options=(--mount --pid --fork --kill-child) who="0:0" home=/root
    while [[ "$1" == --* ]]; do
        case "$1" in
            --offline) options+=(--net) ;;
            --user) who="1000:1000" home=/home/ada ;;
        esac
        shift
    done
    # shellcheck disable=SC2016 # expanded inside
    bounded "$LIMIT" unshare "${options[@]}" bash -c '
        set -e
        mount -t proc proc "$1/proc"
        mount --rbind /sys "$1/sys"
        mount --rbind /dev "$1/dev"
        mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
        [[ ! -x /usr/sbin/ip && ! -x /sbin/ip ]] || ip link set lo up
        exec chroot --userspec="$2" "$1" /usr/bin/env -i HOME="$3" TERM=dumb LANG=C.UTF-8 \
            PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" no_proxy="${no_proxy:-}" \
            bash -c "cd $3; [[ ! -d cairn ]] || cd cairn; $4"
    ' bash "$WORK/$1" "$who" "$home" "$2" </dev/null >>"$WORK/$1.log" 2>&1
}

# says NAME TEXT: whether the log of a machine has this text in it.
says() {
    grep -qF -- "$2" "$WORK/$1.log" && return 0
    say "The log of $1 does not have: $2"
    return 1
}

# ---- what is tried on each -----------------------------------------------------------------------------

try_bare() {
    machine bare bookworm || return 1
    on bare "TIMEFORMAT='first up: %R s, %U s of processor time in programs, %S s in the system'; time scripts/testnet.sh up" || return 1
    grep -h '^first up:' "$WORK/bare.log" >&2
    says bare "A network of 4 nodes is running, and all of them agree." || return 1
    # The nodes ended with the namespaces of the first; the data is there, and `up` goes on with it.
    on bare "scripts/testnet.sh up && scripts/testnet.sh status && scripts/testnet.sh reset" || return 1
    on bare "TIMEFORMAT='test.sh: %R s, %U s of processor time in programs, %S s in the system'; time scripts/test.sh" || return 1
    grep -h '^test.sh:' "$WORK/bare.log" >&2
}

try_llvm() {
    machine llvm bookworm g++ make curl jq llvm-14 libclang-cpp14 || return 1
    on llvm "$TO_THE_C_CRATES" || return 1
    says llvm "there is no libclang"
}

try_headers() {
    machine headers bookworm g++ make curl jq libclang1-14 || return 1
    # Without recommended packages apt-get brings the headers along all the same.
    on headers "dpkg --remove --force-depends libclang-common-14-dev" || return 1
    on headers "$TO_THE_C_CRATES" || return 1
    says headers "does not read a line of C: 'stddef.h' file not found"
}

try_tools() {
    machine tools bookworm g++ libclang-dev || return 1
    on tools "! command -v make curl jq" || on tools "apt-get purge -y make curl jq" || return 1
    on tools "$TO_THE_C_CRATES" || return 1
    says tools "jq is missing"
}

try_user() {
    local typed
    machine user bookworm || return 1
    on user "useradd --uid 1000 --create-home ada && mv /root/cairn /home/ada/ && chown -R ada: /home/ada" || return 1
    if on --user user "scripts/testnet.sh up"; then
        say "a user without root got on without the packages"
        return 1
    fi
    says user "please type:" || return 1
    typed="$(grep -A 1 -F "please type:" "$WORK/user.log" | sed -n 's/^ *sudo \(.*\) && sudo \(.*\)$/\1 \&\& \2/p')"
    [[ -n "$typed" ]] || return 1
    on user "$typed" && on --user user "$TO_THE_C_CRATES"
}

try_trixie() {
    machine trixie trixie && on trixie "$TO_THE_C_CRATES"
}

try_offline() {
    machine offline bookworm || return 1
    if on --offline offline "scripts/testnet.sh up"; then return 1; fi
    says offline "is this machine online? Please install: " || return 1
    on offline "bash scripts/setup.sh" || return 1
    if on --offline offline "scripts/testnet.sh up"; then return 1; fi
    says offline "the crates that Cairn is built from could not be downloaded"
}

summary=()
failed=0
for machine in "${chosen[@]}"; do
    say "== $machine"
    started=$SECONDS
    result=ok
    if ! "try_$machine"; then
        result=FAILED
        failed=1
        tail -n 20 "$WORK/$machine.log" >&2 2>/dev/null || true
        kept="$(mktemp "${TMPDIR:-/var/tmp}/cairn-fresh-$machine.XXXXXX.log")"
        cp "$WORK/$machine.log" "$kept" 2>/dev/null && say "The whole log is $kept"
    fi
    summary+=("$(printf '%-8s %-6s %5d s' "$machine" "$result" "$(seconds_since "$started")")")
    rm -rf --one-file-system "${WORK:?}/$machine"
done
printf '%s\n' "${summary[@]}"
exit "$failed"

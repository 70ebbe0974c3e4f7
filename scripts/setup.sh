#!/usr/bin/env bash
# Checks what a build needs by using it, and installs what is missing.
#
# Usage: scripts/setup.sh                   installs what is missing
#        scripts/setup.sh --browser         installs Chromium, too, which the tests of the explorer click through, and
#                                           fetches axe-core, with which they look for barriers
#        scripts/setup.sh --check [ROOT]    says what is missing, and ends with 1 if anything is; installs nothing
#                                           (ROOT: look for libclang below this folder, to test this script on)
#
# Rust 1.95 must be there. The rest are five packages: RocksDB wants a C++ compiler and libclang, jemalloc
# wants make, and testnet.sh speaks JSON-RPC with curl and jq. They are installed with apt-get, as root or
# by a sudo that asks no password; elsewhere this script says what to type and ends with 1. It does nothing
# when all is there. Tests of nodes behind home routers need Linux, root, `ip` (iproute2) and `nft` (nftables); without
# them they say that they were skipped, so nothing is installed for them.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# Keep in step with rust-version in Cargo.toml.
RUST_MAJOR=1
RUST_MINOR=95

CHECK_ONLY=0
BROWSER=0
PREFIX=""
case "${1:-}" in
    "") ;;
    --browser) BROWSER=1 ;;
    --check) CHECK_ONLY=1 PREFIX="${2:-}" ;;
    *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

WORK="$(mktemp -d)"
trap 'rm -rf "$WORK"' EXIT

check_rust() {
    local how="install Rust with
  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh
or update it with
  rustup update stable"
    command -v cargo >/dev/null || die "cargo is missing; $how"
    local version major minor
    version="$(cargo --version)" || die "cargo does not run; $how"
    version="${version#cargo }"
    version="${version%% *}"
    IFS=. read -r major minor _ <<<"$version"
    if ((major < RUST_MAJOR || (major == RUST_MAJOR && minor < RUST_MINOR))); then
        die "cargo $version is too old, $RUST_MAJOR.$RUST_MINOR is needed; $how"
    fi
}

# ---- what is missing: `package|sentence`, a line each --------------------------------------------------

# first_line FILE: its first line that is not empty, for a sentence.
first_line() {
    grep -m 1 . "$1" || echo "without a word"
}

# The compilers that the build scripts of RocksDB, jemalloc and ring call, and the one that links Rust programs.
missing_compilers() {
    local output="$WORK/compiler" cxx="${CXX:-c++}"
    # Ours hands on to c++.
    [[ "$cxx" != cairn-c++ ]] || cxx=c++
    printf '#include <stddef.h>\nint main(void) { return 0; }\n' >"$WORK/probe.c"
    # shellcheck disable=SC2086 # CC and CXX may hold options
    if ! ${CC:-cc} "$WORK/probe.c" -o "$WORK/probe" >"$output" 2>&1; then
        echo "g++|the C compiler ${CC:-cc} does not compile and link a program: $(first_line "$output")"
    fi
    # RocksDB is written in C++20.
    printf '#include <cstdint>\n#include <compare>\nint main() { return (1 <=> 2) < 0 ? 0 : 1; }\n' >"$WORK/probe.cc"
    # shellcheck disable=SC2086
    if ! $cxx -std=c++20 "$WORK/probe.cc" -o "$WORK/probe" >"$output" 2>&1; then
        echo "g++|the C++ compiler $cxx does not compile a C++20 program: $(first_line "$output")"
    fi
}

# The folders in which bindgen, which reads RocksDB's headers, looks for libclang, in its order.
libclang_folders() {
    local prefix folder
    if [[ -z "$PREFIX" ]]; then
        prefix="$("${LLVM_CONFIG_PATH:-llvm-config}" --prefix 2>/dev/null)" || prefix=""
        [[ -z "$prefix" ]] || printf '%s\n' "$prefix"/{bin,lib,lib64}
        tr ':' '\n' <<<"${LD_LIBRARY_PATH:-}:${LIBRARY_PATH:-}"
    fi
    for folder in "$PREFIX"/usr/local/llvm*/lib* "$PREFIX"/usr/local/lib*/*/* "$PREFIX"/usr/local/lib*/* \
        "$PREFIX"/usr/local/lib* "$PREFIX"/usr/lib*/*/* "$PREFIX"/usr/lib*/* "$PREFIX"/usr/lib*; do
        if [[ -d "$folder" ]]; then echo "$folder"; fi
    done
}

# libclangs_in FOLDER: the files there that bindgen takes for libclang. `libclang-cpp.so` has another interface.
libclangs_in() {
    local file
    for file in "$1"/libclang.so "$1"/libclang-*.so "$1"/libclang.so.* "$1"/libclang-*.so.*; do
        if [[ -f "$file" && "${file##*/}" != *-cpp.* && "$(head -c 4 "$file")" == $'\x7fELF' ]]; then echo "$file"; fi
    done
}

# version_key FILE: the version in its name, such that versions compare as these texts do.
version_key() {
    local name="${1##*/}" version="" part
    case "$name" in
        libclang.so.*) version="${name#libclang.so.}" ;;
        libclang-*) version="${name#libclang-}" version="${version::-3}" ;;
    esac
    for part in ${version//./ }; do
        [[ "$part" =~ ^[0-9]+$ ]] || part=0
        printf '%010d' "$part"
    done
}

# The libclang that bindgen loads: of those it finds, the one with the highest version, and of equals the first.
libclang() {
    local folders file key best="" best_key="" path="${LIBCLANG_PATH:-}"
    folders="$(libclang_folders)"
    if [[ -n "$path" ]]; then
        if libclangs_in "$(dirname "$path")" | grep -qxF -- "$path"; then
            echo "$path"
            return
        fi
        folders="$path"
    fi
    while IFS= read -r file; do
        key="$(version_key "$file")"
        if [[ -z "$best" || "$key" > "$best_key" ]]; then
            best="$file" best_key="$key"
        fi
    done < <(while IFS= read -r folder; do [[ -z "$folder" ]] || libclangs_in "$folder"; done <<<"$folders")
    echo "$best"
}

missing_libclang() {
    local library output="$WORK/libclang" where="LIBCLANG_PATH=${LIBCLANG_PATH:-}"
    library="$(libclang)"
    if [[ -z "$library" ]]; then
        [[ -n "${LIBCLANG_PATH:-}" ]] || where="the folders of libraries"
        echo "libclang-dev|there is no libclang in $where (a libclang-cpp is another library)"
        return
    fi
    # Without a compiler there is nothing to try it with; then it is tried after the compiler was installed.
    # shellcheck disable=SC2086
    ${CC:-cc} -w "$ROOT/scripts/probe-libclang.c" -o "$WORK/probe-libclang" -ldl 2>/dev/null || return 0
    if ! "$WORK/probe-libclang" "$library" c $'#include <stddef.h>\n#include <stdint.h>\n' >"$output" 2>&1; then
        echo "libclang-dev|$library, which would read RocksDB's headers, does not read a line of C: $(first_line "$output")"
    fi
}

missing_programs() {
    local program output="$WORK/program"
    for program in make curl jq; do
        if ! command -v "$program" >/dev/null; then
            echo "$program|$program is missing"
        elif ! "$program" --version >"$output" 2>&1; then
            echo "$program|$program does not run: $(first_line "$output")"
        fi
    done
}

missing_browser() {
    local program
    for program in chromium chromium-browser; do
        if "$program" --version >/dev/null 2>&1; then return; fi
    done
    echo "chromium|there is no Chromium to test the explorer in"
}

missing() {
    missing_compilers
    missing_libclang
    missing_programs
    ((!BROWSER)) || missing_browser
}

# ---- installing ----------------------------------------------------------------------------------------

install() {
    local packages=("$@")
    command -v apt-get >/dev/null || die "please install, with your system's package manager: ${packages[*]}
  (libclang-dev is called clang-devel on Fedora and clang on Arch and in Homebrew; g++ is gcc-c++ or gcc)"
    local root=()
    if ((EUID != 0)); then
        if ! sudo -n true 2>/dev/null; then
            die "please type:
  sudo apt-get update && sudo apt-get install -y ${packages[*]}"
        fi
        root=(sudo -n)
    fi
    say "Installing ${packages[*]} ..."
    local log="$WORK/apt"
    # Retried: a mirror that drops one connection of hundreds is common.
    if ! "${root[@]}" apt-get -o Acquire::Retries=3 update >"$log" 2>&1 ||
        ! "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 install -y \
            --no-install-recommends "${packages[@]}" >>"$log" 2>&1; then
        tail -n 15 "$log" >&2
        die "apt-get could not install them; is this machine online? Please install: ${packages[*]}"
    fi
}

# ---- axe-core ------------------------------------------------------------------------------------------

# It looks for what keeps people out of a page (MPL-2.0; used by tests alone). One file of its package in npm's registry,
# of this version and no other; tests/tests/explorer/accessibility.rs reads it from there.
AXE_VERSION=4.14.1
AXE_SHA256=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c

axe_sum() {
    local sum
    sum="$(sha256sum "$1" 2>/dev/null)" || return 0
    printf '%s' "${sum%% *}"
}

# Tests say where it is missing that they were skipped, so a machine that cannot fetch it is told and goes on.
fetch_axe() {
    local url="https://registry.npmjs.org/axe-core/-/axe-core-$AXE_VERSION.tgz" sum
    local to="${CAIRN_AXE:-${XDG_CACHE_HOME:-$HOME/.cache}/cairn-tools/axe-core-$AXE_VERSION.min.js}"
    [[ "$(axe_sum "$to")" != "$AXE_SHA256" ]] || return 0
    if ! curl --proto '=https' --tlsv1.2 --connect-timeout 10 --retry 1 --max-time 60 -fsSL "$url" -o "$WORK/axe.tgz" ||
        ! tar -xzOf "$WORK/axe.tgz" package/axe.min.js >"$WORK/axe.js"; then
        say "axe-core could not be fetched from $url; without it the tests that look for barriers are skipped"
        return 0
    fi
    sum="$(axe_sum "$WORK/axe.js")"
    [[ "$sum" == "$AXE_SHA256" ]] || die "got an axe-core with SHA-256 $sum from $url, expected $AXE_SHA256"
    mkdir -p "$(dirname "$to")"
    mv "$WORK/axe.js" "$to"
}

# ---- the run -------------------------------------------------------------------------------------------

check_rust
# Twice at most: libclang can only be tried when there is a compiler.
for round in 1 2 3; do
    mapfile -t lines < <(missing)
    if ((${#lines[@]} == 0)); then
        ((!BROWSER)) || fetch_axe
        exit 0
    fi
    ((round < 3)) || say "This is still so after the installation; CC, CXX, LIBCLANG_PATH and PATH say what is used:"
    ((round != 1)) || say "A build needs more than this machine has:"
    for line in "${lines[@]}"; do say "  ${line#*|}"; done
    mapfile -t packages < <(for line in "${lines[@]}"; do echo "${line%%|*}"; done | sort -u)
    ((round < 3 && !CHECK_ONLY)) || die "missing: ${packages[*]}"
    install "${packages[@]}"
done

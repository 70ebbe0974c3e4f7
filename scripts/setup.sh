#!/usr/bin/env bash
# Checks what a build needs, and installs what is missing.
#
# Usage: scripts/setup.sh
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

# Where bindgen, which reads RocksDB's headers, looks for libclang.
has_libclang() {
    [[ -n "${LIBCLANG_PATH:-}" ]] && return 0
    local libraries=(/usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib/libclang*.so*
        /usr/lib64/libclang*.so* /usr/lib64/llvm*/lib*/libclang*.so* /usr/local/lib/libclang*.so*)
    local library
    for library in "${libraries[@]}"; do
        [[ -e "$library" ]] && return 0
    done
    return 1
}

missing_packages() {
    has_libclang || echo libclang-dev
    command -v g++ >/dev/null || command -v clang++ >/dev/null || echo g++
    local program
    for program in make curl jq; do
        command -v "$program" >/dev/null || echo "$program"
    done
}

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
    local log
    log="$(mktemp)"
    if ! "${root[@]}" apt-get update >"$log" 2>&1 ||
        ! "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
            "${packages[@]}" >>"$log" 2>&1; then
        tail -n 15 "$log" >&2
        rm -f "$log"
        die "apt-get failed; please install: ${packages[*]}"
    fi
    rm -f "$log"
}

check_rust
mapfile -t missing < <(missing_packages)
if ((${#missing[@]} > 0)); then
    install "${missing[@]}"
    mapfile -t missing < <(missing_packages)
    ((${#missing[@]} == 0)) || die "still missing after the installation: ${missing[*]}"
fi

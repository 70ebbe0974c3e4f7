//! Where the programs under test are.

use std::path::{Path, PathBuf};
use std::{env, process::Command};

/// The program called `name`: in the directory CAIRN_BIN, or else where cargo puts programs beside the
/// running test.
///
/// # Panics
/// There is none: it was not built.
pub fn find(name: &str) -> PathBuf {
    let directory = env::var_os("CAIRN_BIN").map_or_else(beside_the_test, PathBuf::from);
    let path = directory.join(name);
    assert!(path.is_file(), "{} is missing: run `cargo build --release --workspace` first", path.display());
    path
}

/// The command of a program, without what the environment says of nodes and wallets: that is meant for others than the
/// tests' processes.
///
/// # Panics
/// As [`find`].
pub fn command(name: &str) -> Command {
    let mut command = Command::new(find(name));
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| name.starts_with("CAIRN_NODE_") || name.starts_with("CAIRN_WALLET_")) {
        command.env_remove(name);
    }
    command
}

/// Tests are in `release/deps`, programs in `release`.
fn beside_the_test() -> PathBuf {
    let test = env::current_exe().expect("a running program has a path");
    test.parent().and_then(Path::parent).expect("cargo puts tests two folders deep").to_path_buf()
}

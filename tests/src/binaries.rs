//! Where the programs under test are.

use std::{
    env,
    path::{Path, PathBuf},
};

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

/// Tests are in `release/deps`, programs in `release`.
fn beside_the_test() -> PathBuf {
    let test = env::current_exe().expect("a running program has a path");
    test.parent().and_then(Path::parent).expect("cargo puts tests two folders deep").to_path_buf()
}

/// The names of the variables in the environment that mean something to the node or the wallet. They are
/// meant for others than the tests' processes.
pub(crate) fn foreign_variables() -> Vec<String> {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with("CAIRN_NODE_") || name.starts_with("CAIRN_WALLET_")).collect()
}

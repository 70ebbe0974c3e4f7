//! Where wallets are: `<data-dir>/wallets/<name>.json`, and `<name>.journal` beside it. The last verified tip of
//! each network is in `<data-dir>/tips`.

use cairn_ledger::BlockId;
use std::path::{Path, PathBuf};
use std::{ffi::OsString, fmt, fs, io, str::FromStr};

/// The name of a wallet: 1 to 64 letters, digits, `-` or `_`, a letter or digit first. So a name is never
/// a path, and never that of a temporary file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WalletName(String);

/// Text that is no wallet's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 64 letters, digits, '-' or '_', the first a letter or digit")]
pub struct WalletNameError;

impl WalletName {
    /// The wallet that is meant when none is named.
    pub const DEFAULT: &'static str = "default";

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WalletName {
    type Err = WalletNameError;

    fn from_str(text: &str) -> Result<Self, WalletNameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !first || text.len() > 64 || !text.bytes().all(allowed) {
            return Err(WalletNameError);
        }
        Ok(Self(String::from(text)))
    }
}

impl fmt::Display for WalletName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The wallet's part of the data directory.
#[derive(Clone, Debug)]
pub struct DataDir {
    /// The directory of the wallets.
    pub wallets: PathBuf,
    /// The directory of the verified tips.
    pub tips: PathBuf,
}

/// No data directory was named and there is no home to put one in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no place for wallets: neither --data-dir nor XDG_DATA_HOME nor HOME is set; name one with --data-dir")]
pub struct NoDataDir;

impl DataDir {
    /// The directory that was asked for, or else `cairn` in the user's data directory. `variable` reads the
    /// environment.
    ///
    /// # Errors
    /// When nothing says where the user's files are.
    pub fn choose(path: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, NoDataDir> {
        // The XDG specification: a relative path in the variable is to be ignored.
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = match path {
            Some(path) => path.to_path_buf(),
            None => absolute("XDG_DATA_HOME")
                .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
                .ok_or(NoDataDir)?
                .join("cairn"),
        };
        Ok(Self { wallets: base.join("wallets"), tips: base.join("tips") })
    }

    /// The file of a wallet.
    pub fn wallet_file(&self, name: &WalletName) -> PathBuf {
        self.wallets.join(format!("{name}.json"))
    }

    /// The journal of a wallet.
    pub fn journal_file(&self, name: &WalletName) -> PathBuf {
        self.wallets.join(format!("{name}.journal"))
    }

    /// What whoever changes a wallet or its labels locks.
    pub fn lock_file(&self, name: &WalletName) -> PathBuf {
        self.wallets.join(format!("{name}.lock"))
    }

    /// The single-use secrets of a wallet.
    pub fn once_dir(&self, name: &WalletName) -> PathBuf {
        self.wallets.join(format!("{name}.once"))
    }

    /// What the faucet of a wallet promised.
    pub fn faucet_file(&self, name: &WalletName) -> PathBuf {
        self.wallets.join(format!("{name}.faucet"))
    }

    /// What a running faucet locks.
    pub fn faucet_lock(&self, name: &WalletName) -> PathBuf {
        self.wallets.join(format!("{name}.faucet.lock"))
    }

    /// The labels of a wallet.
    pub fn labels_file(&self, name: &WalletName) -> PathBuf {
        self.wallets.join(format!("{name}.labels"))
    }

    /// The pairing with a node of the network that begins with `genesis`.
    pub fn pairing_file(&self, genesis: &BlockId) -> PathBuf {
        self.wallets.with_file_name("pairings").join(format!("{genesis}.pair"))
    }

    /// The names of all wallets, sorted; none when the directory is not there.
    ///
    /// # Errors
    /// What the system says.
    pub fn names(&self) -> io::Result<Vec<WalletName>> {
        let entries = match fs::read_dir(&self.wallets) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry?.file_name();
            let name = file.to_str().and_then(|text| text.strip_suffix(".json")).and_then(|name| name.parse().ok());
            names.extend(name);
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_paths() {
        for good in ["default", "a", "My-wallet_2", &"x".repeat(64)] {
            assert_eq!(good.parse::<WalletName>().map(|name| name.to_string()), Ok(String::from(good)));
        }
        for bad in ["", ".", "..", "a/b", "../x", ".x", "-x", "_x", "a b", "a.json", "ä", &"x".repeat(65)] {
            assert_eq!(bad.parse::<WalletName>(), Err(WalletNameError), "{bad}");
        }
    }

    #[test]
    fn the_directory_is_the_one_asked_for_or_the_users() {
        let with = |xdg: Option<&'static str>, home: Option<&'static str>| {
            move |name: &str| match name {
                "XDG_DATA_HOME" => xdg.map(OsString::from),
                "HOME" => home.map(OsString::from),
                _ => None,
            }
        };
        let chosen = |asked: Option<&str>, xdg, home| {
            DataDir::choose(asked.map(Path::new), with(xdg, home)).map(|dir| dir.wallets.display().to_string())
        };
        assert_eq!(chosen(Some("x"), Some("/xdg"), None), Ok(String::from("x/wallets")));
        assert_eq!(chosen(None, Some("/xdg"), Some("/h")), Ok(String::from("/xdg/cairn/wallets")));
        assert_eq!(chosen(None, Some("relative"), Some("/h")), Ok(String::from("/h/.local/share/cairn/wallets")));
        assert_eq!(chosen(None, None, None), Err(NoDataDir));
    }

    #[test]
    fn only_wallet_files_are_listed() {
        let dir = tempfile::tempdir().expect("a directory");
        let data = DataDir::choose(Some(dir.path()), |_| None).expect("asked for");
        assert_eq!(data.names().expect("not there is empty"), []);
        cairn_host::files::private_dir(&data.wallets).expect("made");
        for file in ["b.json", "a.json", "a.journal", ".x4Gh.tmp", ".c.json", "no name.json"] {
            fs::write(data.wallets.join(file), "").expect("written");
        }
        let names: Vec<String> = data.names().expect("listed").iter().map(WalletName::to_string).collect();
        assert_eq!(names, ["a", "b"]);
    }
}

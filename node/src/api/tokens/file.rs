//! `DATA/tokens.json` and `DATA/admin.token`: private files, each written whole or not at all.

use super::{Token, TokenId, TokenRecord};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The most tokens: a person cannot look after more, and the file is read in one piece.
pub const MAX_TOKENS: usize = 1_000;
/// The largest file that is read; 1000 records are smaller.
const MAX_BYTES: u64 = 1 << 20;
/// The form of the file.
const VERSION: u32 = 1;
/// Nobody else may read them.
const MODE: u32 = 0o600;

/// Why the tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The system refuses.
    #[error("cannot {action} {path}: {reason}")]
    Refused {
        /// What was to be done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// It is not what was written.
    #[error("{path} is damaged ({reason}); no token in it is valid: mend it, or delete it and make new tokens")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is no such token.
    #[error("there is no token {id}; see `cairn-node token list`")]
    NoSuchToken {
        /// Its id.
        id: TokenId,
    },
    /// There are too many.
    #[error("there are {MAX_TOKENS} tokens already; revoke some first")]
    TooMany,
    /// The system has no randomness.
    #[error("the system gave no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    tokens: Vec<TokenRecord>,
}

/// What tells whether a file was replaced since it was last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    modified: (i64, i64),
    length: u64,
}

/// The tokens of a data directory.
#[derive(Clone, Debug)]
pub struct TokenFile {
    directory: PathBuf,
}

impl TokenFile {
    /// Those of this data directory.
    pub fn of(data_dir: &Path) -> Self {
        Self { directory: data_dir.to_owned() }
    }

    /// Where they are.
    pub fn path(&self) -> PathBuf {
        self.directory.join("tokens.json")
    }

    /// Where the local user's own token is.
    pub fn admin_path(&self) -> PathBuf {
        self.directory.join("admin.token")
    }

    /// Reads the records; none when there is no file.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub fn read(&self) -> Result<Vec<TokenRecord>, TokenFileError> {
        let path = self.path();
        let Some(text) = read_small(&path)? else { return Ok(Vec::new()) };
        let damaged = |reason: String| TokenFileError::Damaged { path: path.clone(), reason };
        let contents: Contents = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        match contents.version {
            VERSION => Ok(contents.tokens),
            other => Err(damaged(format!("got version {other}, expected {VERSION}"))),
        }
    }

    /// What tells whether it has changed; none when there is no file.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        let file = fs::metadata(self.path()).ok()?;
        Some(Stamp { inode: file.ino(), modified: (file.mtime(), file.mtime_nsec()), length: file.len() })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// The file cannot be read or written, or there are too many.
    pub fn add(&self, record: TokenRecord) -> Result<(), TokenFileError> {
        self.change(|records| {
            if records.len() >= MAX_TOKENS {
                return Err(TokenFileError::TooMany);
            }
            records.push(record);
            Ok(())
        })
    }

    /// Removes a token: it is refused from then on.
    ///
    /// # Errors
    /// The file cannot be read or written, or there is no such token.
    pub fn revoke(&self, id: TokenId) -> Result<TokenRecord, TokenFileError> {
        let name = id.to_string();
        let mut removed = None;
        self.change(|records| {
            let at = records.iter().position(|record| record.id == name);
            removed = Some(records.remove(at.ok_or(TokenFileError::NoSuchToken { id })?));
            Ok(())
        })?;
        removed.ok_or(TokenFileError::NoSuchToken { id })
    }

    /// The local user's token: what the file holds, or else a new one that it holds from then on.
    ///
    /// # Errors
    /// It cannot be read or written, or is damaged.
    pub fn admin(&self) -> Result<Token, TokenFileError> {
        let path = self.admin_path();
        if let Some(text) = read_small(&path)? {
            let damaged =
                |error: super::TokenError| TokenFileError::Damaged { path: path.clone(), reason: error.to_string() };
            let token = text.trim_end().parse().map_err(damaged)?;
            // A backup or an editor may have opened it to others.
            fs::set_permissions(&path, Permissions::from_mode(MODE)).map_err(refused("protect", &path))?;
            return Ok(token);
        }
        let token = Token::random()?;
        write_whole(&path, format!("{}\n", token.reveal()).as_bytes())?;
        Ok(token)
    }

    /// Reads, changes and writes, while nobody else does.
    fn change(
        &self,
        change: impl FnOnce(&mut Vec<TokenRecord>) -> Result<(), TokenFileError>,
    ) -> Result<(), TokenFileError> {
        fs::create_dir_all(&self.directory).map_err(refused("make", &self.directory))?;
        let path = self.directory.join("tokens.lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(MODE).open(&path);
        let lock = lock.map_err(refused("open", &path))?;
        lock.lock().map_err(refused("lock", &path))?;
        let mut tokens = self.read()?;
        change(&mut tokens)?;
        let contents = Contents { version: VERSION, tokens };
        let text = serde_json::to_string_pretty(&contents).expect("plain data is JSON");
        write_whole(&self.path(), format!("{text}\n").as_bytes())
    }
}

fn refused(action: &'static str, path: &Path) -> impl Fn(io::Error) -> TokenFileError {
    let path = path.to_owned();
    move |reason| TokenFileError::Refused { action, path: path.clone(), reason }
}

fn read_small(path: &Path) -> Result<Option<String>, TokenFileError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused("look at", path)(error)),
        Ok(file) if file.len() > MAX_BYTES => {
            let reason = format!("got {} bytes, expected at most {MAX_BYTES}", file.len());
            return Err(TokenFileError::Damaged { path: path.to_owned(), reason });
        }
        Ok(_) => {}
    }
    fs::read_to_string(path).map(Some).map_err(refused("read", path))
}

/// To a temporary name in the same directory, synced, then moved into place, and the directory synced.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TokenFileError> {
    let write = || {
        let directory = path.parent().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
        let mut builder = tempfile::Builder::new();
        let mut file =
            builder.prefix(".").suffix(".tmp").permissions(Permissions::from_mode(MODE)).tempfile_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|failed| failed.error)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(refused("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tokens::TokenRequest;
    use cairn_ledger::units::Timestamp;
    use cairn_rpc::scope::Scope;

    fn record(name: &str) -> (Token, TokenRecord) {
        let token = Token::random().expect("randomness");
        let wanted = TokenRequest { name: name.to_owned(), scopes: vec![Scope::Read], rate: None, lasts: None };
        let record = TokenRecord::new(&token, wanted, Timestamp::from_millis(1));
        (token, record)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn tokens_are_kept_privately_and_revoked_by_id() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = TokenFile::of(directory.path());
        assert_eq!((file.read().expect("none"), file.stamp()), (Vec::new(), None));
        let ((first, a), (second, b)) = (record("a"), record("b"));
        file.add(a.clone()).expect("added");
        let stamp = file.stamp();
        file.add(b.clone()).expect("added");
        assert!(stamp.is_some() && stamp != file.stamp());
        assert_eq!((file.read().expect("two"), mode(&file.path())), (vec![a.clone(), b.clone()], MODE));
        assert_eq!(file.revoke(first.id()).expect("it is there"), a);
        assert!(matches!(file.revoke(first.id()), Err(TokenFileError::NoSuchToken { .. })));
        assert_eq!(file.read().expect("one"), vec![b]);
        assert!(!fs::read_to_string(file.path()).expect("text").contains(&second.reveal()[15..]));
    }

    #[test]
    fn a_damaged_file_is_refused_and_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = TokenFile::of(directory.path());
        for text in ["", "{", "{\"version\":2,\"tokens\":[]}", "{\"version\":1,\"tokens\":[],\"more\":1}"] {
            fs::write(file.path(), text).expect("written");
            assert!(matches!(file.read(), Err(TokenFileError::Damaged { .. })), "{text}");
            assert!(file.add(record("x").1).is_err(), "{text}");
            assert_eq!(fs::read_to_string(file.path()).expect("it is there"), text);
        }
    }

    #[test]
    fn the_admin_token_is_made_once_and_made_private_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = TokenFile::of(directory.path());
        let token = file.admin().expect("a new one");
        assert_eq!(mode(&file.admin_path()), MODE);
        fs::set_permissions(file.admin_path(), Permissions::from_mode(0o644)).expect("opened up");
        assert_eq!(file.admin().expect("the same"), token);
        assert_eq!(mode(&file.admin_path()), MODE);
        fs::write(file.admin_path(), "guess").expect("written");
        assert!(matches!(file.admin(), Err(TokenFileError::Damaged { .. })));
    }
}

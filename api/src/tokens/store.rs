//! `DATA/tokens.json` and `DATA/admin.token`: private files, each written whole or not at all. A running node notices a
//! change of them at the next question.

use super::{Token, TokenError, TokenId, TokenRecord};
use cairn_host::file_stamp::FileStamp;
use cairn_host::files;
use cairn_ledger::units::Timestamp;
use cairn_rpc::scope::{Scope, Scopes};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use subtle::ConstantTimeEq;

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
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum TokenFileError {
    #[error("cannot {action} {path}: {reason}")]
    Refused { action: &'static str, path: PathBuf, reason: io::Error },
    #[error("{path} is damaged ({reason}); no token in it is valid: mend it, or delete it and make new tokens")]
    Damaged { path: PathBuf, reason: String },
    #[error("there is no token {id}; see `cairn-node token list`")]
    NoSuchToken { id: TokenId },
    #[error("there are {MAX_TOKENS} tokens already; revoke some first")]
    TooMany,
    #[error("the system gave no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    tokens: Vec<TokenRecord>,
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
            let damaged = |error: TokenError| TokenFileError::Damaged { path: path.clone(), reason: error.to_string() };
            let token = text.trim_end().parse().map_err(damaged)?;
            // A backup or an editor may have opened it to others.
            fs::set_permissions(&path, Permissions::from_mode(MODE)).map_err(refused("protect", &path))?;
            return Ok(token);
        }
        let token = Token::random()?;
        files::save(&path, format!("{}\n", token.reveal()).as_bytes()).map_err(refused("write", &path))?;
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
        let path = self.path();
        files::save(&path, format!("{text}\n").as_bytes()).map_err(refused("write", &path))
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

/// The tokens that are valid now.
#[derive(Debug)]
pub struct TokenStore {
    file: TokenFile,
    admin: Token,
    known: Mutex<CachedRecords>,
}

#[derive(Debug, Default)]
struct CachedRecords {
    stamp: Option<FileStamp>,
    records: Vec<TokenRecord>,
}

/// What a valid token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which token.
    pub id: TokenId,
    /// What it allows.
    pub scopes: Scopes,
    /// How many calls a second it may make, where it says so.
    pub rate: Option<u32>,
    /// Whether it is the local user's own, which is good on this machine only and without a limit.
    pub is_local_admin: bool,
}

/// Why a token allows nothing. It says nothing of how near a guess came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the access token is unknown, revoked or expired; its owner can make another with cairn-node token new")]
pub struct InvalidToken;

impl TokenStore {
    /// Reads the tokens, and makes the local user's if there is none.
    ///
    /// # Errors
    /// The files cannot be read or written.
    pub fn open(file: TokenFile) -> Result<Self, TokenFileError> {
        let admin = file.admin()?;
        let known = CachedRecords { stamp: FileStamp::of(&file.path()), records: file.read()? };
        Ok(Self { file, admin, known: Mutex::new(known) })
    }

    /// What the text of an `Authorization: Bearer` header allows.
    ///
    /// # Errors
    /// Nothing.
    pub fn authenticate(&self, text: &str, now: Timestamp) -> Result<Grant, InvalidToken> {
        let token: Token = text.parse().map_err(|_| InvalidToken)?;
        if bool::from(self.admin.hash().ct_eq(&token.hash())) {
            return Ok(self.local_admin());
        }
        self.with(|records| {
            let record = records.iter().find(|record| record.is_of(&token)).ok_or(InvalidToken)?;
            grant(token.id(), record, now)
        })
    }

    /// What a token that was good when a connection began allows now.
    ///
    /// # Errors
    /// Nothing any more.
    pub fn renew(&self, id: TokenId, now: Timestamp) -> Result<Grant, InvalidToken> {
        if id == self.admin.id() {
            return Ok(self.local_admin());
        }
        let name = id.to_string();
        self.with(|records| grant(id, records.iter().find(|record| record.id == name).ok_or(InvalidToken)?, now))
    }

    /// What the user whom the node runs as may do.
    pub fn local_admin(&self) -> Grant {
        Grant { id: self.admin.id(), scopes: Scopes::of(&[Scope::Admin]), rate: None, is_local_admin: true }
    }

    fn with<T>(&self, ask: impl FnOnce(&[TokenRecord]) -> T) -> T {
        // A panic elsewhere stops the node; the records are whole at any moment.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = FileStamp::of(&self.file.path());
        if stamp != known.stamp {
            let records = self.file.read().unwrap_or_else(|error| {
                tracing::error!(target: "cairn::api", %error, "no access token is valid");
                Vec::new()
            });
            *known = CachedRecords { stamp, records };
        }
        ask(&known.records)
    }
}

fn grant(id: TokenId, record: &TokenRecord, now: Timestamp) -> Result<Grant, InvalidToken> {
    if record.has_expired(now) {
        return Err(InvalidToken);
    }
    Ok(Grant { id, scopes: Scopes::of(&record.scopes), rate: record.rate, is_local_admin: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::TokenRequest;
    use std::time::Duration;

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
        assert_eq!((file.read().expect("none"), FileStamp::of(&file.path())), (Vec::new(), None));
        let ((first, a), (second, b)) = (record("a"), record("b"));
        file.add(a.clone()).expect("added");
        let stamp = FileStamp::of(&file.path());
        file.add(b.clone()).expect("added");
        assert!(stamp.is_some() && stamp != FileStamp::of(&file.path()));
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

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn add(file: &TokenFile, scope: Scope, lasts: Option<Duration>) -> Token {
        let token = Token::random().expect("randomness");
        let wanted = TokenRequest { name: "x".to_owned(), scopes: vec![scope], rate: Some(7), lasts };
        file.add(TokenRecord::new(&token, wanted, NOW)).expect("added");
        token
    }

    #[test]
    fn a_change_of_the_file_is_noticed_at_the_next_question() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = TokenFile::of(directory.path());
        let store = TokenStore::open(file.clone()).expect("opened");
        let token = add(&file, Scope::Submit, None);
        let grant = store.authenticate(&token.reveal(), NOW).expect("it is valid");
        assert_eq!((grant.scopes, grant.rate), (Scopes::of(&[Scope::Submit]), Some(7)));
        assert_eq!(store.renew(token.id(), NOW), Ok(grant));
        file.revoke(token.id()).expect("revoked");
        assert_eq!(store.authenticate(&token.reveal(), NOW), Err(InvalidToken));
        assert_eq!(store.renew(token.id(), NOW), Err(InvalidToken));
    }

    #[test]
    fn wrong_expired_and_unreadable_tokens_allow_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = TokenFile::of(directory.path());
        let store = TokenStore::open(file.clone()).expect("opened");
        let token = add(&file, Scope::Read, Some(Duration::from_secs(1)));
        let text = token.reveal();
        let last = if text.ends_with('0') { "1" } else { "0" };
        let near = format!("{}{last}", &text[..text.len() - 1]);
        assert!(store.authenticate(&text, NOW).is_ok(), "the control");
        for wrong in ["", "admin", &near, &text[1..]] {
            assert_eq!(store.authenticate(wrong, NOW), Err(InvalidToken));
        }
        assert_eq!(store.authenticate(&text, Timestamp::from_millis(2_000)), Err(InvalidToken));
        fs::write(file.path(), "{").expect("written");
        assert_eq!(store.authenticate(&text, NOW), Err(InvalidToken));
    }

    #[test]
    fn the_local_user_may_everything_and_keeps_the_token_over_restarts() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = TokenFile::of(directory.path());
        drop(TokenStore::open(file.clone()).expect("opened"));
        let text = fs::read_to_string(file.admin_path()).expect("it was made");
        let store = TokenStore::open(file.clone()).expect("opened again");
        let grant = store.authenticate(text.trim_end(), NOW).expect("the same token");
        assert!(grant.is_local_admin && grant.scopes.allow(Scope::Admin));
        assert_eq!(file.read().expect("read"), [], "it is no token for others");
    }
}

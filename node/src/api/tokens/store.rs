//! What a running node knows of tokens. It notices a change of the file at the next question.

use super::{Token, TokenFile, TokenFileError, TokenId, TokenRecord};
use crate::system::file_stamp::FileStamp;
use cairn_ledger::units::Timestamp;
use cairn_rpc::scope::{Scope, Scopes};
use std::sync::{Mutex, PoisonError};
use subtle::ConstantTimeEq;

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
    use crate::api::tokens::TokenRequest;
    use std::time::Duration;

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
        std::fs::write(file.path(), "{").expect("written");
        assert_eq!(store.authenticate(&text, NOW), Err(InvalidToken));
    }

    #[test]
    fn the_local_user_may_everything_and_keeps_the_token_over_restarts() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = TokenFile::of(directory.path());
        drop(TokenStore::open(file.clone()).expect("opened"));
        let text = std::fs::read_to_string(file.admin_path()).expect("it was made");
        let store = TokenStore::open(file.clone()).expect("opened again");
        let grant = store.authenticate(text.trim_end(), NOW).expect("the same token");
        assert!(grant.is_local_admin && grant.scopes.allow(Scope::Admin));
        assert_eq!(file.read().expect("read"), [], "it is no token for others");
    }
}

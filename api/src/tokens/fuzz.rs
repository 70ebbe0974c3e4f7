//! Whatever stands in the file of the tokens, or is handed in as one (docs/testing.md).

use super::*;
use cairn_fuzz::Target;
use std::fs;

#[test]
fn api_tokens() {
    let folder = tempfile::tempdir().expect("a directory");
    let (file, now) = (TokenFile::of(folder.path()), Timestamp::from_millis(1_700_000_000_000));
    let token = Token::random().expect("randomness");
    let wanted = TokenRequest { name: "shop".to_owned(), scopes: vec![Scope::Read], rate: Some(5), lasts: None };
    let record = TokenRecord::new(&token, wanted, now);
    file.add(record.clone()).expect("room");
    let seeds = [fs::read(file.path()).expect("readable"), token.reveal().into(), b"30d".to_vec(), b"50/s".to_vec()];
    let words = ["cairn_", "_", "m", "h", "d", "/s", "\"expires_ms\": 0", "null", "\"admin\"", "18446744073709551615"];
    let nobodys = tempfile::tempdir().expect("a directory");
    let store = TokenStore::open(TokenFile::of(nobodys.path())).expect("opened");
    Target::new("api_tokens").seeds(seeds).words(words).memory(64 << 10, 200).run(|bytes| {
        let text = str::from_utf8(bytes).unwrap_or_default();
        let mut is_read = false;
        if let Ok(token) = text.parse::<Token>() {
            assert_eq!(token.reveal(), text, "a token has one spelling");
            assert!(!format!("{token:?}").contains(&token.reveal()[16..]), "and is never shown");
            is_read = true;
        }
        assert!(store.authenticate(text, now).is_err(), "there is no token that opens this door");
        if let Ok(lasts) = parse_duration(text) {
            assert!(lasts.as_secs() >= 60 && lasts.as_secs().is_multiple_of(60));
            is_read = true;
        }
        if let Ok(rate) = parse_rate(text) {
            assert!((1..=MAX_RATE).contains(&rate));
            is_read = true;
        }
        fs::write(file.path(), bytes).expect("room");
        let Ok(records) = file.read() else { return is_read };
        assert!(records.iter().all(|other| !other.is_of(&token) || other.hash == record.hash), "a hash has one token");
        let _ = records.iter().filter(|record| record.has_expired(now)).count();
        // What is added leaves the others as they are.
        if records.len() < 100 {
            file.add(record.clone()).expect("it was read");
            let again = file.read().expect("it was written");
            assert_eq!((again.split_last(), &again[..records.len()]), (Some((&record, &records[..])), &records[..]));
        }
        true
    });
}

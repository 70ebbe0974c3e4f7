//! Whatever is said of where a node is, whatever a node answers, and whatever stands in the file of a tip
//! (docs/testing.md).

use super::kept;
use super::node_url::NodeUrl;
use super::pairing::Pairing;
use cairn_fuzz::Target;
use cairn_genesis::Network;
use cairn_ledger::light::VerifiedTip;
use std::fs;

#[test]
fn wallet_pairing() {
    let pin = "00112233445566778899aabbccddeeff".repeat(2);
    let seeds = [
        String::from("http://127.0.0.1:9741"),
        format!("https://[::1]:9741?cert={pin}"),
        String::from("cairn-pair:http://127.0.0.1:9741#cairn_00000001_ff"),
        format!("cairn-pair:https://node.example:9741/?cert={pin}#t\n"),
    ];
    let words = ["http://", "https://", "?cert=", "#", "/", ":", "cairn-pair:", "@", "\u{1b}", pin.as_str()];
    Target::new("wallet_pairing").seeds(seeds).words(words).max_bytes(512).run(|bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return false };
        let url = text.parse::<NodeUrl>();
        if let Ok(url) = &url {
            assert_eq!(url.to_string().parse().as_ref(), Ok(url), "it is read as it is written");
            assert!(url.is_meant_by(url) && (url.pinned().is_none() || url.base.starts_with("https://")));
        }
        let Ok(pairing) = text.parse::<Pairing>() else { return url.is_ok() };
        let line = format!("cairn-pair:{}#{}", pairing.url, pairing.token.expose());
        let again: Pairing = line.parse().expect("what was read");
        assert_eq!((&again.url, again.token.expose()), (&pairing.url, pairing.token.expose()));
        assert!(!line.chars().any(|letter| letter.is_control() || letter.is_whitespace()));
        assert!(!format!("{pairing:?}").contains(&format!("#{}", pairing.token.expose())), "a token is never shown");
        true
    });
}

#[test]
fn wallet_kept_tip() {
    let folder = tempfile::tempdir().expect("a directory");
    let spec = Network::parse(cairn_genesis::LOCAL).expect("shipped").spec;
    let path = kept::path(folder.path(), &spec.genesis_id());
    kept::write(&path, &spec, &VerifiedTip::genesis(&spec)).expect("written");
    let seed = fs::read(&path).expect("read");
    // Reading a file takes a buffer.
    Target::new("wallet_kept_tip").seeds([seed]).memory(128 << 10, 64).run(|bytes| {
        fs::write(&path, bytes).expect("written");
        let Some(tip) = kept::read(&path, &spec).expect("readable") else { return false };
        assert_eq!(tip.id(), spec.genesis_id(), "there is no other block that holds together");
        kept::write(&path, &spec, &tip).expect("written");
        assert_eq!(kept::read(&path, &spec).expect("readable"), Some(tip));
        assert_eq!(fs::read(&path).expect("readable"), bytes, "one tip, one file");
        true
    });
}

//! The wallet file: round trips, the golden file, and every way of being wrong.

use super::*;
use crate::keys::mnemonic::WordsError;

const PHRASE: &str = "test test test test test test test test test test test junk";
const CHEAP: KdfCost = KdfCost { memory_kib: MIN_MEMORY_KIB, iterations: 1, parallelism: 1 };
const RANDOM: SealRandomness = SealRandomness { salt: [0x11; 16], nonce: [0x22; 24] };

fn secret(text: &str) -> Secret {
    Secret::new(String::from(text))
}

fn local() -> Network {
    Network::parse(cairn_genesis::LOCAL).expect("shipped")
}

fn sealed(account: u32) -> Result<Keystore, WordsError> {
    let wallet = WalletSecret { words: Words::parse(&secret(PHRASE))?, account };
    let accounts = [account, account + 1].map(|number| {
        let address = wallet.words.key(KeyPath::new(&local(), number)).expect("a key").address();
        Account { number: Some(number), address: local().spec.params().prefix.encode(&address) }
    });
    let sealed = Keystore::seal(&wallet, &local(), accounts.to_vec(), &secret("correct horse"), CHEAP, &RANDOM);
    Ok(sealed.expect("cheap"))
}

/// The file of development accounts 0 and 1, as it must stay readable for ever.
const GOLDEN: &str = include_str!("../../../tests/golden/wallet.json");
/// The file of development account 0, as version 1 wrote it.
const FIRST: &str = include_str!("../../../tests/golden/wallet-1.json");

#[test]
fn the_file_is_the_golden_one() {
    assert_eq!(sealed(0).expect("valid words").to_json(), GOLDEN);
}

#[test]
fn what_was_sealed_opens_with_its_password_only() {
    let keystore = Keystore::parse(sealed(3).expect("valid words").to_json().as_bytes()).expect("a wallet");
    assert_eq!(keystore, sealed(3).expect("valid words"));
    let key = keystore.unlock(&local(), &secret("correct horse")).expect("the password");
    assert_eq!(key.address(), keystore.address_on(&local()).expect("its network"));
    for wrong in ["correct hors", "Correct horse", "correct horse ", ""] {
        assert_eq!(
            keystore.unlock(&local(), &secret(wrong)).map(|_| ()),
            Err(KeystoreError::WrongPassword),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_file_of_version_1_still_opens() {
    let keystore = Keystore::parse(FIRST.as_bytes()).expect("a wallet");
    let key = keystore.unlock(&local(), &secret("correct horse")).expect("the password");
    let current = Keystore::parse(GOLDEN.as_bytes()).expect("a wallet");
    assert_eq!((key.address(), keystore.account().number), (current.address_on(&local()).expect("its network"), None));
    let changed = FIRST.replacen(keystore.address(), &current.accounts()[1].address, 1);
    let refused = Keystore::parse(changed.as_bytes()).expect("well-formed").unlock(&local(), &secret("correct horse"));
    assert_eq!(refused.map(|_| ()), Err(KeystoreError::WrongPassword));
    assert_eq!(
        Keystore::parse(FIRST.replacen("\"kdf\"", "\"kdx\"", 1).as_bytes()).map(|_| ()).map_err(|error| error.kind()),
        Err("wallet_damaged")
    );
}

#[test]
fn every_account_of_a_file_opens_to_its_own_key() {
    let mut keystore = Keystore::parse(GOLDEN.as_bytes()).expect("a wallet");
    for number in [0, 1] {
        keystore.select(number).expect("it has it");
        let key = keystore.unlock(&local(), &secret("correct horse")).expect("the password");
        assert_eq!(key.address(), keystore.address_on(&local()).expect("its network"));
    }
    let refused = keystore.select(2).expect_err("it has two");
    assert!(refused.to_string().contains("0, 1"), "{refused}");
}

#[test]
fn a_wallet_without_words_shows_its_address_and_asks_for_no_password() {
    let address = sealed(0).expect("valid words").address_on(&local()).expect("its network");
    let watching = Keystore::without_words(&local(), &address, None);
    let read = Keystore::parse(watching.to_json().as_bytes()).expect("a wallet");
    assert_eq!((read.address_on(&local()), read.kind()), (Ok(address), "watch_only"));
    assert_eq!(read.unlock(&local(), &secret("x")).map(|_| ()), Err(KeystoreError::WatchOnly));
}

#[test]
fn the_file_shows_no_secret() {
    let text = sealed(0).expect("valid words").to_json();
    let entropy = hex::encode(&*Words::parse(&secret(PHRASE)).expect("valid words").entropy());
    assert!(!text.contains("junk") && !text.contains(&entropy));
}

/// Each change leaves a well-formed file whose header is not the one that was bound.
#[test]
fn a_changed_header_no_longer_opens() {
    let other = sealed(1).expect("valid words");
    let own = sealed(0).expect("valid words");
    for (from, to) in [
        ("\"chain\": \"local\"", "\"chain\": \"locap\""),
        (own.address(), other.accounts()[1].address.as_str()),
        (own.accounts()[1].address.as_str(), other.accounts()[1].address.as_str()),
        ("\"account\": 1", "\"account\": 2"),
        ("\"memory_kib\": 8192", "\"memory_kib\": 8193"),
        ("\"iterations\": 1", "\"iterations\": 2"),
        ("\"parallelism\": 1", "\"parallelism\": 2"),
        (&"11".repeat(16), &"13".repeat(16)),
        (&"22".repeat(24), &"23".repeat(24)),
    ] {
        let changed = GOLDEN.replacen(from, to, 1);
        assert_ne!(changed, GOLDEN, "{from} is in the file");
        let keystore = Keystore::parse(changed.as_bytes()).expect("well-formed");
        assert_eq!(
            keystore.unlock(&local(), &secret("correct horse")).map(|_| ()),
            Err(KeystoreError::WrongPassword),
            "{to}"
        );
    }
    // The control: the unchanged file opens.
    let keystore = Keystore::parse(GOLDEN.as_bytes()).expect("well-formed");
    assert!(keystore.unlock(&local(), &secret("correct horse")).is_ok());
}

#[test]
fn a_file_cut_anywhere_is_damaged() {
    for length in 0..GOLDEN.trim_end().len() {
        let cut = GOLDEN.get(..length).expect("ascii");
        assert!(matches!(Keystore::parse(cut.as_bytes()), Err(KeystoreError::Damaged { .. })), "{length}");
    }
}

#[test]
fn unknown_versions_algorithms_and_fields_are_named() {
    let parse = |from: &str, to: &str| {
        let changed = GOLDEN.replacen(from, to, 1);
        assert_ne!(changed, GOLDEN, "{from} is in the file");
        Keystore::parse(changed.as_bytes()).expect_err("refused")
    };
    assert_eq!(parse("\"version\": 2", "\"version\": 3"), KeystoreError::Version { got: 3 });
    // A later version may look quite different: its number is still what is said.
    let later = Keystore::parse(b"{\"version\": 7, \"everything\": \"else\"}");
    assert_eq!(later, Err(KeystoreError::Version { got: 7 }));
    assert!(matches!(parse("argon2id", "scrypt"), KeystoreError::Algorithm { what: "key derivation", .. }));
    assert!(matches!(parse("xchacha20poly1305", "rot13"), KeystoreError::Algorithm { what: "cipher", .. }));
    assert!(matches!(parse("\"chain\"", "\"chian\""), KeystoreError::Damaged { .. }));
    assert!(matches!(parse(&"11".repeat(16), &"11".repeat(15)), KeystoreError::Damaged { .. }));
}

#[test]
fn a_file_cannot_ask_for_more_than_the_bounds() {
    for (from, to, what) in [
        ("\"memory_kib\": 8192", "\"memory_kib\": 100000000", "kdf.memory_kib"),
        ("\"memory_kib\": 8192", "\"memory_kib\": 0", "kdf.memory_kib"),
        ("\"iterations\": 1", "\"iterations\": 4294967295", "kdf.iterations"),
        ("\"iterations\": 1", "\"iterations\": 0", "kdf.iterations"),
        ("\"parallelism\": 1", "\"parallelism\": 17", "kdf.parallelism"),
        ("\"parallelism\": 1", "\"parallelism\": 0", "kdf.parallelism"),
    ] {
        let error = Keystore::parse(GOLDEN.replacen(from, to, 1).as_bytes()).expect_err("refused");
        assert!(matches!(error, KeystoreError::Cost { what: named, .. } if named == what), "{to}: {error}");
    }
}

#[test]
fn another_networks_wallet_is_refused_by_its_genesis_id() {
    let keystore = sealed(0).expect("valid words");
    let fresh = cairn_genesis::LOCAL.replacen("genesis_time = 1_7", "genesis_time = 1_6", 1);
    for text in [cairn_genesis::MAIN, cairn_genesis::TEST, &fresh] {
        let network = Network::parse(text).expect("a network");
        assert!(matches!(keystore.address_on(&network), Err(KeystoreError::OtherNetwork { .. })));
        assert!(matches!(
            keystore.unlock(&network, &secret("correct horse")).map(|_| ()),
            Err(KeystoreError::OtherNetwork { .. })
        ));
    }
}

/// Whatever bit of the file is wrong, no other key comes out, and nothing panics.
#[test]
fn a_flipped_bit_never_opens_another_wallet() {
    let golden = Keystore::parse(GOLDEN.as_bytes()).expect("well-formed");
    let address = golden.address_on(&local()).expect("its network");
    for place in (0..GOLDEN.len()).step_by(3) {
        let mut bytes = GOLDEN.as_bytes().to_vec();
        *bytes.get_mut(place).expect("within") ^= 1;
        let opened = Keystore::parse(&bytes).and_then(|keystore| keystore.unlock(&local(), &secret("correct horse")));
        if let Ok(key) = opened {
            assert_eq!(key.address(), address, "{place}");
        }
    }
}

/// A wallet's file that somebody sent once wrote what it liked on the terminal.
#[test]
fn what_is_wrong_with_a_file_is_told_without_its_control_characters() {
    let refused = Keystore::parse(br#"{"version": 2, "\u001b[2J": 1}"#).expect_err("no wallet").to_string();
    assert!(refused.contains("\\u{1b}[2J") && !refused.contains('\u{1b}'), "{refused}");
}

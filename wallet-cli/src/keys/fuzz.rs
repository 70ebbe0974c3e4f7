//! Whatever stands in a wallet's file, and whatever is typed as words or as a signature (docs/testing.md).

use super::keystore::Keystore;
use super::message;
use super::mnemonic::Words;
use super::secret::Secret;
use cairn_fuzz::Target;
use cairn_genesis::Network;

const GOLDEN: &str = include_str!("../../tests/golden/wallet.json");
const FIRST: &str = include_str!("../../tests/golden/wallet-1.json");

#[test]
fn wallet_keystore() {
    let network = Network::parse(cairn_genesis::LOCAL).expect("shipped");
    let golden = Keystore::parse(GOLDEN.as_bytes()).expect("a wallet");
    let address = golden.address_on(&network).expect("its network");
    let watching = Keystore::without_words(&network, &address, None).to_json();
    let words = [
        "\"shared\": null",
        "\"share\": \"00\"",
        "\"version\": 1",
        "\"memory_kib\": ",
        "4294967295",
        "musig2",
        "\\u001b",
    ];
    let seeds = [GOLDEN.to_owned(), FIRST.to_owned(), watching];
    Target::new("wallet_keystore").seeds(seeds).words(words).memory(64 << 10, 100).run(|bytes| {
        let mut keystore = match Keystore::parse(bytes) {
            Ok(keystore) => keystore,
            Err(error) => {
                let shown = error.to_string();
                assert!(!shown.chars().any(char::is_control), "{shown:?}");
                return false;
            }
        };
        let again = Keystore::parse(keystore.to_json().as_bytes()).expect("what was read");
        assert_eq!((again.chain(), again.genesis_id()), (keystore.chain(), keystore.genesis_id()));
        assert_eq!((again.accounts(), again.kind()), (keystore.accounts(), keystore.kind()));
        assert_eq!((again.cost(), again.shared()), (keystore.cost(), keystore.shared()));
        // What an attacker writes into a file costs no more than what any wallet may cost.
        assert!(keystore.cost().memory_kib <= super::MAX_MEMORY_KIB);
        for number in [0, 1, u32::MAX] {
            let _ = keystore.select(number);
        }
        if let Err(error) = keystore.address_on(&network) {
            let shown = error.to_string();
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
        }
        true
    });
}

#[test]
fn wallet_words() {
    let seeds = [
        "test test test test test test test test test test test junk",
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
         abandon abandon abandon abandon abandon abandon abandon abandon abandon art",
    ];
    let words = [" ", "\t", "\n", "abandon ", "zoo ", "about", "\u{a0}", "\u{3000}", "ABANDON"];
    let address = cairn_ledger::SecretKey::from_bytes(&[1; 32]).expect("a key").address();
    Target::new("wallet_words").seeds(seeds).words(words).max_bytes(1_024).run(|bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return false };
        assert!(message::verify(&address, "tea", text).is_err(), "nobody signed it");
        let Ok(words) = Words::parse(&Secret::new(text.to_owned())) else { return false };
        let phrase = words.phrase();
        let typed: Vec<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
        assert_eq!(phrase.expose(), typed.join(" "), "the words are those that were typed");
        let again = Words::from_entropy(&words.entropy()).expect("a length of BIP39");
        assert_eq!(again.phrase().expose(), phrase.expose());
        true
    });
}

//! Words (BIP39) and the keys that follow from them (BIP32, BIP44).

use super::secret::Secret;
use bip32::{ChildNumber, XPrv};
use bip39::{Language, Mnemonic};
use cairn_genesis::Network;
use cairn_ledger::SecretKey;
use zeroize::Zeroizing;

/// The coin of the main network in `m/44'/coin'`.
pub const MAIN_COIN: u32 = 8420;
/// The coin every test network of every currency shares (SLIP-0044).
pub const TEST_COIN: u32 = 1;
/// Accounts are numbered up to this: the last hardened child.
pub const MAX_ACCOUNT: u32 = (1 << 31) - 1;
/// Entropy of a new wallet: 24 words.
pub const NEW_ENTROPY_BYTES: usize = 32;

/// Text that is no list of words. It never quotes a word: a misspelt one gives its neighbours away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// Too few, too many, or none.
    #[error("got {got} words, expected 12, 15, 18, 21 or 24")]
    Count { got: usize },
    /// A word that is not in the English list.
    #[error("word {position} is not one of the 2048 words of the English list; look for a typo there")]
    Unknown { position: usize },
    /// The last word does not fit the others.
    #[error("every word is in the list, but their checksum does not fit: one is wrong, or two are swapped")]
    Checksum,
    /// Bytes that no list of words stands for.
    #[error("got {got} bytes of entropy, expected 16, 20, 24, 28 or 32")]
    Entropy { got: usize },
    /// A path along which no key lies, which happens once in 2^127.
    #[error("no key lies at account {account} of these words; use another account")]
    NoKey { account: u32 },
}

/// Twelve to 24 words from the English list with a valid checksum. They are wiped when dropped.
pub struct Words(Mnemonic);

/// Which key of the words: `m/44'/coin'/account'/0/0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPath {
    coin: u32,
    account: u32,
}

impl KeyPath {
    /// The path of an account (at most [`MAX_ACCOUNT`]) on a network: each real currency has its coin, and
    /// all worthless ones share one, so that a test never touches a key that holds money.
    pub fn new(network: &Network, account: u32) -> Self {
        let coin = if network.spec.params().name == "main" { MAIN_COIN } else { TEST_COIN };
        Self { coin, account }
    }

    fn children(self) -> Result<[ChildNumber; 5], bip32::Error> {
        Ok([
            ChildNumber::new(44, true)?,
            ChildNumber::new(self.coin, true)?,
            ChildNumber::new(self.account, true)?,
            ChildNumber::new(0, false)?,
            ChildNumber::new(0, false)?,
        ])
    }
}

impl Words {
    /// The words that stand for `entropy`: 16 to 32 bytes give 12 to 24 words.
    ///
    /// # Errors
    /// Refuses other lengths.
    pub fn from_entropy(entropy: &[u8]) -> Result<Self, WordsError> {
        let words = Mnemonic::from_entropy_in(Language::English, entropy);
        words.map(Self).map_err(|_| WordsError::Entropy { got: entropy.len() })
    }

    /// Reads words; capitals and white space do not matter.
    ///
    /// # Errors
    /// Says how many there are, which one is unknown, or that they do not belong together.
    pub fn parse(text: &Secret) -> Result<Self, WordsError> {
        let mut clean = Zeroizing::new(String::with_capacity(text.expose().len()));
        for word in text.expose().split_whitespace() {
            if !clean.is_empty() {
                clean.push(' ');
            }
            clean.extend(word.chars().map(|letter| letter.to_ascii_lowercase()));
        }
        let got = clean.split(' ').filter(|word| !word.is_empty()).count();
        Mnemonic::parse_in_normalized(Language::English, &clean).map(Self).map_err(|error| match error {
            bip39::Error::UnknownWord(index) => WordsError::Unknown { position: index.saturating_add(1) },
            bip39::Error::InvalidChecksum => WordsError::Checksum,
            bip39::Error::BadWordCount(_)
            | bip39::Error::BadEntropyBitCount(_)
            | bip39::Error::AmbiguousLanguages(_) => WordsError::Count { got },
        })
    }

    /// What the words stand for.
    pub fn entropy(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.to_entropy())
    }

    /// The words with spaces between.
    pub fn phrase(&self) -> Secret {
        let mut phrase = String::with_capacity(256);
        for word in self.0.words() {
            if !phrase.is_empty() {
                phrase.push(' ');
            }
            phrase.push_str(word);
        }
        Secret::new(phrase)
    }

    /// The key at `path`.
    ///
    /// # Errors
    /// Once in 2^127 there is none.
    pub fn key(&self, path: KeyPath) -> Result<SecretKey, WordsError> {
        SecretKey::from_bytes(&*self.key_bytes(path)?).map_err(|_| WordsError::NoKey { account: path.account })
    }

    /// The same as 32 bytes, for the protocols of shared keys.
    ///
    /// # Errors
    /// Once in 2^127 there is none.
    pub fn key_bytes(&self, path: KeyPath) -> Result<Zeroizing<[u8; 32]>, WordsError> {
        let seed = self.seed("");
        let no_key = WordsError::NoKey { account: path.account };
        let children = path.children().map_err(|_| no_key)?;
        let key = derive(seed.as_ref(), &children).map_err(|_| no_key)?;
        Ok(Zeroizing::new(key.to_bytes()))
    }

    /// The seed of BIP39. Wallets use no passphrase: a mistyped one would open another, empty wallet.
    fn seed(&self, passphrase: &str) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(self.0.to_seed_normalized(passphrase))
    }
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Words(..)")
    }
}

/// The child of `seed` along `path`.
fn derive(seed: &[u8], path: &[ChildNumber]) -> Result<XPrv, bip32::Error> {
    path.iter().try_fold(XPrv::new(seed)?, |key, child| key.derive_child(*child))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVELOPMENT: &str = "test test test test test test test test test test test junk";

    fn words(text: &str) -> Result<Words, WordsError> {
        Words::parse(&Secret::new(String::from(text)))
    }

    fn network(text: &str) -> Network {
        Network::parse(text).expect("shipped")
    }

    /// github.com/trezor/python-mnemonic, vectors.json: entropy, words, seed with the passphrase TREZOR.
    const TREZOR: [(&str, &str, &str); 6] = [
        (
            "00000000000000000000000000000000",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
            "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04",
        ),
        (
            "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
            "legal winner thank year wave sausage worth useful legal winner thank yellow",
            "2e8905819b8723fe2c1d161860e5ee1830318dbf49a83bd451cfb8440c28bd6fa457fe1296106559a3c80937a1c1069be3a3a5bd381ee6260e8d9739fce1f607",
        ),
        (
            "ffffffffffffffffffffffffffffffff",
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
            "ac27495480225222079d7be181583751e86f571027b0497b5b5d11218e0a8a13332572917f0f8e5a589620c6f15b11c61dee327651a14c34e18231052e48c069",
        ),
        (
            "808080808080808080808080808080808080808080808080",
            "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid letter always",
            "107d7c02a5aa6f38c58083ff74f04c607c2d2c0ecc55501dadd72d025b751bc27fe913ffb796f841c49b1d33b610cf0e91d3aa239027f5e99fe4ce9e5088cd65",
        ),
        (
            "0000000000000000000000000000000000000000000000000000000000000000",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art",
            "bda85446c68413707090a52022edd26a1c9462295029f2e60cd7c4f2bbd3097170af7a4d73245cafa9c3cca8d561a7c3de6f5d4a10be8ed2a5e608d68f92fcc8",
        ),
        (
            "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
            "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing screen patrol group space point ten exist slush involve unfold",
            "01f5bced59dec48e362f2c45b5de68b9fd6c92c6634f44d6d40aab69056506f0e35524a518034ddc1192e1dacd32c1ed3eaa3c3b131c88ed8e7e54c49a5d0998",
        ),
    ];

    #[test]
    fn the_published_bip39_vectors_hold() {
        for (entropy, text, seed) in TREZOR {
            let entropy = hex::decode(entropy).expect("hex");
            let made = Words::from_entropy(&entropy).expect("a length of BIP39");
            assert_eq!(made.phrase().expose(), text);
            let read = words(text).expect("valid words");
            assert_eq!(*read.entropy(), entropy);
            assert_eq!(hex::encode(*read.seed("TREZOR")), seed);
        }
    }

    /// BIP32, test vectors 1, 2 and 3: seed, path, extended private key.
    const BIP32: [(&str, &str, &str); 7] = [
        (
            "000102030405060708090a0b0c0d0e0f",
            "m",
            "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
        ),
        (
            "000102030405060708090a0b0c0d0e0f",
            "m/0'",
            "xprv9uHRZZhk6KAJC1avXpDAp4MDc3sQKNxDiPvvkX8Br5ngLNv1TxvUxt4cV1rGL5hj6KCesnDYUhd7oWgT11eZG7XnxHrnYeSvkzY7d2bhkJ7",
        ),
        (
            "000102030405060708090a0b0c0d0e0f",
            "m/0'/1",
            "xprv9wTYmMFdV23N2TdNG573QoEsfRrWKQgWeibmLntzniatZvR9BmLnvSxqu53Kw1UmYPxLgboyZQaXwTCg8MSY3H2EU4pWcQDnRnrVA1xe8fs",
        ),
        (
            "000102030405060708090a0b0c0d0e0f",
            "m/0'/1/2'/2/1000000000",
            "xprvA41z7zogVVwxVSgdKUHDy1SKmdb533PjDz7J6N6mV6uS3ze1ai8FHa8kmHScGpWmj4WggLyQjgPie1rFSruoUihUZREPSL39UNdE3BBDu76",
        ),
        (
            "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a29f9c999693908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542",
            "m/0/2147483647'/1/2147483646'/2",
            "xprvA2nrNbFZABcdryreWet9Ea4LvTJcGsqrMzxHx98MMrotbir7yrKCEXw7nadnHM8Dq38EGfSh6dqA9QWTyefMLEcBYJUuekgW4BYPJcr9E7j",
        ),
        (
            "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be",
            "m",
            "xprv9s21ZrQH143K25QhxbucbDDuQ4naNntJRi4KUfWT7xo4EKsHt2QJDu7KXp1A3u7Bi1j8ph3EGsZ9Xvz9dGuVrtHHs7pXeTzjuxBrCmmhgC6",
        ),
        (
            "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4acba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be",
            "m/0'",
            "xprv9uPDJpEQgRQfDcW7BkF7eTya6RPxXeJCqCJGHuCJ4GiRVLzkTXBAJMu2qaMWPrS7AANYqdq6vcBcBUdJCVVFceUvJFjaPdGZ2y9WACViL4L",
        ),
    ];

    #[test]
    fn the_published_bip32_vectors_hold() {
        for (seed, path, expected) in BIP32 {
            let path: bip32::DerivationPath = path.parse().expect("a path");
            let children: Vec<ChildNumber> = path.iter().collect();
            let key = derive(&hex::decode(seed).expect("hex"), &children).expect("a key");
            assert_eq!(*key.to_string(bip32::Prefix::XPRV), expected);
        }
    }

    #[test]
    fn the_ten_development_keys_own_the_local_allocations() {
        let (words, local) = (words(DEVELOPMENT).expect("valid"), network(cairn_genesis::LOCAL));
        let prefix = local.spec.params().prefix;
        for account in 0..10 {
            let address = words.key(KeyPath::new(&local, account)).expect("a key").address();
            let line = format!("# account {account}\naddress = \"{}\"", prefix.encode(&address));
            assert!(cairn_genesis::LOCAL.contains(&line), "{line}");
        }
    }

    #[test]
    fn the_coin_is_the_networks() {
        let words = words(DEVELOPMENT).expect("valid");
        let address = |text| words.key(KeyPath::new(&network(text), 0)).expect("a key").address();
        assert_eq!(address(cairn_genesis::LOCAL), address(cairn_genesis::TEST));
        assert_ne!(address(cairn_genesis::MAIN), address(cairn_genesis::TEST));
        let path = KeyPath::new(&network(cairn_genesis::MAIN), 7).children().expect("a path");
        assert_eq!(path.map(|child| child.to_string()).join("/"), "44'/8420'/7'/0/0");
    }

    #[test]
    fn every_length_of_bip39_is_read_whatever_its_case_and_spacing() {
        for bytes in [16, 20, 24, 28, 32] {
            let made = Words::from_entropy(&vec![0xa5; bytes]).expect("a length of BIP39");
            let loose = format!("  {}\n", made.phrase().expose().to_uppercase().replace(' ', " \t"));
            assert_eq!(words(&loose).expect("valid").entropy(), made.entropy());
        }
        assert_eq!(Words::from_entropy(&[0; 17]).map(|_| ()), Err(WordsError::Entropy { got: 17 }));
    }

    #[test]
    fn what_is_wrong_with_words_is_said_without_quoting_them() {
        let refused = |text: &str| words(text).map(|_| ()).expect_err("not valid");
        assert_eq!(refused(""), WordsError::Count { got: 0 });
        assert_eq!(refused("test test"), WordsError::Count { got: 2 });
        assert_eq!(refused(&DEVELOPMENT.replace("junk", "hunk")), WordsError::Unknown { position: 12 });
        assert_eq!(refused(&DEVELOPMENT.replace("junk", "test")), WordsError::Checksum);
        assert_eq!(format!("{:?}", words(DEVELOPMENT)), "Ok(Words(..))");
    }
}

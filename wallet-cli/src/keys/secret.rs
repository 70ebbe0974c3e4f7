//! Passwords and words: where they are read from, and memory that is wiped.

use cairn_host::files;
use std::path::{Path, PathBuf};
use std::{fmt, fs::File, io, io::IsTerminal};
use zeroize::Zeroizing;

/// The longest password or list of words that is read: 24 words with spaces are under 250 bytes.
const MAX_SECRET_BYTES: u64 = 4096;
/// What some editors put before text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Text that is wiped from memory when dropped and never shown by accident.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes `text` over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text; whoever asks takes care that it goes nowhere.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Text as editors write it: without the byte order mark that some put before it. Zeros are those of UTF-16,
    /// which is no text here.
    fn from_bytes(bytes: &[u8]) -> Result<Self, SecretError> {
        let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        match std::str::from_utf8(text) {
            Ok(text) if !text.contains('\0') => Ok(Self::new(String::from(text))),
            _ => Err(SecretError::NotText),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where the password comes from. Neither the command line nor the environment is a source: other
/// processes can read both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// The terminal asks.
    Prompt,
    /// The first line of a file.
    File(PathBuf),
    /// The first line of an open file descriptor.
    Descriptor(u32),
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Nobody can be asked.
    #[error("there is no terminal to ask for the {what} ({error}); use {instead}")]
    NoTerminal { what: &'static str, error: io::Error, instead: &'static str },
    /// A file or descriptor that cannot be read.
    #[error("cannot read the {what} from {place}: {error}")]
    Read { what: &'static str, place: String, error: io::Error },
    /// Bytes that are no text.
    #[error("expected text in UTF-8; save the file as that")]
    NotText,
    /// What files and editors lose, and nobody sees.
    #[error("a password must not begin or end with white space: nobody sees it there, and files lose it")]
    HiddenSpace,
    /// Nothing at all.
    #[error("the password is empty; a wallet needs one")]
    EmptyPassword,
    /// The second time was not the first.
    #[error("the two passwords differ; nothing was written")]
    PasswordsDiffer,
}

impl PasswordSource {
    /// The password of a wallet that exists.
    ///
    /// # Errors
    /// Says why there is none.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Prompt => checked(ask("password", "Password: ", PASSWORD_INSTEAD)?),
            Self::File(path) => first_line(path, path.display().to_string()),
            // Opening it again by name needs no unsafe code and leaves the caller's descriptor open.
            Self::Descriptor(number) => {
                first_line(Path::new(&format!("/dev/fd/{number}")), format!("file descriptor {number}"))
            }
        }
    }

    /// A new password; the prompt asks twice.
    ///
    /// # Errors
    /// Says why there is none, also when the two differ.
    pub fn read_new(&self) -> Result<Secret, SecretError> {
        if *self != Self::Prompt {
            return self.read();
        }
        let first = checked(ask("password", "New password for this wallet: ", PASSWORD_INSTEAD)?)?;
        if first.expose().trim() != first.expose() {
            return Err(SecretError::HiddenSpace);
        }
        let second = ask("password", "The same again: ", PASSWORD_INSTEAD)?;
        if first.expose() != second.expose() {
            return Err(SecretError::PasswordsDiffer);
        }
        Ok(first)
    }
}

/// Words, as they were given: from a file, or else from standard input; when that is a terminal, by a prompt that does
/// not echo.
///
/// # Errors
/// Says why there are none.
pub fn read_words(file: Option<&Path>) -> Result<Secret, SecretError> {
    let failed = |place: String| move |error| SecretError::Read { what: "words", place, error };
    let read = match file {
        Some(path) => files::read_bounded(path, MAX_SECRET_BYTES).map_err(failed(path.display().to_string()))?,
        None if io::stdin().is_terminal() => {
            let prompt = "The words, in order, with spaces between (they are not shown): ";
            return ask("words", prompt, "--words-file");
        }
        None => {
            let read = files::read_all_bounded(io::stdin().lock(), MAX_SECRET_BYTES);
            read.map_err(failed(String::from("standard input")))?
        }
    };
    Secret::from_bytes(&Zeroizing::new(read))
}

const PASSWORD_INSTEAD: &str = "--password-file or --password-fd";

fn ask(what: &'static str, prompt: &str, instead: &'static str) -> Result<Secret, SecretError> {
    let answer = rpassword::prompt_password(prompt);
    answer.map(Secret::new).map_err(|error| SecretError::NoTerminal { what, error, instead })
}

fn first_line(path: &Path, place: String) -> Result<Secret, SecretError> {
    let read = File::open(path).and_then(|file| files::read_all_bounded(file, MAX_SECRET_BYTES));
    let bytes = Zeroizing::new(read.map_err(|error| SecretError::Read { what: "password", place, error })?);
    // A byte order mark, the CR of a line end and spaces around the password are the editor's, not its owner's.
    let text = Secret::from_bytes(&bytes)?;
    let line = text.expose().split('\n').next().unwrap_or_default();
    checked(Secret::new(String::from(line.trim())))
}

fn checked(password: Secret) -> Result<Secret, SecretError> {
    if password.expose().is_empty() { Err(SecretError::EmptyPassword) } else { Ok(password) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_file(bytes: &[u8]) -> Result<String, SecretError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        PasswordSource::File(file.path().to_path_buf()).read().map(|secret| String::from(secret.expose()))
    }

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        for bytes in [
            &b"secret word"[..],
            b"secret word\n",
            b"secret word\r\n",
            b"secret word\nmore",
            b"\xef\xbb\xbfsecret word\n",
            b"\xef\xbb\xbfsecret word \t\r\n",
            b" secret word",
        ] {
            assert_eq!(from_file(bytes).expect("a password"), "secret word");
        }
        assert!(matches!(from_file(b""), Err(SecretError::EmptyPassword)));
        assert!(matches!(from_file(b"\nsecret"), Err(SecretError::EmptyPassword)));
        assert!(matches!(from_file(b"\xef\xbb\xbf\r\n"), Err(SecretError::EmptyPassword)));
        for utf16 in [&b"\xff\xfes\0e\0\n\0"[..], b"s\0e\0\n\0", b"\0s\0e"] {
            assert!(matches!(from_file(utf16), Err(SecretError::NotText)), "{utf16:?}");
        }
        assert!(matches!(from_file(&[b'a'; 5000]), Err(SecretError::Read { .. })));
    }

    #[test]
    fn words_are_read_from_a_file_as_any_editor_saves_it() {
        let words = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
        let read = |bytes: &[u8]| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), bytes).expect("written");
            read_words(Some(file.path())).map(|text| crate::keys::Words::parse(&text).is_ok())
        };
        let lines = words.replace(' ', " \r\n");
        for text in [words, &format!("\u{feff}{words}\r\n"), &format!("\u{feff}{lines} \r\n\r\n")] {
            assert!(matches!(read(text.as_bytes()), Ok(true)), "{text:?}");
        }
        assert!(matches!(read(words.replace("about", "above").as_bytes()), Ok(false)), "the control: other words");
        let utf16: Vec<u8> = words.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(matches!(read(&utf16), Err(SecretError::NotText)));
    }

    #[test]
    fn a_secret_is_never_shown() {
        assert_eq!(format!("{:?}", Secret::new(String::from("hunter2"))), "Secret(..)");
    }
}

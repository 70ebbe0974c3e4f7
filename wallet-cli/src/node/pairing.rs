//! A node that let this wallet in: where it is, and the token it gave.
//!
//! `cairn-node token new` prints one line, `cairn-pair:URL#TOKEN`, and `wallet pair` keeps it, one for each
//! network. The token goes to that URL and to no other; with TLS the URL may name the node's certificate
//! ([`NodeUrl`]).

use super::node_url::{NodeUrl, NodeUrlError};
use crate::{keys::Secret, store::DataDir};
use cairn_host::{FileError, files};
use cairn_ledger::BlockId;
use std::{fmt, fs, io, io::ErrorKind, path::Path, str::FromStr};

/// What a pairing line begins with.
const SCHEME: &str = "cairn-pair:";
/// The longest line: a URL and a token are shorter.
pub const MAX_PAIRING_BYTES: u64 = 1_024;

/// A node and the token it takes.
pub struct Pairing {
    /// Where the node is.
    pub url: NodeUrl,
    /// What it is told: a secret.
    pub token: Secret,
}

/// Text that is no pairing line. It does not say what it got: that may hold a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairingError {
    /// Not of the form.
    #[error("expected a line such as cairn-pair:http://127.0.0.1:9741#TOKEN, as cairn-node token new prints it")]
    Form,
    /// The node's place.
    #[error("the line names no node that can be asked: {0}; expected one as cairn-node token new prints it")]
    Url(#[from] NodeUrlError),
}

impl Pairing {
    /// Reads the pairing of a network; none when there is none.
    ///
    /// # Errors
    /// What the system says; [`ErrorKind::InvalidData`] when it is none.
    pub fn load(data: &DataDir, network: &BlockId) -> Result<Option<Self>, FileError> {
        let path = data.pairing_file(network);
        match Self::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(FileError::cannot("read", &path)),
        }
    }

    fn read(path: &Path) -> io::Result<Self> {
        let bytes = files::read_bounded(path, MAX_PAIRING_BYTES)?;
        let text = String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, PairingError::Form))?;
        text.parse().map_err(|error: PairingError| io::Error::new(ErrorKind::InvalidData, error))
    }

    /// Keeps the pairing of a network, in place of an earlier one.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, data: &DataDir, network: &BlockId) -> Result<(), FileError> {
        let path = data.pairing_file(network);
        let line = Secret::new(format!("{SCHEME}{}#{}\n", self.url, self.token.expose()));
        let directory = files::private_dir(path.parent().unwrap_or(Path::new(".")));
        directory.and_then(|()| files::save(&path, line.expose().as_bytes())).map_err(FileError::cannot("write", &path))
    }

    /// Forgets the pairing of a network; whether there was one.
    ///
    /// # Errors
    /// What the system says.
    pub fn forget(data: &DataDir, network: &BlockId) -> Result<bool, FileError> {
        let path = data.pairing_file(network);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(FileError::cannot("delete", &path)(error)),
        }
    }
}

impl FromStr for Pairing {
    type Err = PairingError;

    fn from_str(text: &str) -> Result<Self, PairingError> {
        let (url, token) =
            text.trim().strip_prefix(SCHEME).and_then(|rest| rest.split_once('#')).ok_or(PairingError::Form)?;
        let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        if !plain(url) || !plain(token) || token.contains('#') {
            return Err(PairingError::Form);
        }
        Ok(Self { url: url.parse()?, token: Secret::new(token.to_owned()) })
    }
}

impl fmt::Debug for Pairing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pairing({})", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_genesis::Network;
    use std::os::unix::fs::PermissionsExt;

    const LINE: &str = "cairn-pair:http://127.0.0.1:9741#cairn_00000001_ff";

    #[test]
    fn a_line_is_read_and_its_token_never_shown() {
        let pairing: Pairing = format!(" {LINE}\n").parse().expect("a line");
        assert_eq!((pairing.url.base.as_str(), pairing.token.expose()), ("http://127.0.0.1:9741", "cairn_00000001_ff"));
        assert!(!format!("{pairing:?}").contains("cairn_"));
        for broken in [
            "",
            "cairn-pair:",
            "cairn-pair:http://x",
            "cairn-pair:#t",
            "cairn-pair:http://x#",
            "pair:x#t",
            "cairn-pair:http://x#a#b",
            "cairn-pair:http://x y#t",
            "cairn-pair:http://x#\u{1b}[31m",
        ] {
            assert_eq!(broken.parse::<Pairing>().map(|_| ()), Err(PairingError::Form), "{broken:?}");
        }
        for nowhere in ["cairn-pair:ftp://x#t", "cairn-pair:x#t", "cairn-pair:https://x?cert=1#t"] {
            assert!(matches!(nowhere.parse::<Pairing>(), Err(PairingError::Url(_))), "{nowhere}");
        }
        let hash = "00".repeat(32);
        let pairing: Pairing = format!("cairn-pair:https://[::1]:9741?cert={hash}#t").parse().expect("a line");
        assert_eq!(pairing.url.to_string(), format!("https://[::1]:9741?cert={hash}"));
    }

    #[test]
    fn each_network_has_its_own_privately() {
        let directory = tempfile::tempdir().expect("a directory");
        let data = DataDir::choose(Some(directory.path()), |_| None).expect("asked for");
        let id = |text| Network::parse(text).expect("shipped").id();
        let (local, test) = (id(cairn_genesis::LOCAL), id(cairn_genesis::TEST));
        assert!(Pairing::load(&data, &local).expect("none").is_none());
        LINE.parse::<Pairing>().expect("a line").save(&data, &local).expect("saved");
        let again: Pairing = LINE.replace("9741", "1").parse().expect("a line");
        again.save(&data, &local).expect("replaced");
        let found = Pairing::load(&data, &local).expect("readable").expect("it is there");
        assert_eq!(found.url.base, "http://127.0.0.1:1");
        assert!(Pairing::load(&data, &test).expect("none").is_none());
        let mode = fs::metadata(data.pairing_file(&local)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, files::FILE_MODE);
        fs::write(data.pairing_file(&local), "x").expect("written");
        assert_eq!(
            Pairing::load(&data, &local).map_err(|error| error.error.kind()).expect_err("damaged"),
            ErrorKind::InvalidData
        );
        assert!(Pairing::forget(&data, &local).expect("gone") && !Pairing::forget(&data, &local).expect("was gone"));
    }
}

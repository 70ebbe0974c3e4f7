//! What was promised, on disk: one JSON line each, synced before the gift is paid.
//!
//! As in the wallet's journal, a line is whole when it ends in a newline; a torn last one is a promise that nobody was
//! given, and is cut off. Any other line that cannot be read may hide what was given, and then the faucet does not
//! start. What no limit needs any more, and with it where visitors came from, is dropped at the start.

use super::book::{Book, DAY_MS, Grant, Limits};
use super::challenge::GrantId;
use super::error::FaucetError;
use super::prefix::IpPrefix;
use cairn_host::{FileError, files};
use cairn_ledger::{BlockId, TxId};
use cairn_rpc::{Pebbles, Text};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The version of the file.
const VERSION: u32 = 1;
/// The longest file that is read: years of gifts.
const MAX_BYTES: u64 = 1 << 30;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    /// The first: whose faucet, and on which network.
    Faucet {
        version: u32,
        genesis_id: Text<BlockId>,
        address: String,
    },
    Granted {
        time: u64,
        id: Text<GrantId>,
        address: String,
        from: Text<IpPrefix>,
        amount: Pebbles,
    },
    /// Its payment is mined, and buried.
    Settled {
        time: u64,
        id: Text<GrantId>,
        txid: Text<TxId>,
    },
}

/// Whose faucet it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The network.
    pub genesis_id: BlockId,
    /// The wallet's address.
    pub address: String,
}

/// The file, open for writing by one faucet at a time.
#[derive(Debug)]
pub struct GrantLog {
    path: PathBuf,
    file: File,
    /// How many bytes of it are whole.
    whole: u64,
    /// Why it can no longer be written, if so.
    broken: Option<String>,
    _lock: File,
}

/// Where a faucet's promises are.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// What a running faucet has locked.
    pub lock: PathBuf,
}

/// Reads what was promised, without taking part: for who only looks.
///
/// # Errors
/// As [`open`].
pub fn read(place: &Place, owner: &Owner, limits: Limits) -> Result<Book, FaucetError> {
    let (grants, _) = parse(&place.path, &contents(&place.path)?, owner)?;
    Ok(Book::new(limits, grants))
}

/// Opens or makes the file, and reads what was promised.
///
/// # Errors
/// Another faucet has it; it is damaged, or of another wallet; what the system says.
pub fn open(place: &Place, owner: &Owner, limits: Limits, clock: u64) -> Result<(GrantLog, Book), FaucetError> {
    let path = &place.path;
    let lock = lock(&place.lock)?;
    let (mut grants, had_header) = parse(path, &contents(path)?, owner)?;
    let now = grants.iter().map(|grant| grant.time).max().unwrap_or_default().max(clock);
    let before = grants.len();
    grants.retain(|grant| grant.settled.is_none() || now.saturating_sub(grant.time) < DAY_MS);
    if grants.len() < before || !had_header {
        let text = rewritten(owner, &grants).map_err(FileError::cannot("write", path))?;
        files::save(path, text.as_bytes()).map_err(FileError::cannot("write", path))?;
    }
    let opened = OpenOptions::new().append(true).mode(files::FILE_MODE).open(path).and_then(|file| {
        let whole = whole(&contents_of(path)?);
        file.set_len(whole)?;
        file.sync_all()?;
        Ok((file, whole))
    });
    let (file, whole) = opened.map_err(FileError::cannot("open", path))?;
    Ok((GrantLog { path: path.clone(), file, whole, broken: None, _lock: lock }, Book::new(limits, grants)))
}

impl GrantLog {
    /// Writes down a promise and syncs it. Only then may it be paid.
    ///
    /// # Errors
    /// What the system says; nothing was promised then.
    pub fn granted(&mut self, grant: &Grant) -> Result<(), FileError> {
        self.append(&granted(grant))
    }

    /// Writes down that a promise is kept.
    ///
    /// # Errors
    /// What the system says; it is found out anew after the next start.
    pub fn settled(&mut self, time: u64, id: GrantId, txid: TxId) -> Result<(), FileError> {
        self.append(&Line::Settled { time, id: Text(id), txid: Text(txid) })
    }

    /// Writes to another file from now on; gives the one before.
    #[cfg(test)]
    pub(super) fn swap_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }

    fn append(&mut self, line: &Line) -> Result<(), FileError> {
        let cannot = FileError::cannot("write", &self.path);
        if let Some(reason) = &self.broken {
            return Err(cannot(io::Error::other(reason.clone())));
        }
        let text = text(line).map_err(&cannot)?;
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        if let Err(error) = written {
            // What was written of it must not stand before the next line. Should it come back after a crash all the
            // same, it is a promise that is kept, and counted.
            if let Err(worse) = self.file.set_len(self.whole).and_then(|()| self.file.sync_all()) {
                self.broken = Some(format!("an earlier write failed ({worse}); start the faucet again"));
            }
            return Err(cannot(error));
        }
        self.whole = self.whole.saturating_add(text.len() as u64);
        Ok(())
    }
}

fn lock(path: &Path) -> Result<File, FaucetError> {
    let file = OpenOptions::new().create(true).append(true).mode(files::FILE_MODE).open(path);
    let file = file.map_err(FileError::cannot("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FaucetError::Running { path: path.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(FileError::cannot("lock", path)(error).into()),
    }
}

fn contents_of(path: &Path) -> io::Result<Vec<u8>> {
    match files::read_bounded(path, MAX_BYTES) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, FaucetError> {
    Ok(contents_of(path).map_err(FileError::cannot("read", path))?)
}

/// How many bytes there are up to and with the last newline.
fn whole(bytes: &[u8]) -> u64 {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place as u64 + 1)
}

fn text(line: &Line) -> io::Result<String> {
    Ok(format!("{}\n", serde_json::to_string(line)?))
}

fn granted(grant: &Grant) -> Line {
    Line::Granted {
        time: grant.time,
        id: Text(grant.id),
        address: grant.address.clone(),
        from: Text(grant.from),
        amount: Pebbles(grant.amount),
    }
}

/// A file with these alone.
fn rewritten(owner: &Owner, grants: &[Grant]) -> io::Result<String> {
    let (genesis_id, address) = (Text(owner.genesis_id), owner.address.clone());
    let mut all = text(&Line::Faucet { version: VERSION, genesis_id, address })?;
    for grant in grants {
        all += &text(&granted(grant))?;
        if let Some(txid) = grant.settled {
            all += &text(&Line::Settled { time: grant.time, id: Text(grant.id), txid: Text(txid) })?;
        }
    }
    Ok(all)
}

/// What the whole lines say, and whether the first of them is there.
pub(super) fn parse(path: &Path, bytes: &[u8], owner: &Owner) -> Result<(Vec<Grant>, bool), FaucetError> {
    let end = usize::try_from(whole(bytes)).unwrap_or(usize::MAX);
    let lines = bytes.get(..end).unwrap_or_default().split_inclusive(|byte| *byte == b'\n');
    let (mut grants, mut had_header): (Vec<Grant>, _) = (Vec::new(), false);
    for (line, number) in lines.zip(1_usize..) {
        let damaged = || FaucetError::Damaged { path: path.to_path_buf(), line: number };
        match serde_json::from_slice(line).map_err(|_| damaged())? {
            Line::Faucet { version, genesis_id, address } if number == 1 && version == VERSION => {
                if (genesis_id.0, &address) != (owner.genesis_id, &owner.address) {
                    return Err(FaucetError::OtherOwner { path: path.to_path_buf(), address });
                }
                had_header = true;
            }
            Line::Granted { time, id, address, from, amount } if had_header => {
                let (id, from, amount) = (id.0, from.0, amount.0);
                grants.push(Grant { id, time, address, from, amount, settled: None });
            }
            Line::Settled { id, txid, .. } if had_header => {
                let of = grants.iter_mut().find(|grant| grant.id == id.0).ok_or_else(damaged)?;
                of.settled = Some(txid.0);
            }
            _ => return Err(damaged()),
        }
    }
    Ok((grants, had_header))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::Amount;
    use std::fs;

    fn place(dir: &Path) -> Place {
        Place { path: dir.join("x.faucet"), lock: dir.join("x.faucet.lock") }
    }

    fn owner() -> Owner {
        Owner { genesis_id: BlockId::from_bytes([1; 32]), address: String::from("lcrn1x") }
    }

    fn limits() -> Limits {
        Limits { amount: coin(), per_day: 10, per_prefix: 10 }
    }

    fn coin() -> Amount {
        "1".parse().expect("an amount")
    }

    fn grant(number: u8, time: u64) -> Grant {
        let from = "192.0.2.0/24".parse().expect("a prefix");
        Grant { id: GrantId::of(number), time, address: format!("a{number}"), from, amount: coin(), settled: None }
    }

    /// A file with two promises, one of them kept.
    fn with_two(run: impl FnOnce(&Place)) {
        let dir = tempfile::tempdir().expect("a directory");
        let place = place(dir.path());
        let (mut ledger, book) = open(&place, &owner(), limits(), 0).expect("new");
        assert!(book.grants().is_empty());
        ledger.granted(&grant(1, 1_000)).expect("written");
        ledger.granted(&grant(2, 2_000)).expect("written");
        ledger.settled(3_000, GrantId::of(1), TxId::from_bytes([7; 32])).expect("written");
        drop(ledger);
        run(&place);
    }

    fn ids(book: &Book) -> Vec<GrantId> {
        book.grants().iter().map(|grant| grant.id).collect()
    }

    #[test]
    fn promises_survive_a_restart_and_old_ones_go_with_where_they_came_from() {
        with_two(|place| {
            let (ledger, book) = open(place, &owner(), limits(), 4_000).expect("there");
            assert_eq!(ids(&book), [GrantId::of(1), GrantId::of(2)]);
            assert_eq!(book.open().map(|grant| grant.id).collect::<Vec<_>>(), [GrantId::of(2)]);
            drop(ledger);
            // A day later the one that is kept is gone, and the other is not.
            let (_, book) = open(place, &owner(), limits(), 2 * DAY_MS).expect("there");
            assert_eq!(ids(&book), [GrantId::of(2)]);
            assert_eq!(fs::read_to_string(&place.path).expect("text").matches("192.0.2.0").count(), 1);
        });
    }

    #[test]
    fn a_torn_last_line_is_cut_off_and_any_other_damage_stops_the_faucet() {
        with_two(|place| {
            let whole = fs::read(&place.path).expect("there");
            for cut in 1..60 {
                fs::write(&place.path, &whole[..whole.len() - cut]).expect("written");
                let (mut ledger, book) = open(place, &owner(), limits(), 4_000).expect("torn");
                assert_eq!(book.open().count(), 2, "what was torn is not there");
                ledger.settled(3_000, GrantId::of(1), TxId::from_bytes([7; 32])).expect("written");
                drop(ledger);
                assert_eq!(fs::read(&place.path).expect("there"), whole);
            }
            let text = String::from_utf8(whole).expect("text");
            for damaged in [text.replacen("granted", "grunted", 1), text.replacen("{\"event\":\"granted\"", "", 1)] {
                fs::write(&place.path, damaged).expect("written");
                let refused = open(place, &owner(), limits(), 4_000).map(|_| ());
                assert!(matches!(refused, Err(FaucetError::Damaged { line: 2, .. })), "{refused:?}");
                assert!(read(place, &owner(), limits()).is_err());
            }
        });
    }

    #[test]
    fn one_faucet_at_a_time_and_only_its_own_wallets() {
        with_two(|place| {
            let held = open(place, &owner(), limits(), 4_000).expect("there");
            assert!(matches!(open(place, &owner(), limits(), 4_000), Err(FaucetError::Running { .. })));
            assert_eq!(read(place, &owner(), limits()).expect("who only looks").grants().len(), 2);
            drop(held);
            let other = Owner { genesis_id: BlockId::from_bytes([2; 32]), ..owner() };
            assert!(matches!(open(place, &other, limits(), 4_000), Err(FaucetError::OtherOwner { .. })));
            let other = Owner { address: String::from("lcrn1y"), ..owner() };
            assert!(matches!(open(place, &other, limits(), 4_000), Err(FaucetError::OtherOwner { .. })));
            assert!(open(place, &owner(), limits(), 4_000).is_ok(), "the control");
        });
    }

    #[test]
    fn what_cannot_be_written_is_not_promised() {
        with_two(|place| {
            let (mut ledger, _) = open(place, &owner(), limits(), 4_000).expect("there");
            let before = fs::read(&place.path).expect("there");
            // A disk that is full, as the system has one ready.
            let file = ledger.swap_file(OpenOptions::new().append(true).open("/dev/full").expect("it"));
            assert!(ledger.granted(&grant(3, 5_000)).is_err());
            assert_eq!(fs::read(&place.path).expect("there"), before);
            // It cannot be cut back there either, so it is not trusted again.
            ledger.swap_file(file);
            assert!(ledger.granted(&grant(3, 5_000)).is_err());
            drop(ledger);
            let (mut ledger, book) = open(place, &owner(), limits(), 4_000).expect("there");
            assert_eq!(book.grants().len(), 2);
            ledger.granted(&grant(3, 5_000)).expect("the control");
        });
    }
}

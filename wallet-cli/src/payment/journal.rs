//! Every payment the wallet ever signed: one JSON line each, synced to disk before the payment leaves.
//!
//! The file only grows. A line is whole when it ends in a newline: a crash in the middle of writing leaves
//! a torn last line, whose payment cannot have left, so readers skip it and the next writer cuts it off.
//! Any other line that cannot be read, or whose bytes are not the payment it names, is damage; it is reported, never
//! silently dropped, and nothing is paid unasked while a payment may be hidden in it.
//!
//! It is read line by line: what is too long for a payment costs no memory, and of a node's refusal, however long it
//! was written down, a sentence is kept.

use cairn_genesis::Network;
use cairn_host::inert::{SHORT_CHARS, in_short};
use cairn_host::{FileError, Inert, files};
use cairn_ledger::{Address, AddressPrefix, Amount, Transaction, TxId, validate::check_transactions};
use cairn_rpc::{HexBytes, Pebbles, Text, types::OutputJson};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The longest journal that is read: far more than anybody signs.
const MAX_JOURNAL_BYTES: u64 = 8 << 30;
/// The longest line that is kept: a payment to as many receivers as there may be is a quarter of this.
const MAX_LINE_BYTES: usize = 1 << 20;
/// How much of a longer line is looked at: enough for what a node answered, in short.
const HEAD_BYTES: usize = 2_048;

/// A signed payment. Whoever needs certainty reads `raw`; the rest is for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// When it was signed, Unix ms.
    pub time: u64,
    /// Its id.
    pub txid: Text<TxId>,
    /// The receiver; the first of several.
    pub to: String,
    /// What it receives; all of them together.
    pub amount: Pebbles,
    /// Who receives what, when there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputJson>,
    /// What the miner earns.
    pub fee: Pebbles,
    /// The most that receivers without an account may cost on top.
    pub max_price: Pebbles,
    /// Its place among the sender's transactions.
    pub nonce: Text<u64>,
    /// The last height at which it may be mined; 0 for no limit.
    pub valid_until: u64,
    /// What was said with it.
    pub memo: String,
    /// Its bytes.
    pub raw: HexBytes,
}

/// What a node answered to a payment it did not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When, Unix ms.
    pub time: u64,
    /// Which payment.
    pub txid: Text<TxId>,
    /// The code of the error.
    pub code: i32,
    /// The error in words.
    pub message: String,
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Line {
    Signed(Payment),
    Refused(Refusal),
    /// That a payment left, as its owner was told: a node took it, or it was seen in a block. When, Unix ms.
    Sent {
        time: u64,
        txid: Text<TxId>,
    },
    /// That its owner was asked whether to pay once more beside these. When, Unix ms.
    Asked {
        time: u64,
        txids: Vec<Text<TxId>>,
    },
}

impl Line {
    /// The line as it is written.
    pub(crate) fn to_text(&self) -> serde_json::Result<String> {
        Ok(format!("{}\n", serde_json::to_string(self)?))
    }
}

impl Payment {
    /// What `transaction` pays.
    pub fn new(time: u64, transaction: &Transaction, prefix: &AddressPrefix) -> Self {
        let body = &transaction.body;
        let outputs = OutputJson::list(&body.outputs, prefix);
        // Consensus has no bound on the sum; what no balance can pay is shown as the most there can be.
        let sum = outputs.iter().try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.amount.0));
        Self {
            time,
            txid: Text(transaction.id()),
            to: outputs.first().map(|output| output.to.clone()).unwrap_or_default(),
            amount: Pebbles(sum.unwrap_or(Amount::MAX)),
            outputs: if outputs.len() > 1 { outputs } else { Vec::new() },
            fee: Pebbles(body.fee),
            max_price: Pebbles(body.max_price),
            nonce: Text(body.nonce),
            valid_until: body.valid_until.get(),
            memo: String::from_utf8_lossy(&body.memo).into_owned(),
            raw: HexBytes(cairn_ledger::codec::encode(transaction)),
        }
    }

    /// Whom it pays, in one line and inert.
    pub fn receivers(&self) -> String {
        let first = Inert(&self.to).to_string();
        match self.outputs.len() {
            0 | 1 => first,
            2 => format!("{first} and 1 other"),
            several => format!("{first} and {} others", several - 1),
        }
    }

    /// The transaction, from its bytes.
    pub fn transaction(&self) -> Option<Transaction> {
        Transaction::from_bytes(&self.raw.0).ok()
    }

    /// Whether `address` signed it for `network`: wallets come and go under one name, and so do networks.
    pub fn is_of(&self, address: &Address, network: &Network) -> bool {
        let Some(transaction) = self.transaction() else { return false };
        let ours = transaction.body.sender == *address && transaction.id() == self.txid.0;
        ours && check_transactions(&network.id(), vec![transaction]).is_ok()
    }
}

/// What a journal says.
#[derive(Debug, Default)]
pub struct Contents {
    /// Every payment, oldest first.
    pub payments: Vec<Payment>,
    /// The last refusal of each payment that was refused.
    pub refusals: BTreeMap<[u8; 32], Refusal>,
    /// The payments that left, as their owner was told.
    pub reported: BTreeSet<[u8; 32]>,
    /// The payments that the last question to their owner named.
    pub asked: BTreeSet<[u8; 32]>,
    /// The numbers of the lines that cannot be read, from 1.
    pub damaged_lines: Vec<usize>,
    /// Those of them that may hold a payment, and not only what was noted about one.
    pub hiding: Vec<usize>,
}

impl Contents {
    /// The payment with this id.
    pub fn payment(&self, txid: &TxId) -> Option<&Payment> {
        self.payments.iter().rev().find(|payment| payment.txid.0 == *txid)
    }

    /// What a node last answered to this payment, if it refused it.
    pub fn refusal(&self, txid: &TxId) -> Option<&Refusal> {
        self.refusals.get(txid.as_bytes())
    }

    /// Whether the owner was told that this payment left.
    pub fn is_reported(&self, txid: &TxId) -> bool {
        self.reported.contains(txid.as_bytes())
    }

    /// What the bytes of a journal say.
    #[cfg(test)]
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self::read(bytes).expect("memory can be read").0
    }

    /// Reads a journal to its end: what it says, and how many bytes up to and with its last newline. What follows is
    /// torn.
    fn read(mut source: impl BufRead) -> io::Result<(Self, u64)> {
        let (mut contents, mut whole, mut number) = (Self::default(), 0_u64, 0_usize);
        loop {
            let RawLine { kept, bytes, ended } = line(&mut source)?;
            if !ended {
                return Ok((contents, whole));
            }
            whole = whole.saturating_add(bytes);
            number = number.saturating_add(1);
            if whole > MAX_JOURNAL_BYTES {
                return Err(io::Error::new(ErrorKind::FileTooLarge, too_long()));
            }
            contents.take(&kept, kept.len() as u64 + 1 < bytes, number);
        }
    }

    /// Takes in one line; of one that is `cut` the beginning.
    fn take(&mut self, line: &[u8], cut: bool, number: usize) {
        let parsed = if cut { refusal_in_short(line) } else { serde_json::from_slice(line).ok() };
        match parsed {
            // What is signed is in the bytes; the rest of the line is for people.
            Some(Line::Signed(payment)) if payment.transaction().is_some_and(|it| it.id() == payment.txid.0) => {
                self.payments.push(payment);
            }
            Some(Line::Refused(refusal)) => {
                let message = in_short(&refusal.message);
                self.refusals.insert(*refusal.txid.0.as_bytes(), Refusal { message, ..refusal });
            }
            Some(Line::Sent { txid, .. }) => {
                self.reported.insert(*txid.0.as_bytes());
            }
            Some(Line::Asked { txids, .. }) => {
                self.asked = txids.iter().map(|txid| *txid.0.as_bytes()).collect();
            }
            None if line.is_empty() => {}
            Some(Line::Signed(_)) | None => {
                self.damaged_lines.push(number);
                let note = [REFUSED, SENT, ASKED].iter().any(|begin| line.starts_with(begin.as_bytes()));
                if !note {
                    self.hiding.push(number);
                }
            }
        }
    }
}

/// What a line begins with that says how a node answered.
const REFUSED: &str = "{\"event\":\"refused\"";
/// What a line begins with that says that a payment left.
const SENT: &str = "{\"event\":\"sent\"";
/// What a line begins with that says what its owner was asked.
const ASKED: &str = "{\"event\":\"asked\"";

/// A line, or what there is of it.
struct RawLine {
    /// Without the newline; of one that is too long, the beginning.
    kept: Vec<u8>,
    /// How many bytes it has, the newline counted.
    bytes: u64,
    /// Whether it ends in a newline.
    ended: bool,
}

/// The next line, in bounded memory.
fn line(source: &mut impl BufRead) -> io::Result<RawLine> {
    let mut line = RawLine { kept: Vec::new(), bytes: 0, ended: false };
    loop {
        let chunk = source.fill_buf()?;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let text = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
        let used = text.len().saturating_add(usize::from(end.is_some()));
        line.bytes = line.bytes.saturating_add(used as u64);
        if line.bytes <= MAX_LINE_BYTES as u64 {
            line.kept.extend_from_slice(text);
        } else {
            let room = HEAD_BYTES.saturating_sub(line.kept.len());
            line.kept.extend(text.iter().take(room));
            line.kept.truncate(HEAD_BYTES);
        }
        source.consume(used);
        line.ended = end.is_some();
        if line.ended || used == 0 || line.bytes > MAX_JOURNAL_BYTES {
            return Ok(line);
        }
    }
}

/// The longest escape in a text of JSON: two halves of a character, six letters each.
const ESCAPE: usize = 12;

/// A refusal from the beginning of its line: what a node said may be hundreds of megabytes long.
fn refusal_in_short(head: &[u8]) -> Option<Line> {
    let text = String::from_utf8_lossy(head);
    let (before, message) = text.split_once("\"message\":\"")?;
    let letters: Vec<char> = message.chars().take(SHORT_CHARS).collect();
    // An escape may have been cut in two.
    (0..ESCAPE).find_map(|less| {
        let message: String = letters.iter().take(letters.len().saturating_sub(less)).collect();
        let line = serde_json::from_str(&format!("{before}\"message\":\"{message}...\"}}")).ok();
        line.filter(|line| matches!(line, Line::Refused(_)))
    })
}

fn too_long() -> String {
    format!(
        "longer than {} GB, which no journal is: move it aside, and keep it, for whether a payment in it is open is known \
         from nowhere else",
        MAX_JOURNAL_BYTES >> 30
    )
}

/// Reads a journal; one that is not there is empty.
///
/// # Errors
/// What the system says.
pub fn read(path: &Path) -> Result<Contents, FileError> {
    match File::open(path).and_then(|file| read_file(&file)) {
        Ok((contents, _)) => Ok(contents),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Contents::default()),
        Err(error) => Err(FileError::cannot("read", path)(error)),
    }
}

fn read_file(file: &File) -> io::Result<(Contents, u64)> {
    if file.metadata()?.len() > MAX_JOURNAL_BYTES {
        return Err(io::Error::new(ErrorKind::FileTooLarge, too_long()));
    }
    Contents::read(BufReader::with_capacity(1 << 16, file))
}

/// A journal open for writing, by one process at a time: from reading the nonce to sending, nobody else
/// signs for this wallet.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    contents: Contents,
}

impl Journal {
    /// Opens or makes the journal, waits until nobody else has it open for writing, and cuts off a torn last
    /// line.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::open_file(path).map_err(FileError::cannot("open", path))
    }

    fn open_file(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(files::FILE_MODE).open(path)?;
        files::lock(&file)?;
        files::sync_parent(path)?;
        let (contents, whole) = read_file(&file)?;
        if whole < file.metadata()?.len() {
            file.set_len(whole)?;
        }
        Ok(Self { path: path.to_path_buf(), file, contents })
    }

    /// What it said when it was opened, and what nodes answered since.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Writes a signed payment and syncs it to disk. Only then may it be sent.
    ///
    /// # Errors
    /// What the system says; the payment must not be sent then.
    pub fn record(&mut self, payment: &Payment) -> Result<(), FileError> {
        self.append(&Line::Signed(payment.clone()))
    }

    /// Notes that a node did not take a payment: a sentence at most, and the same one once, however long a node talks
    /// and however often it is asked.
    ///
    /// # Errors
    /// What the system says.
    pub fn refuse(&mut self, time: u64, txid: TxId, code: i32, message: &str) -> Result<(), FileError> {
        let refusal = Refusal { time, txid: Text(txid), code, message: in_short(message) };
        let last = self.contents.refusal(&txid);
        if last.is_some_and(|last| (last.code, &last.message) == (refusal.code, &refusal.message)) {
            return Ok(());
        }
        self.append(&Line::Refused(refusal.clone()))?;
        self.contents.refusals.insert(*txid.as_bytes(), refusal);
        Ok(())
    }

    /// Notes that a payment left, so that its owner is not asked about it again.
    ///
    /// # Errors
    /// What the system says.
    pub fn sent(&mut self, time: u64, txid: TxId) -> Result<(), FileError> {
        if !self.contents.is_reported(&txid) {
            self.append(&Line::Sent { time, txid: Text(txid) })?;
            self.contents.reported.insert(*txid.as_bytes());
        }
        Ok(())
    }

    /// Notes which payments the question names, if there are any, that its owner is asked now: a yes is to these.
    ///
    /// # Errors
    /// What the system says.
    pub fn asked(&mut self, time: u64, txids: &[TxId]) -> Result<(), FileError> {
        if txids.is_empty() {
            return Ok(());
        }
        self.append(&Line::Asked { time, txids: txids.iter().copied().map(Text).collect() })?;
        self.contents.asked = txids.iter().map(|txid| *txid.as_bytes()).collect();
        Ok(())
    }

    fn append(&mut self, line: &Line) -> Result<(), FileError> {
        let text = line.to_text().map_err(io::Error::from);
        let written = text.and_then(|text| self.file.write_all(text.as_bytes())).and_then(|()| self.file.sync_all());
        written.map_err(FileError::cannot("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::plan::{PlanContext, Request, plan, sign};
    use cairn_ledger::{Height, SecretKey, transaction::Output};
    use std::{fs, os::unix::fs::PermissionsExt};

    fn network() -> Network {
        Network::parse(cairn_genesis::LOCAL).expect("shipped")
    }

    fn key() -> SecretKey {
        SecretKey::from_bytes(&[1; 32]).expect("a key")
    }

    fn payment(nonce: u64) -> Payment {
        let coin = Amount::from_pebbles(Amount::PEBBLES_PER_CRN).expect("one");
        let outputs = vec![Output { to: key().address(), amount: coin }];
        let request = Request { outputs, memo: String::from("a\n\u{1b}b"), ..Request::default() };
        let view =
            PlanContext { balance: Amount::MAX, nonce, height: Height::new(5), min_fee_rate: 1, new_accounts: 0 };
        let body = plan(network().spec.schedule(), &key().address(), &request, &view).expect("enough");
        let signed = sign(body, &key(), &network(), &[0; 32]).expect("valid");
        Payment::new(1_700_000_000_000, &signed, &network().spec.params().prefix)
    }

    fn with_journal(test: impl FnOnce(&Path)) {
        let dir = tempfile::tempdir().expect("a directory");
        test(&dir.path().join("w.journal"));
    }

    /// One line each, as it must stay readable for ever.
    const GOLDEN: &str = include_str!("../../tests/golden/wallet.journal");

    #[test]
    fn the_lines_are_the_golden_ones() {
        with_journal(|path| {
            let mut journal = Journal::open(path).expect("made");
            journal.record(&payment(0)).expect("written");
            journal.refuse(1_700_000_000_001, payment(0).txid.0, 3023, "too low\u{7}").expect("written");
            journal.sent(1_700_000_000_002, payment(0).txid.0).expect("written");
            journal.asked(1_700_000_000_003, &[payment(0).txid.0]).expect("written");
            assert_eq!(fs::read_to_string(path).expect("there"), GOLDEN);
        });
    }

    #[test]
    fn what_is_recorded_is_read_back() {
        with_journal(|path| {
            assert!(read(path).expect("not there is empty").payments.is_empty());
            for nonce in 0..3 {
                Journal::open(path).expect("open").record(&payment(nonce)).expect("written");
            }
            let mut journal = Journal::open(path).expect("open");
            journal.refuse(1, payment(1).txid.0, 3023, "fee too low").expect("written");
            journal.asked(2, &[payment(0).txid.0, payment(1).txid.0]).expect("written");
            journal.asked(3, &[payment(2).txid.0]).expect("written");
            journal.asked(4, &[]).expect("nothing was asked");
            drop(journal);
            let contents = read(path).expect("readable");
            assert_eq!(contents.asked, [*payment(2).txid.0.as_bytes()].into(), "a yes is to the last question");
            assert_eq!(contents.payments, [payment(0), payment(1), payment(2)]);
            assert_eq!(contents.payment(&payment(1).txid.0), Some(&payment(1)));
            let refused = contents.refusal(&payment(1).txid.0).map(|refusal| refusal.message.as_str());
            assert_eq!(refused, Some("fee too low"));
            assert!(contents.refusal(&payment(0).txid.0).is_none() && contents.damaged_lines.is_empty());
            assert_eq!(fs::metadata(path).expect("there").permissions().mode() & 0o777, files::FILE_MODE);
        });
    }

    /// The attack: a node that answers with megabytes, again and again. What is kept of it is a sentence, once.
    #[test]
    fn what_a_node_says_is_kept_once_and_in_short() {
        with_journal(|path| {
            let mut journal = Journal::open(path).expect("open");
            journal.record(&payment(0)).expect("written");
            let before = fs::metadata(path).expect("there").len();
            let long = "\u{1b}x".repeat(1 << 20);
            for _ in 0..100 {
                journal.refuse(1, payment(0).txid.0, 3023, &long).expect("written");
            }
            let grown = fs::metadata(path).expect("there").len() - before;
            assert!(grown < 4_096, "{grown}");
            let kept = read(path).expect("readable");
            let kept = kept.refusal(&payment(0).txid.0).expect("kept");
            assert!(kept.message.starts_with("\\u{1b}x") && kept.message.ends_with("..."), "{}", kept.message);
            // The control: another answer is another line.
            journal.refuse(2, payment(0).txid.0, 3020, "nonce used").expect("written");
            assert_eq!(read(path).expect("readable").refusal(&payment(0).txid.0).map(|last| last.code), Some(3020));
        });
    }

    /// A journal from before refusals were kept in short: each as long as a node talked.
    #[test]
    fn a_refusal_of_any_length_is_read_in_short_and_hides_no_payment() {
        with_journal(|path| {
            Journal::open(path).expect("open").record(&payment(0)).expect("written");
            let mut text = fs::read(path).expect("there");
            for (what, code) in [("\\u001b", 1), ("x", 2), ("\\\\", 3), ("ä", 4), ("\\\"", 5)] {
                for pad in 0..7 {
                    let message = format!("{}{}", "y".repeat(pad), what.repeat(3 << 20));
                    let (txid, time) = (payment(code).txid.0, 7);
                    let line = format!(
                        "{REFUSED},\"time\":{time},\"txid\":\"{txid}\",\"code\":{code},\"message\":\"{message}\"}}\n"
                    );
                    if pad == 0 {
                        text.extend_from_slice(line.as_bytes());
                    }
                    let short = refusal_in_short(&line.as_bytes()[..HEAD_BYTES]);
                    assert!(matches!(short, Some(Line::Refused(it)) if it.message.len() < 4_096), "{what} {pad}");
                }
            }
            text.extend_from_slice(Line::Signed(payment(1)).to_text().expect("JSON").as_bytes());
            fs::write(path, &text).expect("written");
            for contents in [read(path).expect("readable"), Journal::open(path).expect("open").contents] {
                assert_eq!(contents.payments, [payment(0), payment(1)]);
                assert!(contents.damaged_lines.is_empty(), "{:?}", contents.damaged_lines);
                for code in 1..6 {
                    let kept = contents.refusal(&payment(code).txid.0).expect("kept");
                    assert!(kept.code == code as i32 && kept.message.len() < 4_096, "{}", kept.message.len());
                }
            }
            assert_eq!(fs::metadata(path).expect("there").len(), text.len() as u64, "nothing is cut off");
        });
    }

    /// What no journal can be is refused with what to do, and before it is read.
    #[test]
    fn a_journal_beyond_all_bounds_is_reported_with_what_to_do() {
        with_journal(|path| {
            Journal::open(path).expect("open").record(&payment(0)).expect("written");
            let length = fs::metadata(path).expect("there").len();
            let file = OpenOptions::new().append(true).open(path).expect("open");
            file.set_len(MAX_JOURNAL_BYTES + 1).expect("a hole");
            for error in [read(path).expect_err("too long"), Journal::open(path).expect_err("too long")] {
                assert!(error.to_string().contains("move it aside, and keep it"), "{error}");
            }
            file.set_len(length).expect("shorter");
            assert_eq!(read(path).expect("the control").payments, [payment(0)]);
        });
    }

    /// A byte that changed on the disk: the line is told of, and not taken for another wallet's.
    #[test]
    fn a_payment_whose_bytes_changed_is_damage() {
        with_journal(|path| {
            let mut journal = Journal::open(path).expect("open");
            journal.record(&payment(0)).expect("written");
            journal.refuse(1, payment(0).txid.0, 3023, "no").expect("written");
            journal.record(&payment(1)).expect("written");
            drop(journal);
            let text = fs::read_to_string(path).expect("there");
            assert!(Contents::parse(text.as_bytes()).damaged_lines.is_empty(), "the control");
            let raw = text.find("\"raw\":\"").expect("there") + 60;
            let mut changed = text.clone().into_bytes();
            changed[raw] = if changed[raw] == b'0' { b'1' } else { b'0' };
            let contents = Contents::parse(&changed);
            assert_eq!((contents.damaged_lines, contents.hiding), (vec![1], vec![1]));
            assert_eq!(contents.payments, [payment(1)]);
            let noted = text.replace("\"code\":3023", "\"code\":x");
            let contents = Contents::parse(noted.as_bytes());
            assert_eq!((contents.damaged_lines, contents.hiding), (vec![2], vec![]), "a note hides no payment");
        });
    }

    #[test]
    fn that_a_payment_left_is_noted_once() {
        with_journal(|path| {
            let mut journal = Journal::open(path).expect("open");
            journal.record(&payment(0)).expect("written");
            assert!(!read(path).expect("readable").is_reported(&payment(0).txid.0));
            for _ in 0..3 {
                journal.sent(5, payment(0).txid.0).expect("written");
            }
            assert!(read(path).expect("readable").is_reported(&payment(0).txid.0));
            assert_eq!(fs::read_to_string(path).expect("there").lines().count(), 2);
        });
    }

    #[test]
    fn a_line_torn_by_a_crash_is_skipped_and_cut_off() {
        with_journal(|path| {
            Journal::open(path).expect("open").record(&payment(0)).expect("written");
            let first = fs::read(path).expect("there");
            let line = serde_json::to_vec(&Line::Signed(payment(1))).expect("JSON");
            for length in 1..=line.len() {
                let torn = line.get(..length).expect("within");
                fs::write(path, [&first[..], torn].concat()).expect("written");
                let contents = read(path).expect("readable");
                assert_eq!((contents.payments.len(), contents.damaged_lines.len()), (1, 0), "{length}");
            }
            Journal::open(path).expect("open").record(&payment(2)).expect("written");
            let contents = read(path).expect("readable");
            assert_eq!(contents.payments, [payment(0), payment(2)]);
            assert!(contents.damaged_lines.is_empty());
        });
    }

    #[test]
    fn damage_in_the_middle_is_reported_and_hides_nothing_else() {
        with_journal(|path| {
            let mut journal = Journal::open(path).expect("open");
            journal.record(&payment(0)).expect("written");
            journal.record(&payment(1)).expect("written");
            drop(journal);
            let text = fs::read_to_string(path).expect("there");
            fs::write(path, text.replacen('\n', "\nnot a payment\n", 1)).expect("written");
            let contents = read(path).expect("readable");
            assert_eq!((contents.payments.len(), contents.damaged_lines), (2, vec![2]));
        });
    }

    #[test]
    fn a_payment_belongs_to_the_wallet_and_network_that_signed_it() {
        let main = Network::parse(cairn_genesis::MAIN).expect("shipped");
        let other = SecretKey::from_bytes(&[2; 32]).expect("a key").address();
        assert!(payment(0).is_of(&key().address(), &network()));
        assert!(!payment(0).is_of(&key().address(), &main));
        assert!(!payment(0).is_of(&other, &network()));
        assert!(!Payment { txid: payment(1).txid, ..payment(0) }.is_of(&key().address(), &network()));
        assert!(!Payment { raw: HexBytes(vec![1]), ..payment(0) }.is_of(&key().address(), &network()));
    }

    #[test]
    fn one_writer_at_a_time() {
        with_journal(|path| {
            let held = Journal::open(path).expect("open");
            let second = OpenOptions::new().append(true).open(path).expect("open");
            assert!(second.try_lock().is_err());
            drop(held);
            assert!(second.try_lock().is_ok());
        });
    }
}

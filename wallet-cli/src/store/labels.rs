//! Names for addresses and payments, as BIP 329 writes them: one JSON object a line, so that the file is its
//! own export. Labels are the owner's notes: nothing is decided by one.

use cairn_host::inert::in_short;
use cairn_host::{FileError, InFile, Inert, files};
use cairn_ledger::TxId;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io, path::Path};

/// The longest label.
pub const MAX_LABEL_BYTES: usize = 255;
/// The most labels: more than anybody writes by hand, few enough to hold.
pub const MAX_LABELS: usize = 100_000;
/// The longest file of labels.
pub const MAX_LABELS_BYTES: u64 = 64 << 20;

/// What a label is for. BIP 329 has more kinds; those name things this ledger does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelKind {
    /// An address.
    Addr,
    /// A payment.
    Tx,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// What it is for.
    #[serde(rename = "type")]
    pub kind: LabelKind,
    /// Which one: the address, or the payment's id.
    #[serde(rename = "ref")]
    pub subject: String,
    /// What it is called.
    pub label: String,
}

/// A line of any kind: BIP 329 says to keep going over those one does not know.
#[derive(Deserialize)]
struct AnyLine {
    r#type: String,
}

/// Why labels cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// The file.
    #[error("{0}")]
    File(#[from] io::Error),
    /// A line that is no label.
    #[error("line {line} is no label in BIP 329 form: {reason}")]
    Line { line: usize, reason: String },
    /// Too long a label.
    #[error("the label of {} has {got} bytes, expected at most {MAX_LABEL_BYTES}", in_short(subject))]
    TooLong { subject: String, got: usize },
    /// Too many of them.
    #[error("there would be {got} labels, expected at most {MAX_LABELS}")]
    TooMany { got: usize },
}

/// The labels of a wallet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<(LabelKind, String), String>);

impl Labels {
    /// Reads a file of labels; one that is not there is empty.
    ///
    /// # Errors
    /// Names the line that is no label.
    pub fn load(path: &Path) -> Result<Self, InFile<LabelsError>> {
        let labels = match files::read_bounded(path, MAX_LABELS_BYTES) {
            Ok(bytes) => Self::parse(&bytes).map(|(labels, _)| labels),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        };
        labels.map_err(InFile::at(path))
    }

    /// Reads labels, and how many lines were of kinds that mean nothing here.
    ///
    /// # Errors
    /// Names the line that is no label.
    pub fn parse(bytes: &[u8]) -> Result<(Self, usize), LabelsError> {
        let (mut labels, mut skipped) = (Self::default(), 0);
        for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
            let bad =
                |error: serde_json::Error| LabelsError::Line { line: number, reason: in_short(&error.to_string()) };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let AnyLine { r#type } = serde_json::from_slice(line).map_err(bad)?;
            if matches!(r#type.as_str(), "addr" | "tx") {
                labels.set(serde_json::from_slice(line).map_err(bad)?)?;
            } else {
                skipped += 1;
            }
        }
        Ok((labels, skipped))
    }

    /// Writes the file, in place of what was there.
    ///
    /// # Errors
    /// What the system says; the old file is whole then.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        files::save(path, self.to_lines().as_bytes()).map_err(FileError::cannot("write", path))
    }

    /// The labels as BIP 329 writes them.
    pub fn to_lines(&self) -> String {
        let lines = self.iter().map(|label| serde_json::to_string(&label).expect("strings are JSON") + "\n");
        lines.collect()
    }

    /// Names something, or with an empty label takes its name away.
    ///
    /// # Errors
    /// Too long a label, or too many of them.
    pub fn set(&mut self, Label { kind, subject, label }: Label) -> Result<(), LabelsError> {
        if label.len() > MAX_LABEL_BYTES {
            return Err(LabelsError::TooLong { subject, got: label.len() });
        }
        if label.is_empty() {
            self.0.remove(&(kind, subject));
            return Ok(());
        }
        self.0.insert((kind, subject), label);
        let got = self.0.len();
        if got > MAX_LABELS { Err(LabelsError::TooMany { got }) } else { Ok(()) }
    }

    /// Takes over every label of `others`; theirs win.
    ///
    /// # Errors
    /// Too many of them.
    pub fn merge(&mut self, others: Self) -> Result<(), LabelsError> {
        others.iter().try_for_each(|label| self.set(label))
    }

    /// What an address is called.
    pub fn address(&self, address: &str) -> Option<&str> {
        self.0.get(&(LabelKind::Addr, String::from(address))).map(String::as_str)
    }

    /// An address with what it is called, inert.
    pub fn named(&self, address: &str) -> String {
        match self.address(address) {
            Some(label) => format!("{} ({})", Inert(address), Inert(label)),
            None => Inert(address).to_string(),
        }
    }

    /// The addresses that are called exactly so.
    pub fn called<'a>(&'a self, label: &'a str) -> impl Iterator<Item = &'a str> {
        let all = self.0.iter().filter(move |((kind, _), called)| *kind == LabelKind::Addr && called.as_str() == label);
        all.map(|((_, subject), _)| subject.as_str())
    }

    /// What a payment is called.
    pub fn payment(&self, txid: &TxId) -> Option<&str> {
        self.0.get(&(LabelKind::Tx, txid.to_string())).map(String::as_str)
    }

    /// Every label, in the order of what they name.
    pub fn iter(&self) -> impl Iterator<Item = Label> {
        self.0.iter().map(|((kind, subject), label)| Label {
            kind: *kind,
            subject: subject.clone(),
            label: label.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(subject: &str, label: &str) -> Label {
        Label { kind: LabelKind::Addr, subject: String::from(subject), label: String::from(label) }
    }

    /// Lines of BIP 329's own example, and one of ours.
    const LINES: &str = r#"{"type":"tx","ref":"f91d0a8a78462bc59398f2c5d7a84fcff491c26ba54c4833478b202796c8aafd","label":"Transaction","origin":"wpkh([d34db33f/84'/0'/0'])"}
{"type":"addr","ref":"tcrn1x","label":"Address"}
{"type":"xpub","ref":"xpub661MyMwAq","label":"Extended Public Key"}
{"type":"output","ref":"f91d0a8a78462bc59398f2c5d7a84fcff491c26ba54c4833478b202796c8aafd:1","spendable":false}

"#;

    #[test]
    fn lines_of_bip_329_are_read_and_written() {
        let (labels, skipped) = Labels::parse(LINES.as_bytes()).expect("labels");
        assert_eq!((labels.iter().count(), skipped, labels.address("tcrn1x")), (2, 2, Some("Address")));
        assert_eq!(Labels::parse(labels.to_lines().as_bytes()).expect("labels"), (labels, 0));
    }

    #[test]
    fn a_file_is_replaced_whole_and_a_broken_one_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("w.labels");
        let mut labels = Labels::load(&path).expect("not there is empty");
        labels.set(label("a", "x\u{1b}[2J\n")).expect("short");
        labels.set(label("b", "y")).expect("short");
        labels.save(&path).expect("written");
        assert_eq!(Labels::load(&path).expect("labels"), labels);
        labels.set(label("b", "")).expect("gone");
        labels.save(&path).expect("written");
        assert_eq!(Labels::load(&path).expect("labels").iter().count(), 1);
        for broken in ["{}", "x", "{\"type\":\"addr\"}", "{\"type\":\"addr\",\"ref\":1,\"label\":\"\"}"] {
            std::fs::write(&path, format!("\n{broken}\n")).expect("written");
            assert!(
                matches!(Labels::load(&path), Err(InFile { error: LabelsError::Line { line: 2, .. }, .. })),
                "{broken}"
            );
        }
        let long = labels.set(label("a", &"x".repeat(256)));
        assert!(matches!(long, Err(LabelsError::TooLong { got: 256, .. })));
    }
}

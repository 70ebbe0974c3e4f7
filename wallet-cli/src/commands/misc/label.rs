//! `wallet label`, `wallet labels`: what addresses and payments are called; `import-labels`, `export-labels`.

use crate::{
    cli::{FileArgument, LabelArguments},
    commands::user_file::write_new,
    error::Result,
    output::Output,
    session::{Session, decode_address},
    store::labels::{Kind, Label, Labels, LabelsError, MAX_LABELS_BYTES},
};
use cairn_genesis::Network;
use cairn_host::{
    files::{self, FileError, InFile},
    inert::Inert,
};
use cairn_ledger::hash::TxId;
use serde::Serialize;
use std::{fmt, fs};

#[derive(Serialize)]
struct Named {
    labels: Vec<Label>,
    #[serde(skip)]
    next: String,
}

#[derive(Serialize)]
struct Imported {
    labels: usize,
    /// Lines of kinds that mean nothing on this ledger.
    skipped: usize,
}

#[derive(Serialize)]
struct Exported {
    labels: usize,
    file: String,
}

pub(crate) fn set(session: &Session<'_>, options: &LabelArguments, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let subject = subject(&network, &options.subject)?;
    let label = Label { label: options.label.clone(), ..subject };
    let _changing = changing(session)?;
    set_label(session, label.clone())?;
    Ok(output.result(&Named { labels: vec![label], next: session.hints.here("labels") })?)
}

pub(crate) fn list(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    let labels = session.labels()?.iter().collect();
    Ok(output.result(&Named { labels, next: session.hints.here("label ADDRESS TEXT") })?)
}

pub(crate) fn import(session: &Session<'_>, options: &FileArgument, output: &mut Output<'_>) -> Result<()> {
    let path = &options.file;
    let failed = InFile::at(path);
    let bytes = files::read_bounded(path, MAX_LABELS_BYTES).map_err(|error| failed(LabelsError::File(error)))?;
    let (others, skipped) = Labels::parse(&bytes).map_err(&failed)?;
    let count = others.iter().count();
    let _changing = changing(session)?;
    let mut labels = session.labels()?;
    labels.merge(others).map_err(failed)?;
    labels.save(&session.data.labels_file(&session.name))?;
    Ok(output.result(&Imported { labels: count, skipped })?)
}

pub(crate) fn export(session: &Session<'_>, options: &FileArgument, output: &mut Output<'_>) -> Result<()> {
    let labels = session.labels()?;
    write_new(&options.file, labels.to_lines().as_bytes())?;
    let file = options.file.display().to_string();
    Ok(output.result(&Exported { labels: labels.iter().count(), file })?)
}

/// Labels may come before the wallet: then its directory is made.
fn changing(session: &Session<'_>) -> Result<fs::File> {
    files::private_dir(session.data.wallets()).map_err(FileError::cannot("make", session.data.wallets()))?;
    session.lock()
}

/// Names something in the file of labels, which the session keeps locked.
pub(crate) fn set_label(session: &Session<'_>, label: Label) -> Result<()> {
    let path = session.data.labels_file(&session.name);
    let mut labels = session.labels()?;
    labels.set(label).map_err(InFile::at(&path))?;
    Ok(labels.save(&path)?)
}

/// An address of the network, or else a payment's id.
fn subject(network: &Network, text: &str) -> Result<Label> {
    let (kind, subject) = match text.parse::<TxId>() {
        Ok(txid) => (Kind::Tx, txid.to_string()),
        Err(_) => {
            let address = decode_address(network, text)?;
            (Kind::Addr, network.spec.params().prefix.encode(&address))
        }
    };
    Ok(Label { kind, subject, label: String::new() })
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.labels.is_empty() {
            return writeln!(f, "No labels yet. Name an address or a payment with {}", self.next);
        }
        for Label { subject, label, .. } in &self.labels {
            let label = if label.is_empty() { "(no label any more)" } else { label };
            writeln!(f, "{}  {}", Inert(subject), Inert(label))?;
        }
        Ok(())
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { labels, skipped } = self;
        writeln!(f, "Took over {labels} labels; {skipped} lines are of kinds that mean nothing on this ledger.")
    }
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Wrote {} labels to {}", self.labels, self.file)
    }
}

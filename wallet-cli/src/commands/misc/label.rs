//! `wallet label`, `wallet labels`: what addresses and payments are called; `import-labels`, `export-labels`.

use crate::store::{Label, LabelKind, Labels, LabelsError, MAX_LABELS_BYTES};
use crate::{Output, Result, Session, commands::write_new, session::decode_address};
use cairn_genesis::Network;
use cairn_host::{FileError, InFile, Inert, files};
use cairn_ledger::TxId;
use serde::Serialize;
use std::{fmt, fs, path::Path};

#[derive(Serialize)]
struct Named {
    labels: Vec<Label>,
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

pub(crate) fn set(session: &Session<'_>, subject: &str, label: &str, output: &mut Output<'_>) -> Result<()> {
    let (kind, subject) = named(session.network()?, subject)?;
    let label = Label { kind, subject, label: String::from(label) };
    let _changing = changing(session)?;
    set_label(session, label.clone())?;
    let named = Named { labels: vec![label] };
    Ok(output.result(&named, &named)?)
}

pub(crate) fn list(session: &Session<'_>, output: &mut Output<'_>) -> Result<()> {
    let named = Named { labels: session.labels()?.iter().collect() };
    if named.labels.is_empty() {
        let label = session.hints.here("label ADDRESS TEXT");
        return Ok(output.result(&named, format_args!("No labels yet. Name an address or a payment with {label}\n"))?);
    }
    Ok(output.result(&named, &named)?)
}

pub(crate) fn import(session: &Session<'_>, path: &Path, output: &mut Output<'_>) -> Result<()> {
    let failed = InFile::at(path);
    let bytes = files::read_bounded(path, MAX_LABELS_BYTES).map_err(|error| failed(LabelsError::File(error)))?;
    let (others, skipped) = Labels::parse(&bytes).map_err(&failed)?;
    let count = others.iter().count();
    let _changing = changing(session)?;
    let mut labels = session.labels()?;
    labels.merge(others).map_err(failed)?;
    labels.save(&session.data.labels_file(&session.name))?;
    let text =
        format_args!("Took over {count} labels; {skipped} lines are of kinds that mean nothing on this ledger.\n");
    Ok(output.result(&Imported { labels: count, skipped }, text)?)
}

pub(crate) fn export(session: &Session<'_>, path: &Path, output: &mut Output<'_>) -> Result<()> {
    let labels = session.labels()?;
    write_new(path, labels.to_lines().as_bytes())?;
    let exported = Exported { labels: labels.iter().count(), file: path.display().to_string() };
    Ok(output.result(&exported, format_args!("Wrote {} labels to {}\n", exported.labels, exported.file))?)
}

/// Labels may come before the wallet: then its directory is made.
fn changing(session: &Session<'_>) -> Result<fs::File> {
    files::private_dir(&session.data.wallets).map_err(FileError::cannot("make", &session.data.wallets))?;
    session.lock()
}

/// Names something in the file of labels, which the session keeps locked.
pub(crate) fn set_label(session: &Session<'_>, label: Label) -> Result<()> {
    let path = session.data.labels_file(&session.name);
    let mut labels = session.labels()?;
    labels.set(label).map_err(InFile::at(&path))?;
    Ok(labels.save(&path)?)
}

/// What is named: an address of the network, or else a payment's id.
fn named(network: &Network, text: &str) -> Result<(LabelKind, String)> {
    if let Ok(txid) = text.parse::<TxId>() {
        return Ok((LabelKind::Tx, txid.to_string()));
    }
    let address = decode_address(network, text)?;
    Ok((LabelKind::Addr, network.spec.params().prefix.encode(&address)))
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.labels.iter().try_for_each(|Label { subject, label, .. }| {
            let label = if label.is_empty() { "(no label any more)" } else { label };
            writeln!(f, "{}  {}", Inert(subject), Inert(label))
        })
    }
}

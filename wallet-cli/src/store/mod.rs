//! What lies on the disk besides keys and payments.
//!
//! # Map
//! | part | what |
//! |---|---|
//! | [`data_dir`] | where files are |
//! | [`labels`] | names for addresses and payments (BIP 329) |
//!
//! How they are written, whole or not at all: [`cairn_host::files`].

mod data_dir;
#[cfg(test)]
mod fuzz;
mod labels;

pub(crate) use data_dir::{DataDir, NoDataDir, WalletName};
pub(crate) use labels::{Label, LabelKind, Labels, LabelsError, MAX_LABEL_BYTES, MAX_LABELS_BYTES};

//! What lies on the disk besides keys and payments.
//!
//! # Map
//! | part | what |
//! |---|---|
//! | [`data_dir`] | where files are |
//! | [`labels`] | names for addresses and payments (BIP 329) |
//!
//! How they are written, whole or not at all: [`cairn_host::files`].

pub mod data_dir;
pub mod labels;

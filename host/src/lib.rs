//! What Cairn's programs have in common with the machine they run on: files, shells and terminals.
//!
//! # Map
//! | module | what |
//! |---|---|
//! | [`file_stamp`] | whether a file was replaced |
//! | [`files`] | small private files: read within a bound, written whole or not at all, locked |
//! | [`inert`] | text from outside without control characters |
//! | [`shell`] | paths that begin with `~`, commands to copy, lines that fit the terminal |

#![forbid(unsafe_code)]

pub mod file_stamp;
pub mod files;
#[cfg(test)]
mod fuzz;
pub mod inert;
pub mod shell;

pub use files::{FileError, InFile};
pub use inert::Inert;
pub use shell::quoted;

//! Names, pairing, and pages for shells and readers.

pub(crate) mod label;
pub(crate) mod pages;
pub(crate) mod pair;

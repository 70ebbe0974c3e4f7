//! Names, pairing, and pages for shells and readers.

pub(super) mod label;
pub(super) mod pages;
pub(super) mod pair;

//! Whom this node dials by itself.

pub(crate) mod backoff;
pub(crate) mod persistent;
pub(crate) mod slots;

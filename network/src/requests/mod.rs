//! Requests to peers, and answers to theirs.

pub(crate) mod class;
pub(crate) mod fairness;
pub(crate) mod queue;
pub(crate) mod responder;
pub(crate) mod upload_target;

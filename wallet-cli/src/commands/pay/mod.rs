//! Commands that pay, or help a payment along.

pub(crate) mod cosign;
pub(crate) mod offline;
pub(crate) mod repair;
pub(crate) mod replace;
pub(crate) mod resend;
pub(crate) mod send;

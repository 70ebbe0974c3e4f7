//! Commands that pay, or help a payment along.

pub(super) mod cosign;
pub(super) mod faucet;
pub(super) mod offline;
pub(super) mod resend;
pub(super) mod send;

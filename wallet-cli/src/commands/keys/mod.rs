//! Commands about wallets and their keys.

pub(super) mod accounts;
pub(super) mod message;
pub(super) mod new;
pub(super) mod password;
pub(super) mod shared;

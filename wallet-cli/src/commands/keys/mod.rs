//! Commands about wallets and their keys.

pub(crate) mod accounts;
pub(crate) mod message;
pub(crate) mod new;
pub(crate) mod password;
pub(crate) mod restore;
pub(crate) mod shared;
mod wallet_file;
pub(crate) mod watch_only;

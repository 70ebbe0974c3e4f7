//! Commands that show what is there.

pub(crate) mod address;
pub(crate) mod balance;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod overview;
pub(crate) mod receipt;
pub(crate) mod receive;
pub(crate) mod received;
pub(crate) mod status;
pub(crate) mod watch;
pub(crate) mod why;

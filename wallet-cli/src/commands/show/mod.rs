//! Commands that show what is there.

pub(super) mod balance;
pub(super) mod history;
pub(super) mod receipt;
pub(super) mod receive;
pub(super) mod status;
pub(super) mod watch;

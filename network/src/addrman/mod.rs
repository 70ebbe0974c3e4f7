//! Where other nodes are, and who told of it (Bitcoin Core: `addrman`).

pub(crate) mod book;
pub(crate) mod file;
pub(crate) mod ip_groups;
pub(crate) mod node_address;

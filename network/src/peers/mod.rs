//! Who is connected, how they stand, and who is refused.

pub(crate) mod access;
pub(crate) mod bans;
pub(crate) mod connection_rules;
pub(crate) mod eviction;
pub(crate) mod peer_upgrades;
pub(crate) mod prefix_limiter;
pub(crate) mod score;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod traffic;

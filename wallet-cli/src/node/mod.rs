//! Nodes: how they are asked, and what of their answers is proven.
//!
//! # Map
//! | part | what |
//! |---|---|
//! | [`client`], [`budget`] | the node, as the wallet sees it; the time it has to answer |
//! | [`node_url`], [`pairing`] | where a node is and by which certificate it is known; the one that gave this wallet a token |
//! | [`verify`] | **what nodes say, proven**: the most work, accounts and payments under it, and who lied |

pub mod budget;
pub mod client;
pub mod node_url;
pub mod pairing;
pub mod verify;

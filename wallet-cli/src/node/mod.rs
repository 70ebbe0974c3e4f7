//! Nodes: how they are asked, and what of their answers is proven.
//!
//! # Map
//! | part | what |
//! |---|---|
//! | [`client`], [`budget`] | the node, as the wallet sees it; the time it has to answer |
//! | [`nodes`] | the nodes that a command asks, and how far it believes them |
//! | [`node_url`], [`pairing`] | where a node is and by which certificate it is known; the one that gave this wallet a token |
//! | [`verify`] | **what nodes say, proven**: the most work, accounts and payments under it, and who lied |

pub mod budget;
pub mod client;
pub mod error;
pub mod node_url;
pub mod nodes;
pub mod pairing;
pub mod verify;

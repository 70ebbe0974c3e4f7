//! The Cairn ledger: types, encoding, consensus rules and proofs.
//!
//! This crate is pure. It has no clock, no disk, no network, no randomness and no threads: time,
//! parameters and loaded state are arguments, and the same arguments always give the same answer. The
//! node and the wallet both stand on it, so what one accepts the other proves.
//!
//! # Map
//! | module | what |
//! |---|---|
//! | [`units`], [`hash`], [`keys`], [`address`] | amounts, heights, times; ids; keys; what people type |
//! | [`codec`] | the one encoding |
//! | [`transaction`], [`block`], [`merkle`] | the objects and their layouts |
//! | [`schnorr`], [`pow`] | signatures; targets, work and the difficulty rule |
//! | [`accounts`], [`mmr`] | the commitments to all accounts and to all blocks, with proofs |
//! | [`chain_spec`] | the rules of one network and its block 0 |
//! | [`validate`] | **the rules**: four levels of validity |
//! | [`error`] | broken rules, and whose fault they are |
//! | [`fork_choice`] | which chain to follow |
//! | [`light`] | proofs for those who keep nothing but the genesis id |
//!
//! # The path of a block
//! bytes → [`Block`] (decoded) → [`LinkedHeader`] →
//! [`CheckedBlock`] → [`ConnectedBlock`](validate::ConnectedBlock). Each step is
//! a type that only its check can make; [`validate`] has the table.
//!
//! # Invariants
//! 1. Nothing here panics, whatever the input: arithmetic is checked, indexing is by `get`.
//! 2. One value, one encoding; ids are hashes over written-out layouts, pinned by golden vectors.
//! 3. The sum of all balances equals allocations plus subsidies, after every block.
//!
//! # Looking for ...
//! | what | where |
//! |---|---|
//! | ASERT, difficulty adjustment, retarget, nBits, chain work | [`pow`] |
//! | BIP340, batch verification | [`schnorr`] |
//! | anti-DoS work threshold, most work, reorganisation | [`fork_choice`] |
//! | deployments, activation heights, soft and hard forks | [`upgrades`] |
//! | FlyClient, SPV, receipts | [`light`] |
//! | midstate, multi-scalar multiplication, nonce search, SIMD | [`cairn_kernels`] |
//! | MMR (Merkle mountain range), header commitment | [`mmr`] |
//! | RFC 6962, transaction inclusion proof | [`merkle`] |
//! | sighash, txid, replay protection | [`transaction`] |
//! | state root, account proofs, non-membership | [`accounts`] |
//! | subsidy, halving, total supply, chain parameters | [`chain_spec`] |
//! | `CheckBlockHeader`, `ContextualCheckBlockHeader`, `CheckBlock`, `ConnectBlock` | [`validate`] |
//! | wire format, compact size | [`codec`] |
//!
//! # Mining block 1
//! ```
//! use cairn_ledger::{testing, validate::{check_header, check_work, ChainContext, CheckedBlock}};
//!
//! let spec = testing::easy_network();
//! let parent = ChainContext::genesis(&spec);
//! let block = testing::mine(&spec, &parent, &testing::genesis_state(&spec), vec![]);
//!
//! let now = block.header.time;
//! let linked = check_header(&spec, &parent, check_work(&spec, block.header)?, now)?;
//! let checked = CheckedBlock::check(&spec, linked, block.body)?;
//! assert_eq!(checked.header().header().height.get(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(any(test, feature = "testing")),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should"))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod accounts;
pub mod address;
pub mod block;
pub mod chain_spec;
pub mod codec;
pub mod error;
pub mod fork_choice;
pub mod hash;
pub mod keys;
pub mod light;
pub mod merkle;
pub mod mmr;
pub mod pow;
pub mod schnorr;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transaction;
pub mod units;
pub mod upgrades;
pub mod validate;

pub use accounts::{Account, AccountProof};
pub use address::AddressPrefix;
pub use block::{Block, Body, Header};
pub use chain_spec::ChainSpec;
pub use error::{BlockError, HeaderError, TxError};
pub use hash::{BlockId, Hash, TxId};
pub use keys::{Address, SecretKey, Signature};
pub use pow::Work;
pub use transaction::{Transaction, TransactionBody};
pub use units::{Amount, Height, Timestamp};
pub use validate::{ChainContext, CheckedBlock, CheckedTransaction, LinkedHeader};

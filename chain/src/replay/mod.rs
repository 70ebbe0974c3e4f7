//! Whole chains at once: out of a stopped node into a file, from a file into a stopped node, and from the
//! store once more through every rule.
//!
//! # The path of a block
//! a file ([`BlockFile`]) or the store → a thread that reads and decodes ahead, in pieces →
//! [`ChainHandle::link_headers`](crate::ChainHandle::link_headers), a piece at a time →
//! [`ChainHandle::import`](crate::ChainHandle::import), as many in flight as keep all workers busy. It is
//! the path of a synchronisation, without the network: nothing is skipped because a block comes from this
//! machine.
//!
//! # Map
//! `file` the form of a file of blocks · `feed` blocks into the chain, and the figures of it · `export` store → file ·
//! `import` file → store, also where the file's chain leaves the stored one · `salvage` damaged store → fresh store ·
//! `verify` store → a scratch store, and a comparison of the two
//!
//! # Invariants
//! 1. What is read is judged by `cairn_ledger`'s rules alone; a file is as little trusted as a peer.
//! 2. Memory is bounded, whatever a file claims: pieces, the queue of them, and imports in flight have limits.
//! 3. A run that is interrupted loses nothing but time: an import goes on where it stopped, an export leaves no
//!    file that looks whole, a verification leaves no scratch behind.
//! 4. The stored chain that is verified is only read.

mod export;
mod feed;
mod file;
#[cfg(test)]
mod fuzz;
mod import;
mod salvage;
#[cfg(test)]
mod tests;
mod verify;

pub use export::{Export, Exported, export};
pub use feed::{ReplayError, Replayed};
pub use file::{BlockFile, BlockFileWriter, FileError};
pub use import::{Imported, import};
pub use salvage::{Salvaged, salvage};
pub use verify::{SCRATCH_PREFIX, Verified, VerifyError, verify};

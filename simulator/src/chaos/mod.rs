//! Scenarios on real `cairn-node` processes: the same files and the same faults of a seed as in the simulator, in real
//! time, with real sockets, signals, disks and clocks.
//!
//! # Map
//! | module | what |
//! |---|---|
//! | [`run`] | the command, and what people read |
//! | [`course`] | a scenario from its beginning to the verdict |
//! | [`fleet`] | all processes with what is under them, and what goes wrong with them |
//! | [`process`] | one process |
//! | [`between`] | namespaces or proxies between them |
//! | [`rpc`] | asking a node at its Unix socket |
//! | [`payments`] | wallets that pay, and what became of it |
//! | [`verdict`] | what must hold |
//! | [`interrupt`] | Ctrl-C |
//!
//! # Invariants
//! 1. Every process is ended by the handle that started it, whatever happens; nothing else is.
//! 2. What is said to be wrong is wrong: a kind of fault that cannot be had here is left out with a sentence.
//! 3. Nothing is taken for granted that a node can be asked.

pub mod between;
pub mod course;
pub mod fleet;
pub mod interrupt;
pub mod payments;
pub mod process;
pub mod rpc;
pub mod run;
pub mod verdict;

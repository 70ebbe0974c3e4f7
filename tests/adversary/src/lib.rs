//! A prover that may do everything but work, against the verifier of light proofs.
//!
//! The network is the real one with easy targets: a block takes some hundred attempts, so that the adversary really
//! mines what it mines, and a budget counts it. Everything else it may choose: where it forks, which blocks it invents
//! and what it says of them, times, difficulty, which of its blocks it opens, and as many random bytes of the asker as
//! it likes to wait for.
//!
//! # Map
//! | part | what |
//! |---|---|
//! | [`forge`] | a chain of real, unmined and invented blocks, its history merged without conditions, and proofs of it |
//! | [`breaches`] | proofs that each break one rule and are right in everything else |
//! | [`plan`] | a forged chain as parameters: forks, inventions, climbs and drops of difficulty |
//! | [`search`] | looks for the plan that gets through most likely for the work it costs |
//! | [`bound`] | what is possible at best with a share of the work, luck included: the figures of docs/light-proofs.md |
//!
//! # The path of an attack
//! [`plan::Plan`] → [`forge::Forger`] mines, invents and counts → a tip → the asker's random bytes →
//! [`forge::Forger::prove`] → bytes → the verifier.
//!
//! # Invariants
//! 1. The adversary's history is made by its own code: the verifier's is what is under attack.
//! 2. Whatever it mines is paid from the budget at the block's expected price.
//! 3. A proof of the adversary's counts as accepted when the real verifier accepts its bytes.

#![forbid(unsafe_code)]

pub mod bound;
pub mod breaches;
pub mod forge;
pub mod plan;
pub mod search;

use cairn_ledger::chain_spec::{ChainParams, ChainSpec};
use cairn_ledger::{pow::CompactTarget, testing::easy_params};

/// A network with the main network's pace of difficulty, on which a block takes about 256 attempts.
pub fn network() -> ChainSpec {
    paced(30_000, 3_600_000)
}

/// The same with the local networks' pace.
pub fn local_network() -> ChainSpec {
    paced(2_000, 20_000)
}

fn paced(interval_ms: u64, half_life_ms: u64) -> ChainSpec {
    let (genesis_target, name) = (CompactTarget::from_bits(0x2000_ffff), String::from("attacked"));
    let params = ChainParams { name, interval_ms, half_life_ms, genesis_target, ..easy_params() };
    ChainSpec::new(params).expect("valid parameters")
}

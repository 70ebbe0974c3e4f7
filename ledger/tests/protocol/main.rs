//! The rules of docs/protocol.md, tested from outside: only what other crates can see is used here.
//!
//! | file | what |
//! |---|---|
//! | `golden` | every encoding and hash against committed vectors, and the document that quotes them |
//! | `layouts` | the encoder against layouts written out by hand |
//! | `bip340` | the official signature vectors, single and in batches |
//! | `accounts` | blocks applied and undone, the supply, proofs of members and absentees |
//! | `mmr` | the mountain range against another implementation, and its proofs |
//! | `next_target`, `difficulty` | the difficulty rule against another implementation, and in simulation |
//! | `values`, `networks`, `transactions`, `headers`, `blocks` | each broken rule by name, one mutation each |
//! | `quotes` | that each check quotes its rule, word for word |
//! | `light` | light proofs and receipts, and what is tried against them |
//! | `bit_flips`, `attacks` | what will be tried, each attack beside its honest neighbour |
//! | `fuzz` | what nobody thought of |
//!
//! The vectors stand in `ledger/tests/vectors/`. `CAIRN_REGENERATE=1 cargo test --release -p cairn-ledger
//! --test protocol golden` writes them, and those quoted in docs/protocol.md, anew instead of comparing;
//! every changed line is then a change of consensus.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod accounts;
mod attacks;
mod bip340;
mod bit_flips;
mod blocks;
mod difficulty;
mod fuzz;
mod golden;
mod headers;
mod layouts;
mod light;
mod mmr;
mod networks;
mod next_target;
mod quotes;
mod support;
mod transactions;
mod values;

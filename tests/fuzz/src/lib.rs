//! A fuzzer that is a test: it feeds a decoder, or any machine that eats what strangers send, with bytes made from
//! valid ones, and ends with the shortest it can find that breaks a promise.
//!
//! A target stands beside the code it attacks, in a module `fuzz`, as a test of the target's own name:
//! ```
//! use cairn_fuzz::Target;
//!
//! # fn decode(bytes: &[u8]) -> Option<u8> { (bytes.len() == 1).then(|| bytes[0]) }
//! Target::new("doc_byte").seeds([[7]]).run(|bytes| {
//!     let Some(value) = decode(bytes) else { return false };
//!     assert_eq!([value], bytes, "one value, one encoding");
//!     true
//! });
//! ```
//! The closure says whether it understood the bytes, and panics where a promise is broken. Each seed has to be
//! understood, or the target attacks nothing but the first check. Beside what the closure asserts, memory is bounded
//! for each input ([`Target::memory`]): a length that nothing stands behind buys none.
//!
//! # Ways to run
//! | how | what |
//! |---|---|
//! | `cargo test` | seeds and corpus, then a quarter of a second of mutations, the same ones on every machine as far as it gets |
//! | `scripts/fuzz.sh TARGET MINUTES` | for long, guided by coverage; what reaches new code is kept between runs |
//! | `scripts/fuzz.sh --replay FILE` | one input, with the panic it makes |
//! | `scripts/fuzz.sh --merge TARGET` | keeps the least inputs that reach what the long runs reached, in the corpus |
//!
//! # Map
//! [`Target`] what a target is · `mode` how it is run · `session` one run · `execute` one input, and what it broke ·
//! `mutate` new inputs from old ones · `coverage` what code was reached · `memory` what was allocated · `files` corpus
//! and findings · `rng` the dice
//!
//! # Invariants
//! 1. A finding is on the disk before anything tells of it, and in a long run every input is before it is tried: what
//!    ends the process itself can be looked at, too.
//! 2. Without an environment of ours, a run is bounded in time, and draws its mutations from the target's name alone.

mod coverage;
mod execute;
mod files;
mod memory;
mod mode;
mod mutate;
mod rng;
mod session;

use session::Session;

/// What a decoder may take at once, whatever its input: errors with their texts, and tables of fixed size.
const FIXED_MEMORY: usize = 64 << 10;
/// What it may take for each byte of its input: the values are larger than their encodings, and lists grow by doubling.
const MEMORY_PER_BYTE: usize = 32;
/// The longest input, unless a target says otherwise: long enough for a few of everything.
const MAX_BYTES: usize = 4096;

/// Something that eats strangers' bytes, and what is known of those it understands.
#[derive(Clone, Debug)]
pub struct Target {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    max_bytes: usize,
    memory: (usize, usize),
}

impl Target {
    /// A target. Its name is that of its test, and of its folder in the corpus.
    pub fn new(name: &'static str) -> Self {
        let memory = (FIXED_MEMORY, MEMORY_PER_BYTE);
        Self { name, seeds: Vec::new(), words: Vec::new(), max_bytes: MAX_BYTES, memory }
    }

    /// Inputs that are understood.
    #[must_use]
    pub fn seeds<T: Into<Vec<u8>>>(mut self, seeds: impl IntoIterator<Item = T>) -> Self {
        self.seeds.extend(seeds.into_iter().map(Into::into));
        self
    }

    /// The dictionary: what has a meaning in the format, and no mutation would write by chance.
    #[must_use]
    pub fn words<T: Into<Vec<u8>>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// How long inputs may grow. Seeds may be longer, and stay as long.
    #[must_use]
    pub fn max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// How many bytes may be held at once: so many, and so many for each byte of the input.
    #[must_use]
    pub fn memory(mut self, fixed: usize, per_byte: usize) -> Self {
        self.memory = (fixed, per_byte);
        self
    }

    /// Runs it. `check` says whether it understood its input, and panics where a promise is broken.
    ///
    /// # Panics
    /// With the finding, and where it is kept.
    pub fn run(self, check: impl Fn(&[u8]) -> bool) {
        let Some(mode) = mode::Mode::read(self.name) else { return };
        if let Err(finding) = Session::new(&self, &check).run(mode) {
            panic!("{finding}");
        }
    }
}

#[cfg(test)]
mod tests;

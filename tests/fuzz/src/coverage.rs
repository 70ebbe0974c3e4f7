//! What code an input reaches: counters that the compiler puts at every branch (LLVM's SanitizerCoverage) when
//! `scripts/fuzz.sh` asks it to. Without them there is no coverage, and everything else works.

#![expect(unsafe_code, reason = "the compiler's counters are memory that it hands over by its address")]

use std::slice;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The counters of each part of the program that has some.
static COUNTERS: Mutex<Vec<&'static [AtomicU8]>> = Mutex::new(Vec::new());

/// Called by every instrumented part of the program before `main`, with its counters.
// SAFETY: the name is the compiler's for this very function.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *const AtomicU8, stop: *const AtomicU8) {
    let length = (stop as usize).saturating_sub(start as usize);
    // SAFETY: the compiler's counters are between these addresses for as long as the program runs, and bytes that are
    // read and written as atomics may be written by anybody else.
    let counters = unsafe { slice::from_raw_parts(start, length) };
    let mut all = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
    if !all.iter().any(|known| known.as_ptr() == start) {
        all.push(counters);
    }
}

/// What was reached so far: for each counter, the classes of how often.
#[derive(Debug)]
pub(crate) struct Coverage {
    counters: Vec<&'static [AtomicU8]>,
    seen: Vec<Vec<u8>>,
    reached: usize,
}

impl Coverage {
    /// Nothing was reached yet.
    pub(crate) fn new() -> Self {
        let counters = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let seen = counters.iter().map(|counters| vec![0; counters.len()]).collect();
        Self { counters, seen, reached: 0 }
    }

    /// Whether the program counts at all.
    pub(crate) fn is_there(&self) -> bool {
        !self.counters.is_empty()
    }

    /// How many branches were reached, each as often as it has classes.
    pub(crate) fn reached(&self) -> usize {
        self.reached
    }

    /// Adds what was reached since this was last asked, says whether some of it is new, and begins to count anew.
    pub(crate) fn collect(&mut self) -> bool {
        let before = self.reached;
        for (counters, seen) in self.counters.iter().zip(&mut self.seen) {
            // Of a hundred thousands of counters a few hundred have moved: they are looked for eight at a time.
            // SAFETY: eight bytes that may be read and written as atomics may be read as one number.
            let (head, words, tail) = unsafe { counters.align_to::<AtomicU64>() };
            let skipped = words.len() * 8;
            let moved = words.iter().enumerate().filter(|(_, word)| word.load(Ordering::Relaxed) != 0);
            let moved = moved.flat_map(|(place, _)| head.len() + place * 8..head.len() + place * 8 + 8);
            let ends = (0..head.len()).chain(head.len() + skipped..head.len() + skipped + tail.len());
            for place in moved.chain(ends) {
                let class = class(counters[place].swap(0, Ordering::Relaxed));
                if class & !seen[place] != 0 {
                    seen[place] |= class;
                    self.reached += 1;
                }
            }
        }
        self.reached > before
    }
}

/// How often, roughly, as one bit; none for never.
fn class(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..8 => 8,
        8..16 => 16,
        16..32 => 32,
        32..128 => 64,
        128.. => 128,
    }
}

//! One input: whether it was understood, and what it broke.

use crate::{Target, memory};
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether panics of this thread are expected: then they are noted and not printed.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
    /// The last of them: where, and what it said.
    static PANIC: RefCell<Option<Fault>> = const { RefCell::new(None) };
}

/// A promise that an input broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What tells it from others, however its input looks.
    pub(crate) kind: String,
    /// All that is known of it.
    pub(crate) text: String,
}

/// Tries one input.
pub(crate) fn execute(target: &Target, check: &impl Fn(&[u8]) -> bool, bytes: &[u8]) -> Result<bool, Fault> {
    note_panics();
    let start = memory::begin();
    IS_QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(|| check(bytes)));
    IS_QUIET.set(false);
    let got = memory::most_since(start);
    let Ok(is_understood) = result else {
        let unknown = || Fault { kind: "a panic".to_owned(), text: "it panicked".to_owned() };
        return Err(PANIC.take().unwrap_or_else(unknown));
    };
    let (fixed, per_byte) = target.memory;
    let max = fixed.saturating_add(per_byte.saturating_mul(bytes.len()));
    if got > max {
        let text = format!("it took {got} bytes of memory for {} of input, expected at most {max}", bytes.len());
        return Err(Fault { kind: "memory".to_owned(), text });
    }
    Ok(is_understood)
}

/// Has panics noted instead of printed where they are expected.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                return usual(info);
            }
            let kind = info.location().map_or_else(|| "a panic".to_owned(), ToString::to_string);
            let text = info.payload_as_str().unwrap_or("it panicked");
            PANIC.set(Some(Fault { text: format!("{kind}: {text}"), kind }));
        }));
    });
}

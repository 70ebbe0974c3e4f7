//! The one place where random bytes come from.

use crate::runtime::simulated;

/// Fills with random bytes that nobody can guess.
///
/// # Errors
/// The system has none.
pub fn fill(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    match simulated(|runtime| runtime.fill(bytes)) {
        Some(()) => Ok(()),
        None => getrandom::fill(bytes),
    }
}

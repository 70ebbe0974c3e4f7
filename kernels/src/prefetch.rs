/// Has what is at a place brought from memory into the caches, without waiting for it.
#[inline]
#[cfg(target_arch = "x86_64")]
pub fn prefetch<T>(place: &T) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: every x86-64 processor has the instruction, which changes nothing that can be seen.
    unsafe { _mm_prefetch::<_MM_HINT_T0>((&raw const *place).cast()) }
}

/// Nothing: elsewhere the processor knows best.
#[inline]
#[cfg(not(target_arch = "x86_64"))]
pub fn prefetch<T>(_: &T) {}

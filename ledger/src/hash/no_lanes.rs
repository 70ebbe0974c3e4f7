//! In place of [`lanes`](self) where no processor has its instructions.

use super::many::Block;
use crate::pow::Prepared;

/// What no processor here has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ThirtyTwo {}

/// What no processor here has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Eight {}

/// What belongs to each of thirty-two lanes.
pub(super) type Row<T> = [[[T; 4]; 4]; 2];

impl ThirtyTwo {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    pub(super) fn compress(self, _: &[u32; 8], _: &Row<&[Block]>) -> Row<[u8; 32]> {
        match self {}
    }

    pub(crate) fn candidates(self, _: &Prepared, _: u32, _: u32) -> u32 {
        match self {}
    }
}

impl Eight {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    pub(crate) fn candidates(self, _: &Prepared, _: u32, _: u32) -> u32 {
        match self {}
    }
}

/// Elsewhere a processor knows best.
pub(crate) fn prefetch<T>(_: &T) {}

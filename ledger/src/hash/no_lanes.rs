//! In place of [`lanes`](self) where no processor has its instructions.

use super::many::Block;
use crate::pow::Prepared;

/// What no processor here has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sixteen {}

/// What no processor here has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Eight {}

impl Sixteen {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    pub(super) fn compress(self, _: &[u32; 8], _: &[[&[Block]; 4]; 4]) -> [[[u8; 32]; 4]; 4] {
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

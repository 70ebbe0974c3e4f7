//! In place of `simd` where no processor has its instructions.

use super::Prepared;
use crate::sha256::{Avx2, Avx512};

impl Avx512 {
    pub(super) fn candidates(self, _: &Prepared, _: u32, _: u32) -> u32 {
        match self {}
    }
}

impl Avx2 {
    pub(super) fn candidates(self, _: &Prepared, _: u32, _: u32) -> u32 {
        match self {}
    }
}

//! In place of `ifma` where no processor has its instructions.

use super::{field::Field, point::Point};

pub const ROOTS: usize = 1;

/// What no processor here has.
#[derive(Clone, Copy, Debug)]
pub enum Ifma {}

#[derive(Clone, Copy, Debug)]
pub struct Chord {
    pub left: usize,
    pub right: usize,
    pub run: Field,
}

#[derive(Default)]
pub struct Scratch;

impl Ifma {
    pub fn detect() -> Option<Self> {
        None
    }

    pub fn root_candidates(self, _: &[Field; ROOTS]) -> [Field; ROOTS] {
        match self {}
    }

    pub fn add_chords(self, _: &mut [Point], _: &[Chord], _: &mut Scratch) -> Option<()> {
        match self {}
    }
}

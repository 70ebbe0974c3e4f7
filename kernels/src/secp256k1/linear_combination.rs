use super::msm::{self, Term};
use super::{glv, point::Point};
use alloc::vec::Vec;
use k256::Scalar;

/// Σ kᵢ·Pᵢ, of which all terms are added up at once.
#[derive(Clone, Debug, Default)]
pub struct LinearCombination {
    terms: Vec<Term>,
}

impl LinearCombination {
    /// Without terms, and room for some: a full-width one takes two places.
    pub fn with_capacity(terms: usize) -> Self {
        Self { terms: Vec::with_capacity(terms) }
    }

    /// Adds k·P.
    pub fn add_short(&mut self, k: u128, point: Point) {
        self.terms.push(Term { point, scalar: k });
    }

    /// Adds k·P as two terms of 128 bits. `None` never, as for [`Self::is_identity`].
    pub fn add(&mut self, k: &Scalar, point: Point) -> Option<()> {
        for (half, point) in glv::split(k)?.into_iter().zip([point, point.endomorphism()]) {
            if half.magnitude != 0 {
                self.add_short(half.magnitude, point.negated_if(half.negative));
            }
        }
        Some(())
    }

    /// Whether the sum is the point at infinity. `None` never: it stands for a place outside of a list, and says so to
    /// the caller instead of leaving a point out.
    pub fn is_identity(&self) -> Option<bool> {
        msm::sum(&self.terms).map(|sum| sum.is_identity())
    }
}

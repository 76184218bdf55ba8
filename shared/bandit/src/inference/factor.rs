//! The Cholesky factor of a precision, and what is computed from it. Nothing here runs in parallel, so that the same
//! input gives the same bits.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::{factor, inverse};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::prelude::ReborrowMut;
use faer::{ColMut, Mat, MatMut, Par, Spec};

use crate::FitError;

/// L, lower triangular with Λ = LLᵀ.
#[derive(Clone)]
pub(crate) struct Factor {
    lower: Mat<f64>,
}

impl Factor {
    /// Factors Λ, of which the lower triangle is read.
    ///
    /// # Errors
    /// [`FitError::NotPositiveDefinite`] with the pivot at which Λ proves not to be.
    pub(crate) fn new(mut precision: Mat<f64>) -> Result<Self, FitError> {
        let size = precision.nrows();
        let mut memory = MemBuffer::new(factor::cholesky_in_place_scratch::<f64>(size, Par::Seq, Spec::default()));
        factor::cholesky_in_place(
            precision.as_mut(),
            factor::LltRegularization::default(),
            Par::Seq,
            MemStack::new(&mut memory),
            Spec::default(),
        )
        .map_err(|factor::LltError::NonPositivePivot { index }| FitError::NotPositiveDefinite { pivot: index })?;
        if !precision[(size - 1, size - 1)].is_finite() {
            return Err(FitError::NotPositiveDefinite { pivot: size - 1 });
        }
        Ok(Self { lower: precision })
    }

    /// The number of rows.
    pub(crate) fn size(&self) -> usize {
        self.lower.nrows()
    }

    /// ln det Λ.
    pub(crate) fn log_det(&self) -> f64 {
        (0..self.size()).map(|j| 2.0 * self.lower[(j, j)].ln()).sum()
    }

    /// Λ⁻¹x in place.
    pub(crate) fn solve(&self, x: &mut [f64]) {
        solve_lower_triangular_in_place(self.lower.as_ref(), ColMut::from_slice_mut(x).as_mat_mut(), Par::Seq);
        solve_upper_triangular_in_place(self.lower.transpose(), ColMut::from_slice_mut(x).as_mat_mut(), Par::Seq);
    }

    /// Λ⁻¹X in place.
    pub(crate) fn solve_all(&self, mut x: MatMut<'_, f64>) {
        solve_lower_triangular_in_place(self.lower.as_ref(), x.rb_mut(), Par::Seq);
        solve_upper_triangular_in_place(self.lower.transpose(), x, Par::Seq);
    }

    /// L⁻ᵀX in place: columns of standard normals become columns of N(0, Λ⁻¹).
    pub(crate) fn unwhiten(&self, x: MatMut<'_, f64>) {
        solve_upper_triangular_in_place(self.lower.transpose(), x, Par::Seq);
    }

    /// L⁻¹x in place: a gradient in β becomes one in the whitened coordinates.
    pub(crate) fn whiten_gradient(&self, x: &mut [f64]) {
        solve_lower_triangular_in_place(self.lower.as_ref(), ColMut::from_slice_mut(x).as_mat_mut(), Par::Seq);
    }

    /// The lower triangle of Λ⁻¹.
    pub(crate) fn inverse(&self) -> Mat<f64> {
        let size = self.size();
        let mut out = Mat::zeros(size, size);
        let mut memory = MemBuffer::new(inverse::inverse_scratch::<f64>(size, Par::Seq));
        inverse::inverse(out.as_mut(), self.lower.as_ref(), Par::Seq, MemStack::new(&mut memory));
        out
    }

    /// L, row-major, zeros above the diagonal.
    pub(crate) fn row_major(&self) -> Vec<f64> {
        let size = self.size();
        let mut out = vec![0.0; size * size];
        for j in 0..size {
            for (i, &value) in self.lower.col_as_slice(j).iter().enumerate().skip(j) {
                out[i * size + j] = value;
            }
        }
        out
    }
}

//! The Cholesky factor of a precision, and what is computed from it. Nothing here runs in parallel, so that the same
//! input gives the same bits.
//!
//! Exchangeable arms make an arrow: a large diagonal block of arms, and a few columns (strata, intercept) that all of them
//! have to do with. With the arms first nothing fills in, and all that is done with the factor costs V b instead of V².

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::{factor, inverse};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::prelude::ReborrowMut;
use faer::{Accum, ColMut, Mat, MatMut, Par, Spec};

use crate::FitError;

/// L, lower triangular with Λ = LLᵀ.
#[derive(Clone)]
pub(crate) struct Factor {
    /// Of the whole, or of the trailing block of an arrow.
    lower: Mat<f64>,
    arrow: Option<Arrow>,
}

/// The leading columns of the factor of an arrow.
#[derive(Clone)]
struct Arrow {
    /// Their diagonal.
    diagonal: Vec<f64>,
    /// For each of them the rows below the diagonal block: b × V.
    border: Mat<f64>,
}

/// Columns of a diagonal block from which on it is made use of.
const ARROW: usize = 32;

/// The number of leading columns that have nothing to do with each other.
fn diagonal_block(precision: &Mat<f64>) -> usize {
    let size = precision.nrows();
    let (mut block, mut j) = (size, 0);
    while j < block {
        let column = &precision.col_as_slice(j)[j + 1..block];
        block = column.iter().position(|&x| x != 0.0).map_or(block, |i| j + 1 + i);
        j += 1;
    }
    block
}

/// The lower Cholesky factor in place.
fn cholesky(precision: &mut Mat<f64>) -> Result<(), FitError> {
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
    Ok(())
}

impl Factor {
    /// Factors Λ, of which the lower triangle is read.
    ///
    /// # Errors
    /// [`FitError::NotPositiveDefinite`] with the pivot at which Λ proves not to be.
    pub(crate) fn new(mut precision: Mat<f64>) -> Result<Self, FitError> {
        let (size, block) = (precision.nrows(), diagonal_block(&precision));
        if block >= ARROW && 2 * block > size && block < size {
            return Self::arrow(&precision, block);
        }
        cholesky(&mut precision)?;
        Ok(Self { lower: precision, arrow: None })
    }

    /// With `block` leading columns that have nothing to do with each other.
    fn arrow(precision: &Mat<f64>, block: usize) -> Result<Self, FitError> {
        let rest = precision.nrows() - block;
        let mut diagonal = Vec::with_capacity(block);
        let mut border = Mat::<f64>::zeros(rest, block);
        let mut schur = precision.submatrix(block, block, rest, rest).to_owned();
        for j in 0..block {
            let pivot = precision[(j, j)];
            if !(pivot > 0.0 && pivot.is_finite()) {
                return Err(FitError::NotPositiveDefinite { pivot: j });
            }
            let root = pivot.sqrt();
            diagonal.push(root);
            let column = border.col_as_slice_mut(j);
            for (out, x) in column.iter_mut().zip(&precision.col_as_slice(j)[block..]) {
                *out = x / root;
            }
            for (k, &x) in column.iter().enumerate() {
                for (out, y) in schur.col_as_slice_mut(k)[k..].iter_mut().zip(&column[k..]) {
                    *out -= x * y;
                }
            }
        }
        cholesky(&mut schur).map_err(|error| match error {
            FitError::NotPositiveDefinite { pivot } => FitError::NotPositiveDefinite { pivot: block + pivot },
            other => other,
        })?;
        Ok(Self { lower: schur, arrow: Some(Arrow { diagonal, border }) })
    }

    /// The number of rows.
    pub(crate) fn size(&self) -> usize {
        self.lower.nrows() + self.arrow.as_ref().map_or(0, |arrow| arrow.diagonal.len())
    }

    /// ln det Λ.
    pub(crate) fn log_det(&self) -> f64 {
        let leading: f64 = self.arrow.iter().flat_map(|arrow| &arrow.diagonal).map(|d| 2.0 * d.ln()).sum();
        leading + (0..self.lower.nrows()).map(|j| 2.0 * self.lower[(j, j)].ln()).sum::<f64>()
    }

    /// Λ⁻¹x in place.
    pub(crate) fn solve(&self, x: &mut [f64]) {
        self.whiten_gradient(x);
        self.unwhiten(ColMut::from_slice_mut(x).as_mat_mut());
    }

    /// Λ⁻¹X in place. Not of an arrow, whose columns are solved for one by one.
    pub(crate) fn solve_all(&self, mut x: MatMut<'_, f64>) {
        if self.arrow.is_some() {
            for j in 0..x.ncols() {
                let mut column: Vec<f64> = (0..x.nrows()).map(|i| x[(i, j)]).collect();
                self.solve(&mut column);
                for (i, value) in column.into_iter().enumerate() {
                    x[(i, j)] = value;
                }
            }
            return;
        }
        solve_lower_triangular_in_place(self.lower.as_ref(), x.rb_mut(), Par::Seq);
        solve_upper_triangular_in_place(self.lower.transpose(), x, Par::Seq);
    }

    /// L⁻ᵀX in place: columns of standard normals become columns of N(0, Λ⁻¹).
    pub(crate) fn unwhiten(&self, x: MatMut<'_, f64>) {
        let Some(arrow) = &self.arrow else {
            solve_upper_triangular_in_place(self.lower.transpose(), x, Par::Seq);
            return;
        };
        let (mut leading, mut rest) = x.split_at_row_mut(arrow.diagonal.len());
        solve_upper_triangular_in_place(self.lower.transpose(), rest.rb_mut(), Par::Seq);
        matmul(leading.rb_mut(), Accum::Add, arrow.border.transpose(), rest.as_ref(), -1.0, Par::Seq);
        for s in 0..leading.ncols() {
            for (j, d) in arrow.diagonal.iter().enumerate() {
                leading[(j, s)] /= d;
            }
        }
    }

    /// L⁻¹x in place: a gradient in β becomes one in the whitened coordinates.
    pub(crate) fn whiten_gradient(&self, x: &mut [f64]) {
        let Some(arrow) = &self.arrow else {
            solve_lower_triangular_in_place(self.lower.as_ref(), ColMut::from_slice_mut(x).as_mat_mut(), Par::Seq);
            return;
        };
        let (leading, rest) = x.split_at_mut(arrow.diagonal.len());
        for (j, (x, d)) in leading.iter_mut().zip(&arrow.diagonal).enumerate() {
            *x /= d;
            for (out, b) in rest.iter_mut().zip(arrow.border.col_as_slice(j)) {
                *out -= b * *x;
            }
        }
        solve_lower_triangular_in_place(self.lower.as_ref(), ColMut::from_slice_mut(rest).as_mat_mut(), Par::Seq);
    }

    /// The lower triangle of Λ⁻¹; of an arrow only where Λ itself is not 0, which is all that sums over observations need: no
    /// two of its leading columns are ever 1 in the same row.
    pub(crate) fn inverse(&self) -> Mat<f64> {
        let (size, rest) = (self.size(), self.lower.nrows());
        let mut trailing = Mat::<f64>::zeros(rest, rest);
        let mut memory = MemBuffer::new(inverse::inverse_scratch::<f64>(rest, Par::Seq));
        inverse::inverse(trailing.as_mut(), self.lower.as_ref(), Par::Seq, MemStack::new(&mut memory));
        let Some(arrow) = &self.arrow else { return trailing };
        let block = size - rest;
        let mut out = Mat::<f64>::zeros(size, size);
        for k in 0..rest {
            for i in k..rest {
                out[(block + i, block + k)] = trailing[(i, k)];
            }
        }
        let at = |i: usize, k: usize| if i >= k { trailing[(i, k)] } else { trailing[(k, i)] };
        for (j, d) in arrow.diagonal.iter().enumerate() {
            // With b the border's column over d and Σ the trailing block, the column is −Σ b and the variance 1/d² + bᵀ Σ b.
            let b: Vec<f64> = arrow.border.col_as_slice(j).iter().map(|x| x / d).collect();
            let mut variance = 1.0 / (d * d);
            for i in 0..rest {
                let product: f64 = b.iter().enumerate().map(|(k, b)| at(i, k) * b).sum();
                out[(block + i, j)] = -product;
                variance += b[i] * product;
            }
            out[(j, j)] = variance;
        }
        out
    }

    /// L, row-major, zeros above the diagonal.
    pub(crate) fn row_major(&self) -> Vec<f64> {
        let (size, rest) = (self.size(), self.lower.nrows());
        let block = size - rest;
        let mut out = vec![0.0; size * size];
        if let Some(arrow) = &self.arrow {
            for (j, d) in arrow.diagonal.iter().enumerate() {
                out[j * size + j] = *d;
                for (i, &value) in arrow.border.col_as_slice(j).iter().enumerate() {
                    out[(block + i) * size + j] = value;
                }
            }
        }
        for j in 0..rest {
            for (i, &value) in self.lower.col_as_slice(j).iter().enumerate().skip(j) {
                out[(block + i) * size + block + j] = value;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_precision_loss, reason = "small numbers")]

    use super::*;

    /// What is done with a vector.
    type Step = fn(&Factor, &mut [f64]);

    /// An arrow of 40 columns and 3 more, against the same without the zeros being made use of.
    #[test]
    fn an_arrow_is_factored_as_what_it_is() {
        let (block, rest) = (40, 3);
        let size = block + rest;
        let mut precision = Mat::<f64>::zeros(size, size);
        for j in 0..size {
            precision[(j, j)] = if j < block { 2.0 + j as f64 } else { 400.0 + j as f64 };
            for i in (j + 1).max(block)..size {
                precision[(i, j)] = ((i * 7 + j * 3) as f64).sin();
            }
        }
        let arrow = Factor::new(precision.clone()).unwrap();
        assert!(arrow.arrow.is_some() && arrow.size() == size);
        let mut lower = precision.clone();
        cholesky(&mut lower).unwrap();
        let dense = Factor { lower, arrow: None };
        assert!((arrow.log_det() - dense.log_det()).abs() < 1e-10);
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(&arrow.row_major(), &dense.row_major()));
        let steps: [Step; 4] = [
            |f, x| f.solve(x),
            |f, x| f.whiten_gradient(x),
            |f, x| f.unwhiten(ColMut::from_slice_mut(x).as_mat_mut()),
            |f, x| f.solve_all(ColMut::from_slice_mut(x).as_mat_mut()),
        ];
        for step in steps {
            let start: Vec<f64> = (0..size).map(|i| (i as f64).cos()).collect();
            let (mut a, mut d) = (start.clone(), start);
            step(&arrow, &mut a);
            step(&dense, &mut d);
            assert!(close(&a, &d));
        }
        let (a, d) = (arrow.inverse(), dense.inverse());
        for j in 0..size {
            for i in (j..size).filter(|&i| i == j || i >= block) {
                assert!((a[(i, j)] - d[(i, j)]).abs() < 1e-12, "({i}, {j})");
            }
        }
        precision[(5, 5)] = -1.0;
        assert_eq!(Factor::new(precision).err(), Some(FitError::NotPositiveDefinite { pivot: 5 }));
    }
}

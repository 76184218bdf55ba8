//! Design matrix Φ: the cells as rows, each the list of its active columns; Φ itself is never formed.

use faer::Mat;

use super::design::{Design, Observed};
use super::family::Family;
use super::traversal::Traversal;

/// The cells of a regression. Row i has the indicator vector `φ_i` with ones at `active(i)`.
pub(crate) struct Rows {
    starts: Vec<usize>,
    active: Vec<u32>,
    /// Which likelihood.
    pub family: Family,
    /// n of each row.
    pub n: Vec<f64>,
    /// s of each row.
    pub sum: Vec<f64>,
    /// P: the number of columns.
    pub columns: usize,
    /// How [`super::kernel`] walks over them.
    pub traversal: Traversal,
}

impl Rows {
    /// The rows of observations, in their order. They are of the space.
    #[expect(clippy::cast_possible_truncation, reason = "columns are at most 2,000")]
    pub(crate) fn new(design: &Design<'_>, observed: &[Observed], family: Family) -> Self {
        let mut rows = Self {
            starts: vec![0],
            active: Vec::new(),
            family,
            n: observed.iter().map(|o| o.n).collect(),
            sum: observed.iter().map(|o| o.sum).collect(),
            columns: design.layout.columns,
            traversal: Traversal::new(design, observed),
        };
        for one in observed {
            rows.active.extend(design.active(one.variant, one.context, one.stratum).into_iter().map(|c| c as u32));
            rows.starts.push(rows.active.len());
        }
        rows
    }

    /// n and s of every row times `factor`.
    pub(crate) fn scale(&mut self, factor: f64) {
        self.n.iter_mut().chain(&mut self.sum).for_each(|value| *value *= factor);
        self.traversal.scale(factor);
    }

    /// ln p(y|β), up to what no coefficient touches.
    pub(crate) fn log_likelihood(&self, eta: &[f64]) -> f64 {
        eta.iter().zip(&self.sum).zip(&self.n).map(|((&e, &s), &n)| self.family.log_likelihood(n, s, e)).sum()
    }

    /// The part of every row's gradient that does not depend on η.
    pub(crate) fn drives(&self) -> Vec<f64> {
        self.n.iter().zip(&self.sum).map(|(&n, &s)| self.family.drive(n, s)).collect()
    }

    /// What is taken from it, at η.
    pub(crate) fn fitted(&self, eta: &[f64]) -> Vec<f64> {
        eta.iter().zip(&self.n).zip(&self.sum).map(|((&e, &n), &s)| self.family.fitted(n, s, e)).collect()
    }

    /// diag W: minus the second derivative of every row, at η.
    pub(crate) fn weights(&self, eta: &[f64]) -> Vec<f64> {
        eta.iter().zip(&self.n).zip(&self.sum).map(|((&e, &n), &s)| self.family.weight(n, s, e)).collect()
    }

    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        self.n.len()
    }

    /// The number of ones in Φ.
    pub(crate) fn ones(&self) -> usize {
        self.active.len()
    }

    /// The active columns of row i, ascending.
    pub(crate) fn active(&self, i: usize) -> &[u32] {
        &self.active[self.starts[i]..self.starts[i + 1]]
    }

    /// η = Φβ.
    pub(crate) fn predict(&self, beta: &[f64], eta: &mut Vec<f64>) {
        eta.clear();
        eta.extend((0..self.len()).map(|i| self.active(i).iter().map(|&c| beta[c as usize]).sum::<f64>()));
    }

    /// Φᵀr, added to `out`.
    pub(crate) fn add_transposed(&self, residual: &[f64], out: &mut [f64]) {
        for (i, r) in residual.iter().enumerate() {
            for &c in self.active(i) {
                out[c as usize] += r;
            }
        }
    }

    /// The lower triangle of ΦᵀWΦ + diag(d), W = diag(w).
    pub(crate) fn gram(&self, weights: &[f64], diagonal: &[f64]) -> Mat<f64> {
        let mut gram = Mat::zeros(self.columns, self.columns);
        for (i, &w) in weights.iter().enumerate() {
            let active = self.active(i);
            for (k, &b) in active.iter().enumerate() {
                let column = gram.col_as_slice_mut(b as usize);
                for &a in &active[k..] {
                    column[a as usize] += w;
                }
            }
        }
        for (j, d) in diagonal.iter().enumerate() {
            gram[(j, j)] += d;
        }
        gram
    }

    /// `φ_iᵀ M φ_i` of every row for a symmetric M of which the lower triangle is read.
    pub(crate) fn quadratic(&self, lower: &Mat<f64>, out: &mut Vec<f64>) {
        out.clear();
        for i in 0..self.len() {
            let active = self.active(i);
            let mut total = 0.0;
            for (k, &b) in active.iter().enumerate() {
                let column = lower.col_as_slice(b as usize);
                let off: f64 = active[k + 1..].iter().map(|&a| column[a as usize]).sum();
                total += column[b as usize] + 2.0 * off;
            }
            out.push(total);
        }
    }
}

//! Design matrix Φ: the cells as rows, each the list of its active columns; Φ itself is never formed.

use faer::Mat;

use super::traversal::Traversal;
use crate::{Cell, CellTable, Columns, FitError, Space};

/// The cells of a contextual model. Row i has the indicator vector `φ_i` with ones at `active(i)`.
pub(crate) struct Rows {
    starts: Vec<usize>,
    active: Vec<u32>,
    /// Trials per row.
    pub n: Vec<f64>,
    /// Σ r per row.
    pub sum: Vec<f64>,
    /// Σ r² per row.
    pub sum_sq: Vec<f64>,
    /// P: the number of columns.
    pub columns: usize,
    /// How [`super::kernel`] walks over them.
    pub traversal: Traversal,
}

impl Rows {
    /// The rows of a cell table, in its order.
    ///
    /// # Errors
    /// [`FitError::OutsideSpace`] for a cell whose variant or context the space does not have.
    #[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
    #[expect(clippy::cast_possible_truncation, reason = "columns are at most 2,000")]
    pub(crate) fn new(space: &Space, columns: &Columns, table: &CellTable) -> Result<Self, FitError> {
        let cells = table.cells();
        let outside = |c: &&Cell| c.variant >= space.variants() || c.context >= space.contexts();
        if let Some(&Cell { variant, context, .. }) = cells.iter().find(outside) {
            return Err(FitError::OutsideSpace { variant, context });
        }
        let mut rows = Self {
            starts: vec![0],
            active: Vec::new(),
            sum: Vec::with_capacity(cells.len()),
            sum_sq: Vec::with_capacity(cells.len()),
            columns: columns.len(),
            traversal: Traversal::new(space, columns, cells),
            n: cells.iter().map(|cell| cell.n as f64).collect(),
        };
        for cell in cells {
            let variant = space.decode_variant(cell.variant);
            let context = space.decode_context(cell.context);
            rows.active.extend(columns.active(&variant, &context).into_iter().map(|c| c as u32));
            rows.starts.push(rows.active.len());
            rows.sum.push(cell.sum);
            rows.sum_sq.push(cell.sum_sq);
        }
        Ok(rows)
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

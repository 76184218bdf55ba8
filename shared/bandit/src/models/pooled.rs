//! Pooled mean and standard deviation of numeric rewards, and standardised units.

use crate::{Cell, CellTable, FitError};

/// Mean and variance of all rewards of a numeric model, and the units that its draws are kept in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pooled {
    /// Mean: the centre of the units.
    pub(super) mean: f64,
    /// (Σ (r − mean)²)/N, or 0 where all rewards are equal.
    pub(super) variance: f64,
    /// The unit: the standard deviation, in reward units.
    pub(super) scale: f64,
}

impl Pooled {
    /// Half the distance from 1 to the next number: the relative rounding error u of one operation.
    const ROUNDING: f64 = 0.5 * f64::EPSILON;
    /// The sums resolve a variance where their rounding is below this share of it: two digits.
    const RESOLVED: f64 = 0.01;

    /// From n, S = Σ r and Q = Σ r² of every cell: squares within cells, Q − S²/n, plus squares between them.
    ///
    /// S and Q are plain sums in double precision, in any order. Then Q − S²/n is off by at most 3 (n + 2) u Q (Higham 2002,
    /// §4.2), which equal rewards may come near, since each addition of the same number rounds alike. Rewards count as
    /// equal where no cell has more than that within, and no cell's mean is further from the pooled one than 2 (N + 2) u
    /// of it. Where rewards differ, roundings do not add up but cancel, and all but surely stay below 3·4 √n u Q (Higham &
    /// Mary 2019, with λ = 4).
    ///
    /// # Errors
    /// [`FitError::Unresolved`] where rewards differ and that is above 1 % of the variance.
    #[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
    pub(super) fn of(table: &CellTable) -> Result<Self, FitError> {
        let trials = table.trials() as f64;
        let mean = table.reward_sum() / trials;
        let distance = |c: &Cell| c.sum / c.n as f64 - mean;
        let equal = table.cells().iter().all(|c| {
            within(c) <= 3.0 * (c.n as f64 + 2.0) * Self::ROUNDING * c.sum_sq
                && distance(c).abs() <= 2.0 * (trials + 2.0) * Self::ROUNDING * mean.abs()
        });
        if equal {
            return Ok(Self { mean, variance: 0.0, scale: 0.0 });
        }
        let squares: f64 = table.cells().iter().map(|c| within(c) + c.n as f64 * distance(c).powi(2)).sum();
        let rounding: f64 = table.cells().iter().map(|c| 12.0 * (c.n as f64).sqrt() * Self::ROUNDING * c.sum_sq).sum();
        let scale = (squares / trials).sqrt();
        if rounding > Self::RESOLVED * squares {
            return Err(FitError::Unresolved { mean, sd: scale });
        }
        Ok(Self { mean, variance: squares / trials, scale })
    }

    /// The mean of a cell in units of `scale` about `mean`. Where all rewards are equal, any unit will do: every cell's is 0.
    #[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
    pub(super) fn standardised(&self, cell: &Cell) -> f64 {
        if self.variance > 0.0 { (cell.sum / cell.n as f64 - self.mean) / self.scale } else { 0.0 }
    }

    /// Σ (r − mean of the cell)² in the same units.
    pub(super) fn within(&self, cell: &Cell) -> f64 {
        if self.variance > 0.0 { within(cell) / self.variance } else { 0.0 }
    }
}

/// Σ (r − mean of the cell)² ≥ 0: Σ r² − (Σ r)²/n, which only rounding makes negative.
#[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
fn within(cell: &Cell) -> f64 {
    (cell.sum_sq - cell.sum * cell.sum / cell.n as f64).max(0.0)
}

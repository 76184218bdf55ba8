//! Pooled mean and standard deviation of numeric rewards, and standardised units.

use crate::FitError;
use crate::cells::Weighted;

/// Mean and variance of all rewards of a numeric model, and the units that its draws are kept in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pooled {
    /// Mean about the table's shift: the centre of the units.
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
    /// The sums of the cells are about `shift`, and so is the mean that is found.
    ///
    /// # Errors
    /// [`FitError::Unresolved`] where rewards differ and that is above 1 % of the variance.
    #[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
    pub(super) fn of(cells: &[Weighted], shift: f64) -> Result<Self, FitError> {
        let trials: f64 = cells.iter().map(|c| c.n).sum();
        let counted = cells.iter().map(|c| c.trials).sum::<u64>() as f64;
        let mean = cells.iter().map(|c| c.sum).sum::<f64>() / trials;
        let distance = |c: &Weighted| c.sum / c.n - mean;
        let equal = cells.iter().all(|c| {
            within(c) <= 3.0 * (c.trials as f64 + 2.0) * Self::ROUNDING * c.sum_sq
                && distance(c).abs() <= 2.0 * (counted + 2.0) * Self::ROUNDING * mean.abs()
        });
        if equal {
            return Ok(Self { mean, variance: 0.0, scale: 0.0 });
        }
        let squares: f64 = cells.iter().map(|c| within(c) + c.n * distance(c).powi(2)).sum();
        let rounding: f64 = cells.iter().map(|c| 12.0 * (c.trials as f64).sqrt() * Self::ROUNDING * c.sum_sq).sum();
        let scale = (squares / trials).sqrt();
        if rounding > Self::RESOLVED * squares {
            return Err(FitError::Unresolved { mean: shift + mean, sd: scale });
        }
        Ok(Self { mean, variance: squares / trials, scale })
    }

    /// The mean of a cell in units of `scale` about `mean`. Where all rewards are equal, any unit will do: every cell's is 0.
    pub(super) fn standardised(&self, cell: &Weighted) -> f64 {
        if self.variance > 0.0 { (cell.sum / cell.n - self.mean) / self.scale } else { 0.0 }
    }

    /// Σ (r − mean of the cell)² in the same units.
    pub(super) fn within(&self, cell: &Weighted) -> f64 {
        if self.variance > 0.0 { within(cell) / self.variance } else { 0.0 }
    }
}

/// Σ (r − mean of the cell)² ≥ 0: Σ r² − (Σ r)²/n, which only rounding makes negative.
fn within(cell: &Weighted) -> f64 {
    (cell.sum_sq - cell.sum * cell.sum / cell.n).max(0.0)
}

//! The four models, one a file.

pub mod cmab_bool;
pub mod cmab_numeric;
pub mod mab_bool;
pub mod mab_numeric;

use crate::fit::MAX_COLUMNS;
use crate::{Cell, CellTable, FitError, Prior, Space};

/// That there is something to fit, and that every cell is one of the space's.
fn check_cells(space: &Space, table: &CellTable) -> Result<(), FitError> {
    if table.cells().is_empty() {
        return Err(FitError::NoObservations);
    }
    match table.cells().iter().find(|c| c.variant >= space.variants() || c.context >= space.contexts()) {
        Some(&Cell { variant, context, .. }) => Err(FitError::OutsideSpace { variant, context }),
        None => Ok(()),
    }
}

/// That every sum is a count of conversions, and every sum of squares the same: 0² = 0 and 1² = 1.
#[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
fn check_bool(table: &CellTable) -> Result<(), FitError> {
    #[expect(clippy::float_cmp, reason = "counts are exact")]
    let is_count = |c: &Cell| c.sum >= 0.0 && c.sum <= c.n as f64 && c.sum.fract() == 0.0 && c.sum_sq == c.sum;
    match table.cells().iter().find(|c| !is_count(c)) {
        Some(&Cell { variant, context, n, sum, sum_sq }) => Err(FitError::NotBool { variant, context, n, sum, sum_sq }),
        None => Ok(()),
    }
}

/// That the space has no more columns than a contextual model may have, and that the prior has scales.
fn check_contextual(space: &Space, prior: &Prior) -> Result<(), FitError> {
    let columns = space.columns();
    if columns > MAX_COLUMNS {
        return Err(FitError::TooManyColumns { columns });
    }
    let usable = |scale: f64| scale.is_finite() && scale > 0.0;
    if usable(prior.main_scale) && usable(prior.pair_scale) {
        Ok(())
    } else {
        Err(FitError::Prior { main: prior.main_scale, pair: prior.pair_scale })
    }
}

/// Mean of each column of draws × columns values.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
fn column_means(draws: &[f32], columns: usize) -> Vec<f64> {
    let mut mean = vec![0.0; columns];
    for draw in draws.chunks_exact(columns) {
        for (m, &value) in mean.iter_mut().zip(draw) {
            *m += f64::from(value);
        }
    }
    let count = (draws.len() / columns.max(1)).max(1) as f64;
    mean.iter().map(|m| m / count).collect()
}

/// Mean and variance of all rewards of a numeric model, and the units that its draws are kept in.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pooled {
    /// Mean: the centre of the units.
    mean: f64,
    /// (Σ (r − mean)²)/N, or 0 where all rewards are equal.
    variance: f64,
    /// The unit: the standard deviation, in reward units.
    scale: f64,
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
    fn of(table: &CellTable) -> Result<Self, FitError> {
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
    fn standardised(&self, cell: &Cell) -> f64 {
        if self.variance > 0.0 { (cell.sum / cell.n as f64 - self.mean) / self.scale } else { 0.0 }
    }

    /// Σ (r − mean of the cell)² in the same units.
    fn within(&self, cell: &Cell) -> f64 {
        if self.variance > 0.0 { within(cell) / self.variance } else { 0.0 }
    }
}

/// Σ (r − mean of the cell)² ≥ 0: Σ r² − (Σ r)²/n, which only rounding makes negative.
#[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
fn within(cell: &Cell) -> f64 {
    (cell.sum_sq - cell.sum * cell.sum / cell.n as f64).max(0.0)
}

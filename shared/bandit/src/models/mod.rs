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
    /// (Σ (r − mean)²)/N, or 0 where it is below what the cells' sums can resolve.
    variance: f64,
    /// The unit: the standard deviation; where that is 0, |mean|; where that is 0 too, 1.
    scale: f64,
}

impl Pooled {
    /// Below this share of the mean square, a variance is rounding of the sums and counts as 0.
    const RESOLUTION: f64 = 1e-12;

    /// From Σ n, Σ r and Σ r² of every cell: squares within cells plus squares between them.
    #[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
    fn of(table: &CellTable) -> Self {
        let n = table.trials() as f64;
        let mean = table.reward_sum() / n;
        let squares: f64 =
            table.cells().iter().map(|c| within(c) + c.n as f64 * (c.sum / c.n as f64 - mean).powi(2)).sum();
        let variance = squares / n;
        let mean_square = table.reward_sum_sq() / n;
        let variance = if variance <= Self::RESOLUTION * mean_square { 0.0 } else { variance };
        let scale = match (variance.sqrt(), mean.abs()) {
            (sd, _) if sd > 0.0 => sd,
            (_, size) if size > 0.0 => size,
            _ => 1.0,
        };
        Self { mean, variance, scale }
    }
}

/// Σ (r − mean of the cell)² ≥ 0: Σ r² − (Σ r)²/n, which only rounding makes negative.
#[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
fn within(cell: &Cell) -> f64 {
    (cell.sum_sq - cell.sum * cell.sum / cell.n as f64).max(0.0)
}

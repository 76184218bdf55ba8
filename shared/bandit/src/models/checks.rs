//! Checks of cells, rewards and priors before a fit.

use crate::{Cell, CellTable, FitError, MAX_COLUMNS, Prior, Space};

/// That there is something to fit, and that every cell is one of the space's.
pub(super) fn check_cells(space: &Space, table: &CellTable) -> Result<(), FitError> {
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
pub(crate) fn check_bool(table: &CellTable) -> Result<(), FitError> {
    #[expect(clippy::float_cmp, reason = "counts are exact")]
    let is_count = |c: &Cell| c.sum >= 0.0 && c.sum <= c.n as f64 && c.sum.fract() == 0.0 && c.sum_sq == c.sum;
    match table.cells().iter().find(|c| !is_count(c)) {
        Some(&Cell { variant, context, n, sum, sum_sq }) => Err(FitError::NotBool { variant, context, n, sum, sum_sq }),
        None => Ok(()),
    }
}

/// That there are no more columns than a model may have, strata included, and that the prior has scales.
pub(super) fn check_columns(space: &Space, strata: usize, prior: &Prior) -> Result<(), FitError> {
    let columns = space.columns() + if strata > 1 { strata } else { 0 };
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

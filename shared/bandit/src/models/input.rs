//! What a fit is given: cells of a space with their strata and prior; a mab's variants as the levels of one factor.

use std::borrow::Cow;

use super::checks::{check_cells, check_columns};
use crate::cells::Weighted;
use crate::inference::design::{Design, Observed};
use crate::{CellTable, FitError, ModelType, Prior, Settings, Space};

/// Cells that are of the space, and all that the models need beside them.
pub(crate) struct Input<'a> {
    /// Of a mab: [`Space::of_arms`].
    pub space: Cow<'a, Space>,
    /// In ascending order of (context, variant, stratum). A mab has no contexts.
    pub cells: Vec<Weighted>,
    /// What the cells' sums are about.
    pub shift: f64,
    /// G.
    pub strata: usize,
    /// Whether it is a mab.
    pub arms: bool,
    pub prior: Prior,
}

impl<'a> Input<'a> {
    /// # Errors
    /// [`FitError::NoObservations`], [`FitError::OutsideSpace`], [`FitError::Prior`], [`FitError::TooManyColumns`].
    pub(crate) fn new(space: &'a Space, table: &CellTable, settings: &Settings) -> Result<Self, FitError> {
        check_cells(space, table)?;
        let (shift, strata) = (table.shift(), table.strata_count());
        let cells = table.weighted().to_vec();
        let input = match settings.model_type {
            ModelType::Cmab => {
                Self { space: Cow::Borrowed(space), cells, shift, strata, arms: false, prior: settings.prior }
            }
            ModelType::Mab => {
                let space = Cow::Owned(Space::of_arms(space.variants()));
                Self { space, cells: by_arm(cells), shift, strata, arms: true, prior: Prior::default() }
            }
        };
        check_columns(&input.space, strata, &input.prior)?;
        Ok(input)
    }

    /// The rows that `of` makes of the cells; `None` for a cell that says nothing.
    pub(super) fn observed(&self, of: impl Fn(&Weighted) -> Option<(f64, f64)>) -> Vec<Observed> {
        let row = |c: &Weighted| {
            let (n, sum) = of(c)?;
            Some(Observed { stratum: c.stratum, variant: c.variant, context: c.context, n, sum })
        };
        self.cells.iter().filter_map(row).collect()
    }

    /// The columns of a fit to these rows, with strata's intercepts of this standard deviation.
    pub(super) fn design(&self, observed: &[Observed], stratum_sd: f64) -> Design<'_> {
        if self.arms {
            Design::of_arms(&self.space, self.strata, stratum_sd)
        } else {
            Design::new(&self.space, observed, self.strata, stratum_sd)
        }
    }

    /// Σ r of a cell, about 0.
    pub(super) fn sum(&self, cell: &Weighted) -> f64 {
        cell.sum + cell.n * self.shift
    }

    /// Σ r² of a cell, about 0.
    pub(super) fn sum_sq(&self, cell: &Weighted) -> f64 {
        cell.sum_sq + self.shift * (2.0 * cell.sum + cell.n * self.shift)
    }
}

/// Contexts added up.
fn by_arm(mut cells: Vec<Weighted>) -> Vec<Weighted> {
    for cell in &mut cells {
        cell.context = 0;
    }
    cells.sort_by_key(Weighted::place);
    cells.dedup_by(|next, sum| {
        let same = next.place() == sum.place();
        if same {
            sum.add(next);
        }
        same
    });
    cells
}

//! What the models share: the cells as rows, Gaussians over coefficients, the grid of scales, and ways to draw.

pub(crate) mod convergence;
pub(crate) mod design;
pub(crate) mod directions;
pub(crate) mod factor;
pub(crate) mod family;
pub(crate) mod grid;
pub(crate) mod importance;
pub(crate) mod kernel;
pub(crate) mod laplace;
pub(crate) mod mixture;
pub(crate) mod nuts;
pub(crate) mod pareto;
pub(crate) mod quadrature;
pub(crate) mod resample;
pub(crate) mod rows;
pub(crate) mod scales;
pub(crate) mod sites;
pub(crate) mod streams;
pub(crate) mod swept;
pub(crate) mod thin;
pub(crate) mod traversal;
pub(crate) mod variational;
pub(crate) mod work;

/// What tests share.
#[cfg(test)]
pub(crate) mod testing {
    use super::design::{Design, Observed};
    use super::family::Family;
    use super::rows::Rows;
    use super::scales::{INTERCEPT_SD, Layout};
    use crate::{CellTable, Space};

    /// The rows of a table of bool rewards, and what their columns are.
    pub(crate) fn rows(space: &Space, table: &CellTable) -> (Rows, Layout) {
        let row = |w: &crate::cells::Weighted| Observed {
            stratum: w.stratum,
            variant: w.variant,
            context: w.context,
            n: w.n,
            sum: w.sum,
        };
        let observed: Vec<Observed> = table.weighted().iter().map(row).collect();
        let design = Design::new(space, &observed, table.strata_count(), INTERCEPT_SD);
        (Rows::new(&design, &observed, Family::Binomial), design.layout)
    }
}

//! Columns of a fit: those of the space that the data say something about, and an intercept for every stratum.

use super::scales::Layout;
use crate::{Column, Columns, Space};

/// What one row is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed {
    pub stratum: usize,
    pub variant: usize,
    pub context: u64,
    /// n of the [`super::family`]; rewards for the linear model.
    pub n: f64,
    /// s of the [`super::family`]; not used by the linear model.
    pub sum: f64,
}

/// Which columns a fit has, and where. Their order is strata, the intercept, main effects, pairs: the trailing
/// block of a Cholesky factor of their precision is then that of all coefficients with the strata averaged over.
///
/// A column of an `unknown` level that nobody was seen with has its prior for a posterior, whatever the others are, and is
/// left out of the fit; drawn afterwards, see `models::assembly`.
pub(crate) struct Design<'a> {
    pub space: &'a Space,
    pub columns: Columns,
    pub layout: Layout,
    /// For each of the space's columns its place in the fit; `None` where it is left out.
    pub places: Vec<Option<usize>>,
}

impl<'a> Design<'a> {
    /// For observations of a space in so many strata, whose intercepts are N(0, `stratum_sd`²). One stratum has no column.
    pub(crate) fn new(space: &'a Space, observed: &[Observed], strata: usize, stratum_sd: f64) -> Self {
        let columns = Columns::of(space);
        // Which factors' `unknown` somebody was seen with.
        let mut unknown = vec![false; space.context().len()];
        if !unknown.is_empty() {
            let mut before = None;
            for one in observed.iter().filter(|one| before.replace(one.context) != Some(one.context)) {
                for ((seen, level), factor) in
                    unknown.iter_mut().zip(space.decode_context(one.context)).zip(space.context())
                {
                    *seen |= level == factor.levels().len();
                }
            }
        }
        let strata = if strata > 1 { strata } else { 0 };
        let (mut places, mut next, mut main) = (Vec::with_capacity(columns.len()), strata, 0);
        for (j, column) in columns.describe().into_iter().enumerate() {
            let factor = match column {
                Column::Context { factor, .. } => Some(factor),
                Column::ContextPair { context, .. } => Some(context.0),
                Column::Intercept | Column::Design { .. } | Column::DesignPair { .. } => None,
            };
            let kept = !columns.is_unknown(&column) || factor.is_some_and(|k| unknown[k]);
            places.push(kept.then_some(next));
            next += usize::from(kept);
            main += usize::from(kept && columns.main_effects().contains(&j));
        }
        let layout = Layout { strata, stratum_sd, main, columns: next, arms: false };
        Self { space, columns, layout, places }
    }

    /// For arms: a space of one factor and nothing else. Its levels come first, then strata, then the intercept.
    pub(crate) fn of_arms(space: &'a Space, strata: usize, stratum_sd: f64) -> Self {
        let columns = Columns::of(space);
        let (main, strata) = (columns.main_effects().len(), if strata > 1 { strata } else { 0 });
        let places = std::iter::once(Some(main + strata)).chain((0..main).map(Some)).collect();
        let layout = Layout { strata, stratum_sd, main, columns: main + strata + 1, arms: true };
        Self { space, columns, layout, places }
    }

    /// The place of a column that is in the fit; one that is not has none, which no observation asks for.
    pub(crate) fn place(&self, column: usize) -> usize {
        self.places[column].unwrap_or(usize::MAX)
    }

    /// The places that are 1 for an observation, ascending.
    pub(crate) fn active(&self, variant: usize, context: u64, stratum: usize) -> Vec<usize> {
        let columns = self.columns.active(&self.space.decode_variant(variant), &self.space.decode_context(context));
        let stratum = (self.layout.strata > 0).then_some(self.layout.first_stratum() + stratum);
        let mut places: Vec<usize> =
            stratum.into_iter().chain(columns.into_iter().map(|column| self.place(column))).collect();
        places.sort_unstable();
        places
    }

    /// Whether a column that is left out is of a main effect, not of a pair.
    pub(crate) fn is_main(&self, column: usize) -> bool {
        self.columns.main_effects().contains(&column)
    }
}

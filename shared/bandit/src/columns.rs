//! The columns of the contextual model: which coefficients a cell's linear predictor adds up.

use std::ops::Range;

use crate::Space;

/// Most columns of a contextual model.
pub const MAX_COLUMNS: usize = 2_000;

/// What one coefficient stands for. Numbers are factor and level numbers of the [`Space`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// β0.
    Intercept,
    /// β[k, `c_k`]: a level of a context factor.
    Context {
        /// Context factor.
        factor: usize,
        /// Level; the factor's number of levels for `unknown`.
        level: usize,
    },
    /// β[d, `v_d`]: a level of a design factor.
    Design {
        /// Design factor.
        factor: usize,
        /// Level.
        level: usize,
    },
    /// β[dd', `v_d` `v_d'`]: a pair of levels of two design factors, d < d'.
    DesignPair {
        /// The first design factor and its level.
        first: (usize, usize),
        /// The second design factor and its level.
        second: (usize, usize),
    },
    /// β[dk, `v_d` `c_k`]: a level of a design factor with a level of a context factor.
    ContextPair {
        /// The design factor and its level.
        design: (usize, usize),
        /// The context factor and its level.
        context: (usize, usize),
    },
}

/// The linear predictor of the contextual models as a list of indicator columns. The location of the cell of variant v
/// (levels `v_d` of the design factors d = 1…D) and context c (levels `c_k` of the context factors k = 1…K) is
///
/// ```text
/// η(v, c; β) = β0 + Σ_k β[k, c_k] + Σ_d β[d, v_d] + Σ_{d<d'} β[dd', v_d v_d'] + Σ_{d,k} β[dk, v_d c_k]
/// ```
///
/// in log-odds for bool rewards, in units of the link's scale for numeric ones: the sum of the coefficients whose column
/// is 1 in the cell, see [`Columns::active`]. Every level and every pair of levels has a column; none is left out as a
/// reference, so that no level is special, and the prior makes the coefficients identifiable. `unknown` is a level like any
/// other, the last of its context factor. Main effects and pairs as in Hill et al. (2017). Shape: with `L_f` levels of factor
/// f, `unknown` among those of a context factor, 1 + `Σ_k` `L_k` + `Σ_d` `L_d` + `Σ_{d<d'}` `L_d` `L_d'` + `Σ_{d,k}` `L_d` `L_k` columns.
///
/// The order of the columns: the intercept; context factors; design factors; pairs of design factors (d, d') with
/// d < d' in lexicographic order; pairs (d, k) likewise. Within a block the last level runs fastest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    design_levels: Vec<usize>,
    /// With `unknown`.
    context_levels: Vec<usize>,
    context: Vec<usize>,
    design: Vec<usize>,
    design_pairs: Vec<Vec<usize>>,
    context_pairs: Vec<Vec<usize>>,
    main: Range<usize>,
    total: usize,
}

impl Columns {
    /// The columns of a space.
    #[must_use]
    pub fn of(space: &Space) -> Self {
        let design_levels: Vec<usize> = space.design().iter().map(|f| f.levels().len()).collect();
        let context_levels: Vec<usize> = space.context().iter().map(|f| f.levels().len() + 1).collect();
        let mut next = 1;
        let mut block = |size: usize| {
            let start = next;
            next += size;
            start
        };
        let context = context_levels.iter().map(|&l| block(l)).collect();
        let design: Vec<usize> = design_levels.iter().map(|&l| block(l)).collect();
        let mains = design.last().zip(design_levels.last()).map_or(1, |(start, l)| start + l);
        let design_pairs = (0..design_levels.len())
            .map(|a| {
                (0..design_levels.len())
                    .map(|b| if a < b { block(design_levels[a] * design_levels[b]) } else { usize::MAX })
                    .collect()
            })
            .collect();
        let context_pairs =
            design_levels.iter().map(|&a| context_levels.iter().map(|&b| block(a * b)).collect()).collect();
        Self {
            design_levels,
            context_levels,
            context,
            design,
            design_pairs,
            context_pairs,
            main: 1..mains,
            total: next,
        }
    }

    /// The number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.total
    }

    /// Never: there is always an intercept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The columns of main effects, design and context; all after them are of pairs, the one before is the intercept.
    #[must_use]
    pub fn main_effects(&self) -> Range<usize> {
        self.main.clone()
    }

    /// The column of β[k, level].
    #[must_use]
    pub fn context(&self, factor: usize, level: usize) -> usize {
        self.context[factor] + level
    }

    /// The column of β[d, level].
    #[must_use]
    pub fn design(&self, factor: usize, level: usize) -> usize {
        self.design[factor] + level
    }

    /// The column of β[dd', levels], for d < d'.
    #[must_use]
    pub fn design_pair(&self, first: (usize, usize), second: (usize, usize)) -> usize {
        self.design_pairs[first.0][second.0] + first.1 * self.design_levels[second.0] + second.1
    }

    /// The column of β[dk, levels].
    #[must_use]
    pub fn context_pair(&self, design: (usize, usize), context: (usize, usize)) -> usize {
        self.context_pairs[design.0][context.0] + design.1 * self.context_levels[context.0] + context.1
    }

    /// The columns that are 1 for a cell, ascending; all others are 0. `variant` and `context` hold one level number per
    /// factor; a context level equal to the factor's number of levels is `unknown`.
    #[must_use]
    pub fn active(&self, variant: &[usize], context: &[usize]) -> Vec<usize> {
        let levels = || context.iter().copied().enumerate();
        let mut columns = vec![0];
        columns.extend(levels().map(|(k, level)| self.context(k, level)));
        columns.extend(self.of_variant(variant));
        for (d, &level) in variant.iter().enumerate() {
            columns.extend(levels().map(|known| self.context_pair((d, level), known)));
        }
        columns
    }

    /// Those of them that depend on the variant alone, ascending: its levels and pairs of its levels.
    #[must_use]
    pub fn of_variant(&self, variant: &[usize]) -> Vec<usize> {
        let mut columns: Vec<usize> = variant.iter().enumerate().map(|(d, &level)| self.design(d, level)).collect();
        for (a, &first) in variant.iter().enumerate() {
            for (b, &second) in variant.iter().enumerate().skip(a + 1) {
                columns.push(self.design_pair((a, first), (b, second)));
            }
        }
        columns
    }

    /// Whether a column is of an `unknown` level.
    #[must_use]
    pub fn is_unknown(&self, column: &Column) -> bool {
        let last = |factor: usize, level: usize| level + 1 == self.context_levels[factor];
        match *column {
            Column::Context { factor, level } | Column::ContextPair { context: (factor, level), .. } => {
                last(factor, level)
            }
            Column::Intercept | Column::Design { .. } | Column::DesignPair { .. } => false,
        }
    }

    /// What every column stands for, in order.
    #[must_use]
    pub fn describe(&self) -> Vec<Column> {
        let mut columns = vec![Column::Intercept];
        for (factor, &levels) in self.context_levels.iter().enumerate() {
            columns.extend((0..levels).map(|level| Column::Context { factor, level }));
        }
        for (factor, &levels) in self.design_levels.iter().enumerate() {
            columns.extend((0..levels).map(|level| Column::Design { factor, level }));
        }
        for (a, &la) in self.design_levels.iter().enumerate() {
            for (b, &lb) in self.design_levels.iter().enumerate().skip(a + 1) {
                for i in 0..la {
                    columns.extend((0..lb).map(|j| Column::DesignPair { first: (a, i), second: (b, j) }));
                }
            }
        }
        for (d, &ld) in self.design_levels.iter().enumerate() {
            for (k, &lk) in self.context_levels.iter().enumerate() {
                for i in 0..ld {
                    columns.extend((0..lk).map(|j| Column::ContextPair { design: (d, i), context: (k, j) }));
                }
            }
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dtype, Factor};

    fn factor(name: &str, levels: usize) -> Factor {
        Factor::new(name, Dtype::Str, (0..levels).map(|i| i.to_string()).collect()).unwrap()
    }

    #[test]
    fn every_column_is_where_it_says() {
        let space =
            Space::new(vec![factor("a", 3), factor("b", 2), factor("c", 4)], vec![factor("x", 2), factor("y", 3)])
                .unwrap();
        let columns = Columns::of(&space);
        assert_eq!(columns.len(), space.columns());
        for (i, column) in columns.describe().into_iter().enumerate() {
            let at = match column {
                Column::Intercept => 0,
                Column::Context { factor, level } => columns.context(factor, level),
                Column::Design { factor, level } => columns.design(factor, level),
                Column::DesignPair { first, second } => columns.design_pair(first, second),
                Column::ContextPair { design, context } => columns.context_pair(design, context),
            };
            assert_eq!(at, i, "{column:?}");
            assert_eq!(
                columns.main_effects().contains(&i),
                matches!(column, Column::Context { .. } | Column::Design { .. })
            );
        }
    }

    #[test]
    fn unknown_levels_have_columns_like_any_other() {
        let space = Space::new(vec![factor("a", 3), factor("b", 2)], vec![factor("x", 2), factor("y", 3)]).unwrap();
        let columns = Columns::of(&space);
        assert_eq!(columns.len(), 1 + (3 + 4) + (3 + 2) + 6 + 5 * 7);
        for context in 0..space.contexts() {
            let active = columns.active(&[1, 1], &space.decode_context(context));
            assert_eq!(active.len(), 1 + 2 + 2 + 1 + 4);
            assert!(active.windows(2).all(|w| w[0] < w[1]));
        }
        let unknown = columns.describe().iter().filter(|column| columns.is_unknown(column)).count();
        assert_eq!(unknown, 2 + 5 * 2);
    }
}

//! Order in which the likelihood walks over the rows: what neighbours have in common is computed once.

use std::ops::Range;

use super::design::{Design, Observed};

/// Rows whose η are in memory together.
pub(crate) const WINDOW: usize = 256;
/// Rows with equally many trials share a logarithm, n Σ ln f = n ln Π f, at most so many: factors are in [1, 2].
const LONGEST: usize = 512;
/// Fewer share none.
const SHORTEST: usize = 4;
/// The factor of the pseudo-levels that stand for strata.
const NO_FACTOR: u32 = u32::MAX;
/// Rows with more trials share none: a product loses what is below 1e-16 of 1, which n multiplies.
const MOST_TRIALS: f64 = 1e6;

/// The columns of a row, split into those of its variant and, for each level of its context, those of that level: its
/// main effect and its pairs with the variant's levels. Rows of one variant share the former, and rows of one variant and
/// one level share the latter.
pub(crate) struct Traversal {
    /// For each row the number of its variant among those that occur, ascending.
    variant: Vec<u32>,
    /// For each row the numbers of its context levels, all factors' levels counted through, and of its stratum after them.
    levels: Vec<u32>,
    /// Where each row's begin; one more at the end.
    starts: Vec<u32>,
    /// Intercept, levels and pairs of levels of each variant that occurs, all equally many.
    own: Vec<u32>,
    /// How many.
    own_width: usize,
    /// Variants × context factors × design factors: the column of the variant's level with the first of the context's.
    cross: Vec<u32>,
    /// The number of design factors.
    design: usize,
    /// For each context level: its column, its factor and its number there; then the strata, which have no pairs.
    context: Vec<(u32, u32, u32)>,
    /// The number of context factors.
    factors: usize,
    /// n of each row.
    pub n: Vec<f64>,
    /// s of each row.
    pub sum: Vec<f64>,
    /// Stretches of rows, at most [`WINDOW`] each.
    windows: Vec<Window>,
}

/// A stretch of rows, in the order of the traversal.
pub(crate) struct Window {
    pub rows: Range<usize>,
    /// The rows, counted from the first of the stretch, those with equally many trials together.
    pub order: Vec<u32>,
    /// Ranges of `order` that share a logarithm.
    pub runs: Vec<Range<usize>>,
    /// Where in `order` those begin that share none.
    pub single: usize,
}

impl Window {
    #[expect(clippy::cast_possible_truncation, reason = "at most 256 rows")]
    fn new(rows: Range<usize>, n: &[f64]) -> Self {
        let mut sorted: Vec<u32> = (0..n.len() as u32).collect();
        sorted.sort_by(|&a, &b| n[a as usize].total_cmp(&n[b as usize]).then(a.cmp(&b)));
        let (mut order, mut runs, mut rest) = (Vec::with_capacity(n.len()), Vec::new(), Vec::new());
        for same in sorted.chunk_by(|&a, &b| n[a as usize].total_cmp(&n[b as usize]).is_eq()) {
            for run in same.chunks(LONGEST) {
                if run.len() < SHORTEST || n[run[0] as usize] > MOST_TRIALS {
                    rest.extend_from_slice(run);
                } else {
                    runs.push(order.len()..order.len() + run.len());
                    order.extend_from_slice(run);
                }
            }
        }
        let single = order.len();
        rest.sort_unstable();
        order.extend(rest);
        Self { rows, order, runs, single }
    }
}

impl Traversal {
    /// Over `observed`, ordered by variant.
    #[expect(clippy::cast_possible_truncation, reason = "columns are at most 2,000, rows far fewer than 2^32")]
    pub(crate) fn new(of: &Design<'_>, observed: &[Observed]) -> Self {
        let mut sorted = observed.to_vec();
        sorted.sort_by_key(|one| (one.variant, one.context, one.stratum));
        let n: Vec<f64> = sorted.iter().map(|one| one.n).collect();
        let sizes: Vec<usize> = of.space.context().iter().map(|f| f.levels().len() + 1).collect();
        let design = of.space.design().len();
        let mut context = Vec::new();
        let mut first = Vec::with_capacity(sizes.len());
        for (k, &size) in sizes.iter().enumerate() {
            first.push(context.len() as u32);
            context.extend((0..size).map(|l| (of.place(of.columns.context(k, l)) as u32, k as u32, l as u32)));
        }
        let first_stratum = context.len() as u32;
        context.extend((0..of.layout.strata).map(|g| ((of.layout.first_stratum() + g) as u32, NO_FACTOR, g as u32)));
        let mut all = Self {
            variant: Vec::with_capacity(sorted.len()),
            levels: Vec::with_capacity(sorted.len() * (sizes.len() + 1)),
            starts: vec![0],
            own: Vec::new(),
            own_width: 1 + design + design * design.saturating_sub(1) / 2,
            cross: Vec::new(),
            design,
            context,
            factors: sizes.len(),
            windows: (0..sorted.len())
                .step_by(WINDOW)
                .map(|from| from..sorted.len().min(from + WINDOW))
                .map(|rows| Window::new(rows.clone(), &n[rows]))
                .collect(),
            sum: sorted.iter().map(|one| one.sum).collect(),
            n,
        };
        let mut before = None;
        for one in &sorted {
            if before != Some(one.variant) {
                before = Some(one.variant);
                let variant = of.space.decode_variant(one.variant);
                all.own.push(of.place(0) as u32);
                all.own.extend(of.columns.of_variant(&variant).into_iter().map(|c| of.place(c) as u32));
                for k in 0..sizes.len() {
                    // Levels of a factor lie one after another, and one that is left out is the last of them.
                    let column = |(d, &level): (usize, &usize)| of.columns.context_pair((d, level), (k, 0));
                    all.cross.extend(variant.iter().enumerate().map(|at| of.place(column(at)) as u32));
                }
            }
            all.variant.push((all.own.len() / all.own_width - 1) as u32);
            let levels = of.space.decode_context(one.context);
            all.levels.extend(levels.into_iter().enumerate().map(|(k, l)| first[k] + l as u32));
            if of.layout.strata > 0 {
                all.levels.push(first_stratum + one.stratum as u32);
            }
            all.starts.push(all.levels.len() as u32);
        }
        all
    }

    /// n and s of every row times `factor`.
    pub(crate) fn scale(&mut self, factor: f64) {
        self.n.iter_mut().chain(&mut self.sum).for_each(|value| *value *= factor);
    }

    pub(crate) fn windows(&self) -> &[Window] {
        &self.windows
    }
}

/// Sums of coefficients, for `N` draws side by side, that the rows so far had in common.
pub(crate) struct Shared<const N: usize> {
    variant: u32,
    own: [f64; N],
    /// For each context level its sum, and the variant for which it is.
    levels: Vec<([f64; N], u32)>,
}

impl<const N: usize> Shared<N> {
    pub(crate) fn new(traversal: &Traversal) -> Self {
        Self { variant: u32::MAX, own: [0.0; N], levels: vec![([0.0; N], u32::MAX); traversal.context.len()] }
    }

    /// Forgets the draws.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.variant = u32::MAX;
        for level in &mut self.levels {
            level.1 = u32::MAX;
        }
    }

    /// η of the rows of a window, in their order, for the draws `block` (P × N): rows × N.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(crate) fn predict(&mut self, rows: &Traversal, window: &Window, block: &[[f64; N]], eta: &mut [f64]) {
        for (i, out) in window.rows.clone().zip(eta.chunks_exact_mut(N)) {
            let variant = rows.variant[i];
            let place = variant as usize;
            if variant != self.variant {
                self.variant = variant;
                self.own = [0.0; N];
                for &c in &rows.own[place * rows.own_width..][..rows.own_width] {
                    add(&mut self.own, &block[c as usize]);
                }
            }
            let mut sum = self.own;
            for &level in &rows.levels[rows.starts[i] as usize..rows.starts[i + 1] as usize] {
                let (value, of) = &mut self.levels[level as usize];
                if *of != variant {
                    *of = variant;
                    let (column, factor, number) = rows.context[level as usize];
                    *value = block[column as usize];
                    if factor != NO_FACTOR {
                        let first = (place * rows.factors + factor as usize) * rows.design;
                        for &c in &rows.cross[first..first + rows.design] {
                            add(value, &block[(c + number) as usize]);
                        }
                    }
                }
                add(&mut sum, value);
            }
            out.copy_from_slice(&sum);
        }
    }
}

#[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
#[inline(always)]
fn add<const N: usize>(to: &mut [f64; N], what: &[f64; N]) {
    for (a, b) in to.iter_mut().zip(what) {
        *a += b;
    }
}

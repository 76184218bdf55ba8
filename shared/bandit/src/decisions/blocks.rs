//! Linear predictors of all variants in a context, for a block of draws at a time (SIMD lanes).
//!
//! A location is a sum over columns. Of it, one part depends on the variant alone, one on the context alone, and one on
//! each pair (level of a design factor, context). The first is added up once per draw; the last is a sum over context
//! factors that is kept as prefix sums, so that going from one context to the next in numerical order adds up only what
//! has changed. Draws lie side by side in lanes, so that every inner loop is over consecutive numbers.
//!
//! What is called for every context is always inlined, so that it takes on the vector instructions of whoever calls it
//! through [`pulp::Arch`]. Wider vectors do the same operations in the same order, and none of them is fused: the results
//! are the same bits on every processor.

use crate::{Columns, DecisionError, Posterior, Predictor, Space};

/// Draws in a block. Sixteen single-precision numbers are four registers of the smallest vector unit in use.
pub(crate) const LANES: usize = 16;

/// One number for each draw of a block.
pub(crate) type Lanes = [f32; LANES];

/// Where a space's variants and columns are, looked up once.
pub(crate) struct Layout {
    predictor: Predictor,
    /// Levels of each design factor.
    pub(crate) design: Vec<usize>,
    /// Levels of each context factor, `unknown` not counted.
    pub(crate) context: Vec<usize>,
    /// The first slot of each design factor; a slot is a level of a design factor.
    pub(crate) slots: Vec<usize>,
    /// Number of slots: Σ of the levels of the design factors.
    pub(crate) slot_count: usize,
    /// Variants × design factors: the slot of each factor's level.
    pub(crate) variant_slots: Vec<u32>,
    /// Number of variants.
    pub(crate) variants: usize,
    /// Columns of the part of a variant that depends on nothing else, variants × `own_width`.
    own: Vec<u32>,
    own_width: usize,
    /// The first column of the block (design factor d, context factor k), D × K.
    pairs: Vec<usize>,
    /// The first column of context factor k.
    context_mains: Vec<usize>,
    columns: usize,
    /// Variants that differ in the last design factor alone, one after another: its number of levels.
    fastest: usize,
    /// How many such groups there are.
    groups: usize,
}

impl Layout {
    /// The layout of a space's variants in the posterior's columns.
    ///
    /// # Errors
    /// [`DecisionError::Shape`], [`DecisionError::NoDraws`] and [`DecisionError::NotFinite`] for a posterior that is
    /// not one of this space.
    pub(crate) fn new(space: &Space, posterior: &Posterior) -> Result<Self, DecisionError> {
        Self::for_draws(space, posterior, 0..posterior.len())
    }

    /// The same for somebody who uses the given draws alone: the others are not looked at.
    ///
    /// # Errors
    /// As [`Layout::new`].
    #[expect(clippy::cast_possible_truncation, reason = "variants are at most 2^31, and columns fit the memory")]
    pub(crate) fn for_draws(
        space: &Space,
        posterior: &Posterior,
        draws: impl IntoIterator<Item = usize> + Clone,
    ) -> Result<Self, DecisionError> {
        check(space, posterior, draws)?;
        let variants = space.variants();
        let design: Vec<usize> = space.design().iter().map(|f| f.levels().len()).collect();
        let mut slots = Vec::with_capacity(design.len());
        let mut slot_count = 0;
        for levels in &design {
            slots.push(slot_count);
            slot_count += levels;
        }
        let mut variant_slots = Vec::with_capacity(variants * design.len());
        for v in 0..variants {
            let levels = space.decode_variant(v);
            variant_slots.extend(levels.iter().zip(&slots).map(|(&level, &start)| (start + level) as u32));
        }
        let mut layout = Self {
            predictor: posterior.predictor,
            context: Vec::new(),
            slots,
            slot_count,
            variant_slots,
            variants,
            own: (0..variants as u32).collect(),
            own_width: 1,
            pairs: Vec::new(),
            context_mains: Vec::new(),
            columns: posterior.columns,
            fastest: design.last().copied().unwrap_or(1),
            groups: variants / design.last().copied().unwrap_or(1).max(1),
            design,
        };
        if posterior.predictor == Predictor::Columns {
            let columns = Columns::of(space);
            layout.context = space.context().iter().map(|f| f.levels().len()).collect();
            layout.context_mains = (0..layout.context.len()).map(|k| columns.context(k, 0)).collect();
            layout.pairs = (0..layout.design.len())
                .flat_map(|d| (0..layout.context.len()).map(move |k| (d, k)))
                .map(|(d, k)| columns.context_pair((d, 0), (k, 0)))
                .collect();
            layout.own = (0..variants)
                .flat_map(|v| columns.of_variant(&space.decode_variant(v)))
                .map(|column| column as u32)
                .collect();
            layout.own_width = layout.own.len() / variants;
        }
        Ok(layout)
    }

    /// Bytes that a block takes, about.
    pub(crate) fn block_bytes(&self) -> usize {
        let sums = (self.context.len() + 1) * (self.slot_count + 1);
        (self.columns + self.variants + sums) * size_of::<Lanes>()
    }

    /// The levels of a context, for a walk through contexts: none for arms, which know no context.
    pub(crate) fn context_levels(&self, space: &Space, context: u64) -> Vec<usize> {
        match self.predictor {
            Predictor::Arms => Vec::new(),
            Predictor::Columns => space.decode_context(context),
        }
    }
}

/// Whether a posterior is one of a space, and its mean and the given draws are numbers; both parts of a two-part one.
fn check(
    space: &Space,
    posterior: &Posterior,
    draws: impl IntoIterator<Item = usize> + Clone,
) -> Result<(), DecisionError> {
    let expected = match posterior.predictor {
        Predictor::Arms => space.variants(),
        Predictor::Columns => space.columns(),
    };
    let shape = |what, found, expected| {
        if found == expected { Ok(()) } else { Err(DecisionError::Shape { what, found, expected }) }
    };
    shape("columns", posterior.columns, expected)?;
    shape("mean", posterior.mean.len(), expected)?;
    if posterior.draws.is_empty() {
        return Err(DecisionError::NoDraws);
    }
    shape("the last draw", expected - posterior.draws.len() % expected, expected)?;
    shape("strata", posterior.strata.len() % posterior.len(), 0)?;
    if let Some(column) = posterior.mean.iter().position(|m| !m.is_finite()) {
        return Err(DecisionError::NotFinite { column, draw: None });
    }
    for draw in draws.clone() {
        if let Some(column) = posterior.draw(draw).iter().position(|x| !x.is_finite()) {
            return Err(DecisionError::NotFinite { column, draw: Some(draw) });
        }
        if let Some(stratum) = posterior.stratum_draw(draw).iter().position(|x| !x.is_finite()) {
            return Err(DecisionError::NotFinite { column: expected + stratum, draw: Some(draw) });
        }
    }
    let Some(amount) = &posterior.amount else { return Ok(()) };
    shape("draws of amounts", amount.len(), posterior.len())?;
    if amount.predictor != posterior.predictor || amount.amount.is_some() {
        return Err(DecisionError::Shape { what: "parts", found: 3, expected: 2 });
    }
    check(space, amount, draws)
}

/// A context to go to from the one before.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    /// One level number per context factor, the number of levels for `unknown`; none for arms.
    pub(crate) levels: &'a [u32],
    /// How many of the first are those of the context before.
    pub(crate) same: usize,
}

/// The locations of one block of draws.
pub(crate) struct Block<'a> {
    layout: &'a Layout,
    posterior: &'a Posterior,
    multipliers: Option<&'a [f64]>,
    /// Draws in the block; the lanes after them repeat the last.
    width: usize,
    /// Columns × lanes.
    columns: Vec<Lanes>,
    /// Variants × lanes: the part that depends on the variant alone.
    own: Vec<Lanes>,
    /// (K + 1) × slots × lanes: for each design level, the sum of its pairs with the first k context levels.
    pairs: Vec<Lanes>,
    /// (K + 1) × lanes: the intercept and the first k context main effects.
    offsets: Vec<Lanes>,
}

impl<'a> Block<'a> {
    /// A block that has no draws yet. `multipliers`: one per column, see [`super::deviations::multipliers`]; `None` for
    /// the draws as they are.
    pub(crate) fn new(layout: &'a Layout, posterior: &'a Posterior, multipliers: Option<&'a [f64]>) -> Self {
        let depth = layout.context.len() + 1;
        Self {
            layout,
            posterior,
            multipliers,
            width: 0,
            columns: vec![[0.0; LANES]; layout.columns],
            own: vec![[0.0; LANES]; layout.variants],
            pairs: vec![[0.0; LANES]; depth * layout.slot_count],
            offsets: vec![[0.0; LANES]; depth],
        }
    }

    /// Draws in the block.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Takes up the draws of the given numbers, at least 1 and at most [`LANES`]. The next context is the first of a walk.
    #[expect(clippy::cast_possible_truncation, reason = "locations are single precision throughout")]
    pub(crate) fn load(&mut self, draws: &[usize]) {
        self.width = draws.len();
        for lane in 0..LANES {
            let row = self.posterior.draw(draws[lane.min(draws.len() - 1)]);
            match self.multipliers {
                None => self.columns.iter_mut().zip(row).for_each(|(column, &x)| column[lane] = x),
                Some(multipliers) => {
                    let moved = row.iter().zip(&self.posterior.mean).zip(multipliers);
                    for (column, ((&x, &mean), &m)) in self.columns.iter_mut().zip(moved) {
                        column[lane] = (mean + m * (f64::from(x) - mean)) as f32;
                    }
                }
            }
        }
        for (own, active) in self.own.iter_mut().zip(self.layout.own.chunks_exact(self.layout.own_width)) {
            *own = active.iter().fold([0.0; LANES], |own, &column| sum(&own, &self.columns[column as usize]));
        }
        self.offsets[0] = match self.layout.predictor {
            Predictor::Arms => [0.0; LANES],
            Predictor::Columns => self.columns[0],
        };
    }

    /// Goes to the next context of a walk, or to its first.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(crate) fn context(&mut self, step: Step<'_>) {
        let layout = self.layout;
        let slots = layout.slot_count;
        for (k, &level) in step.levels.iter().enumerate().skip(step.same) {
            let level = level as usize;
            self.offsets[k + 1] = sum(&self.offsets[k], &self.columns[layout.context_mains[k] + level]);
            let (before, after) = self.pairs[k * slots..(k + 2) * slots].split_at_mut(slots);
            for (d, (&start, &count)) in layout.slots.iter().zip(&layout.design).enumerate() {
                let mut column = layout.pairs[d * layout.context.len() + k] + level;
                for (after, before) in after[start..start + count].iter_mut().zip(&before[start..start + count]) {
                    *after = sum(before, &self.columns[column]);
                    column += layout.context[k] + 1;
                }
            }
        }
    }

    /// The part of the current context's locations that is the same for all variants.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(crate) fn offset(&self) -> &Lanes {
        &self.offsets[self.layout.context.len()]
    }

    /// Calls `visit(v, η − offset)` for every variant in ascending order, in the current context.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(crate) fn for_each_variant(&self, mut visit: impl FnMut(usize, &Lanes)) {
        let layout = self.layout;
        let parts = &self.pairs[layout.context.len() * layout.slot_count..];
        let (factors, fastest) = (layout.design.len(), layout.fastest);
        let last = &parts[layout.slots[factors - 1]..][..fastest];
        for group in 0..layout.groups {
            let first = group * fastest;
            let mut base = [0.0; LANES];
            for &slot in &layout.variant_slots[first * factors..][..factors - 1] {
                base = sum(&base, &parts[slot as usize]);
            }
            for (l, (own, pair)) in self.own[first..first + fastest].iter().zip(last).enumerate() {
                visit(first + l, &sum(own, &sum(&base, pair)));
            }
        }
    }

    /// η − offset of variant 0, in the current context.
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    pub(crate) fn baseline(&self) -> Lanes {
        let layout = self.layout;
        let parts = &self.pairs[layout.context.len() * layout.slot_count..];
        let (last, others) = layout.slots.split_last().unwrap_or((&0, &[]));
        let base = others.iter().fold([0.0; LANES], |base, &slot| sum(&base, &parts[slot]));
        sum(&self.own[0], &sum(&base, &parts[*last]))
    }
}

/// Both added lane by lane.
#[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
#[inline(always)]
pub(crate) fn sum(a: &Lanes, b: &Lanes) -> Lanes {
    let mut sum = [0.0; LANES];
    for i in 0..LANES {
        sum[i] = a[i] + b[i];
    }
    sum
}

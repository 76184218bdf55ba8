//! Compiling a posterior into the policy table.

use std::collections::BTreeMap;
use std::thread;

use super::deviations::multipliers;
use super::outcomes::Outcomes;
use super::policy::{Coverage, Policy, Row};
use super::{LANES, Layout, Tile, Walk, floor};
use crate::{CellTable, DecisionError, Posterior, Predictor, Space};

/// What the policy makes of a posterior.
#[derive(Clone, Copy, Debug)]
pub struct PolicyOptions<'a> {
    /// Factor → bias: deviations of a coefficient are multiplied by 1 + Σ bias of the factors it involves. Empty for none.
    pub bias: &'a BTreeMap<String, f64>,
    /// Multiplies every deviation from the mean. 1 is Thompson sampling.
    pub exploration: f64,
    /// m: the least share of every allowed variant, π ← (1 − V·m) π + m with V allowed variants. 0 for none.
    pub minimum_share: f64,
    /// How much is compiled.
    pub limits: CompileLimits,
    /// Threads to compute with, at least 1. The result does not depend on it.
    pub threads: usize,
}

/// Cells of observed contexts that are compiled, and that reports average over, at most.
pub(crate) const OBSERVED_CELLS: u64 = 1_000_000;

/// How many cells (variant × context) are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Every context is compiled where contexts × variants are at most so many.
    pub every_context: u64,
    /// Else the observed contexts are, the most frequented first, as long as their cells are at most so many.
    pub observed: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { every_context: 200_000, observed: OBSERVED_CELLS }
    }
}

impl Policy {
    /// Thompson sampling compiled: π(v|c) = share of the draws in which v is the best variant of context c,
    ///
    /// ```text
    /// π(v|c) = #{s : v = argmax_{v' allowed} η(v', c; β'_s)} / S,     β'_sj = mean_j + m_j (β_sj − mean_j)
    /// ```
    ///
    /// - v: a variant, of V; c: a context; s: one of the S draws of the posterior; j: one of its columns;
    /// - `β_s`: draw s, on the location scale (log-odds for bool rewards, units of the link's scale for numeric ones);
    ///   `mean_j`: the mean of column j over the draws;
    /// - η(v, c; β): the location of the cell, the sum of its active columns, see [`crate::Columns`]; for a mab column v;
    /// - `m_j` = exploration · (1 + Σ bias of the factors that column j involves), no unit.
    ///
    /// Why: Thompson sampling draws one β from the posterior and serves the variant that is the best under it (Thompson
    /// 1933; Chapelle and Li 2011), so it serves v with the probability that v is the best (Scott 2010): with m = 1 that
    /// probability is π(v|c) itself, an integral over the posterior for which the share of S draws is the Monte-Carlo
    /// estimate, with standard error √(π(1−π)/S), at most 0.5 % with 10,000 independent draws. The links are increasing, so
    /// the greatest location η is the greatest expected reward; of two-part rewards the greatest product of both parts is
    /// taken instead. Strata's intercepts are left out: a common intercept ranks no variant. Of equal locations (single precision) the lowest variant
    /// wins. Excluded variants are not looked at.
    ///
    /// With a minimum share m, π(v|c) ← (1 − V·m) π(v|c) + m over the V allowed variants, in counts of at least 10,000 together and
    /// within one of them where m is a whole count, as 0.01 is: what is served is count / total, and so is the propensity.
    ///
    /// Shape: rows × at most V counts that add up to S; only those above 0 are kept.
    ///
    /// Contexts: all where contexts × variants ≤ [`CompileLimits::every_context`], those with unknown levels included;
    /// else those of `cells`, the most frequented first as far as [`CompileLimits::observed`] goes. A mab has one row
    /// for any context. Cost: one addition or two and one comparison per draw and cell.
    ///
    /// # Errors
    /// [`DecisionError`]: a posterior that is not of this space, unknown or bad options, no allowed variant.
    pub fn compile(
        space: &Space,
        cells: &CellTable,
        posterior: &Posterior,
        options: &PolicyOptions<'_>,
    ) -> Result<Self, DecisionError> {
        let (coverage, contexts) = contexts_to_compile(space, cells, posterior.predictor, options.limits);
        Self::compile_contexts(space, posterior, options, coverage, contexts)
    }

    pub(crate) fn compile_contexts(
        space: &Space,
        posterior: &Posterior,
        options: &PolicyOptions<'_>,
        coverage: Coverage,
        contexts: Vec<u64>,
    ) -> Result<Self, DecisionError> {
        let no_variant = DecisionError::NoVariant { variants: space.variants() };
        if space.allowed().next().is_none() {
            return Err(no_variant);
        }
        floor::check(space, options.minimum_share)?;
        let layout = Layout::new(space, posterior)?;
        let moved = multipliers(space, posterior.predictor, options.bias, options.exploration)?;
        #[expect(clippy::float_cmp, reason = "exactly 1 changes nothing, and is the usual case")]
        let moved = Some(moved).filter(|all| all.iter().any(|&m| m != 1.0));
        let draws: Vec<usize> = (0..posterior.len()).collect();

        let share = contexts.len().div_ceil(options.threads.max(1)).max(1);
        let count = |part: &[u64]| count_best(space, &layout, posterior, moved.as_deref(), &draws, part);
        let mut counts: Vec<Vec<u32>> = thread::scope(|scope| {
            let parts: Vec<_> = contexts.chunks(share).skip(1).map(|part| scope.spawn(move || count(part))).collect();
            let mut counts: Vec<Vec<u32>> = contexts.chunks(share).take(1).map(count).collect();
            for part in parts {
                counts.push(part.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
            }
            counts
        });

        let too_many = DecisionError::Shape { what: "draws", found: draws.len(), expected: u32::MAX as usize };
        let total = u32::try_from(draws.len()).map_err(|_| too_many)?;
        let mut policy = Self::empty(space, total, coverage).ok_or_else(|| no_variant.clone())?;
        for counts in counts.iter_mut().flat_map(|part| part.chunks_exact_mut(space.variants())) {
            floor::raise(counts, |v| space.is_allowed(v), options.minimum_share);
            let row = Row::from_counts(counts).ok_or_else(|| no_variant.clone())?;
            policy.total = row.as_ref().total();
            policy.push(row.as_ref());
        }
        if coverage == Coverage::ObservedContexts {
            policy.contexts = contexts;
        }
        Ok(policy)
    }
}

/// The contexts that get a row, ascending.
fn contexts_to_compile(
    space: &Space,
    cells: &CellTable,
    predictor: Predictor,
    limits: CompileLimits,
) -> (Coverage, Vec<u64>) {
    if predictor == Predictor::Arms {
        return (Coverage::AnyContext, vec![0]);
    }
    let variants = space.variants() as u64;
    if space.contexts().saturating_mul(variants) <= limits.every_context {
        return (Coverage::EveryContext, (0..space.contexts()).collect());
    }
    let rows = usize::try_from(limits.observed / variants).unwrap_or(usize::MAX).max(1);
    let observed = most_frequented(cells, rows);
    (Coverage::ObservedContexts, observed.into_iter().map(|(context, _)| context).collect())
}

/// The contexts of the cells with their number of trials, in ascending order; where there are more than `most`, only
/// those with the most trials, the lowest numbers of equals.
pub(crate) fn most_frequented(cells: &CellTable, most: usize) -> Vec<(u64, u64)> {
    let mut contexts: Vec<(u64, u64)> = Vec::new();
    for cell in cells.cells() {
        match contexts.last_mut() {
            Some((context, n)) if *context == cell.context => *n += cell.n,
            _ => contexts.push((cell.context, cell.n)),
        }
    }
    if contexts.len() > most {
        contexts.sort_by_key(|&(context, n)| (std::cmp::Reverse(n), context));
        contexts.truncate(most);
        contexts.sort_unstable();
    }
    contexts
}

/// How often each variant is the best: contexts × variants. The contexts are in numerical order where speed matters.
pub(super) fn count_best(
    space: &Space,
    layout: &Layout,
    posterior: &Posterior,
    multipliers: Option<&[f64]>,
    draws: &[usize],
    contexts: &[u64],
) -> Vec<u32> {
    let variants = space.variants();
    let allowed: Vec<bool> = (0..variants).map(|v| space.is_allowed(v)).collect();
    let walk = Walk::new(space, layout, contexts.iter().copied());
    let mut counts = vec![0; walk.len() * variants];
    let mut tile = Tile::new(layout, posterior, multipliers, draws.len(), 0);
    let arch = pulp::Arch::new();
    for draws in draws.chunks(tile.capacity()) {
        tile.load(draws);
        arch.dispatch(Counting { blocks: tile.blocks(), walk: &walk, allowed: &allowed, counts: &mut counts });
    }
    counts
}

/// Up to so many variants the winners of a block are counted variant by variant, side by side; beyond, one by one.
const FEW: usize = 12;

/// Counts for every context of a walk the variants that are the best in the draws at hand.
struct Counting<'a, 'b> {
    blocks: &'a mut [Outcomes<'b>],
    walk: &'a Walk,
    allowed: &'a [bool],
    /// Contexts × variants.
    counts: &'a mut [u32],
}

impl pulp::NullaryFnOnce for Counting<'_, '_> {
    type Output = ();

    #[expect(clippy::cast_possible_truncation, reason = "variants are at most 2^31")]
    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    fn call(self) {
        let Self { blocks, walk, allowed, counts } = self;
        for (i, counts) in counts.chunks_exact_mut(allowed.len()).enumerate() {
            let step = walk.step(i);
            for block in &mut *blocks {
                block.context(step);
                let mut greatest = [f32::NEG_INFINITY; LANES];
                let mut winner = [0_u32; LANES];
                block.for_each_score(
                    #[inline(always)]
                    |v, score| {
                        if allowed[v] {
                            for i in 0..LANES {
                                let better = score[i] > greatest[i];
                                greatest[i] = if better { score[i] } else { greatest[i] };
                                winner[i] = if better { v as u32 } else { winner[i] };
                            }
                        }
                    },
                );
                if block.width() == LANES && counts.len() <= FEW {
                    for (v, count) in counts.iter_mut().enumerate() {
                        *count += winner.iter().map(|&winner| u32::from(winner == v as u32)).sum::<u32>();
                    }
                } else {
                    winner[..block.width()].iter().for_each(|&v| counts[v as usize] += 1);
                }
            }
        }
    }
}

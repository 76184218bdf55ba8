//! Value of a policy: the `expected_reward` that the training answer shows.

use std::thread;

use super::contexts::{Points, share};
use super::effects::Wide;
use crate::decisions::{LANES, Layout, Outcomes, StratumShare, Tile, Walk};
use crate::{Policy, Posterior, Space};

/// Evaluations (cell × draw) that are made at most: all of 10,000 draws up to 200,000 cells, and of a million cells still
/// every fifth draw. So the work is bounded, whatever the data.
const MOST_EVALUATIONS: usize = 2_000_000_000;

/// What three policies earn in every draw.
pub(super) struct Values {
    /// `V_s`: the policy.
    pub(super) policy: Vec<f64>,
    /// `B_s`: the baseline for everybody.
    pub(super) baseline: Vec<f64>,
    /// `O_s`: the best allowed variant in every context, which differs from draw to draw.
    pub(super) best: Vec<f64>,
}

impl Values {
    /// Into reward units: center + scale · x.
    pub(super) fn rescale(&mut self, center: f64, scale: f64) {
        for values in [&mut self.policy, &mut self.baseline, &mut self.best] {
            for x in values {
                *x = center + scale * *x;
            }
        }
    }
}

/// The value of a policy, its probabilities π held fixed, of the baseline and of the best variants, in every draw s:
///
/// ```text
/// V_s = Σ_c (n_c/N) Σ_v π(v|c) E[r | v, c, β_s]     B_s = Σ_c (n_c/N) E[r | 0, c, β_s]     O_s = Σ_c (n_c/N) max_v E[r | v, c, β_s]
/// ```
///
/// over the observed contexts, in units of the link's scale about its center. `policy` has a row for each of them; where
/// none is, the context adds nothing.
///
/// All draws are used where cells (π > 0) × draws are at most 2 · 10⁹, else every k-th with the least k for which they
/// are: with 10,000 draws never fewer than 2,000. The threads share out the draws, so that their number changes nothing.
pub(super) fn values(
    space: &Space,
    layout: &Layout,
    posterior: &Posterior,
    points: &Points,
    policy: &Policy,
    threads: usize,
) -> Values {
    let allowed: Vec<bool> = (0..layout.variants).map(|v| space.is_allowed(v)).collect();
    let contexts = Contexts::new(space, layout, points, policy);
    let stride = contexts.cells.saturating_mul(posterior.len()).div_ceil(MOST_EVALUATIONS).max(1);
    let draws: Vec<usize> = (0..posterior.len()).step_by(stride).collect();
    // Whole blocks for every thread.
    let part = draws.len().div_ceil(threads.max(1)).next_multiple_of(LANES);
    let of = |draws: &[usize]| of_draws(layout, posterior, &contexts, &allowed, draws);
    thread::scope(|scope| {
        let parts: Vec<_> = draws.chunks(part).skip(1).map(|part| scope.spawn(move || of(part))).collect();
        let mut values = Values { policy: Vec::new(), baseline: Vec::new(), best: Vec::new() };
        let first: Vec<Values> = draws.chunks(part).take(1).map(of).collect();
        let rest = parts.into_iter().map(|part| part.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
        for part in first.into_iter().chain(rest) {
            values.policy.extend(part.policy);
            values.baseline.extend(part.baseline);
            values.best.extend(part.best);
        }
        values
    })
}

/// The contexts that have a row, each with its share of the trials and the policy's probabilities there.
struct Contexts<'a> {
    walk: Walk,
    shares: Vec<f64>,
    /// Contexts × variants: π(v|c).
    policy: Vec<f32>,
    /// Whether all allowed variants have a probability above 0.
    all_served: Vec<bool>,
    /// See [`super::contexts::Point`].
    strata: Vec<&'a [StratumShare]>,
    /// Cells (π > 0), each as often as its context has strata.
    cells: usize,
}

impl<'a> Contexts<'a> {
    fn new(space: &Space, layout: &Layout, points: &'a Points, policy: &Policy) -> Self {
        let variants = layout.variants;
        let allowed = space.allowed().count();
        let mut numbers = Vec::with_capacity(points.observed.len());
        let mut of = Self {
            walk: Walk::new(space, layout, []),
            shares: Vec::new(),
            policy: Vec::with_capacity(points.observed.len() * variants),
            all_served: Vec::new(),
            strata: Vec::new(),
            cells: 0,
        };
        // Observed points are in the order of their contexts.
        let strata = points.all.iter().filter(|point| point.observed).map(|point| &point.strata);
        for (&(context, n), strata) in points.observed.iter().zip(strata) {
            let Some(row) = policy.row(context) else { continue };
            let first = of.policy.len();
            of.policy.resize(first + variants, 0.0);
            let mut cells = 0;
            for (v, count) in row.iter() {
                #[expect(clippy::cast_possible_truncation, reason = "rewards are single precision too")]
                let probability = (f64::from(count) / f64::from(row.total())) as f32;
                of.policy[first + v] = probability;
                cells += 1;
            }
            numbers.push(context);
            of.shares.push(share(n, points.trials));
            of.all_served.push(cells == allowed);
            of.strata.push(strata);
            of.cells += cells * strata.len().max(1);
        }
        of.walk = Walk::new(space, layout, numbers);
        of
    }
}

fn of_draws(
    layout: &Layout,
    posterior: &Posterior,
    contexts: &Contexts<'_>,
    allowed: &[bool],
    draws: &[usize],
) -> Values {
    let empty = || Vec::with_capacity(draws.len());
    let mut values = Values { policy: empty(), baseline: empty(), best: empty() };
    let mut tile = Tile::new(layout, posterior, None, draws.len(), 0);
    let mut sums = Vec::new();
    let arch = pulp::Arch::new();
    for draws in draws.chunks(tile.capacity()) {
        tile.load(draws);
        sums.clear();
        sums.resize(tile.blocks().len(), [[0.0; LANES]; 3]);
        arch.dispatch(Comparing { blocks: tile.blocks(), contexts, allowed, sums: &mut sums });
        for (block, sums) in tile.blocks().iter().zip(&sums) {
            values.policy.extend(&sums[0][..block.width()]);
            values.baseline.extend(&sums[1][..block.width()]);
            values.best.extend(&sums[2][..block.width()]);
        }
    }
    values
}

/// Adds up over all contexts what the three policies earn in the draws at hand.
struct Comparing<'a, 'b> {
    blocks: &'a mut [Outcomes<'b>],
    contexts: &'a Contexts<'a>,
    allowed: &'a [bool],
    /// For each block those of the policy, of the baseline and of the best variants.
    sums: &'a mut [[Wide; 3]],
}

impl pulp::NullaryFnOnce for Comparing<'_, '_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    fn call(self) {
        let Self { blocks, contexts, allowed, sums } = self;
        for (i, policy) in contexts.policy.chunks_exact(allowed.len()).enumerate() {
            let (step, share) = (contexts.walk.step(i), contexts.shares[i]);
            for (block, sums) in blocks.iter_mut().zip(&mut *sums) {
                block.context(step);
                // Single precision within a context, doubles over contexts.
                let earned = block.compare((policy, contexts.all_served[i]), allowed, contexts.strata[i]);
                for (sums, earned) in sums.iter_mut().zip(&earned) {
                    for (sum, earned) in sums.iter_mut().zip(earned) {
                        *sum += share * f64::from(*earned);
                    }
                }
            }
        }
    }
}

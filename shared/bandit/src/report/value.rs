//! Value of a policy: the `expected_reward` that the training answer shows.

use std::thread;

use super::contexts::{Points, share};
use super::effects::Wide;
use crate::decisions::{LANES, Lanes, Layout, Outcomes, StratumShare};
use crate::{Policy, Posterior, Space};

/// Evaluations (cell × draw) that are made at most: all of 10,000 draws up to 200,000 cells, and of a million cells still
/// every fifth draw. One takes some 3 ns, so that they are 6 s of processor time at most, shared out over the threads.
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
    let contexts: Vec<Weighted> = weighted(space, layout, points, policy);
    let cells: usize = contexts.iter().map(|c| c.cells * c.strata.len().max(1)).sum();
    let stride = cells.saturating_mul(posterior.len()).div_ceil(MOST_EVALUATIONS).max(1);
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

/// A context with its share of the trials and the policy's probabilities there.
struct Weighted {
    levels: Vec<usize>,
    share: f64,
    /// π(v|c) for every variant v.
    policy: Vec<f32>,
    /// How many of them are positive.
    cells: usize,
    /// See [`super::contexts::Point`].
    strata: Vec<StratumShare>,
}

fn weighted(space: &Space, layout: &Layout, points: &Points, policy: &Policy) -> Vec<Weighted> {
    // Observed points are in the order of their contexts.
    let strata = points.all.iter().filter(|point| point.observed).map(|point| &point.strata);
    let rows = points.observed.iter().zip(strata).filter_map(|(&(c, n), strata)| Some((c, n, strata, policy.row(c)?)));
    rows.map(|(context, n, strata, row)| {
        let mut policy = vec![0.0; layout.variants];
        for (v, _) in row.iter() {
            #[expect(clippy::cast_possible_truncation, reason = "rewards are single precision too")]
            let probability = row.probability(v) as f32;
            policy[v] = probability;
        }
        let (levels, share) = (layout.context_levels(space, context), share(n, points.trials));
        Weighted { levels, share, policy, cells: row.iter().count(), strata: strata.clone() }
    })
    .collect()
}

fn of_draws(
    layout: &Layout,
    posterior: &Posterior,
    contexts: &[Weighted],
    allowed: &[bool],
    draws: &[usize],
) -> Values {
    let mut outcomes = Outcomes::new(layout, posterior, None);
    let empty = || Vec::with_capacity(draws.len());
    let mut values = Values { policy: empty(), baseline: empty(), best: empty() };
    for draws in draws.chunks(LANES) {
        outcomes.load(draws);
        let mut sums: [Wide; 3] = [[0.0; LANES]; 3];
        for context in contexts {
            outcomes.context(&context.levels);
            // Single precision within a context, doubles over contexts.
            let mut here: Lanes = [0.0; LANES];
            let served = |v: usize| context.policy[v] > 0.0;
            outcomes.for_each_reward_where(served, &context.strata, |v, reward| {
                for (sum, reward) in here.iter_mut().zip(reward) {
                    *sum += context.policy[v] * reward;
                }
            });
            let baseline = outcomes.baseline(&context.strata);
            let best = outcomes.best(allowed, &context.strata);
            for (sums, here) in sums.iter_mut().zip([here, baseline, best]) {
                for (sum, here) in sums.iter_mut().zip(here) {
                    *sum += context.share * f64::from(here);
                }
            }
        }
        let width = outcomes.width();
        values.policy.extend(&sums[0][..width]);
        values.baseline.extend(&sums[1][..width]);
        values.best.extend(&sums[2][..width]);
    }
    values
}

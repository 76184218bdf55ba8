//! Posterior mean rewards of single cells.

use std::thread;

use super::quantiles::Spread;
use crate::decisions::{LANES, Layout, Outcomes, StratumShare, Tile, Walk};
use crate::{DecisionError, Posterior, Space};

/// Evaluations (cell × draw) that are made at most, as long as [`LEAST_DRAWS`] remain.
const MOST_EVALUATIONS: usize = 2_000_000_000;

/// Draws that are used at least, where there are so many.
const LEAST_DRAWS: usize = 1_000;

/// The posterior mean of the expected reward of every variant in each of some contexts, reward units:
///
/// ```text
/// q̂(v, c) = (1/S) Σ_s E[r | v, c, β_s]
/// ```
///
/// Contexts × variants, in the order given. All S draws are used where cells × S are at most 2 · 10⁹, else every k-th with the
/// least k for which they are, but never fewer than 1,000. The result does not depend on `threads`.
///
/// With several strata a reward is the mean over them, all alike: nothing is known here of when somebody came.
///
/// What the doubly robust estimate takes for its model, and what a frozen policy is made of.
///
/// # Errors
/// [`DecisionError`]: a posterior that is not of this space, or a context that is not one of it.
pub fn expected_rewards(
    space: &Space,
    posterior: &Posterior,
    contexts: &[u64],
    threads: usize,
) -> Result<Vec<f64>, DecisionError> {
    let layout = Layout::new(space, posterior)?;
    check(space, contexts.iter().copied())?;
    let evaluations = contexts.len().saturating_mul(space.variants()).saturating_mul(posterior.len());
    let stride = evaluations.div_ceil(MOST_EVALUATIONS).min(posterior.len() / LEAST_DRAWS).max(1);
    let draws: Vec<usize> = (0..posterior.len()).step_by(stride).collect();
    let (center, scale) = posterior.link.unit();
    let of = |contexts: &[u64]| {
        let mut sums = vec![0.0; contexts.len() * space.variants()];
        let walk = Walk::new(space, &layout, contexts.iter().copied());
        let strata = Outcomes::even_strata(posterior);
        let mut tile = Tile::new(&layout, posterior, None, draws.len(), 0);
        let arch = pulp::Arch::new();
        for draws in draws.chunks(tile.capacity()) {
            tile.load(draws);
            arch.dispatch(Summing { blocks: tile.blocks(), walk: &walk, strata: &strata, sums: &mut sums });
        }
        #[expect(clippy::cast_precision_loss, reason = "draws are far below 2^52")]
        let count = draws.len() as f64;
        for sum in &mut sums {
            *sum = center + scale * *sum / count;
        }
        sums
    };
    let part = contexts.len().div_ceil(threads.max(1)).max(1);
    Ok(thread::scope(|scope| {
        let parts: Vec<_> = contexts.chunks(part).skip(1).map(|part| scope.spawn(move || of(part))).collect();
        let mut means: Vec<f64> = contexts.chunks(part).take(1).flat_map(of).collect();
        for part in parts {
            means.extend(part.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
        }
        means
    }))
}

/// Adds up the rewards of every cell of a walk over the draws at hand.
struct Summing<'a, 'b> {
    blocks: &'a mut [Outcomes<'b>],
    walk: &'a Walk,
    strata: &'a [StratumShare],
    /// Contexts × variants.
    sums: &'a mut [f64],
}

impl pulp::NullaryFnOnce for Summing<'_, '_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "it must take on the vector instructions of its caller")]
    #[inline(always)]
    fn call(self) {
        let Self { blocks, walk, strata, sums } = self;
        let variants = sums.len().checked_div(walk.len()).unwrap_or(0).max(1);
        for (i, sums) in sums.chunks_exact_mut(variants).enumerate() {
            let step = walk.step(i);
            for block in &mut *blocks {
                block.context(step);
                let width = block.width();
                block.for_each_reward(
                    strata,
                    #[inline(always)]
                    |v, reward| sums[v] += reward[..width].iter().map(|&r| f64::from(r)).sum::<f64>(),
                );
            }
        }
    }
}

/// Posterior mean and standard deviation of what the baseline earns at a mix of contexts, reward units:
///
/// ```text
/// b_s = Σ_c w_c E[r | variant 0, c, β_s] / Σ_c w_c
/// ```
///
/// over all draws s. `mix`: contexts with their weights, exposures say; `None` where these are 0.
///
/// # Errors
/// As [`expected_rewards`].
pub fn baseline_at(
    space: &Space,
    posterior: &Posterior,
    mix: &[(u64, u64)],
) -> Result<Option<(f64, f64)>, DecisionError> {
    let layout = Layout::new(space, posterior)?;
    check(space, mix.iter().map(|&(context, _)| context))?;
    let trials: u64 = mix.iter().map(|&(_, n)| n).sum();
    if trials == 0 {
        return Ok(None);
    }
    let walk = Walk::new(space, &layout, mix.iter().map(|&(context, _)| context));
    let shares: Vec<f64> = mix.iter().map(|&(_, n)| super::contexts::share(n, trials)).collect();
    let mut outcomes = Outcomes::new(&layout, posterior, None);
    let strata = Outcomes::even_strata(posterior);
    let mut values = Vec::with_capacity(posterior.len());
    for draws in (0..posterior.len()).collect::<Vec<_>>().chunks(LANES) {
        outcomes.load(draws);
        let mut sums = [0.0; LANES];
        for (i, share) in shares.iter().enumerate() {
            outcomes.context(walk.step(i));
            sums.iter_mut().zip(outcomes.baseline(&strata)).for_each(|(sum, reward)| *sum += share * f64::from(reward));
        }
        values.extend(&sums[..outcomes.width()]);
    }
    let (center, scale) = posterior.link.unit();
    let mean = Spread::of(&mut values).mean;
    #[expect(clippy::cast_precision_loss, reason = "draws are far below 2^52")]
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
    Ok(Some((center + scale * mean, scale * variance.sqrt())))
}

fn check(space: &Space, mut contexts: impl Iterator<Item = u64>) -> Result<(), DecisionError> {
    match contexts.find(|&context| context >= space.contexts()) {
        Some(context) => Err(DecisionError::UnknownContext { context, contexts: space.contexts() }),
        None => Ok(()),
    }
}

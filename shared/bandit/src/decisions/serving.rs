//! Policy rows drawn at serving time, for contexts that are not compiled.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::compile::count_best;
use super::deviations::multipliers;
use super::{Layout, PolicyOptions, Row, floor};
use crate::{DecisionError, Posterior, Seed, Space};

/// Draws that make a row at serving time. A probability p then has a standard error of √(p(1−p)/1000), at most 1.6 %.
pub const SERVING_DRAWS: usize = 1_000;

/// The seed of a context's row: SHA-256 of the optimization, the posterior's version and the context's number, see
/// [`Seed::derive`].
#[must_use]
pub fn serving_seed(optimization_id: &str, posterior_version: u64, context: u64) -> Seed {
    Seed::derive(&["fulcrum.row.v1", optimization_id, &posterior_version.to_string(), &context.to_string()])
}

/// The row of a context that was not compiled: Thompson sampling (Thompson 1933) as in [`crate::Policy::compile`], over
/// [`SERVING_DRAWS`] of the posterior's draws, chosen without replacement by the seed; over all where there are not more:
///
/// ```text
/// π(v|c) = #{s in R : v = argmax_{v' allowed} η(v', c; β'_s)} / |R|
/// ```
///
/// - R: the set of draws, every set of its size alike likely; η and β' as in [`crate::Policy::compile`], with the bias,
///   exploration and minimum share of `options`; its `limits` and `threads` are not used;
/// - `context`: its number in the space; `seed`: what R follows from, and nothing else.
///
/// Shape: at most V counts that add up to |R|, no unit. Given the posterior, a count is hypergeometric about |R| times the
/// compiled probability p: π has the standard error √(p(1−p)/|R| · (1 − |R|/S)) about p.
///
/// The row is a function of its arguments alone. With [`serving_seed`] every machine makes the same row of a version and
/// a context, so that serving from it is sticky and its propensities are exact. Only the chosen draws are read, and checked.
///
/// # Errors
/// [`DecisionError`], as for [`crate::Policy::compile`], and [`DecisionError::UnknownContext`].
pub fn draw_row(
    space: &Space,
    posterior: &Posterior,
    options: &PolicyOptions<'_>,
    context: u64,
    seed: &Seed,
) -> Result<Row, DecisionError> {
    if context >= space.contexts() {
        return Err(DecisionError::UnknownContext { context, contexts: space.contexts() });
    }
    floor::check(space, options.minimum_share)?;
    let draws = sample(posterior.len(), SERVING_DRAWS, seed);
    let layout = Layout::for_draws(space, posterior, draws.iter().copied())?;
    let moved = multipliers(space, posterior.predictor, options.bias, options.exploration)?;
    let no_variant = DecisionError::NoVariant { variants: space.variants() };
    if space.allowed().next().is_none() {
        return Err(no_variant);
    }
    let mut counts = count_best(space, &layout, posterior, Some(&moved), &draws, &[context]);
    floor::raise(&mut counts, |v| space.is_allowed(v), options.minimum_share);
    Row::from_counts(&counts).ok_or(no_variant)
}

/// `size` different numbers below `population` in ascending order, every set of them with the same probability: the
/// first `size` places of a Fisher–Yates shuffle. All numbers where `size` is no less than `population`.
fn sample(population: usize, size: usize, seed: &Seed) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..population).collect();
    if size < population {
        let mut rng = ChaCha8Rng::from_seed(seed.bytes());
        for i in 0..size {
            let j = rand::RngExt::random_range(&mut rng, i..population);
            numbers.swap(i, j);
        }
        numbers.truncate(size);
        numbers.sort_unstable();
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_set_and_follows_the_seed() {
        let seed = serving_seed("o", 3, 7);
        let one = sample(10_000, 1_000, &seed);
        assert_eq!(one.len(), 1_000);
        assert!(one.windows(2).all(|w| w[0] < w[1]) && one.iter().all(|&i| i < 10_000));
        assert_eq!(one, sample(10_000, 1_000, &seed));
        assert_ne!(one, sample(10_000, 1_000, &serving_seed("o", 4, 7)));
        assert_eq!(sample(5, 9, &seed), [0, 1, 2, 3, 4]);
        // The mean of the numbers has a standard deviation of 10⁴ · √(0.9 / (12 · 10³)) = 87; five of them.
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let mean = one.iter().sum::<usize>() as f64 / 1_000.0;
        assert!((mean - 4_999.5).abs() < 433.0, "{mean}");
    }
}

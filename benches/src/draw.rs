//! Random numbers of the simulations, and spaces to simulate on.

use bandit::{Dtype, Factor, Seed, Space};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Binomial, ChiSquared, Distribution, Gamma, Poisson, StandardNormal};

use crate::error::Error;

/// The generator of one part of a bench: what the parts name determines it.
#[must_use]
pub fn generator(seed: u64, parts: &[&str]) -> ChaCha12Rng {
    let seed = seed.to_string();
    let parts: Vec<&str> = ["fulcrum.benches", &seed].into_iter().chain(parts.iter().copied()).collect();
    ChaCha12Rng::from_seed(Seed::derive(&parts).bytes())
}

/// z ~ N(0, 1).
pub fn normal(rng: &mut impl Rng) -> f64 {
    rng.sample(StandardNormal)
}

/// |z| · scale, z ~ N(0, 1).
pub fn half_normal(scale: f64, rng: &mut impl Rng) -> f64 {
    scale * normal(rng).abs()
}

/// A value between `low` and `high` whose logarithm is uniform.
pub fn log_uniform(low: f64, high: f64, rng: &mut impl Rng) -> f64 {
    let u: f64 = rng.random();
    (low.ln() + u * (high / low).ln()).exp()
}

/// Conversions among n trials, each with probability p.
///
/// # Errors
/// [`Error::Distribution`] where p is no probability.
pub fn binomial(n: u64, p: f64, rng: &mut impl Rng) -> Result<u64, Error> {
    #[expect(clippy::cast_precision_loss, reason = "for a message")]
    let wrong = |_| Error::Distribution { what: "a binomial", first: n as f64, second: p };
    Ok(Binomial::new(n, p).map_err(wrong)?.sample(rng))
}

/// A count with the given mean ≥ 0.
///
/// # Errors
/// [`Error::Distribution`] where the mean is no such number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count that is drawn")]
pub fn poisson(mean: f64, rng: &mut impl Rng) -> Result<u64, Error> {
    if mean == 0.0 {
        return Ok(0);
    }
    let wrong = |_| Error::Distribution { what: "a Poisson count", first: mean, second: 0.0 };
    let count: f64 = Poisson::new(mean).map_err(wrong)?.sample(rng);
    Ok(count as u64)
}

/// G ~ Gamma(shape, 1) as its logarithm, which does not underflow for small shapes: G = G' U^(1/shape) with
/// G' ~ Gamma(shape + 1, 1).
///
/// # Errors
/// [`Error::Distribution`] where the shape is not positive.
pub fn log_gamma(shape: f64, rng: &mut impl Rng) -> Result<f64, Error> {
    let wrong = |_| Error::Distribution { what: "a gamma", first: shape, second: 1.0 };
    let u: f64 = rng.random();
    let boosted: f64 = Gamma::new(shape + 1.0, 1.0).map_err(wrong)?.sample(rng);
    Ok(boosted.ln() + (1.0 - u).ln() / shape)
}

/// The log-odds of θ ~ Beta(a, b).
///
/// # Errors
/// [`Error::Distribution`] where a or b is not positive.
pub fn logit_beta(a: f64, b: f64, rng: &mut impl Rng) -> Result<f64, Error> {
    Ok(log_gamma(a, rng)? - log_gamma(b, rng)?)
}

/// Σ r and Σ r² of n rewards r ~ N(mean, sd²), drawn as the sufficient statistics they are: the mean of n is
/// N(mean, sd²/n), the squares about it sd² times a chi-square of n − 1 degrees of freedom.
///
/// # Errors
/// [`Error::Distribution`], which n > 0 rules out.
#[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
pub fn normal_sums(n: u64, mean: f64, sd: f64, rng: &mut impl Rng) -> Result<(f64, f64), Error> {
    let count = n as f64;
    let found = mean + sd * normal(rng) / count.sqrt();
    let squares = if n > 1 {
        let wrong = |_| Error::Distribution { what: "a chi-square", first: count - 1.0, second: 0.0 };
        sd * sd * ChiSquared::new(count - 1.0).map_err(wrong)?.sample(rng)
    } else {
        0.0
    };
    Ok((count * found, squares + count * found * found))
}

/// Shares that add up to 1 and differ by about `spread` in their logarithms.
pub fn shares(count: usize, spread: f64, rng: &mut impl Rng) -> Vec<f64> {
    let raw: Vec<f64> = (0..count).map(|_| (spread * normal(rng)).exp()).collect();
    let total: f64 = raw.iter().sum();
    raw.into_iter().map(|x| x / total).collect()
}

/// A space of design factors `d0`, `d1`… and context factors `c0`, `c1`… with so many levels.
///
/// # Errors
/// [`Error::Factors`] for fewer than two levels.
pub fn space(design: &[usize], context: &[usize]) -> Result<Space, Error> {
    let factors = |prefix: &str, levels: &[usize]| -> Result<Vec<Factor>, Error> {
        let mut factors = Vec::new();
        for (i, &count) in levels.iter().enumerate() {
            let names = (0..count).map(|l| l.to_string()).collect();
            factors.push(Factor::new(format!("{prefix}{i}"), Dtype::Str, names)?);
        }
        Ok(factors)
    };
    Ok(Space::new(factors("d", design)?, factors("c", context)?)?)
}

/// The contexts of a space without unknown levels, ascending; the one context where there is no context factor.
#[must_use]
pub fn known_contexts(space: &Space) -> Vec<u64> {
    let known = |context: &u64| {
        let levels = space.decode_context(*context);
        levels.iter().zip(space.context()).all(|(&level, factor)| level < factor.levels().len())
    };
    (0..space.contexts()).filter(known).collect()
}

/// 1/(1 + e^(−x)).
#[must_use]
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// ln(p/(1 − p)).
#[must_use]
pub fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_contexts_leave_the_unknown_out() {
        let space = space(&[2], &[4, 3]).unwrap();
        let known = known_contexts(&space);
        assert_eq!(known.len(), 12);
        assert!(known.contains(&space.encode_context(&[3, 2])) && !known.contains(&space.encode_context(&[4, 0])));
        assert_eq!(known_contexts(&super::space(&[3, 2], &[]).unwrap()), [0]);
    }

    // 20,000 sums of five rewards of mean 3 and sd 2: the mean of Σ r is 15 with a standard error of
    // 2·√5/√20000 = 0.032, the mean of Σ (r − r̄)² is 4·4 = 16 with √(2·4)·4/√20000 = 0.08. Five of each.
    #[test]
    fn sums_have_the_moments_of_rewards() {
        let mut rng = generator(1, &["sums"]);
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..20_000 {
            let (s, q) = normal_sums(5, 3.0, 2.0, &mut rng).unwrap();
            sum += s / 20_000.0;
            squares += (q - s * s / 5.0) / 20_000.0;
        }
        assert!((sum - 15.0).abs() < 0.16, "{sum}");
        assert!((squares - 16.0).abs() < 0.4, "{squares}");
    }

    // θ ~ Beta(0.2, 1.8): mean 0.1, variance 0.09/3 = 0.03; the mean of 20,000 has a standard error of 0.0012.
    #[test]
    fn log_odds_of_a_beta() {
        let mut rng = generator(2, &["beta"]);
        let mut mean = 0.0;
        for _ in 0..20_000 {
            mean += sigmoid(logit_beta(0.2, 1.8, &mut rng).unwrap()) / 20_000.0;
        }
        assert!((mean - 0.1).abs() < 0.006, "{mean}");
    }

    #[test]
    fn generators_differ_by_every_part() {
        let first = |seed, parts: &[&str]| generator(seed, parts).random::<u64>();
        assert_eq!(first(1, &["a", "b"]), first(1, &["a", "b"]));
        assert_ne!(first(1, &["a", "b"]), first(2, &["a", "b"]));
        assert_ne!(first(1, &["a", "b"]), first(1, &["ab"]));
    }
}

//! The arithmetic of coverage and ranks.

use bandit::{Columns, Link, Posterior, Predictor, Space};
use serde::{Deserialize, Serialize};

/// The intervals that are checked: their probability.
pub const LEVELS: [f64; 3] = [0.5, 0.8, 0.95];

/// The draws of a cell's expected reward, in reward units.
#[must_use]
pub fn cell_draws(posterior: &Posterior, space: &Space, variant: usize, context: u64) -> Vec<f64> {
    let active = match posterior.predictor {
        Predictor::Arms => vec![variant],
        Predictor::Columns => Columns::of(space).active(&space.decode_variant(variant), &space.decode_context(context)),
    };
    let reward = |location: f64| match posterior.link {
        Link::Logit => crate::draw::sigmoid(location),
        Link::Identity { center, scale } => center + scale * location,
        Link::Log => location.exp(),
    };
    (0..posterior.len())
        .map(|s| {
            let draw = posterior.draw(s);
            reward(active.iter().map(|&j| f64::from(draw[j])).sum())
        })
        .collect()
}

/// For each of [`LEVELS`], whether the central interval of the draws holds the truth: whether the share of draws below
/// it (ties by half) is between (1 − level)/2 and (1 + level)/2.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
pub fn covered(draws: &[f64], truth: f64) -> [bool; 3] {
    let below = draws.iter().filter(|&&x| x < truth).count() as f64;
    let above = draws.iter().filter(|&&x| x > truth).count() as f64;
    let place = 0.5 + 0.5 * (below - above) / draws.len() as f64;
    LEVELS.map(|level| (place - 0.5).abs() <= 0.5 * level)
}

/// A mean over data sets with its standard error. Cells of one data set share their parameters, so the data set is what
/// is independent: the error is the standard deviation of the data sets' own means over √(data sets).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
}

impl Estimate {
    /// From one value per independent repetition. The error of fewer than two is NaN.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "hundreds of data sets")]
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Self { mean, error: (squares / (n - 1.0) / n).sqrt() }
    }

    /// Σ part / Σ whole over independent repetitions, with the delta-method error √(Σ (part − ratio · whole)²·n/(n−1)) /
    /// Σ whole.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "hundreds of repetitions")]
    pub fn ratio(parts: &[f64], wholes: &[f64]) -> Self {
        let n = parts.len() as f64;
        let whole: f64 = wholes.iter().sum();
        let mean = parts.iter().sum::<f64>() / whole;
        let squares: f64 = parts.iter().zip(wholes).map(|(p, w)| (p - mean * w).powi(2)).sum();
        Self { mean, error: (squares * n / (n - 1.0)).sqrt() / whole }
    }
}

/// χ² of counts against equal expectations, and P(χ² of bins − 1 degrees of freedom is as great).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "small counts")]
pub fn uniformity(counts: &[u64]) -> (f64, f64) {
    let expected = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    let square: f64 = counts.iter().map(|&c| (c as f64 - expected).powi(2) / expected).sum();
    (square, upper_gamma(0.5 * (counts.len() - 1) as f64, 0.5 * square))
}

/// Q(a, x) = Γ(a, x)/Γ(a), the upper regularised incomplete gamma function, for a > 0 and x ≥ 0: one less the series of
/// the lower one below x = a + 1, else Lentz's continued fraction (Press et al., Numerical Recipes, §6.2).
fn upper_gamma(shape: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = (shape * x.ln() - x - libm::lgamma(shape)).exp();
    if x < shape + 1.0 {
        let (mut term, mut sum, mut at) = (1.0 / shape, 1.0 / shape, shape);
        while term > sum * 1e-16 {
            at += 1.0;
            term *= x / at;
            sum += term;
        }
        return 1.0 - front * sum;
    }
    let inverse = |value: f64| if value.abs() < 1e-300 { 1e300 } else { value.recip() };
    let mut denominator = x + 1.0 - shape;
    let (mut up, mut down) = (1e300, denominator.recip());
    let mut fraction = down;
    for i in 1..1000 {
        let i = f64::from(i);
        let numerator = -i * (i - shape);
        denominator += 2.0;
        down = inverse(numerator * down + denominator);
        up = denominator + numerator * inverse(up);
        fraction *= up * down;
        if (up * down - 1.0).abs() < 1e-15 {
            break;
        }
    }
    front * fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_hold_what_is_between_their_ends() {
        let draws: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(covered(&draws, 500.0), [true, true, true]);
        assert_eq!(covered(&draws, 200.0), [false, true, true]);
        assert_eq!(covered(&draws, 800.0), [false, true, true]);
        assert_eq!(covered(&draws, 30.0), [false, false, true]);
        assert_eq!(covered(&draws, 20.0), [false, false, false]);
        assert_eq!(covered(&draws, 2000.0), [false, false, false]);
        assert_eq!(covered(&[7.0; 10], 7.0), [true, true, true]);
    }

    #[test]
    fn errors_are_of_the_repetitions() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0]);
        assert!((estimate.mean - 2.5).abs() < 1e-15);
        assert!((estimate.error - (5.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-15);
        let ratio = Estimate::ratio(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]);
        assert!((ratio.mean - 0.5).abs() < 1e-15 && ratio.error < 1e-15);
        // Equal wholes: a ratio is a mean.
        let (ratio, mean) = (Estimate::ratio(&[1.0, 2.0, 6.0], &[1.0; 3]), Estimate::of(&[1.0, 2.0, 6.0]));
        assert!((ratio.mean - mean.mean).abs() < 1e-15 && (ratio.error - mean.error).abs() < 1e-15);
    }

    // scipy.stats.chi2.sf(x, 19) at 19.0, 30.143527, 60.0 and 5.0.
    #[test]
    fn tails_of_chi_square() {
        for (x, tail) in [(19.0, 0.456_836_125_6), (30.143_527, 0.05), (60.0, 3.869_826_3e-6), (5.0, 0.999_430_962_6)] {
            let found = upper_gamma(9.5, 0.5 * x);
            assert!((found - tail).abs() < 1e-7 * tail, "{x}: {found}");
        }
        let (square, p) = uniformity(&[25; 20]);
        assert!(square.abs() < 1e-15 && (p - 1.0).abs() < 1e-15);
    }
}

//! Likelihood families of the generalised linear models: binomial with a logit link, Gamma with a logarithmic one.
//!
//! A row has two numbers, n and s, and the log-likelihood of its linear predictor η, up to constants:
//!
//! - Binomial: n trials, s of them with a conversion; s η − n ln(1 + e^η).
//! - Gamma: z amounts of mean e^η that add up to S, with dispersion φ, n = z/φ and s = S/φ; −(n η + s e^(−η)). As a
//!   quasi-likelihood (Wedderburn 1974; McCullagh & Nelder 1989, §9) it is right for the mean of amounts of any
//!   distribution whose standard deviation is in proportion to its mean.
//!
//! Both are concave in η. The gradient is `drive` − `fitted`, the first of which does not depend on η.

use super::quadrature;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Conversions in trials.
    Binomial,
    /// Sums of positive amounts.
    Gamma,
}

/// ln(1 + e^x) without overflow.
pub(crate) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// 1/(1 + e^(−x)) without overflow.
pub(crate) fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

impl Family {
    /// The log-likelihood of η.
    pub(crate) fn log_likelihood(self, n: f64, s: f64, eta: f64) -> f64 {
        match self {
            Self::Binomial => s * eta - n * softplus(eta),
            Self::Gamma => -(n * eta + s * (-eta).exp()),
        }
    }

    /// The part of the gradient that does not depend on η.
    pub(crate) fn drive(self, n: f64, s: f64) -> f64 {
        match self {
            Self::Binomial => s,
            Self::Gamma => -n,
        }
    }

    /// What is taken from it.
    pub(crate) fn fitted(self, n: f64, s: f64, eta: f64) -> f64 {
        match self {
            Self::Binomial => n * sigmoid(eta),
            Self::Gamma => -s * (-eta).exp(),
        }
    }

    /// Minus the second derivative.
    pub(crate) fn weight(self, n: f64, s: f64, eta: f64) -> f64 {
        match self {
            Self::Binomial => n * sigmoid(eta) * sigmoid(-eta),
            Self::Gamma => s * (-eta).exp(),
        }
    }

    /// The mean of one trial or amount.
    pub(crate) fn mean(self, eta: f64) -> f64 {
        match self {
            Self::Binomial => sigmoid(eta),
            Self::Gamma => eta.exp(),
        }
    }
}

/// Expectations under η ~ N(m, v): of the log-likelihood, its gradient, and minus its second derivative.
pub(crate) struct Expected {
    pub log_likelihood: f64,
    pub residual: f64,
    pub weight: f64,
}

/// Expectations under η ~ N(m, v): for the binomial by Gauss–Hermite quadrature, with more nodes for a wider normal; for
/// the Gamma they are those of a log-normal.
pub(crate) struct Smoothed {
    rules: [(f64, Vec<(f64, f64)>); 3],
}

impl Smoothed {
    pub(crate) fn new() -> Self {
        let rule = |upto: f64, nodes: usize| (upto, quadrature::normal(nodes));
        Self { rules: [rule(0.1, 5), rule(1.0, 9), rule(f64::INFINITY, 19)] }
    }

    pub(crate) fn of(&self, family: Family, (n, s): (f64, f64), mean: f64, variance: f64) -> Expected {
        match family {
            Family::Binomial => {
                let (softplus, p, slope) = self.binomial(mean, variance);
                Expected { log_likelihood: s * mean - n * softplus, residual: s - n * p, weight: n * slope }
            }
            Family::Gamma => {
                let fitted = s * (0.5 * variance.max(0.0) - mean).exp();
                Expected { log_likelihood: -(n * mean + fitted), residual: fitted - n, weight: fitted }
            }
        }
    }

    /// (E ln(1+e^η), E p, E p(1−p)).
    fn binomial(&self, m: f64, v: f64) -> (f64, f64, f64) {
        let sd = v.max(0.0).sqrt();
        let [narrow, middle, wide] = &self.rules;
        let rule = if v <= narrow.0 {
            &narrow.1
        } else if v <= middle.0 {
            &middle.1
        } else {
            &wide.1
        };
        rule.iter().fold((0.0, 0.0, 0.0), |(a, b, c), &(x, w)| {
            let eta = m + sd * x;
            let e = (-eta.abs()).exp();
            let p = if eta >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) };
            (a + w * (eta.max(0.0) + e.ln_1p()), b + w * p, c + w * e / ((1.0 + e) * (1.0 + e)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gradient and curvature of both families are the derivatives of their log-likelihoods, and expectations under a
    /// normal are those of quadrature with many nodes.
    #[test]
    fn derivatives_and_expectations_are_those_of_the_log_likelihood() {
        let smoothed = Smoothed::new();
        let nodes = quadrature::normal(40);
        for family in [Family::Binomial, Family::Gamma] {
            for (n, s, eta) in [(10.0, 3.0, -0.7), (4.0, 0.0, 0.3), (0.5, 7.0, 2.0), (30.0, 30.0, 0.0)] {
                let value = |x: f64| family.log_likelihood(n, s, x);
                let gradient = family.drive(n, s) - family.fitted(n, s, eta);
                let h = 1e-4;
                assert!((gradient - (value(eta + h) - value(eta - h)) / (2.0 * h)).abs() < 1e-6, "{family:?}");
                let curvature = -(value(eta + h) - 2.0 * value(eta) + value(eta - h)) / (h * h);
                assert!((family.weight(n, s, eta) - curvature).abs() < 1e-5, "{family:?}");
                for v in [0.01_f64, 0.6, 4.0] {
                    let mean =
                        |of: &dyn Fn(f64) -> f64| nodes.iter().map(|(x, w)| w * of(eta + v.sqrt() * x)).sum::<f64>();
                    let found = smoothed.of(family, (n, s), eta, v);
                    // Nineteen nodes are good for this much of the binomial at v = 4.
                    let close = |a: f64, b: f64| (a - b).abs() < 2e-3 * (1.0 + b.abs());
                    assert!(close(found.log_likelihood, mean(&value)), "{family:?} {v}");
                    let residual = mean(&|x| family.drive(n, s) - family.fitted(n, s, x));
                    assert!(close(found.residual, residual), "{family:?} {v}: {} {residual}", found.residual);
                    assert!(close(found.weight, mean(&|x| family.weight(n, s, x))), "{family:?} {v}");
                }
            }
        }
    }
}

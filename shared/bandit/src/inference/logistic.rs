//! The binomial likelihood of the cells under a logit link, with the Gaussian prior of the coefficients.

use super::quadrature;
use super::rows::Rows;

/// ln(1 + e^x) without overflow.
pub(crate) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// 1/(1 + e^(−x)) without overflow.
pub(crate) fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// ln p(y|β) = Σ s η − n ln(1 + e^η), without the binomial coefficients, which no coefficient touches.
pub(crate) fn log_likelihood(rows: &Rows, eta: &[f64]) -> f64 {
    eta.iter().zip(&rows.sum).zip(&rows.n).map(|((&e, s), n)| s * e - n * softplus(e)).sum()
}

/// Expectations under η ~ N(m, v) by Gauss–Hermite quadrature, with more nodes for a wider normal.
pub(crate) struct Smoothed {
    rules: [(f64, Vec<(f64, f64)>); 3],
}

impl Smoothed {
    pub(crate) fn new() -> Self {
        let rule = |upto: f64, nodes: usize| (upto, quadrature::normal(nodes));
        Self { rules: [rule(0.1, 5), rule(1.0, 9), rule(f64::INFINITY, 19)] }
    }

    /// (E ln(1+e^η), E p, E p(1−p)).
    pub(crate) fn at(&self, m: f64, v: f64) -> (f64, f64, f64) {
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

//! Tail probabilities of the normal and the χ² distribution.

/// P(|Z| ≥ |z|) of a standard normal Z: 2 (1 − Φ(|z|)) = erfc(|z|/√2), without the cancellation of the first form.
pub(super) fn normal_two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() * std::f64::consts::FRAC_1_SQRT_2)
}

/// P(X ≥ x) of a χ² with `df` degrees of freedom, 1 where there is none. With h = x/2, a finite sum (Abramowitz and Stegun,
/// 26.4.4 and 26.4.5):
///
/// ```text
/// df = 2m       e^(−h) Σ_{j<m} h^j / Γ(j + 1)
/// df = 2m + 1   erfc(√h) + e^(−h) Σ_{j<m} h^(j + ½) / Γ(j + 3/2)
/// ```
///
/// Every term is taken through its logarithm, so that e^(−h) underflows for none that matters.
pub(super) fn chi_squared(x: f64, df: u64) -> f64 {
    let h = x / 2.0;
    if df == 0 || h <= 0.0 {
        return 1.0;
    }
    let odd = df % 2 == 1;
    let (start, mut sum) = if odd { (0.5, libm::erfc(h.sqrt())) } else { (0.0, 0.0) };
    for j in 0..df / 2 {
        let power = super::numbers::number(j) + start;
        sum += (power * h.ln() - h - libm::lgamma(power + 1.0)).exp();
    }
    sum.min(1.0)
}

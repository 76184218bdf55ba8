//! Gauss–Hermite quadrature for expectations under a normal distribution.

/// Nodes x and weights w with E[f(Z)] ≈ Σ w f(x) for a standard normal Z; exact for polynomials up to degree 2k − 1.
///
/// Roots of the k-th probabilists' Hermite polynomial by Newton's method with deflation; weights k!/(k·He_{k−1}(x))²
/// in normalised form (Abramowitz & Stegun 25.4.46).
pub(crate) fn normal(k: usize) -> Vec<(f64, f64)> {
    // Orthonormal recurrence: h_{j+1} = (x h_j − √j h_{j−1}) / √(j+1).
    let evaluate = |x: f64| {
        let (mut before, mut here) = (0.0, 1.0);
        let mut j = 0.0_f64;
        for _ in 0..k {
            let next = (x * here - j.sqrt() * before) / (j + 1.0).sqrt();
            (before, here) = (here, next);
            j += 1.0;
        }
        (here, before, j)
    };
    let mut roots: Vec<f64> = Vec::with_capacity(k);
    let mut start = 2.0 * evaluate(0.0).2.sqrt() + 1.0;
    for _ in 0..k {
        let mut x = start;
        for _ in 0..200 {
            let (value, before, degree) = evaluate(x);
            // h_k' = √k h_{k−1}; dividing out the roots found already keeps Newton from falling back on them.
            let slope = degree.sqrt() * before;
            let found: f64 = roots.iter().map(|r| 1.0 / (x - r)).sum();
            let step = value / (slope - value * found);
            x -= step;
            if step.abs() < 1e-14 * (1.0 + x.abs()) {
                break;
            }
        }
        start = x - 1e-3;
        roots.push(x);
    }
    roots.sort_by(f64::total_cmp);
    roots
        .into_iter()
        .map(|x| {
            let (_, before, degree) = evaluate(x);
            (x, 1.0 / (degree * before * before))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn moments_of_the_normal_are_exact() {
        for k in [3, 8, 15, 20] {
            let nodes = super::normal(k);
            for (power, moment) in [(0, 1.0), (1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)] {
                let sum: f64 = nodes.iter().map(|(x, w)| w * x.powi(power)).sum();
                assert!((sum - moment).abs() < 1e-10, "k {k} power {power}: {sum}");
            }
        }
    }
}

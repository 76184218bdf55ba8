//! Pareto smoothing of importance weights (Vehtari, Simpson, Gelman, Yao & Gabry 2024).

/// Normalised weights and what they are worth.
pub(crate) struct Smoothed {
    /// Adding up to 1.
    pub weights: Vec<f64>,
    /// k̂, the shape of the generalised Pareto distribution of the largest weights.
    pub k: f64,
    /// 1/Σw².
    pub effective: f64,
}

impl Smoothed {
    /// Of no draws.
    pub(crate) fn none() -> Self {
        Self { weights: Vec::new(), k: f64::INFINITY, effective: 0.0 }
    }
}

/// Smooths weights that are given by their logarithms.
///
/// The M = min(S/5, 3√S) largest weights are replaced by the expected order statistics of a generalised Pareto
/// distribution fitted to them above the next largest, and cut off at the largest raw weight.
#[expect(clippy::cast_precision_loss, reason = "at most millions of draws")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive count")]
pub(crate) fn smooth(log_weights: &[f64]) -> Smoothed {
    let size = log_weights.len();
    let greatest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut weights: Vec<f64> = log_weights.iter().map(|w| (w - greatest).exp()).collect();
    let tail = (0.2 * size as f64).min(3.0 * (size as f64).sqrt()).ceil() as usize;
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| weights[a].total_cmp(&weights[b]).then(a.cmp(&b)));
    let mut k = f64::INFINITY;
    if tail >= 5 && tail < size {
        let cut = weights[order[size - tail - 1]];
        let excess: Vec<f64> = order[size - tail..].iter().map(|&i| weights[i] - cut).collect();
        // Weights that are all alike have no tail to smooth.
        if excess[tail - 1] <= 1e-12 * weights[order[size - 1]] {
            k = f64::NEG_INFINITY;
        } else {
            let (shape, scale) = fit_generalised_pareto(&excess);
            k = shape;
            if shape.is_finite() {
                for (j, &i) in order[size - tail..].iter().enumerate() {
                    let p = (j as f64 + 0.5) / tail as f64;
                    let quantile = if shape.abs() < 1e-9 {
                        -scale * (-p).ln_1p()
                    } else {
                        scale / shape * (-shape * (-p).ln_1p()).exp_m1()
                    };
                    weights[i] = (cut + quantile).min(1.0);
                }
            }
        }
    }
    let total: f64 = weights.iter().sum();
    for w in &mut weights {
        *w /= total;
    }
    let effective = 1.0 / weights.iter().map(|w| w * w).sum::<f64>();
    Smoothed { weights, k, effective }
}

/// (k, σ) of a generalised Pareto distribution for ascending excesses ≥ 0: the quasi-Bayesian estimate of Zhang &
/// Stephens (2009), with the weak prior on k of ten observations at ½ that Vehtari et al. add.
#[expect(clippy::cast_precision_loss, reason = "a few thousand excesses")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive count")]
fn fit_generalised_pareto(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let candidates = 30 + n.sqrt() as usize;
    let quarter = x[((n / 4.0 + 0.5).floor() as usize).saturating_sub(1).min(x.len() - 1)].max(f64::MIN_POSITIVE);
    let largest = x[x.len() - 1];
    let shape_at = |theta: f64| x.iter().map(|v| (-theta * v).ln_1p()).sum::<f64>() / n;
    let thetas: Vec<f64> = (1..=candidates)
        .map(|j| 1.0 / largest + (1.0 - (candidates as f64 / (j as f64 - 0.5)).sqrt()) / (3.0 * quarter))
        .collect();
    let profile: Vec<f64> = thetas
        .iter()
        .map(|&theta| {
            let k = shape_at(theta);
            n * ((-theta / k).ln() - k - 1.0)
        })
        .collect();
    let top = profile.iter().copied().filter(|p| p.is_finite()).fold(f64::NEG_INFINITY, f64::max);
    let (sum, weighted) =
        thetas.iter().zip(&profile).filter(|(_, p)| p.is_finite()).fold((0.0, 0.0), |(sum, weighted), (theta, p)| {
            let w = (p - top).exp();
            (sum + w, weighted + w * theta)
        });
    let theta = weighted / sum;
    let raw = shape_at(theta);
    let scale = -raw / theta;
    ((raw * n + 0.5 * 10.0) / (n + 10.0), scale)
}

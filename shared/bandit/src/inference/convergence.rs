//! Whether chains have converged: rank-normalised R̂ and effective numbers of draws (Vehtari, Gelman, Simpson,
//! Carpenter & Bürkner 2021).

/// R̂ of equally long chains of one quantity, the greater of that of its normal scores and that of the normal scores of
/// its distance from the median. 1 where nothing varies.
pub(crate) fn r_hat(chains: &[Vec<f64>]) -> f64 {
    let all: Vec<f64> = chains.iter().flatten().copied().collect();
    let mut sorted = all.clone();
    sorted.sort_by(f64::total_cmp);
    let Some(&median) = sorted.get(sorted.len() / 2) else { return 1.0 };
    let folded: Vec<f64> = all.iter().map(|v| (v - median).abs()).collect();
    let length = chains.first().map_or(1, Vec::len).max(1);
    [all, folded].into_iter().map(|values| plain_r_hat(&normal_scores(&values), length)).fold(1.0, f64::max)
}

/// √((B/W + n − 1)/n) with B, W the variances between and within chains of n draws that lie one after another.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
fn plain_r_hat(values: &[f64], length: usize) -> f64 {
    let n = length as f64;
    let moments: Vec<(f64, f64)> = values.chunks(length).map(mean_variance).collect();
    let within = moments.iter().map(|m| m.1).sum::<f64>() / moments.len() as f64;
    let between = mean_variance(&moments.iter().map(|m| m.0).collect::<Vec<f64>>()).1;
    if within > 0.0 { ((n - 1.0) / n + between / within).sqrt() } else { 1.0 }
}

/// Mean and unbiased variance.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
pub(crate) fn mean_variance(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, if values.len() > 1 { squares / (n - 1.0) } else { 0.0 })
}

/// Φ⁻¹((rank − 3/8)/(S + 1/4)) of every value.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
fn normal_scores(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut scores = vec![0.0; values.len()];
    for (rank, &i) in order.iter().enumerate() {
        scores[i] = normal_quantile((rank as f64 + 0.625) / (values.len() as f64 + 0.25));
    }
    scores
}

/// Φ⁻¹(p) to 4.5e-4 (Abramowitz & Stegun 26.2.23), enough for scores of ranks.
fn normal_quantile(p: f64) -> f64 {
    let t = (-2.0 * p.min(1.0 - p).ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let x = t - above / below;
    if p < 0.5 { -x } else { x }
}

/// The integrated autocorrelation time 1 + 2Σρ of one chain by Geyer's initial monotone sequence: how many draws of the
/// chain are worth one independent draw.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
pub(crate) fn autocorrelation_time(chain: &[f64]) -> f64 {
    let n = chain.len();
    let (mean, variance) = mean_variance(chain);
    if variance <= 0.0 || n < 4 {
        return 1.0;
    }
    let centred: Vec<f64> = chain.iter().map(|v| v - mean).collect();
    let rho = |lag: usize| {
        centred[lag..].iter().zip(&centred).map(|(a, b)| a * b).sum::<f64>() / (variance * (n as f64 - 1.0))
    };
    let (mut total, mut before) = (0.0, f64::INFINITY);
    for pair in 0..n / 4 {
        let sum = (rho(2 * pair) + rho(2 * pair + 1)).min(before);
        if sum <= 0.0 {
            break;
        }
        total += sum;
        before = sum;
    }
    // Chains that overshoot are worth more than independent draws, but never credited with more than ten times.
    (2.0 * total - 1.0).max(0.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha12Rng;
    use rand_distr::StandardNormal;

    fn chain(rng: &mut ChaCha12Rng, keep: f64, shift: f64, length: usize) -> Vec<f64> {
        let mut x = 0.0;
        (0..length)
            .map(|_| {
                let z: f64 = rng.sample(StandardNormal);
                x = keep * x + (1.0 - keep * keep).sqrt() * z;
                x + shift
            })
            .collect()
    }

    #[test]
    fn chains_in_different_places_are_told_apart() {
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let alike: Vec<_> = (0..4).map(|_| chain(&mut rng, 0.0, 0.0, 2000)).collect();
        assert!(r_hat(&alike) < 1.005);
        let apart: Vec<_> = (0..4).map(|c| chain(&mut rng, 0.0, 0.3 * f64::from(c), 2000)).collect();
        assert!(r_hat(&apart) > 1.03);
    }

    #[test]
    fn autocorrelation_time_of_an_autoregression_is_known() {
        let mut rng = ChaCha12Rng::seed_from_u64(4);
        for keep in [0.0, 0.5, 0.8] {
            let time = autocorrelation_time(&chain(&mut rng, keep, 0.0, 40_000));
            let known = (1.0 + keep) / (1.0 - keep);
            assert!((time / known - 1.0).abs() < 0.1, "{time} for {known}");
        }
    }

    #[test]
    fn quantiles_of_the_normal() {
        for (p, x) in [(0.5, 0.0), (0.975, 1.959_964), (0.025, -1.959_964), (0.001, -3.090_232)] {
            assert!((normal_quantile(p) - x).abs() < 5e-4);
        }
    }
}

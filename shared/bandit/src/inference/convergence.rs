//! Whether chains have converged: rank-normalised split R̂ and effective numbers of draws (Vehtari, Gelman, Simpson,
//! Carpenter & Bürkner 2021), of chains that are run at several points, each point a distribution of its own.
//!
//! Strands are the values of one quantity, a strand for each chain: those of one point follow each other, `replicates` of
//! them and equally long, and [`centre`] has taken the point's mean from them. What the points differ by is known, as
//! their weights are: it is no sign of chains that have not mixed, and must not hide one.

/// Lags that are looked at, at most, for correlations to die out.
const LAGS: usize = 200;

/// Takes the mean of each point's values from them.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
pub(crate) fn centre(strands: &mut [Vec<f64>], replicates: usize) {
    for point in strands.chunks_mut(replicates) {
        let count = point.iter().map(Vec::len).sum::<usize>() as f64;
        let mean = point.iter().flatten().sum::<f64>() / count;
        point.iter_mut().flatten().for_each(|v| *v -= mean);
    }
}

/// R̂ of centred strands: each is split into halves, and the first or second halves of one replicate's at all points make a
/// sequence. That gives twice as many sequences as replicates, each of them a sample of the whole posterior. The greater
/// of the R̂ of their normal scores and that of the normal scores of their distance from the median; 1 where nothing
/// varies. `scores` are those of [`rank_scores`] for as many values. Strands have even lengths.
pub(crate) fn r_hat(strands: &[Vec<f64>], replicates: usize, scores: &[f64]) -> f64 {
    let mut all = Vec::with_capacity(scores.len());
    for replicate in 0..replicates {
        for second in [false, true] {
            for strand in strands.iter().skip(replicate).step_by(replicates) {
                let (a, b) = strand.split_at(strand.len() / 2);
                all.extend_from_slice(if second { b } else { a });
            }
        }
    }
    let length = (all.len() / (2 * replicates)).max(1);
    let order = ranked(&all);
    let Some(&middle) = order.get(order.len() / 2) else { return 1.0 };
    let median = all[middle as usize];
    let folded: Vec<f64> = all.iter().map(|v| (v - median).abs()).collect();
    let of = |order: &[u32]| {
        let mut normal = vec![0.0; order.len()];
        for (&i, score) in order.iter().zip(scores) {
            normal[i as usize] = *score;
        }
        plain_r_hat(&normal, length)
    };
    of(&order).max(of(&ranked(&folded))).max(1.0)
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

/// The places of the values in ascending order.
#[expect(clippy::cast_possible_truncation, reason = "tens of thousands of draws")]
fn ranked(values: &[f64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]).then(a.cmp(&b)));
    order
}

/// Φ⁻¹((rank − 3/8)/(S + 1/4)) of the ranks 1…S.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
pub(crate) fn rank_scores(count: usize) -> Vec<f64> {
    (0..count).map(|rank| normal_quantile((rank as f64 + 0.625) / (count as f64 + 0.25))).collect()
}

/// Φ⁻¹(p) to 4.5e-4 (Abramowitz & Stegun 26.2.23), enough for scores of ranks.
fn normal_quantile(p: f64) -> f64 {
    let t = (-2.0 * p.min(1.0 - p).ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let x = t - above / below;
    if p < 0.5 { -x } else { x }
}

/// How far centred strands are from independent draws.
pub(crate) struct Mixing {
    /// Σ over points of n s² t, with n draws of variance s² and autocorrelation time t: S² times the variance of the mean
    /// of all S draws. Infinite where correlations do not die out within [`LAGS`] or within the strands.
    pub noise: f64,
    /// How many lags were looked at.
    pub lags: usize,
}

/// The integrated autocorrelation time t = 1 + 2Σρ, pooled over the strands, by Geyer's initial monotone sequence.
///
/// ρ at lag k is Σ x_i x_(i+k) over all strands, relative to what that is for independent draws with each point's
/// variance. Points count by their share of the noise, so that t times Σ n s² is the sum that is wanted. A strand that
/// stays away from its point's mean is correlated at every lag.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
pub(crate) fn mixing(strands: &[Vec<f64>], replicates: usize) -> Mixing {
    let variance = |point: &[Vec<f64>]| {
        let count = point.iter().map(Vec::len).sum::<usize>() as f64;
        point.iter().flatten().map(|v| v * v).sum::<f64>() / (count - 1.0).max(1.0)
    };
    let variances: Vec<f64> = strands.chunks(replicates).map(variance).collect();
    let of = |i: usize| variances[i / replicates];
    let independent =
        |lag: usize| strands.iter().enumerate().map(|(i, x)| x.len().saturating_sub(lag) as f64 * of(i)).sum::<f64>();
    let rho = |lag: usize| {
        let products = |x: &Vec<f64>| x.iter().skip(lag).zip(x).map(|(a, b)| a * b).sum::<f64>();
        strands.iter().map(products).sum::<f64>() / independent(lag)
    };
    if independent(0) <= 0.0 {
        return Mixing { noise: 0.0, lags: 0 };
    }
    let longest = strands.iter().map(Vec::len).max().unwrap_or(0);
    let (mut total, mut before, mut lags) = (0.0_f64, f64::INFINITY, 0);
    while lags < LAGS && lags + 1 < longest {
        let sum = (rho(lags) + rho(lags + 1)).min(before);
        lags += 2;
        if sum <= 0.0 {
            // Chains that overshoot are worth more than independent draws, but never credited with more than ten times.
            return Mixing { noise: (2.0 * total - 1.0).max(0.1) * independent(0), lags };
        }
        total += sum;
        before = sum;
    }
    Mixing { noise: f64::INFINITY, lags }
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

    fn r_hat_of(mut strands: Vec<Vec<f64>>, replicates: usize) -> f64 {
        let scores = rank_scores(strands.iter().map(Vec::len).sum());
        centre(&mut strands, replicates);
        r_hat(&strands, replicates, &scores)
    }

    #[test]
    fn chains_in_different_places_are_told_apart() {
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        assert!(r_hat_of((0..4).map(|_| chain(&mut rng, 0.0, 0.0, 2000)).collect(), 4) < 1.005);
        assert!(r_hat_of((0..4).map(|c| chain(&mut rng, 0.0, 0.3 * f64::from(c), 2000)).collect(), 4) > 1.03);
    }

    /// Without halves, chains that all drift the same way agree with each other.
    #[test]
    fn chains_that_all_drift_are_told_apart() {
        let mut rng = ChaCha12Rng::seed_from_u64(5);
        let drifting =
            (0..4).map(|_| (0..2000).map(|i| f64::from(i) / 1000.0 + chain(&mut rng, 0.0, 0.0, 1)[0]).collect());
        assert!(r_hat_of(drifting.collect(), 4) > 1.1);
    }

    /// Points far apart are no fault of the chains, and do not hide chains that differ at one of them.
    #[test]
    fn what_points_differ_by_does_not_count() {
        let mut rng = ChaCha12Rng::seed_from_u64(6);
        let mut strands = |off: f64| -> Vec<Vec<f64>> {
            let shift = |i: i32| f64::from(i / 4) * 20.0 + if i % 4 == 0 { off } else { 0.0 };
            (0..12).map(|i| chain(&mut rng, 0.0, shift(i), 1000)).collect()
        };
        assert!(r_hat_of(strands(0.0), 4) < 1.005);
        assert!(r_hat_of(strands(0.6), 4) > 1.03);
    }

    #[test]
    fn autocorrelation_time_of_an_autoregression_is_known() {
        let mut rng = ChaCha12Rng::seed_from_u64(4);
        for keep in [0.0, 0.5, 0.8] {
            // Many short strands at two points, and a long one.
            for (count, replicates, length) in [(1, 1, 40_000), (400, 200, 100)] {
                let mut strands: Vec<_> = (0..count).map(|_| chain(&mut rng, keep, 0.0, length)).collect();
                centre(&mut strands, replicates);
                let squares: f64 = strands.iter().flatten().map(|v| v * v).sum();
                let time = mixing(&strands, replicates).noise / squares;
                let known = (1.0 + keep) / (1.0 - keep);
                assert!((time / known - 1.0).abs() < 0.1, "{time} for {known}");
            }
        }
    }

    #[test]
    fn chains_that_do_not_mix_are_worth_nothing_and_cost_no_more_than_the_lags() {
        let mut rng = ChaCha12Rng::seed_from_u64(4);
        let mut strands: Vec<_> = (0..4).map(|c| chain(&mut rng, 0.0, 5.0 * f64::from(c), 2_500)).collect();
        centre(&mut strands, 4);
        let found = mixing(&strands, 4);
        assert!(found.noise.is_infinite() && found.lags == LAGS);
    }

    #[test]
    fn quantiles_of_the_normal() {
        for (p, x) in [(0.5, 0.0), (0.975, 1.959_964), (0.025, -1.959_964), (0.001, -3.090_232)] {
            assert!((normal_quantile(p) - x).abs() < 5e-4);
        }
    }
}

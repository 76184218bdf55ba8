//! What the intervals of a bool mab owe to its prior Beta(κm, κ(1−m)): the same data sets, with κ and m known, taken from
//! the data, or averaged over.

use rand::{Rng, RngExt};

use super::coverage::{Estimate, covered};
use super::truth::{DataSet, ESTIMATORS};
use crate::draw::{generator, logit, logit_beta};
use crate::error::Error;

/// What is done about κ and m.
const WAYS: [&str; 6] = [
    "κ and m known",
    "κ known, m the pooled rate",
    "κ maximised, m known",
    "κ maximised, m the pooled rate",
    "κ averaged over, m the pooled rate",
    "κ and m averaged over (the model)",
];
/// Draws per arm.
const DRAWS: usize = 2_000;
/// Points in ln κ and in ln m.
const POINTS: (usize, usize) = (60, 40);
/// Range of m that is averaged over; wider than the one it is drawn from.
const RATES: (f64, f64) = (0.003, 0.9);
/// κm below these and above the last.
const SIZES: [f64; 3] = [0.1, 0.3, 1.0];

/// One point of the arms' prior with its share.
#[derive(Clone, Copy)]
struct Point {
    kappa: f64,
    m: f64,
    weight: f64,
}

/// Prints the coverage of 95 % intervals for each of the ways, in all and by κm.
///
/// # Errors
/// [`Error`] of the distributions.
pub fn explain(data_sets: usize, seed: u64) -> Result<(), Error> {
    // Ways × data sets: share of arms that are covered, and κm.
    let mut shares = vec![Vec::with_capacity(data_sets); WAYS.len()];
    for i in 0..data_sets {
        let mut rng = generator(seed, &["calibration", ESTIMATORS[0].name, &i.to_string()]);
        let data = ESTIMATORS[0].simulate(&mut rng)?;
        let Some((kappa, m)) = data.arms else { continue };
        for (way, shares) in shares.iter_mut().enumerate() {
            shares.push((kappa * m, share_covered(&data, &prior(&data, way, (kappa, m)), &mut rng)?));
        }
    }
    println!("| κ and m | all | κm < 0.1 | 0.1 to 0.3 | 0.3 to 1 | above 1 |\n| --- | --- | --- | --- | --- | --- |");
    for (name, shares) in WAYS.iter().zip(&shares) {
        let mut row = vec![(*name).to_owned(), percent(&shares.iter().map(|s| s.1).collect::<Vec<_>>())];
        for k in 0..=SIZES.len() {
            let (low, high) = (if k == 0 { 0.0 } else { SIZES[k - 1] }, SIZES.get(k).copied().unwrap_or(f64::INFINITY));
            let within = shares.iter().filter(|s| s.0 >= low && s.0 < high).map(|s| s.1);
            row.push(percent(&within.collect::<Vec<_>>()));
        }
        println!("| {} |", row.join(" | "));
    }
    Ok(())
}

fn percent(shares: &[f64]) -> String {
    let at = Estimate::of(shares);
    format!("{:.1} ± {:.1}", 100.0 * at.mean, 100.0 * at.error)
}

/// (trials, conversions) of each arm.
#[expect(clippy::cast_precision_loss, reason = "a count of observations is far below 2^52")]
fn counts(data: &DataSet) -> Vec<(f64, f64)> {
    let mut counts = vec![(0.0, 0.0); data.truth.len()];
    for cell in data.cells.cells() {
        counts[cell.variant].0 += cell.n as f64;
        counts[cell.variant].1 += cell.sum;
    }
    counts
}

/// The points of the arms' prior under one of [`WAYS`].
fn prior(data: &DataSet, way: usize, (kappa, m): (f64, f64)) -> Vec<Point> {
    let counts = counts(data);
    let trials: f64 = counts.iter().map(|c| c.0).sum();
    let pooled = (counts.iter().map(|c| c.1).sum::<f64>() + 0.5) / (trials + 1.0);
    let kappas = ladder(1.0, trials.max(2.0), POINTS.0);
    let one = |kappa, m| vec![Point { kappa, m, weight: 1.0 }];
    // The density κ^(−3/2) of κ; that of ln κ, which a sum over equal steps of ln κ needs, is κ^(−1/2).
    let maximised = |m: f64| {
        let value = |kappa: f64| log_marginal(&counts, kappa, m) - 1.5 * kappa.ln();
        one(kappas.iter().copied().fold(1.0, |best, kappa| if value(kappa) > value(best) { kappa } else { best }), m)
    };
    let averaged = |rates: &[f64]| {
        let points = rates.iter().flat_map(|&m| kappas.iter().map(move |&kappa| (kappa, m)));
        let mut points: Vec<Point> = points
            .map(|(kappa, m)| Point { kappa, m, weight: log_marginal(&counts, kappa, m) - 0.5 * kappa.ln() })
            .collect();
        let top = points.iter().map(|p| p.weight).fold(f64::NEG_INFINITY, f64::max);
        for point in &mut points {
            point.weight = (point.weight - top).exp();
        }
        points
    };
    match way {
        0 => one(kappa, m),
        1 => one(kappa, pooled),
        2 => maximised(m),
        3 => maximised(pooled),
        4 => averaged(&[pooled]),
        _ => averaged(&ladder(RATES.0, RATES.1, POINTS.1)),
    }
}

/// Values from `low` to `high` with equal steps of their logarithm.
#[expect(clippy::cast_precision_loss, reason = "a small index")]
fn ladder(low: f64, high: f64, points: usize) -> Vec<f64> {
    (0..points).map(|i| low * (high / low).powf(i as f64 / (points - 1) as f64)).collect()
}

/// ln of the beta-binomial marginal of the arms, up to a constant of the data.
fn log_marginal(counts: &[(f64, f64)], kappa: f64, m: f64) -> f64 {
    let (a, b) = (kappa * m, kappa * (1.0 - m));
    let prior = libm::lgamma(kappa) - libm::lgamma(a) - libm::lgamma(b);
    let arm = |&(n, s): &(f64, f64)| libm::lgamma(a + s) + libm::lgamma(b + n - s) - libm::lgamma(kappa + n);
    counts.iter().map(|count| prior + arm(count)).sum()
}

/// The share of arms whose truth is in the 95 % interval of the posterior under that prior.
#[expect(clippy::cast_precision_loss, reason = "a handful of arms")]
fn share_covered(data: &DataSet, points: &[Point], rng: &mut impl Rng) -> Result<f64, Error> {
    let total: f64 = points.iter().map(|p| p.weight).sum();
    let counts = counts(data);
    let mut held = 0_u32;
    for (cell, (n, s)) in data.truth.iter().zip(&counts) {
        let mut draws = Vec::with_capacity(DRAWS);
        for _ in 0..DRAWS {
            let mut left = total * rng.random::<f64>();
            let chosen = points.iter().find(|p| {
                left -= p.weight;
                left <= 0.0
            });
            if let Some(p) = chosen.or(points.last()) {
                draws.push(logit_beta(p.kappa * p.m + s, p.kappa * (1.0 - p.m) + n - s, rng)?);
            }
        }
        held += u32::from(covered(&draws, logit(cell.mean))[2]);
    }
    Ok(f64::from(held) / data.truth.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The coverage of 60 data sets of 10 arms has a standard error below √(.95·.05/60) = 0.028; four of them.
    #[test]
    fn what_is_known_is_covered() {
        let mut shares = Vec::new();
        for i in 0..60 {
            let mut rng = generator(5, &["arms", &i.to_string()]);
            let data = ESTIMATORS[0].simulate(&mut rng).unwrap();
            let known = prior(&data, 0, data.arms.unwrap());
            shares.push(share_covered(&data, &known, &mut rng).unwrap());
        }
        let mean = Estimate::of(&shares).mean;
        assert!((mean - 0.95).abs() < 0.112, "{mean}");
    }

    #[test]
    fn averages_weigh_all_points() {
        let data = ESTIMATORS[0].simulate(&mut generator(6, &["arms"])).unwrap();
        let points = prior(&data, 5, data.arms.unwrap());
        assert_eq!(points.len(), POINTS.0 * POINTS.1);
        assert!(points.iter().all(|p| (0.0..=1.0).contains(&p.weight)));
        assert!(points.iter().any(|p| p.weight >= 1.0));
    }
}

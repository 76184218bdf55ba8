//! The grid against problems of which the posterior of the scales is known.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rand_distr::StandardNormal;

use super::*;
use crate::inference::family::{Smoothed, sigmoid};
use crate::inference::laplace::{EXACT, laplace};
use crate::inference::mixture::{Kind, Mixture, Model};
use crate::inference::testing::rows;
use crate::inference::work::Work;
use crate::{Cell, CellTable, Columns, Dtype, Factor, Space};

/// Effects that are seen with a known error: β ~ N(0, τ²), seen with variance `noise`; `squares` is their sum of squares.
struct Seen {
    effects: f64,
    noise: f64,
    squares: f64,
}

impl Seen {
    /// As many as expected of a true τ.
    fn expected(effects: f64, tau: f64, noise: f64) -> Self {
        Self { effects, noise, squares: effects * (tau * tau + noise) }
    }

    fn log_evidence(&self, tau: f64) -> f64 {
        let variance = tau * tau + self.noise;
        -0.5 * (self.effects * variance.ln() + self.squares / variance)
    }

    /// E τ and its standard deviation by 4,000 points between 10⁻⁴ and 100 of the hyperprior's scale.
    fn exact(&self, scale: f64) -> (f64, f64) {
        let points: Vec<(f64, f64)> = (0..4_000)
            .map(|i| scale * (1e6_f64.ln() * f64::from(i) / 4_000.0).exp() * 1e-4)
            .map(|tau| (tau, self.log_evidence(tau) - 0.5 * (tau / scale).powi(2) + tau.ln()))
            .collect();
        moments(&points)
    }
}

/// Mean and standard deviation of values with log-weights.
fn moments(values: &[(f64, f64)]) -> (f64, f64) {
    let weights = proportions(&values.iter().map(|v| v.1).collect::<Vec<_>>());
    let mean: f64 = values.iter().zip(&weights).map(|(v, w)| w * v.0).sum();
    let variance: f64 = values.iter().zip(&weights).map(|(v, w)| w * (v.0 - mean).powi(2)).sum();
    (mean, variance.sqrt())
}

/// How far E τ of the grid is from the exact one, in standard deviations, for both scales.
fn deviations(main: &Seen, pair: &Seen) -> (f64, f64) {
    let prior = Prior::default();
    let layout = Layout { strata: 0, stratum_sd: 1.0, main: 1, columns: 3, arms: false };
    let (points, _) = search(&prior, layout, Resolution::FULL, None, |scales, _: Option<&()>| {
        Ok(((), main.log_evidence(scales.main) + pair.log_evidence(scales.pair)))
    })
    .unwrap();
    let found = mean_scales(&points);
    let ((m, m_sd), (p, p_sd)) = (main.exact(prior.main_scale), pair.exact(prior.pair_scale));
    ((found.main - m).abs() / m_sd, (found.pair - p).abs() / p_sd)
}

/// All the weight once ended on one edge point here, ten standard deviations off.
#[test]
fn the_scales_of_two_thousand_well_determined_effects() {
    let off = deviations(&Seen::expected(74.0, 0.6, 1e-4), &Seen::expected(1_925.0, 0.12, 5e-4));
    assert!(off.0 < 0.02 && off.1 < 0.02, "{off:?}");
}

/// From scales that are far above or below the hyperprior's to such of which nothing is known.
#[test]
fn the_grid_comes_to_rest_wherever_the_scales_are() {
    let mut far = Vec::new();
    for effects in [(3.0, 4.0), (6.0, 60.0), (20.0, 330.0), (74.0, 1_925.0)] {
        for main in [0.003, 0.03, 0.3, 3.0] {
            for pair in [0.002, 0.02, 0.2, 2.0] {
                for noise in [1e-7, 1e-4, 1e-2, 1.0] {
                    let seen = Seen::expected(effects.0, main, noise);
                    let off = deviations(&seen, &Seen::expected(effects.1, pair, 3.0 * noise));
                    far.extend([off.0, off.1]);
                    assert!(off.0.max(off.1) < 0.4, "{effects:?} of {main}, {pair} with {noise}: {off:?}");
                }
            }
        }
    }
    far.sort_by(f64::total_cmp);
    assert!(far[far.len() * 9 / 10] < 0.1, "{}", far[far.len() * 9 / 10]);
}

#[test]
fn a_grid_that_does_not_come_to_rest_is_an_error() {
    let mut calls = 0_u32;
    let found = search(
        &Prior::default(),
        Layout { strata: 0, stratum_sd: 1.0, main: 1, columns: 3, arms: false },
        Resolution::FULL,
        None,
        |scales, _| {
            calls += 1;
            // Each of the sixteen grids finds the peak somewhere else, and the one over the last two finds it beside itself.
            let grid = (calls - 1) / 48;
            let place = match grid {
                16.. => 3.0,
                _ if grid.is_multiple_of(2) => -2.0,
                _ => 1.0,
            };
            Ok(((), -1e4 * (scales.main.ln() - place).powi(2)))
        },
    );
    assert!(matches!(found.err(), Some(FitError::NoConvergence { residual, .. }) if residual > 0.0));
}

/// 60 columns: 5 × 3 variants in contexts of 4 levels, and bool rewards.
fn problem(trials: u64) -> (Space, CellTable) {
    let factor =
        |name: &str, levels: u32| Factor::new(name, Dtype::Str, (0..levels).map(|l| l.to_string()).collect()).unwrap();
    let space = Space::new(vec![factor("a", 5), factor("b", 3)], vec![factor("c", 4)]).unwrap();
    let columns = Columns::of(&space);
    let mut rng = ChaCha12Rng::seed_from_u64(11);
    let beta: Vec<f64> = (0..columns.len())
        .map(|j| {
            let scale = if columns.main_effects().contains(&j) { 0.5 } else { 0.25 };
            if j == 0 { -2.0 } else { scale * rng.sample::<f64, _>(StandardNormal) }
        })
        .collect();
    let mut cells = Vec::new();
    for context in 0..4_u64 {
        for variant in 0..space.variants() {
            let active = columns.active(&space.decode_variant(variant), &space.decode_context(context));
            let p = sigmoid(active.iter().map(|&j| beta[j]).sum());
            #[expect(clippy::cast_precision_loss, reason = "small counts")]
            let sum = (trials as f64 * p + rng.random::<f64>()).floor();
            cells.push(Cell { variant, context, n: trials, sum, sum_sq: sum });
        }
    }
    (space, CellTable::new(cells).unwrap())
}

/// The scales of both ways of the bool model against Laplace's evidence on 36 × 36 points.
#[test]
fn both_ways_of_the_bool_model_find_the_scales() {
    for trials in [30, 1_000, 1_000_000] {
        let (space, table) = problem(trials);
        let (rows, layout) = rows(&space, &table);
        let work = Work::bounded(rows.columns, 1e12);
        let model = Model { rows: &rows, layout, intercept: -2.0, smoothed: Smoothed::new(), work };
        let prior = Prior::default();
        let mut mode = model.origin();
        let mut exact = Vec::new();
        for i in 0..36 {
            for j in 0..36 {
                let x = |k: i32, scale: f64| scale * (0.01_f64.ln() + 600_f64.ln() * f64::from(k) / 35.0).exp();
                let scales = Scales { main: x(i, 0.5), pair: x(j, 0.25) };
                let fit = laplace(&rows, &model.prior(scales), &mode, EXACT, &model.work).unwrap();
                let log = fit.log_evidence + log_hyperprior(&prior, scales) + scales.main.ln() + scales.pair.ln();
                mode = fit.mean;
                exact.push((scales, log));
            }
        }
        let of =
            |scale: fn(&Scales) -> f64| moments(&exact.iter().map(|(s, log)| (scale(s), *log)).collect::<Vec<_>>());
        let (main, pair) = (of(|s| s.main), of(|s| s.pair));
        let near = |way: &str, mixture: &Mixture| {
            let found = mean_scales(&mixture.points);
            assert!((found.main - main.0).abs() < 0.1 * main.1, "{way}, {trials} trials: {} {main:?}", found.main);
            assert!((found.pair - pair.0).abs() < 0.1 * pair.1, "{way}, {trials} trials: {} {pair:?}", found.pair);
        };
        near("each", &model.each(&prior, Kind::Laplace).unwrap());
        // One expansion stands for all scales there: right where data are many.
        if trials >= 1_000 {
            near("shared", &model.shared(&prior, Kind::Laplace).unwrap());
        }
    }
}

//! The evidence and the grid against plain sums.

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::inference::testing;
use crate::{Cell, CellTable, Columns, Distribution, Dtype, ModelType, RewardType, Settings, Space};

/// 60 columns: 5 × 3 variants in contexts of 4 levels, `trials` in each cell, with errors of the given size.
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn problem(trials: u64, error: f64) -> (Space, CellTable) {
    let factor = |name: &str, levels: u32| {
        crate::Factor::new(name, Dtype::Str, (0..levels).map(|l| l.to_string()).collect()).unwrap()
    };
    let space = Space::new(vec![factor("a", 5), factor("b", 3)], vec![factor("c", 4)]).unwrap();
    let columns = Columns::of(&space);
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    let beta: Vec<f64> = (0..columns.len())
        .map(|j| {
            let scale = if columns.main_effects().contains(&j) { 1.0 } else { 0.3 };
            scale * rng.sample::<f64, _>(StandardNormal)
        })
        .collect();
    let mut cells = Vec::new();
    for context in 0..4_u64 {
        for variant in 0..space.variants() {
            let active = columns.active(&space.decode_variant(variant), &space.decode_context(context));
            let n = trials + (variant as u64 + context) % 3;
            let mean = active.iter().map(|&j| beta[j]).sum::<f64>()
                + error / (n as f64).sqrt() * rng.sample::<f64, _>(StandardNormal);
            let (sum, spread) = (n as f64 * mean, (n as f64 - 1.0) * error * error);
            cells.push(Cell { variant, context, n, sum, sum_sq: sum * mean + spread });
        }
    }
    (space, CellTable::new(cells).unwrap())
}

fn data(space: &Space, table: &CellTable) -> (Data, Rows, Pooled) {
    let (rows, layout) = testing::rows(space, table);
    let pooled = Pooled::of(table.weighted(), 0.0).unwrap();
    (Data::new(&rows, layout, table.weighted(), &pooled, &Prior::default()).unwrap(), rows, pooled)
}

/// βn and the evidence as their formulas say, passing over the rows at every pair of scales; also where hardly anything is
/// left of the rewards' variance.
#[test]
fn the_evidence_is_that_of_plain_sums() {
    for error in [1.0, 1e-5] {
        let (space, table) = problem(4, error);
        let (data, rows, pooled) = data(&space, &table);
        let mut evidence = data.evidence();
        for (main, pair) in [(0.5, 0.25), (0.02, 0.01), (3.0, 2.0), (3.0, 0.01)] {
            let scales = Scales { main, pair };
            let d = data.layout.precision(scales);
            let factor = Factor::new(rows.gram(&rows.n, &d)).unwrap();
            let means: Vec<f64> = table.weighted().iter().map(|c| pooled.standardised(c)).collect();
            let mut mean = vec![0.0; rows.columns];
            rows.add_transposed(&means.iter().zip(&rows.n).map(|(y, n)| y * n).collect::<Vec<_>>(), &mut mean);
            factor.solve(&mut mean);
            let mut eta = Vec::new();
            rows.predict(&mean, &mut eta);
            let misfit: f64 = eta.iter().zip(&means).zip(&rows.n).map(|((e, y), n)| n * (y - e).powi(2)).sum();
            let pull: f64 = mean.iter().zip(&d).map(|(m, d)| d * m * m).sum();
            let beta = 0.5 + 0.5 * (data.within + misfit + pull);
            let log = 0.5 * d.iter().map(|d| d.ln()).sum::<f64>() - 0.5 * factor.log_det() - data.alpha * beta.ln();
            let found = evidence(scales).unwrap();
            assert!((found.0 / beta - 1.0).abs() < 1e-10, "{error} at {scales:?}: {} {beta}", found.0);
            assert!((found.1 - log).abs() < 1e-7, "{error} at {scales:?}: {} {log}", found.1);
        }
    }
}

/// E τ of the fit against the evidence on 60 × 60 points, from few rewards to so many that the scales are as well known as
/// they can be.
#[test]
fn the_scales_are_found() {
    for (trials, error) in [(1, 3.0), (20, 1.0), (1_000_000, 1.0)] {
        let (space, table) = problem(trials, error);
        let (data, ..) = data(&space, &table);
        let prior = Prior::default();
        let mut evidence = data.evidence();
        let mut points = Vec::new();
        for i in 0..60 {
            for j in 0..60 {
                let at = |k: i32, scale: f64| scale * (0.01_f64.ln() + 600_f64.ln() * f64::from(k) / 59.0).exp();
                let (main, pair) = (at(i, 0.5), at(j, 0.25));
                let log =
                    evidence(Scales { main, pair }).unwrap().1 - 0.5 * ((main / 0.5).powi(2) + (pair / 0.25).powi(2));
                points.push((main, pair, log + main.ln() + pair.ln()));
            }
        }
        let greatest = points.iter().map(|p| p.2).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = points.iter().map(|p| (p.2 - greatest).exp()).sum();
        let average = |of: &dyn Fn(&(f64, f64, f64)) -> f64| {
            points.iter().map(|p| of(p) * (p.2 - greatest).exp()).sum::<f64>() / total
        };
        let (main, pair) = (average(&|p| p.0), average(&|p| p.1));
        let (main_sd, pair_sd) = (average(&|p| (p.0 - main).powi(2)).sqrt(), average(&|p| (p.1 - pair).powi(2)).sqrt());
        let settings = Settings {
            model_type: ModelType::Cmab,
            reward: RewardType::Numeric,
            distribution: Distribution::Normal,
            prior,
            exploration: 1.0,
        };
        let posterior = crate::fit(&space, &table, &settings, &Seed::derive(&["scales"])).unwrap();
        let found = posterior
            .diagnostics
            .scales
            .iter()
            .fold((0.0, 0.0), |t, p| (t.0 + p.weight * p.main, t.1 + p.weight * p.pair));
        assert!((found.0 - main).abs() < 0.1 * main_sd, "{trials}: {} for {main} ± {main_sd}", found.0);
        assert!((found.1 - pair).abs() < 0.1 * pair_sd, "{trials}: {} for {pair} ± {pair_sd}", found.1);
    }
}

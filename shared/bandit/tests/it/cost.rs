//! What fits cost, in seconds of processor time, by hand:
//! `cargo test --release -p bandit --test it -- --ignored --nocapture --exact cost::cost [first letters of a case]`.

use std::collections::HashMap;

use crate::common::{locations, settings, sigmoid, space, summary};
use bandit::{
    Cell, CellTable, Columns, ModelType, Prior, RewardType, Seed, Space, Stratum, StratumCell, Training,
    TrainingOptions, fit,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rand_distr::StandardNormal;

/// Cells of observations spread evenly over contexts without unknown levels, from a model with scales 0.5 and 0.25.
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn simulate(space: &Space, observations: u64, base: f64) -> CellTable {
    let mut rng = ChaCha12Rng::seed_from_u64(7);
    let mut normal = |scale: f64| scale * rng.sample::<f64, _>(StandardNormal);
    let columns = Columns::of(space);
    let scale = |j: usize| if columns.main_effects().contains(&j) { 0.5 } else { 0.25 };
    let beta: Vec<f64> = (0..columns.len()).map(|j| if j == 0 { base } else { normal(scale(j)) }).collect();
    let contexts: Vec<u64> = (0..space.contexts())
        .filter(|&c| space.decode_context(c).iter().zip(space.context()).all(|(l, f)| *l < f.levels().len()))
        .collect();
    let cells = (contexts.len() * space.variants()) as u64;
    let mut counts: HashMap<(usize, u64), u64> = HashMap::new();
    if observations < 20 * cells {
        for _ in 0..observations {
            let context = contexts[rng.random_range(0..contexts.len())];
            *counts.entry((rng.random_range(0..space.variants()), context)).or_default() += 1;
        }
    } else {
        counts
            .extend(contexts.iter().flat_map(|&c| (0..space.variants()).map(move |v| ((v, c), observations / cells))));
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable();
    CellTable::new(counts.into_iter().map(|((variant, context), n)| {
        let active = columns.active(&space.decode_variant(variant), &space.decode_context(context));
        let p = sigmoid(active.iter().map(|&j| beta[j]).sum());
        let sum = if n < 5_000 {
            (0..n).filter(|_| rng.random::<f64>() < p).count() as f64
        } else {
            let z: f64 = rng.sample(StandardNormal);
            (n as f64 * p + (n as f64 * p * (1.0 - p)).sqrt() * z).round()
        };
        Cell { variant, context, n, sum, sum_sq: sum }
    }))
    .unwrap()
}

/// Processor time of this thread so far (Linux: the first number of its scheduler statistics, in nanoseconds).
#[expect(clippy::disallowed_methods, clippy::cast_precision_loss, reason = "it measures")]
fn processor_seconds() -> f64 {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    statistics.split_whitespace().next().unwrap().parse::<u64>().unwrap() as f64 * 1e-9
}

#[test]
#[ignore = "a measurement, not a test"]
fn cost() {
    let small = || space(&[3, 2], &[2, 2]);
    let middle = || space(&[5, 4], &[4, 3]);
    let hundred = || space(&[2, 2, 3], &[5, 5]);
    let large = || space(&[12, 10, 10, 7], &[10, 8, 7]);
    let tall = || space(&[2], &[10, 10, 10, 10, 10]);
    let full = || space(&[5, 20, 24], &[4, 19]);
    let only = std::env::args().next_back().unwrap_or_default();
    for (name, space, observations, base) in [
        ("small", small(), 400, -4.0),
        ("small_none", small(), 400, -14.0),
        ("small_5k", small(), 5_000, -3.5),
        ("middle_1k", middle(), 1_000, -3.0),
        ("middle_1k_none", middle(), 1_000, -14.0),
        ("middle_5k", middle(), 5_000, -3.0),
        ("middle_1m", middle(), 1_000_000, -3.0),
        ("hundred_1k", hundred(), 1_000, -3.0),
        ("hundred_5k", hundred(), 5_000, -3.0),
        ("hundred_tall", space(&[2], &[7, 7, 7, 6, 6]), 200_000, -3.0),
        ("hundred_most", space(&[2], &[3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]), 1_000_000, -3.0),
        ("wide_20k", space(&[8, 6, 5], &[5, 5]), 20_000, -3.0),
        ("large_1k", large(), 1_000, -2.0),
        ("large_20k", large(), 20_000, -3.0),
        ("large_100k", large(), 100_000, -3.0),
        ("large_1m", large(), 1_000_000, -3.0),
        ("tall_200k", tall(), 200_000, -3.0),
        ("tall_4m", tall(), 4_000_000, -3.0),
        ("full_1k", full(), 1_000, -2.0),
        ("full_20k", full(), 20_000, -3.0),
        ("full_1m", full(), 1_000_000, -3.0),
        ("full_4m", full(), 4_000_000, -3.0),
    ] {
        if only.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && only != "nocapture"
            && !name.starts_with(&only)
        {
            continue;
        }
        let table = simulate(&space, observations, base);
        for (fixed, reward) in [(true, RewardType::Bool), (false, RewardType::Bool), (false, RewardType::Numeric)] {
            let settings = settings(ModelType::Cmab, reward, Prior { fixed, ..Prior::default() });
            let start = processor_seconds();
            let result = fit(&space, &table, &settings, &Seed::derive(&["cost"]));
            let seconds = processor_seconds() - start;
            print!(
                "{name}: {} columns, {} cells, {} conversions, {reward:?}, fixed {fixed}: {seconds:.2} s, ",
                space.columns(),
                table.cells().len(),
                table.reward_sum()
            );
            match result {
                Ok(posterior) => {
                    let d = &posterior.diagnostics;
                    let cell = table.cells()[0];
                    let eta = locations(&posterior, &space, &[(cell.variant, cell.context)]);
                    let s = summary(&eta[0]);
                    let tau =
                        d.scales.iter().fold((0.0, 0.0), |t, p| (t.0 + p.weight * p.main, t.1 + p.weight * p.pair));
                    println!(
                        "{:?}, k {:.2?}, effective {:.0?}, R-hat {:.4?}, scales {:.3} {:.3}, first cell {:.2} ({:.2}…{:.2}, sd {:.2})",
                        d.step, d.pareto_k, d.effective_draws, d.r_hat, tau.0, tau.1, s.mean, s.low, s.high, s.sd
                    );
                    let start = processor_seconds();
                    Training::from_posterior(&space, &table, posterior, &TrainingOptions::default()).unwrap();
                    println!("{name}: {:.2} s for the policy and the report", processor_seconds() - start);
                }
                Err(error) => println!("{error}"),
            }
        }
    }
}

/// Every cell without an unknown level in every stratum, rates that move from stratum to stratum and allocation with them.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "counts")]
fn stratified(space: &Space, strata: usize, trials: u64, base: f64, numeric: bool) -> CellTable {
    let mut rng = ChaCha12Rng::seed_from_u64(9);
    let known = |c: &u64| space.decode_context(*c).iter().zip(space.context()).all(|(l, f)| *l < f.levels().len());
    let contexts: Vec<u64> = (0..space.contexts()).filter(known).collect();
    let own: Vec<f64> = (0..space.variants()).map(|_| 0.2 * rng.sample::<f64, _>(StandardNormal)).collect();
    let mut cells = Vec::new();
    for stratum in 0..strata {
        for (&context, variant) in contexts.iter().flat_map(|c| (0..own.len()).map(move |v| (c, v))) {
            let n = trials / 2 + rng.random_range(0..trials);
            let p = sigmoid(base + own[variant] + 0.3 * (stratum as f64).sin());
            let z = (0..n).filter(|_| rng.random::<f64>() < p).count() as u64;
            let (sum, sum_sq) = (0..z).fold((0.0, 0.0), |t, _| {
                let r = if numeric { (3.0 + 0.8 * rng.sample::<f64, _>(StandardNormal)).exp() } else { 1.0 };
                (t.0 + r, t.1 + r * r)
            });
            let cell = Cell { variant, context, n, sum, sum_sq };
            cells.push(StratumCell { stratum, nonzero: Some(z), ..cell.into() });
        }
    }
    let spans = (0..strata as i64).map(|g| Stratum { from: g * 86_400, to: (g + 1) * 86_400 }).collect();
    CellTable::stratified(spans, 0.0, cells).unwrap()
}

/// `cargo test --release -p bandit --test it -- --ignored --nocapture --exact cost::cost_of_strata`
#[test]
#[ignore = "a measurement, not a test"]
fn cost_of_strata() {
    let numeric = RewardType::Numeric;
    for (name, model, space, strata, trials, reward) in [
        ("cmab", ModelType::Cmab, space(&[5, 4], &[4, 3]), 12, 100, RewardType::Bool),
        ("cmab", ModelType::Cmab, space(&[5, 4], &[4, 3]), 12, 100, numeric),
        ("cmab", ModelType::Cmab, space(&[5, 4], &[4, 3]), 1, 1_200, RewardType::Bool),
        ("mab", ModelType::Mab, space(&[1_000], &[]), 12, 100, RewardType::Bool),
        ("mab", ModelType::Mab, space(&[1_000], &[]), 12, 100, numeric),
        ("mab", ModelType::Mab, space(&[1_000], &[]), 1, 1_200, RewardType::Bool),
    ] {
        let table = stratified(&space, strata, trials, -2.5, reward == numeric);
        let start = processor_seconds();
        let result = fit(&space, &table, &settings(model, reward, Prior::default()), &Seed::derive(&["cost"]));
        let fitted = processor_seconds() - start;
        print!("{name}, {reward:?}: {} variants, {} strata: {fitted:.2} s, ", space.variants(), table.strata_count());
        match result {
            Ok(posterior) => {
                let d = posterior.diagnostics.clone();
                let start = processor_seconds();
                Training::from_posterior(&space, &table, posterior, &TrainingOptions::default()).unwrap();
                let rest = processor_seconds() - start;
                println!(
                    "and {rest:.2} s for the policy and the report; {:?}, k {:.2?}, effective {:.0?}",
                    d.step, d.pareto_k, d.effective_draws
                );
            }
            Err(error) => println!("{error}"),
        }
    }
}

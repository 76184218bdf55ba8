//! The two ways of drawing are held against each other: they share nothing but the model.

use super::*;
use crate::{Cell, Dtype, Factor};
use rand::{RngExt, SeedableRng};

fn space(design: &[usize], context: &[usize]) -> Space {
    let factors = |prefix: &str, levels: &[usize]| {
        levels
            .iter()
            .enumerate()
            .map(|(i, &l)| {
                Factor::new(format!("{prefix}{i}"), Dtype::Str, (0..l).map(|x| x.to_string()).collect()).unwrap()
            })
            .collect::<Vec<_>>()
    };
    Space::new(factors("d", design), factors("c", context)).unwrap()
}

/// `per_cell` trials in every cell without an unknown level, of which a share p converts.
fn cells(space: &Space, per_cell: u64, p: impl Fn(usize, u64) -> f64, seed: u64) -> CellTable {
    let mut rng = rand_chacha::ChaCha12Rng::seed_from_u64(seed);
    let known = |c: &u64| space.decode_context(*c).iter().zip(space.context()).all(|(l, f)| *l < f.levels().len());
    CellTable::new((0..space.contexts()).filter(known).flat_map(|context| {
        (0..space.variants())
            .map(|variant| {
                let share = p(variant, context);
                #[expect(clippy::cast_precision_loss, reason = "a few trials")]
                let sum = (0..per_cell).filter(|_| rng.random::<f64>() < share).count() as f64;
                Cell { variant, context, n: per_cell, sum, sum_sq: sum }
            })
            .collect::<Vec<_>>()
    }))
    .unwrap()
}

/// Mean and standard deviation of η in each cell. Not of p: where nothing converts that has so heavy a tail that 10,000
/// draws know its standard deviation to 10 % only, whoever makes them.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
fn moments(rows: &Rows, draws: &[f32]) -> Vec<(f64, f64)> {
    let count = (draws.len() / rows.columns) as f64;
    (0..rows.len())
        .map(|i| {
            let eta: Vec<f64> = draws
                .chunks_exact(rows.columns)
                .map(|d| rows.active(i).iter().map(|&c| f64::from(d[c as usize])).sum())
                .collect();
            let mean = eta.iter().sum::<f64>() / count;
            (mean, (eta.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt())
        })
        .collect()
}

fn compare(space: &Space, table: &CellTable, prior: &Prior) -> (f64, f64) {
    let seed = Seed::derive(&["two ways"]);
    let columns = Columns::of(space);
    let rows = Rows::new(space, &columns, table).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a few trials")]
    let m = (table.reward_sum() + 0.5) / (table.trials() as f64 + 1.0);
    let (layout, intercept) = (Layout::of(&columns), (m / (1.0 - m)).ln());
    let model = Model { rows: &rows, layout, intercept, smoothed: Smoothed::new(), work: Work::of(&rows) };
    let (mut mixture, directions, sample) = choose(&model, prior, &seed).unwrap();
    for (point, weight) in mixture.points.iter_mut().zip(sample.point_weights()) {
        point.weight = weight;
    }
    let weighted = moments(&rows, &equal(&rows, &sample, &seed));
    let chains = nuts::sample(&rows, &mixture, &seed).unwrap();
    assert!(chains.converged() && chains.divergences == 0, "{} {}", chains.r_hat, chains.effective);
    let walked = moments(&rows, &thin_chains(&rows, &directions, &chains, &seed));
    weighted.iter().zip(&walked).fold((0.0, 0.0), |(mean, sd): (f64, f64), (a, b)| {
        (mean.max((a.0 - b.0).abs() / b.1), sd.max((a.1 / b.1 - 1.0).abs()))
    })
}

const FIXED: Prior = Prior { main_scale: 0.5, pair_scale: 0.25, fixed: true };

#[test]
fn importance_sampling_and_the_no_u_turn_sampler_agree() {
    let small = space(&[3, 2], &[2, 2]);
    let few = cells(&small, 20, |v, _| if v == 1 { 0.1 } else { 0.01 }, 1);
    let none = cells(&small, 15, |_, _| 0.0, 2);
    for (name, table, prior, mean, sd) in [
        ("few conversions", &few, FIXED, 0.05, 0.06),
        ("few conversions, learned scales", &few, Prior::default(), 0.06, 0.07),
        ("no conversion", &none, FIXED, 0.04, 0.05),
    ] {
        let found = compare(&small, table, &prior);
        assert!(found.0 < mean && found.1 < sd, "{name}: {found:?}");
    }
}

#[test]
fn a_hundred_columns_agree() {
    let space = space(&[5, 4], &[4, 3]);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let table = cells(&space, 10, |v, c| 0.05 + 0.01 * (v % 5) as f64 + 0.02 * (c % 3) as f64, 3);
    let found = compare(&space, &table, &FIXED);
    assert!(found.0 < 0.05 && found.1 < 0.05, "{found:?}");
}

/// Wherever the bound is, it is kept, and the error says where and in which step; where there is room, there is a fit.
#[test]
fn a_bound_on_the_work_is_kept() {
    let (space, seed) = (space(&[3, 2], &[2, 2]), Seed::derive(&["work"]));
    let table = cells(&space, 20, |v, _| if v == 1 { 0.1 } else { 0.01 }, 1);
    let mut steps = Vec::new();
    for bound in [1e4, 1e6, 2e6, 5e6, 1e7, 3e7, 6e7, 1e8, 2e8, 1e9] {
        for most_k in [MOST_K, f64::NEG_INFINITY] {
            let limits = Limits { most_k, work: Some(bound) };
            match fit_within(&space, &table, &FIXED, &seed, &limits) {
                Ok(posterior) => {
                    assert!(bound >= 1e7 && posterior.len() == DRAWS, "{bound}");
                    steps.push(if posterior.diagnostics.step == Step::Nuts { "fitted by nuts" } else { "fitted" });
                }
                Err(FitError::Work { step, columns, spent, bound: said }) => {
                    assert!(columns == 36 && spent <= bound && said.to_bits() == bound.to_bits(), "{step}: {spent}");
                    steps.push(step);
                }
                Err(other) => panic!("{bound}: {other}"),
            }
        }
    }
    for step in ["a step of Newton's method", "the no-U-turn sampler", "fitted", "fitted by nuts"] {
        assert!(steps.contains(&step), "{step} is not among {steps:?}");
    }
}

/// The bound of every kind of step on its own: a step that fits in is counted, one that does not changes nothing.
#[test]
fn a_step_that_would_pass_the_bound_is_not_counted() {
    let space = space(&[2], &[2]);
    let table = cells(&space, 5, |_, _| 0.5, 1);
    let rows = Rows::new(&space, &Columns::of(&space), &table).unwrap();
    let work = Work::bounded(&rows, 10.0);
    assert_eq!(work.charge("one", 7.0), Ok(()));
    assert_eq!(work.charge("two", 3.5), Err(FitError::Work { step: "two", columns: 9, spent: 7.0, bound: 10.0 }));
    assert_eq!(work.clone().charge("three", 3.0), Ok(()));
    assert!(work.left() == 0.0 && work.require("four", 0.1).is_err());
}

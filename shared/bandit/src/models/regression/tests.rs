//! The two ways of drawing are held against each other: they share nothing but the model.

use super::*;
use crate::inference::design::Design;
use crate::inference::family::sigmoid;
use crate::inference::testing;
use crate::models::input::Input;
use crate::{Cell, CellTable, Columns, Distribution, Dtype, Factor, ModelType, Posterior, RewardType, Settings, Space};
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

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

const LIMITS: Limits = Limits { good_k: GOOD_K, most_k: MOST_K, most_narrow: GOOD_K, work: None };

/// With no weights accepted: the sampler decides.
const SAMPLER: Limits = Limits { good_k: f64::NEG_INFINITY, most_k: f64::NEG_INFINITY, ..LIMITS };

/// The model of a table of bool rewards, as [`crate::fit`] has it, within limits.
fn fit_within(
    space: &Space,
    table: &CellTable,
    prior: &Prior,
    seed: &Seed,
    limits: &Limits,
) -> Result<Posterior, FitError> {
    let settings = Settings {
        model_type: ModelType::Cmab,
        reward: RewardType::Bool,
        distribution: Distribution::Auto,
        prior: *prior,
        exploration: 1.0,
    };
    let input = Input::new(space, table, &settings)?;
    let observed = input.observed(|cell| Some((cell.n, cell.sum)));
    let design = Design::new(space, &observed, 1, 2.5);
    let rows = Rows::new(&design, &observed, crate::inference::family::Family::Binomial);
    let problem = Problem { rows: &rows, layout: design.layout, intercept: intercept(table) };
    Ok(super::fit_within(problem, prior, seed, limits)?.contextual(&design, crate::Link::Logit, seed))
}

/// logit of the pooled rate.
#[expect(clippy::cast_precision_loss, reason = "a few trials")]
fn intercept(table: &CellTable) -> f64 {
    let m = (table.reward_sum() + 0.5) / (table.trials() as f64 + 1.0);
    (m / (1.0 - m)).ln()
}

/// The draws of the space's columns that a table without `unknown` has in its rows.
fn kept(space: &Space, posterior: &Posterior) -> Vec<f32> {
    let columns = Columns::of(space);
    let seen: Vec<usize> =
        columns.describe().iter().enumerate().filter(|(_, c)| !columns.is_unknown(c)).map(|(j, _)| j).collect();
    (0..posterior.len()).flat_map(|s| seen.iter().map(move |&j| posterior.draw(s)[j])).collect()
}

fn compare(space: &Space, table: &CellTable, prior: &Prior) -> (f64, f64) {
    let seed = Seed::derive(&["two ways"]);
    let (rows, layout) = testing::rows(space, table);
    let model =
        Model { rows: &rows, layout, intercept: intercept(table), smoothed: Smoothed::new(), work: Work::of(&rows) };
    let (mut mixture, directions, sample) = choose(&model, prior, &seed, &LIMITS).unwrap();
    for (point, weight) in mixture.points.iter_mut().zip(sample.point_weights()) {
        point.weight = weight;
    }
    let weighted = moments(&rows, &equal(&rows, &sample, &seed, &model.work).unwrap().0);
    let chains = nuts::sample(&rows, &mixture, &seed).unwrap();
    assert!(chains.converged && chains.divergences == 0, "{} {}", chains.r_hat, chains.effective);
    let walked = moments(&rows, &thin_chains(&rows, &directions, &chains, &seed, &model.work).unwrap().0);
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

/// Mean, standard deviation, 2.5 % and 97.5 % points of values with weights that add up to 1.
fn weighted_summary(mut values: Vec<(f64, f64)>) -> [f64; 4] {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mean: f64 = values.iter().map(|(v, w)| w * v).sum();
    let sd = values.iter().map(|(v, w)| w * (v - mean).powi(2)).sum::<f64>().sqrt();
    let at = |q: f64| {
        let mut running = 0.0;
        let below = values.iter().take_while(|(_, w)| {
            running += w;
            running < q
        });
        values[below.count().min(values.len() - 1)].0
    };
    [mean, sd, at(0.025), at(0.975)]
}

/// The rates of cells in a posterior.
#[expect(clippy::cast_precision_loss, reason = "thousands of draws")]
fn rates(space: &Space, rows: &Rows, posterior: &Posterior, cells: &[usize]) -> Vec<[f64; 4]> {
    let draws = kept(space, posterior);
    let rate = |i: usize, s: usize| {
        sigmoid(rows.active(i).iter().map(|&c| f64::from(draws[s * rows.columns + c as usize])).sum::<f64>())
    };
    let of = |&i: &usize| {
        weighted_summary((0..posterior.len()).map(|s| (rate(i, s), 1.0 / posterior.len() as f64)).collect())
    };
    cells.iter().map(of).collect()
}

/// Worst deviations: of means and points in standard deviations of the reference, and of standard deviations, relative.
fn worst(found: &[[f64; 4]], expected: &[[f64; 4]]) -> (f64, f64, f64) {
    found.iter().zip(expected).fold((0.0, 0.0, 0.0), |(mean, sd, points): (f64, f64, f64), (f, e)| {
        let off = |k: usize| (f[k] - e[k]).abs() / e[1];
        (mean.max(off(0)), sd.max((f[1] / e[1] - 1.0).abs()), points.max(off(2)).max(off(3)))
    })
}

/// Without a conversion the likelihood is at most 1 and not small in much of the prior: draws of the prior, weighted by it,
/// are the exact posterior to as many digits as there are draws, and nothing of a grid or an evidence is in them.
#[test]
#[expect(clippy::cast_precision_loss, reason = "counts")]
fn no_conversion_against_weighted_draws_of_the_prior() {
    const DRAWN: usize = 400_000;
    let small = space(&[3, 2], &[2, 2]);
    let table = cells(&small, 15, |_, _| 0.0, 2);
    let (rows, layout) = testing::rows(&small, &table);
    let m = 0.5 / (table.trials() as f64 + 1.0);
    let watched: Vec<usize> = (0..rows.len()).step_by(4).collect();
    for prior in [FIXED, Prior::default()] {
        let mut rng = rand_chacha::ChaCha12Rng::seed_from_u64(8);
        let mut normal = |sd: f64| sd * rng.sample::<f64, _>(StandardNormal);
        let (mut rates_of, mut scales, mut weights) = (vec![Vec::new(); watched.len()], Vec::new(), Vec::new());
        for _ in 0..DRAWN {
            let mut scale = |s: f64| if prior.fixed { s } else { normal(s).abs() };
            let tau = (scale(prior.main_scale), scale(prior.pair_scale));
            let sd = |j: usize| match j {
                0 => 2.5,
                j if j < layout.mains() => tau.0,
                _ => tau.1,
            };
            let mut beta: Vec<f64> = (0..rows.columns).map(|j| normal(sd(j))).collect();
            beta[0] += (m / (1.0 - m)).ln();
            let mut eta = Vec::new();
            rows.predict(&beta, &mut eta);
            weights.push(rows.log_likelihood(&eta).exp());
            scales.push(tau);
            rates_of.iter_mut().zip(&watched).for_each(|(rates, &i)| rates.push(sigmoid(eta[i])));
        }
        let total: f64 = weights.iter().sum();
        for w in &mut weights {
            *w /= total;
        }
        let summarised = |values: Vec<f64>| weighted_summary(values.into_iter().zip(weights.iter().copied()).collect());
        let expected: Vec<[f64; 4]> = rates_of.into_iter().map(summarised).collect();
        let main = summarised(scales.iter().map(|t| t.0).collect());
        let pair = summarised(scales.iter().map(|t| t.1).collect());
        for limits in [LIMITS, SAMPLER] {
            let posterior = fit_within(&small, &table, &prior, &Seed::derive(&["none"]), &limits).unwrap();
            let found = worst(&rates(&small, &rows, &posterior, &watched), &expected);
            let d = &posterior.diagnostics;
            assert!(found.0 < 0.15 && found.1 < 0.15 && found.2 < 0.45, "{:?}: {found:?}", d.step);
            let points = d.scales.iter().filter(|p| p.weight > 0.0).count();
            let of = |scale: fn(&ScalePoint) -> f64| d.scales.iter().map(|p| p.weight * scale(p)).sum::<f64>();
            if !prior.fixed {
                // Near the prior the posterior of the scales is wide: most of the 48 points are run.
                assert!(points > 36, "{:?}: {points} points", d.step);
                let off = ((of(|p| p.main) - main[0]).abs() / main[1]).max((of(|p| p.pair) - pair[0]).abs() / pair[1]);
                assert!(off < 0.1, "{:?}: mean scales are off by {off} sd", d.step);
            }
        }
    }
}

/// A reference case of `tests/data`: the space, the cells, and mean, sd and points of the rate in each.
fn reference(text: &str) -> (Space, CellTable, Vec<[f64; 4]>) {
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    let levels = |cell: &serde_json::Value, which: &str| -> Vec<usize> {
        let all = cell[which].as_array().unwrap();
        all.iter().map(|l| usize::try_from(l.as_u64().unwrap()).unwrap()).collect()
    };
    let all = json["cells"].as_array().unwrap();
    let sizes = |which: &str| {
        all.iter().map(|cell| levels(cell, which)).fold(Vec::new(), |sizes: Vec<usize>, levels| {
            levels.iter().enumerate().map(|(i, l)| sizes.get(i).copied().unwrap_or(0).max(l + 1)).collect()
        })
    };
    let space = space(&sizes("variant"), &sizes("context"));
    let mut cells: Vec<(Cell, [f64; 4])> = all
        .iter()
        .map(|cell| {
            let variant = space.encode_variant(&levels(cell, "variant"));
            let context = space.encode_context(&levels(cell, "context"));
            let sum = cell["sum"].as_f64().unwrap();
            let expected = ["mean", "sd", "q025", "q975"].map(|key| cell[key].as_f64().unwrap());
            (Cell { variant, context, n: cell["n"].as_u64().unwrap(), sum, sum_sq: sum }, expected)
        })
        .collect();
    cells.sort_by_key(|(cell, _)| (cell.context, cell.variant));
    let expected = cells.iter().map(|(_, expected)| *expected).collect();
    (space, CellTable::new(cells.into_iter().map(|(cell, _)| cell)).unwrap(), expected)
}

/// The sampler, which these cases do not need, keeps the bounds that importance weights keep; and twice the same.
#[test]
fn the_sampler_meets_the_reference_cases() {
    let text =
        [include_str!("../../../tests/data/d_sparse.json"), include_str!("../../../tests/data/h_b_cmab_5k.json")];
    for (text, prior, bounds) in [(text[0], FIXED, (0.05, 0.05, 0.15)), (text[1], Prior::default(), (0.1, 0.1, 0.3))] {
        let (space, table, expected) = reference(text);
        let (rows, _) = testing::rows(&space, &table);
        let fit = || fit_within(&space, &table, &prior, &Seed::derive(&["walk"]), &SAMPLER).unwrap();
        let posterior = fit();
        assert_eq!(posterior.diagnostics.step, Step::Nuts);
        assert_eq!(posterior.diagnostics.divergences, Some(0));
        let found = worst(&rates(&space, &rows, &posterior, &(0..rows.len()).collect::<Vec<_>>()), &expected);
        assert!(found.0 < bounds.0 && found.1 < bounds.1 && found.2 < bounds.2, "{found:?}");
        if prior.fixed {
            let again = fit();
            let bits = |p: &Posterior| p.draws.iter().map(|d| d.to_bits()).collect::<Vec<_>>();
            assert!(bits(&posterior) == bits(&again) && posterior == again);
        }
    }
}

/// 104 columns have the bound of 5 s, however many cells there are, and what a fit takes is far below it; where it is not
/// enough, the error says so.
#[test]
fn a_hundred_and_four_columns_stay_within_their_bound() {
    let tall = space(&[2], &[3, 3, 3, 3, 3, 3, 3, 3]);
    let many = cells(&tall, 1, |_, _| 0.1, 1);
    assert!(many.cells().len() > 10_000);
    let (rows, _) = testing::rows(&tall, &many);
    assert!((Work::of(&rows).left() - 4e9).abs() < 1.0);

    let space = space(&[2, 2, 3], &[5, 5]);
    let table = cells(&space, 10, |v, _| if v == 1 { 0.2 } else { 0.05 }, 1);
    let (rows, _) = testing::rows(&space, &table);
    assert_eq!(rows.columns, 104);
    for (limits, most) in [(LIMITS, 1e9), (SAMPLER, 4e9)] {
        let work = Work::of(&rows);
        let limits = Limits { work: Some(work.clone()), ..limits };
        fit_within(&space, &table, &Prior::default(), &Seed::derive(&["104"]), &limits).unwrap();
        assert!(work.spent() < most, "{:e}", work.spent());
    }
    let work = Work::bounded(104, 4e8);
    let limits = Limits { work: Some(work.clone()), ..SAMPLER };
    let error = fit_within(&space, &table, &Prior::default(), &Seed::derive(&["104"]), &limits).unwrap_err();
    assert!(matches!(error, FitError::Work { columns: 104, .. }) && work.spent() <= 4e8, "{error}");
}

/// Wherever the bound is, it is kept, and the error says where and in which step; where there is room, there is a fit.
#[test]
fn a_bound_on_the_work_is_kept() {
    let (space, seed) = (space(&[3, 2], &[2, 2]), Seed::derive(&["work"]));
    let table = cells(&space, 20, |v, _| if v == 1 { 0.1 } else { 0.01 }, 1);
    let mut steps = Vec::new();
    for bound in [1e4, 1e6, 3.4e6, 5e6, 1e7, 3e7, 6e7, 1e8, 2e8, 1e9] {
        for limits in [LIMITS, SAMPLER] {
            let limits = Limits { work: Some(Work::bounded(36, bound)), ..limits };
            match fit_within(&space, &table, &FIXED, &seed, &limits) {
                Ok(posterior) => {
                    assert!(bound >= 5e6 && posterior.len() == DRAWS, "{bound}");
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
    for step in [
        "laying out the cells",
        "resampling draws",
        "a step of Newton's method",
        "the no-U-turn sampler",
        "fitted",
        "fitted by nuts",
    ] {
        assert!(steps.contains(&step), "{step} is not among {steps:?}");
    }
}

/// A fit that has draws to show for its work does not lose them to a step that comes after: not to a wider mixture that is
/// tried, nor to the last Newton steps. So more work never loses a fit.
#[test]
fn accepted_draws_are_not_lost_to_a_later_step() {
    let (space, seed) = (space(&[3, 2], &[2, 2]), Seed::derive(&["work"]));
    let table = cells(&space, 20, |v, _| if v == 1 { 0.1 } else { 0.01 }, 1);
    let fitted = |bound: f64, most_narrow: f64| {
        let limits = Limits { most_narrow, work: Some(Work::bounded(36, bound)), ..LIMITS };
        fit_within(&space, &table, &FIXED, &seed, &limits).is_ok()
    };
    let mut before = false;
    for step in 0..24 {
        let bound = 4e6 * 1.15_f64.powi(step);
        let plain = fitted(bound, f64::INFINITY);
        assert!(plain || !before, "{bound:e} is too little, less was enough");
        assert!(!plain || fitted(bound, f64::NEG_INFINITY), "{bound:e} is too little with a wider mixture");
        before = plain;
    }
    assert!(before);
}

/// The bound of every kind of step on its own: a step that fits in is counted, one that does not changes nothing.
#[test]
fn a_step_that_would_pass_the_bound_is_not_counted() {
    let work = Work::bounded(9, 10.0);
    assert_eq!(work.charge("one", 7.0), Ok(()));
    assert_eq!(work.charge("two", 3.5), Err(FitError::Work { step: "two", columns: 9, spent: 7.0, bound: 10.0 }));
    assert_eq!(work.clone().charge("three", 3.0), Ok(()));
    assert!(work.left() == 0.0 && work.require("four", 0.1).is_err());
    let work = Work::bounded(9, 10.0);
    work.hold_back("last", 4.0).unwrap();
    assert!(work.charge("five", 6.5).is_err() && work.hold_back("six", 6.5).is_err());
    work.release(4.0);
    assert_eq!(work.charge("five", 10.0), Ok(()));
}

//! Properties that every fit has, closed forms, and hard cases.

use crate::common::{factor, settings, sigmoid, space, summary};
use bandit::{
    Cell, CellTable, Columns, Distribution, FitError, Link, ModelType, Posterior, Prior, RewardType, Seed, Settings,
    Space, Step, Training, TrainingOptions, fit,
};
use proptest::prelude::*;

const FIXED: Prior = Prior { main_scale: 0.5, pair_scale: 0.25, fixed: true };

fn seed() -> Seed {
    Seed::derive(&["models"])
}

fn bool_cell(variant: usize, context: u64, n: u64, sum: f64) -> Cell {
    Cell { variant, context, n, sum, sum_sq: sum }
}

fn run(space: &Space, cells: Vec<Cell>, settings: &Settings) -> Posterior {
    let posterior = fit(space, &CellTable::new(cells).unwrap(), settings, &seed()).unwrap();
    assert_eq!(posterior.draws.len(), 10_000 * posterior.columns);
    assert!(posterior.draws.iter().all(|d| d.is_finite()));
    assert!(posterior.mean.iter().chain(&posterior.arms).chain(&posterior.precision_cholesky).all(|d| d.is_finite()));
    posterior
}

fn column(posterior: &Posterior, j: usize) -> Vec<f64> {
    (0..posterior.len()).map(|s| f64::from(posterior.draw(s)[j])).collect()
}

fn all_settings() -> [Settings; 4] {
    [
        settings(ModelType::Mab, RewardType::Bool, Prior::default()),
        settings(ModelType::Mab, RewardType::Numeric, Prior::default()),
        settings(ModelType::Cmab, RewardType::Bool, Prior::default()),
        settings(ModelType::Cmab, RewardType::Numeric, Prior::default()),
    ]
}

/// Few data of which two grids of the scales each ask for the other: found by the property below.
#[test]
fn a_grid_that_goes_to_and_fro_ends() {
    let rows = [
        (1, 5, 34, 31.0),
        (3, 5, 25, 11.0),
        (0, 7, 21, 14.0),
        (2, 6, 15, 14.0),
        (2, 8, 22, 0.0),
        (0, 6, 27, 27.0),
        (2, 0, 6, 6.0),
        (0, 7, 15, 15.0),
        (0, 1, 2, 2.0),
    ];
    let cells = CellTable::new(rows.map(|(v, c, n, s)| bool_cell(v, c, n, s))).unwrap();
    for settings in all_settings() {
        fit(&space(&[2, 2], &[2, 2]), &cells, &settings, &seed()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// Cells split over any number of parts and merged fit to the same bits as the whole, for all four models.
    #[test]
    fn merged_parts_fit_as_the_whole(
        rows in proptest::collection::vec((0..4_usize, 0..9_u64, 1..40_u64, 0..40_u64), 2..20),
        parts in 2..6_usize,
    ) {
        let space = space(&[2, 2], &[2, 2]);
        let cell = |&(v, c, n, s): &(usize, u64, u64, u64)| {
            #[expect(clippy::cast_precision_loss, reason = "small counts")]
            bool_cell(v, c, n, s.min(n) as f64)
        };
        let whole = CellTable::new(rows.iter().map(cell)).unwrap();
        let part = |k: usize| CellTable::new(rows.iter().skip(k).step_by(parts).map(cell)).unwrap();
        let merged = (0..parts).rev().fold(CellTable::default(), |sum, k| sum.merge(&part(k)).unwrap());
        prop_assert_eq!(&merged, &whole);
        for settings in all_settings() {
            prop_assert_eq!(
                fit(&space, &whole, &settings, &seed()).unwrap(),
                fit(&space, &merged, &settings, &seed()).unwrap()
            );
        }
    }
}

proptest! {
    /// One reward at a time, dealt to parts that are merged one after the other or as a tree: trials and whole rewards are
    /// exact, other sums within the rounding of adding in another order, n ε Σ|r|.
    #[test]
    fn merging_adds_up(
        rewards in proptest::collection::vec((0..4_usize, 0..5_u64, -1e3..1e3_f64, 0..7_usize), 1..200),
        whole_numbers: bool,
    ) {
        let cell = |&(variant, context, reward, _): &(usize, u64, f64, usize)| {
            let r = if whole_numbers { reward.trunc() } else { reward };
            Cell { variant, context, n: 1, sum: r, sum_sq: r * r }
        };
        let absolute = |&row: &_| {
            let cell = cell(&row);
            Cell { sum: cell.sum.abs(), ..cell }
        };
        let whole = CellTable::new(rewards.iter().map(cell)).unwrap();
        let sizes = CellTable::new(rewards.iter().map(absolute)).unwrap();
        let part = |k: usize| CellTable::new(rewards.iter().filter(|row| row.3 == k).map(cell)).unwrap();
        let in_a_row = (0..7).fold(CellTable::default(), |sum, k| sum.merge(&part(k)).unwrap());
        let pair = |a: usize, b: usize| part(a).merge(&part(b)).unwrap();
        let tree = pair(6, 3).merge(&pair(1, 5)).unwrap().merge(&pair(0, 2).merge(&part(4)).unwrap()).unwrap();
        for merged in [in_a_row, tree] {
            prop_assert_eq!(merged.cells().len(), whole.cells().len());
            for ((m, w), size) in merged.cells().iter().zip(whole.cells()).zip(sizes.cells()) {
                prop_assert_eq!((m.variant, m.context, m.n), (w.variant, w.context, w.n));
                #[expect(clippy::cast_precision_loss, reason = "small counts")]
                let rounding = if whole_numbers { 0.0 } else { w.n as f64 * f64::EPSILON };
                prop_assert!((m.sum - w.sum).abs() <= rounding * size.sum, "{} {}", m.sum, w.sum);
                prop_assert!((m.sum_sq - w.sum_sq).abs() <= rounding * size.sum_sq, "{} {}", m.sum_sq, w.sum_sq);
            }
        }
    }

    /// Cells of different places make the same table in any order, whatever their sums.
    #[test]
    fn the_order_of_cells_is_nothing(
        (cells, shuffled) in proptest::collection::btree_map((0..9_u64, 0..4_usize), (1..50_u64, -9.0..9.0_f64), 0..30)
            .prop_map(|table| table.into_iter().map(|((context, variant), (n, mean))| {
                #[expect(clippy::cast_precision_loss, reason = "small counts")]
                let sum = n as f64 * mean;
                Cell { variant, context, n, sum, sum_sq: 1.5 * sum * mean }
            }).collect::<Vec<_>>())
            .prop_flat_map(|cells| (Just(cells.clone()), Just(cells).prop_shuffle()))
    ) {
        let table = CellTable::new(cells.iter().copied()).unwrap();
        prop_assert_eq!(table.cells(), &cells[..]);
        prop_assert_eq!(CellTable::new(shuffled).unwrap(), table);
    }
}

#[test]
fn another_seed_gives_other_draws_of_the_same_posterior() {
    let space = space(&[2, 2], &[2]);
    let cells = vec![bool_cell(0, 0, 50, 5.0), bool_cell(3, 1, 70, 20.0)];
    let table = CellTable::new(cells).unwrap();
    for settings in all_settings() {
        let one = fit(&space, &table, &settings, &Seed::derive(&["a"])).unwrap();
        let two = fit(&space, &table, &settings, &Seed::derive(&["b"])).unwrap();
        assert_ne!(one.draws, two.draws);
        let (a, b) = (summary(&column(&one, 0)), summary(&column(&two, 0)));
        assert!((a.mean - b.mean).abs() < 0.07 * a.sd, "{settings:?}: {} {}", a.mean, b.mean);
    }
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn arms_of_bool_rewards_are_betas() {
    let space = space(&[4], &[]);
    for counts in [[(100_u64, 3.0), (120, 9.0), (80, 2.0)], [(40, 0.0), (30, 0.0), (50, 1.0)]] {
        let cells = counts.iter().enumerate().map(|(v, &(n, s))| bool_cell(v, 0, n, s)).collect();
        let posterior = run(&space, cells, &settings(ModelType::Mab, RewardType::Bool, FIXED));
        let kappa = posterior.diagnostics.kappa.unwrap();
        let trials: u64 = counts.iter().map(|c| c.0).sum();
        assert!((1.0..=trials as f64).contains(&kappa));
        for (v, &(n, s)) in counts.iter().chain(&[(0, 0.0)]).enumerate() {
            // κ̂ m̂ is the same of every arm.
            let prior = (posterior.arms[2 * v] - s, posterior.arms[2 * v + 1] - (n as f64 - s));
            assert!((prior.0 - posterior.arms[6]).abs() < 1e-9 && (prior.0 + prior.1 - kappa).abs() < 1e-9);
            let found = summary(&column(&posterior, v).iter().map(|&e| sigmoid(e)).collect::<Vec<_>>());
            let (mean, sd) = averaged(&counts, (n as f64, s));
            assert!((found.mean - mean).abs() < 0.05 * sd, "arm {v} of {counts:?}: {} for {mean} ± {sd}", found.mean);
            assert!((found.sd / sd - 1.0).abs() < 0.06, "arm {v} of {counts:?}: {} for {sd}", found.sd);
        }
    }
}

/// Mean and standard deviation of an arm's rate by plain integration over u = 1/√κ, on which the hyperprior is uniform, and
/// over m: 400 × 1,000 points. m is taken as t², so that there are points where it is small.
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn averaged(counts: &[(u64, f64)], (trials, sum): (f64, f64)) -> (f64, f64) {
    use libm::lgamma;
    let all: u64 = counts.iter().map(|count| count.0).sum();
    let lowest = 1.0 / (all as f64).sqrt();
    let mut points = Vec::new();
    for i in 0..400 {
        let kappa = (lowest + (1.0 - lowest) * (f64::from(i) + 0.5) / 400.0).powi(-2);
        for j in 0..1_000 {
            let t = (f64::from(j) + 0.5) / 1_000.0;
            let (a, b) = (kappa * t * t, kappa * (1.0 - t * t));
            let prior = lgamma(kappa) - lgamma(a) - lgamma(b);
            let marginal =
                |&(n, s): &(u64, f64)| prior + lgamma(a + s) + lgamma(b + n as f64 - s) - lgamma(kappa + n as f64);
            let (a, b) = (a + sum, b + trials - sum);
            let mean = a / (a + b);
            let log = counts.iter().map(marginal).sum::<f64>() + t.ln();
            points.push((log, mean, mean * (a + 1.0) / (a + b + 1.0)));
        }
    }
    let top = points.iter().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = points.iter().map(|p| (p.0 - top).exp()).sum();
    let mean = points.iter().map(|p| (p.0 - top).exp() * p.1).sum::<f64>() / total;
    let square = points.iter().map(|p| (p.0 - top).exp() * p.2).sum::<f64>() / total;
    (mean, (square - mean * mean).sqrt())
}

/// κ̂ is where ln κ is most probable, m integrated out: arms that differ learn a weak prior, arms that agree a strong one.
#[test]
fn kappa_is_learned() {
    let space = space(&[4], &[]);
    let kappa = |sums: [f64; 4]| {
        let cells = sums.iter().enumerate().map(|(v, &s)| bool_cell(v, 0, 1000, s)).collect();
        run(&space, cells, &settings(ModelType::Mab, RewardType::Bool, FIXED)).diagnostics.kappa.unwrap()
    };
    assert!(kappa([10.0, 500.0, 900.0, 200.0]) < 5.0);
    assert!(kappa([100.0, 101.0, 99.0, 100.0]) > 300.0);
}

/// A mab is a cmab with its variants as the levels of one factor and no pairs; contexts are added up. In any unit.
#[test]
fn a_mab_of_numeric_rewards_is_a_cmab_of_one_factor() {
    let (one, two) = (space(&[4], &[]), space(&[2, 2], &[2]));
    let mut before: Option<Vec<f64>> = None;
    for unit in [1.0, 1e-9, 1e9] {
        let rewards: [&[f64]; 3] = [&[1.0, 2.0, 4.0, 3.0], &[5.0, 5.5, 7.0], &[2.0, 2.5]];
        let cell = |variant: usize, context: u64, r: &[f64]| Cell {
            variant,
            context,
            n: r.len() as u64,
            sum: r.iter().map(|x| x * unit).sum(),
            sum_sq: r.iter().map(|x| (x * unit).powi(2)).sum(),
        };
        let whole = rewards.iter().enumerate().map(|(v, r)| cell(v, 0, r)).collect();
        let split = rewards.iter().enumerate().flat_map(|(v, r)| [cell(v, 0, &r[..1]), cell(v, 1, &r[1..])]).collect();
        let settings = |model| Settings {
            distribution: Distribution::Normal,
            ..settings(model, RewardType::Numeric, Prior::default())
        };
        let arms = run(&two, split, &settings(ModelType::Mab));
        let levels = run(&one, whole, &settings(ModelType::Cmab));
        for v in 0..4 {
            let sum = |s: usize| f64::from(levels.draw(s)[0]) + f64::from(levels.draw(s)[1 + v]);
            let (a, b) = (summary(&column(&arms, v)), summary(&(0..levels.len()).map(sum).collect::<Vec<_>>()));
            // Means of 10,000 draws each: five standard errors of their difference, and of that of the deviations.
            assert!((a.mean - b.mean).abs() < 0.07 * b.sd && (a.sd / b.sd - 1.0).abs() < 0.06, "arm {v}");
        }
        let Link::Identity { center, scale } = arms.link else { panic!("identity link") };
        let means: Vec<f64> = arms.mean.iter().map(|m| (center + scale * m) / unit).collect();
        // Arm 1 has the best rewards; arm 3, never tried, is in the middle; all are drawn to each other.
        assert!(means[1] > means[3] && means[3] > means[0] && means[1] < 17.5 / 3.0 && means[0] > 2.5, "{means:?}");
        if let Some(before) = &before {
            assert!(before.iter().zip(&means).all(|(a, b)| (a - b).abs() < 1e-3), "{before:?} {means:?}");
        }
        before = Some(means);
    }
}

/// Solves a dense symmetric system by Gauss–Jordan elimination: the inverse.
fn inverse(mut a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = a.len();
    for (i, row) in a.iter_mut().enumerate() {
        row.extend((0..n).map(|j| if i == j { 1.0 } else { 0.0 }));
    }
    for i in 0..n {
        let pivot = a[i][i];
        a[i].iter_mut().for_each(|x| *x /= pivot);
        for k in 0..n {
            if k != i {
                let factor = a[k][i];
                let row = a[i].clone();
                a[k].iter_mut().zip(row).for_each(|(x, y)| *x -= factor * y);
            }
        }
    }
    a.into_iter().map(|row| row[n..].to_vec()).collect()
}

/// With fixed scales the linear model has a closed form, computed here densely in reward units.
#[test]
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn linear_model_matches_the_dense_formula() {
    let space = space(&[2, 3], &[2]);
    let columns = Columns::of(&space);
    let mut observations = Vec::new();
    for v in 0..6 {
        for c in 0..3_u64 {
            for i in 0..=((v + 1) * 3 % 5) {
                observations.push((v, c, 100.0 + 7.0 * v as f64 - 3.0 * c as f64 + 5.0 * ((i * 7 + v) % 5) as f64));
            }
        }
    }
    let cells = observations
        .iter()
        .map(|&(variant, context, r)| Cell { variant, context, n: 1, sum: r, sum_sq: r * r })
        .collect();
    let posterior = run(&space, cells, &settings(ModelType::Cmab, RewardType::Numeric, FIXED));
    let n = observations.len() as f64;
    let mean = observations.iter().map(|o| o.2).sum::<f64>() / n;
    let sd = (observations.iter().map(|o| (o.2 - mean).powi(2)).sum::<f64>() / n).sqrt();
    let p = columns.len();
    let d: Vec<f64> = (0..p)
        .map(|j| match j {
            0 => 1.0 / 6.25,
            j if columns.main_effects().contains(&j) => 4.0,
            _ => 16.0,
        })
        .collect();
    let mut precision: Vec<Vec<f64>> =
        (0..p).map(|i| (0..p).map(|j| if i == j { d[i] } else { 0.0 }).collect()).collect();
    let mut moment = vec![0.0; p];
    for &(v, c, r) in &observations {
        let active = columns.active(&space.decode_variant(v), &space.decode_context(c));
        for &a in &active {
            moment[a] += (r - mean) / sd;
            for &b in &active {
                precision[a][b] += 1.0;
            }
        }
    }
    let covariance = inverse(precision.clone());
    let mu: Vec<f64> = covariance.iter().map(|row| row.iter().zip(&moment).map(|(a, b)| a * b).sum()).collect();
    let explained: f64 = mu.iter().zip(&moment).map(|(a, b)| a * b).sum();
    let (alpha, beta) = (1.5 + n / 2.0, 0.5 + 0.5 * (n - explained));
    for j in 0..p {
        let found = summary(&column(&posterior, j));
        let sd = (beta / (alpha - 1.0) * covariance[j][j]).sqrt();
        assert!((found.mean - mu[j]).abs() < 0.04 * sd, "column {j}: {} {}", found.mean, mu[j]);
        assert!((found.sd / sd - 1.0).abs() < 0.04, "column {j}: {} {sd}", found.sd);
    }
    let row = |i: usize| &posterior.precision_cholesky[i * p..(i + 1) * p];
    for (i, expected) in precision.iter().enumerate() {
        for (j, expected) in expected.iter().enumerate() {
            let product: f64 = row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum();
            assert!((product - expected).abs() < 1e-9, "({i}, {j})");
        }
    }
}

/// Equal rewards say what a reward is, and nothing of which variant is best: those that were never served keep their share.
#[test]
fn equal_rewards_are_reported_as_they_are_and_serve_every_variant() {
    let space = space(&[2, 2], &[2]);
    for reward in [0.1, -3.0, 0.0, 1e9, 1e-9] {
        let cell = |variant| Cell { variant, context: 0, n: 500, sum: 500.0 * reward, sum_sq: 500.0 * reward * reward };
        let table = CellTable::new([cell(0), cell(1)]).unwrap();
        for model in [ModelType::Mab, ModelType::Cmab] {
            let settings = settings(model, RewardType::Numeric, Prior::default());
            let posterior = run(&space, table.cells().to_vec(), &settings);
            let Link::Identity { center, scale } = posterior.link else { panic!("identity link") };
            assert!(scale == 0.0 && (center - reward).abs() <= 1e-12 * reward.abs());
            let training = Training::from_posterior(&space, &table, posterior, &TrainingOptions::default()).unwrap();
            let report = &training.report;
            for v in &report.variants {
                for found in [v.expected_reward_mean, v.expected_reward_lo, v.expected_reward_hi] {
                    assert!((found - reward).abs() <= 1e-12 * reward.abs(), "{found} for {reward}");
                }
                let least = if v.n == 0 { 0.2 } else { 0.05 };
                assert!((least..0.7).contains(&v.prob_best), "{model:?}, {reward}: {v:?}");
                assert!((v.weight - v.prob_best).abs() < 1e-12, "{model:?}, {reward}: {v:?}");
            }
            assert!(report.factors.iter().all(|f| f.importance == 0.0 && f.levels.iter().all(|l| l.effect_hi == 0.0)));
        }
    }
}

/// Rewards added up one by one, as a snapshot does it.
fn summed(variant: usize, rewards: impl Iterator<Item = f64>) -> Cell {
    rewards.fold(Cell { variant, context: 0, n: 0, sum: 0.0, sum_sq: 0.0 }, |c, r| Cell {
        n: c.n + 1,
        sum: c.sum + r,
        sum_sq: c.sum_sq + r * r,
        ..c
    })
}

/// A large constant in every reward changes nothing while the sums can tell the spread, and is an error beyond that.
#[test]
fn rewards_with_an_offset_are_told_apart_or_refused() {
    let space = space(&[2], &[]);
    let settings = settings(ModelType::Mab, RewardType::Numeric, Prior::default());
    let table = |offset: f64, better: f64| {
        let noise = |i: u32| 141.4 * (f64::from(i) * 2.399_963).sin();
        CellTable::new([0, 1].map(|v| {
            let mean = offset + if v == 1 { better } else { 0.0 };
            summed(v, (0..1_000).map(move |i| mean + noise(i)))
        }))
        .unwrap()
    };
    // Half a standard error: neither arm is surely the better one, at any offset.
    for offset in [0.0, 1e3, 1e6, 3e7] {
        let posterior = fit(&space, &table(offset, 2.0), &settings, &seed()).unwrap();
        let Link::Identity { scale, .. } = posterior.link else { panic!("identity link") };
        assert!((scale / 100.0 - 1.0).abs() < 0.02, "{offset}: {scale}");
        let (a, b) = (column(&posterior, 0), column(&posterior, 1));
        let share = a.iter().zip(&b).filter(|(a, b)| a < b).count();
        assert!((6_000..7_500).contains(&share), "{offset}: {share}");
    }
    for (offset, better) in [(1e9, 500.0), (1e9, 0.5), (1e12, 500.0)] {
        let refused = fit(&space, &table(offset, better), &settings, &seed());
        assert!(matches!(refused, Err(FitError::Unresolved { .. })), "{offset}: {refused:?}");
    }
}

/// Adding up the same number a million times is off in the tenth digit: that is no variance.
#[test]
fn the_rounding_of_sums_is_no_variance() {
    let space = space(&[3], &[2]);
    let table = CellTable::new([0, 1].map(|v| summed(v, std::iter::repeat_n(0.1, 300_000 + 77_777 * v)))).unwrap();
    for model in [ModelType::Mab, ModelType::Cmab] {
        let posterior = fit(&space, &table, &settings(model, RewardType::Numeric, Prior::default()), &seed()).unwrap();
        assert!(matches!(posterior.link, Link::Identity { center, scale: 0.0 } if (center - 0.1).abs() < 1e-9));
    }
}

/// Cells no data set of manners would have: each must fit, and say what the data say.
#[test]
fn hard_cases_of_bool_rewards_fit() {
    let space = space(&[3, 2], &[2, 2]);
    let everywhere = |n: u64, p: &dyn Fn(usize, u64) -> f64| -> Vec<Cell> {
        (0..6)
            .flat_map(|v| [0, 1, 3, 4].map(|c| (v, c)))
            .map(|(v, c)| {
                #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
                let sum = (n as f64 * p(v, c)).round();
                bool_cell(v, c, n, sum)
            })
            .collect()
    };
    let separated: &dyn Fn(usize, u64) -> f64 = &|v, _| if v < 2 { 1.0 } else { 0.0 };
    for (name, cells, best, bounds) in [
        ("one cell", vec![bool_cell(2, 1, 10, 3.0)], (2, 1), (0.1, 0.6)),
        ("one trial", vec![bool_cell(0, 0, 1, 1.0)], (0, 0), (0.3, 1.0)),
        ("none converts", everywhere(20, &|_, _| 0.0), (0, 0), (0.0, 0.01)),
        ("all convert", everywhere(20, &|_, _| 1.0), (0, 0), (0.99, 1.0)),
        ("separation", everywhere(50, separated), (0, 0), (0.95, 1.0)),
        (
            "a billion trials a cell",
            everywhere(1_000_000_000, &|v, _| [0.010, 0.011, 0.012, 0.013, 0.014, 0.015][v]),
            (5, 4),
            (0.014_99, 0.015_01),
        ),
        ("one conversion in a billion", vec![bool_cell(0, 0, 1_000_000_000, 1.0)], (0, 0), (0.0, 1e-8)),
    ] {
        for prior in [FIXED, Prior::default()] {
            let posterior = run(&space, cells.clone(), &settings(ModelType::Cmab, RewardType::Bool, prior));
            let eta = crate::common::locations(&posterior, &space, &[best]);
            let p = summary(&eta[0].iter().map(|&e| sigmoid(e)).collect::<Vec<_>>());
            assert!((bounds.0..=bounds.1).contains(&p.mean), "{name}: {}", p.mean);
            assert!(p.sd > 0.0 && p.low <= p.mean && p.mean <= p.high, "{name}");
            let total: f64 = posterior.diagnostics.scales.iter().map(|s| s.weight).sum();
            assert!((total - 1.0).abs() < 1e-9, "{name}");
        }
        run(&space, cells, &settings(ModelType::Mab, RewardType::Bool, FIXED));
    }
}

/// With scales that let rates be anything, and a few conversions, no mixture of normals comes near: the fit goes on to the
/// no-U-turn sampler by itself.
#[test]
fn the_no_u_turn_sampler_takes_over() {
    let space = space(&[3, 2], &[2, 2]);
    let cells: Vec<Cell> = (0..6)
        .flat_map(|v| [0, 1, 3, 4].map(|c| (v, c)))
        .map(|(v, c)| bool_cell(v, c, 5, if (v, c) == (1, 3) || (v, c) == (4, 0) { 1.0 } else { 0.0 }))
        .collect();
    let wide = Prior { main_scale: 6.0, pair_scale: 6.0, fixed: true };
    let posterior = run(&space, cells, &settings(ModelType::Cmab, RewardType::Bool, wide));
    let d = &posterior.diagnostics;
    assert_eq!(d.step, Step::Nuts, "{d:?}");
    assert!(d.pareto_k.unwrap() >= 0.5 || d.effective_draws.unwrap() < 1_000.0, "{d:?}");
    assert!(d.r_hat.unwrap() < 1.01 && d.effective_draws.unwrap() >= 1_000.0, "{d:?}");
    let etas = crate::common::locations(&posterior, &space, &[(1, 3), (1, 4)]);
    assert!(summary(&etas[0]).mean > summary(&etas[1]).mean + 1.0);
}

/// Exchanging conversions and non-conversions changes the sign of every coefficient and nothing else.
#[test]
fn mirror_image() {
    let space = space(&[2, 2], &[2]);
    let counts = [(0, 0, 40, 3.0), (1, 0, 50, 9.0), (2, 1, 30, 1.0), (3, 1, 60, 8.0)];
    let cells = |flip: bool| -> Vec<Cell> {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        counts.iter().map(|&(v, c, n, s)| bool_cell(v, c, n, if flip { n as f64 - s } else { s })).collect()
    };
    let settings = settings(ModelType::Cmab, RewardType::Bool, FIXED);
    let (here, there) = (run(&space, cells(false), &settings), run(&space, cells(true), &settings));
    for j in 0..here.columns {
        let (a, b) = (summary(&column(&here, j)), summary(&column(&there, j)));
        assert!((a.mean + b.mean).abs() < 0.05 * a.sd, "column {j}: {} {}", a.mean, b.mean);
        assert!((a.sd / b.sd - 1.0).abs() < 0.05, "column {j}");
    }
}

#[test]
fn what_cannot_be_fitted_is_said() {
    let small = space(&[2], &[2]);
    for settings in all_settings() {
        assert_eq!(fit(&small, &CellTable::default(), &settings, &seed()), Err(FitError::NoObservations));
        let outside = CellTable::new([bool_cell(2, 0, 5, 1.0)]).unwrap();
        assert_eq!(fit(&small, &outside, &settings, &seed()), Err(FitError::OutsideSpace { variant: 2, context: 0 }));
        let table = CellTable::new([bool_cell(0, 0, 5, 1.0)]).unwrap();
        if settings.model_type == ModelType::Cmab {
            let wide = Space::new(vec![factor("a", 50), factor("b", 50)], vec![]).unwrap();
            let columns = wide.columns();
            assert_eq!(fit(&wide, &table, &settings, &seed()), Err(FitError::TooManyColumns { columns }));
            let prior = Prior { main_scale: 0.0, ..Prior::default() };
            assert!(matches!(
                fit(&small, &table, &Settings { prior, ..settings }, &seed()),
                Err(FitError::Prior { .. })
            ));
        }
        if settings.reward == RewardType::Bool {
            for (sum, sum_sq) in [(6.0, 8.0), (1.5, 1.5), (-1.0, 1.0), (2.0, 3.0), (2.0, 1.0)] {
                let table = CellTable::new([Cell { variant: 0, context: 0, n: 5, sum, sum_sq }]).unwrap();
                let error = fit(&small, &table, &settings, &seed()).unwrap_err();
                assert_eq!(error, FitError::NotBool { variant: 0, context: 0, n: 5, sum, sum_sq });
            }
        }
    }
}

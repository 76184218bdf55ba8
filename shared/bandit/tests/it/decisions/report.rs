//! Metrics and state against naive formulas and cases with known answers.

use std::collections::BTreeMap;

use super::hand::{from_draws, location, naive_counts, random_arms, random_cells, random_columns, reward, space};
use bandit::{
    Cell, CellTable, Columns, DecisionError, Diagnostics, Dtype, Factor, Link, ModelType, Posterior, Predictor,
    ScalePoint, Space, State, Step, TrainError, Training, TrainingOptions,
};
use proptest::prelude::*;

fn close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= 3e-6 * (1.0 + expected.abs()), "{what}: {found} against {expected}");
}

fn quantile(values: &[f64], p: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() - 1) as f64 * p;
    let below = place.floor() as usize;
    sorted[below] + (place - place.floor()) * (sorted[(below + 1).min(sorted.len() - 1)] - sorted[below])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Everything at once by loops over draws, contexts and variants, in doubles and without reuse.
struct Naive<'a> {
    space: &'a Space,
    posterior: &'a Posterior,
    shares: Vec<(u64, f64)>,
}

impl Naive<'_> {
    fn reward(&self, s: usize, v: usize, c: u64) -> f64 {
        reward(self.posterior.link, location(self.space, self.posterior, s, v, c, |_| 1.0))
    }

    /// Σ over cells of weight · f(levels of the variant, levels of the context, reward) in draw s.
    fn sum(&self, s: usize, mut f: impl FnMut(&[usize], &[usize], f64) -> f64) -> f64 {
        let mut sum = 0.0;
        for &(c, share) in &self.shares {
            for v in 0..self.space.variants() {
                let value = f(&self.space.decode_variant(v), &self.space.decode_context(c), self.reward(s, v, c));
                sum += share / self.space.variants() as f64 * value;
            }
        }
        sum
    }

    /// Mean reward where `which` holds.
    fn given(&self, s: usize, which: impl Fn(&[usize], &[usize]) -> bool) -> f64 {
        self.sum(s, |v, c, r| if which(v, c) { r } else { 0.0 })
            / self.sum(s, |v, c, _| f64::from(u8::from(which(v, c))))
    }

    fn variance(&self, s: usize, of: impl Fn(&[usize], &[usize], f64) -> f64) -> f64 {
        let mean = self.sum(s, &of);
        self.sum(s, |v, c, r| (of(v, c, r) - mean).powi(2))
    }

    fn posterior_mean(&self, of: impl Fn(usize) -> f64) -> f64 {
        (0..self.posterior.len()).map(of).sum::<f64>() / self.posterior.len() as f64
    }
}

fn check_against_naive(space: &Space, cells: &CellTable, posterior: &Posterior, options: &TrainingOptions) {
    let training = Training::from_posterior(space, cells, posterior.clone(), options).unwrap();
    let report = &training.report;
    let arms = posterior.predictor == Predictor::Arms;
    let trials = cells.trials() as f64;
    let mut shares: BTreeMap<u64, f64> = BTreeMap::new();
    for cell in cells.cells() {
        *shares.entry(if arms { 0 } else { cell.context }).or_default() += cell.n as f64 / trials;
    }
    let naive = Naive { space, posterior, shares: shares.into_iter().collect() };
    let draws: Vec<usize> = (0..posterior.len()).collect();
    let best: Vec<Vec<f64>> = naive
        .shares
        .iter()
        .map(|&(c, _)| {
            let counts = naive_counts(space, posterior, c, |_| 1.0);
            counts.iter().map(|&n| f64::from(n) / posterior.len() as f64).collect()
        })
        .collect();

    let value: Vec<f64> = draws
        .iter()
        .map(|&s| {
            let per_context = naive.shares.iter().zip(&best).map(|(&(c, share), best)| {
                share * (0..space.variants()).map(|v| best[v] * naive.reward(s, v, c)).sum::<f64>()
            });
            per_context.sum()
        })
        .collect();
    let found = training.metrics.expected_reward;
    close(found.mean, mean(&value), "value");
    close(found.ci_lower, quantile(&value, 0.025), "value, low");
    close(found.ci_upper, quantile(&value, 0.975), "value, high");
    let historic = cells.reward_sum() / trials;
    close(training.metrics.historic_reward, historic, "historic");
    let improvement = (historic != 0.0).then(|| 100.0 * (mean(&value) / historic - 1.0));
    assert_eq!(report.estimated_improvement_percent.is_some(), improvement.is_some());
    close(report.estimated_improvement_percent.unwrap_or(0.0), improvement.unwrap_or(0.0), "improvement");
    assert_eq!(report.estimated_improvement_interval.is_some(), improvement.is_some());
    for (end, p) in report.estimated_improvement_interval.unwrap_or_default().into_iter().zip([0.025, 0.975]) {
        let all: Vec<f64> = value.iter().map(|v| 100.0 * (v / historic - 1.0)).collect();
        // A hundred times a ratio of values in single precision.
        close(end / 100.0, quantile(&all, p) / 100.0, "improvement, end");
    }

    assert_eq!(report.variants.len(), space.variants());
    let mut means = Vec::new();
    let rewards: Vec<Vec<f64>> = (0..space.variants())
        .map(|v| {
            let of = |s| naive.shares.iter().map(|&(c, share)| share * naive.reward(s, v, c)).sum();
            draws.iter().map(|&s| of(s)).collect()
        })
        .collect();
    let most = |s: usize| space.allowed().map(|v| rewards[v][s]).fold(f64::MIN, f64::max);
    for (v, state) in report.variants.iter().enumerate() {
        let all = rewards[v].clone();
        let loss = mean(&draws.iter().map(|&s| most(s) - all[s]).collect::<Vec<_>>());
        close(state.expected_loss.unwrap(), loss, "expected loss");
        close(state.expected_reward_mean, mean(&all), "variant");
        close(state.expected_reward_lo, quantile(&all, 0.025), "variant, low");
        close(state.expected_reward_hi, quantile(&all, 0.975), "variant, high");
        close(
            state.prob_best,
            naive.shares.iter().zip(&best).map(|(&(_, share), best)| share * best[v]).sum(),
            "prob_best",
        );
        let of: Vec<&Cell> = cells.cells().iter().filter(|c| c.variant == v).collect();
        assert_eq!(state.n, of.iter().map(|c| c.n).sum::<u64>());
        close(state.reward_sum, of.iter().map(|c| c.sum).sum(), "reward_sum");
        assert_eq!(state.rate.is_none(), state.n == 0);
        let served: f64 =
            naive.shares.iter().map(|&(c, share)| share * training.policy.row(c).unwrap().probability(v)).sum();
        let h = options.holdout_share;
        close(state.weight, (1.0 - h) * served + if v == 0 { h } else { 0.0 }, "weight");
        if space.is_allowed(v) {
            means.push(mean(&all));
        } else {
            assert!(state.prob_best == 0.0 && state.weight == 0.0);
        }
    }
    let above = means.iter().copied().fold(f64::MIN, f64::max) - means[0];
    close(report.best_vs_baseline_percent.unwrap(), 100.0 * above / means[0].abs(), "best");
    check_comparisons(&naive, report, &value, &rewards, &means);
    assert_eq!(report.contexts.len(), naive.shares.len());
    for (state, best) in report.contexts.iter().zip(&best) {
        let top = best.iter().copied().fold(0.0, f64::max);
        assert_eq!(state.best_variant_index, best.iter().position(|&p| p >= top).unwrap());
        close(state.prob_best, top, "context");
    }
    check_factors(&naive, report);
}

fn check_comparisons(naive: &Naive<'_>, report: &bandit::Report, value: &[f64], rewards: &[Vec<f64>], means: &[f64]) {
    let space = naive.space;
    // The first of the greatest means, in single precision as good as equal ones aside.
    let at = means.iter().enumerate().fold(0, |best, (i, &m)| if m > means[best] { i } else { best });
    let best = space.allowed().nth(at).unwrap();
    let ratios: Vec<f64> = rewards[best].iter().zip(&rewards[0]).map(|(x, y)| 100.0 * (x - y) / y.abs()).collect();
    let (lo, hi) = (quantile(&rewards[0], 0.025), quantile(&rewards[0], 0.975));
    match report.best_vs_baseline_interval {
        Some(interval) => {
            assert!(lo > -1e-6 || hi < 1e-6, "an interval although the baseline is between {lo} and {hi}");
            // Where the baseline is near 0, single precision shows.
            for (end, exact) in interval.into_iter().zip([quantile(&ratios, 0.025), quantile(&ratios, 0.975)]) {
                assert!((end - exact).abs() <= 1e-3 * (1.0 + exact.abs()), "best, end: {end} against {exact}");
            }
        }
        None => assert!(lo <= 1e-6 && hi >= -1e-6),
    }
    let draws = value.len() as f64;
    // A draw in which both earn the same to single precision may fall on either side.
    let count = |slack: f64| value.iter().zip(&rewards[0]).filter(|(v, b)| **v > **b + slack).count() as f64 / draws;
    let probability = report.improvement_probability.unwrap();
    assert!((count(1e-5)..=count(-1e-5)).contains(&probability), "{probability}");
    let oracle = (0..value.len()).map(|s| {
        let best = |c| space.allowed().map(|v| naive.reward(s, v, c)).fold(f64::MIN, f64::max);
        naive.shares.iter().map(|&(c, share)| share * best(c)).sum::<f64>()
    });
    let (oracle, baseline) = (oracle.sum::<f64>() / draws, mean(&rewards[0]));
    match report.estimated_progress {
        Some(progress) => {
            let exact = (mean(value) - baseline) / (oracle - baseline);
            let slack = 1e-5 * (1.0 + baseline.abs()) / (oracle - baseline);
            assert!((progress - exact).abs() <= slack * (1.0 + exact.abs()), "progress: {progress} against {exact}");
        }
        None => assert!(oracle - baseline < 1e-5 * (1.0 + baseline.abs())),
    }
}

fn check_size(size: bandit::Size, all: &[f64]) {
    let exact = [mean(all), quantile(all, 0.25), quantile(all, 0.75), quantile(all, 0.025), quantile(all, 0.975)];
    for (found, exact) in [size.mean, size.q1, size.q3, size.lo, size.hi].into_iter().zip(exact) {
        // The root of a difference of squares near 0.
        assert!((found - exact).abs() <= 1e-4 * (1.0 + exact), "size: {found} against {exact}");
    }
}

fn check_factors(naive: &Naive<'_>, report: &bandit::Report) {
    let (space, posterior) = (naive.space, naive.posterior);
    let known_contexts = if posterior.predictor == Predictor::Arms { 0 } else { space.context().len() };
    let total = naive.posterior_mean(|s| naive.variance(s, |_, _, r| r));
    let design = space.design().len();
    assert_eq!(report.factors.len(), design + known_contexts);
    for (f, state) in report.factors.iter().enumerate() {
        let level_of = |v: &[usize], c: &[usize]| if f < design { v[f] } else { c[f - design] };
        let first = naive.posterior_mean(|s| {
            let by_level: Vec<f64> = (0..10).map(|l| naive.given(s, |v, c| level_of(v, c) == l)).collect();
            naive.variance(s, |v, c, _| by_level[level_of(v, c)])
        });
        close(state.importance, first / total, "importance");
        let sizes: Vec<f64> = (0..posterior.len())
            .map(|s| {
                let by_level: Vec<f64> = (0..10).map(|l| naive.given(s, |v, c| level_of(v, c) == l)).collect();
                naive.variance(s, |v, c, _| by_level[level_of(v, c)]).sqrt()
            })
            .collect();
        check_size(state.size.unwrap(), &sizes);
        let levels = state.levels.len();
        let effects: Vec<Vec<f64>> = (0..posterior.len())
            .map(|s| {
                let means: Vec<f64> = (0..levels)
                    .map(|l| {
                        if f < design {
                            return naive.given(s, |v, _| v[f] == l);
                        }
                        let replaced = naive.shares.iter().map(|&(c, share)| {
                            let mut context = space.decode_context(c);
                            context[f - design] = l;
                            let c = space.encode_context(&context);
                            share * (0..space.variants()).map(|v| naive.reward(s, v, c)).sum::<f64>()
                        });
                        replaced.sum::<f64>() / space.variants() as f64
                    })
                    .collect();
                means.iter().map(|m| m - mean(&means)).collect()
            })
            .collect();
        for (l, state) in state.levels.iter().enumerate() {
            let all: Vec<f64> = effects.iter().map(|e| e[l]).collect();
            close(state.effect_mean, mean(&all), "effect");
            close(state.effect_lo, quantile(&all, 0.025), "effect, low");
            close(state.effect_hi, quantile(&all, 0.975), "effect, high");
        }
    }
    let mut pairs = Vec::new();
    for a in 0..design {
        pairs.extend((a + 1..design).map(|b| (a, b)));
    }
    for a in 0..design {
        pairs.extend((0..known_contexts).map(|k| (a, design + k)));
    }
    assert_eq!(report.interactions.len(), pairs.len());
    for (&(a, b), state) in pairs.iter().zip(&report.interactions) {
        assert_eq!(state.factors, [report.factors[a].name.clone(), report.factors[b].name.clone()]);
        let level = |f: usize, v: &[usize], c: &[usize]| if f < design { v[f] } else { c[f - design] };
        let variance = naive.posterior_mean(|s| {
            let mut cache: BTreeMap<(usize, usize), f64> = BTreeMap::new();
            let overall = naive.sum(s, |_, _, r| r);
            naive.sum(s, |v, c, _| {
                let (i, j) = (level(a, v, c), level(b, v, c));
                let g = *cache.entry((i, j)).or_insert_with(|| {
                    naive.given(s, |v, c| level(a, v, c) == i && level(b, v, c) == j)
                        - naive.given(s, |v, c| level(a, v, c) == i)
                        - naive.given(s, |v, c| level(b, v, c) == j)
                        + overall
                });
                g * g
            })
        });
        let scale = variance.sqrt();
        assert!((state.scale - scale).abs() <= 1e-5 * (1.0 + scale), "scale: {} against {scale}", state.scale);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_cmab_is_reported_as_naive_loops_do(
        design in prop::collection::vec(2..4_usize, 1..4),
        contexts in prop::collection::vec(2..4_usize, 1..3),
        logit: bool,
        draws in 1..40_usize,
        seed in 0..1_000_u64,
        excluded: bool,
        biased: bool,
    ) {
        let mut space = space(&design, &contexts);
        if excluded {
            space = space.excluding(&[vec![(0, 1)]]);
        }
        let link = if logit { Link::Logit } else { Link::Identity { center: 30.0, scale: 4.0 } };
        let posterior = random_columns(&space, link, draws, 0.5, 0.3, seed);
        let some: Vec<u64> = (0..space.contexts()).filter(|c| (c * 7 + seed) % 3 != 0).collect();
        let cells = random_cells(&space, if some.is_empty() { &[0] } else { &some }, seed);
        let options = TrainingOptions {
            bias: if biased { BTreeMap::from([("d0".to_owned(), 2.0)]) } else { BTreeMap::new() },
            exploration: if biased { 0.5 } else { 1.0 },
            minimum_share: if biased { 0.01 } else { 0.0 },
            holdout_share: 0.1,
            threads: 2,
            ..TrainingOptions::default()
        };
        check_against_naive(&space, &cells, &posterior, &options);
    }

    #[test]
    fn a_mab_is_reported_as_naive_loops_do(
        design in prop::collection::vec(2..4_usize, 1..4),
        logit: bool,
        draws in 1..60_usize,
        seed in 0..1_000_u64,
    ) {
        let space = space(&design, &[]);
        let link = if logit { Link::Logit } else { Link::Identity { center: -3.0, scale: 0.5 } };
        let posterior = random_arms(&space, link, draws, seed);
        check_against_naive(&space, &random_cells(&space, &[0], seed), &posterior, &TrainingOptions::default());
    }
}

#[test]
fn an_additive_model_has_additive_effects() {
    // One draw; d0 adds −1, 0, 1; d1 adds 0, 0.5; c0 adds 0, 2. Identity link in units of 2 about 10.
    let space = space(&[3, 2], &[2]);
    let columns = Columns::of(&space);
    let mut draw = vec![0.0_f32; columns.len()];
    draw[columns.design(0, 0)] = -1.0;
    draw[columns.design(0, 2)] = 1.0;
    draw[columns.design(1, 1)] = 0.5;
    draw[columns.context(0, 1)] = 2.0;
    let posterior = from_draws(Predictor::Columns, Link::Identity { center: 10.0, scale: 2.0 }, columns.len(), draw);
    // Three quarters of the trials in context 1.
    let cell = |variant, context, n: u64| Cell { variant, context, n, sum: 9.0 * n as f64, sum_sq: 81.0 * n as f64 };
    let cells = CellTable::new([cell(0, 0, 10), cell(1, 1, 30)]).unwrap();
    let training = Training::from_posterior(&space, &cells, posterior, &TrainingOptions::default()).unwrap();
    let report = training.report;
    let effects: Vec<Vec<f64>> =
        report.factors.iter().map(|f| f.levels.iter().map(|l| l.effect_mean).collect()).collect();
    assert_eq!(effects, [vec![-2.0, 0.0, 2.0], vec![-0.5, 0.5], vec![-2.0, 2.0]]);
    // Variances: d0 4 · 2/3, d1 ¼, c0 16 · 3/16.
    let total = 8.0 / 3.0 + 0.25 + 3.0;
    for (factor, variance) in report.factors.iter().zip([8.0 / 3.0, 0.25, 3.0]) {
        close(factor.importance, variance / total, &factor.name);
    }
    assert!(report.interactions.iter().all(|i| i.scale.abs() < 1e-6));
    // The best variant is (2, 1) in both contexts: 10 + 2 (1 + 0.5 + 2 · ¾) = 16; the baseline 10 + 2 (−1 + 1.5) = 11.
    close(training.metrics.expected_reward.mean, 16.0, "value");
    close(report.best_vs_baseline_percent.unwrap(), 100.0 * 5.0 / 11.0, "best");
    close(report.estimated_improvement_percent.unwrap(), 100.0 * 7.0 / 9.0, "improvement");
    assert!(report.contexts.iter().all(|c| c.best_variant_index == 5 && (c.prob_best - 1.0).abs() < 1e-12));
}

#[test]
fn what_bends_the_policy_changes_what_is_served_and_nothing_reported() {
    let space = space(&[3, 2], &[2]);
    let posterior = random_columns(&space, Link::Logit, 2_000, 0.3, 0.3, 6);
    let cells = random_cells(&space, &[0, 1], 6);
    let plain = Training::from_posterior(&space, &cells, posterior.clone(), &TrainingOptions::default()).unwrap();
    let bias = BTreeMap::from([("d0".to_owned(), 1.0)]);
    for options in [
        TrainingOptions { bias, exploration: 0.5, ..TrainingOptions::default() },
        TrainingOptions { minimum_share: 0.05, ..TrainingOptions::default() },
        TrainingOptions { burn_in: true, ..TrainingOptions::default() },
    ] {
        let bent = Training::from_posterior(&space, &cells, posterior.clone(), &options).unwrap();
        assert_ne!(plain.policy, bent.policy);
        assert_eq!(plain.metrics, bent.metrics);
        let mut report = bent.report.clone();
        for (state, plain) in report.variants.iter_mut().zip(&plain.report.variants) {
            assert!((plain.weight - plain.prob_best).abs() < 1e-12);
            if options.burn_in {
                assert!((state.weight - 1.0 / 6.0).abs() < 1e-12, "{}", state.weight);
            } else if options.minimum_share > 0.0 {
                let expected = 0.05 + 0.7 * plain.weight;
                assert!(state.weight >= 0.05 && (state.weight - expected).abs() <= 1e-4, "{}", state.weight);
            }
            state.weight = plain.weight;
        }
        assert_eq!(report, plain.report);
    }
}

/// A factor that does nothing has an importance and a size near 0 once there are many data: before, both are large, and only the
/// size says by how little the reward differs.
#[test]
fn a_size_has_a_unit() {
    let space = space(&[3, 2], &[2]);
    let cells = random_cells(&space, &[0, 1], 6);
    let of = |width: f64| {
        let posterior = random_columns(&space, Link::Logit, 2_000, 0.0, width, 6);
        let report = Training::from_posterior(&space, &cells, posterior, &TrainingOptions::default()).unwrap().report;
        (report.factors[0].importance, report.factors[0].size.unwrap())
    };
    let ((wide_share, wide), (narrow_share, narrow)) = (of(0.1), of(0.001));
    assert!((wide_share - narrow_share).abs() < 0.05 && narrow_share > 0.2, "{wide_share} {narrow_share}");
    assert!(narrow.hi < 0.001 && wide.mean > 50.0 * narrow.mean, "{wide:?} {narrow:?}");
    for size in [wide, narrow] {
        assert!(0.0 <= size.lo && size.lo <= size.q1 && size.q1 <= size.q3 && size.q3 <= size.hi);
        assert!(size.lo <= size.mean && size.mean <= size.hi);
    }
}

#[test]
fn threads_change_nothing() {
    let space = space(&[3, 2], &[3, 3]);
    let posterior = random_columns(&space, Link::Logit, 500, 0.3, 0.3, 6);
    let cells = random_cells(&space, &[0, 1, 7, 15], 6);
    let run = |threads| {
        let options = TrainingOptions { threads, ..TrainingOptions::default() };
        Training::from_posterior(&space, &cells, posterior.clone(), &options).unwrap()
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn nothing_to_learn_from_is_an_error() {
    let space = space(&[2], &[2]);
    let posterior = random_columns(&space, Link::Logit, 10, 0.3, 0.3, 6);
    let train = |cells: &[(usize, u64)], options: &TrainingOptions| {
        let cells = cells.iter().map(|&(variant, context)| Cell { variant, context, n: 1, sum: 0.0, sum_sq: 0.0 });
        Training::from_posterior(&space, &CellTable::new(cells).unwrap(), posterior.clone(), options).unwrap_err()
    };
    let plain = TrainingOptions::default();
    assert_eq!(train(&[], &plain), TrainError::NoObservations);
    let unknown = DecisionError::UnknownVariant { variant: 2, variants: 2 };
    assert_eq!(train(&[(2, 0)], &plain), TrainError::Decision(unknown));
    let unknown = DecisionError::UnknownContext { context: 3, contexts: 3 };
    assert_eq!(train(&[(0, 3)], &plain), TrainError::Decision(unknown));
    let holdout = TrainingOptions { holdout_share: 1.5, ..plain };
    assert_eq!(train(&[(0, 0)], &holdout), TrainError::BadHoldout { share: 1.5 });
}

#[test]
fn the_state_is_the_json_of_the_contract() {
    let text = |name: &str, levels: &[&str], dtype| {
        Factor::new(name, dtype, levels.iter().map(|l| (*l).to_owned()).collect()).unwrap()
    };
    let design = vec![text("title", &["b", "a"], Dtype::Str), text("bold", &["false", "true"], Dtype::Bool)];
    let space = Space::new(design, vec![text("device", &["phone", "desk"], Dtype::Str)]).unwrap();
    let space = space.excluding(&[vec![(0, 1), (1, 1)]]);
    let columns = Columns::of(&space).len();
    let mut draw = vec![0.0; columns];
    draw[Columns::of(&space).design(1, 1)] = 1.0;
    let mut posterior = from_draws(Predictor::Columns, Link::Identity { center: 0.0, scale: 1.0 }, columns, draw);
    posterior.diagnostics = Diagnostics {
        step: Step::Importance,
        scales: vec![
            ScalePoint { main: 0.25, pair: 0.5, weight: 0.5 },
            ScalePoint { main: 0.5, pair: 0.0, weight: 0.25 },
            ScalePoint { main: 1.0, pair: 0.0, weight: 0.25 },
        ],
        pareto_k: Some(0.25),
        effective_draws: Some(6_000.0),
        ..posterior.diagnostics
    };
    let cells = CellTable::new([
        Cell { variant: 0, context: 0, n: 4, sum: 0.0, sum_sq: 0.0 },
        Cell { variant: 1, context: 2, n: 4, sum: 2.0, sum_sq: 2.0 },
    ])
    .unwrap();
    let options = TrainingOptions { holdout_share: 0.25, ..TrainingOptions::default() };
    let report = Training::from_posterior(&space, &cells, posterior, &options).unwrap().report;
    let state = State {
        model_id: "m".to_owned(),
        model_type: ModelType::Cmab,
        posterior_version: 2,
        trained_at: Some("2026-11-23T00:00:00Z".to_owned()),
        report,
    };
    let json = serde_json::to_string(&state).unwrap();
    let expected = concat!(
        r#"{"model_id":"m","model_type":"cmab","posterior_version":2,"trained_at":"2026-11-23T00:00:00Z","observations":8,"#,
        r#""variants":[{"index":0,"variant":{"title":"b","bold":false},"n":4,"reward_sum":0.0,"rate":0.0,"#,
        r#""expected_reward_mean":0.0,"expected_reward_lo":0.0,"expected_reward_hi":0.0,"prob_best":0.0,"expected_loss":1.0,"weight":0.25},"#,
        r#"{"index":1,"variant":{"title":"b","bold":true},"n":4,"reward_sum":2.0,"rate":0.5,"#,
        r#""expected_reward_mean":1.0,"expected_reward_lo":1.0,"expected_reward_hi":1.0,"prob_best":1.0,"expected_loss":0.0,"weight":0.75},"#,
        r#"{"index":2,"variant":{"title":"a","bold":false},"n":0,"reward_sum":0.0,"rate":null,"#,
        r#""expected_reward_mean":0.0,"expected_reward_lo":0.0,"expected_reward_hi":0.0,"prob_best":0.0,"expected_loss":1.0,"weight":0.0},"#,
        r#"{"index":3,"variant":{"title":"a","bold":true},"n":0,"reward_sum":0.0,"rate":null,"#,
        r#""expected_reward_mean":1.0,"expected_reward_lo":1.0,"expected_reward_hi":1.0,"prob_best":0.0,"expected_loss":0.0,"weight":0.0}],"#,
        r#""contexts":[{"context":{"device":"phone"},"n":4,"best_variant_index":1,"prob_best":1.0},"#,
        r#"{"context":{"device":null},"n":4,"best_variant_index":1,"prob_best":1.0}],"#,
        r#""factors":[{"name":"title","role":"design","importance":0.0,"size":{"mean":0.0,"q1":0.0,"q3":0.0,"lo":0.0,"hi":0.0},"#,
        r#""levels":["#,
        r#"{"level":"b","effect_mean":0.0,"effect_lo":0.0,"effect_hi":0.0},"#,
        r#"{"level":"a","effect_mean":0.0,"effect_lo":0.0,"effect_hi":0.0}]},"#,
        r#"{"name":"bold","role":"design","importance":1.0,"size":{"mean":0.5,"q1":0.5,"q3":0.5,"lo":0.5,"hi":0.5},"#,
        r#""levels":["#,
        r#"{"level":false,"effect_mean":-0.5,"effect_lo":-0.5,"effect_hi":-0.5},"#,
        r#"{"level":true,"effect_mean":0.5,"effect_lo":0.5,"effect_hi":0.5}]},"#,
        r#"{"name":"device","role":"context","importance":0.0,"size":{"mean":0.0,"q1":0.0,"q3":0.0,"lo":0.0,"hi":0.0},"#,
        r#""levels":["#,
        r#"{"level":"phone","effect_mean":0.0,"effect_lo":0.0,"effect_hi":0.0},"#,
        r#"{"level":"desk","effect_mean":0.0,"effect_lo":0.0,"effect_hi":0.0}]}],"#,
        r#""interactions":[{"factors":["title","bold"],"scale":0.0,"size":{"mean":0.0,"q1":0.0,"q3":0.0,"lo":0.0,"hi":0.0}},{"factors":["title","device"],"scale":0.0,"size":{"mean":0.0,"q1":0.0,"q3":0.0,"lo":0.0,"hi":0.0}},"#,
        r#"{"factors":["bold","device"],"scale":0.0,"size":{"mean":0.0,"q1":0.0,"q3":0.0,"lo":0.0,"hi":0.0}}],"estimated_improvement_percent":300.0,"estimated_improvement_interval":[300.0,300.0],"#,
        r#""best_vs_baseline_percent":null,"best_vs_baseline_interval":null,"improvement_probability":1.0,"#,
        r#""estimated_progress":1.0,"diagnostics":{"step":"importance","pareto_k":0.25,"effective_draws":6000.0,"#,
        r#""r_hat":null,"divergences":null,"main_scale":0.5,"pair_scale":0.25,"kappa":null,"value_draws":1,"draws":1,"#,
        r#""covered_share":1.0}}"#
    );
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
    // Objects of earlier versions lack what came later.
    let mut earlier: serde_json::Value = serde_json::from_str(&json).unwrap();
    let later = ["estimated_improvement_interval", "best_vs_baseline_interval", "improvement_probability"];
    for field in later.into_iter().chain(["estimated_progress", "diagnostics"]) {
        assert!(earlier.as_object_mut().unwrap().remove(field).is_some());
    }
    for (list, field) in [("variants", "expected_loss"), ("factors", "size"), ("interactions", "size")] {
        for item in earlier[list].as_array_mut().unwrap() {
            assert!(item.as_object_mut().unwrap().remove(field).is_some());
        }
    }
    let report = serde_json::from_value::<State>(earlier).unwrap().report;
    assert_eq!((report.diagnostics, report.improvement_probability, report.estimated_progress), (None, None, None));
    assert!(report.variants.iter().all(|v| v.expected_loss.is_none()));
    assert!(report.factors.iter().all(|f| f.size.is_none()) && report.interactions.iter().all(|i| i.size.is_none()));
}

/// 60,000 cells are above what all draws are evaluated in. Every second draw is 1 above the others, which every second
/// draw does not see.
#[test]
fn the_value_is_from_all_draws() {
    let space = space(&[10, 10, 6], &[9, 9]);
    let columns = space.columns();
    let mut draws = vec![0.0; 10_000 * columns];
    draws.iter_mut().skip(columns).step_by(2 * columns).for_each(|intercept| *intercept = 1.0);
    let posterior = from_draws(Predictor::Columns, Link::Identity { center: 0.0, scale: 1.0 }, columns, draws);
    let cell = |context| Cell { variant: 0, context, n: 2, sum: 1.0, sum_sq: 1.0 };
    let cells = CellTable::new((0..space.contexts()).map(cell)).unwrap();
    let training = Training::from_posterior(&space, &cells, posterior, &TrainingOptions::default()).unwrap();
    let value = training.metrics.expected_reward;
    close(value.mean, 0.5, "mean");
    close(value.ci_lower, 0.0, "low");
    close(value.ci_upper, 1.0, "high");
    let diagnostics = training.report.diagnostics.unwrap();
    assert_eq!((diagnostics.value_draws, diagnostics.draws), (10_000, 5_000));
}

/// 1,122 contexts of 1,000 variants are above a million cells: 1,000 of those with the most trials are used, on both sides
/// of the comparison.
#[test]
fn the_improvement_is_over_the_contexts_of_the_value() {
    let space = space(&[10, 10, 10], &[32, 33]);
    let columns = space.columns();
    // The first context factor's first level earns 0, all else 1, whatever is served.
    let mut draw = vec![0.0; columns];
    draw[0] = 1.0;
    draw[Columns::of(&space).context(0, 0)] = -1.0;
    let posterior = from_draws(Predictor::Columns, Link::Identity { center: 0.0, scale: 1.0 }, columns, draw);
    // Few trials where nothing is earned, so that these contexts are the ones left out.
    let cell = |context: u64| {
        let first = space.decode_context(context)[0];
        let (n, sum) = if first == 0 { (1, 0.0) } else { (10, 10.0) };
        Cell { variant: 0, context, n, sum, sum_sq: sum }
    };
    let cells = CellTable::new((0..space.contexts()).map(cell)).unwrap();
    let training = Training::from_posterior(&space, &cells, posterior, &TrainingOptions::default()).unwrap();
    let diagnostics = training.report.diagnostics.unwrap();
    let (all, used) = (cells.trials() as f64, 10_000.0);
    close(diagnostics.covered_share, used / all, "share");
    close(training.metrics.historic_reward, cells.reward_sum() / all, "historic");
    close(training.metrics.expected_reward.mean, 1.0, "value");
    close(training.report.estimated_improvement_percent.unwrap(), 0.0, "improvement");
}

#[test]
fn a_mab_has_one_context_without_levels() {
    let space = space(&[2, 2], &[]);
    let posterior = random_arms(&space, Link::Logit, 100, 1);
    let cells = random_cells(&space, &[0], 2);
    let report = Training::from_posterior(&space, &cells, posterior, &TrainingOptions::default()).unwrap().report;
    let contexts = serde_json::to_string(&report.contexts).unwrap();
    assert!(contexts.starts_with(&format!(r#"[{{"context":{{}},"n":{},"#, cells.trials())), "{contexts}");
    assert_eq!(report.factors.len(), 2);
}

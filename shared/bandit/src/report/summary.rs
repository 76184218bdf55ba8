//! Assembling metrics and report.

use super::contexts::{Points, context_slots, share};
use super::diagnostics::StateDiagnostics;
use super::expectations::Expectations;
use super::improvement::{above, above_earned, expected_best, probability_above, progress};
use super::quantiles::Spread;
use super::state::{
    ContextState, FactorRole, FactorState, InteractionState, LevelState, Report, Size, StratumState, VariantState,
};
use super::value::values;
use super::{Assignment, ExpectedReward, LevelValue, Metrics};
use crate::decisions::{Layout, most_frequented};
use crate::{CellTable, DecisionError, Policy, Posterior, Space};

/// Contexts that a report lists at most.
const MOST_CONTEXTS: usize = 10_000;

/// What is believed and what is served.
pub(crate) struct Belief<'a> {
    /// P(best): Thompson sampling at exploration 1 without bias, with a row for each context that [`Points`] uses.
    pub(crate) believed: &'a Policy,
    /// The policy as served.
    pub(crate) served: &'a Policy,
    /// Share of the users that always see the baseline.
    pub(crate) holdout_share: f64,
}

/// Metrics and report of a posterior. The cells have at least one trial. The result does not depend on `threads`, at
/// least 1.
///
/// # Errors
/// [`DecisionError`]: a posterior or cells that are not of this space.
#[expect(clippy::cast_precision_loss, reason = "counts of observations are far below 2^52")]
pub(crate) fn summarize(
    space: &Space,
    cells: &CellTable,
    posterior: &Posterior,
    belief: &Belief<'_>,
    threads: usize,
) -> Result<(Metrics, Report), DecisionError> {
    let layout = Layout::new(space, posterior)?;
    if posterior.has_strata() && posterior.strata_count() != cells.strata_count() {
        let (found, expected) = (posterior.strata_count(), cells.strata_count());
        return Err(DecisionError::Shape { what: "strata", found, expected });
    }
    let points = Points::of(space, cells, &layout, posterior);
    let mut found = Expectations::compute(space, &layout, posterior, &points);
    let mut values = values(space, &layout, posterior, &points, belief.believed, threads);
    let (center, scale) = posterior.link.unit();
    values.rescale(center, scale);
    let (probability, progress) = (probability_above(&values), progress(&values));

    let historic_reward = cells.reward_sum() / cells.trials() as f64;
    let value = Spread::of(&mut values.policy);
    let metrics = Metrics {
        historic_reward,
        expected_reward: ExpectedReward { mean: value.mean, ci_lower: value.lo, ci_upper: value.hi },
    };

    for reward in found.variants.iter_mut().flatten() {
        *reward = center + scale * *reward;
    }
    let most = expected_best(&found.variants, space.allowed());
    let means: Vec<f64> = found.variants.iter().map(|draws| mean(draws)).collect();
    let best = space
        .allowed()
        .fold(None, |best, v| if best.is_some_and(|b: usize| means[b] >= means[v]) { best } else { Some(v) });
    let best = best.map_or(&found.variants[0], |v| &found.variants[v]);
    let against_baseline = above(best, &found.variants[0]);
    // From here on the draws of a variant go with those of the others no more.
    let rewards: Vec<Spread> = found.variants.iter_mut().map(|draws| Spread::of(draws)).collect();
    let prob_best = average(belief.believed, &points.observed, space.variants());
    let mut weights = average(belief.served, &points.observed, space.variants());
    for weight in &mut weights {
        *weight *= 1.0 - belief.holdout_share;
    }
    weights[0] += belief.holdout_share;
    let mut counted = vec![(0_u64, 0.0); space.variants()];
    for cell in cells.cells() {
        counted[cell.variant].0 += cell.n;
        counted[cell.variant].1 += cell.sum;
    }
    let variants = (0..space.variants())
        .map(|v| VariantState {
            index: v,
            variant: Assignment::of_variant(space, v),
            n: counted[v].0,
            reward_sum: counted[v].1,
            rate: (counted[v].0 > 0).then(|| counted[v].1 / counted[v].0 as f64),
            expected_reward_mean: rewards[v].mean,
            expected_reward_lo: rewards[v].lo,
            expected_reward_hi: rewards[v].hi,
            prob_best: prob_best[v],
            expected_loss: Some(most - rewards[v].mean),
            weight: weights[v],
        })
        .collect();

    // What the value is compared with was earned in the same contexts.
    let earned = points.reward_sum / points.trials as f64;
    let improvement = above_earned(value, earned);
    let report = Report {
        observations: cells.trials(),
        variants,
        contexts: contexts(space, cells, &layout, &points, belief.believed),
        factors: factors(space, &layout, &mut found, scale),
        interactions: interactions(space, &layout, &found, scale),
        estimated_improvement_percent: improvement.percent,
        estimated_improvement_interval: improvement.interval,
        best_vs_baseline_percent: against_baseline.percent,
        best_vs_baseline_interval: against_baseline.interval,
        improvement_probability: Some(probability),
        estimated_progress: progress,
        strata: strata(cells),
        diagnostics: Some(StateDiagnostics::new(
            posterior,
            values.policy.len(),
            found.draws,
            share(points.trials, cells.trials()),
        )),
    };
    Ok((metrics, report))
}

/// The strata whose spans are known, with what was observed in each.
fn strata(cells: &CellTable) -> Vec<StratumState> {
    let spans = cells.strata().iter().zip(cells.stratum_trials());
    spans.map(|(span, observations)| StratumState { from: span.from, to: span.to, observations }).collect()
}

/// The mean over the draws; 0 where there are none.
#[expect(clippy::cast_precision_loss, reason = "draws are far below 2^52")]
fn mean(draws: &[f64]) -> f64 {
    if draws.is_empty() { 0.0 } else { draws.iter().sum::<f64>() / draws.len() as f64 }
}

/// `Σ_c` share(c) π(v|c) over the contexts that have a row, their shares adding up to 1.
#[expect(clippy::cast_precision_loss, reason = "counts of observations are far below 2^52")]
fn average(policy: &Policy, observed: &[(u64, u64)], variants: usize) -> Vec<f64> {
    let mut sums = vec![0.0; variants];
    let mut trials = 0.0;
    for &(context, n) in observed {
        if let Some(row) = policy.row(context) {
            trials += n as f64;
            row.iter().for_each(|(v, count)| sums[v] += n as f64 * f64::from(count));
        }
    }
    for sum in &mut sums {
        *sum /= trials * f64::from(policy.total());
    }
    sums
}

fn contexts(
    space: &Space,
    cells: &CellTable,
    layout: &Layout,
    points: &Points,
    believed: &Policy,
) -> Vec<ContextState> {
    let listed =
        if layout.context.is_empty() { points.observed.clone() } else { most_frequented(cells, MOST_CONTEXTS) };
    listed
        .into_iter()
        .filter_map(|(context, n)| {
            let row = believed.row(context)?;
            let best = row.favourite();
            Some(ContextState {
                context: if layout.context.is_empty() {
                    Assignment::default()
                } else {
                    Assignment::of_context(space, context)
                },
                n,
                best_variant_index: best,
                prob_best: row.probability(best),
            })
        })
        .collect()
}

fn factors(space: &Space, layout: &Layout, found: &mut Expectations, scale: f64) -> Vec<FactorState> {
    let total = mean(&found.variances.total);
    let importance = |part: f64| if total > 0.0 && scale > 0.0 { (part / total).min(1.0) } else { 0.0 };
    let state = |factor: &crate::Factor, role, part: Vec<f64>, effects: &mut [Vec<f64>]| FactorState {
        name: factor.name().to_owned(),
        role,
        importance: importance(mean(&part)),
        size: Some(Size::of_squares(part, scale)),
        levels: effects
            .iter_mut()
            .enumerate()
            .map(|(level, draws)| {
                let effect = Spread::of(draws).moved(0.0, scale);
                LevelState {
                    level: LevelValue::of(factor, level),
                    effect_mean: effect.mean,
                    effect_lo: effect.lo,
                    effect_hi: effect.hi,
                }
            })
            .collect(),
    };
    let mut states = Vec::new();
    for (d, factor) in space.design().iter().enumerate() {
        let effects = &mut found.design_effects[layout.slots[d]..layout.slots[d] + layout.design[d]];
        states.push(state(factor, FactorRole::Design, std::mem::take(&mut found.variances.design[d]), effects));
    }
    let slots = context_slots(&layout.context);
    for (k, factor) in space.context().iter().enumerate().take(layout.context.len()) {
        let effects = &mut found.context_effects[slots[k]..slots[k] + layout.context[k]];
        states.push(state(factor, FactorRole::Context, std::mem::take(&mut found.variances.context[k]), effects));
    }
    states
}

fn interactions(space: &Space, layout: &Layout, found: &Expectations, scale: f64) -> Vec<InteractionState> {
    let state = |first: &crate::Factor, second: &crate::Factor, variance: &[f64]| InteractionState {
        factors: [first.name().to_owned(), second.name().to_owned()],
        scale: scale * mean(variance).sqrt(),
        size: Some(Size::of_squares(variance.to_vec(), scale)),
    };
    let design = space.design();
    let mut states = Vec::new();
    for (d, first) in design.iter().enumerate() {
        for (e, second) in design.iter().enumerate().skip(d + 1) {
            states.push(state(first, second, &found.variances.design_pairs[d][e]));
        }
    }
    for (d, first) in design.iter().enumerate() {
        for (k, second) in space.context().iter().enumerate().take(layout.context.len()) {
            states.push(state(first, second, &found.variances.context_pairs[d][k]));
        }
    }
    states
}

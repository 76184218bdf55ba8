//! The answer for a span of days, from what a run stored. No storage and no clock: the same input gives the same answer.

use std::collections::{BTreeMap, BTreeSet};

use bandit::evaluation::{Arm, EvaluationError, Lift, LogRatio, heterogeneity, sample_ratio};
use bandit::{RewardType, Space};
use chrono::{DateTime, NaiveDate};
use serde_json::{Map, Value, json};

use super::checks;
use super::findings::findings;
use super::guardrails::{Found, guardrails};
use super::span::Span;
use crate::domain::{
    ExposureRow, FAILURE, MeasuredLift, StoredOutcomes, StoredResults, StoredUsers, UserRow, level_json, rfc3339,
    variant_json,
};
use crate::error::ApiError;

/// Days times variants above which the series leaves the variants out.
const MOST_IN_SERIES: usize = 10_000;

/// The date of a day.
fn date(day: i64) -> String {
    let date: Option<NaiveDate> = DateTime::from_timestamp(day * 86_400, 0).map(|time| time.date_naive());
    date.map(|date| date.to_string()).unwrap_or_default()
}

/// Both arms: the optimized users and the holdout.
type Arms = [Arm; 2];

fn arms<'r, K: 'r>(rows: impl Iterator<Item = &'r UserRow<K>>) -> Arms {
    rows.fold(Arms::default(), |mut arms, row| {
        let arm = &mut arms[usize::from(row.held_out)];
        *arm = arm.plus(row.arm);
        arms
    })
}

fn lift([optimized, holdout]: &Arms, reward: RewardType) -> Result<Lift, ApiError> {
    Lift::of(optimized, holdout, reward).map_err(refused)
}

/// Sums of ours that cannot be evaluated.
fn refused(error: EvaluationError) -> ApiError {
    ApiError::internal(error)
}

/// The rows of a day; they are in the order of days.
fn on<T>(rows: &[T], day: i64, day_of: impl Fn(&T) -> i64) -> &[T] {
    let first = rows.partition_point(|row| day_of(row) < day);
    let end = rows.partition_point(|row| day_of(row) <= day);
    &rows[first..end]
}

/// A lift in the fields of the answer.
fn lift_fields(lift: &Lift) -> Result<Map<String, Value>, ApiError> {
    match serde_json::to_value(lift) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(ApiError::internal("a lift is no object")),
        Err(error) => Err(ApiError::internal(error)),
    }
}

/// The results of a span of days.
pub(super) fn answer(space: &Space, stored: &StoredResults, span: &Span) -> Result<Map<String, Value>, ApiError> {
    let in_span = |day: i64| span.contains(day);
    let exposures: Vec<&ExposureRow> = stored.exposures.iter().flatten().filter(|row| in_span(row.day)).collect();
    let mut answer = Map::new();
    let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    put("basis", json!(if stored.users.is_some() { "users" } else { "exposures" }));
    put("snapshot_id", json!(stored.snapshot_id));
    put("posterior_version", json!(stored.posterior_version));
    put("computed_at", json!(rfc3339(stored.computed_at)));
    let users = stored.users.as_ref();
    put("primary_metric_vs_holdout", primary(stored, &exposures, span)?);
    put("by_context", users.map(|users| by_context(space, stored, users, span)).transpose()?.into());
    put("guardrails", guarded(stored, &exposures, span)?.into());
    put("variants", variants(space, stored, &exposures, span).into());
    if let Some(outcomes) = &stored.outcomes {
        put("outcome_mix", outcome_mix(outcomes, &exposures, span).into());
    }
    put("stats", serde_json::to_value(stored.stats).map_err(ApiError::internal)?);
    put("factor_importance", serde_json::to_value(&stored.factor_importance).map_err(ApiError::internal)?);
    put("time_series", users.map(|users| series(stored, users, &exposures, span)).transpose()?.into());
    put("baseline_check", serde_json::to_value(stored.baseline_check).map_err(ApiError::internal)?);
    put("interactions", checks::interactions(space, stored).into());
    put("off_policy", checks::off_policy(stored)?);
    put("quality", quality(space, stored, &exposures, span)?);
    let found = findings(&answer);
    answer.insert("findings".to_owned(), found);
    Ok(answer)
}

/// The lift of all users of a snapshot, where there is one to show.
pub(in crate::usecases) fn measured_lift(stored: &StoredResults) -> Result<Option<MeasuredLift>, ApiError> {
    let Some(users) = &stored.users else { return Ok(None) };
    let lift = lift(&arms(users.by_variant.iter()), stored.reward_type)?;
    Ok(lift.lift_percent.zip(lift.lift_ci).map(|(lift_percent, lift_ci)| MeasuredLift { lift_percent, lift_ci }))
}

/// How many exposures came to which outcome, in each arm; those that came to none are failures.
fn outcome_mix(stored: &StoredOutcomes, exposures: &[&ExposureRow], span: &Span) -> Vec<Value> {
    let of = |outcome: Option<usize>| {
        let arm = |held_out: bool| {
            let seen: u64 = exposures.iter().filter(|row| row.held_out == held_out).map(|row| row.n).sum();
            let rows = stored.rows.iter().filter(|row| row.held_out == held_out && span.contains(row.day));
            let came_to = rows.filter(|row| outcome.is_none_or(|outcome| usize::from(row.outcome) == outcome));
            let n: u64 = came_to.map(|row| row.n).sum();
            let n = if outcome.is_none() { seen - n } else { n };
            #[expect(clippy::cast_precision_loss, reason = "counts of exposures are far below 2^52")]
            let share = (seen > 0).then(|| n as f64 / seen as f64);
            json!({"exposures": n, "share": share})
        };
        (arm(false), arm(true))
    };
    let failure = (FAILURE, 0.0, of(None));
    let outcomes = stored.outcomes.iter().enumerate().map(|(i, (key, weight))| (key.as_str(), *weight, of(Some(i))));
    let row = |(key, weight, (optimized, holdout))| json!({"key": key, "weight": weight, "optimized": optimized, "holdout": holdout});
    outcomes.chain([failure]).map(row).collect()
}

fn primary(stored: &StoredResults, exposures: &[&ExposureRow], span: &Span) -> Result<Value, ApiError> {
    let Some(users) = &stored.users else { return Ok(Value::Null) };
    let all = arms(users.by_variant.iter().filter(|row| span.contains(row.day)));
    let seen = |held_out: bool| exposures.iter().filter(|row| row.held_out == held_out).map(|row| row.n).sum::<u64>();
    let mut fields = lift_fields(&lift(&all, stored.reward_type)?)?;
    fields.insert("metric_name".to_owned(), json!(stored.metric_name));
    fields.insert("holdout_exposures".to_owned(), json!(seen(true)));
    fields.insert("optimization_exposures".to_owned(), json!(seen(false)));
    Ok(Value::Object(fields))
}

/// For each guardrail its lift, and what it has come to.
fn guarded(stored: &StoredResults, exposures: &[&ExposureRow], span: &Span) -> Result<Vec<Value>, ApiError> {
    let seen = |held_out: bool| exposures.iter().filter(|row| row.held_out == held_out).map(|row| row.n).sum::<u64>();
    let row = |found: Found<'_>| {
        let mut fields = lift_fields(&found.lift)?;
        let of = found.guardrail;
        fields.extend([
            ("name".to_owned(), json!(of.name)),
            ("type".to_owned(), json!(of.reward_type)),
            ("worse_when".to_owned(), json!(of.worse_when)),
            ("margin_percent".to_owned(), json!(of.margin_percent)),
            ("on_violation".to_owned(), json!(of.on_violation)),
            ("holdout_exposures".to_owned(), json!(seen(true))),
            ("optimization_exposures".to_owned(), json!(seen(false))),
            ("status".to_owned(), json!(found.status)),
        ]);
        Ok(Value::Object(fields))
    };
    guardrails(stored, |day| span.contains(day)).map_err(refused)?.into_iter().map(row).collect()
}

/// For each context factor the lift at each level, and whether the levels differ by more than chance.
fn by_context(space: &Space, stored: &StoredResults, users: &StoredUsers, span: &Span) -> Result<Vec<Value>, ApiError> {
    let mut factors = Vec::new();
    for (number, factor) in space.context().iter().enumerate() {
        let (mut levels, mut ratios) = (Vec::new(), Vec::new());
        // The level after the last is the unknown one.
        for level in 0..=factor.levels().len() {
            let rows = users.by_level.iter().filter(|row| row.by == (number, level) && span.contains(row.day));
            let of_level = arms(rows);
            if of_level.iter().all(|arm| arm.users == 0) {
                continue;
            }
            let mut fields = lift_fields(&lift(&of_level, stored.reward_type)?)?;
            let shown = if level < factor.levels().len() { level_json(factor, level) } else { Value::Null };
            fields.insert("level".to_owned(), shown);
            levels.push(Value::Object(fields));
            ratios.extend(LogRatio::of(&of_level[0], &of_level[1], stored.reward_type));
        }
        factors.push(json!({
            "factor": factor.name(), "levels": levels, "heterogeneity": heterogeneity(&ratios),
        }));
    }
    Ok(factors)
}

fn variants(space: &Space, stored: &StoredResults, exposures: &[&ExposureRow], span: &Span) -> Vec<Value> {
    let mut users: BTreeMap<usize, (u64, Arm)> = BTreeMap::new();
    for row in stored.users.iter().flat_map(|users| &users.by_variant).filter(|row| span.contains(row.day)) {
        let (converting, arm) = users.entry(row.by).or_default();
        *converting += row.converting;
        *arm = arm.plus(row.arm);
    }
    let mut seen: BTreeMap<usize, (u64, f64)> = BTreeMap::new();
    let by_day = exposures.iter().map(|row| (row.variant, row.n, row.sum));
    let in_all = stored.totals.iter().map(|row| (row.variant, row.n, row.sum));
    let all: Vec<_> = if stored.exposures.is_some() { by_day.collect() } else { in_all.collect() };
    for (variant, n, sum) in all {
        let of = seen.entry(variant).or_default();
        *of = (of.0 + n, of.1 + sum);
    }
    let row = |number: usize| {
        let variant = variant_json(space, number);
        let key = variant.iter().map(|(name, level)| match level {
            Value::String(level) => format!("{name}={level}"),
            other => format!("{name}={other}"),
        });
        let key = key.collect::<Vec<_>>().join("|");
        let per_user = users.get(&number);
        let (n, sum) = seen.get(&number).copied().unwrap_or_default();
        let belief = stored.beliefs.get(number);
        #[expect(clippy::cast_precision_loss, reason = "counts of exposures are far below 2^52")]
        let rate = (n > 0).then(|| sum / n as f64);
        json!({
            "number": number, "variant": variant, "variant_key": key,
            "users": stored.users.as_ref().map(|_| per_user.map_or(0, |(_, arm)| arm.users)),
            "converting_users": stored.users.as_ref().map(|_| per_user.map_or(0, |(converting, _)| *converting)),
            "user_rate": per_user.and_then(|(_, arm)| arm.rate()),
            "exposures": n, "rate": rate,
            "expected_reward_mean": belief.map(|b| b.expected_reward_mean),
            "expected_reward_lo": belief.map(|b| b.expected_reward_lo),
            "expected_reward_hi": belief.map(|b| b.expected_reward_hi),
            "prob_best": belief.map(|b| b.prob_best), "weight": belief.map(|b| b.weight),
        })
    };
    (0..space.variants()).map(row).collect()
}

/// Day by day; the lift is that of all users up to the day.
fn series(
    stored: &StoredResults,
    users: &StoredUsers,
    exposures: &[&ExposureRow],
    span: &Span,
) -> Result<Vec<Value>, ApiError> {
    let in_span = || users.by_variant.iter().filter(|row| span.contains(row.day));
    let days: BTreeSet<i64> = in_span().map(|row| row.day).chain(exposures.iter().map(|row| row.day)).collect();
    let with_variants = days.len() * stored.beliefs.len() <= MOST_IN_SERIES;
    let mut so_far = Arms::default();
    let mut series = Vec::with_capacity(days.len());
    for day in days {
        let today = arms(on(&users.by_variant, day, |row| row.day).iter());
        so_far = [so_far[0].plus(today[0]), so_far[1].plus(today[1])];
        let lift = lift(&so_far, stored.reward_type)?;
        let arm = |arm: &Arm| json!({"users": arm.users, "rate": arm.rate()});
        let variants = with_variants.then(|| of_day(users, exposures, day));
        series.push(json!({
            "date": date(day), "optimized": arm(&today[0]), "holdout": arm(&today[1]),
            "lift_percent": lift.lift_percent, "lift_ci": lift.lift_ci, "lift_ci_anytime": lift.lift_ci_anytime,
            "variants": variants,
        }));
    }
    Ok(series)
}

/// The variants that were seen on a day.
fn of_day(users: &StoredUsers, exposures: &[&ExposureRow], day: i64) -> Vec<Value> {
    let mut seen: BTreeMap<usize, (u64, u64, f64)> = BTreeMap::new();
    for row in on(&users.by_variant, day, |row| row.day) {
        seen.entry(row.by).or_default().0 += row.arm.users;
    }
    for row in on(exposures, day, |row| row.day) {
        let of = seen.entry(row.variant).or_default();
        (of.1, of.2) = (of.1 + row.n, of.2 + row.sum);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of exposures are far below 2^52")]
    let row = |(number, (users, n, sum)): (usize, (u64, u64, f64))| json!({"number": number, "users": users, "exposures": n, "rate": (n > 0).then(|| sum / n as f64)});
    seen.into_iter().map(row).collect()
}

/// Whether the data are what they are taken for.
fn quality(space: &Space, stored: &StoredResults, exposures: &[&ExposureRow], span: &Span) -> Result<Value, ApiError> {
    let ratio = |arms: &Arms| {
        let all = arms[0].users + arms[1].users;
        sample_ratio(all, arms[1].users, stored.holdout_percentage / 100.0).map_err(refused)
    };
    let audit = stored.assignment.as_ref();
    let assignment = audit.map(|audit| checks::assignment(space, audit, date));
    let balance = audit.map(|audit| checks::balance(space, audit));
    let balance_test = audit.and_then(|audit| audit.balance_test);
    let Some(users) = &stored.users else {
        return Ok(json!({
            "sample_ratio": null, "unattributed_rewards": stored.unattributed, "exposures_per_user": null, "multiple_variants": null,
            "holdout_saw_other": null, "assignment": assignment, "balance": balance, "balance_test": balance_test,
        }));
    };
    let in_span = || users.by_variant.iter().filter(|row| span.contains(row.day));
    let mut days = Vec::new();
    for day in in_span().map(|row| row.day).collect::<BTreeSet<_>>() {
        let found = ratio(&arms(on(&users.by_variant, day, |row| row.day).iter()))?;
        days.push(json!({
            "date": date(day), "users": found.users, "held_out": found.held_out, "p_value": found.p_value,
            "suspect": found.suspect,
        }));
    }
    let mut all = serde_json::to_value(ratio(&arms(in_span()))?).map_err(ApiError::internal)?;
    all["by_day"] = json!(days);
    let (mean, p99, max) = users.exposures_per_user;
    let everybody = users.sums[0].users + users.sums[1].users;
    #[expect(clippy::cast_precision_loss, reason = "counts of users are far below 2^52")]
    let several = (everybody > 0).then(|| users.several_variants as f64 / everybody as f64);
    let held_out = || exposures.iter().filter(|row| row.held_out);
    Ok(json!({
        "sample_ratio": all,
        "unattributed_rewards": stored.unattributed,
        "exposures_per_user": {"mean": mean, "p99": p99, "max": max},
        "multiple_variants": {
            "users": users.several_variants, "share": several, "unexplained": audit.map(checks::unexplained),
        },
        "assignment": assignment, "balance": balance, "balance_test": balance_test,
        "holdout_saw_other": {
            "exposures": held_out().map(|row| row.n).sum::<u64>(),
            "of_other_variants": held_out().filter(|row| row.variant != 0).map(|row| row.n).sum::<u64>(),
        },
        "design_effect": {"optimized": users.sums[0].design_effect(), "holdout": users.sums[1].design_effect()},
    }))
}

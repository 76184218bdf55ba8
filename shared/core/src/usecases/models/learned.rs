//! From what a pass counted to what a model is fitted to: observations by stratum, each by its weight.

use std::collections::BTreeMap;

use bandit::time::{MOST_STRATA, MOVED, Strata, StrataRule, VersionInForce, decay, strata};
use bandit::{Cell, CellTable, MAX_COLUMNS, ModelType, Stratum, StratumCell};
use chrono::{DateTime, Utc};
use snapshots::{Capped, Counted, CubeCell};

use crate::domain::{Checked, TimeConfig, Warning, rfc3339};
use crate::error::ApiError;
use crate::usecases::results::MOST_USERS;

const MICROS: i64 = 1_000_000;
/// Contexts over whose shares the movement of an allocation is averaged: the most frequented.
const MOST_CONTEXTS: usize = 1_000;
/// Rewards whose mean is so many standard deviations from 0 are summed about it.
const FAR: f64 = 10.0;

/// What a model is fitted to.
pub(super) struct Learned {
    pub(super) cells: CellTable,
    /// What every observation is divided by, at least 1; absent where no users are known or they are the unit.
    pub(super) design_effect: Option<f64>,
    pub(super) capped: Option<Capped>,
    /// What of the observations the model cannot tell apart.
    pub(super) warnings: Vec<Warning>,
}

/// When observations were made.
struct Times {
    strata: Strata,
    /// For each period its stratum, and its middle in days since 1970.
    periods: BTreeMap<u32, (usize, f64)>,
}

/// What a model learns from a pass whose periods lie between `instants` (microseconds since 1970), while `versions` were in force.
///
/// # Errors
/// [`ApiError::Internal`] for cells that are none, which the pass would have refused.
pub(super) fn learned(
    checked: &Checked,
    counted: &Counted,
    instants: &[i64],
    versions: &[VersionInForce<'_>],
    now: DateTime<Utc>,
) -> Result<Learned, ApiError> {
    let observations = counted.observations();
    let time = checked.config.time.unwrap_or_default();
    let mut warnings = Vec::new();
    let times = times(checked, observations, (instants, versions), &time, now, &mut warnings);
    let newest =
        times.iter().flat_map(|times| times.periods.values()).map(|&(_, middle)| middle).fold(f64::MIN, f64::max);
    let design_effect = counted.learned.design_effect.map(|effect| effect.max(1.0));
    if counted.tables.as_ref().is_some_and(|tables| tables.users.is_none()) {
        let message =
            format!("more than {MOST_USERS} users: exposures are taken as independent, as users are not kept apart");
        warnings.push(warning("many_users", message));
    }
    let place = |period: u32| {
        let found = times.as_ref().and_then(|times| times.periods.get(&period));
        let age = found.map_or(0.0, |(_, middle)| newest - middle);
        let aged = time.half_life_days.map_or(1.0, |days| decay(age, days));
        (found.map_or(0, |(stratum, _)| *stratum), (aged / design_effect.unwrap_or(1.0)).max(f64::MIN_POSITIVE))
    };
    let table = |shift: f64| {
        let cells = observations.iter().map(|of| {
            let (sum, sum_sq) = of.about(shift);
            let (stratum, weight) = place(of.period);
            let cell = Cell { variant: of.variant, context: of.context, n: of.n, sum, sum_sq };
            StratumCell { stratum, cell, nonzero: counted.learned.nonzero_counted.then_some(of.nonzero), weight }
        });
        let spans = times.as_ref().map_or_else(Vec::new, |times| times.strata.spans.clone());
        CellTable::stratified(spans, shift, cells)
    };
    // Where sums were given with too few digits to be moved, they stay as they are; a fit says what cannot be resolved.
    let cells = match shift(observations) {
        0.0 => table(0.0),
        about => table(about).or_else(|_| table(0.0)),
    };
    let cells = cells.map_err(ApiError::internal)?.with_negative_rewards(counted.learned.negative);
    Ok(Learned { cells, design_effect, capped: counted.learned.capped, warnings })
}

/// What sums are about: 0, but for rewards far from it, whose spread would be lost in their squares.
#[expect(clippy::cast_precision_loss, reason = "counts of observations are far below 2^52")]
fn shift(observations: &[CubeCell]) -> f64 {
    let sums = observations
        .iter()
        .fold((0.0, 0.0, 0.0), |(n, sum, squares), of| (n + of.n as f64, sum + of.sum, squares + of.sum_sq));
    let (n, sum, squares) = sums;
    let mean = sum / n;
    let variance = squares / n - mean * mean;
    if mean.is_finite() && variance < (mean / FAR).powi(2) { mean } else { 0.0 }
}

/// The strata of the observations; `None` where it is not known of all when they were made.
fn times(
    checked: &Checked,
    observations: &[CubeCell],
    (instants, versions): (&[i64], &[VersionInForce<'_>]),
    time: &TimeConfig,
    now: DateTime<Utc>,
    warnings: &mut Vec<Warning>,
) -> Option<Times> {
    let rule = time.strata.unwrap_or_default();
    let mut seen: Vec<u32> = observations.iter().map(|of| of.period).collect();
    seen.sort_unstable();
    seen.dedup();
    // Period 0 is before all instants: no time.
    if seen.first().is_none_or(|&first| first == 0) {
        let some = if seen.len() > 1 { "some observations do" } else { "the observations do" };
        let asked = seen.len() > 1 || time.strata.is_some_and(|rule| rule != StrataRule::None);
        if asked || time.half_life_days.is_some() {
            warnings.push(warning(
                "no_times",
                format!("{some} not say when they were made, so that all are of one stratum and count alike, whatever their age"),
            ));
        }
        return None;
    }
    let periods: Vec<Stratum> = seen.iter().map(|&period| span(instants, period, now)).collect();
    let columns = match checked.settings.model_type {
        ModelType::Mab => checked.space.variants(),
        ModelType::Cmab => checked.space.columns(),
    };
    let most = MOST_STRATA.min(MAX_COLUMNS.saturating_sub(columns));
    let strata = strata(rule, &periods, versions, &shares(observations), most);
    for (span, &moved) in strata.spans.iter().zip(&strata.moved).filter(|(_, moved)| **moved > MOVED) {
        let second = |second: i64| DateTime::from_timestamp(second, 0).map(rfc3339).unwrap_or_default();
        warnings.push(warning(
            "changing_allocation",
            format!(
                "the stratum from {} to {} holds observations of allocations that differ by {moved:.2} (total variation): what \
                 changes within it may be taken for an effect; {}",
                second(span.from),
                second(span.to),
                if rule == StrataRule::Auto {
                    "there are more versions than strata can be told apart"
                } else {
                    "training_data_config.time.strata \"auto\" would part them"
                }
            ),
        ));
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
    let middle = |span: &Stratum| f64::midpoint(span.from as f64, span.to as f64) / 86_400.0;
    let places = strata.of_period.iter().copied().zip(periods.iter().map(middle));
    let periods = seen.into_iter().zip(places).collect();
    Some(Times { strata, periods })
}

fn warning(code: &str, message: String) -> Warning {
    Warning { code: code.into(), message, example: None }
}

/// The span of a period, in seconds since 1970.
fn span(instants: &[i64], period: u32, now: DateTime<Utc>) -> Stratum {
    let number = period as usize;
    let at = |instant: &i64| instant.div_euclid(MICROS);
    let from = number.checked_sub(1).and_then(|before| instants.get(before)).map_or(i64::MIN, at);
    Stratum { from, to: instants.get(number).map_or_else(|| now.timestamp().max(from), at) }
}

/// The most frequented contexts with their observations.
fn shares(observations: &[CubeCell]) -> Vec<(u64, u64)> {
    let mut shares: BTreeMap<u64, u64> = BTreeMap::new();
    for of in observations {
        *shares.entry(of.context).or_default() += of.n;
    }
    let mut shares: Vec<(u64, u64)> = shares.into_iter().collect();
    shares.sort_by_key(|&(context, n)| (std::cmp::Reverse(n), context));
    shares.truncate(MOST_CONTEXTS);
    shares
}

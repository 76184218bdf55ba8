//! What a run changes against the posterior in force, as far as it may be a fault of the snapshot.

use std::collections::BTreeMap;

use bandit::{CellTable, Factor, Space};

use snapshots::{Check, Unit};

use crate::domain::{Checked, PosteriorRecord, Warning};
use crate::echo::quoted;

/// A historic rate that moves by more than this factor is told.
const FACTOR: f64 = 3.0;

/// The levels that no observation has, by factor; factors without any are left out.
pub(super) fn unseen_levels(space: &Space, cells: &CellTable) -> BTreeMap<String, Vec<String>> {
    let seen = |factors: &[Factor]| factors.iter().map(|f| vec![false; f.levels().len()]).collect::<Vec<_>>();
    let (mut design, mut context) = (seen(space.design()), seen(space.context()));
    for cell in cells.cells().iter().filter(|cell| cell.n > 0) {
        for (seen, level) in design.iter_mut().zip(space.decode_variant(cell.variant)) {
            seen[level] = true;
        }
        for (seen, level) in context.iter_mut().zip(space.decode_context(cell.context)) {
            // The level after the last is the unknown one.
            if let Some(seen) = seen.get_mut(level) {
                *seen = true;
            }
        }
    }
    let factors = space.design().iter().zip(&design).chain(space.context().iter().zip(&context));
    let unseen = factors.map(|(factor, seen)| {
        let levels = factor.levels().iter().zip(seen).filter(|(_, seen)| !**seen).map(|(level, _)| level.clone());
        (factor.name().to_owned(), levels.collect::<Vec<_>>())
    });
    unseen.filter(|(_, levels)| !levels.is_empty()).collect()
}

/// Levels by factor.
type Levels = BTreeMap<String, Vec<String>>;

/// The warnings of a posterior that is about to replace another: a historic rate that moves far, a level that had observations and
/// has none.
pub(super) fn changes(in_force: &PosteriorRecord, new: &PosteriorRecord) -> Vec<Warning> {
    warnings(in_force, Some(new.in_sample_metrics.historic_reward), new.unseen_levels.as_ref())
}

/// As [`changes`], of a snapshot that was checked and is about to be trained on. Its rate is per exposure.
pub(super) fn changes_of_check(in_force: &PosteriorRecord, checked: &Checked, check: &Check) -> Vec<Warning> {
    let per_user = checked.config.unit.unwrap_or_default() == Unit::User;
    let mut unseen = Levels::new();
    for level in check.levels.iter().filter(|level| level.n == 0) {
        unseen.entry(level.factor.clone()).or_default().push(level.level.clone());
    }
    warnings(in_force, check.rate.filter(|_| !per_user), Some(&unseen))
}

fn warnings(in_force: &PosteriorRecord, rate: Option<f64>, unseen: Option<&Levels>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let version = in_force.posterior_version;
    let warning = |code: &str, message: String| Warning { code: code.into(), message, example: None };
    let old_rate = in_force.in_sample_metrics.historic_reward;
    if let Some(rate) = rate.filter(|&rate| moves_far(old_rate, rate)) {
        let message = format!(
            "the historic reward moves from {old_rate:.4e} in version {version} to {rate:.4e}, by more than a factor of {FACTOR}"
        );
        warnings.push(warning("rate_moved", message));
    }
    let (Some(old), Some(unseen)) = (&in_force.unseen_levels, unseen) else { return warnings };
    let mut lost = Vec::new();
    for (factor, levels) in unseen {
        let before = old.get(factor).map_or(&[][..], Vec::as_slice);
        lost.extend(
            levels.iter().filter(|level| !before.contains(level)).map(|level| format!("{factor} {}", quoted(level))),
        );
    }
    if !lost.is_empty() {
        let more = lost.len().saturating_sub(10);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        lost.truncate(10);
        let message =
            format!("levels that had observations in version {version} have none now: {}{more}", lost.join(", "));
        warnings.push(warning("lost_level", message));
    }
    warnings
}

/// Whether a rate leaves a factor of three about the old one. From no reward at all, any is no surprise.
fn moves_far(old: f64, new: f64) -> bool {
    old != 0.0 && (new / old > FACTOR || new / old < 1.0 / FACTOR)
}

#[cfg(test)]
mod tests {
    use bandit::{Cell, Dtype};
    use chrono::DateTime;

    use super::*;
    use crate::domain::{InSampleMetrics, Interval, Observations};

    fn record(rate: f64, unseen: Option<&[(&str, &[&str])]>) -> PosteriorRecord {
        let levels = |levels: &[&str]| levels.iter().map(|level| (*level).to_owned()).collect();
        let unseen = unseen.map(|all| all.iter().map(|(factor, of)| ((*factor).to_owned(), levels(of))).collect());
        PosteriorRecord {
            posterior_version: 7,
            trained_at: DateTime::UNIX_EPOCH,
            snapshot_id: "s".into(),
            snapshot_manifest: None,
            bias: BTreeMap::new(),
            in_sample_metrics: InSampleMetrics {
                historic_reward: rate,
                expected_reward: Interval { mean: rate, ci_lower: rate, ci_upper: rate },
            },
            observations: Observations::default(),
            warnings: Vec::new(),
            unseen_levels: unseen,
            by_itself: false,
            summary: None,
            violated_guardrails: Vec::new(),
            failed_checks: Vec::new(),
            object: String::new(),
        }
    }

    fn codes(old: &PosteriorRecord, new: &PosteriorRecord) -> Vec<String> {
        changes(old, new).into_iter().map(|warning| warning.code).collect()
    }

    #[test]
    fn a_rate_that_moves_far_is_told() {
        for (old, new, told) in [
            (0.05, 0.14, false),
            (0.05, 0.16, true),
            (0.05, 0.017, false),
            (0.05, 0.016, true),
            (0.05, 0.0, true),
            (0.0, 0.05, false),
            (0.0, 0.0, false),
            (-2.0, -5.0, false),
            (-2.0, 2.0, true),
        ] {
            let codes = codes(&record(old, None), &record(new, None));
            assert_eq!(codes == ["rate_moved"], told, "{old} to {new}: {codes:?}");
        }
    }

    #[test]
    fn a_level_that_is_lost_is_told_once() {
        let none: &[(&str, &[&str])] = &[];
        let lost: &[(&str, &[&str])] = &[("headline", &["Save 20%"])];
        assert_eq!(codes(&record(1.0, Some(none)), &record(1.0, Some(lost))), ["lost_level"]);
        let message = &changes(&record(1.0, Some(none)), &record(1.0, Some(lost)))[0].message;
        assert!(message.contains("in version 7") && message.ends_with("headline \"Save 20%\""), "{message}");
        assert!(codes(&record(1.0, Some(lost)), &record(1.0, Some(lost))).is_empty());
        assert!(codes(&record(1.0, Some(lost)), &record(1.0, Some(none))).is_empty());
        assert!(codes(&record(1.0, None), &record(1.0, Some(lost))).is_empty());
    }

    #[test]
    fn levels_without_observations() {
        let factor = |name: &str| Factor::new(name, Dtype::Str, vec!["a".into(), "b".into(), "c".into()]).unwrap();
        let space = Space::new(vec![factor("h")], vec![factor("d")]).unwrap();
        let cell = |variant, context| Cell { variant, context, n: 1, sum: 0.0, sum_sq: 0.0 };
        // The last context is the unknown level.
        let cells = CellTable::new([cell(0, 0), cell(2, 1), cell(2, 3)]).unwrap();
        let unseen = unseen_levels(&space, &cells);
        let of = |factor: &str| unseen[factor].clone();
        assert_eq!((of("h"), of("d"), unseen.len()), (vec!["b".to_owned()], vec!["c".to_owned()], 2));
    }
}

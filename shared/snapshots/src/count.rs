//! One pass over a snapshot.

use bandit::{CellTable, RewardType};

use crate::aggregated::{self, AggregatedCounts};
use crate::audit::{AuditBuilder, AuditSample};
use crate::cube::{Cube, CubeCell};
use crate::error::SnapshotError;
use crate::exposures::{self, AttributedCounts};
use crate::fields::Role;
use crate::file::File;
use crate::found::Found;
use crate::layout::{Layout, Shape, layout};
use crate::learned::{Learned, Unit};
use crate::mapping::Mapping;
use crate::place::Skipped;
use crate::plan::Plan;
use crate::report::{Observations, SkipReason, Skips, Warning};
use crate::rewards::{self, Rewards};
use crate::scan::Reading;
use crate::sink::Sink;
use crate::source::{Object, Source};
use crate::tables::{Attributed, Making, Tables, TablesPlan};
use crate::time;
use crate::unknown::{UnknownLevel, Unknowns};
use crate::warnings;

/// What a snapshot comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotCounts {
    /// n, Σ r and Σ r² by variant and context.
    pub cells: CellTable,
    /// What was seen and what was skipped.
    pub observations: Observations,
    /// What was left out or changed in a way that its reader should know.
    pub warnings: Vec<Warning>,
}

/// Counts a snapshot: `objects` are all its objects, with keys relative to its prefix; those that are not in one of its folders, and hidden
/// ones, are left aside.
///
/// # Errors
/// [`SnapshotError`], whose kind tells a snapshot that is wrong from one that is empty and from a store that failed.
pub fn count(source: &dyn Source, objects: &[Object], plan: &Plan<'_>) -> Result<SnapshotCounts, SnapshotError> {
    Ok(pass(source, objects, (plan, None, None), |_| (), |_, _| (), |()| ())?.counts()?.counts)
}

/// What a pass comes to for a run: what models learn from, and what results are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// The cells over all time, with rewards as they are, and what was skipped.
    pub counts: SnapshotCounts,
    /// What models learn from, beside its [`Counted::observations`].
    pub learned: Learned,
    /// What results are made of; `None` for the shapes that have no ids, `observations` and `cells`.
    pub tables: Option<Tables>,
    /// Exposures that are decided again, where they were asked for and there are ids.
    pub audit: Option<AuditSample>,
}

impl Counted {
    /// What models learn from: observations by period, arm, variant and context, with rewards cut off at the cap.
    #[must_use]
    pub fn observations(&self) -> &[CubeCell] {
        let of_exposures = || self.tables.as_ref().map(|tables| tables.cube.as_slice());
        self.learned.own.as_deref().or_else(of_exposures).unwrap_or_default()
    }
}

/// As [`count`], with what models learn from by period and the tables that results are made of. The counts are the same.
///
/// # Errors
/// As [`count`]; and [`SnapshotError::CappedSums`], [`SnapshotError::NoUsers`] and [`SnapshotError::TooManyUsers`] where a snapshot
/// does not have what `tables` demands.
pub fn count_with_tables(
    source: &dyn Source,
    objects: &[Object],
    plan: &Plan<'_>,
    tables: &TablesPlan<'_>,
) -> Result<Counted, SnapshotError> {
    let making = Making::new(plan, tables);
    let mut cube = Cube::default();
    let audit = tables.audit.map(|audit| AuditBuilder::new(audit, plan.optimization_id, tables.holdout_percentage));
    let beside = |role, mature| (making.sink(role, mature), audit.as_ref().map(|audit| audit.sink(role, mature)));
    let to_beside = |(unit, _)| cube.merge(unit);
    let pass = pass(source, objects, (plan, Some(tables), None), |_| (), beside, to_beside)?;
    let Usable { counts, attributed, learned } = pass.counts()?;
    let Some(of) = attributed else { return Ok(Counted { counts, learned, tables: None, audit: None }) };
    let (made, learned) = making.tables(cube, &of);
    if tables.unit == Unit::User && made.users.is_none() {
        return Err(SnapshotError::TooManyUsers { most: tables.most_users });
    }
    Ok(Counted { counts, learned, tables: Some(made), audit: audit.map(|audit| audit.finish()) })
}

/// What a pass comes to, whether a run would take it or not.
pub(crate) struct Pass {
    pub(crate) cells: CellTable,
    pub(crate) observations: Observations,
    pub(crate) warnings: Vec<Warning>,
    /// Why a run must not learn from it.
    pub(crate) verdict: Result<(), SnapshotError>,
    /// Users with rewards that count, and those of them with an exposure.
    pub(crate) users: Option<(u64, u64)>,
    pub(crate) unknown: Vec<UnknownLevel>,
    /// What of each kind of row was skipped.
    pub(crate) skipped: Vec<(&'static str, Skips)>,
    /// What was credited, where there are ids.
    attributed: Option<Attributed>,
    /// What models learn from, where rows bring their reward.
    learned: Learned,
}

/// What a run learns from.
struct Usable {
    counts: SnapshotCounts,
    attributed: Option<Attributed>,
    learned: Learned,
}

impl Pass {
    /// What a run learns from, unless it must not.
    fn counts(self) -> Result<Usable, SnapshotError> {
        self.verdict?;
        let counts = SnapshotCounts { cells: self.cells, observations: self.observations, warnings: self.warnings };
        Ok(Usable { counts, attributed: self.attributed, learned: self.learned })
    }
}

/// Reads a snapshot once. `files` gets to see what is read, and the sinks that `beside` makes take the exposures, observations or cells too.
///
/// # Errors
/// What the files and the store may do wrong.
pub(crate) fn pass<S: Sink>(
    source: &dyn Source,
    objects: &[Object],
    (plan, tables, found): (&Plan<'_>, Option<&TablesPlan<'_>>, Option<&Found>),
    files: impl FnOnce(&Shape<'_>),
    beside: impl Fn(Role, i64) -> S + Sync,
    to_beside: impl FnMut(S::Unit) + Send,
) -> Result<Pass, SnapshotError> {
    let layout = layout(source, objects, (plan.threads, &plan.limits))?;
    files(&layout.shape);
    stray_rewards(&layout, plan)?;
    let mapping = layout.mapping.map(|object| Mapping::read(source, object, plan.space)).transpose()?;
    let unknowns = Unknowns::default();
    let reading = Reading { source, plan, unknowns: &unknowns, mapping: mapping.as_ref(), found };
    let mut pass = match layout.shape {
        Shape::Exposures { exposures, rewards } => attributed(&reading, &exposures, &rewards, beside, to_beside)?,
        Shape::Observations(files) => aggregated(&reading, &files, (Role::Observations, tables), beside, to_beside)?,
        Shape::Cells(files) => aggregated(&reading, &files, (Role::Cells, tables), beside, to_beside)?,
    };
    pass.warnings.splice(0..0, layout.warnings);
    Ok(pass)
}

fn attributed<S: Sink>(
    reading: &Reading<'_>,
    exposures: &[File<'_>],
    rewards: &[File<'_>],
    beside: impl Fn(Role, i64) -> S + Sync,
    to_beside: impl FnMut(S::Unit) + Send,
) -> Result<Pass, SnapshotError> {
    let has_rewards = !rewards.is_empty();
    let mut rewards = rewards::read(reading, rewards)?;
    let mut counts = exposures::count(reading, exposures, &rewards, beside, to_beside)?;
    let mut skipped = counts.skipped.clone();
    skipped.merge(&rewards.skipped);
    let observations = Observations {
        exposures: counts.cells.trials(),
        rewards: rewards.counted.len() as u64,
        attributed_rewards: counts.attributed,
        skipped: skipped.skips.map(),
    };
    let verdict = usable(&observations, &skipped)
        .and_then(|()| counts.guard.judge(&observations))
        .and_then(|()| rewards.guard.judge(&observations))
        .and_then(|()| rewards.guardrail_guard.judge(&observations))
        .and_then(|()| unattributed(reading.plan, &rewards, &counts));
    let mut warnings = warnings::of_skipped("exposures", &counts.skipped, reading);
    warnings.extend(warnings::of_skipped("rewards", &rewards.skipped, reading));
    warnings.extend(warnings::of_rewards(&rewards, reading.plan, has_rewards));
    warnings.extend(warnings::of_reward_files(&counts.reward_files));
    let own = rewards.own_users().map(|own| own.into_iter().filter(|own| *own).count());
    let users = Some((own.unwrap_or(rewards.users.len()) as u64, counts.matched_users));
    let unknown = unknown(&counts.skipped, reading);
    let skipped = vec![("exposures", counts.skipped.skips.clone()), ("rewards", rewards.skipped.skips.clone())];
    let AttributedCounts { cells, credited, guardrails, unattributed, .. } = counts;
    let attributed = Some(Attributed { credited, guardrails, users: rewards.users, unattributed });
    let learned = Learned::default();
    Ok(Pass { cells, observations, warnings, verdict, users, unknown, skipped, attributed, learned })
}

fn aggregated<S: Sink>(
    reading: &Reading<'_>,
    files: &[File<'_>],
    of: (Role, Option<&TablesPlan<'_>>),
    beside: impl Fn(Role, i64) -> S + Sync,
    to_beside: impl FnMut(S::Unit) + Send,
) -> Result<Pass, SnapshotError> {
    let mut counts = aggregated::count(reading, files, of, beside, to_beside)?;
    let observations = Observations {
        exposures: counts.cells.trials(),
        rewards: counts.rewards,
        attributed_rewards: counts.rewards,
        skipped: counts.skipped.skips.map(),
    };
    let verdict = usable(&observations, &counts.skipped)
        .and_then(|()| counts.guard.judge(&observations))
        .and_then(|()| unread(reading.plan, &counts));
    let warnings = warnings::of_skipped("observations", &counts.skipped, reading);
    let unknown = unknown(&counts.skipped, reading);
    let skipped = vec![(of.0.folder(), counts.skipped.skips)];
    let (cells, learned) = (counts.cells, counts.learned);
    Ok(Pass { cells, observations, warnings, verdict, users: None, unknown, skipped, attributed: None, learned })
}

/// The levels and factors that are not the model's.
fn unknown(skipped: &Skipped, reading: &Reading<'_>) -> Vec<UnknownLevel> {
    let of = |counts| reading.unknowns.levels(counts, reading.plan.space);
    [of(&skipped.variants), of(&skipped.contexts)].concat()
}

/// Refuses data in no folder of ours where there are no rewards: they may be those.
fn stray_rewards(layout: &Layout<'_>, plan: &Plan<'_>) -> Result<(), SnapshotError> {
    match (&layout.shape, layout.stray_data) {
        (Shape::Exposures { rewards, .. }, Some(object)) if rewards.is_empty() && !plan.allow_no_rewards => {
            Err(SnapshotError::StrayData { object: object.into() })
        }
        _ => Ok(()),
    }
}

/// Refuses a snapshot without any observation.
fn usable(observations: &Observations, skipped: &Skipped) -> Result<(), SnapshotError> {
    if observations.exposures > 0 {
        return Ok(());
    }
    let example = skipped.skips.worst().and_then(|reason| skipped.skips.example(reason)).map(Box::new);
    Err(SnapshotError::NoObservations { observations: observations.clone(), example })
}

/// Refuses rows whose rewards say nothing: all of them null, or so many of them unreadable that the rate would be another without
/// them. Which rows are left out would then depend on the outcome.
fn unread(plan: &Plan<'_>, counts: &AggregatedCounts) -> Result<(), SnapshotError> {
    let (observations, skips) = (counts.cells.trials(), &counts.skipped.skips);
    let (nonzero, zero) = (counts.rewards, observations - counts.rewards.min(observations));
    let unread = counts.unreadable_rewards;
    let fewer = match plan.reward {
        _ if unread > nonzero => (nonzero, "another reward than 0"),
        RewardType::Bool if unread > zero => (zero, "the reward 0"),
        _ if skips.of(SkipReason::NullReward) == observations && !plan.allow_no_rewards => {
            let example = skips.example(SkipReason::NullReward).map(Box::new);
            return Err(SnapshotError::NullRewards { observations, example });
        }
        _ => return Ok(()),
    };
    let example = counts.unreadable.clone().map(Box::new);
    Err(SnapshotError::UnreadableRewards { unread, read: fewer.0, which: fewer.1, example })
}

/// Refuses rewards of which not one belongs to an exposure, and rewards whose name is nearly the model's.
fn unattributed(plan: &Plan<'_>, rewards: &Rewards, counts: &AttributedCounts) -> Result<(), SnapshotError> {
    if plan.allow_no_rewards {
        return Ok(());
    }
    let exposures = counts.cells.trials();
    let Some(first) = rewards.counted.first() else {
        return match (&rewards.near, &rewards.unnamed) {
            (Some((_, example)), _) => {
                let ours = plan.reward_names().joined();
                Err(SnapshotError::RewardName { ours, example: Box::new(example.clone()) })
            }
            (None, Some((rows, example))) if *rows == rewards.rows => {
                Err(SnapshotError::NoNames { rows: *rows, example: Box::new(example.clone()) })
            }
            _ => Ok(()),
        };
    };
    if counts.attributed > 0 {
        return Ok(());
    }
    let detail = match &counts.sample {
        None => {
            let shown = |id: &[u8]| String::from_utf8_lossy(id).chars().take(40).collect::<String>();
            let exposure = counts.first_id.as_deref().map(shown).unwrap_or_default();
            format!(
                "no id of rewards/ occurs in exposures/: {} against {exposure}",
                shown(rewards.users.id(first.user))
            )
        }
        Some((exposure, reward)) => format!(
            "no reward lies in the {} hours after an exposure of its user; one user has an exposure at {} and a reward at {}",
            plan.window_hours,
            time::shown(*exposure),
            time::shown(*reward)
        ),
    };
    Err(SnapshotError::Unattributed { rewards: rewards.counted.len() as u64, exposures, detail })
}

//! What a run would make of a snapshot, and why: read as a run reads it, explained instead of trained on.

use std::collections::BTreeMap;

use bandit::{Factor, Space};
use hashbrown::DefaultHashBuilder;
use serde::Serialize;

use crate::count::{Pass, pass};
use crate::error::SnapshotError;
use crate::file::File;
use crate::found::{Column, Found};
use crate::layout::Shape;
use crate::plan::Plan;
use crate::report::{Example, Observations, SkipReason, Warning};
use crate::source::{Object, Source};
use crate::survey::{Survey, Surveyed};
use crate::time;

/// What a run would make of a snapshot.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Check {
    /// The message with which a run would fail; null where it would not.
    pub fails: Option<String>,
    /// The files that are read, by folder.
    pub files: Vec<Files>,
    /// The columns of the files, those that are read before the others.
    pub columns: Vec<Column>,
    /// Columns of files beyond those that are listed.
    pub more_columns: u64,
    /// What is counted and what is skipped.
    pub observations: Option<Observations>,
    /// The rows that were skipped, or kept with a remark, each kind and reason with its first row.
    pub skipped: Vec<SkippedRows>,
    /// Reward per observation.
    pub rate: Option<f64>,
    /// Distinct ids of the rewards that count, and how many of them have an exposure.
    pub ids: Option<Ids>,
    /// The levels of the model, with their observations.
    pub levels: Vec<Level>,
    /// Levels and factors that are not the model's.
    pub unknown: Vec<Unknown>,
    /// The days that the exposures or observations cover; null where they have no times.
    pub days: Option<Days>,
    /// Exposures with the id, time, variant and context of another.
    pub duplicates: u64,
    /// What a run would warn of.
    pub warnings: Vec<Warning>,
}

/// The files of a folder.
#[derive(Clone, Debug, Serialize)]
pub struct Files {
    /// The folder.
    pub folder: String,
    /// How they are written.
    pub format: &'static str,
    /// How many.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Rows of one kind that were skipped for one reason.
#[derive(Clone, Debug, Serialize)]
pub struct SkippedRows {
    /// The folder that they are in.
    pub folder: &'static str,
    /// Why.
    pub reason: SkipReason,
    /// How many; of `cells/` how many observations.
    pub rows: u64,
    /// The first of them.
    pub example: Option<Example>,
}

/// Ids of rewards.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ids {
    /// Users with a reward that counts.
    pub with_rewards: u64,
    /// Of these, users with an exposure.
    pub matched: u64,
}

/// A level of the model.
#[derive(Clone, Debug, Serialize)]
pub struct Level {
    /// The factor.
    pub factor: String,
    /// The level.
    pub level: String,
    /// Observations that have it.
    pub n: u64,
}

/// A level that is not the model's.
#[derive(Clone, Debug, Serialize)]
pub struct Unknown {
    /// The factor, or a name that is none.
    pub factor: String,
    /// What is there; null where nothing is.
    pub value: Option<String>,
    /// Rows that have it.
    pub n: u64,
    /// The level that it nearly is.
    pub did_you_mean: Option<String>,
}

/// Days of exposures or observations.
#[derive(Clone, Debug, Serialize)]
pub struct Days {
    /// The first time.
    pub first: String,
    /// The last time.
    pub last: String,
    /// Days, in UTC, that have any.
    pub days: usize,
}

/// Reads a snapshot as a run would.
///
/// # Errors
/// Only what is no fault of the snapshot: a store that fails. What a run would fail with is in [`Check::fails`].
pub fn check(source: &dyn Source, objects: &[Object], plan: &Plan<'_>) -> Result<Check, SnapshotError> {
    let hasher = DefaultHashBuilder::default();
    let mut surveyed = Surveyed::default();
    let mut check = Check::default();
    let found = Found::default();
    let seen = |shape: &Shape<'_>| check.files = files(shape);
    let result = pass(
        source,
        objects,
        (plan, None, Some(&found)),
        seen,
        |_, _| Survey::new(&hasher),
        |unit| surveyed.merge(unit),
    );
    (check.columns, check.more_columns) = found.columns();
    let Pass { cells, observations, warnings, verdict, users, unknown, skipped, .. } = match result {
        Ok(pass) => pass,
        Err(error @ SnapshotError::Source { .. }) => return Err(error),
        Err(error) => return Ok(Check { fails: Some(error.to_string()), ..check }),
    };
    check.fails = verdict.err().map(|error| error.to_string());
    check.levels = levels(plan.space, &cells);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = (cells.trials() > 0).then(|| cells.reward_sum() / cells.trials() as f64);
    check.rate = rate;
    check.observations = Some(observations);
    check.skipped = skipped
        .iter()
        .flat_map(|(folder, skips)| {
            let met = skips.reasons().filter(|(_, rows)| *rows > 0);
            met.map(|(reason, rows)| SkippedRows { folder, reason, rows, example: skips.example(reason) })
        })
        .collect();
    check.ids = users.map(|(with_rewards, matched)| Ids { with_rewards, matched });
    check.unknown = unknown
        .into_iter()
        .map(|level| Unknown { factor: level.factor, value: level.value, n: level.rows, did_you_mean: level.near })
        .collect();
    check.days =
        surveyed.days().map(|(first, last, days)| Days { first: time::shown(first), last: time::shown(last), days });
    check.duplicates = surveyed.duplicates();
    check.warnings = warnings;
    Ok(check)
}

/// The files of each folder.
fn files(shape: &Shape<'_>) -> Vec<Files> {
    let of = |folder: &str, files: &[File<'_>]| {
        let first = files.first()?;
        let bytes = files.iter().map(|file| file.size).sum();
        Some(Files { folder: folder.into(), format: first.format.name(), files: files.len(), bytes })
    };
    let all = match shape {
        Shape::Exposures { exposures, rewards } => vec![of("exposures", exposures), of("rewards", rewards)],
        Shape::Observations(files) => vec![of("observations", files)],
        Shape::Cells(files) => vec![of("cells", files)],
    };
    all.into_iter().flatten().collect()
}

/// The levels of the model in their order, with their observations.
fn levels(space: &Space, cells: &bandit::CellTable) -> Vec<Level> {
    let mut counts: BTreeMap<(bool, usize, usize), u64> = BTreeMap::new();
    for cell in cells.cells() {
        for (factor, level) in space.decode_variant(cell.variant).into_iter().enumerate() {
            *counts.entry((false, factor, level)).or_default() += cell.n;
        }
        for (factor, level) in space.decode_context(cell.context).into_iter().enumerate() {
            *counts.entry((true, factor, level)).or_default() += cell.n;
        }
    }
    let of = |context: bool, factors: &[Factor]| {
        let rows = factors.iter().enumerate().flat_map(|(number, factor)| {
            factor
                .levels()
                .iter()
                .enumerate()
                .map(move |(level, text)| (number, level, factor.name().to_owned(), text.clone()))
        });
        rows.map(|(number, level, factor, text)| Level {
            factor,
            level: text,
            n: counts.get(&(context, number, level)).copied().unwrap_or_default(),
        })
        .collect::<Vec<_>>()
    };
    [of(false, space.design()), of(true, space.context())].concat()
}

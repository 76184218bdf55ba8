//! What a pass saw, what it skipped, and what it warns of.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Characters of a value that an example shows.
const SHOWN: usize = 200;

/// Why a row was skipped, or kept with a remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// A level or factor that the design does not have, or a factor missing.
    UnknownVariant,
    /// A context level that is missing or not listed. The row is kept, under the factor's unknown level.
    UnknownContextLevel,
    /// A row of another optimization.
    OtherOptimization,
    /// A reward of another name.
    OtherReward,
    /// No anonymous id.
    NullId,
    /// No timestamp.
    NullTimestamp,
    /// A line, variant or context that is not the JSON it should be.
    BadJson,
    /// A value, id or timestamp that cannot be used: NaN, infinite, negative weight, null where a number is needed, text that is no time.
    BadValue,
    /// A row of a bool reward with value 0 or false: nothing happened.
    ZeroValue,
    /// An exposure whose window was still open, left out on request.
    Immature,
    /// A timestamp before 2000, after 2099, or more than a day after the run began.
    ImplausibleTime,
    /// An observation whose reward is null: nothing happened. The row is kept, with the reward 0.
    NullReward,
    /// A row that the mapping's `where` leaves out.
    Filtered,
}

impl SkipReason {
    /// All reasons, in their order.
    pub const ALL: [Self; 13] = [
        Self::UnknownVariant,
        Self::UnknownContextLevel,
        Self::OtherOptimization,
        Self::OtherReward,
        Self::NullId,
        Self::NullTimestamp,
        Self::BadJson,
        Self::BadValue,
        Self::ZeroValue,
        Self::Immature,
        Self::ImplausibleTime,
        Self::NullReward,
        Self::Filtered,
    ];

    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownVariant => "unknown_variant",
            Self::UnknownContextLevel => "unknown_context_level",
            Self::OtherOptimization => "other_optimization",
            Self::OtherReward => "other_reward",
            Self::NullId => "null_id",
            Self::NullTimestamp => "null_timestamp",
            Self::BadJson => "bad_json",
            Self::BadValue => "bad_value",
            Self::ZeroValue => "zero_value",
            Self::Immature => "immature",
            Self::ImplausibleTime => "implausible_time",
            Self::NullReward => "null_reward",
            Self::Filtered => "filtered",
        }
    }

    /// Whether a row of this reason counts all the same.
    pub(crate) fn is_kept(self) -> bool {
        matches!(self, Self::UnknownContextLevel | Self::NullReward)
    }

    /// Whether such rows were understood and are left out because that is what was asked for.
    pub(crate) fn is_chosen(self) -> bool {
        matches!(self, Self::OtherOptimization | Self::OtherReward | Self::ZeroValue | Self::Immature | Self::Filtered)
    }
}

/// One place in a snapshot that shows what a warning or an error is about. Never an anonymous id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Example {
    /// The object, from the snapshot's prefix on.
    pub object: String,
    /// The line of a text file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The row group of a Parquet file, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_group: Option<usize>,
    /// The row of the row group, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// The column, or the factor within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What is there, cut at 200 characters. Absent where nothing is, and for ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&cut(&self.object))?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(group) = self.row_group {
            write!(f, ", row group {group}")?;
        }
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        match (&self.column, &self.value) {
            (Some(column), Some(value)) => write!(f, ": column {column:?} is {value:?}"),
            (Some(column), None) => write!(f, ": column {column:?}"),
            (None, Some(value)) => write!(f, ": {value:?}"),
            (None, None) => Ok(()),
        }
    }
}

/// What a run did that its reader should know, although it did not fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Warning {
    /// The stable name of the kind; the name of the reason where rows were skipped.
    pub code: String,
    /// What was left out and how much of it.
    pub message: String,
    /// Where to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Example>,
}

impl Warning {
    pub(crate) fn new(code: &str, message: String, example: Option<Example>) -> Self {
        Self { code: code.into(), message, example }
    }
}

/// The report of one pass, reported with the training run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observations {
    /// Observations in the cell table: exposures that were neither skipped nor left out.
    pub exposures: u64,
    /// Rewards that count: of this optimization and name, with an id, a time and a usable value. For `observations/` the
    /// rows whose reward is not 0. For `cells/` the conversions of a bool reward, and 0 for a numeric one, which does not say.
    pub rewards: u64,
    /// Rewards credited to an exposure, immature ones included; the remaining `rewards` are unattributed.
    pub attributed_rewards: u64,
    /// Rows by reason; of exposures and rewards together. A row is skipped for one reason at most, the first in the order: not JSON,
    /// another optimization, another reward, id, timestamp, variant, context, value, immature. Kept rows appear under
    /// `unknown_context_level` and `null_reward`, and may appear under both.
    pub skipped: BTreeMap<SkipReason, u64>,
}

/// Skips of one kind of row, while counting: rows by the number of the reason, and the first of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skips {
    rows: [u64; SkipReason::ALL.len()],
    examples: [Option<Box<Example>>; SkipReason::ALL.len()],
}

impl Skips {
    #[inline]
    pub(crate) fn add(&mut self, reason: SkipReason, rows: u64, example: impl FnOnce() -> Example) {
        let sum = &mut self.rows[reason as usize];
        *sum = sum.saturating_add(rows);
        let first = &mut self.examples[reason as usize];
        if first.is_none() && rows > 0 {
            *first = Some(Box::new(example()));
        }
    }

    /// Adds rows that come later in the order (file name, row).
    pub(crate) fn merge(&mut self, later: &Self) {
        for (sum, rows) in self.rows.iter_mut().zip(later.rows) {
            *sum = sum.saturating_add(rows);
        }
        for (first, other) in self.examples.iter_mut().zip(&later.examples) {
            if first.is_none() {
                first.clone_from(other);
            }
        }
    }

    pub(crate) fn of(&self, reason: SkipReason) -> u64 {
        self.rows[reason as usize]
    }

    pub(crate) fn example(&self, reason: SkipReason) -> Option<Example> {
        self.examples[reason as usize].as_deref().cloned()
    }

    /// Rows that are left out and were not meant to be.
    pub(crate) fn faults(&self) -> u64 {
        self.reasons()
            .filter(|(reason, _)| !reason.is_kept() && !reason.is_chosen())
            .fold(0, |sum, (_, rows)| u64::saturating_add(sum, rows))
    }

    /// Rows that were understood and are left out.
    pub(crate) fn chosen(&self) -> u64 {
        self.reasons().filter(|(reason, _)| reason.is_chosen()).fold(0, |sum, (_, rows)| u64::saturating_add(sum, rows))
    }

    /// The reason of most of the faults.
    pub(crate) fn worst(&self) -> Option<SkipReason> {
        let faults = self.reasons().filter(|(reason, rows)| !reason.is_kept() && !reason.is_chosen() && *rows > 0);
        // The first of several that are as many.
        faults.max_by_key(|(reason, rows)| (*rows, std::cmp::Reverse(*reason))).map(|(reason, _)| reason)
    }

    pub(crate) fn reasons(&self) -> impl Iterator<Item = (SkipReason, u64)> + '_ {
        SkipReason::ALL.into_iter().zip(self.rows)
    }

    /// The reasons that any row has.
    pub(crate) fn map(&self) -> BTreeMap<SkipReason, u64> {
        self.reasons().filter(|(_, rows)| *rows > 0).collect()
    }
}

/// `skipped: 7 null_id, 5 bad_json`, for messages.
pub(crate) fn describe(skipped: &BTreeMap<SkipReason, u64>) -> String {
    if skipped.is_empty() {
        return "nothing was skipped".into();
    }
    let parts: Vec<String> = skipped.iter().map(|(reason, rows)| format!("{rows} {}", reason.name())).collect();
    format!("skipped: {}", parts.join(", "))
}

/// The beginning of a text, at most 200 characters, with a mark where more follow.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A value as it is written, cut likewise.
pub(crate) fn value(value: impl fmt::Display) -> String {
    cut(&value.to_string())
}

/// Names for a message: the first of them, and how many more there are.
pub(crate) fn names(all: &[String]) -> String {
    const NAME: usize = 60;
    first_of(all, |name| match name.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    })
}

/// Levels for a message, likewise.
pub(crate) fn listed(all: &[String]) -> String {
    first_of(all, cut)
}

fn first_of(all: &[String], shown: impl Fn(&str) -> String) -> String {
    const NAMES: usize = 20;
    let first: Vec<String> = all.iter().take(NAMES).map(|name| shown(name)).collect();
    match all.len().saturating_sub(NAMES) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

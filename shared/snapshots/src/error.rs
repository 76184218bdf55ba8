//! Why a snapshot cannot be counted.

use std::fmt;

use crate::report::{Example, Observations, cut, describe, names};
use crate::source::SourceError;

/// Where in an object something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The object as a whole.
    Object,
    /// A row group of a Parquet file, from 0.
    RowGroup(usize),
    /// A row of a row group, both from 0.
    Row {
        /// The row group.
        row_group: usize,
        /// The row within it.
        row: u64,
    },
    /// A line of a text file, from 1.
    Line(u64),
}

impl Place {
    /// The place in an object, as an example.
    pub(crate) fn example(&self, object: &str) -> Example {
        let at = Example { object: object.into(), ..Example::default() };
        match *self {
            Self::Object => at,
            Self::RowGroup(group) => Example { row_group: Some(group), ..at },
            Self::Row { row_group, row } => Example { row_group: Some(row_group), row: Some(row), ..at },
            Self::Line(line) => Example { line: Some(line), ..at },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object => Ok(()),
            Self::RowGroup(group) => write!(f, ", row group {group}"),
            Self::Row { row_group, row } => write!(f, ", row group {row_group}, row {row}"),
            Self::Line(line) => write!(f, ", line {line}"),
        }
    }
}

/// What an error means to the one who trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The snapshot is wrong and must be written again.
    Invalid,
    /// The snapshot is readable and holds nothing usable.
    Empty,
    /// The store failed; the snapshot may be right.
    Source,
}

/// Why a snapshot cannot be counted. Messages name the object, the place and the value.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// An object that is not what its name says: truncated, wrong magic, malformed.
    #[error("{}{place}: {detail}", cut(object))]
    Undecodable {
        /// The object.
        object: String,
        /// Where in it.
        place: Place,
        /// What is wrong.
        detail: String,
    },
    /// An object whose name has no known ending.
    #[error(
        "{}: the name ends in none of .parquet, .jsonl, .ndjson, .json, .csv (the text ones also with .gz or .zst)",
        cut(object)
    )]
    UnknownFormat {
        /// The object.
        object: String,
    },
    /// A folder with files of two formats.
    #[error("{folder}/ holds more than one format: {} and {}", cut(first), cut(second))]
    MixedFormats {
        /// The folder.
        folder: &'static str,
        /// An object of one format.
        first: String,
        /// An object of another.
        second: String,
    },
    /// A snapshot of two shapes.
    #[error(
        "the snapshot has both {} and {}; it must be exposures/ with rewards/, or observations/, or cells/",
        cut(first),
        cut(second)
    )]
    SeveralShapes {
        /// An object of one shape.
        first: String,
        /// An object of another.
        second: String,
    },
    /// A required column is not there.
    #[error("{}: column {:?} is missing; the columns are {}", cut(object), cut(column), names(found))]
    MissingColumn {
        /// The object.
        object: String,
        /// The column.
        column: String,
        /// The columns that are there.
        found: Vec<String>,
    },
    /// A column has a type that cannot hold what it should.
    #[error("{}: column {:?} has type {}; it must be {expected}", cut(object), cut(column), cut(found))]
    ColumnType {
        /// The object.
        object: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The types that would be right.
        expected: &'static str,
    },
    /// A value that no right snapshot can have.
    #[error("{}{place}: column {:?} is {value}; it must be {expected}", cut(object), cut(column))]
    Value {
        /// The object.
        object: String,
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// The value.
        value: String,
        /// What would be right.
        expected: Box<str>,
    },
    /// A record of a text file that is too long to be one.
    #[error("{}, line {line}: the record is longer than {limit} bytes", cut(object))]
    RecordTooLong {
        /// The object.
        object: String,
        /// The line it begins on, from 1.
        line: u64,
        /// The longest that is read.
        limit: usize,
    },
    /// Two columns of one name that is read.
    #[error("{}{place}: there are two columns {:?}; which is meant cannot be told", cut(object), cut(column))]
    DuplicateColumn {
        /// The object.
        object: String,
        /// Where in it.
        place: Place,
        /// The name.
        column: String,
    },
    /// A variant or context with a factor that is in it twice.
    #[error(
        "{}{place}: column {column:?} has the name {:?} twice; which is meant cannot be told",
        cut(object),
        cut(name)
    )]
    DuplicateName {
        /// The object.
        object: String,
        /// Where in it.
        place: Place,
        /// `variant` or `context`.
        column: &'static str,
        /// The name.
        name: String,
    },
    /// A file that a commit wrote, as its marker says, and that is not there.
    #[error(
        "{} says that {:?} was written, which the snapshot does not have; write the folder again, or leave the markers of commits out",
        cut(object),
        cut(file)
    )]
    NotThere {
        /// The marker.
        object: String,
        /// The name of the file.
        file: String,
    },
    /// A file beyond one of the [`Limits`](crate::Limits).
    #[error("{}{place}: {what}, more than the limit of {limit} ({name})", cut(object))]
    Limit {
        /// The object.
        object: String,
        /// Where in it.
        place: Place,
        /// What there is too much of.
        what: String,
        /// The field of [`Limits`](crate::Limits).
        name: &'static str,
        /// Its value.
        limit: u64,
    },
    /// More than half of the rows do not fit the model, of all files or of one.
    #[error("{}{skipped} of {rows} {what} were skipped, more than half; {}{}", of(object.as_deref()), describe(&observations.skipped), shown(example.as_deref()))]
    TooManySkipped {
        /// What the rows are: exposures, rewards, observations or cells.
        what: &'static str,
        /// The file, where it is one of several.
        object: Option<String>,
        /// Rows that were skipped.
        skipped: u64,
        /// All rows.
        rows: u64,
        /// The report.
        observations: Observations,
        /// One of the rows.
        example: Option<Box<Example>>,
    },
    /// There are rewards and exposures, and no reward belongs to an exposure.
    #[error(
        "not one of {rewards} rewards can be attributed to any of {exposures} exposures: {detail}; where that is right, set \
         \"allow_no_rewards\": true in training_data_config"
    )]
    Unattributed {
        /// Rewards of the model's name.
        rewards: u64,
        /// Exposures that count.
        exposures: u64,
        /// Why: ids that do not occur, or times that are outside the window.
        detail: String,
    },
    /// No reward has the model's name, and one has a name that looks like it.
    #[error("no reward has the name {:?}, but one looks like it: {example}; names must be the same", cut(ours))]
    RewardName {
        /// The model's name.
        ours: String,
        /// The reward.
        example: Box<Example>,
    },
    /// No reward has a name, although there is a column for it.
    #[error(
        "not one of {rows} rewards has a name, and where names are, only the model's reward counts: {example}; write the names, or \
         leave the column out where all rewards are the model's"
    )]
    NoNames {
        /// The rewards.
        rows: u64,
        /// One of them.
        example: Box<Example>,
    },
    /// There are no rewards, and data in no folder that is read.
    #[error(
        "there is no rewards/, and {:?} is in none of exposures/, rewards/, observations/ and cells/, so that it is not read; write \
         rewards under rewards/, or take it away; where there are no rewards yet, set \"allow_no_rewards\": true in \
         training_data_config",
        cut(object)
    )]
    StrayData {
        /// The object.
        object: String,
    },
    /// No observation has a reward.
    #[error(
        "the rewards of all {observations} observations are null, as where a join finds nothing{}; where that is right, set \
         \"allow_no_rewards\": true in training_data_config",
        shown(example.as_deref())
    )]
    NullRewards {
        /// The observations.
        observations: u64,
        /// One of them.
        example: Option<Box<Example>>,
    },
    /// More rewards of observations cannot be read than have one of two outcomes.
    #[error(
        "{unread} observations have a reward that cannot be read, and {read} have {which}: the rate would be another without \
         them{}",
        shown(example.as_deref())
    )]
    UnreadableRewards {
        /// Observations whose reward cannot be read.
        unread: u64,
        /// Observations that are fewer than these.
        read: u64,
        /// What reward they have.
        which: &'static str,
        /// One of those that cannot be read.
        example: Option<Box<Example>>,
    },
    /// Objects in a folder whose name is nearly that of the one that is missing.
    #[error(
        "there is no {folder}/, but there is {:?}; it looks like {folder}/, under another name; nothing of it is read",
        cut(object)
    )]
    LooksLikeFolder {
        /// The folder that is missing.
        folder: &'static str,
        /// An object that looks as if it belonged there.
        object: String,
    },
    /// A folder that a table format manages, which says by other files which of them are data.
    #[error(
        "{}: {}/ is {table}, and which of its files hold rows is written in its metadata; reading all of them would \
         count rows that were replaced or deleted. Write the rows out instead: UNLOAD (Athena, Redshift), COPY INTO (Snowflake), \
         EXPORT DATA (BigQuery), or spark.table(…).write.parquet(…)",
        cut(object),
        cut(folder)
    )]
    Table {
        /// The folder.
        folder: String,
        /// What it is.
        table: &'static str,
        /// The object that shows it.
        object: String,
    },
    /// A Delta table that cannot be read.
    #[error(
        "{}: the Delta table cannot be read: {detail}. Write its rows out instead: UNLOAD (Athena), or \
         spark.read.format(\"delta\").load(…).write.parquet(…)",
        cut(object)
    )]
    Delta {
        /// The object of the log.
        object: String,
        /// What is in the way.
        detail: String,
    },
    /// A column of the file and the path of the file say different things.
    #[error("{}{place}: column {:?} is {value}, but the path says {in_path}", cut(object), cut(column))]
    PathDiffers {
        /// The object.
        object: String,
        /// The row.
        place: Place,
        /// The column.
        column: String,
        /// What the file says.
        value: String,
        /// What the path says.
        in_path: Box<str>,
    },
    /// The file `mapping.json` is wrong.
    #[error("mapping.json: {detail}")]
    Mapping {
        /// What is wrong.
        detail: String,
    },
    /// Sums cannot be cut off where a cap demands it.
    #[error(
        "cells/ holds sums, and reward.cap is of single rewards: cut them off before they are added up, or leave reward.cap out"
    )]
    CappedSums,
    /// The unit is the user, and there are no ids.
    #[error(
        "{folder}/ does not say whose an observation is, and unit is \"user\": write exposures/ and rewards/, or set unit to \"exposure\""
    )]
    NoUsers {
        /// The folder.
        folder: &'static str,
    },
    /// The unit is the user, and there are more users than are kept apart.
    #[error(
        "there are more than {most} users, and unit is \"user\": only so many are kept apart; set unit to \"exposure\""
    )]
    TooManyUsers {
        /// How many are.
        most: u64,
    },
    /// The sums of a cell are impossible or overflow.
    #[error("the rewards cannot be summed: {0}")]
    Sums(#[from] bandit::CellError),
    /// More users with a reward, or more of their exposures, than 2³² − 1 in one pass.
    #[error("more than 4,294,967,295 {what} in one snapshot; split it by a hash of anonymous_id")]
    TooLarge {
        /// What is too many.
        what: &'static str,
    },
    /// The snapshot holds nothing usable.
    #[error("no usable observation; {}{}", describe(&observations.skipped), shown(example.as_deref()))]
    NoObservations {
        /// The report.
        observations: Observations,
        /// One of the rows that were skipped.
        example: Option<Box<Example>>,
    },
    /// An object is not what it was when the snapshot was listed.
    #[error("{} changed while it was read: {detail}; a complete snapshot must stay as it is", cut(object))]
    Changed {
        /// The object.
        object: String,
        /// How it differs.
        detail: String,
    },
    /// An object could not be read.
    #[error("{} cannot be read", cut(object))]
    Source {
        /// The object.
        object: String,
        /// Why.
        source: SourceError,
    },
}

impl SnapshotError {
    /// What the error means to the one who trains.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoObservations { .. } => Kind::Empty,
            Self::Source { .. } => Kind::Source,
            _ => Kind::Invalid,
        }
    }

    pub(crate) fn mapping(detail: impl Into<String>) -> Self {
        Self::Mapping { detail: detail.into() }
    }

    pub(crate) fn undecodable(object: &str, place: Place, detail: impl Into<String>) -> Self {
        Self::Undecodable { object: object.into(), place, detail: detail.into() }
    }
}

/// `exposures/a.csv: `, or nothing.
fn of(object: Option<&str>) -> String {
    object.map_or_else(String::new, |object| format!("{}: ", cut(object)))
}

fn shown(example: Option<&Example>) -> String {
    example.map_or_else(String::new, |example| format!("; for example {example}"))
}

//! Why a snapshot cannot be counted.

use std::fmt;

use crate::report::{Observations, describe};
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
    #[error("{object}{place}: {detail}")]
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
        "{object}: the name ends in none of .parquet, .jsonl, .ndjson, .json, .csv (the text ones also with .gz or .zst)"
    )]
    UnknownFormat {
        /// The object.
        object: String,
    },
    /// A folder with files of two formats.
    #[error("{folder}/ holds more than one format: {first} and {second}")]
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
        "the snapshot has both {first} and {second}; it must be exposures/ with rewards/, or observations/, or cells/"
    )]
    SeveralShapes {
        /// An object of one shape.
        first: String,
        /// An object of another.
        second: String,
    },
    /// A required column is not there.
    #[error("{object}: column {column:?} is missing; the columns are {}", found.join(", "))]
    MissingColumn {
        /// The object.
        object: String,
        /// The column.
        column: String,
        /// The columns that are there.
        found: Vec<String>,
    },
    /// A column has a type that cannot hold what it should.
    #[error("{object}: column {column:?} has type {found}; it must be {expected}")]
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
    #[error("{object}{place}: column {column:?} is {value}; it must be {expected}")]
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
        expected: String,
    },
    /// A record of a text file that is too long to be one.
    #[error("{object}, line {line}: the record is longer than {limit} bytes")]
    RecordTooLong {
        /// The object.
        object: String,
        /// The line it begins on, from 1.
        line: u64,
        /// The longest that is read.
        limit: usize,
    },
    /// Two columns of one name that is read.
    #[error("{object}{place}: there are two columns {column:?}; which is meant cannot be told")]
    DuplicateColumn {
        /// The object.
        object: String,
        /// Where in it.
        place: Place,
        /// The name.
        column: String,
    },
    /// A file beyond one of the [`Limits`](crate::Limits).
    #[error("{object}{place}: {what}, more than the limit of {limit} ({name})")]
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
    /// More than half of the exposures do not fit the model.
    #[error("{skipped} of {exposures} exposures were skipped, more than half; {}", describe(&observations.skipped))]
    TooManySkipped {
        /// Exposures that were skipped.
        skipped: u64,
        /// All exposures.
        exposures: u64,
        /// The report.
        observations: Observations,
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
    #[error("no usable observation; {}", describe(&.0.skipped))]
    NoObservations(Observations),
    /// An object is not what it was when the snapshot was listed.
    #[error("{object} changed while it was read: {detail}; a complete snapshot must stay as it is")]
    Changed {
        /// The object.
        object: String,
        /// How it differs.
        detail: String,
    },
    /// An object could not be read.
    #[error("{object} cannot be read")]
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
            Self::NoObservations(_) => Kind::Empty,
            Self::Source { .. } => Kind::Source,
            _ => Kind::Invalid,
        }
    }

    pub(crate) fn undecodable(object: &str, place: Place, detail: impl Into<String>) -> Self {
        Self::Undecodable { object: object.into(), place, detail: detail.into() }
    }
}

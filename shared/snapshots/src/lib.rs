//! Observation files to cells: what a warehouse wrote, read by column and counted once.
//!
//! [`count`] takes the objects of one snapshot, a [`Source`] to read them from and a [`Plan`] that says what counts,
//! and returns the [`bandit::CellTable`] with a report of what was seen and what was skipped. This crate knows bytes
//! and columns, not buckets or HTTP. The contract of the files is in the repository's documentation of snapshots.
//!
//! The pass reads the rewards first and keeps the ids, times and values that count. The exposures then stream past
//! the set of those ids once; only exposures of users with a reward are kept, the others are just counted. No file is
//! in memory as a whole: Parquet is read a row group at a time, with only the needed columns, text through ranged
//! reads of a few megabytes. The result does not depend on the number of threads: counts are exact, and sums of
//! numeric rewards are added in the order (file name, row) of the exposures.
//!
//! [`count_with_tables`] makes, in the same pass, what results are made of: the cube, which is the cells by period and arm, and the user
//! table. Neither depends on the order of rows beyond what the cells do.
//!
//! Choices where the contract is silent:
//! - NaN as a level is null.
//! - A factor that is null is missing. A key that the design does not have makes the variant unknown, unless its value
//!   is null; further keys of a context are ignored. Names in JSON and in maps match exactly; the fields of a struct
//!   match as columns do.
//! - Without a `context` column, context factors may be columns of their own; those that are not are unknown.
//! - Where the only factor is itself called `variant` (or `context`), a text that is no JSON object is its level.
//! - An `optimization_id` that is null belongs to this optimization. An id that is empty text is null.
//! - Integer times that spell a date of 2000 to 2099 are that date; others below 10¹¹ in magnitude are seconds, below 10¹⁴ milliseconds,
//!   below 10¹⁷ microseconds, else nanoseconds. Nanoseconds are floored to microseconds. Text without a zone is UTC.
//! - A time or id that cannot be read as one is a `bad_value`; text that is nearly a time or a number fails the run where its row is ours. A
//!   bool reward whose `value` is null counts.
//! - An exposure is immature if timestamp + window is later than the cut-off. Rewards are credited first, immature
//!   exposures are left out after, so that a reward never moves to an earlier exposure. Observations with a timestamp
//!   follow the same rule with the cut-off of their own; those without are mature.
//! - In CSV an empty field and `\N` are null.

mod aggregated;
mod assign;
mod attribution;
mod audit;
mod batch;
mod cell;
mod cells;
mod check;
mod count;
mod cube;
mod dress;
mod entries;
mod error;
mod exposures;
mod fetch;
mod fields;
mod file;
mod found;
mod guard;
mod guardrails;
mod ids;
mod layout;
mod learned;
mod level;
mod limits;
mod mapping;
mod number;
mod outcomes;
mod parquet;
mod place;
mod plan;
mod report;
mod rewards;
mod scan;
mod sink;
mod source;
mod survey;
mod tables;
mod text;
mod time;
mod unknown;
mod user_table;
mod value;
mod warnings;
mod wide;
mod workers;

pub use attribution::Unattributed;
pub use audit::{AUDIT_DAYS, AuditPlan, AuditSample, AuditedExposures};
pub use check::{Check, Days, Files, Ids, Level, SkippedRows, Unknown, check};
pub use count::{Counted, SnapshotCounts, count, count_with_tables};
pub use cube::CubeCell;
pub use error::{Kind, Place, SnapshotError};
pub use found::Column;
pub use guardrails::{GuardrailReward, Guardrails, MOST_GUARDRAILS};
pub use layout::{FOLDERS, MAPPING, read_keys};
pub use learned::{Cap, Capped, Learned, Unit};
pub use level::json_level;
pub use limits::{LimitError, Limits};
pub use outcomes::{MOST_OUTCOMES, Outcome, OutcomeMatch, Outcomes};
pub use plan::{Attribution, Immature, Plan};
pub use report::{Example, Observations, SkipReason, Warning};
pub use source::{Object, Source, SourceError};
pub use tables::{OutcomeCell, Tables, TablesPlan};
pub use user_table::{GuardrailGroup, UserGroup, UserTable};

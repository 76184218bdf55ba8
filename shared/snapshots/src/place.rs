//! Where a decoded row belongs: its time, its cell or its value, or why it does not count.

use bandit::{RewardType, Space};

use crate::assign::{Context, Variant};
use crate::batch::{Batch, Claim, Id};
use crate::fields::{Field, Role};
use crate::number::Number;
use crate::plan::Plan;
use crate::report::{SkipReason, Skips};
use crate::time;
use crate::unknown::{CauseCounts, CauseId, TextId, Unknowns};

/// Why a row does not count, and what of it shows that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) reason: SkipReason,
    shown: Shown,
}

/// What of a row shows why it does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Field(Field),
    Text(Field, TextId),
    Levels(CauseId),
}

impl Skip {
    pub(crate) fn at(reason: SkipReason, field: Field) -> Self {
        Self { reason, shown: Shown::Field(field) }
    }
}

/// The variant and context of a usable row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) variant: usize,
    pub(crate) context: u64,
    /// Why a context factor has its unknown level, where one has.
    pub(crate) unknown: Option<CauseId>,
}

/// The cell of a row.
///
/// # Errors
/// Why it has none.
pub(crate) fn cell(batch: &Batch, row: usize) -> Result<Cell, Skip> {
    let bad_json = |field, text| Skip { reason: SkipReason::BadJson, shown: Shown::Text(field, text) };
    let variant = match batch.variants[row] {
        Variant::Index(variant) => variant,
        Variant::Unknown(cause) => {
            return Err(Skip { reason: SkipReason::UnknownVariant, shown: Shown::Levels(cause) });
        }
        // Of a factor that is there twice the batch was checked before.
        Variant::BadJson(text) | Variant::Twice(text) => return Err(bad_json(Field::Variant, text)),
    };
    match batch.contexts[row] {
        Context::Index { index: context, unknown } => Ok(Cell { variant, context, unknown }),
        Context::BadJson(text) | Context::Twice(text) => Err(bad_json(Field::Context, text)),
    }
}

/// A row's timestamp.
///
/// # Errors
/// Why it has none.
pub(crate) fn timestamp(batch: &Batch, row: usize) -> Result<i64, Skip> {
    match batch.times[row] {
        time::NULL => Err(Skip::at(SkipReason::NullTimestamp, Field::Time)),
        time::BAD => Err(Skip::at(SkipReason::BadValue, Field::Time)),
        time::IMPLAUSIBLE => Err(Skip::at(SkipReason::ImplausibleTime, Field::Time)),
        time => Ok(time),
    }
}

/// The greatest timestamp of a batch.
pub(crate) fn latest(batch: &Batch) -> Option<i64> {
    batch.times.iter().copied().max().filter(|&t| time::is_time(t))
}

/// The latest time of a mature exposure, all times where none is immature.
pub(crate) fn last_mature(cut_off: Option<i64>, plan: &Plan<'_>) -> i64 {
    cut_off.map_or(i64::MAX, |cut_off| cut_off.saturating_sub(plan.window()))
}

/// Whether a row is of this optimization.
///
/// # Errors
/// It is of another.
pub(crate) fn optimization(batch: &Batch, row: usize) -> Result<(), Skip> {
    match batch.optimizations[row] {
        Claim::Near | Claim::Other => Err(Skip::at(SkipReason::OtherOptimization, Field::Optimization)),
        Claim::Absent | Claim::Null | Claim::Match(_) => Ok(()),
    }
}

/// A row's anonymous id.
///
/// # Errors
/// Why it has none.
pub(crate) fn id(batch: &Batch, row: usize) -> Result<&[u8], Skip> {
    match batch.ids.get(row) {
        Id::Null => Err(Skip::at(SkipReason::NullId, Field::Id)),
        Id::Bad => Err(Skip::at(SkipReason::BadValue, Field::Id)),
        Id::Text(id) => Ok(id),
    }
}

/// The id, time and cell of an exposure.
///
/// # Errors
/// Why it does not count.
pub(crate) fn exposure(batch: &Batch, row: usize) -> Result<(&[u8], i64, Cell), Skip> {
    optimization(batch, row)?;
    Ok((id(batch, row)?, timestamp(batch, row)?, cell(batch, row)?))
}

/// Which guardrail a row is a reward of; `None` where its name is the model's own, or nobody's.
pub(crate) fn guardrail(batch: &Batch, row: usize, plan: &Plan<'_>) -> Option<usize> {
    match batch.names[row] {
        Claim::Match(name) => plan.guardrails?.at(name),
        Claim::Absent | Claim::Null | Claim::Near | Claim::Other => None,
    }
}

/// The time and value of a reward of a guardrail.
///
/// # Errors
/// Why it does not count.
pub(crate) fn guardrail_reward(batch: &Batch, row: usize, reward: RewardType) -> Result<(i64, f64), Skip> {
    optimization(batch, row)?;
    id(batch, row)?;
    let time = timestamp(batch, row)?;
    let of_value = |reason| Err(Skip::at(reason, Field::Value));
    match (batch.values[row], reward) {
        (Number::Bad, _) | (Number::Null, RewardType::Numeric) => of_value(SkipReason::BadValue),
        (Number::Value(value), RewardType::Numeric) => Ok((time, value)),
        (Number::Value(0.0), RewardType::Bool) => of_value(SkipReason::ZeroValue),
        (Number::Value(_) | Number::Null, RewardType::Bool) => Ok((time, 1.0)),
    }
}

/// The time of a reward, which outcome it is (0 where there are none), and its value or weight.
///
/// # Errors
/// Why it does not count.
pub(crate) fn reward(batch: &Batch, row: usize, plan: &Plan<'_>) -> Result<(i64, u8, f64), Skip> {
    optimization(batch, row)?;
    let name = match batch.names[row] {
        Claim::Null | Claim::Near | Claim::Other => return Err(Skip::at(SkipReason::OtherReward, Field::Name)),
        Claim::Absent => 0,
        Claim::Match(name) => name,
    };
    id(batch, row)?;
    let time = timestamp(batch, row)?;
    let of_value = |reason| Err(Skip::at(reason, Field::Value));
    match (batch.values[row], plan.outcomes, plan.reward) {
        (Number::Bad, ..) | (Number::Null, None, RewardType::Numeric) => of_value(SkipReason::BadValue),
        (value, Some(outcomes), _) => match outcomes.of(name, value) {
            Some((outcome, weight)) => Ok((time, outcome, weight)),
            None if value == Number::Value(0.0) => of_value(SkipReason::ZeroValue),
            None => of_value(SkipReason::OtherReward),
        },
        (Number::Value(value), None, RewardType::Numeric) => Ok((time, 0, value)),
        (Number::Value(0.0), None, RewardType::Bool) => of_value(SkipReason::ZeroValue),
        (Number::Value(_) | Number::Null, None, RewardType::Bool) => Ok((time, 0, 1.0)),
    }
}

/// What some rows were skipped for, with the levels that were not known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skipped {
    pub(crate) skips: Skips,
    pub(crate) variants: CauseCounts,
    pub(crate) contexts: CauseCounts,
}

impl Skipped {
    /// Adds what comes later in the order (file name, row).
    pub(crate) fn merge(&mut self, later: &Self) {
        self.skips.merge(&later.skips);
        self.variants.merge(&later.variants);
        self.contexts.merge(&later.contexts);
    }
}

/// Where rows come from: what is needed to show one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) role: Role,
    pub(crate) space: &'a Space,
    pub(crate) unknowns: &'a Unknowns,
}

/// One row of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'b> {
    pub(crate) object: &'b str,
    pub(crate) batch: &'b Batch,
    pub(crate) row: usize,
}

impl Origin<'_> {
    /// Counts what of a batch is no row.
    pub(crate) fn batch(skipped: &mut Skipped, object: &str, batch: &Batch) {
        let place = || crate::error::Place::Object.example(object);
        skipped.skips.add(SkipReason::BadJson, batch.bad_records, place);
        skipped.skips.add(SkipReason::Filtered, batch.filtered, place);
    }

    /// Counts a row that is skipped and costs so many observations.
    pub(crate) fn skip(&self, skipped: &mut Skipped, at: At<'_>, skip: Skip, rows: u64) {
        if let (SkipReason::UnknownVariant, Shown::Levels(cause)) = (skip.reason, skip.shown) {
            skipped.variants.add(cause, rows);
        }
        let At { object, batch, row } = at;
        skipped.skips.add(skip.reason, rows, || match skip.shown {
            Shown::Field(field) => batch.example(object, row, Some(field), Some(field.name(self.role, self.space))),
            Shown::Text(field, text) => {
                let mut example = batch.example(object, row, None, Some(field.name(self.role, self.space)));
                example.value = self.unknowns.shown(text);
                example
            }
            Shown::Levels(cause) => self.of_levels(at, cause, "variant"),
        });
    }

    /// Counts a row that is kept although a factor of its context is not known.
    pub(crate) fn unknown_context(&self, skipped: &mut Skipped, at: At<'_>, cause: CauseId, rows: u64) {
        skipped.contexts.add(cause, rows);
        skipped.skips.add(SkipReason::UnknownContextLevel, rows, || self.of_levels(at, cause, "context"));
    }

    fn of_levels(&self, at: At<'_>, cause: CauseId, column: &str) -> crate::report::Example {
        let (factor, value) = self.unknowns.example(cause, self.space).unwrap_or_else(|| (column.into(), None));
        let mut example = at.batch.example(at.object, at.row, None, Some(&factor));
        example.value = value;
        example
    }
}

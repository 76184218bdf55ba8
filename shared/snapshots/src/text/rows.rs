//! From the fields of a text record to the columns of a batch.

use std::borrow::Cow;

use crate::assign::{Assigner, Levels};
use crate::batch::{Batch, Claim, Id, Places, ROWS};
use crate::error::SnapshotError;
use crate::fields::{Field, Wanted};
use crate::level::{Scalar, level};
use crate::number::Number;
use crate::plan::Plan;
use crate::time;

/// A field of a text record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    /// The record does not have it.
    Absent,
    Null,
    Text(Cow<'a, str>),
    Bool(bool),
    /// A JSON number as it is written.
    Number(&'a str),
    /// A JSON object or array as it is written.
    Nested(&'a str),
}

impl Cell<'_> {
    fn id(&self) -> Id<'_> {
        match self {
            Self::Absent | Self::Null => Id::Null,
            Self::Text(text) => Id::Text(text.as_bytes()),
            Self::Number(number) if number.bytes().all(|c| c.is_ascii_digit() || c == b'-') => {
                Id::Text(number.as_bytes())
            }
            Self::Number(_) | Self::Bool(_) | Self::Nested(_) => Id::Bad,
        }
    }

    fn time(&self) -> i64 {
        match self {
            Self::Absent | Self::Null => time::NULL,
            Self::Text(text) => time::from_text(text),
            Self::Number(number) => number.parse().map_or(time::BAD, time::from_epoch),
            Self::Bool(_) | Self::Nested(_) => time::BAD,
        }
    }

    fn claim(&self, ours: &str) -> Claim {
        match self {
            Self::Absent => Claim::Absent,
            Self::Null => Claim::Null,
            Self::Text(text) => Claim::of(text.as_bytes(), ours),
            Self::Number(text) => Claim::of(text.as_bytes(), ours),
            Self::Bool(_) | Self::Nested(_) => Claim::Other,
        }
    }

    fn number(&self) -> Number {
        match self {
            Self::Absent | Self::Null => Number::Null,
            Self::Text(text) if text.is_empty() => Number::Null,
            Self::Text(text) => Number::from_text(text),
            Self::Number(text) => Number::from_text(text),
            Self::Bool(value) => Number::Value(f64::from(u8::from(*value))),
            Self::Nested(_) => Number::Bad,
        }
    }

    fn scalar(&self, typed: bool) -> Scalar<'_> {
        match self {
            Self::Absent | Self::Null => Scalar::Null,
            Self::Text(text) if !typed => Scalar::Untyped(text),
            Self::Text(text) => Scalar::Text(text),
            Self::Number(text) => Scalar::Number(text),
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Nested(_) => Scalar::Nested,
        }
    }

    /// The text of a variant or context.
    fn json(&self) -> Option<&str> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Text(text) => Some(text),
            Self::Number(text) | Self::Nested(text) => Some(text),
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
        }
    }
}

/// Collects records into batches.
pub(super) struct Rows<'r, 'a> {
    plan: &'r Plan<'r>,
    /// Whether the format tells texts from numbers.
    typed: bool,
    assigner: &'r mut Assigner<'a>,
    each: &'r mut dyn FnMut(&Batch) -> Result<(), SnapshotError>,
    batch: Batch,
    lines: Vec<u64>,
    design: Levels,
    context: Levels,
}

impl<'r, 'a> Rows<'r, 'a> {
    pub(super) fn new(
        plan: &'r Plan<'r>,
        typed: bool,
        assigner: &'r mut Assigner<'a>,
        each: &'r mut dyn FnMut(&Batch) -> Result<(), SnapshotError>,
    ) -> Self {
        let space = assigner.space();
        let (design, context) = (Levels::new(space.design().len()), Levels::new(space.context().len()));
        Self { plan, typed, assigner, each, batch: Batch::new(), lines: Vec::new(), design, context }
    }

    /// Takes a record that begins on `line`; `cells` are the fields for `wanted`.
    ///
    /// # Errors
    /// What comes of handing a full batch on.
    pub(super) fn push(&mut self, line: u64, wanted: &[Wanted], cells: &[Cell<'_>]) -> Result<(), SnapshotError> {
        let batch = &mut self.batch;
        let (design, context) = (self.assigner.space().design(), self.assigner.space().context());
        // Whether the levels are to be taken from the columns of single factors.
        let (mut variant, mut contexts) = (false, false);
        for (column, cell) in wanted.iter().zip(cells) {
            match column.field {
                Field::Id => batch.ids.packed().push(cell.id()),
                Field::Time => batch.times.push(cell.time()),
                Field::Optimization => batch.optimizations.push(cell.claim(self.plan.optimization_id)),
                Field::Name => batch.names.push(cell.claim(self.plan.reward_name)),
                Field::Value => batch.values.push(cell.number()),
                Field::N => batch.n.push(cell.number()),
                Field::Sum => batch.sums.push(cell.number()),
                Field::SumSq => batch.sums_sq.push(cell.number()),
                Field::Variant if *cell == Cell::Absent => variant = true,
                Field::Context if *cell == Cell::Absent => contexts = true,
                Field::Variant => batch.variants.push(self.assigner.variant(cell.json())),
                Field::Context => batch.contexts.push(self.assigner.context(cell.json())),
                Field::DesignFactor(i) => self.design.set(i, level(&design[i], cell.scalar(self.typed))),
                Field::ContextFactor(i) => self.context.set(i, level(&context[i], cell.scalar(self.typed))),
            }
        }
        if variant {
            batch.variants.push(self.assigner.variant_of(&self.design));
        }
        if contexts {
            batch.contexts.push(self.assigner.context_of(&self.context));
        }
        self.lines.push(line);
        if self.lines.len() == ROWS { self.flush() } else { Ok(()) }
    }

    /// Counts a line that is no record.
    pub(super) fn push_bad(&mut self) {
        self.batch.bad_records += 1;
    }

    fn flush(&mut self) -> Result<(), SnapshotError> {
        let rows = self.lines.len();
        self.batch.places = Places::Lines(std::mem::take(&mut self.lines));
        self.batch.complete(rows, self.assigner.no_context());
        (self.each)(&self.batch)?;
        self.batch.clear();
        if let Places::Lines(lines) = &mut self.batch.places {
            self.lines = std::mem::take(lines);
        }
        Ok(())
    }

    /// Hands on what is left.
    ///
    /// # Errors
    /// What comes of handing it on.
    pub(super) fn finish(&mut self) -> Result<(), SnapshotError> {
        self.flush()
    }
}

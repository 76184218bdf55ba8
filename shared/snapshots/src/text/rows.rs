//! From the fields of a text record to the columns of a batch.

use std::borrow::Cow;

use crate::assign::{Assigner, Context, Levels, Variant};
use crate::batch::{Batch, Claim, Id, Places, ROWS};
use crate::dress;
use crate::error::SnapshotError;
use crate::fields::{Field, Role, Wanted};
use crate::level::{Scalar, level};
use crate::limits::Limits;
use crate::number::{self, Number};
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
    Number(Cow<'a, str>),
    /// A number that is none, under the name for that.
    NotANumber,
    /// A JSON object or array as it is written.
    Nested(Cow<'a, str>),
    /// Bytes that are no text.
    Garbled,
}

impl Cell<'_> {
    /// The text, unless it is a word for null.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !dress::is_null_word(text.trim_ascii().as_bytes()) => Some(text),
            _ => None,
        }
    }

    /// Pushes the id to `batch`.
    fn push_id(&self, batch: &mut Batch) {
        let ids = batch.ids.packed();
        match self {
            Self::Absent | Self::Null | Self::NotANumber => ids.push(Id::Null),
            Self::Text(_) => ids.push(self.text().map_or(Id::Null, |text| Id::Text(text.as_bytes()))),
            Self::Number(number) => {
                let is_plain = number.bytes().all(|c| c.is_ascii_digit() || c == b'-' || c == b'.');
                let double = || number.parse().ok().and_then(dress::id_of_double);
                let id = dress::id(number.as_bytes());
                if is_plain && !id.contains(&b'.') {
                    ids.push(Id::Text(&id));
                } else {
                    ids.push(double().as_ref().map_or(Id::Bad, |id| Id::Text(id.as_bytes())));
                }
            }
            Self::Bool(_) | Self::Nested(_) | Self::Garbled => ids.push(Id::Bad),
        }
    }

    fn time(&self) -> i64 {
        match self {
            Self::Absent | Self::Null | Self::NotANumber => time::NULL,
            Self::Text(text) if text.trim_ascii().is_empty() => time::NULL,
            Self::Text(_) => self.text().map_or(time::NULL, time::from_text),
            Self::Number(number) => time::from_text(number),
            Self::Bool(_) | Self::Nested(_) | Self::Garbled => time::BAD,
        }
    }

    fn claim(&self, ours: &str) -> Claim {
        match self {
            Self::Absent => Claim::Absent,
            Self::Null | Self::NotANumber => Claim::Null,
            Self::Text(text) if **text == *ours => Claim::Match,
            Self::Text(_) => self.text().map_or(Claim::Null, |text| Claim::of(text.as_bytes(), ours)),
            Self::Number(text) => Claim::of(text.as_bytes(), ours),
            Self::Bool(_) | Self::Nested(_) | Self::Garbled => Claim::Other,
        }
    }

    fn number(&self) -> Number {
        match self {
            Self::Absent | Self::Null => Number::Null,
            Self::Text(text) if text.trim_ascii().is_empty() => Number::Null,
            Self::Text(text) => match Number::from_text(text) {
                Number::Bad if self.text().is_none() && !text.trim_ascii().eq_ignore_ascii_case("nan") => Number::Null,
                number => number,
            },
            Self::Number(text) => Number::from_text(text),
            Self::Bool(value) => Number::Value(f64::from(u8::from(*value))),
            Self::Nested(_) | Self::Garbled | Self::NotANumber => Number::Bad,
        }
    }

    fn scalar(&self, typed: bool) -> Scalar<'_> {
        match self {
            Self::Absent | Self::Null | Self::NotANumber => Scalar::Null,
            Self::Text(text) if !typed => Scalar::Untyped(text),
            Self::Text(text) => Scalar::Text(text),
            Self::Number(text) => Scalar::Number(text),
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Nested(_) | Self::Garbled => Scalar::Nested,
        }
    }

    /// The text of a variant or context.
    fn json(&self) -> Option<&str> {
        match self {
            Self::Absent | Self::Null | Self::NotANumber => None,
            Self::Text(text) | Self::Number(text) | Self::Nested(text) => Some(text),
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            Self::Garbled => Some("\u{FFFD}"),
        }
    }

    /// What stands there, for messages.
    fn shown(&self) -> &str {
        self.json().unwrap_or("NaN")
    }

    /// Whether a text that is no time, or no number, looks as if it were meant as one.
    fn is_nearly(&self, is: fn(&str) -> bool) -> bool {
        match self {
            Self::Text(text) => is(text),
            _ => false,
        }
    }
}

/// Collects records into batches.
pub(super) struct Rows<'r, 'a> {
    key: &'r str,
    role: Role,
    plan: &'r Plan<'r>,
    /// Whether the format tells texts from numbers.
    typed: bool,
    assigner: &'r mut Assigner<'a>,
    each: &'r mut dyn FnMut(&Batch) -> Result<(), SnapshotError>,
    batch: Batch,
    lines: Vec<u64>,
    design: Levels,
    context: Levels,
    has_bad: bool,
}

impl<'r, 'a> Rows<'r, 'a> {
    pub(super) fn new(
        key: &'r str,
        role: Role,
        plan: &'r Plan<'r>,
        typed: bool,
        assigner: &'r mut Assigner<'a>,
        each: &'r mut dyn FnMut(&Batch) -> Result<(), SnapshotError>,
    ) -> Self {
        let space = assigner.space();
        let (design, context) = (Levels::new(space.design().len()), Levels::new(space.context().len()));
        let (batch, lines) = (Batch::new(), Vec::new());
        Self { key, role, plan, typed, assigner, each, batch, lines, design, context, has_bad: false }
    }

    pub(super) fn limits(&self) -> &'r Limits {
        &self.plan.limits
    }

    /// Whether any line was no record.
    pub(super) fn has_bad(&self) -> bool {
        self.has_bad
    }

    /// Takes a record that begins on `line`; `cells` are the fields for `wanted`.
    ///
    /// # Errors
    /// What comes of handing a full batch on.
    pub(super) fn push(&mut self, line: u64, wanted: &[Wanted], cells: &[Cell<'_>]) -> Result<(), SnapshotError> {
        let batch = &mut self.batch;
        let (design, context) = (self.assigner.space().design(), self.assigner.space().context());
        let row = self.lines.len();
        // Whether the levels are to be taken from the columns of single factors.
        let (mut variant, mut contexts) = (false, false);
        for (column, cell) in wanted.iter().zip(cells) {
            let field = column.field;
            match field {
                Field::Id => cell.push_id(batch),
                Field::Time => {
                    let time = cell.time();
                    batch.times.push(time);
                    if time == time::BAD {
                        note(batch, row, field, cell, time::is_nearly);
                    }
                }
                Field::Optimization => batch.optimizations.push(cell.claim(self.plan.optimization_id)),
                Field::Name => batch.names.push(cell.claim(self.plan.reward_name)),
                Field::Value | Field::N | Field::Sum | Field::SumSq => {
                    let number = cell.number();
                    if number == Number::Bad {
                        note(batch, row, field, cell, number::is_nearly);
                    }
                    match field {
                        Field::N => batch.n.push(number),
                        Field::Sum => batch.sums.push(number),
                        Field::SumSq => batch.sums_sq.push(number),
                        _ => batch.values.push(number),
                    }
                }
                Field::Variant if *cell == Cell::Absent => variant = true,
                Field::Context if *cell == Cell::Absent => contexts = true,
                Field::Variant => batch.variants.push(match self.assigner.variant(cell.json()) {
                    Variant::BadJson if cell.json().is_some_and(is_null_word) => self.assigner.variant(None),
                    variant => variant,
                }),
                Field::Context => batch.contexts.push(match self.assigner.context(cell.json()) {
                    Context::BadJson if cell.json().is_some_and(is_null_word) => self.assigner.context(None),
                    context => context,
                }),
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
        self.has_bad = true;
    }

    fn flush(&mut self) -> Result<(), SnapshotError> {
        let rows = self.lines.len();
        self.batch.places = Places::Lines(std::mem::take(&mut self.lines));
        self.batch.complete(rows, self.assigner.no_context());
        self.batch.check(self.key, self.role, self.plan)?;
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

fn is_null_word(text: &str) -> bool {
    dress::is_null_word(text.trim_ascii().as_bytes())
}

/// Keeps what stands in a field that is no time or no number.
fn note(batch: &mut Batch, row: usize, field: Field, cell: &Cell<'_>, is_nearly: fn(&str) -> bool) {
    batch.note(row, field, cell.shown());
    if cell.is_nearly(is_nearly) {
        batch.note_nearly(row, field, cell.shown());
    }
}

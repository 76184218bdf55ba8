//! A few thousand rows of a file, whatever its format.

use std::io::Write as _;

use arrow_array::{Array, BinaryViewArray, RecordBatch};

use crate::assign::{Assigner, Context, Variant};
use crate::dress;
use crate::error::{Place, SnapshotError};
use crate::fields::{Field, Role};
use crate::number::{LARGEST, Number};
use crate::outcomes::Names;
use crate::plan::Plan;
use crate::report::{Example, cut};
use crate::time;
use crate::unknown::{CauseId, letters};
use crate::value;

/// Rows that are decoded together.
pub(crate) const ROWS: usize = 8192;

/// Bytes of the text of a value that is usable.
pub(crate) const LONGEST: usize = 1 << 20;

/// The id of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id<'a> {
    Null,
    /// Neither text nor an integer.
    Bad,
    Text(&'a [u8]),
}

/// A column of ids. Integers are their decimal text.
#[derive(Debug)]
pub(crate) enum Ids {
    /// Where they were decoded, without a copy.
    Views(BinaryViewArray),
    /// One after the other.
    Packed(Packed),
}

/// Ids one after the other.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    bad: Vec<bool>,
}

impl Packed {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.bad.clear();
    }

    /// Empty text is a null. The dress of the text is taken off.
    pub(crate) fn push(&mut self, id: Id<'_>) {
        match id {
            Id::Text(text) if dress::is_dressed(text) => self.bytes.extend_from_slice(&dress::id(text)),
            Id::Text(text) => self.bytes.extend_from_slice(text),
            Id::Null | Id::Bad => {}
        }
        self.ends.push(self.bytes.len());
        self.bad.push(id == Id::Bad);
    }

    /// Takes an id whose dress is off.
    pub(crate) fn push_plain(&mut self, id: Option<&[u8]>) {
        self.bytes.extend_from_slice(id.unwrap_or_default());
        self.ends.push(self.bytes.len());
        self.bad.push(id.is_some_and(|id| id.len() > LONGEST));
    }

    /// Takes an integer as its digits.
    pub(crate) fn push_integer(&mut self, id: Option<i128>) {
        if let Some(id) = id {
            // Writing to memory cannot fail. Most integers are those of 64 bits, whose digits are found faster.
            let _ = match i64::try_from(id) {
                Ok(id) => write!(self.bytes, "{id}"),
                Err(_) => write!(self.bytes, "{id}"),
            };
        }
        self.ends.push(self.bytes.len());
        self.bad.push(false);
    }

    fn get(&self, row: usize) -> Id<'_> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        match &self.bytes[start..self.ends[row]] {
            _ if self.bad[row] => Id::Bad,
            [] => Id::Null,
            text => Id::Text(text),
        }
    }
}

impl Ids {
    pub(crate) fn get(&self, row: usize) -> Id<'_> {
        match self {
            Self::Packed(packed) => packed.get(row),
            Self::Views(views) if views.is_null(row) => Id::Null,
            Self::Views(views) => match views.value(row) {
                [] => Id::Null,
                text if text.len() > LONGEST => Id::Bad,
                text => Id::Text(text),
            },
        }
    }

    /// As many as there are rows, or none where ids are not read.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Views(views) => views.len(),
            Self::Packed(packed) => packed.ends.len(),
        }
    }

    /// An empty column to push to.
    pub(crate) fn packed(&mut self) -> &mut Packed {
        if let Self::Views(_) = self {
            *self = Self::Packed(Packed::default());
        }
        let Self::Packed(packed) = self else { unreachable!("replaced above") };
        packed
    }
}

/// What a row says of a name that must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// There is no such column.
    Absent,
    Null,
    /// It is the name at this place.
    Match(u8),
    /// Another one, which is one of ours but for case, spaces, quotes or punctuation.
    Near,
    Other,
}

impl Claim {
    /// Empty text is a null, and so is text of nothing but padding.
    pub(crate) fn of(text: &[u8], ours: Names<'_>) -> Self {
        if let Some(place) = ours.position(|ours| text == ours.as_bytes()) {
            return Self::Match(place);
        }
        if dress::trimmed(text).is_empty() {
            return Self::Null;
        }
        if let Some(place) = ours.position(|ours| dress::same(text, ours.as_bytes())) {
            return Self::Match(place);
        }
        if ours.position(|ours| looks_like(text, ours)).is_some() { Self::Near } else { Self::Other }
    }

    /// Whether it is a name that is not ours.
    pub(crate) fn is_other(self) -> bool {
        matches!(self, Self::Near | Self::Other)
    }
}

/// Whether two names have the same letters and digits, whatever their case and whatever stands around and between them.
fn looks_like(text: &[u8], ours: &str) -> bool {
    if text.is_ascii() && ours.is_ascii() {
        let plain = |name: &'_ [u8]| {
            name.iter().filter(|c| c.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect::<Vec<_>>()
        };
        let first = |name: &[u8]| name.iter().find(|c| c.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase);
        // Most names begin otherwise.
        return first(text).is_some() && first(text) == first(ours.as_bytes()) && plain(text) == plain(ours.as_bytes());
    }
    std::str::from_utf8(text).is_ok_and(|text| {
        let (theirs, ours) = (letters(text), letters(ours));
        !theirs.is_empty() && theirs == ours
    })
}

/// Where the rows of a batch are.
#[derive(Clone, Debug)]
pub(crate) enum Places {
    /// Consecutive rows of a row group.
    Rows { row_group: usize, first: u64 },
    /// Some rows of a row group.
    Chosen { row_group: usize, rows: Vec<u64> },
    /// The line on which each record begins.
    Lines(Vec<u64>),
}

/// A few thousand rows. Columns that the role of the file does not have are empty; optional ones that the file does not have are null.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) rows: usize,
    pub(crate) places: Places,
    pub(crate) ids: Ids,
    pub(crate) times: Vec<i64>,
    pub(crate) optimizations: Vec<Claim>,
    pub(crate) names: Vec<Claim>,
    pub(crate) values: Vec<Number>,
    pub(crate) variants: Vec<Variant>,
    pub(crate) contexts: Vec<Context>,
    pub(crate) n: Vec<Number>,
    pub(crate) sums: Vec<Number>,
    pub(crate) sums_sq: Vec<Number>,
    pub(crate) nonzero: Vec<Number>,
    /// Lines since the last batch that are no record at all.
    pub(crate) bad_records: u64,
    /// Rows since the last batch that the mapping's `where` leaves out.
    pub(crate) filtered: u64,
    /// What the columns were decoded from, with the field of each, where that is kept to show it.
    pub(crate) record: Option<(RecordBatch, Vec<Field>)>,
    /// What stands in fields that could not be read and are to be shown.
    pub(crate) notes: Vec<(usize, Field, String)>,
    /// Fields that could not be read and look as if they were meant as what they should be.
    pub(crate) nearly: Vec<(usize, Field, String)>,
}

/// Texts that are noted of one batch.
const NOTES: usize = 64;

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            rows: 0,
            places: Places::Lines(Vec::new()),
            ids: Ids::Packed(Packed::default()),
            times: Vec::new(),
            optimizations: Vec::new(),
            names: Vec::new(),
            values: Vec::new(),
            variants: Vec::new(),
            contexts: Vec::new(),
            n: Vec::new(),
            sums: Vec::new(),
            sums_sq: Vec::new(),
            nonzero: Vec::new(),
            bad_records: 0,
            filtered: 0,
            record: None,
            notes: Vec::new(),
            nearly: Vec::new(),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.rows = 0;
        if let Places::Lines(lines) | Places::Chosen { rows: lines, .. } = &mut self.places {
            lines.clear();
        }
        self.ids.packed().clear();
        self.times.clear();
        self.optimizations.clear();
        self.names.clear();
        self.values.clear();
        self.variants.clear();
        self.contexts.clear();
        for column in [&mut self.n, &mut self.sums, &mut self.sums_sq, &mut self.nonzero] {
            column.clear();
        }
        self.bad_records = 0;
        self.filtered = 0;
        self.record = None;
        self.notes.clear();
        self.nearly.clear();
    }

    /// The rows that the column of a field has so far.
    pub(crate) fn filled(&self, field: Field) -> usize {
        match field {
            Field::Id => self.ids.len(),
            Field::Time => self.times.len(),
            Field::Optimization => self.optimizations.len(),
            Field::Name => self.names.len(),
            Field::Value => self.values.len(),
            Field::Variant | Field::DesignFactor(_) => self.variants.len(),
            Field::Context | Field::ContextFactor(_) => self.contexts.len(),
            Field::N => self.n.len(),
            Field::Sum => self.sums.len(),
            Field::SumSq => self.sums_sq.len(),
            Field::Nonzero => self.nonzero.len(),
            Field::Source(_) => self.rows,
        }
    }

    /// Fills the columns that the file does not have. Those that it has, have all their rows.
    pub(crate) fn complete(&mut self, rows: usize, no_context: Context) {
        fn pad<T: Clone>(column: &mut Vec<T>, rows: usize, with: T) {
            if column.is_empty() {
                column.resize(rows, with);
            }
        }
        self.rows = rows;
        pad(&mut self.times, rows, time::NULL);
        pad(&mut self.optimizations, rows, Claim::Absent);
        pad(&mut self.names, rows, Claim::Absent);
        pad(&mut self.values, rows, Number::Null);
        pad(&mut self.variants, rows, Variant::Unknown(CauseId::NONE));
        pad(&mut self.contexts, rows, no_context);
        for column in [&mut self.n, &mut self.sums, &mut self.sums_sq, &mut self.nonzero] {
            pad(column, rows, Number::Null);
        }
    }

    /// Keeps the text of a field that cannot be used, to show it.
    pub(crate) fn note(&mut self, row: usize, field: Field, text: &str) {
        if self.notes.len() < NOTES {
            self.notes.push((row, field, cut(text)));
        }
    }

    /// Keeps the first name of a batch that is another one, and the first that looks like ours.
    pub(crate) fn note_name(&mut self, row: usize, claim: Claim, name: &str) {
        let noted = |of: &(usize, Field, String)| of.1 == Field::Name && self.names.get(of.0) == Some(&claim);
        if !self.notes.iter().any(noted) {
            self.note(row, Field::Name, name);
        }
    }

    /// Keeps the text of a field that looks as if it were meant as a time or a number, in a spelling that is not read.
    pub(crate) fn note_nearly(&mut self, row: usize, field: Field, text: &str) {
        self.nearly.push((row, field, cut(text)));
    }

    /// Finishes the batch: marks the times that cannot be right, and fails where a row of this optimization and reward has a
    /// value that is nearly one, or one factor twice. To leave such a row out would be a loss that nobody asked for.
    ///
    /// # Errors
    /// [`SnapshotError::Value`], [`SnapshotError::DuplicateName`].
    pub(crate) fn check(
        &mut self,
        object: &str,
        role: Role,
        plan: &Plan<'_>,
        assigner: &Assigner<'_>,
    ) -> Result<(), SnapshotError> {
        let latest = time::latest_plausible(plan.now);
        if time::any_odd(&self.times, latest) {
            for row in 0..self.times.len() {
                let time = self.times[row];
                if time::is_implausible(time, latest) {
                    self.note(row, Field::Time, &time::shown(time));
                    self.times[row] = time::IMPLAUSIBLE;
                }
            }
        }
        if role == Role::Times {
            // The rows come again, with what says whether they are ours.
            return Ok(());
        }
        let other = |claims: &[Claim], row: usize| claims.get(row).is_some_and(|claim| claim.is_other());
        let is_ours = |row: usize| !other(&self.optimizations, row) && !other(&self.names, row);
        if assigner.has_twice() {
            self.refuse_twice(object, is_ours, assigner)?;
        }
        let Some((row, field, text)) = self.nearly.iter().find(|(row, ..)| is_ours(*row)) else { return Ok(()) };
        let expected = match field {
            Field::Id => "all digits of the number, and nothing else",
            Field::Time => "a time such as 2026-01-31T23:59:59Z, with the zone as an offset, or none for UTC",
            _ => "a number such as 1234.5, without thousands separators, decimal comma, currency or percent sign",
        };
        Err(SnapshotError::Value {
            object: object.into(),
            place: self.place(*row),
            column: field.name(role, plan.space).into(),
            value: format!("{text:?}"),
            expected: expected.into(),
        })
    }

    /// Fails where a row that counts has a factor twice.
    fn refuse_twice(
        &self,
        object: &str,
        counts: impl Fn(usize) -> bool,
        assigner: &Assigner<'_>,
    ) -> Result<(), SnapshotError> {
        for row in (0..self.rows).filter(|&row| counts(row)) {
            let (column, name) = match (self.variants[row], self.contexts[row]) {
                (Variant::Twice(name), _) => ("variant", name),
                (_, Context::Twice(name)) => ("context", name),
                _ => continue,
            };
            let (place, name) = (self.place(row), assigner.shown(name));
            return Err(SnapshotError::DuplicateName { object: object.into(), place, column, name });
        }
        Ok(())
    }

    /// The name of a field's column and what a row has there, as far as that is known.
    fn shown(&self, row: usize, field: Field) -> (Option<String>, Option<String>) {
        let note = self.notes.iter().find(|(at, of, _)| *at == row && *of == field).map(|(_, _, text)| text.clone());
        let Some((record, fields)) = &self.record else { return (None, note) };
        let Some(position) = fields.iter().position(|of| *of == field) else { return (None, note) };
        let name = cut(record.schema_ref().field(position).name());
        (Some(name), note.or_else(|| value::shown(record.column(position), row).map(|text| cut(&text))))
    }

    /// A row as an example, with what it has in a field; an id is not shown.
    pub(crate) fn example(&self, object: &str, row: usize, field: Option<Field>, column: Option<&str>) -> Example {
        let (name, value) = field.map_or((None, None), |field| self.shown(row, field));
        Example {
            column: name.or_else(|| column.map(cut)),
            value: value.filter(|_| field != Some(Field::Id)),
            ..self.place(row).example(object)
        }
    }

    pub(crate) fn place(&self, row: usize) -> Place {
        match &self.places {
            Places::Rows { row_group, first } => Place::Row { row_group: *row_group, row: first + row as u64 },
            Places::Chosen { row_group, rows } => {
                rows.get(row).map_or(Place::RowGroup(*row_group), |&row| Place::Row { row_group: *row_group, row })
            }
            Places::Lines(lines) => lines.get(row).map_or(Place::Object, |&line| Place::Line(line)),
        }
    }

    /// Whether a reward that is to be summed is small enough for that.
    ///
    /// # Errors
    /// [`SnapshotError::Value`].
    pub(crate) fn summable(&self, object: &str, row: usize, column: &str, value: f64) -> Result<(), SnapshotError> {
        if value.abs() > LARGEST {
            return Err(self.wrong(object, row, column, value, format!("from -{LARGEST:e} to {LARGEST:e}")));
        }
        Ok(())
    }

    /// An error about a value of this batch.
    pub(crate) fn wrong(&self, object: &str, row: usize, column: &str, value: f64, expected: String) -> SnapshotError {
        SnapshotError::Value {
            object: object.into(),
            place: self.place(row),
            column: column.into(),
            value: value.to_string(),
            expected: expected.into(),
        }
    }
}

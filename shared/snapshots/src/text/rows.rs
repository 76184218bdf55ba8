//! From the fields of a text record to the columns of a batch.

use std::borrow::Cow;

use crate::assign::{Assigner, Context, Levels, Variant};
use crate::batch::{Batch, Places, ROWS};
use crate::cell::Cell;
use crate::dress;
use crate::error::{Place, SnapshotError};
use crate::fields::{Field, Role, Wanted};
use crate::limits::Limits;
use crate::mapping::Columns;
use crate::number::{self, Number};
use crate::outcomes::Names;
use crate::plan::Plan;
use crate::report::cut;
use crate::time;
use crate::unknown::Side;

/// Collects records into batches.
pub(crate) struct Rows<'r, 'a> {
    key: &'r str,
    role: Role,
    mapping: Option<&'r Columns>,
    plan: &'r Plan<'r>,
    /// Whether the format tells texts from numbers.
    typed: bool,
    assigner: &'r mut Assigner<'a>,
    each: &'r mut dyn FnMut(&Batch) -> Result<(), SnapshotError>,
    batch: Batch,
    /// The line of each record, or its row in a row group.
    lines: Vec<u64>,
    row_group: Option<usize>,
    design: Levels,
    context: Levels,
    has_bad: bool,
}

impl<'r, 'a> Rows<'r, 'a> {
    pub(crate) fn new(
        key: &'r str,
        (role, mapping): (Role, Option<&'r Columns>),
        plan: &'r Plan<'r>,
        typed: bool,
        assigner: &'r mut Assigner<'a>,
        each: &'r mut dyn FnMut(&Batch) -> Result<(), SnapshotError>,
    ) -> Self {
        let space = assigner.space();
        let (design, context) = (Levels::new(space.design().len()), Levels::new(space.context().len()));
        let (batch, lines) = (Batch::new(), Vec::new());
        Self {
            key,
            role,
            mapping,
            plan,
            typed,
            assigner,
            each,
            batch,
            lines,
            row_group: None,
            design,
            context,
            has_bad: false,
        }
    }

    /// Says that the records are rows of a row group, by their numbers instead of lines.
    pub(crate) fn of_row_group(mut self, row_group: usize) -> Self {
        self.row_group = Some(row_group);
        self
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
    pub(crate) fn push(&mut self, line: u64, wanted: &[Wanted], cells: &[Cell<'_>]) -> Result<(), SnapshotError> {
        let Some(columns) = self.mapping else { return self.push_fields(line, wanted, cells) };
        // What the path carries comes before the mapping.
        let given: Vec<Cell<'_>> = wanted
            .iter()
            .zip(cells)
            .map(|(column, cell)| match (cell, &column.in_path) {
                (Cell::Absent, Some(Some(text))) => Cell::Text(Cow::Borrowed(text.as_str())),
                (Cell::Absent, Some(None)) => Cell::Null,
                (cell, _) => cell.clone(),
            })
            .collect();
        if let Some(fields) = columns.apply(&given) {
            self.push_fields(line, &columns.fields, &fields)
        } else {
            self.batch.filtered += 1;
            Ok(())
        }
    }

    fn push_fields(&mut self, line: u64, wanted: &[Wanted], cells: &[Cell<'_>]) -> Result<(), SnapshotError> {
        // Whether the levels are to be taken from the columns of single factors.
        let (mut variant, mut contexts) = (false, false);
        let row = self.lines.len();
        for (column, cell) in wanted.iter().zip(cells) {
            let in_path = column.in_path.as_ref().map(|value| match value {
                Some(text) => Cell::Text(Cow::Borrowed(text.as_str())),
                None => Cell::Null,
            });
            let cell = match (&in_path, cell) {
                (None, cell) => cell,
                (Some(in_path), Cell::Absent) => in_path,
                (Some(in_path), cell) => {
                    self.agree(line, column, cell, in_path)?;
                    cell
                }
            };
            let typed = self.typed && in_path.is_none();
            let batch = &mut self.batch;
            let field = column.field;
            match field {
                Field::Id => {
                    // An id is not shown.
                    if let Some(what) = cell.text().and_then(|text| dress::nearly_number(text.as_bytes())) {
                        batch.note_nearly(row, field, what);
                    }
                    cell.push_id(batch);
                }
                Field::Time => {
                    let time = cell.time();
                    batch.times.push(time);
                    if time == time::BAD {
                        note(batch, row, field, cell, time::is_nearly);
                    }
                }
                Field::Optimization => batch.optimizations.push(cell.claim(Names::One(self.plan.optimization_id))),
                Field::Name => {
                    let claim = cell.claim(self.plan.reward_names());
                    batch.names.push(claim);
                    if claim.is_other() {
                        batch.note_name(row, claim, cell.shown());
                    }
                }
                Field::Value | Field::N | Field::Sum | Field::SumSq | Field::Nonzero => {
                    let number = cell.number();
                    if number == Number::Bad {
                        note(batch, row, field, cell, number::is_nearly);
                    }
                    match field {
                        Field::N => batch.n.push(number),
                        Field::Sum => batch.sums.push(number),
                        Field::SumSq => batch.sums_sq.push(number),
                        Field::Nonzero => batch.nonzero.push(number),
                        _ => batch.values.push(number),
                    }
                }
                Field::Variant if *cell == Cell::Absent => variant = true,
                Field::Context if *cell == Cell::Absent => contexts = true,
                Field::Variant => batch.variants.push(match self.assigner.variant(cell.json()) {
                    Variant::BadJson(_) if cell.json().is_some_and(is_null_word) => self.assigner.variant(None),
                    variant => variant,
                }),
                Field::Context => batch.contexts.push(match self.assigner.context(cell.json()) {
                    Context::BadJson(_) if cell.json().is_some_and(is_null_word) => self.assigner.context(None),
                    context => context,
                }),
                // The mapping has made other columns of them.
                Field::Source(_) => {}
                Field::DesignFactor(i) => self.design.set(i, self.assigner.find(Side::Design, i, cell.scalar(typed))),
                Field::ContextFactor(i) => {
                    self.context.set(i, self.assigner.find(Side::Context, i, cell.scalar(typed)));
                }
            }
        }
        let batch = &mut self.batch;
        if variant {
            batch.variants.push(self.assigner.variant_of(&self.design));
        }
        if contexts {
            batch.contexts.push(self.assigner.context_of(&self.context));
        }
        self.lines.push(line);
        if self.lines.len() == ROWS { self.flush() } else { Ok(()) }
    }

    /// Whether a field says the same as the path of its file.
    ///
    /// # Errors
    /// [`SnapshotError::PathDiffers`].
    fn agree(&mut self, line: u64, column: &Wanted, cell: &Cell<'_>, in_path: &Cell<'_>) -> Result<(), SnapshotError> {
        let mut find = |side, i| {
            self.assigner.find(side, i, cell.scalar(self.typed)) == self.assigner.find(side, i, in_path.scalar(false))
        };
        let same = match column.field {
            Field::Id => cell.same_id(in_path),
            Field::Time => cell.time() == in_path.time(),
            Field::Optimization | Field::Name => cell.json() == in_path.json(),
            Field::Value | Field::N | Field::Sum | Field::SumSq | Field::Nonzero => cell.number() == in_path.number(),
            Field::Variant => self.assigner.variant(cell.json()) == self.assigner.variant(in_path.json()),
            Field::Context => self.assigner.context(cell.json()) == self.assigner.context(in_path.json()),
            Field::DesignFactor(i) => find(Side::Design, i),
            Field::ContextFactor(i) => find(Side::Context, i),
            Field::Source(_) => true,
        };
        if same {
            return Ok(());
        }
        let shown = |cell: &Cell<'_>| match cell.json() {
            // An id is not shown.
            Some(_) if column.field == Field::Id => "another".to_owned(),
            Some(text) => format!("{:?}", cut(text)),
            None => "null".to_owned(),
        };
        Err(SnapshotError::PathDiffers {
            object: self.key.into(),
            place: Place::Line(line),
            column: column.names[0].clone(),
            value: shown(cell),
            in_path: shown(in_path).into(),
        })
    }

    /// Counts a line that is no record.
    pub(super) fn push_bad(&mut self) {
        self.batch.bad_records += 1;
        self.has_bad = true;
    }

    fn flush(&mut self) -> Result<(), SnapshotError> {
        let rows = self.lines.len();
        let lines = std::mem::take(&mut self.lines);
        self.batch.places = match self.row_group {
            None => Places::Lines(lines),
            Some(row_group) => Places::Chosen { row_group, rows: lines },
        };
        self.batch.complete(rows, self.assigner.no_context());
        self.batch.check(self.key, self.role, self.plan, self.assigner)?;
        (self.each)(&self.batch)?;
        self.batch.clear();
        if let Places::Lines(lines) | Places::Chosen { rows: lines, .. } = &mut self.batch.places {
            self.lines = std::mem::take(lines);
        }
        Ok(())
    }

    /// Hands on what is left.
    ///
    /// # Errors
    /// What comes of handing it on.
    pub(crate) fn finish(&mut self) -> Result<(), SnapshotError> {
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

//! Columns that the path of a file carries: their rows where the file does not have them, and whether it agrees where it has.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, StringArray};

use super::levels::{Reader, column_levels};
use super::open::{Column, ParquetFile};
use crate::assign::Assigner;
use crate::batch::{Batch, Claim, Id};
use crate::error::SnapshotError;
use crate::fields::{Field, Wanted};
use crate::number::Number;
use crate::outcomes::Names;
use crate::plan::Plan;
use crate::report::cut;
use crate::time;
use crate::unknown::Side;

/// A column of one value in every row.
pub(super) fn repeated(value: Option<&str>, rows: usize) -> ArrayRef {
    let keys: Int32Array = std::iter::repeat_n(value.map(|_| 0), rows).collect();
    let values = StringArray::from(vec![value.unwrap_or_default()]);
    // The one key is that of the one value.
    Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(values)))
}

fn claim(value: Option<&str>, ours: Names<'_>) -> Claim {
    value.map_or(Claim::Null, |text| Claim::of(text.as_bytes(), ours))
}

fn number(value: Option<&str>) -> Number {
    value.filter(|text| !text.is_empty()).map_or(Number::Null, Number::from_text)
}

fn time_of(value: Option<&str>) -> i64 {
    value.map_or(time::NULL, time::from_text)
}

/// Fills a field that the file does not have; the columns of single factors are filled with the others of their kind.
pub(super) fn fill(
    batch: &mut Batch,
    rows: usize,
    column: &Wanted,
    plan: &Plan<'_>,
    levels: &mut Reader,
    assigner: &mut Assigner<'_>,
) {
    let value = column.in_path.as_ref().and_then(Option::as_deref);
    match column.field {
        Field::Id => {
            let packed = batch.ids.packed();
            (0..rows).for_each(|_| packed.push(value.map_or(Id::Null, |id| Id::Text(id.as_bytes()))));
        }
        Field::Time => batch.times.resize(rows, time_of(value)),
        Field::Optimization => batch.optimizations.resize(rows, claim(value, Names::One(plan.optimization_id))),
        Field::Name => batch.names.resize(rows, claim(value, plan.reward_names())),
        Field::Value => batch.values.resize(rows, number(value)),
        Field::N => batch.n.resize(rows, number(value)),
        Field::Sum => batch.sums.resize(rows, number(value)),
        Field::SumSq => batch.sums_sq.resize(rows, number(value)),
        Field::Nonzero => batch.nonzero.resize(rows, number(value)),
        Field::Variant => levels.variants(&repeated(value, rows), assigner, &mut batch.variants),
        Field::Context => levels.contexts(&repeated(value, rows), assigner, &mut batch.contexts),
        Field::DesignFactor(_) | Field::ContextFactor(_) | Field::Source(_) => {}
    }
}

/// Checks that a column of the file says in every row what the path says.
///
/// # Errors
/// [`SnapshotError::PathDiffers`].
pub(super) fn agree(
    file: &ParquetFile<'_>,
    batch: &Batch,
    column: &Column,
    array: &ArrayRef,
    plan: &Plan<'_>,
    assigner: &mut Assigner<'_>,
) -> Result<(), SnapshotError> {
    let Some(wanted) = file.in_path.iter().find(|wanted| wanted.field == column.field) else { return Ok(()) };
    let value = wanted.in_path.as_ref().and_then(Option::as_deref);
    let rows = array.len();
    let first = |same: &mut dyn FnMut(usize) -> bool| (0..rows).find(|&row| !same(row));
    let mut of_factor = |side, factor| {
        let (found, expected) =
            (column_levels(array, side, factor, assigner), column_levels(&repeated(value, 1), side, factor, assigner));
        (0..rows).find(|&row| found[row] != expected[0])
    };
    let differs = match column.field {
        Field::Id => {
            let id = value.map_or(Id::Null, |id| Id::Text(id.as_bytes()));
            first(&mut |row| batch.ids.get(row) == id)
        }
        Field::Time => first(&mut |row| batch.times[row] == time_of(value)),
        Field::Optimization => {
            first(&mut |row| batch.optimizations[row] == claim(value, Names::One(plan.optimization_id)))
        }
        Field::Name => first(&mut |row| batch.names[row] == claim(value, plan.reward_names())),
        Field::Value => first(&mut |row| batch.values[row] == number(value)),
        Field::N => first(&mut |row| batch.n[row] == number(value)),
        Field::Sum => first(&mut |row| batch.sums[row] == number(value)),
        Field::SumSq => first(&mut |row| batch.sums_sq[row] == number(value)),
        Field::Nonzero => first(&mut |row| batch.nonzero[row] == number(value)),
        Field::DesignFactor(factor) => of_factor(Side::Design, factor),
        Field::ContextFactor(factor) => of_factor(Side::Context, factor),
        Field::Source(_) => None,
        Field::Variant => {
            let expected = assigner.variant(value);
            first(&mut |row| batch.variants[row] == expected)
        }
        Field::Context => {
            let expected = assigner.context(value);
            first(&mut |row| batch.contexts[row] == expected)
        }
    };
    let Some(row) = differs else { return Ok(()) };
    let shown = |value: Option<String>| match value {
        // An id is not shown.
        _ if column.field == Field::Id => "another".to_owned(),
        Some(text) => format!("{:?}", cut(&text)),
        None => "null".to_owned(),
    };
    Err(SnapshotError::PathDiffers {
        object: file.key.into(),
        place: batch.place(row),
        column: wanted.names[0].clone(),
        value: shown(batch.example(file.key, row, Some(column.field), None).value),
        in_path: shown(value.map(str::to_owned)).into(),
    })
}

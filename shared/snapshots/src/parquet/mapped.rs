//! Rows of a schema that a mapping reads: one after the other, as records.

use std::borrow::Cow;

use arrow_array::RecordBatch;
use serde_json::Value;

use super::open::ParquetFile;
use crate::cell::Cell;
use crate::error::SnapshotError;
use crate::fields::Field;
use crate::mapping::Columns;
use crate::text::Rows;
use crate::value;

/// A value with the text that its cell borrows.
enum Owned {
    Value(Value),
    /// A number, an object or an array as JSON text.
    Number(String),
    Nested(String),
}

impl Owned {
    fn of(value: Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(number.to_string()),
            nested @ (Value::Array(_) | Value::Object(_)) => Self::Nested(nested.to_string()),
            scalar => Self::Value(scalar),
        }
    }

    fn cell(&self) -> Cell<'_> {
        match self {
            Self::Number(text) => Cell::Number(Cow::Borrowed(text)),
            Self::Nested(text) => Cell::Nested(Cow::Borrowed(text)),
            Self::Value(Value::String(text)) => Cell::Text(Cow::Borrowed(text)),
            Self::Value(Value::Bool(value)) => Cell::Bool(*value),
            Self::Value(_) => Cell::Null,
        }
    }
}

/// Pushes the rows of some columns; `first` is the number of the first of them in the row group.
pub(super) fn push(
    file: &ParquetFile<'_>,
    columns: &Columns,
    record: &RecordBatch,
    first: u64,
    rows: &mut Rows<'_, '_>,
) -> Result<(), SnapshotError> {
    let mut position = vec![None; columns.read.len()];
    for (at, column) in file.columns.iter().enumerate() {
        if let Field::Source(source) = column.field {
            position[source] = Some(at);
        }
    }
    for row in 0..record.num_rows() {
        let value = |at: &Option<usize>| at.map(|at| Owned::of(value::of(record.column(at), row)));
        let owned: Vec<Option<Owned>> = position.iter().map(value).collect();
        let cells: Vec<Cell<'_>> = owned.iter().map(|value| value.as_ref().map_or(Cell::Absent, Owned::cell)).collect();
        rows.push(first + row as u64, &file.wanted, &cells)?;
    }
    Ok(())
}

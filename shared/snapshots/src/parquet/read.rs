//! The rows of a row group.

use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::columns::{claims, ids, numbers, times};
use super::fetch::Chunks;
use super::levels::{Reader, contexts_of, variants_of};
use super::open::{Column, ParquetFile, decoding};
use crate::assign::Assigner;
use crate::batch::{Batch, Places, ROWS};
use crate::error::{Place, SnapshotError};
use crate::fields::Field;
use crate::plan::Plan;

/// Decodes a row group and hands its rows on, some thousand at a time.
///
/// # Errors
/// [`SnapshotError::Undecodable`], and what `each` returns.
pub(crate) fn read(
    file: &ParquetFile<'_>,
    row_group: usize,
    chunks: Chunks,
    plan: &Plan<'_>,
    assigner: &mut Assigner<'_>,
    each: &mut dyn FnMut(&Batch) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let place = Place::RowGroup(row_group);
    let mut reader = decoding(file.key, place, || {
        ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, file.metadata.clone())
            .with_row_groups(vec![row_group])
            .with_projection(file.mask.clone())
            .with_batch_size(ROWS)
            .build()
    })?;
    let mut levels = Reader::new();
    let mut batch = Batch::new();
    let mut first = 0;
    while let Some(record) = decoding(file.key, place, || Ok(reader.next().transpose()?))? {
        batch.clear();
        batch.places = Places::Rows { row_group, first };
        fill(&mut batch, &record, &file.columns, plan, &mut levels, assigner);
        let rows = record.num_rows();
        if let Some(short) = file.columns.iter().position(|column| batch.filled(column.field) != rows) {
            let name = record.schema_ref().fields().get(short).map_or("", |field| field.name());
            let detail = format!("column {name:?} does not come to one value for each of {rows} rows");
            return Err(SnapshotError::undecodable(file.key, place, detail));
        }
        batch.complete(rows, assigner.no_context());
        first += rows as u64;
        each(&batch)?;
    }
    let expected = file.metadata.metadata().row_group(row_group).num_rows();
    if i64::try_from(first) != Ok(expected) {
        let detail = format!("truncated: {first} rows of {expected}");
        return Err(SnapshotError::undecodable(file.key, place, detail));
    }
    Ok(())
}

/// Fills the columns of the batch that the file has.
fn fill(
    batch: &mut Batch,
    record: &RecordBatch,
    columns: &[Column],
    plan: &Plan<'_>,
    levels: &mut Reader,
    assigner: &mut Assigner<'_>,
) {
    let mut design: Vec<(usize, &ArrayRef)> = Vec::new();
    let mut context: Vec<(usize, &ArrayRef)> = Vec::new();
    for (column, array) in columns.iter().zip(record.columns()) {
        match column.field {
            Field::Id => ids(array, column, &mut batch.ids),
            Field::Time => times(array, &mut batch.times),
            Field::Optimization => claims(array, column, plan.optimization_id, &mut batch.optimizations),
            Field::Name => claims(array, column, plan.reward_name, &mut batch.names),
            Field::Value => numbers(array, &mut batch.values),
            Field::N => numbers(array, &mut batch.n),
            Field::Sum => numbers(array, &mut batch.sums),
            Field::SumSq => numbers(array, &mut batch.sums_sq),
            Field::Variant => levels.variants(array, assigner, &mut batch.variants),
            Field::Context => levels.contexts(array, assigner, &mut batch.contexts),
            Field::DesignFactor(factor) => design.push((factor, array)),
            Field::ContextFactor(factor) => context.push((factor, array)),
        }
    }
    let rows = record.num_rows();
    if !design.is_empty() {
        variants_of(&design, rows, assigner, &mut batch.variants);
    }
    if !context.is_empty() {
        contexts_of(&context, rows, assigner, &mut batch.contexts);
    }
}

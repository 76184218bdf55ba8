//! The rows of a row group.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow_array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;

use super::columns::{claims, ids, numbers, times};
use super::fetch::Chunks;
use super::in_path::{self, repeated};
use super::levels::{Reader, contexts_of, variants_of};
use super::mapped;
use super::open::{ParquetFile, decoding};
use super::pages::{self, Group};
use crate::assign::Assigner;
use crate::batch::{Batch, Places};
use crate::error::{Place, SnapshotError};
use crate::fields::{Field, Role, Wanted};
use crate::mapping::Columns;
use crate::outcomes::Names;
use crate::plan::Plan;
use crate::report::cut;
use crate::text::Rows;

/// Decodes a row group and hands its rows on, some thousand at a time. `total` counts the bytes to which the files of the folder are
/// decompressed.
///
/// # Errors
/// [`SnapshotError::Undecodable`], [`SnapshotError::Limit`], and what `each` returns.
pub(crate) fn read(
    (file, row_group): (&ParquetFile<'_>, usize),
    chunks: &Chunks,
    (role, mapping): (Role, Option<&Columns>),
    plan: &Plan<'_>,
    total: &AtomicU64,
    assigner: &mut Assigner<'_>,
    each: &mut dyn FnMut(&Batch) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let place = Place::RowGroup(row_group);
    let together = pages::check(group(file, row_group), chunks, &plan.limits, total)?;
    let mut reader = decoding(file.key, place, || records(file, row_group, chunks, &file.mask, together))?;
    let mut next = || {
        let next = decoding(file.key, place, || Ok(reader.next().transpose()?));
        next.map_err(|error| blame(file, row_group, chunks, together).unwrap_or(error))
    };
    let expected = file.metadata.metadata().row_group(row_group).num_rows();
    let whole = |rows: u64| {
        if i64::try_from(rows) == Ok(expected) {
            return Ok(());
        }
        Err(SnapshotError::undecodable(file.key, place, format!("truncated: {rows} rows of {expected}")))
    };
    let mut first = 0;
    if let Some(columns) = mapping {
        let mut rows = Rows::new(file.key, (role, mapping), plan, true, assigner, each).of_row_group(row_group);
        while let Some(record) = next()? {
            mapped::push(file, columns, &record, first, &mut rows)?;
            first += record.num_rows() as u64;
        }
        rows.finish()?;
        return whole(first);
    }
    let mut levels = Reader::new();
    let mut batch = Batch::new();
    while let Some(record) = next()? {
        batch.clear();
        batch.places = Places::Rows { row_group, first };
        fill(&mut batch, file, &record, plan, &mut levels, assigner)?;
        let rows = record.num_rows();
        if let Some(short) = file.columns.iter().find(|column| batch.filled(column.field) != rows) {
            let detail = format!("column {:?} does not come to one value for each of {rows} rows", cut(&short.name));
            return Err(SnapshotError::undecodable(file.key, place, detail));
        }
        batch.complete(rows, assigner.no_context());
        batch.record = Some((record.clone(), file.columns.iter().map(|column| column.field).collect()));
        for (column, array) in file.columns.iter().zip(record.columns()) {
            in_path::agree(file, &batch, column, array, plan, assigner)?;
        }
        batch.check(file.key, role, plan, assigner)?;
        first += rows as u64;
        each(&batch)?;
    }
    whole(first)
}

/// A row group, as its pages are checked.
fn group<'f>(file: &'f ParquetFile<'_>, number: usize) -> Group<'f> {
    let (metadata, read_as) = (file.metadata.metadata().row_group(number), file.metadata.schema());
    Group { key: file.key, number, metadata, mask: &file.mask, read_as }
}

/// Decodes some columns of a row group.
fn records(
    file: &ParquetFile<'_>,
    row_group: usize,
    chunks: &Chunks,
    mask: &ProjectionMask,
    together: usize,
) -> Result<ParquetRecordBatchReader, ParquetError> {
    ParquetRecordBatchReaderBuilder::new_with_metadata(chunks.clone(), file.metadata.clone())
        .with_row_groups(vec![row_group])
        .with_projection(mask.clone())
        .with_batch_size(together)
        .build()
}

/// The error of the first column that cannot be decoded by itself, with its name.
fn blame(file: &ParquetFile<'_>, row_group: usize, chunks: &Chunks, together: usize) -> Option<SnapshotError> {
    let place = Place::RowGroup(row_group);
    let descriptor = file.metadata.parquet_schema();
    file.columns.iter().find_map(|column| {
        let mask = ProjectionMask::roots(descriptor, [column.position]);
        let decoded = decoding(file.key, place, || {
            records(file, row_group, chunks, &mask, together)?.try_for_each(|record| record.map(|_| ()))?;
            Ok(())
        });
        match decoded {
            Err(SnapshotError::Undecodable { object, place, detail }) => {
                let detail = format!("column {:?}: {detail}", cut(&column.name));
                Some(SnapshotError::Undecodable { object, place, detail })
            }
            _ => None,
        }
    })
}

/// Fills the columns of the batch that the file has.
fn fill(
    batch: &mut Batch,
    file: &ParquetFile<'_>,
    record: &RecordBatch,
    plan: &Plan<'_>,
    levels: &mut Reader,
    assigner: &mut Assigner<'_>,
) -> Result<(), SnapshotError> {
    let arrays = file.columns.iter().zip(record.columns()).map(|(column, array)| match &column.only_nulls {
        None => Ok(Arc::clone(array)),
        Some(_) if array.logical_null_count() == array.len() => Ok(new_null_array(&DataType::Null, array.len())),
        Some(found) => Err(column.wrong_type(file.key, found)),
    });
    let arrays: Vec<ArrayRef> = arrays.collect::<Result<_, _>>()?;
    let rows = record.num_rows();
    let missing = |wanted: &&Wanted| !file.columns.iter().any(|column| column.field == wanted.field);
    let carried: Vec<&Wanted> = file.in_path.iter().filter(missing).collect();
    let in_path: Vec<ArrayRef> =
        carried.iter().map(|wanted| repeated(wanted.in_path.as_ref().and_then(Option::as_deref), rows)).collect();
    let mut design: Vec<(usize, &ArrayRef)> = Vec::new();
    let mut context: Vec<(usize, &ArrayRef)> = Vec::new();
    for (column, array) in file.columns.iter().zip(&arrays) {
        match column.field {
            Field::Id => {
                for (row, what) in ids(array, &mut batch.ids) {
                    batch.note_nearly(row, column.field, what);
                }
            }
            Field::Time => times(array, batch),
            Field::Optimization => claims(array, Names::One(plan.optimization_id), &mut batch.optimizations),
            Field::Name => claims(array, plan.reward_names(), &mut batch.names),
            Field::Value => numbers(array, &mut batch.values),
            Field::N => numbers(array, &mut batch.n),
            Field::Sum => numbers(array, &mut batch.sums),
            Field::SumSq => numbers(array, &mut batch.sums_sq),
            Field::Nonzero => numbers(array, &mut batch.nonzero),
            Field::Variant => levels.variants(array, assigner, &mut batch.variants),
            Field::Context => levels.contexts(array, assigner, &mut batch.contexts),
            Field::DesignFactor(factor) => design.push((factor, array)),
            Field::ContextFactor(factor) => context.push((factor, array)),
            // Read row by row instead.
            Field::Source(_) => {}
        }
    }
    for (wanted, array) in carried.iter().zip(&in_path) {
        match wanted.field {
            Field::DesignFactor(factor) => design.push((factor, array)),
            Field::ContextFactor(factor) => context.push((factor, array)),
            _ => in_path::fill(batch, rows, wanted, plan, levels, assigner),
        }
    }
    // The one column goes before the columns of single factors.
    if !design.is_empty() && batch.variants.is_empty() {
        variants_of(&design, rows, assigner, &mut batch.variants);
    }
    if !context.is_empty() && batch.contexts.is_empty() {
        contexts_of(&context, rows, assigner, &mut batch.contexts);
    }
    Ok(())
}

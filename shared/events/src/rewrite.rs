//! Parts made of parts: several become one, and some rows are left out.

use std::collections::HashSet;

use arrow_array::{Array as _, BooleanArray, RecordBatch, StringArray};
use arrow_select::filter::filter_record_batch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::errors::ParquetError;

use crate::kind::Kind;
use crate::part::writer;

/// Rows that are in memory at once.
const ROWS: usize = 16 * 1024;

/// What rewriting came to.
pub(crate) struct Rewritten {
    /// The file; `None` where no row is left.
    pub(crate) bytes: Option<Bytes>,
    /// Rows in it.
    pub(crate) rows: u64,
    /// Rows that were left out.
    pub(crate) removed: u64,
}

fn open(part: Bytes) -> Result<ParquetRecordBatchReader, ParquetError> {
    ParquetRecordBatchReaderBuilder::try_new(part)?.with_batch_size(ROWS).build()
}

/// Writes the rows of parts of one kind one after another, without those of some users.
pub(crate) fn rewrite(kind: Kind, parts: Vec<Bytes>, without: &HashSet<String>) -> Result<Rewritten, ParquetError> {
    let mut out: Option<ArrowWriter<Vec<u8>>> = None;
    let (mut rows, mut removed) = (0, 0);
    for part in parts {
        for batch in open(part)? {
            let batch = batch?;
            let kept = if without.is_empty() { batch.clone() } else { filter(&batch, without)? };
            rows += kept.num_rows() as u64;
            removed += (batch.num_rows() - kept.num_rows()) as u64;
            if kept.num_rows() == 0 {
                continue;
            }
            let out = match &mut out {
                Some(out) => out,
                none => none.insert(writer(kind, batch.schema())?),
            };
            out.write(&kept)?;
        }
    }
    let bytes = out.map(ArrowWriter::into_inner).transpose()?.map(Bytes::from);
    Ok(Rewritten { bytes, rows, removed })
}

fn filter(batch: &RecordBatch, without: &HashSet<String>) -> Result<RecordBatch, ParquetError> {
    let column = batch.column_by_name("anonymous_id").and_then(|column| column.as_any().downcast_ref::<StringArray>());
    let ids = column.ok_or_else(|| ParquetError::General("the part has no column anonymous_id of text".to_owned()))?;
    let kept: BooleanArray = (0..ids.len()).map(|row| Some(!without.contains(ids.value(row)))).collect();
    Ok(filter_record_batch(batch, &kept)?)
}

/// Rows of a part as `(anonymous_id, timestamp)`.
///
/// # Errors
/// What the reader says.
#[doc(hidden)]
pub fn ids(part: Bytes) -> Result<Vec<String>, ParquetError> {
    let mut all = Vec::new();
    for batch in open(part)? {
        let batch = batch?;
        let column = batch.column_by_name("anonymous_id").and_then(|c| c.as_any().downcast_ref::<StringArray>());
        let ids = column.ok_or_else(|| ParquetError::General("no anonymous_id".to_owned()))?;
        all.extend(ids.iter().map(|id| id.unwrap_or_default().to_owned()));
    }
    Ok(all)
}

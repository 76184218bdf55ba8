//! The demonstration's traffic as Parquet, one file a day.

use std::sync::Arc;

use arrow_array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::ArrowError;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::events::Traffic;
use super::truth::{self, REWARD};
use crate::error::CliError;

/// The exposures of a day as a file.
pub(super) fn exposures(traffic: &Traffic, ids: &[String], day: u32) -> Result<Bytes, CliError> {
    let rows = traffic.exposures_on(day);
    let texts = |count: usize, text: &dyn Fn(usize) -> serde_json::Value| -> ArrayRef {
        Arc::new((0..count).map(|i| Some(text(i).to_string())).collect::<StringArray>())
    };
    let variants = texts(truth::variants(), &truth::variant);
    let contexts = texts(truth::contexts(), &truth::context);
    let coded = |codes: Int32Array, texts: &ArrayRef| -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(DictionaryArray::try_new(codes, Arc::clone(texts))?))
    };
    file(&[
        ("anonymous_id", of(ids, rows.iter().map(|e| e.visitor))),
        ("timestamp", times(traffic, rows.iter().map(|e| e.at))),
        ("variant", coded(rows.iter().map(|e| Some(i32::from(e.variant))).collect(), &variants)?),
        ("context", coded(rows.iter().map(|e| Some(i32::from(e.context))).collect(), &contexts)?),
    ])
}

/// The rewards of a day as a file.
pub(super) fn rewards(traffic: &Traffic, ids: &[String], day: u32) -> Result<Bytes, CliError> {
    let rows = traffic.rewards_on(day);
    let names: StringArray = rows.iter().map(|_| Some(REWARD)).collect();
    file(&[
        ("anonymous_id", of(ids, rows.iter().map(|r| r.visitor))),
        ("timestamp", times(traffic, rows.iter().map(|r| r.at))),
        ("name", Arc::new(names)),
    ])
}

fn of(ids: &[String], visitors: impl Iterator<Item = u32>) -> ArrayRef {
    Arc::new(visitors.map(|visitor| ids.get(visitor as usize)).collect::<StringArray>())
}

fn times(traffic: &Traffic, at: impl Iterator<Item = u32>) -> ArrayRef {
    let millis = at.map(|at| Some(traffic.moment(at))).collect::<TimestampMillisecondArray>();
    Arc::new(millis.with_timezone("UTC"))
}

fn file(columns: &[(&str, ArrayRef)]) -> Result<Bytes, CliError> {
    let batch = RecordBatch::try_from_iter(columns.iter().map(|(name, column)| (*name, Arc::clone(column))))?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    Ok(writer.into_inner()?.into())
}

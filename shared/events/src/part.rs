//! Parts: Parquet files of the events of one day, of one optimization or of all.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use hashbrown::HashMap;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::batch::{Batch, NO_TEXT, TextId};
use crate::kind::Kind;

/// Rewards that are for no one optimization lie in so many folders by their names, so that a name of its own for each event
/// makes no part of its own for each event.
pub const BUCKETS: u8 = 16;
/// A part names the rewards in it if they have no more names than this.
const MOST_NAMES: usize = 16;
/// Rows of a row group.
const ROW_GROUP: usize = 256 * 1024;

/// What the events of a part have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Partition {
    /// What they are.
    pub kind: Kind,
    /// What they are of; absent for rewards that count wherever their name is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimization: Option<String>,
    /// Then the bucket of their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<u8>,
    /// The day of their timestamps, in UTC.
    pub day: NaiveDate,
}

impl Partition {
    /// The folder, from the root on.
    #[must_use]
    pub fn folder(&self) -> String {
        let (kind, day) = (self.kind.as_str(), self.day);
        match (&self.optimization, self.bucket) {
            (Some(optimization), _) => format!("{kind}/{optimization}/{day}/"),
            (None, bucket) => format!("{kind}/all/{:02}/{day}/", bucket.unwrap_or(0)),
        }
    }
}

/// A part as a manifest names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The whole key of the object.
    pub key: String,
    /// What its events have in common.
    #[serde(flatten)]
    pub partition: Partition,
    /// The names of its rewards, where they are few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
    /// Bytes.
    pub size: u64,
    /// Events.
    pub rows: u64,
    /// The least timestamp, in microseconds since 1970.
    pub min_timestamp: i64,
    /// The greatest.
    pub max_timestamp: i64,
    /// The version that brought the latest of its events, or took some away.
    pub added: u64,
    /// When the object was written.
    pub written_at: DateTime<Utc>,
}

/// What a part's rows come to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) partition: Partition,
    pub(crate) names: Option<Vec<String>>,
    pub(crate) rows: u64,
    pub(crate) min_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) bytes: Bytes,
}

/// The bucket of a reward's name.
#[must_use]
pub fn bucket_of(name: &str) -> u8 {
    Sha256::digest(name.as_bytes())[0] % BUCKETS
}

/// The day of a timestamp.
#[must_use]
pub fn day_of(timestamp: i64) -> NaiveDate {
    DateTime::from_timestamp_micros(timestamp).map_or(NaiveDate::MIN, |time| time.date_naive())
}

/// The properties of the files of a kind.
pub(crate) fn properties(kind: Kind) -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    let level = ZstdLevel::try_new(1).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        // Ids are hardly ever the same twice.
        .set_column_dictionary_enabled(column("anonymous_id"), false)
        .set_column_dictionary_enabled(column("timestamp"), false)
        .set_column_encoding(column("timestamp"), Encoding::DELTA_BINARY_PACKED);
    if kind == Kind::Rewards {
        properties = properties.set_column_dictionary_enabled(column("properties"), false);
    }
    properties.build()
}

/// How arrays become a file. The arrow types are not noted in it: those of Parquet say all.
pub(crate) fn writer(kind: Kind, schema: arrow_schema::SchemaRef) -> Result<ArrowWriter<Vec<u8>>, ParquetError> {
    let options = ArrowWriterOptions::new().with_properties(properties(kind)).with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(Vec::new(), schema, options)
}

impl Batch {
    /// The rows of a batch as parts, in the order of their partitions.
    pub(crate) fn parts(&self, rows: &[u32]) -> Result<Vec<Written>, ParquetError> {
        let mut places: Vec<(Place, u32)> = rows.iter().map(|&row| (self.place(row as usize), row)).collect();
        places.sort_unstable();
        places.chunk_by(|a, b| a.0 == b.0).map(|part| self.part(part)).collect()
    }

    /// The partition of a row, as numbers: they sort fast.
    fn place(&self, row: usize) -> Place {
        let optimization = self.optimizations[row];
        let of_all = optimization == NO_TEXT && self.kind == Kind::Rewards;
        let name = || self.texts.get(self.rewards.names[row]).unwrap_or_default();
        Place {
            optimization,
            bucket: if of_all { bucket_of(name()) } else { 0 },
            day: self.timestamps[row].div_euclid(DAY),
        }
    }

    fn part(&self, places: &[(Place, u32)]) -> Result<Written, ParquetError> {
        let place = &places[0].0;
        let rows: Vec<usize> = places.iter().map(|(_, row)| *row as usize).collect();
        let times = || rows.iter().map(|&row| self.timestamps[row]);
        let (min_timestamp, max_timestamp) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
        let optimization = self.texts.get(place.optimization).map(str::to_owned);
        let partition = Partition {
            kind: self.kind,
            bucket: optimization.is_none().then_some(place.bucket),
            optimization,
            day: day_of(min_timestamp),
        };
        let (first, names) = match self.kind {
            Kind::Exposures => (self.exposure_columns(&rows)?, None),
            Kind::Rewards => (self.reward_columns(&rows)?, self.names(&rows)),
        };
        let mut writer = writer(self.kind, first.schema())?;
        writer.write(&first)?;
        let bytes = writer.into_inner()?.into();
        Ok(Written { partition, names, rows: rows.len() as u64, min_timestamp, max_timestamp, bytes })
    }

    fn names(&self, rows: &[usize]) -> Option<Vec<String>> {
        let mut ids: Vec<TextId> = rows.iter().map(|&row| self.rewards.names[row]).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut names: Vec<String> = ids.iter().filter_map(|&id| self.texts.get(id)).map(str::to_owned).collect();
        names.sort_unstable();
        (names.len() <= MOST_NAMES).then_some(names)
    }

    fn exposure_columns(&self, rows: &[usize]) -> Result<RecordBatch, ParquetError> {
        let columns = &self.exposures;
        let versions: Int64Array = rows.iter().map(|&row| columns.versions[row]).collect();
        let propensities: Float64Array = rows.iter().map(|&row| columns.propensities[row]).collect();
        let holdouts: BooleanArray = rows.iter().map(|&row| columns.holdouts[row]).collect();
        columns_of(vec![
            ("anonymous_id", self.id_column(rows)),
            ("timestamp", self.time_column(rows)),
            ("optimization_id", self.text_column(rows, &self.optimizations)?),
            ("variant", self.text_column(rows, &columns.variants)?),
            ("context", self.text_column(rows, &columns.contexts)?),
            ("posterior_version", Arc::new(versions)),
            ("propensity", Arc::new(propensities)),
            ("holdout", Arc::new(holdouts)),
        ])
    }

    fn reward_columns(&self, rows: &[usize]) -> Result<RecordBatch, ParquetError> {
        let columns = &self.rewards;
        let values = Float64Array::from_iter_values(rows.iter().map(|&row| columns.values[row]));
        let properties = columns.properties.as_slice();
        let properties: StringArray = rows.iter().map(|&row| self.texts.get(properties[row])).collect();
        columns_of(vec![
            ("anonymous_id", self.id_column(rows)),
            ("timestamp", self.time_column(rows)),
            ("name", self.text_column(rows, &columns.names)?),
            ("value", Arc::new(values)),
            ("optimization_id", self.text_column(rows, &self.optimizations)?),
            ("properties", Arc::new(properties)),
        ])
    }

    fn id_column(&self, rows: &[usize]) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|&row| self.ids.get(row))))
    }

    fn time_column(&self, rows: &[usize]) -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|&row| self.timestamps[row]));
        Arc::new(times.with_timezone("UTC"))
    }

    /// A column of texts of which there are few: numbers into a list of those that the rows have.
    fn text_column(&self, rows: &[usize], ids: &[TextId]) -> Result<ArrayRef, ParquetError> {
        let mut numbers: HashMap<TextId, i32> = HashMap::new();
        let mut texts: Vec<&str> = Vec::new();
        let number = |&row: &usize| {
            let text = self.texts.get(ids[row])?;
            Some(*numbers.entry(ids[row]).or_insert_with(|| {
                texts.push(text);
                i32::try_from(texts.len() - 1).unwrap_or(i32::MAX)
            }))
        };
        let keys: Int32Array = rows.iter().map(number).collect();
        let texts = StringArray::from(texts);
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(texts))?))
    }
}

fn columns_of(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, ParquetError> {
    // Whether a column may be null is the same in all files, whatever their rows.
    let required = ["anonymous_id", "timestamp", "variant", "name", "value"];
    let columns = columns.into_iter().map(|(name, column)| (name, column, !required.contains(&name)));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    optimization: TextId,
    bucket: u8,
    day: i64,
}

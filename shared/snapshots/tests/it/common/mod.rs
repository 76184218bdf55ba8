//! Snapshots in memory, and writers of small files in every format.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use bandit::{Dtype, Factor, RewardType, Space};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use snapshots::{
    Attribution, Immature, Limits, Object, Observations, Plan, SnapshotCounts, SnapshotError, Source, SourceError,
    count,
};

/// 2026-06-01T00:00:00Z in microseconds.
pub const T0: i64 = 1_780_272_000_000_000;
pub const HOUR: i64 = 3_600_000_000;

/// A snapshot in memory.
#[derive(Default)]
pub struct Memory {
    pub objects: BTreeMap<String, Bytes>,
    pub reads: AtomicUsize,
}

impl Memory {
    pub fn of(objects: impl IntoIterator<Item = (impl Into<String>, impl Into<Bytes>)>) -> Self {
        let objects = objects.into_iter().map(|(key, bytes)| (key.into(), bytes.into())).collect();
        Self { objects, reads: AtomicUsize::new(0) }
    }

    pub fn list(&self) -> Vec<Object> {
        // Not in the order of the names, as no one promises that.
        let object = |(key, bytes): (&String, &Bytes)| Object { key: key.clone(), size: bytes.len() as u64 };
        self.objects.iter().rev().map(object).collect()
    }

    pub fn count(&self, plan: &Plan<'_>) -> Result<SnapshotCounts, SnapshotError> {
        count(self, &self.list(), plan)
    }
}

impl Source for Memory {
    fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, SourceError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let bytes = self.objects.get(key).ok_or_else(|| SourceError::Failed("no such object".into()))?;
        Ok(bytes.slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()))
    }
}

pub fn factor(name: &str, levels: &[&str]) -> Factor {
    Factor::new(name, Dtype::Str, levels.iter().map(|l| (*l).into()).collect()).unwrap()
}

/// Two design factors of three and two levels, one context factor of two.
pub fn space() -> Space {
    let sticky = Factor::new("sticky", Dtype::Bool, vec!["false".into(), "true".into()]).unwrap();
    Space::new(vec![factor("headline", &["a", "b \"q\"", "1"]), sticky], vec![factor("device", &["mobile", "tablet"])])
        .unwrap()
}

pub fn plan(space: &Space) -> Plan<'_> {
    Plan {
        space,
        optimization_id: "opt",
        reward_name: "signup",
        outcomes: None,
        guardrails: None,
        reward: RewardType::Bool,
        attribution: Attribution::LastTouch,
        window_hours: 1,
        immature: Immature::Include,
        allow_no_rewards: false,
        threads: 2,
        now: T0 + 30 * 24 * HOUR,
        limits: Limits::default(),
    }
}

/// Variant, context, n, Σ r and Σ r² of a cell.
pub type Row = (usize, u64, u64, f64, f64);

pub fn cells(counted: &SnapshotCounts) -> Vec<Row> {
    counted.cells.cells().iter().map(|c| (c.variant, c.context, c.n, c.sum, c.sum_sq)).collect()
}

/// The skipped rows by the names of the reasons.
pub fn skipped(observations: &Observations) -> BTreeMap<&'static str, u64> {
    observations.skipped.iter().map(|(reason, rows)| (reason.name(), *rows)).collect()
}

/// The JSON text of a variant of [`space`].
pub fn variant_text(space: &Space, variant: usize) -> String {
    let levels = space.decode_variant(variant);
    let of = |i: usize| serde_json::to_string(&space.design()[i].levels()[levels[i]]).unwrap();
    format!(r#"{{"headline":{},"sticky":{}}}"#, of(0), space.design()[1].levels()[levels[1]])
}

/// The JSON text of a context of [`space`].
pub fn context_text(space: &Space, context: u64) -> String {
    match space.context()[0].levels().get(space.decode_context(context)[0]) {
        Some(level) => format!(r#"{{"device":"{level}"}}"#),
        None => "{}".into(),
    }
}

/// A file format with its ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Parquet,
    Json,
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

pub fn ending(kind: Kind, packing: Packing) -> String {
    let packing = match packing {
        _ if kind == Kind::Parquet => "",
        Packing::Plain => "",
        Packing::Gzip => ".gz",
        Packing::Zstd => ".zst",
    };
    let kind = match kind {
        Kind::Parquet => "parquet",
        Kind::Json => "jsonl",
        Kind::Csv => "csv",
    };
    format!("{kind}{packing}")
}

pub fn pack(text: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::Plain => text.to_vec(),
        Packing::Zstd => {
            // Two frames.
            let (first, second) = text.split_at(text.len() / 2);
            [zstd::encode_all(first, 1).unwrap(), zstd::encode_all(second, 1).unwrap()].concat()
        }
        Packing::Gzip => {
            // Two members.
            let (first, second) = text.split_at(text.len() / 3);
            let member = |text: &[u8]| {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            };
            [member(first), member(second)].concat()
        }
    }
}

pub fn parquet(columns: Vec<(&str, ArrayRef)>, row_group: usize) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(row_group)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

pub fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

pub fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

pub fn micros(values: &[i64]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values.to_vec()).with_timezone("UTC"))
}

pub fn doubles(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

/// A CSV field in quotes.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Microseconds as date-time text.
pub fn time_text(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// An exposure of [`space`].
#[derive(Clone, Debug)]
pub struct Exposure {
    pub id: String,
    pub time: i64,
    pub variant: usize,
    pub context: u64,
}

/// A reward; `value` is a multiple of a quarter, so that sums are exact.
#[derive(Clone, Debug)]
pub struct Reward {
    pub id: String,
    pub time: i64,
    pub value: f64,
}

pub fn exposures_file(space: &Space, rows: &[Exposure], kind: Kind, packing: Packing, row_group: usize) -> Vec<u8> {
    let text = |e: &Exposure| (variant_text(space, e.variant), context_text(space, e.context));
    match kind {
        Kind::Parquet => {
            let (variants, contexts): (Vec<String>, Vec<String>) = rows.iter().map(text).unzip();
            let columns = vec![
                ("context", Arc::new(StringArray::from(contexts)) as ArrayRef),
                ("anonymous_id", Arc::new(rows.iter().map(|e| Some(e.id.as_str())).collect::<StringArray>())),
                ("other", doubles(&vec![0.5; rows.len()])),
                ("timestamp", micros(&rows.iter().map(|e| e.time).collect::<Vec<_>>())),
                ("variant", Arc::new(StringArray::from(variants))),
            ];
            parquet(columns, row_group)
        }
        Kind::Json => {
            let line = |e: &Exposure| {
                let (variant, context) = text(e);
                format!(
                    r#"{{"other":[1],"anonymous_id":"{}","variant":{variant},"timestamp":{},"context":{}}}"#,
                    e.id,
                    e.time,
                    serde_json::to_string(&context).unwrap()
                )
            };
            pack(rows.iter().map(line).collect::<Vec<_>>().join("\n").as_bytes(), packing)
        }
        Kind::Csv => {
            let mut csv = String::from("timestamp,other,variant,ANONYMOUS_ID,context\r\n");
            for e in rows {
                let (variant, context) = text(e);
                let fields = [time_text(e.time), quoted("x\ny"), quoted(&variant), e.id.clone(), quoted(&context)];
                csv += &(fields.join(",") + "\r\n");
            }
            pack(csv.as_bytes(), packing)
        }
    }
}

pub fn rewards_file(rows: &[Reward], kind: Kind, packing: Packing, row_group: usize) -> Vec<u8> {
    match kind {
        Kind::Parquet => {
            let columns = vec![
                (
                    "anonymous_id",
                    Arc::new(rows.iter().map(|r| Some(r.id.as_str())).collect::<StringArray>()) as ArrayRef,
                ),
                ("timestamp", micros(&rows.iter().map(|r| r.time).collect::<Vec<_>>())),
                ("name", texts(&vec!["signup"; rows.len()])),
                ("value", doubles(&rows.iter().map(|r| r.value).collect::<Vec<_>>())),
            ];
            parquet(columns, row_group)
        }
        Kind::Json => {
            let line = |r: &Reward| {
                format!(
                    "{{\"anonymous_id\":{:?},\"timestamp\":{:?},\"name\":\"signup\",\"value\":{}}}\n",
                    r.id,
                    time_text(r.time),
                    r.value
                )
            };
            pack(rows.iter().map(line).collect::<String>().as_bytes(), packing)
        }
        Kind::Csv => {
            let line = |r: &Reward| format!("{},{},signup,{}\n", r.value, r.time, r.id);
            let text =
                "value,timestamp_utc,name,anonymous_id\n".to_owned() + &rows.iter().map(line).collect::<String>();
            pack(text.as_bytes(), packing)
        }
    }
}

//! A random table, in every dialect that arrow, the csv crate and serde_json write it in: the cells are those of the plain table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, LargeStringArray, StringArray, TimestampMicrosecondArray,
};
use bandit::{Dtype, Factor, Space};
use csv::{QuoteStyle, Terminator, WriterBuilder};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{Kind, Memory, Packing, Row, T0, cells, factor, pack, parquet, plan, skipped, time_text};

/// Levels with everything in them that separates in one of the dialects.
const LEVELS: [&str; 6] = ["a", "b \"q\"", "1", "x,\ny;|\tz", "{\"é\": [1]}", "\"quoted\""];
const DEVICES: [&str; 2] = ["mobile", "it's, \"new\""];
/// What nobody reads.
const NOTES: [Option<&str>; 6] = [None, Some("plain"), Some("x,\ny;|"), Some("\"\""), Some("é 🙂 {}"), Some("NaN")];

/// A row: who, seconds after [`T0`], the places of headline, device and note; null where there is none.
#[derive(Clone, Debug)]
struct Exposure {
    id: Option<u32>,
    seconds: Option<u32>,
    headline: Option<usize>,
    sticky: bool,
    device: Option<usize>,
    note: usize,
}

impl Exposure {
    fn time(&self) -> Option<i64> {
        self.seconds.map(|seconds| T0 + i64::from(seconds) * 1_000_000)
    }

    fn headline(&self) -> Option<&'static str> {
        self.headline.map(|level| LEVELS[level])
    }

    fn device(&self) -> Option<&'static str> {
        self.device.map(|level| DEVICES[level])
    }
}

fn wide_space() -> Space {
    let sticky = Factor::new("sticky", Dtype::Bool, vec!["false".into(), "true".into()]).unwrap();
    Space::new(vec![factor("headline", &LEVELS), sticky], vec![factor("device", &DEVICES)]).unwrap()
}

const DIALECTS: usize = 16;

/// The exposures in a dialect of one of the formats, with the ending of the file.
fn written(rows: &[Exposure], dialect: usize) -> (&'static str, Vec<u8>) {
    match dialect {
        0..=4 => in_json(rows, dialect),
        5..=12 => ("csv", in_csv(rows, dialect)),
        _ => ("parquet", in_parquet(rows, dialect)),
    }
}

fn in_json(rows: &[Exposure], dialect: usize) -> (&'static str, Vec<u8>) {
    let object = |row: &Exposure| {
        let id =
            row.id.map_or(Value::Null, |id| if dialect.is_multiple_of(2) { json!(id.to_string()) } else { json!(id) });
        let mut object = json!({
            "other": [1, {"x": "}"}, NOTES[row.note]], "anonymous_id": id, "timestamp": row.time().map(time_text),
            "headline": row.headline(), "sticky": row.sticky, "device": row.device(), "note": NOTES[row.note],
        });
        if dialect == 1 {
            // Null, or not there at all.
            object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        }
        object
    };
    let objects: Vec<Value> = rows.iter().map(object).collect();
    let joined = |separator: &str| objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator);
    match dialect {
        0 => ("json", joined("\n").into_bytes()),
        1 => ("json", joined("").into_bytes()),
        2 => ("json", serde_json::to_vec(&objects).unwrap()),
        3 => ("json.gz", pack(&serde_json::to_vec_pretty(&objects).unwrap(), Packing::Gzip)),
        _ => ("json", joined("\u{feff}\r\n\u{1e}").into_bytes()),
    }
}

fn in_csv(rows: &[Exposure], dialect: usize) -> Vec<u8> {
    let mut builder = WriterBuilder::new();
    builder.delimiter(b",;\t|,,,,"[dialect - 5]);
    match dialect {
        9 => _ = builder.double_quote(false).escape(b'\\').quote_style(QuoteStyle::Always),
        10 => _ = builder.quote_style(QuoteStyle::NonNumeric),
        11 => _ = builder.quote_style(QuoteStyle::Always).terminator(Terminator::CRLF),
        _ => _ = builder.quote_style(QuoteStyle::Necessary),
    }
    let null = if dialect == 12 { "\\N" } else { "" };
    let mut writer = builder.from_writer(Vec::new());
    writer.write_record(["anonymous_id", "a note", "timestamp", "headline", "sticky", "DEVICE", "note"]).unwrap();
    for row in rows {
        let id = row.id.map(|id| if dialect == 10 { format!("{id}.0") } else { id.to_string() });
        let time = row.time().map(time_text);
        let text = |value: Option<&str>| value.unwrap_or(null).to_owned();
        let sticky = row.sticky.to_string();
        let note = text(NOTES[row.note]);
        writer
            .write_record([
                text(id.as_deref()),
                note.clone(),
                text(time.as_deref()),
                text(row.headline()),
                sticky,
                text(row.device()),
                note,
            ])
            .unwrap();
    }
    writer.into_inner().unwrap()
}

fn in_parquet(rows: &[Exposure], dialect: usize) -> Vec<u8> {
    let texts = |of: &dyn Fn(&Exposure) -> Option<String>| rows.iter().map(of).collect::<Vec<_>>();
    let headlines = texts(&|row| row.headline().map(str::to_owned));
    let headline: ArrayRef = match dialect {
        13 => Arc::new(StringArray::from(headlines)),
        14 => Arc::new(LargeStringArray::from(headlines)),
        _ => Arc::new(headlines.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>()),
    };
    let id: ArrayRef = match dialect {
        13 => Arc::new(StringArray::from(texts(&|row| row.id.map(|id| id.to_string())))),
        _ => Arc::new(rows.iter().map(|row| row.id.map(f64::from)).collect::<Float64Array>()),
    };
    let times = rows.iter().map(Exposure::time).collect::<TimestampMicrosecondArray>();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("note", Arc::new(StringArray::from(texts(&|row| NOTES[row.note].map(str::to_owned))))),
        ("headline", headline),
        ("timestamp", Arc::new(times.with_timezone("UTC"))),
        ("anonymous_id", id),
        ("sticky", Arc::new(rows.iter().map(|row| Some(row.sticky)).collect::<BooleanArray>())),
        ("device", Arc::new(StringArray::from(texts(&|row| row.device().map(str::to_owned))))),
    ];
    parquet(columns, 7)
}

/// The cells and what was skipped, or that the run fails.
fn outcome(rows: &[Exposure], dialect: usize) -> Result<(Vec<Row>, BTreeMap<&'static str, u64>), String> {
    let space = wide_space();
    let rewards = "anonymous_id,timestamp\n1,2026-06-01T01:00:00Z\n3,2026-06-01T01:30:00Z\n7,2026-06-01T02:00:00Z\n";
    let (ending, bytes) = written(rows, dialect);
    let objects = [(format!("exposures/a.{ending}"), bytes), ("rewards/a.csv".to_owned(), rewards.into())];
    let counted = Memory::of(objects).count(&plan(&space)).map_err(|error| error.to_string())?;
    Ok((cells(&counted), skipped(&counted.observations)))
}

/// Nine of ten values are there.
fn mostly<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.9, of)
}

fn exposure() -> impl Strategy<Value = Exposure> {
    let keys = (mostly(0_u32..8), mostly(0_u32..7200));
    let levels = (mostly(0..LEVELS.len()), any::<bool>(), mostly(0..DEVICES.len()), 0..NOTES.len());
    (keys, levels).prop_map(|((id, seconds), (headline, sticky, device, note))| Exposure {
        id,
        seconds,
        headline,
        sticky,
        device,
        note,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_table_is_the_same_in_every_dialect(rows in prop::collection::vec(exposure(), 1..30), dialect in 1..DIALECTS) {
        let (plain, other) = (outcome(&rows, 0), outcome(&rows, dialect));
        // Where more than half was skipped each says so with places of its own.
        prop_assert_eq!(other.as_ref().ok(), plain.as_ref().ok(), "{}: {:?} {:?}", dialect, plain, other);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        kind in prop::sample::select(&[Kind::Json, Kind::Csv, Kind::Parquet][..]),
        dialect in 0..DIALECTS,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let space = wide_space();
        let row = |i: u32| Exposure {
            id: Some(i),
            seconds: Some(i * 60),
            headline: Some(i as usize % LEVELS.len()),
            sticky: i.is_multiple_of(2),
            device: Some(i as usize % DEVICES.len()),
            note: i as usize % NOTES.len(),
        };
        let rows: Vec<Exposure> = (0..20).map(row).collect();
        let mut bytes = written(&rows, dialect).1;
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let name = match kind {
            Kind::Json => "json",
            Kind::Csv => "csv.gz",
            Kind::Parquet => "parquet",
        };
        let start = Instant::now();
        let _ = Memory::of([(format!("exposures/a.{name}"), bytes)]).count(&plan(&space));
        prop_assert!(start.elapsed() < Duration::from_secs(5));
    }
}

//! Files in the dialects of many writers come to the cells of the plain file, or fail by the name of what they are.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Write as _;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int32Array, RecordBatch,
    StructArray,
};
use arrow_schema::Field;
use bandit::RewardType;
use parquet::basic::{BrotliLevel, Compression};
use parquet::file::properties::WriterProperties;
use snapshots::{Immature, Plan};

use crate::common::{
    HOUR, Memory, Packing, Row, T0, cells, doubles, micros, pack, parquet, plan, quoted, skipped, space, strings, texts,
};

const VARIANT: &str = r#"{"headline":"a","sticky":true}"#;
const EXPOSURES: &str = "anonymous_id,timestamp,headline,sticky,device\n1000,2026-06-01T00:00:00Z,a,true,mobile\n\
                         1001,2026-06-01T00:10:00Z,a,false,tablet\n1002,2026-06-01T00:20:00Z,1,true,mobile\n";
/// The exposures with the one reward below.
const RIGHT: [Row; 3] = [(1, 0, 1, 1.0, 1.0), (5, 0, 1, 0.0, 0.0), (0, 1, 1, 0.0, 0.0)];

fn reward(id: &str, time: &str) -> String {
    format!("{{\"anonymous_id\": {id}, \"timestamp\": {time}, \"name\": \"signup\", \"value\": 1}}")
}

const TIME: &str = "\"2026-06-01T00:30:00Z\"";

fn plain() -> String {
    reward("\"1000\"", TIME)
}

fn other() -> String {
    reward("\"stranger\"", TIME)
}

/// The outcome with some rewards: the cells and what was skipped, or the error.
fn with_rewards(
    name: &str,
    rewards: impl Into<bytes::Bytes>,
) -> Result<(Vec<Row>, BTreeMap<&'static str, u64>), String> {
    let space = space();
    let objects = [("exposures/a.csv".to_owned(), EXPOSURES.into()), (format!("rewards/{name}"), rewards.into())];
    let counted = Memory::of(objects).count(&plan(&space)).map_err(|error| error.to_string())?;
    Ok((cells(&counted), skipped(&counted.observations)))
}

fn right(name: &str, rewards: impl Into<bytes::Bytes>, what: &str) {
    assert_eq!(with_rewards(name, rewards), Ok((RIGHT.to_vec(), BTreeMap::new())), "{what}");
}

fn refused(name: &str, rewards: impl Into<bytes::Bytes>, why: &str) {
    let error = with_rewards(name, rewards).unwrap_err();
    assert!(error.starts_with(&format!("rewards/{name}")) && error.contains(why), "{why}: {error}");
}

#[test]
fn json_values_come_in_any_arrangement() {
    let (a, b) = (plain(), other());
    let pretty =
        |text: &str| serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(text).unwrap()).unwrap();
    for (what, text) in [
        ("lines", format!("{a}\n{b}\n")),
        ("without an end", format!("{a}\n{b}")),
        ("carriage returns", format!("{a}\r\n{b}\r\n")),
        ("on one line", format!("{a}{b}")),
        ("with commas", format!("{a},\n{b},\n")),
        ("with record separators", format!("\u{1e}{a}\n\u{1e}{b}\n")),
        ("pretty", format!("{}\n{}\n", pretty(&a), pretty(&b))),
        ("an array on one line", format!("[{a}, {b}]\n")),
        ("an array of lines", format!("[\n\t{a},\n\t{b}\n]")),
        ("a pretty array", format!("[\n{},\n{}\n]", pretty(&a), pretty(&b))),
        ("arrays after each other", format!("[{a}]\n[{b}]\n[]\n")),
        ("a mark in the middle", format!("\u{feff}{a}\n\u{feff}{b}\n")),
        ("marks alone", format!("\u{feff}\u{feff}{a}\n{b}\n\u{feff}")),
        ("spaces and blank lines", format!("\n \t{a}\n\n\n   {b}   \n\n")),
        ("NaN where nobody reads", format!("{a}\n{}\n", b.replacen('{', "{\"x\": NaN, \"y\": [-Infinity], ", 1))),
    ] {
        right("a.json", text, what);
    }
    let mut bytes = a.clone().into_bytes();
    bytes.extend(b"\n{\"note\": \"\xff\xfe\", ");
    bytes.extend(&other().into_bytes()[1..]);
    right("a.json", bytes, "bytes that are no text where nobody reads");
}

#[test]
fn json_is_told_by_lines_however_long_it_is() {
    // Over the ends of the buffers that it is read in.
    let mut text = String::from("[\n");
    for i in 0..20_000 {
        let separator = if i % 3 == 0 { "\n" } else { "" };
        write!(text, "{}{separator}, ", reward(&format!("\"stranger-{i}\""), TIME)).unwrap();
    }
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let whole = format!("{text}{}\n]\n", plain());
        right("a.json", pack(whole.as_bytes(), packing), "long");
    }
    let line = text.lines().count();
    let error = with_rewards("a.json", format!("{text}{}", plain())).unwrap_err();
    assert_eq!(error, format!("rewards/a.json, line {line}: truncated: the array that begins on line 1 has no end"));
}

#[test]
fn lines_of_json_that_are_torn_are_counted_alone() {
    let torn = [
        r#"{"anonymous_id": "u", "#,
        r#"{"anonymous_id": {"a": ["#,
        r#"{"anonymous_id": "u"#,
        "}",
        "x {",
        "[1,2]",
        r#"{"a":1 "b":2}"#,
    ];
    for torn in torn {
        let (found, skipped) = with_rewards("a.json", format!("{}\n{torn}\n{}\n", other(), plain())).unwrap();
        assert_eq!(found, RIGHT, "{torn}");
        assert_eq!(skipped, [("bad_json", 1)].into(), "{torn}");
    }
}

#[test]
fn json_that_is_no_sequence_of_rows_is_refused_by_what_it_is() {
    let row = plain();
    for (text, why) in [
        (format!("{{\"data\": [{row}]}}"), "the array under \"data\""),
        (r#"{"anonymous_id":{"0":"1000"},"timestamp":{"0":1780272001}}"#.to_owned(), "a dump by columns"),
        (r#"{"anonymous_id":["1000"],"timestamp":[1780272001]}"#.to_owned(), "a dump by columns"),
        (r#"{"columns":["anonymous_id","timestamp"],"index":[0],"data":[["1000",1]]}"#.to_owned(), "a table in pieces"),
        (r#"[["1000",1780272001,"signup",1]]"#.to_owned(), "rows without the names"),
        ("anonymous_id,timestamp,name\n1000,1780272001,signup\n".to_owned(), "which is CSV"),
        ("<html><body>Access denied</body></html>".to_owned(), "XML or HTML"),
    ] {
        refused("a.json", text, why);
    }
    // Also where it is longer than any record.
    let ids: Vec<String> = (0..100_000).map(|i| format!("\"{i}\":\"user-{i}\"")).collect();
    refused("a.json", format!("{{\"anonymous_id\":{{{}}}}}", ids.join(",")), "a dump by columns");
    refused("a.json", format!("{{\"data\":[{}]}}", vec![row; 20_000].join(",")), "the array under \"data\"");
    refused("a.csv", plain(), "it is JSON");
}

#[test]
fn compression_and_encoding_are_told_by_the_first_bytes() {
    let text = format!("{}\n{}\n", plain(), other());
    let gzip = pack(text.as_bytes(), Packing::Gzip);
    let zstd = pack(text.as_bytes(), Packing::Zstd);
    let utf16 = |big: bool, mark: bool| -> Vec<u8> {
        let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        let marked = if mark { "\u{feff}".to_owned() + &text } else { text.clone() };
        marked.encode_utf16().flat_map(unit).collect()
    };
    for (name, bytes, what) in [
        ("a.json", gzip.clone(), "gzip without its ending"),
        ("a.json.zst", gzip.clone(), "gzip under the ending of zstd"),
        ("a.json.gz", zstd, "zstd under the ending of gzip"),
        ("a.json.gz", text.clone().into_bytes(), "text under the ending of gzip"),
        ("a.json.gz", pack(&gzip, Packing::Gzip), "gzip in gzip"),
        ("a.json.gz", [&gzip[..], &[0; 700]].concat(), "zeros behind gzip"),
        ("a.json", utf16(false, true), "UTF-16"),
        ("a.json", utf16(true, true), "UTF-16, big end first"),
        ("a.json", utf16(false, false), "UTF-16 without its mark"),
        ("a.json.gz", pack(&utf16(true, true), Packing::Gzip), "UTF-16 in gzip"),
    ] {
        right(name, bytes, what);
    }
    refused("a.json.gz", [&gzip[..], b"more"].concat(), "bytes follow that are no gzip");
    refused("a.json", &b"BZh91AY&SY"[..], "it is bzip2");
    refused("a.csv", parquet(vec![("a", texts(&["b"]))], 1), "it is Parquet");
    refused("a.parquet", gzip, "it looks like gzip");
    refused("a.parquet", text, "it looks like JSON");
}

#[test]
fn ids_in_the_dress_of_several_writers_are_one() {
    for id in
        ["1000", "1000.0", "\"1000.0\"", "\"1000 \"", "\"1000\\u0000\\u0000\"", "1e3", "{\"$numberLong\": \"1000\"}"]
    {
        right("a.json", reward(id, TIME), id);
    }
    for id in [
        "\"NULL\"",
        "\"null\"",
        "NaN",
        "\"NaN\"",
        "\"None\"",
        "\"undefined\"",
        "\"\"",
        "null",
        "\" \"",
        "\"NA\"",
        "\"#N/A\"",
    ] {
        let (_, skipped) = with_rewards("a.json", format!("{}\n{}", plain(), reward(id, TIME))).unwrap();
        assert_eq!(skipped, [("null_id", 1)].into(), "{id}");
    }
    let csv = |id: &str| format!("anonymous_id,timestamp\n{id},2026-06-01 00:30\n");
    for id in ["1000.00", " 1000", "1000  "] {
        right("a.csv", csv(id), id);
    }
    let rewards = |id: ArrayRef| parquet(vec![("anonymous_id", id), ("timestamp", micros(&[T0 + HOUR / 2]))], 1);
    for (what, id) in [
        ("a double, as DuckDB writes HUGEINT", doubles(&[1000.0])),
        (
            "a decimal with a scale",
            Arc::new(Decimal128Array::from(vec![100_000]).with_precision_and_scale(20, 2).unwrap()) as ArrayRef,
        ),
        ("text of a float", texts(&["1000.0"])),
        ("text with padding", texts(&["1000    "])),
        (
            "bytes of a fixed length",
            Arc::new(FixedSizeBinaryArray::try_from_iter([b"1000\0\0\0\0"].into_iter()).unwrap()),
        ),
    ] {
        right("a.parquet", rewards(id), what);
    }
    let (_, skipped) = with_rewards(
        "a.parquet",
        parquet(
            vec![
                ("anonymous_id", doubles(&[1000.5, 1000.0, f64::NAN, 7.0])),
                ("timestamp", micros(&[T0 + HOUR / 2; 4])),
            ],
            4,
        ),
    )
    .unwrap();
    assert_eq!(skipped, [("bad_value", 1), ("null_id", 1)].into());
}

#[test]
fn a_uuid_is_one_id_as_bytes_and_in_either_case() {
    let space = space();
    let upper = "0F8FAD5B-D9CB-469F-A165-70867728950E";
    let bytes = [0x0f, 0x8f, 0xad, 0x5b, 0xd9, 0xcb, 0x46, 0x9f, 0xa1, 0x65, 0x70, 0x86, 0x77, 0x28, 0x95, 0x0e];
    let exposures = format!("anonymous_id,timestamp,headline,sticky,device\n{upper},{T0},a,true,mobile\n");
    let fixed: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter([bytes].into_iter()).unwrap());
    let binary: ArrayRef = Arc::new(BinaryArray::from_vec(vec![&bytes[..]]));
    for (what, id) in
        [("fixed", fixed), ("binary", binary), ("lower", texts(&[&upper.to_lowercase()])), ("upper", texts(&[upper]))]
    {
        let rewards = parquet(vec![("anonymous_id", id), ("timestamp", micros(&[T0 + 1]))], 1);
        let objects = [("exposures/a.csv", exposures.clone().into_bytes()), ("rewards/a.parquet", rewards)];
        let counted = Memory::of(objects).count(&plan(&space)).unwrap();
        assert_eq!(cells(&counted), [(1, 0, 1, 1.0, 1.0)], "{what}");
    }
    // So is the optimization.
    let plan = Plan { optimization_id: "0f8fad5b-d9cb-469f-a165-70867728950e", ..plan(&space) };
    let exposures = format!(
        "anonymous_id,timestamp,headline,sticky,device,optimization_id\nu,{T0},a,true,mobile,{upper}\nu,{T0},a,true,mobile,NULL\n"
    );
    let counted = Memory::of([("exposures/a.csv", exposures)]).count(&plan).unwrap();
    assert_eq!(cells(&counted), [(1, 0, 2, 0.0, 0.0)]);
}

#[test]
fn times_in_the_spellings_of_several_writers_are_one() {
    for time in [
        "1780273800",
        "1780273800.0",
        "1780273800.5",
        "1780273800000",
        "20260601003000",
        "\"2026-06-01T00:30Z\"",
        "\"2026-06-01 00:30:00,250\"",
        "\"2026-06-01 00:30:00 +0000 UTC\"",
        "\"Mon Jun 01 00:30:00 UTC 2026\"",
        "\"2026-06-01T02:30:00+02:00[Europe/Berlin]\"",
        "{\"$date\": \"2026-06-01T00:30:00Z\"}",
        "{\"$date\": {\"$numberLong\": \"1780273800000\"}}",
        "\"ISODate(\\\"2026-06-01T00:30:00Z\\\")\"",
    ] {
        right("a.json", reward("1000", time), time);
    }
    let space = space();
    let midnight = EXPOSURES.replace("T00:00:00Z", "");
    for date in ["2026-06-01", "20260601"] {
        let rewards = format!("anonymous_id,timestamp\n1000,{date}\n");
        let objects = [("exposures/a.csv", midnight.clone()), ("rewards/a.csv", rewards)];
        assert_eq!(cells(&Memory::of(objects).count(&plan(&space)).unwrap()), RIGHT, "{date}");
    }
    for (what, times) in [
        ("date", Arc::new(Date32Array::from(vec![20_605])) as ArrayRef),
        ("double", doubles(&[1_780_272_000.0])),
        ("text", texts(&["2026-06-01"])),
        ("integer", Arc::new(Int32Array::from(vec![20_260_601])) as ArrayRef),
    ] {
        let rewards = parquet(vec![("anonymous_id", texts(&["1000"])), ("timestamp", times)], 1);
        let objects = [("exposures/a.csv", midnight.clone().into_bytes()), ("rewards/a.parquet", rewards)];
        assert_eq!(cells(&Memory::of(objects).count(&plan(&space)).unwrap()), RIGHT, "{what}");
    }
}

#[test]
fn what_is_nearly_a_number_or_a_time_fails_where_it_is_ours() {
    let space = space();
    let numeric = Plan { reward: RewardType::Numeric, ..plan(&space) };
    let run = |name: &str, time: &str, value: &str| {
        let rewards = format!(
            "anonymous_id,timestamp,name,value\n1000,2026-06-01T00:30:00Z,signup,1\n1000,{},{name},{}\n",
            quoted(time),
            quoted(value)
        );
        Memory::of([("exposures/a.csv", EXPOSURES.to_owned()), ("rewards/a.csv", rewards)]).count(&numeric)
    };
    let good = "2026-06-01T00:30:00Z";
    for value in ["47,500.00", "12,5", "$5", "5 €", "1 000", "5%"] {
        let error = run("signup", good, value).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("rewards/a.csv, line 3: column \"value\" is {value:?}; it must be a number")),
            "{error}"
        );
        assert_eq!(skipped(&run("purchase", good, value).unwrap().observations), [("other_reward", 1)].into());
    }
    for time in ["06/01/2026 00:30", "2026-06-01T00:30:00 Europe/Berlin"] {
        let error = run("signup", time, "1").unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("rewards/a.csv, line 3: column \"timestamp\" is {time:?}; it must be a time")),
            "{error}"
        );
        assert!(run("purchase", time, "1").is_ok());
    }
    for value in ["much", "NaN"] {
        assert_eq!(skipped(&run("signup", good, value).unwrap().observations), [("bad_value", 1)].into(), "{value}");
    }
    let cells = "headline,sticky,device,n,reward_sum\na,true,mobile,\"12,000\",600\n";
    let error = Memory::of([("cells/a.csv", cells)]).count(&plan(&space)).unwrap_err().to_string();
    assert!(error.starts_with("cells/a.csv, line 2: column \"n\" is \"12,000\""), "{error}");
    let rewards =
        parquet(vec![("anonymous_id", texts(&["1000"; 2])), ("timestamp", texts(&["2026-06-01", "1.6.2026 0:30"]))], 2);
    let objects = [("exposures/a.csv", EXPOSURES.into()), ("rewards/a.parquet", rewards)];
    let error = Memory::of(objects).count(&plan(&space)).unwrap_err().to_string();
    assert!(
        error.starts_with("rewards/a.parquet, row group 0, row 1: column \"timestamp\" is \"1.6.2026 0:30\""),
        "{error}"
    );
}

#[test]
fn times_that_cannot_be_are_left_out_and_move_no_cut_off() {
    let space = space();
    let exclude = Plan { immature: Immature::Exclude, now: T0 + 2 * HOUR, ..plan(&space) };
    let row = |time: &str| format!("u,{time},a,true,mobile\n");
    let header = "anonymous_id,timestamp,headline,sticky,device\n";
    let good: String = ["2026-06-01T00:00:00Z", "2026-06-01T00:10:00Z", "2026-06-01T00:30:00Z"].map(row).concat();
    let mature = good.clone() + &row("2026-06-01T01:05:00Z");
    for odd in ["9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2026-06-02T02:00:01Z", "0", "4102444800"] {
        let counted =
            Memory::of([("exposures/a.csv", format!("{header}{mature}{}", row(odd)))]).count(&exclude).unwrap();
        // Only the one exposure of the first five minutes is mature at 01:05.
        assert_eq!(skipped(&counted.observations), [("immature", 3), ("implausible_time", 1)].into(), "{odd}");
        assert_eq!(counted.observations.exposures, 1, "{odd}");
    }
    // A day ahead is a clock that is wrong, or a zone.
    let counted = Memory::of([("exposures/a.csv", format!("{header}{good}{}", row("2026-06-02T02:00:00Z")))])
        .count(&exclude)
        .unwrap();
    assert_eq!(skipped(&counted.observations), [("immature", 1)].into());
}

#[test]
fn csv_dialects_are_told_by_header_and_rows() {
    let row = |separator: &str| {
        ["anonymous_id", "timestamp", "note"].join(separator)
            + "\n"
            + &["1000", "2026-06-01 00:30:00", "x,y"].join(separator)
            + "\n"
    };
    for separator in [";", "\t", "|", "\u{1}"] {
        right("a.csv", row(separator), separator);
        right("a.csv", "\u{feff}".to_owned() + &row(separator).replace('\n', "\r\n"), separator);
    }
    right("a.csv", "sep=;\r\n".to_owned() + &row(";"), "a line for Excel");
    right(
        "a.csv",
        "anonymous_id,timestamp\n1000,2026-06-01 00:30\n\u{feff}anonymous_id,timestamp\nv,2026-06-01 00:30\n",
        "two files in one",
    );
    let space = space();
    let escaped = |text: &str| format!("\"{}\"", text.replace('"', "\\\""));
    for context in [r#"{"device":"mobile"}"#, "{\"device\":\"mobile\",\"x\":\"\\u00e9, \\\\n\"}"] {
        let exposures =
            format!("anonymous_id,timestamp,variant,context\nu,{T0},{},{}\n", escaped(VARIANT), escaped(context));
        let counted = Memory::of([("exposures/a.csv", exposures)]).count(&plan(&space)).unwrap();
        assert_eq!(cells(&counted), [(1, 0, 1, 0.0, 0.0)], "{context}");
        assert!(counted.observations.skipped.is_empty());
    }
    let open = "anonymous_id,timestamp,note\n1000,2026-06-01 00:30,\"x\nv,2026-06-01 00:30,x\n";
    refused("a.csv", open, "line 2: truncated: a quote of this record is not closed");
    refused("a.csv", "anonymous_id,timestamp\n\"a\"b,2026-06-01 00:30\n", "line 2: a field goes on behind the quote");
}

#[test]
fn a_name_that_is_there_twice_is_refused() {
    let two = "there are two columns \"anonymous_id\"";
    refused("a.csv", "anonymous_id,x,anonymous_id,timestamp\nu,1,1000,2026-06-01\n", two);
    refused("a.json", r#"{"anonymous_id":"u","timestamp":1780272001,"anonymous_id":"1000"}"#, two);
    right("a.csv", "x,x,anonymous_id,timestamp\n1,2,1000,2026-06-01 00:30\n", "a name that is not read");
    let (schema, columns): (Vec<Field>, Vec<ArrayRef>) =
        [("anonymous_id", texts(&["u"])), ("timestamp", micros(&[T0])), ("anonymous_id", texts(&["1000"]))]
            .into_iter()
            .map(|(name, column)| (Field::new(name, column.data_type().clone(), true), column))
            .unzip();
    let batch = RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(schema)), columns).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    refused("a.parquet", writer.into_inner().unwrap(), two);
}

#[test]
fn bools_as_postgresql_writes_them() {
    let space = space();
    let exposures = format!("anonymous_id,timestamp,headline,sticky,device\nu,{T0},a,t,mobile\nv,{T0},a,f,mobile\n");
    let counted = Memory::of([("exposures/a.csv", exposures)]).count(&plan(&space)).unwrap();
    assert_eq!(cells(&counted), [(0, 0, 1, 0.0, 0.0), (1, 0, 1, 0.0, 0.0)]);
}

#[test]
fn parquet_in_every_codec() {
    let batch =
        RecordBatch::try_from_iter([("anonymous_id", texts(&["1000"; 50])), ("timestamp", micros(&[T0 + 1; 50]))])
            .unwrap();
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(parquet::basic::GzipLevel::default()),
        Compression::ZSTD(parquet::basic::ZstdLevel::default()),
        Compression::LZ4_RAW,
        Compression::LZ4,
        Compression::BROTLI(BrotliLevel::default()),
    ] {
        let properties = WriterProperties::builder().set_compression(codec).build();
        let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        right("a.parquet", writer.into_inner().unwrap(), &codec.to_string());
    }
}

#[test]
fn a_parquet_column_of_nulls_may_have_any_type() {
    let space = space();
    let columns = |context: ArrayRef| {
        parquet(
            vec![
                ("anonymous_id", texts(&["u", "v"])),
                ("timestamp", micros(&[T0, T0])),
                ("variant", texts(&[VARIANT; 2])),
                ("context", context),
            ],
            2,
        )
    };
    for nulls in [
        Arc::new(Int32Array::from(vec![None, None])) as ArrayRef,
        Arc::new(Float64Array::from(vec![None, None])),
        arrow_array::new_null_array(&arrow_schema::DataType::Boolean, 2),
    ] {
        let counted = Memory::of([("exposures/a.parquet", columns(nulls))]).count(&plan(&space)).unwrap();
        assert_eq!(cells(&counted), [(1, 2, 2, 0.0, 0.0)]);
    }
    let error = Memory::of([("exposures/a.parquet", columns(Arc::new(Int32Array::from(vec![None, Some(1)]))))])
        .count(&plan(&space))
        .unwrap_err();
    assert!(error.to_string().contains("column \"context\" has type Int32"), "{error}");
}

/// A VARIANT's metadata of some names, in their order.
fn metadata(names: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0x11, u8::try_from(names.len()).unwrap(), 0];
    let mut end = 0;
    for name in names {
        end += u8::try_from(name.len()).unwrap();
        bytes.push(end);
    }
    for name in names {
        bytes.extend(name.as_bytes());
    }
    bytes
}

fn short_string(text: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(text.len()).unwrap() << 2 | 1];
    bytes.extend(text.as_bytes());
    bytes
}

#[test]
fn a_variant_is_its_json_shredded_or_not() {
    let space = space();
    let names = metadata(&["headline", "sticky"]);
    let headline = short_string("a");
    // An object: its header, the number of its fields, their names, where their values are, the values.
    let mut object =
        vec![0x02, 2, 0, 1, 0, u8::try_from(headline.len()).unwrap(), u8::try_from(headline.len()).unwrap() + 1];
    object.extend(&headline);
    object.push(0x04);
    let binary = |values: Vec<Option<&[u8]>>| Arc::new(BinaryArray::from(values)) as ArrayRef;
    let group = |fields: Vec<(&str, ArrayRef)>| {
        let fields = fields.into_iter().map(|(name, a)| (Arc::new(Field::new(name, a.data_type().clone(), true)), a));
        Arc::new(StructArray::from(fields.collect::<Vec<_>>())) as ArrayRef
    };
    let whole = group(vec![("metadata", binary(vec![Some(&names)])), ("value", binary(vec![Some(&object)]))]);
    let shredded = group(vec![
        ("metadata", binary(vec![Some(&names)])),
        ("value", binary(vec![None])),
        (
            "typed_value",
            group(vec![
                ("headline", group(vec![("value", binary(vec![None])), ("typed_value", texts(&["a"]))])),
                ("sticky", group(vec![("value", binary(vec![Some(&[0x04])])), ("typed_value", strings(&[None]))])),
            ]),
        ),
    ]);
    for (what, variant) in [("whole", whole), ("shredded", shredded)] {
        let exposures =
            parquet(vec![("anonymous_id", texts(&["u"])), ("timestamp", micros(&[T0])), ("variant", variant)], 1);
        let counted = Memory::of([("exposures/a.parquet", exposures)]).count(&plan(&space)).unwrap();
        assert_eq!(cells(&counted), [(1, 2, 1, 0.0, 0.0)], "{what}");
    }
}

#[test]
fn text_that_is_not_utf_8_is_named_with_its_column() {
    let space = space();
    let exposures = parquet(
        vec![
            ("anonymous_id", texts(&["u"])),
            ("timestamp", micros(&[T0])),
            ("variant", texts(&[VARIANT])),
            ("context", texts(&["{\"device\":\"\u{1}\u{2}\"}"])),
        ],
        1,
    );
    let mut bad = exposures;
    let at = bad.windows(2).position(|pair| pair == [1, 2]).unwrap();
    bad[at] = 0xFF;
    let error = Memory::of([("exposures/a.parquet", bad)]).count(&plan(&space)).unwrap_err().to_string();
    assert!(
        error.starts_with("exposures/a.parquet, row group 0: column \"context\": it holds text that is not UTF-8"),
        "{error}"
    );
}

#[test]
fn gzip_that_is_cut_off_fails() {
    let whole = pack(plain().as_bytes(), Packing::Plain);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&whole).unwrap();
    let packed = encoder.finish().unwrap();
    refused("a.json.gz", packed[..packed.len() - 3].to_vec(), "truncated");
}

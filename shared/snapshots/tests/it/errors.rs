//! Files that cannot be read, each with the object and the place in the message.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{
    Exposure, Kind, Memory, Packing, T0, doubles, exposures_file, factor, micros, pack, parquet, plan, space, texts,
};
use arrow_array::{ArrayRef, BooleanArray, Date32Array};
use bandit::RewardType;
use bytes::Bytes;
use serde_json::{Value, json};
use snapshots::{Object, Plan, SnapshotError, Source, SourceError, count};

const VARIANT: &str = r#"{"headline":"a","sticky":true}"#;
const LINE: &str = r#"{"anonymous_id":"u","timestamp":1780272000,"variant":{"headline":"a","sticky":true}}"#;

fn rows(number: usize) -> Vec<Exposure> {
    let exposure = |i: usize| Exposure { id: format!("u{i}"), time: T0, variant: i % 6, context: 0 };
    (0..number).map(exposure).collect()
}

fn run(key: &str, bytes: impl Into<Bytes>) -> Result<snapshots::SnapshotCounts, SnapshotError> {
    Memory::of([(key, bytes)]).count(&plan(&space()))
}

fn error(key: &str, bytes: impl Into<Bytes>) -> String {
    let error = run(key, bytes).unwrap_err();
    assert_eq!(error.kind(), snapshots::Kind::Invalid, "{error}");
    error.to_string()
}

#[test]
fn what_is_no_parquet_file() {
    let good = exposures_file(&space(), &rows(100), Kind::Parquet, Packing::Plain, 50);
    assert!(run("exposures/a.parquet", good.clone()).is_ok());
    let footer = 8 + usize::from(u16::from_le_bytes([good[good.len() - 8], good[good.len() - 7]]));
    for (bytes, message) in [
        (b"PAR1PAR1".to_vec(), "truncated: 8 bytes are too few for a Parquet file"),
        (good[..good.len() - 1].to_vec(), "it does not end in the magic PAR1"),
        (good[..good.len() / 2].to_vec(), "it does not end in the magic PAR1"),
        (LINE.into(), "it does not end in the magic PAR1"),
        ([&good[..good.len() - 4], b"PARE"].concat(), "the file is encrypted"),
        ([&good[..good.len() - 8], &[255, 255, 255, 127], b"PAR1"].concat(), "the footer claims 2147483647 bytes"),
        ([&good[..good.len() - 8], &[9, 0, 0, 0], b"PAR1"].concat(), ""),
        // The footer is there, the rows are not.
        ([b"PAR1", &good[good.len() - footer..]].concat(), "truncated: a column ends at byte"),
    ] {
        let error = error("exposures/a.parquet", bytes);
        assert!(error.starts_with("exposures/a.parquet") && error.contains(message), "{message}: {error}");
    }
}

#[test]
fn a_corrupt_parquet_file_never_panics() {
    let good = exposures_file(&space(), &rows(300), Kind::Parquet, Packing::Plain, 100);
    let whole = run("exposures/a.parquet", good.clone()).unwrap();
    let mut errors = 0;
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        match run("exposures/a.parquet", bad) {
            Ok(counted) => assert!(counted.observations.exposures <= whole.observations.exposures),
            Err(error) => {
                assert_ne!(error.kind(), snapshots::Kind::Source, "{error}");
                errors += 1;
            }
        }
    }
    assert!(errors > 50, "{errors}");
}

#[test]
fn columns_that_are_missing() {
    let error = error("exposures/a.parquet", parquet(vec![("anonymous_id", texts(&["u"])), ("x", texts(&["y"]))], 1));
    assert_eq!(error, "exposures/a.parquet: column \"timestamp\" is missing; the columns are anonymous_id, x");
    for (text, column) in [
        ("timestamp,variant\n1,2\n", "anonymous_id"),
        ("anonymous_id,variant\n1,2\n", "timestamp"),
        ("anonymous_id,timestamp,headline\n1,2,a\n", "variant"),
    ] {
        let error = self::error("exposures/a.csv", text);
        assert!(
            error.starts_with(&format!("exposures/a.csv: column {column:?} is missing; the columns are ")),
            "{error}"
        );
    }
    for (text, column) in [
        (r#"{"timestamp":1,"variant":"{}"}"#, "anonymous_id"),
        (r#"{"anonymous_id":1,"variant":"{}"}"#, "timestamp"),
        (r#"{"anonymous_id":1,"timestamp":1,"headline":"a"}"#, "variant"),
    ] {
        let error = self::error("exposures/a.jsonl", text);
        assert!(
            error.starts_with(&format!("exposures/a.jsonl: column {column:?} is missing; the columns are ")),
            "{error}"
        );
    }
    let space = space();
    let numeric = Plan { reward: RewardType::Numeric, ..plan(&space) };
    let objects = [("exposures/a.jsonl", LINE), ("rewards/a.jsonl", r#"{"anonymous_id":"u","timestamp":1}"#)];
    let error = Memory::of(objects).count(&numeric).unwrap_err().to_string();
    assert_eq!(error, "rewards/a.jsonl: column \"value\" is missing; the columns are anonymous_id, timestamp");
}

#[test]
fn columns_of_a_wrong_type() {
    let bools = || Arc::new(BooleanArray::from(vec![true])) as ArrayRef;
    let good = || {
        vec![
            ("anonymous_id", texts(&["u"])),
            ("timestamp", micros(&[T0])),
            ("variant", texts(&[VARIANT])),
            ("context", texts(&["{}"])),
            ("optimization_id", texts(&["opt"])),
        ]
    };
    assert!(run("exposures/a.parquet", parquet(good(), 1)).is_ok());
    for (name, column, message) in [
        ("anonymous_id", bools(), "has type Boolean; it must be a string, an integer or a number without a fraction"),
        ("timestamp", bools(), "has type Boolean; it must be a timestamp, a date, a date-time text or a number"),
        ("variant", doubles(&[1.0]), "has type Float64; it must be JSON text, a struct or a map"),
        ("context", bools(), "has type Boolean; it must be JSON text, a struct or a map"),
        ("optimization_id", bools(), "has type Boolean; it must be a string"),
    ] {
        let mut columns = good();
        columns.retain(|(n, _)| *n != name);
        columns.push((name, column));
        let error = error("exposures/a.parquet", parquet(columns, 1));
        assert!(error.starts_with(&format!("exposures/a.parquet: column {name:?} {message}")), "{error}");
    }
    let cells = vec![("variant", texts(&[VARIANT])), ("n", texts(&["1"])), ("reward_sum", doubles(&[1.0]))];
    let error = error("cells/a.parquet", parquet(cells, 1));
    assert_eq!(error, "cells/a.parquet: column \"n\" has type Utf8; it must be an integer");
    let columns = vec![
        ("anonymous_id", texts(&["u"])),
        ("timestamp", micros(&[T0])),
        ("headline", Arc::new(Date32Array::from(vec![1])) as ArrayRef),
        ("sticky", bools()),
    ];
    let error = self::error("exposures/a.parquet", parquet(columns, 1));
    assert!(error.contains("column \"headline\" has type Date32; it must be a string, a bool or a number"), "{error}");
}

#[test]
fn rewards_beyond_any_sum() {
    let space = space();
    let numeric = Plan { reward: RewardType::Numeric, ..plan(&space) };
    let rewards = |value: &str| format!("anonymous_id,timestamp,value\nu,1780272000,1\nu,1780272000,{value}\n");
    let observations = |value: &str| format!("headline,sticky,reward\na,true,1\na,true,{value}\n");
    let cells =
        |value: &str| format!("headline,sticky,n,reward_sum,reward_sum_sq\na,true,1,1,1\na,true,1,{value},1e300\n");
    let run = |key: &str, text: String, plan: &Plan<'_>| {
        let exposures = key.starts_with("rewards/").then(|| ("exposures/a.jsonl", LINE.to_owned()));
        Memory::of(exposures.into_iter().chain([(key, text)])).count(plan)
    };
    for (value, shown) in [("1e200", format!("1{}", "0".repeat(200))), ("-1.5e150", format!("-15{}", "0".repeat(149)))]
    {
        for (key, column, text) in [
            ("rewards/a.csv", "value", rewards(value)),
            ("observations/a.csv", "reward", observations(value)),
            ("cells/a.csv", "reward_sum", cells(value)),
        ] {
            let error = run(key, text, &numeric).unwrap_err();
            assert_eq!(error.kind(), snapshots::Kind::Invalid);
            let expected = format!("{key}, line 3: column {column:?} is {shown}; it must be from -1e150 to 1e150");
            assert_eq!(error.to_string(), expected);
        }
    }
    // A bool reward is not summed.
    assert!(run("rewards/a.csv", rewards("1e200"), &plan(&space)).is_ok());
    assert!(run("rewards/a.csv", rewards("1e150"), &numeric).is_ok());
    let squares = cells("1").replace("1e300", "1e301");
    let error = run("cells/a.csv", squares, &numeric).unwrap_err().to_string();
    assert!(error.starts_with("cells/a.csv, line 3: column \"reward_sum_sq\" is 1"), "{error}");
    assert!(error.ends_with("; it must be at most 1e300"), "{error}");
}

#[test]
fn text_that_cannot_be_decompressed() {
    let text = vec![LINE; 2000].join("\n");
    for (packing, ending) in [(Packing::Gzip, "gz"), (Packing::Zstd, "zst")] {
        let good = pack(text.as_bytes(), packing);
        let key = format!("exposures/a.jsonl.{ending}");
        assert!(run(&key, good.clone()).is_ok());
        let error = error(&key, good[..good.len() - 20].to_vec());
        assert!(error.starts_with(&format!("{key}, line ")) && error.contains("truncated"), "{error}");
        // Text that is not compressed at all is read as what it is.
        assert_eq!(run(&key, text.clone()).unwrap().observations.exposures, 2000);
    }
}

#[test]
fn json_that_is_cut_off() {
    let error = error("exposures/a.jsonl", format!("{LINE}\n{LINE}\n{}", &LINE[..40]));
    assert_eq!(error, "exposures/a.jsonl, line 3: truncated: the last line is no JSON and has no end");
}

#[test]
fn csv_that_is_no_table() {
    let error = |text: &str| error("exposures/a.csv", text.to_owned());
    assert_eq!(
        error("anonymous_id,timestamp,headline,sticky\nu,1,a,true\nu,1,a\n"),
        "exposures/a.csv, line 3: the record has 3 fields, the header has 4"
    );
    // Line ends of either kind, blank lines, and fields with line ends within count as an editor counts them.
    let header = "anonymous_id,timestamp,headline,sticky";
    for (text, line) in [
        (format!("{header}\r\nu,1,a,true\r\nu,1,a\r\n"), 3),
        (format!("{header}\n\n\nu,1,a,true\n\nu,1,a"), 6),
        (format!("\r\n{header}\r\n\r\nu,1,a,true\r\n\r\n\r\nu,1,a"), 7),
        (format!("{header}\r\n\"u\r\n\n\",1,a,true\r\n\r\nu,1,a\r\n"), 6),
        (format!("\u{feff}{header}\nu,1,a\n"), 2),
    ] {
        let expected = format!("exposures/a.csv, line {line}: the record has 3 fields, the header has 4");
        assert_eq!(error(&text), expected, "{text:?}");
    }
    let bytes = b"anonymous_id,timestamp,headline,sticky\n\xff,1,a,true\n".to_vec();
    assert_eq!(self::error("exposures/a.csv", bytes), "exposures/a.csv, line 2: field 1 is not UTF-8");
}

#[test]
fn records_that_are_too_long() {
    let long = "x".repeat(1 << 20);
    let error = |key: &str, text: String| error(key, text);
    assert_eq!(
        error("exposures/a.jsonl", format!("{LINE}\n{{\"anonymous_id\":\"{long}\"}}\n")),
        "exposures/a.jsonl, line 2: the record is longer than 1048576 bytes"
    );
    let header = "anonymous_id,timestamp,headline,sticky\n";
    assert_eq!(
        error("exposures/a.csv", format!("{header}u,1,a,true\n\"{long}\n{long}\",1,a,true\n")),
        "exposures/a.csv, line 3: the record is longer than 1048576 bytes"
    );
    // Just short of it is well.
    let long = "x".repeat((1 << 20) - 200);
    let line = LINE.replace("\"u\"", &format!("\"{long}\""));
    assert_eq!(run("exposures/a.jsonl", format!("{line}\n{LINE}\n")).unwrap().observations.exposures, 2);
    let csv = format!("{header}{long},1780272000,a,true\n");
    assert_eq!(run("exposures/a.csv", csv).unwrap().observations.exposures, 1);
}

#[test]
fn layouts_that_are_wrong() {
    let space = space();
    let error = |keys: &[&str]| {
        let objects: Vec<(&str, &str)> = keys.iter().map(|key| (*key, LINE)).collect();
        Memory::of(objects).count(&plan(&space)).unwrap_err()
    };
    assert!(matches!(
        error(&["exposures/a.jsonl", "exposures/x/a.csv"]),
        SnapshotError::MixedFormats { folder: "exposures", .. }
    ));
    assert!(matches!(error(&["exposures/a.jsonl", "observations/a.jsonl"]), SnapshotError::SeveralShapes { .. }));
    assert!(
        matches!(error(&["exposures/a.jsonl", "rewards/a.orc"]), SnapshotError::UnknownFormat { object } if object == "rewards/a.orc")
    );
}

/// Fails every read but the first few.
struct Failing {
    inner: Memory,
    good: AtomicUsize,
    unavailable: bool,
}

impl Source for Failing {
    fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, SourceError> {
        let left = self.good.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |good| good.checked_sub(1));
        match (left, self.unavailable) {
            (Ok(_), _) => self.inner.read(key, range),
            (Err(_), true) => Err(SourceError::Unavailable("slow down".into())),
            (Err(_), false) => Err(SourceError::Failed("broken".into())),
        }
    }
}

#[test]
fn a_store_that_fails_is_no_fault_of_the_snapshot() {
    let space = space();
    for unavailable in [true, false] {
        for kind in [Kind::Parquet, Kind::Json, Kind::Csv] {
            // For Parquet, the footer and then the row group.
            for good in 0..2 {
                if good == 1 && kind != Kind::Parquet {
                    continue;
                }
                let key = format!("exposures/a.{}", crate::common::ending(kind, Packing::Plain));
                let inner = Memory::of([(key.clone(), exposures_file(&space, &rows(20), kind, Packing::Plain, 50))]);
                let objects = inner.list();
                let source = Failing { inner, good: AtomicUsize::new(good), unavailable };
                let error = count(&source, &objects, &plan(&space)).unwrap_err();
                assert_eq!(error.kind(), snapshots::Kind::Source, "{error}");
                let SnapshotError::Source { object, source } = error else { panic!("{error}") };
                assert_eq!(object, key);
                assert_eq!(matches!(source, SourceError::Unavailable(_)), unavailable);
            }
        }
    }
}

/// Returns less than was asked for, or nothing at all.
struct Changed {
    inner: Memory,
    gone: bool,
}

impl Source for Changed {
    fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, SourceError> {
        if self.gone { Err(SourceError::Gone("404".into())) } else { self.inner.read(key, range.start..range.end - 1) }
    }
}

#[test]
fn an_object_that_is_not_as_it_was_listed_has_changed() {
    for (gone, detail) in [(true, "bytes 0 to 84 are gone"), (false, "83 bytes at 0 where 84 were listed")] {
        let inner = Memory::of([("exposures/a.jsonl", LINE)]);
        let objects = inner.list();
        let error = count(&Changed { inner, gone }, &objects, &plan(&space())).unwrap_err();
        assert_eq!(error.kind(), snapshots::Kind::Invalid);
        assert!(
            error.to_string().starts_with(&format!("exposures/a.jsonl changed while it was read: {detail}")),
            "{error}"
        );
    }
}

#[test]
fn the_first_error_is_told_whatever_the_threads() {
    let space = space();
    let mut objects: Vec<(String, Vec<u8>)> = Vec::new();
    for i in 0..30 {
        let bytes = if i == 11 || i == 12 || i == 25 {
            b"anonymous_id\n1\n".to_vec()
        } else {
            exposures_file(&space, &rows(500), Kind::Csv, Packing::Plain, 50)
        };
        objects.push((format!("exposures/{i:02}.csv"), bytes));
    }
    let memory = Memory::of(objects);
    for threads in [1, 2, 3, 4, 4, 4, 4, 8] {
        let error = memory.count(&Plan { threads, ..plan(&space) }).unwrap_err();
        assert!(error.to_string().starts_with("exposures/11.csv: column \"timestamp\""), "{error}");
    }
}

#[test]
fn objects_may_come_in_any_order() {
    let space = space();
    let memory = Memory::of([("exposures/b.jsonl", LINE), ("exposures/a.jsonl", LINE)]);
    let mut objects: Vec<Object> = memory.list();
    objects.sort_by(|a, b| a.key.cmp(&b.key));
    let forward = count(&memory, &objects, &plan(&space)).unwrap();
    objects.reverse();
    assert_eq!(forward, count(&memory, &objects, &plan(&space)).unwrap());
}

/// Names and values of the longest that there are: keys of objects, levels, columns, values, and whatever stands in a mapping.
#[test]
fn no_message_quotes_more_than_200_characters_of_a_name_or_a_value() {
    let long = "x".repeat(900);
    let level = "x".repeat(256);
    let levels: Vec<String> = (0..50).map(|n| format!("{level}{n}")).collect();
    let levels: Vec<&str> = levels.iter().map(String::as_str).collect();
    let space = bandit::Space::new(vec![factor("headline", &levels)], vec![]).unwrap();
    let row = |variant: &str| {
        json!({"anonymous_id": "u", "timestamp": "2026-06-01T00:00:00Z", "variant": {"headline": variant}}).to_string()
    };
    let good = ("exposures/a.jsonl".to_owned(), row(levels[0]));
    let mapping = |mapping: Value| vec![("mapping.json".to_owned(), mapping.to_string()), good.clone()];
    let key = |values: Value| mapping(json!({"exposures": {"variant": {"from": "v", "values": values}}}));
    let cases = [
        vec![(format!("exposures/{long}.jsonl"), "{\"anonymous_id\": \"u".to_owned())],
        vec![(format!("exposures/{long}.jsonl"), row("another"))],
        vec![(format!("exposures/{long}.parquet"), "PAR1PAR1".to_owned())],
        vec![(format!("exposures/{long}.jsonl"), row(levels[0])), (format!("exposures/{long}.csv"), "a,b".to_owned())],
        vec![(format!("exposures/{long}"), row(levels[0])), (format!("cells/{long}"), row(levels[0]))],
        vec![("exposures/a.csv".to_owned(), format!("{long},{long}2\n1,2\n"))],
        vec![("exposures/a.jsonl".to_owned(), row(&format!("{level}0.")))],
        vec![("exposures/a.jsonl".to_owned(), row(&long))],
        vec![("exposures/a.jsonl".to_owned(), row(levels[0]).replace("2026-06-01T00:00:00Z", &long))],
        vec![("exposures/a.jsonl".to_owned(), row("b").replace("headline", &long))],
        vec![(format!("{long}exposures/a.jsonl"), row(levels[0]))],
        mapping(json!({"preset": long})),
        mapping(json!({"preset": [long]})),
        mapping(json!({"preset": "growthbook", "experiment": [long]})),
        mapping(json!({long.as_str(): {}})),
        mapping(json!({"exposures": long})),
        mapping(json!({"exposures": {long.as_str(): 1}})),
        mapping(json!({"exposures": {"anonymous_id": {"a": long}}})),
        mapping(json!({"exposures": {"where": {"a": {"b": long}}}})),
        mapping(json!({"exposures": {"variant": {"values": long}}})),
        mapping(json!({"exposures": {"variant": {"from": long}}})),
        mapping(json!({"exposures": {"variant": {"from": "v", "values": {}, long.as_str(): 1}}})),
        mapping(json!({"exposures": {"variant": {long.as_str(): "a"}}})),
        key(json!(long)),
        key(json!({long.as_str(): {}})),
        key(json!({long.as_str(): 1})),
        key(json!({"0": {long.as_str(): "a"}})),
        key(json!({"0": {"headline": long}})),
    ];
    for case in cases {
        let told = Memory::of(case.clone()).count(&plan(&space));
        let error = told.unwrap_err().to_string();
        let longest = error.split(|character| character != 'x').map(str::len).max();
        assert!(longest.is_none_or(|longest| longest <= 200), "{case:?}: {error}");
        // Of fifty levels twenty are named.
        assert!(error.chars().count() < 5_500, "{} characters: {error}", error.chars().count());
    }
}

#[test]
fn what_the_library_says_in_its_own_terms_is_said_in_ours() {
    let good = parquet(
        vec![
            ("anonymous_id", texts(&["u"; 100])),
            ("timestamp", micros(&[T0; 100])),
            ("variant", texts(&[VARIANT; 100])),
        ],
        100,
    );
    // The compression of a column stands behind its name in the footer: none, here, and LZO.
    let behind = |name: &[u8], codec: u8| [name, &[0x15, codec]].concat();
    let name = behind(b"anonymous_id", 0);
    let at = good.windows(name.len()).rposition(|bytes| bytes == name).unwrap();
    let mut lzo = good.clone();
    lzo[at..at + name.len()].copy_from_slice(&behind(b"anonymous_id", 6));
    let text = error("exposures/a.parquet", lzo);
    assert!(text.contains("it is compressed with LZO, which is not read"), "{text}");
    assert!(text.starts_with("exposures/a.parquet, row group 0: column \"anonymous_id\": "), "{text}");

    // The first page of the first column begins behind the magic.
    let mut headless = good;
    headless[4..12].fill(0);
    let text = error("exposures/a.parquet", headless);
    assert_eq!(
        text,
        "exposures/a.parquet, row group 0: column \"anonymous_id\": corrupt: the header of a page cannot be read"
    );
}

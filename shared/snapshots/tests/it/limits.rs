//! Files that are small and come to much: each ends at a limit, in little memory.

use std::fmt::Write as _;
use std::io::Write;
use std::process::Command;

use arrow_array::RecordBatch;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use snapshots::{Limits, Plan};

use crate::common::{Memory, Packing, T0, cells, micros, pack, plan, space, texts};

/// Memory that a run may take in all, in bytes.
const PEAK: u64 = 300 << 20;

/// Names the file that a process of its own reads.
const FILE: &str = "SNAPSHOTS_BOMB";

fn is_child() -> bool {
    std::env::var(FILE).is_ok()
}

/// The error of a snapshot of one file, in a process of one gigabyte that takes little of it.
fn error_in_a_process_of_its_own(test: &str, key: &str, bytes: &[u8]) -> Option<String> {
    error_beside(test, (key, bytes), &[])
}

/// The same of a file beside others, which are small.
fn error_beside(test: &str, (key, bytes): (&str, &[u8]), others: &[(&str, &[u8])]) -> Option<String> {
    if let Ok(file) = std::env::var(FILE) {
        let space = space();
        let others = others.iter().map(|(key, bytes)| ((*key).to_owned(), bytes.to_vec()));
        let objects = others.chain([(key.to_owned(), std::fs::read(file).unwrap())]);
        let error = Memory::of(objects).count(&plan(&space)).unwrap_err();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak << 10 < PEAK, "{peak} kB");
        println!("error: {error}");
        return None;
    }
    let file = std::env::temp_dir().join(format!("snapshots-{}-{test}", std::process::id()));
    std::fs::write(&file, bytes).unwrap();
    let child = Command::new("sh")
        .args(["-c", "ulimit -v 1048576; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([&format!("limits::{test}"), "--exact", "--nocapture"])
        .env(FILE, &file)
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{output}{}", String::from_utf8_lossy(&child.stderr));
    Some(output.lines().find_map(|line| line.split_once("error: ")).unwrap().1.to_owned())
}

#[test]
fn a_csv_header_of_millions_of_commas() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b','; if is_child() { 0 } else { 32 << 20 }]).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 40_000, "{}", bomb.len());
    let test = "a_csv_header_of_millions_of_commas";
    let Some(error) = error_in_a_process_of_its_own(test, "exposures/a.csv.gz", &bomb) else { return };
    assert_eq!(error, "exposures/a.csv.gz, line 1: the record has more fields, more than the limit of 10000 (fields)");
}

#[test]
fn a_parquet_page_of_gigabytes() {
    let value = "x".repeat(1 << 20);
    let bomb = if is_child() { Vec::new() } else { pages_of(&vec![value.as_str(); 150]) };
    let Some(error) = error_in_a_process_of_its_own("a_parquet_page_of_gigabytes", "exposures/a.parquet", &bomb) else {
        return;
    };
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    assert!(error.starts_with("exposures/a.parquet, row group 0: column \"context\""), "{error}");
    assert!(
        error.ends_with("bytes of pages decompressed at one time, more than the limit of 100663296 (page_bytes)"),
        "{error}"
    );
}

/// A Parquet file with some contexts in one page.
fn pages_of(contexts: &[&str]) -> Vec<u8> {
    let rows = contexts.len();
    let batch = RecordBatch::try_from_iter([
        ("context", texts(contexts)),
        ("anonymous_id", texts(&vec!["u"; rows])),
        ("timestamp", micros(&vec![T0; rows])),
        ("variant", texts(&vec![r#"{"headline":"a","sticky":true}"#; rows])),
    ])
    .unwrap();
    zstd_file(&batch)
}

/// A file with one page for each column.
fn zstd_file(batch: &RecordBatch) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(1 << 30)
        .set_write_batch_size(1 << 20)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

/// A file with one page of gzip that says that it has half a megabyte, and comes to two gigabytes.
fn a_page_that_lies() -> Vec<u8> {
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + u8::try_from(state >> 58).unwrap())
    };
    let ids: Vec<String> = (0..500).map(|_| (0..1_000).map(|_| letter()).collect()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let batch = RecordBatch::try_from_iter([
        ("timestamp", micros(&vec![T0; 500])),
        ("variant", texts(&vec![r#"{"headline":"a","sticky":true}"#; 500])),
        ("anonymous_id", texts(&ids)),
    ])
    .unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .set_compression(Compression::GZIP(parquet::basic::GzipLevel::default()))
        .build();
    let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    let mut file = writer.into_inner().unwrap();
    let metadata =
        parquet::file::metadata::ParquetMetaDataReader::new().parse_and_finish(&bytes::Bytes::from(file.clone()));
    let (start, length) = metadata.unwrap().row_group(0).column(2).byte_range();
    let (start, end) = (usize::try_from(start).unwrap(), usize::try_from(start + length).unwrap());
    let body = start + file[start..end].windows(3).position(|bytes| bytes == [0x1f, 0x8b, 8]).unwrap();
    // Streams of gzip after each other are one.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b'x'; 8 << 20]).unwrap();
    let megabytes = encoder.finish().unwrap();
    assert!((end - body) / megabytes.len() > 40, "{} bytes in {}", megabytes.len(), end - body);
    for (byte, filling) in file[body..end].iter_mut().zip(megabytes.iter().cycle()) {
        *byte = *filling;
    }
    file
}

#[test]
fn a_parquet_page_that_comes_to_more_than_its_header_says() {
    let bomb = if is_child() { Vec::new() } else { a_page_that_lies() };
    let test = "a_parquet_page_that_comes_to_more_than_its_header_says";
    let Some(error) = error_in_a_process_of_its_own(test, "exposures/a.parquet", &bomb) else { return };
    assert!(bomb.len() < 600_000, "{}", bomb.len());
    let expected =
        "exposures/a.parquet, row group 0: column \"anonymous_id\": corrupt: a page comes to more than the 50";
    assert!(error.starts_with(expected) && error.ends_with(" bytes of its header"), "{error}");
}

/// A checkpoint of a Delta table that names files.
fn checkpoint(paths: &[&str]) -> Vec<u8> {
    let path =
        (std::sync::Arc::new(arrow_schema::Field::new("path", arrow_schema::DataType::Utf8, true)), texts(paths));
    let add: arrow_array::ArrayRef = std::sync::Arc::new(arrow_array::StructArray::from(vec![path]));
    zstd_file(&RecordBatch::try_from_iter([("add", add)]).unwrap())
}

const DATA: (&str, &[u8]) = ("exposures/a.json", LINE.as_bytes());

#[test]
fn a_checkpoint_of_gigabytes() {
    let value = "x".repeat(1 << 20);
    let bomb = if is_child() { Vec::new() } else { checkpoint(&vec![value.as_str(); 150]) };
    let key = "exposures/_delta_log/00000000000000000003.checkpoint.parquet";
    let Some(error) = error_beside("a_checkpoint_of_gigabytes", (key, &bomb), &[DATA]) else { return };
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    assert!(error.starts_with(key) && error.ends_with("(page_bytes)"), "{error}");
}

#[test]
fn logs_of_delta_tables_have_limits() {
    let space = space();
    let error = |log: &[(&str, Vec<u8>)]| {
        let log = log.iter().map(|(name, bytes)| (format!("exposures/_delta_log/{name}"), bytes.clone()));
        let data = (DATA.0.to_owned(), DATA.1.to_vec());
        Memory::of(log.chain([data])).count(&plan(&space)).unwrap_err().to_string()
    };
    let first = "00000000000000000000.json";
    let action = format!("{{\"protocol\":{{\"minReaderVersion\":1,\"x\":\"{}\"}}}}", "x".repeat(4 << 20));
    assert!(error(&[(first, action.into_bytes())]).contains("an action has 41943"));
    let adds = (0..600_000).fold(String::new(), |mut adds, n| {
        let _ = writeln!(adds, "{{\"add\":{{\"path\":\"{n}\"}}}}");
        adds
    });
    let second = "00000000000000000001.json";
    let twice = error(&[(first, adds.clone().into_bytes()), (second, adds.into_bytes())]);
    assert!(twice.contains(second) && twice.contains("take more than 100663296 bytes"), "{twice}");
    let large = error(&[(first, vec![b'\n'; 40 << 20]), (second, vec![b'\n'; 40 << 20])]);
    assert!(large.contains("with it the log has 83886080 bytes, more than 67108864"), "{large}");
}

#[test]
fn markers_of_commits_have_a_limit() {
    let space = space();
    let objects = [("exposures/_committed_1", vec![b' '; 17 << 20]), ("exposures/a.json", LINE.as_bytes().to_vec())];
    let error = Memory::of(objects).count(&plan(&space)).unwrap_err().to_string();
    let what = "it and the other markers of commits have 17825792 bytes, more than the limit of 16777216 (markers)";
    assert_eq!(error, format!("exposures/_committed_1: {what}"));
}

#[test]
fn a_map_has_a_limit_of_values() {
    use arrow_array::builder::{MapBuilder, StringBuilder};
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for _ in 0..2 {
        for (key, value) in [("headline", "a"), ("sticky", "true")] {
            map.keys().append_value(key);
            map.values().append_value(value);
        }
        map.append(true).unwrap();
    }
    let columns = vec![
        ("anonymous_id", texts(&["u", "v"])),
        ("timestamp", micros(&[T0, T0])),
        ("variant", std::sync::Arc::new(map.finish()) as arrow_array::ArrayRef),
    ];
    let file = crate::common::parquet(columns, 10);
    let error = error_with(Limits { nested_values: 3, ..Limits::default() }, "exposures/a.parquet", file);
    assert!(error.starts_with("exposures/a.parquet, row group 0: column \"variant."), "{error}");
    assert!(error.ends_with("has 4 values, more than the limit of 3 (nested_values)"), "{error}");
}

fn error_with(limits: Limits, key: &str, bytes: impl Into<bytes::Bytes>) -> String {
    let space = space();
    let error = Memory::of([(key, bytes)]).count(&Plan { limits, ..plan(&space) }).unwrap_err();
    assert_eq!(error.kind(), snapshots::Kind::Invalid);
    error.to_string()
}

const LINE: &str = r#"{"anonymous_id":"u","timestamp":1780272000,"variant":{"headline":"a","sticky":true},"context":{"device":"mobile"}}"#;

#[test]
fn every_limit_is_named_with_the_object() {
    let all = Limits::default();
    let lines = vec![LINE; 2000].join("\n");
    let csv = "anonymous_id,timestamp,headline,sticky\nu,1780272000,a,true\n";
    let parquet = pages_of(&vec![r#"{"device":"mobile"}"#; 500]);
    for (limits, key, bytes, error) in [
        (
            Limits { record_bytes: 50, ..all },
            "exposures/a.json",
            LINE.as_bytes().to_vec(),
            "exposures/a.json, line 1: the record is longer than 50 bytes",
        ),
        (
            Limits { fields: 3, ..all },
            "exposures/a.json",
            LINE.as_bytes().to_vec(),
            "exposures/a.json, line 1: the record has more fields, more than the limit of 3 (fields)",
        ),
        (
            Limits { fields: 3, ..all },
            "exposures/a.csv",
            csv.as_bytes().to_vec(),
            "exposures/a.csv, line 1: the record has more fields, more than the limit of 3 (fields)",
        ),
        (
            Limits { fields: 3, ..all },
            "exposures/a.parquet",
            parquet.clone(),
            "exposures/a.parquet: it has 4 columns, more than the limit of 3 (fields)",
        ),
        (
            Limits { footer_bytes: 100, ..all },
            "exposures/a.parquet",
            parquet.clone(),
            "bytes, more than the limit of 100 (footer_bytes)",
        ),
        (
            Limits { nesting: 2, ..all },
            "exposures/a.json",
            LINE.replace("true", "[1]").into_bytes(),
            "exposures/a.json, line 1: objects and arrays within each other, more than the limit of 2 (nesting)",
        ),
        (
            Limits { decompressed_bytes: 10_000, ..all },
            "exposures/a.json.gz",
            pack(lines.as_bytes(), Packing::Gzip),
            "more than the limit of 10000 (decompressed_bytes)",
        ),
        (
            Limits { decompressed_bytes: 10_000, ..all },
            "exposures/a.parquet",
            parquet.clone(),
            "more than the limit of 10000 (decompressed_bytes)",
        ),
        (
            Limits { ratio: 5, ratio_from: 1000, ..all },
            "exposures/a.json.zst",
            pack(lines.as_bytes(), Packing::Zstd),
            "more than the limit of 5 (ratio)",
        ),
        (
            Limits { page_bytes: 5_000, ..all },
            "exposures/a.parquet",
            parquet,
            "more than the limit of 5000 (page_bytes)",
        ),
    ] {
        let found = error_with(limits, key, bytes);
        assert!(found.starts_with(key) && found.ends_with(error), "{error}: {found}");
    }
}

#[test]
fn an_object_of_twelve_thousand_keys_fails() {
    let keys: Vec<String> = (0..12_000).map(|i| format!("\"k{i}\":1")).collect();
    let object = format!("{{{}}}", keys.join(","));
    let error = error_with(Limits::default(), "exposures/a.json", object);
    assert_eq!(error, "exposures/a.json, line 1: the record has more fields, more than the limit of 10000 (fields)");
}

#[test]
fn a_header_of_long_names_is_cut_in_the_message() {
    let names: Vec<String> = (0..500).map(|i| format!("{i:03}{}", "n".repeat(997))).collect();
    let error = error_with(Limits::default(), "exposures/a.csv", names.join(",") + "\n");
    assert!(
        error.starts_with("exposures/a.csv: column \"anonymous_id\" is missing; the columns are 000nnn"),
        "{error}"
    );
    assert!(error.ends_with("… and 480 more") && error.chars().count() < 2_000, "{error}");
}

#[test]
fn a_text_of_more_than_a_mebibyte_is_no_value() {
    let space = space();
    let long = format!("{{\"device\":\"{}\"}}", "x".repeat(1 << 20));
    let good = r#"{"device":"mobile"}"#;
    let counted = Memory::of([("exposures/a.parquet", pages_of(&[good, &long, good]))]).count(&plan(&space)).unwrap();
    assert_eq!(cells(&counted), [(1, 0, 2, 0.0, 0.0)]);
    assert_eq!(counted.observations.skipped.values().sum::<u64>(), 1);
}

//! Files that are small and come to much: each ends at a limit, in little memory.

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

/// The error of a snapshot of one file, and the most memory that the process had.
fn error_in_a_process_of_its_own(test: &str, key: &str, bytes: &[u8]) -> Option<String> {
    if let Ok(file) = std::env::var(FILE) {
        let space = space();
        let error = Memory::of([(key, std::fs::read(file).unwrap())]).count(&plan(&space)).unwrap_err();
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
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(1 << 30)
        .set_write_batch_size(1 << 20)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
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

//! Delta tables: which files are the current version, and what a plain reader would get wrong.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, StringBuilder, StructBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Fields};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use snapshots::SnapshotCounts;

use crate::common::{Exposure, Kind, Memory, Packing, T0, cells, exposures_file, plan, space};

const LOG: &str = "exposures/_delta_log/";
const START: &str = r#"{"commitInfo":{"operation":"WRITE"}}
{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}
{"metaData":{"id":"t","format":{"provider":"parquet","options":{}},"schemaString":"{}","partitionColumns":[],"configuration":{}}}
"#;

fn add(path: &str) -> String {
    format!(
        "{{\"add\":{{\"path\":\"{path}\",\"partitionValues\":{{}},\"size\":1,\"modificationTime\":1,\"dataChange\":true}}}}\n"
    )
}

fn remove(path: &str) -> String {
    format!("{{\"remove\":{{\"path\":\"{path}\",\"deletionTimestamp\":1,\"dataChange\":true}}}}\n")
}

fn commit(version: u64) -> String {
    format!("{LOG}{version:020}.json")
}

/// A data file with one exposure of a variant.
fn data(variant: usize) -> Vec<u8> {
    let row = Exposure { id: format!("u{variant}"), time: T0, variant, context: 0 };
    exposures_file(&space(), &[row], Kind::Parquet, Packing::Plain, 10)
}

/// A table with the data files 0 to 3, whose log is given.
fn table(log: &[(String, Bytes)]) -> Memory {
    let files = (0..4).map(|variant| (format!("exposures/{variant}.parquet"), Bytes::from(data(variant))));
    Memory::of(files.chain(log.iter().cloned()))
}

fn counted(log: &[(String, Bytes)]) -> Result<SnapshotCounts, String> {
    table(log).count(&plan(&space())).map_err(|error| error.to_string())
}

/// The variants that the current version has.
#[track_caller]
fn variants(log: &[(String, Bytes)]) -> Vec<usize> {
    cells(&counted(log).unwrap()).into_iter().map(|row| row.0).collect()
}

fn json(version: u64, text: impl Into<String>) -> (String, Bytes) {
    (commit(version), Bytes::from(text.into()))
}

/// What a checkpoint has: files, some of them with a deletion vector, the features of readers, and sidecars.
#[derive(Default)]
struct Checkpoint<'a> {
    files: &'a [(&'a str, bool)],
    features: &'a [&'a str],
    configuration: &'a [(&'a str, &'a str)],
    sidecars: &'a [&'a str],
    /// A sidecar has files and nothing else.
    only_files: bool,
}

fn text_field(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn map_type() -> DataType {
    let entries = Fields::from(vec![Field::new("key", DataType::Utf8, false), text_field("value")]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

fn maps() -> MapBuilder<StringBuilder, StringBuilder> {
    MapBuilder::new(None, StringBuilder::new(), StringBuilder::new())
}

/// A checkpoint in Parquet, as the protocol describes it: a column for each kind of action, one action a row.
fn checkpoint(of: &Checkpoint<'_>) -> Bytes {
    let vector = Fields::from(vec![text_field("storageType")]);
    let add = Fields::from(vec![
        text_field("path"),
        Field::new("partitionValues", map_type(), true),
        Field::new("deletionVector", DataType::Struct(vector.clone()), true),
    ]);
    let list = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
    let protocol = Fields::from(vec![
        Field::new("minReaderVersion", DataType::Int32, true),
        Field::new("readerFeatures", list, true),
    ]);
    let meta = Fields::from(vec![Field::new("configuration", map_type(), true)]);
    let side = Fields::from(vec![text_field("path")]);
    let mut adds = StructBuilder::new(
        add,
        vec![
            Box::new(StringBuilder::new()),
            Box::new(maps()),
            Box::new(StructBuilder::new(vector, vec![Box::new(StringBuilder::new())])),
        ],
    );
    let mut protocols = StructBuilder::new(
        protocol,
        vec![Box::new(Int32Builder::new()), Box::new(ListBuilder::new(StringBuilder::new()))],
    );
    let mut metas = StructBuilder::new(meta, vec![Box::new(maps())]);
    let mut sides = StructBuilder::new(side, vec![Box::new(StringBuilder::new())]);
    // Rows: one for the protocol, one for the properties, then the files and the sidecars.
    let rows = 2 + of.files.len() + of.sidecars.len();
    for row in 0..rows {
        let file = row.checked_sub(2).and_then(|row| of.files.get(row));
        adds.field_builder::<StringBuilder>(0).unwrap().append_option(file.map(|(path, _)| *path));
        adds.field_builder::<MapBuilder<StringBuilder, StringBuilder>>(1).unwrap().append(file.is_some()).unwrap();
        let deleted = adds.field_builder::<StructBuilder>(2).unwrap();
        let is_deleted = file.is_some_and(|(_, deleted)| *deleted);
        deleted.field_builder::<StringBuilder>(0).unwrap().append_option(is_deleted.then_some("u"));
        deleted.append(is_deleted);
        adds.append(file.is_some());

        protocols.field_builder::<Int32Builder>(0).unwrap().append_option((row == 0).then_some(3));
        let features = protocols.field_builder::<ListBuilder<StringBuilder>>(1).unwrap();
        for feature in of.features.iter().filter(|_| row == 0) {
            features.values().append_value(feature);
        }
        features.append(row == 0);
        protocols.append(row == 0);

        let properties = metas.field_builder::<MapBuilder<StringBuilder, StringBuilder>>(0).unwrap();
        for (key, value) in of.configuration.iter().filter(|_| row == 1) {
            properties.keys().append_value(key);
            properties.values().append_value(value);
        }
        properties.append(row == 1).unwrap();
        metas.append(row == 1);

        let sidecar = row.checked_sub(2 + of.files.len()).and_then(|row| of.sidecars.get(row));
        sides.field_builder::<StringBuilder>(0).unwrap().append_option(sidecar);
        sides.append(sidecar.is_some());
    }
    let mut columns: Vec<(&str, ArrayRef)> = vec![("add", Arc::new(adds.finish()))];
    if !of.only_files {
        columns.push(("protocol", Arc::new(protocols.finish())));
        columns.push(("metaData", Arc::new(metas.finish())));
    }
    if !of.sidecars.is_empty() {
        columns.push(("sidecar", Arc::new(sides.finish())));
    }
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

#[test]
fn the_current_version_is_what_the_log_says() {
    let first = START.to_owned() + &add("0.parquet") + &add("1.parquet");
    assert_eq!(variants(&[json(0, first.clone())]), [0, 1]);
    // A file that is removed and added again in one commit stays, in either order.
    let again = add("1.parquet") + &remove("1.parquet");
    let log =
        [json(0, first), json(1, remove("0.parquet") + &add("2.parquet")), json(2, again), json(3, add("3%2Eparquet"))];
    assert_eq!(variants(&log), [1, 2, 3]);
}

#[test]
fn partition_values_are_columns_and_empty_ones_null() {
    let file = "anonymous_id,timestamp,headline,sticky\nu,2026-06-01T00:00:00Z,a,true\n";
    let of = |path: &str, value: &str| {
        add(path).replace("\"partitionValues\":{}", &format!("\"partitionValues\":{{\"device\":{value}}}"))
    };
    let log = START.to_owned()
        + &of("a.csv", "\"mobile\"")
        + &of("b.csv", "\"\"")
        + &of("c.csv", "null")
        + &of("device=tablet/d.csv", "\"tablet\"");
    let files = ["a.csv", "b.csv", "c.csv", "device=tablet/d.csv", "old.csv"]
        .map(|name| (format!("exposures/{name}"), file.to_owned()));
    let memory = Memory::of(files.into_iter().chain([(commit(0), log)]));
    let counted = memory.count(&plan(&space())).unwrap();
    assert_eq!(cells(&counted).iter().map(|c| (c.1, c.2)).collect::<Vec<_>>(), [(0, 1), (1, 1), (2, 2)]);
}

#[test]
fn checkpoints_stand_for_the_commits_before_them() {
    let files = [("0.parquet", false), ("1.parquet", false)];
    let one = checkpoint(&Checkpoint { files: &files, ..Checkpoint::default() });
    let at = |name: &str| format!("{LOG}{:020}.checkpoint{name}", 4);
    let next = json(5, remove("0.parquet") + &add("2.parquet"));
    // Of the commits before, none is left.
    assert_eq!(variants(&[(at(".parquet"), one.clone()), next.clone()]), [1, 2]);
    assert_eq!(variants(&[(at(".parquet"), one.clone())]), [0, 1]);

    // Of several parts, and one of them away: the log goes on from commits that are not there.
    let part = |file| checkpoint(&Checkpoint { files: file, ..Checkpoint::default() });
    let parts = [
        (at(".0000000001.0000000002.parquet"), part(&files[..1])),
        (at(".0000000002.0000000002.parquet"), part(&files[1..])),
    ];
    assert_eq!(variants(&[&parts[..], std::slice::from_ref(&next)].concat()), [1, 2]);
    let error = counted(&[parts[0].clone(), next.clone()]).unwrap_err();
    assert!(error.contains("version 0 is missing from the log, which goes on with version 5"), "{error}");
    assert!(counted(&parts[..1]).unwrap_err().contains("no version 0 and no whole checkpoint"));

    // Version 2: under a name of its own, in Parquet or JSON, with its files in sidecars.
    let sidecar = (
        format!("{LOG}_sidecars/s.parquet"),
        checkpoint(&Checkpoint { files: &files, only_files: true, ..Checkpoint::default() }),
    );
    let features = &["v2Checkpoint"];
    let second = checkpoint(&Checkpoint { features, sidecars: &["s.parquet"], ..Checkpoint::default() });
    let in_json = START.to_owned()
        + "{\"checkpointMetadata\":{\"version\":4}}\n{\"sidecar\":{\"path\":\"s.parquet\",\"sizeInBytes\":1,\"modificationTime\":1}}\n";
    for main in [
        (at(".parquet"), second.clone()),
        (at(".80a083e8-7026-4e79-81be-64bd76c43a11.parquet"), second.clone()),
        (at(".80a083e8-7026-4e79-81be-64bd76c43a11.json"), Bytes::from(in_json)),
    ] {
        assert_eq!(variants(&[main.clone(), sidecar.clone(), next.clone()]), [1, 2], "{}", main.0);
        let error = counted(&[main, next.clone()]).unwrap_err();
        assert!(error.contains("names the sidecar \"s.parquet\", which the snapshot does not have"), "{error}");
    }
}

#[test]
fn what_a_plain_reader_would_get_wrong_is_refused_by_name() {
    let vector = "\"deletionVector\":{\"storageType\":\"u\",\"pathOrInlineDv\":\"x\",\"offset\":1,\"sizeInBytes\":1,\"cardinality\":1}";
    let with_vector = add("0.parquet").replace("\"size\":1", &format!("{vector},\"size\":1"));
    let mapped = START.replace("\"configuration\":{}", "\"configuration\":{\"delta.columnMapping.mode\":\"name\"}");
    let newer = START.replace(
        "\"minReaderVersion\":1",
        "\"minReaderVersion\":3,\"readerFeatures\":[\"timestampNtz\",\"somethingNew\"]",
    );
    let outside = add("s3://other/table/0.parquet");
    let start = START.to_owned();
    let file = [("0.parquet", true)];
    let in_checkpoint = |of: &Checkpoint<'_>| vec![(format!("{LOG}{:020}.checkpoint.parquet", 0), checkpoint(of))];
    for (log, error) in [
        (
            vec![json(0, start.clone() + &with_vector)],
            "rows of 0.parquet are deleted by a deletion vector; REORG TABLE",
        ),
        (in_checkpoint(&Checkpoint { files: &file, ..Checkpoint::default() }), "deleted by a deletion vector"),
        (vec![json(0, mapped + &add("0.parquet"))], "delta.columnMapping.mode is \"name\""),
        (
            in_checkpoint(&Checkpoint {
                configuration: &[("delta.columnMapping.mode", "id")],
                ..Checkpoint::default()
            }),
            "delta.columnMapping.mode is \"id\"",
        ),
        (vec![json(0, newer + &add("0.parquet"))], "takes the feature \"somethingNew\""),
        (
            in_checkpoint(&Checkpoint { features: &["somethingNew"], ..Checkpoint::default() }),
            "takes the feature \"somethingNew\"",
        ),
        (vec![json(0, START.replace("\"minReaderVersion\":1", "\"minReaderVersion\":4"))], "version 4 of readers"),
        (vec![json(0, start.clone() + &outside)], "s3://other/table/0.parquet is outside the table"),
        (
            vec![json(0, start.clone() + &add("9.parquet"))],
            "has the file \"9.parquet\", which the snapshot does not have",
        ),
        (
            vec![json(0, start.clone()), json(2, add("0.parquet"))],
            "version 1 is missing from the log, which goes on with version 2",
        ),
        (vec![json(1, add("0.parquet"))], "version 0 is missing"),
        (vec![json(0, add("0.parquet"))], "the log has no protocol"),
        (vec![json(0, "{\"add\": 7}")], "it is no list of actions"),
        (vec![(format!("{LOG}{:020}.checkpoint.parquet", 0), Bytes::from(data(0)))], "the log has no protocol"),
    ] {
        let found = counted(&log).unwrap_err();
        assert!(found.starts_with(LOG) && found.contains(error), "{error}: {found}");
        assert!(found.contains("Write its rows out instead: UNLOAD"), "{found}");
    }
}

#[test]
fn a_file_whose_rows_came_back_has_no_deletion_vector_left() {
    let vector = "\"deletionVector\":{\"storageType\":\"u\"},\"size\":1";
    let with_vector = add("0.parquet").replace("\"size\":1", vector);
    let log = [
        json(0, START.to_owned() + &add("0.parquet") + &add("1.parquet")),
        json(1, remove("0.parquet") + &with_vector),
        json(2, remove("0.parquet") + &add("2.parquet")),
    ];
    assert!(counted(&log[..2]).unwrap_err().contains("deletion vector"));
    assert_eq!(variants(&log), [1, 2]);
}

//! Which objects are read, by their names.

use std::ops::Range;

use bytes::Bytes;

use super::*;
use crate::file::Compression;
use crate::source::SourceError;

/// Every object holds the beginning of a Parquet file.
struct Magic;

impl Source for Magic {
    fn read(&self, _: &str, range: Range<u64>) -> Result<Bytes, SourceError> {
        Ok(Bytes::from_static(b"PAR1PAR1PAR1").slice(0..usize::try_from(range.end - range.start).unwrap()))
    }
}

fn layout<'a>(source: &dyn Source, objects: &'a [Object], threads: usize) -> Result<Layout<'a>, SnapshotError> {
    super::layout(source, objects, (threads, &Limits::default()))
}

fn objects(keys: &[&str]) -> Vec<Object> {
    keys.iter().map(|key| Object { key: (*key).into(), size: 12 }).collect()
}

fn keys(files: &[File<'_>]) -> Vec<String> {
    files.iter().map(|file| file.key.to_owned()).collect()
}

#[test]
fn files_are_found_in_sub_folders_and_sorted() {
    let objects = objects(&[
        "_SUCCESS",
        "_MANIFEST.json",
        "exposures/",
        "exposures/dt=2/b.parquet",
        "exposures/dt=1/bucket=07/a.snappy.PARQUET",
        "exposures/_dt=0/a.parquet",
        "exposures/.part.crc",
        "exposures/dt=1/_committed",
        "exposures/dt=1_$folder$",
        "exposures/manifest",
        "exposures/0000_part_00",
        "rewards/r.csv.gz",
        "rewards/q.csv",
        "rewards/q.csv.metadata",
    ]);
    let layout = layout(&Magic, &objects, 2).unwrap();
    let Shape::Exposures { exposures, rewards } = layout.shape else { panic!("shape") };
    assert_eq!(
        keys(&exposures),
        [
            "exposures/0000_part_00",
            "exposures/_dt=0/a.parquet",
            "exposures/dt=1/bucket=07/a.snappy.PARQUET",
            "exposures/dt=2/b.parquet"
        ]
    );
    assert_eq!(exposures[0].format, Format::Parquet);
    assert_eq!(exposures[2].in_path, [("dt".into(), Some("1".into())), ("bucket".into(), Some("07".into()))]);
    assert_eq!(keys(&rewards), ["rewards/q.csv", "rewards/r.csv.gz"]);
    assert_eq!(rewards[1].format, Format::Csv(Compression::Gzip));
    assert_eq!(layout.warnings, []);
}

#[test]
fn empty_objects_are_nothing() {
    let mut objects = objects(&["exposures/a.json.gz", "exposures/b.json.gz", "rewards/a.csv", "README"]);
    for object in &mut objects[1..] {
        object.size = 0;
    }
    let layout = layout(&Magic, &objects, 1).unwrap();
    let Shape::Exposures { exposures, rewards } = layout.shape else { panic!("shape") };
    assert_eq!((keys(&exposures), rewards.len()), (vec!["exposures/a.json.gz".to_owned()], 0));
    assert_eq!(layout.warnings, []);
}

#[test]
fn what_is_in_no_folder_is_told() {
    let objects = objects(&["exposures/a.csv", "rewards/a.csv", "README", "Rewards/a.csv", "rewards/x-manifest.csv"]);
    let layout = layout(&Magic, &objects, 1).unwrap();
    let told: Vec<(&str, &str)> = layout
        .warnings
        .iter()
        .map(|w| (w.code.as_str(), w.example.as_ref().map_or("", |example| example.object.as_str())))
        .collect();
    assert_eq!(told, [("stray_object", "README"), ("manifest", "rewards/x-manifest.csv")]);
    assert!(layout.warnings[0].message.starts_with("2 objects in none of exposures/"));
}

#[test]
fn a_folder_under_another_name_fails() {
    for (keys, folder) in [
        (&["exposures/a.csv", "Rewards/a.csv"][..], "rewards"),
        (&["exposures/a.csv", "reward/a.csv"], "rewards"),
        (&["exposures/a.csv", "rewards.csv"], "rewards"),
        (&["exposures/a.csv", "old/rewards/a.csv"], "rewards"),
        (&["rewards/a.csv", "Exposures/a.csv"], "exposures"),
        (&["Observations/a.csv"], "observations"),
        (&["cell/a.csv"], "cells"),
    ] {
        let objects = objects(keys);
        for error in [layout(&Magic, &objects, 1).unwrap_err(), read_keys(&objects).unwrap_err()] {
            assert!(matches!(&error, SnapshotError::LooksLikeFolder { folder: f, .. } if *f == folder), "{error}");
        }
    }
    // Where that folder has files too, or is none of the shape, it is a stray like any other.
    for keys in [
        &["exposures/a.csv", "rewards/a.csv", "Rewards/a.csv"][..],
        &["cells/a.csv", "Rewards/a.csv"],
        &["exposures/a.csv", "cell/a.csv"],
    ] {
        assert_eq!(layout(&Magic, &objects(keys), 1).unwrap().warnings.len(), 1, "{keys:?}");
    }
}

#[test]
fn tables_of_other_formats_are_refused() {
    for key in [
        "exposures/metadata/v1.metadata.json",
        "exposures/t/metadata/00001-a.metadata.json",
        "exposures/metadata/00001-a.gz.metadata.json",
        "exposures/metadata/snap-1.avro",
        "exposures/metadata/version-hint.text",
        "exposures/.hoodie/hoodie.properties",
        "exposures/dt=1/.hoodie_partition_metadata",
        "exposures/delta_0000013_0000013_0000/000000_0",
        "exposures/dt=1/base_0000012/bucket_00000",
    ] {
        let objects = objects(&["exposures/data/a.parquet", key]);
        for error in [layout(&Magic, &objects, 1).unwrap_err(), read_keys(&objects).unwrap_err()] {
            let text = error.to_string();
            assert!(text.starts_with(key) && text.contains("exposures") && text.contains("UNLOAD"), "{text}");
        }
    }
    // A partition that is called so is none.
    assert!(layout(&Magic, &objects(&["exposures/metadata/a.parquet"]), 1).is_ok());
}

#[test]
fn the_keys_that_are_uploaded() {
    let with_rewards = objects(&[
        "rewards/a.csv",
        "_SUCCESS",
        "exposures/b.csv",
        "exposures/_c.csv",
        "notes.txt",
        "mapping.json",
        "exposures/_delta_log/00000000000000000000.json",
    ]);
    assert_eq!(
        read_keys(&with_rewards).unwrap(),
        ["exposures/b.csv", "rewards/a.csv", "exposures/_delta_log/00000000000000000000.json", "mapping.json"]
    );
    assert_eq!(read_keys(&objects(&["cells/a.csv"])).unwrap(), ["cells/a.csv"]);
    assert!(read_keys(&objects(&["rewards/a.csv"])).unwrap().is_empty());
}

#[test]
fn what_is_refused() {
    let error = |keys: &[&str]| layout(&Magic, &objects(keys), 1).unwrap_err().to_string();
    assert!(error(&["exposures/a.parquet", "cells/b.csv"]).contains("both exposures/a.parquet and cells/b.csv"));
    assert!(error(&["rewards/a.csv", "observations/b.csv"]).contains("both rewards/a.csv and observations/b.csv"));
    assert!(error(&["exposures/a.parquet", "exposures/b.csv"]).contains("exposures/ holds more than one format"));
    assert!(error(&["cells/readme.md"]).starts_with("cells/readme.md: the name ends in none of"));
    assert!(layout(&Magic, &objects(&["exposures/a.parquet", "rewards/b.csv"]), 1).is_ok());
}

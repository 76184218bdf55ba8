//! Folders with the markers of Spark's commits on Databricks: what they took out, and what was never committed, is no data.

use crate::common::{Memory, Row, cells, plan, space};
use snapshots::{Object, SnapshotCounts, SnapshotError, read_keys};

const CELLS: [Row; 3] = [(1, 0, 1, 0.0, 0.0), (3, 0, 1, 0.0, 0.0), (5, 0, 1, 0.0, 0.0)];

fn row(headline: &str) -> String {
    format!(
        "{{\"anonymous_id\":\"u\",\"timestamp\":1780272000,\"headline\":\"{headline}\",\"sticky\":true,\"device\":\"mobile\"}}\n"
    )
}

/// The name of a file of a transaction.
fn file(id: &str, number: usize) -> String {
    format!("part-0000{number}-tid-{id}-3f7c-{number}-1-c000.json")
}

fn commit(added: &[String], removed: &[String]) -> String {
    serde_json::json!({"added": added, "removed": removed}).to_string()
}

fn count(objects: &[(String, String)]) -> Result<SnapshotCounts, SnapshotError> {
    Memory::of(objects.iter().cloned()).count(&plan(&space()))
}

/// A folder that was written, overwritten by a second commit, and begun again by a third that never ended.
fn overwritten(folder: &str) -> Vec<(String, String)> {
    let at = |name: &str| format!("exposures/{folder}{name}");
    vec![
        (at("_started_11"), String::new()),
        (at("_committed_11"), commit(&[file("11", 0), file("11", 1)], &[])),
        (at(&file("11", 0)), row("a")),
        (at(&file("11", 1)), row("a")),
        (at("_started_22"), String::new()),
        (at("_committed_22"), commit(&[file("22", 0)], &[file("11", 0), file("11", 1)])),
        (at(&file("22", 0)), row("1")),
        // An attempt of the second transaction that was not its last.
        (at(&file("22", 7)), row("b \\\"q\\\"")),
        (at("_started_33"), String::new()),
        (at(&file("33", 0)), row("b \\\"q\\\"")),
    ]
}

#[test]
fn files_that_a_commit_took_out_or_that_were_never_committed_do_not_count() {
    for folder in ["", "dt=1/"] {
        let counted = count(&overwritten(folder)).unwrap();
        assert_eq!(cells(&counted), CELLS[2..], "{folder}");
        let [warning] = &counted.warnings[..] else { panic!("{:?}", counted.warnings) };
        assert_eq!(warning.code, "uncommitted");
        assert!(warning.message.starts_with("4 objects not read, as the markers of commits"), "{}", warning.message);
        assert_eq!(warning.example.as_ref().unwrap().object, format!("exposures/{folder}{}", file("11", 0)));
    }
}

#[test]
fn markers_speak_of_their_own_folder_and_of_files_with_an_id_of_theirs() {
    let mut objects = overwritten("dt=1/");
    // The same name in another folder, and files that no transaction wrote.
    objects.push((format!("exposures/dt=2/{}", file("11", 0)), row("a")));
    objects.push(("exposures/dt=1/more.json".into(), row("b \\\"q\\\"")));
    // As it is written where a file was cleaned up later.
    objects.push(("exposures/dt=2/_committed_vacuum9".into(), commit(&[], &[file("9", 0)])));
    assert_eq!(cells(&count(&objects).unwrap()), CELLS);
}

#[test]
fn a_file_that_was_committed_and_is_not_there_fails() {
    let mut objects = overwritten("");
    objects.retain(|(key, _)| !key.ends_with(&file("22", 0)));
    let error = count(&objects).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "exposures/_committed_22 says that {:?} was written, which the snapshot does not have; write the folder again, or \
             leave the markers of commits out",
            file("22", 0)
        )
    );
}

#[test]
fn what_is_named_like_a_marker_and_is_none_is_told() {
    let objects = [
        ("exposures/_committed_5".to_owned(), "done".to_owned()),
        ("exposures/_committed_6".to_owned(), String::new()),
        (format!("exposures/{}", file("5", 0)), row("a")),
    ];
    let counted = count(&objects).unwrap();
    assert_eq!(cells(&counted), CELLS[..1]);
    let [warning] = &counted.warnings[..] else { panic!("{:?}", counted.warnings) };
    assert_eq!(warning.code, "commit_marker");
    assert!(warning.message.starts_with("2 objects named like the marker of a commit"), "{}", warning.message);
}

#[test]
fn markers_are_uploaded_with_the_files() {
    let mut objects: Vec<Object> =
        overwritten("").into_iter().map(|(key, text)| Object { key, size: text.len() as u64 }).collect();
    objects.push(Object { key: "exposures/empty.json".into(), size: 0 });
    let keys: Vec<&str> = objects.iter().map(|object| object.key.as_str()).collect();
    let mut read = read_keys(&objects).unwrap();
    read.sort_unstable();
    let mut all = keys.clone();
    all.sort_unstable();
    assert_eq!(read, all);
}

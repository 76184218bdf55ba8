//! What a check says of a snapshot: as a run would read it, explained.

use snapshots::{Check, Column, check};

use crate::common::{Memory, T0, doubles, micros, parquet, plan, space, texts};

const EXPOSURES: &str = "anonymous_id,timestamp,headline,sticky,device\n\
                         u1,2026-06-01T00:00:00Z,a,true,mobile\nu2,2026-06-01T00:00:00Z,a,true,mobile\n";
const REWARDS: &str = "anonymous_id,timestamp,name\nu1,2026-06-01T00:10:00Z,signup\n";

fn checked(memory: &Memory) -> Check {
    check(memory, &memory.list(), &plan(&space())).unwrap()
}

/// Folder, column, type, what it is read as, and files.
fn shown(column: &Column) -> (&str, &str, &str, Option<&str>, u64) {
    (&column.folder, &column.column, &column.written_as, column.read_as.as_deref(), column.files)
}

#[test]
fn a_check_tells_what_a_run_would_make_of_it() {
    let exposures =
        format!("{EXPOSURES}u2,2026-06-01T00:00:00Z,a,true,mobile\nu3,2026-06-02T00:00:00Z,A,true,mobile\n");
    let memory = Memory::of([("exposures/a.csv", exposures), ("rewards/a.csv", REWARDS.to_owned())]);
    let found = checked(&memory);
    assert_eq!(found.fails, None);
    let files: Vec<_> = found.files.iter().map(|f| (f.folder.as_str(), f.format, f.files)).collect();
    assert_eq!(files, [("exposures", "CSV", 1), ("rewards", "CSV", 1)]);
    let (ids, days) = (found.ids.unwrap(), found.days.unwrap());
    assert_eq!((ids.with_rewards, ids.matched, found.duplicates), (1, 1, 1));
    assert_eq!(
        (days.first.as_str(), days.last.as_str(), days.days),
        ("2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z", 2)
    );
    let level = found.levels.iter().find(|level| level.level == "a").unwrap();
    assert_eq!((level.factor.as_str(), level.n), ("headline", 3));
    assert_eq!((found.unknown[0].value.as_deref(), found.unknown[0].did_you_mean.as_deref()), (Some("A"), Some("a")));
    // What a run would fail with, with all that was found before.
    let memory = Memory::of([("exposures/a.csv", EXPOSURES.to_owned()), ("rewards/a.csv", REWARDS.replace("u1", "x"))]);
    let found = checked(&memory);
    assert!(found.fails.unwrap().contains("no id of rewards/ occurs in exposures/"));
    assert_eq!(found.observations.unwrap().exposures, 2);
}

#[test]
fn a_check_of_observations_or_cells_with_times_tells_their_days() {
    let observation = |day: u32| {
        format!(
            r#"{{"anonymous_id":"u1","timestamp":"2026-06-0{day}T12:00:00Z","variant":{{"headline":"a","sticky":true}},"context":{{"device":"mobile"}},"reward":1}}"#
        )
    };
    let cell = |day: u32| {
        format!(
            r#"{{"day":"2026-06-0{day}","variant":{{"headline":"a","sticky":true}},"context":{{"device":"mobile"}},"n":10,"reward_sum":1}}"#
        )
    };
    let lines = |row: &dyn Fn(u32) -> String| [row(1), row(1), row(3)].join("\n");
    for (file, text) in [("observations/a.jsonl", lines(&observation)), ("cells/a.jsonl", lines(&cell))] {
        let found = checked(&Memory::of([(file, text)]));
        assert_eq!(found.fails, None, "{file}");
        let days = found.days.unwrap();
        assert_eq!((&days.first[..10], &days.last[..10], days.days), ("2026-06-01", "2026-06-03", 2), "{file}");
        assert_eq!(found.duplicates, 0, "no ids are read of {file}");
    }
}

#[test]
fn a_check_lists_the_columns_and_what_each_is_read_as() {
    let file = parquet(
        vec![
            ("ANONYMOUS_ID", texts(&["u1"])),
            ("timestamp", micros(&[T0])),
            ("variant", texts(&[r#"{"headline":"a","sticky":true}"#])),
            ("score", doubles(&[0.5])),
        ],
        10,
    );
    let reward = r#"{"anonymous_id":"u1","timestamp":1780272600,"note":[1],"more":{"a":1},"flag":true,"none":null}"#;
    let objects = [
        ("exposures/device=mobile/a.parquet", file.clone().into()),
        ("exposures/device=tablet/b.parquet", file.into()),
        ("rewards/name=signup/a.json", bytes::Bytes::from(reward)),
    ];
    let found = checked(&Memory::of(objects));
    assert_eq!((found.fails.as_deref(), found.more_columns), (None, 0));
    assert_eq!(
        found.columns.iter().map(shown).collect::<Vec<_>>(),
        [
            ("exposures", "ANONYMOUS_ID", "BYTE_ARRAY (UTF8)", Some("anonymous_id"), 2),
            ("exposures", "device", "path", Some("factor device of the context"), 2),
            ("exposures", "timestamp", "INT64 (TIMESTAMP_MICROS)", Some("timestamp"), 2),
            ("exposures", "variant", "BYTE_ARRAY (UTF8)", Some("variant"), 2),
            ("exposures", "score", "DOUBLE", None, 2),
            ("rewards", "anonymous_id", "text", Some("anonymous_id"), 1),
            ("rewards", "name", "path", Some("name"), 1),
            ("rewards", "timestamp", "number", Some("timestamp"), 1),
            ("rewards", "flag", "bool", None, 1),
            ("rewards", "more", "object", None, 1),
            ("rewards", "none", "null", None, 1),
            ("rewards", "note", "array", None, 1),
        ]
    );
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(
        json["columns"][4],
        serde_json::json!({"folder": "exposures", "column": "score", "type": "DOUBLE", "read_as": null, "files": 2})
    );
}

#[test]
fn a_check_says_what_a_mapping_makes_of_columns() {
    let exposures = "user,at,arm,kind,device\nu1,2026-06-01T00:00:00Z,0,seen,mobile\n";
    let mapping = r#"{"exposures": {"anonymous_id": "user", "timestamp": "at", "where": {"kind": "seen"},
        "variant": {"from": "arm", "values": {"0": {"headline": "a", "sticky": true}}}}}"#;
    let found =
        checked(&Memory::of([("exposures/a.csv", exposures), ("mapping.json", mapping), ("rewards/a.csv", REWARDS)]));
    let columns: Vec<_> = found.columns.iter().filter(|of| of.folder == "exposures").map(shown).collect();
    assert_eq!(
        columns,
        [
            ("exposures", "arm", "text", Some("variant"), 1),
            ("exposures", "at", "text", Some("timestamp"), 1),
            ("exposures", "device", "text", Some("device"), 1),
            ("exposures", "kind", "text", Some("where"), 1),
            ("exposures", "user", "text", Some("anonymous_id"), 1),
        ]
    );
}

#[test]
fn a_check_tells_each_reason_with_its_first_row_and_the_columns_of_what_fails() {
    let rewards = format!(
        "{REWARDS}u1,2026-06-01T00:10:00Z,login\nu1,2026-06-01T00:10:00Z,login\n,2026-06-01T00:10:00Z,signup\n"
    );
    let objects = [("exposures/a.csv", EXPOSURES.replace("u2,", ",")), ("rewards/a.csv", rewards)];
    let found = checked(&Memory::of(objects));
    let reasons: Vec<_> = found
        .skipped
        .iter()
        .map(|of| (of.folder, of.reason.name(), of.rows, of.example.as_ref().and_then(|example| example.line)))
        .collect();
    assert_eq!(
        reasons,
        [
            ("exposures", "null_id", 1, Some(3)),
            ("rewards", "other_reward", 2, Some(3)),
            ("rewards", "null_id", 1, Some(5))
        ]
    );
    let objects = [("exposures/a.csv", EXPOSURES.to_owned()), ("rewards/a.csv", REWARDS.replace("timestamp", "at"))];
    let found = checked(&Memory::of(objects));
    assert!(found.fails.unwrap().starts_with("rewards/a.csv: column \"timestamp\" is missing"));
    assert_eq!(found.files.len(), 2);
}

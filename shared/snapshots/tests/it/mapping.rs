//! `mapping.json`: each preset with files in its schema, and what a mapping may say.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder};
use arrow_array::{ArrayRef, Int64Array, StringArray, StructArray};
use arrow_schema::{DataType, Field};
use serde_json::{Value, json};
use snapshots::{SnapshotCounts, SnapshotError};

use crate::common::{Memory, Row, cells, parquet, plan, skipped, space, strings, texts};

fn values() -> Value {
    json!({"0": {"headline": "a", "sticky": false}, "1": {"headline": "a", "sticky": true}})
}

fn lines(rows: &[Value]) -> String {
    rows.iter().flat_map(|row| [row.to_string(), "\n".to_owned()]).collect()
}

fn run(mapping: &Value, exposures: &[Value], rewards: &[Value]) -> Result<SnapshotCounts, SnapshotError> {
    let objects = [
        ("mapping.json", mapping.to_string()),
        ("exposures/a.jsonl", lines(exposures)),
        ("rewards/a.jsonl", lines(rewards)),
    ];
    Memory::of(objects).count(&plan(&space()))
}

/// Two users saw variant 0 and one variant 1, who signed up.
fn expected(context: u64) -> [Row; 2] {
    [(0, context, 2, 0.0, 0.0), (1, context, 1, 1.0, 1.0)]
}

const TIME: &str = "2026-06-01T00:00:00Z";
const LATER: &str = "2026-06-01T00:10:00Z";

/// An exposure in a schema.
type Make = fn(user: &str, variation: &str, experiment: &str) -> Value;

#[test]
#[expect(clippy::too_many_lines, reason = "one table of all schemas")]
fn every_preset_reads_its_schema() {
    let plain = |user: &str| json!({"anonymous_id": user, "timestamp": LATER, "name": "signup"});
    let schemas: [(&str, Make, Value, u64); 11] = [
        (
            "growthbook",
            |u, v, e| json!({"user_id": u, "timestamp": TIME, "experiment_id": e, "variation_id": v}),
            plain("u3"),
            2,
        ),
        (
            "segment",
            |u, v, e| json!({"anonymous_id": u, "user_id": null, "received_at": TIME, "experiment_id": e, "variation_id": v}),
            json!({"anonymous_id": "u3", "received_at": LATER, "event": "signup"}),
            2,
        ),
        (
            "rudderstack",
            |u, v, e| json!({"anonymous_id": u, "received_at": TIME, "experiment_id": e, "variation_id": v}),
            json!({"anonymous_id": "u3", "received_at": LATER, "event": "signup"}),
            2,
        ),
        (
            "ga4",
            |u, v, e| {
                json!({"user_pseudo_id": u, "event_timestamp": 1_780_272_000_000_000_i64, "event_name": "experiment_viewed",
                    "event_params": [
                        {"key": "experiment_id", "value": {"string_value": e, "int_value": null}},
                        {"key": "variation_id", "value": {"string_value": null, "int_value": v.parse::<i64>().unwrap()}}
                    ],
                    "geo": {"country": "DE"}, "device": {"category": "mobile"}})
            },
            json!({"user_pseudo_id": "u3", "event_timestamp": 1_780_272_600_000_000_i64, "event_name": "signup"}),
            0,
        ),
        (
            "amplitude",
            |u, v, e| {
                json!({"user_id": u, "event_time": TIME, "event_type": "$exposure",
                    "event_properties": json!({"flag_key": e, "variant": v}).to_string()})
            },
            json!({"user_id": "u3", "event_time": LATER, "event_type": "signup"}),
            2,
        ),
        (
            "statsig",
            |u, v, e| {
                json!({"unit_id": u, "name": e, "group_id": v, "first_exposure_utc": TIME,
                    "user_dimensions": {"device": "tablet"}})
            },
            plain("u3"),
            1,
        ),
        (
            "eppo",
            |u, v, e| {
                json!({"subject": u, "experiment": e, "variation": v, "timestamp": TIME,
                    "subject_attributes": "{\"device\": \"mobile\"}"})
            },
            plain("u3"),
            0,
        ),
        (
            "eppo_bandit",
            |u, v, e| {
                json!({"subject": u, "bandit_key": e, "action": v, "action_probability": 0.5, "timestamp": TIME,
                    "subject_categorical_attributes": {"device": "mobile"}})
            },
            plain("u3"),
            0,
        ),
        (
            "posthog",
            |u, v, e| {
                json!({"uuid": "x", "event": "$feature_flag_called", "distinct_id": u, "timestamp": TIME,
                    "properties": json!({"$feature_flag": e, "$feature_flag_response": v}).to_string()})
            },
            json!({"event": "signup", "distinct_id": "u3", "timestamp": LATER, "properties": "{}"}),
            2,
        ),
        (
            "snowplow",
            |u, v, e| json!({"domain_userid": u, "collector_tstamp": TIME, "se_action": "viewed", "se_label": e, "se_property": v}),
            json!({"domain_userid": "u3", "collector_tstamp": LATER, "se_action": "signup"}),
            2,
        ),
        (
            "launchdarkly",
            |u, v, e| {
                json!({"context_key": u, "flag_key": e, "variation_id": v, "variation_value": "true", "received_time": TIME,
                    "context_attributes": {"device": "tablet"}})
            },
            plain("u3"),
            1,
        ),
    ];
    for (preset, row, reward, context) in schemas {
        let mapping = json!({"preset": preset, "experiment": "hero", "exposures": {"variant": {"values": values()}}});
        let exposures =
            [row("u1", "0", "hero"), row("u2", "0", "hero"), row("u3", "1", "hero"), row("u9", "1", "other")];
        let counted = run(&mapping, &exposures, &[reward]).unwrap_or_else(|error| panic!("{preset}: {error}"));
        assert_eq!(cells(&counted), expected(context), "{preset}");
        assert_eq!(skipped(&counted.observations).get("filtered"), Some(&1), "{preset}");
    }
}

#[test]
fn parquet_is_mapped_too() {
    let mapping = json!({"preset": "ga4", "exposures": {"variant": {"values": values()}}});
    let mut params = ListBuilder::new(StructBuilder::from_fields(
        vec![Field::new("key", DataType::Utf8, true), Field::new("value", DataType::Utf8, true)],
        3,
    ));
    for variation in ["0", "0", "1"] {
        for (key, value) in [("page", "/"), ("variation_id", variation)] {
            params.values().field_builder::<StringBuilder>(0).unwrap().append_value(key);
            params.values().field_builder::<StringBuilder>(1).unwrap().append_value(value);
            params.values().append(true);
        }
        params.append(true);
    }
    let category: ArrayRef = Arc::new(StringArray::from(vec!["mobile", "mobile", "mobile"]));
    let device = StructArray::from(vec![(Arc::new(Field::new("category", DataType::Utf8, true)), category)]);
    let columns = vec![
        ("user_pseudo_id", texts(&["u1", "u2", "u3"])),
        ("event_timestamp", Arc::new(Int64Array::from(vec![1_780_272_000_000_000; 3])) as ArrayRef),
        ("event_name", texts(&["experiment_viewed"; 3])),
        ("event_params", Arc::new(params.finish()) as ArrayRef),
        ("device", Arc::new(device) as ArrayRef),
    ];
    let rewards = vec![
        ("user_pseudo_id", strings(&[Some("u3"), None])),
        ("event_timestamp", Arc::new(Int64Array::from(vec![1_780_272_600_000_000; 2])) as ArrayRef),
        ("event_name", texts(&["signup", "page_view"])),
    ];
    let objects = [
        ("mapping.json", mapping.to_string().into_bytes()),
        ("exposures/a.parquet", parquet(columns, 2)),
        ("rewards/a.parquet", parquet(rewards, 2)),
    ];
    let counted = Memory::of(objects).count(&plan(&space())).unwrap();
    assert_eq!(cells(&counted), expected(0));
    assert_eq!(skipped(&counted.observations), [("other_reward", 1)].into());
}

#[test]
fn csv_columns_may_be_renamed_and_hold_json() {
    let mapping = json!({"exposures": {
        "anonymous_id": "visitor", "timestamp": "seen.at",
        "variant": {"headline": "props.h", "sticky": ["props", "s"]},
        "context": {"device": {"path": "agent"}},
        "where": {"kind": ["view", "preview"]}
    }});
    let csv = "visitor,seen.at,props,agent,kind\n\
               u1,2026-06-01T00:00:00Z,\"{\"\"h\"\":\"\"a\"\",\"\"s\"\":false}\",mobile,view\n\
               u2,2026-06-01T00:00:00Z,\"{\"\"h\"\":\"\"a\"\",\"\"s\"\":false}\",mobile,preview\n\
               u3,2026-06-01T00:00:00Z,\"{\"\"h\"\":\"\"a\"\",\"\"s\"\":true}\",mobile,view\n\
               u3,2026-06-01T00:00:00Z,\"{\"\"h\"\":\"\"a\"\",\"\"s\"\":true}\",mobile,click\n";
    let rewards = "anonymous_id,timestamp,name\nu3,2026-06-01T00:10:00Z,signup\n";
    let objects = [
        ("mapping.json", mapping.to_string()),
        ("exposures/a.csv", csv.to_owned()),
        ("rewards/a.csv", rewards.to_owned()),
    ];
    let counted = Memory::of(objects).count(&plan(&space())).unwrap();
    assert_eq!(cells(&counted), expected(0));
}

#[test]
fn variations_that_no_value_stands_for_are_told() {
    let mapping = json!({"preset": "growthbook", "exposures": {"variant": {"values": values()}}});
    let row = |user: &str, variation: Value| json!({"user_id": user, "timestamp": TIME, "variation_id": variation});
    let rows = [
        row("u1", json!(0)),
        row("u2", json!("0")),
        row("u3", json!(1.0)),
        row("u4", json!(7)),
        row("u5", json!(null)),
    ];
    let counted = run(&mapping, &rows, &[json!({"anonymous_id": "u3", "timestamp": LATER, "name": "signup"})]).unwrap();
    assert_eq!(cells(&counted), expected(2));
    assert_eq!(skipped(&counted.observations).get("unknown_variant"), Some(&2));
    let warning = counted.warnings.iter().find(|warning| warning.code == "unknown_variant").unwrap();
    assert!(warning.message.contains("\"variation_id = 7\""), "{}", warning.message);
}

#[test]
fn a_mapping_that_does_not_fit_fails() {
    let row = json!({"user_id": "u1", "timestamp": TIME, "variation_id": 0});
    for (mapping, message) in [
        ("{", "mapping.json: EOF"),
        (r#"{"exposures": {"id": "x"}}"#, "mapping.json: exposures.id is unknown"),
        (r#"{"preset": "growthbook"}"#, "mapping.json: exposures.variant.values is missing"),
        (
            r#"{"exposures": {"timestamp": "t", "timestamp": "u"}}"#,
            "mapping.json: the name \"timestamp\" is there twice at line 1 column",
        ),
        (
            r#"{"preset": "growthbook", "exposures": {"variant": {"values": {"0": {"headline": "z", "sticky": true}}}}}"#,
            "mapping.json: exposures.variant: values.0: headline has no level \"z\"",
        ),
        (
            r#"{"preset": "growthbook", "exposures": {"variant": {"values": {"0": {"title": "a", "sticky": true}}}}}"#,
            "mapping.json: exposures.variant: values.0: the model has no factor \"title\"",
        ),
        (
            r#"{"preset": "growthbook", "exposures": {"variant": {"values": {"0": {"headline": "a"}}}}}"#,
            "mapping.json: exposures.variant: values.0: the factor \"sticky\" is missing",
        ),
        (
            r#"{"exposures": {"anonymous_id": "nobody", "variant": {"from": "variation_id", "values": {}}}}"#,
            "exposures/a.jsonl: column \"nobody\" is missing",
        ),
    ] {
        let objects = [("mapping.json", mapping.to_owned()), ("exposures/a.jsonl", row.to_string())];
        let error = Memory::of(objects).count(&plan(&space())).unwrap_err();
        assert_eq!(error.kind(), snapshots::Kind::Invalid);
        assert!(error.to_string().starts_with(message), "{mapping}: {error}");
    }
}

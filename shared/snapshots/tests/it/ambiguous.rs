//! Rows of which nobody can tell what is meant fail the run by place and name, in every shape and format.

use std::sync::Arc;

use arrow_array::builder::{MapBuilder, StringBuilder};
use arrow_array::{Array, ArrayRef, BinaryArray, FixedSizeBinaryArray, StructArray};
use arrow_schema::{DataType, Field, Fields};
use bandit::RewardType;
use snapshots::{Kind, Plan};

use crate::common::{Memory, T0, cells, doubles, micros, parquet, plan, quoted, space, strings, texts};

const VARIANT: &str = r#"{"headline":"a","sticky":true}"#;
const CONTEXT: &str = r#"{"device":"mobile"}"#;
/// As [`VARIANT`] and [`CONTEXT`], with one factor twice; the second time in other letters of JSON, or with the same level.
const TWICE: [(&str, &str, &str); 4] = [
    (r#"{"headline":"a","sticky":true,"headline":"1"}"#, CONTEXT, "column \"variant\" has the name \"headline\" twice"),
    (
        r#"{"sticky":true,"headline":"a","st\u0069cky":true}"#,
        CONTEXT,
        "column \"variant\" has the name \"sticky\" twice",
    ),
    (VARIANT, r#"{"device":"mobile","device":"tablet"}"#, "column \"context\" has the name \"device\" twice"),
    (VARIANT, r#"{"device":null,"x":1,"x":2,"device":"mobile"}"#, "column \"context\" has the name \"device\" twice"),
];

#[track_caller]
fn refused(key: &str, bytes: impl Into<bytes::Bytes>, numeric: bool, expected: &str) {
    let space = space();
    let reward = if numeric { RewardType::Numeric } else { RewardType::Bool };
    let error = Memory::of([(key, bytes)]).count(&Plan { reward, ..plan(&space) }).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (Kind::Invalid, format!("{key}{expected}")));
}

#[test]
fn a_name_that_is_twice_in_a_variant_or_context_fails_every_shape_by_line_and_name() {
    let told = |place: &str, what: &str| format!("{place}: {what}; which is meant cannot be told");
    for (variant, context, what) in TWICE {
        let both = format!("\"variant\":{variant},\"context\":{context}");
        let good = format!("\"variant\":{VARIANT},\"context\":{CONTEXT}");
        let text = |object: &str| serde_json::to_string(object).unwrap();
        let as_text = format!("\"variant\":{},\"context\":{}", text(variant), text(context));
        for (folder, rest, numeric) in [
            ("exposures", "\"anonymous_id\":\"u\",\"timestamp\":1780272000", false),
            ("observations", "\"reward\":1", false),
            ("observations", "\"reward\":2.5", true),
            ("cells", "\"n\":3,\"reward_sum\":1", false),
            ("cells", "\"n\":3,\"reward_sum\":1,\"reward_sum_sq\":1", true),
        ] {
            let key = format!("{folder}/a.json");
            let line = told(", line 2", what);
            refused(&key, format!("{{{rest},{good}}}\n{{{rest},{both}}}\n{{{rest},{good}}}\n"), numeric, &line);
            refused(&key, format!("{{{rest},{good}}}\n{{{rest},{as_text}}}\n"), numeric, &line);
        }
        let csv =
            format!("anonymous_id,timestamp,variant,context\nu,1780272000,{},{}\n", quoted(variant), quoted(context));
        refused("exposures/a.csv", csv, false, &told(", line 2", what));
        let rows = |variants: &[&str], contexts: &[&str]| {
            let n = variants.len();
            let columns = vec![
                ("anonymous_id", texts(&vec!["u"; n])),
                ("timestamp", micros(&vec![T0; n])),
                ("variant", texts(variants)),
                ("context", texts(contexts)),
            ];
            parquet(columns, 2)
        };
        let file = rows(&[VARIANT, VARIANT, VARIANT, variant], &[CONTEXT, CONTEXT, CONTEXT, context]);
        refused("exposures/a.parquet", file, false, &told(", row group 1, row 1", what));
    }
}

#[test]
fn a_name_that_is_twice_in_rows_of_others_is_theirs() {
    let space = space();
    let row = |optimization: &str, variant: &str| {
        format!(
            "{{\"anonymous_id\":\"u\",\"timestamp\":1780272000,\"optimization_id\":\"{optimization}\",\"variant\":{variant},\
             \"context\":{CONTEXT}}}\n"
        )
    };
    let rows = row("opt", VARIANT) + &row("another", TWICE[0].0);
    let counted = Memory::of([("exposures/a.json", rows)]).count(&plan(&space)).unwrap();
    assert_eq!(cells(&counted), [(1, 0, 1, 0.0, 0.0)]);
}

fn of_variant(variant: ArrayRef) -> Vec<u8> {
    let rows = variant.len();
    parquet(
        vec![
            ("anonymous_id", texts(&vec!["u"; rows])),
            ("timestamp", micros(&vec![T0; rows])),
            ("variant", variant),
            ("device", texts(&vec!["mobile"; rows])),
        ],
        10,
    )
}

#[test]
fn a_name_that_is_twice_in_a_map_or_a_struct_fails() {
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in
        [&[("headline", "a"), ("sticky", "true")][..], &[("sticky", "true"), ("headline", "a"), ("sticky", "false")]]
    {
        for (key, value) in row {
            map.keys().append_value(key);
            map.values().append_value(value);
        }
        map.append(true).unwrap();
    }
    let what = "column \"variant\" has the name \"sticky\" twice; which is meant cannot be told";
    refused("exposures/a.parquet", of_variant(Arc::new(map.finish())), false, &format!(", row group 0, row 1: {what}"));

    let field = |name: &str| Field::new(name, DataType::Utf8, true);
    let fields = Fields::from(vec![field("headline"), field("sticky"), field("sticky")]);
    let columns = vec![texts(&["a"]), texts(&["true"]), texts(&["false"])];
    let twice = StructArray::try_new(fields, columns, None).unwrap();
    refused("exposures/a.parquet", of_variant(Arc::new(twice)), false, &format!(", row group 0, row 0: {what}"));
}

fn of_ids(ids: &[&str]) -> Vec<u8> {
    let columns = vec![
        ("anonymous_id", texts(ids)),
        ("timestamp", micros(&vec![T0; ids.len()])),
        ("variant", texts(&vec![VARIANT; ids.len()])),
        ("device", texts(&vec!["mobile"; ids.len()])),
    ];
    parquet(columns, 10)
}

const GROUPED: &str = ": column \"anonymous_id\" is \"a number with thousands separators\"; it must be all digits of the number, and nothing else";

#[test]
fn an_id_with_thousands_separators_fails_in_parquet_as_in_csv() {
    for id in ["1,000", "-12,345", "123,456,789", "1,000.0", " 1,000", "1,000\0\0"] {
        let file = |ids: ArrayRef| {
            let rows = ids.len();
            let columns = vec![
                ("anonymous_id", ids),
                ("timestamp", micros(&vec![T0; rows])),
                ("variant", texts(&vec![VARIANT; rows])),
                ("device", texts(&vec!["mobile"; rows])),
            ];
            parquet(columns, 10)
        };
        // Also beside ids that are too long to stand in their views, and beside nulls.
        let long = "x".repeat(40);
        let bytes: Vec<Option<&[u8]>> = vec![Some(b"999"), None, Some(id.as_bytes())];
        let sixteen = |text: &str| format!("{text:<16}").into_bytes();
        for ids in [
            texts(&["999", long.as_str(), id]),
            strings(&[Some("999"), None, Some(id)]),
            Arc::new(BinaryArray::from(bytes)) as ArrayRef,
            Arc::new(
                FixedSizeBinaryArray::try_from_iter([sixteen("999"), sixteen("7"), sixteen(id)].into_iter()).unwrap(),
            ),
        ] {
            refused("exposures/a.parquet", file(ids), false, &format!(", row group 0, row 2{GROUPED}"));
        }
        let csv = format!(
            "anonymous_id,timestamp,variant,device\n999,1780272000,{0},mobile\n{1},1780272000,{0},mobile\n",
            quoted(VARIANT),
            quoted(id)
        );
        refused("exposures/a.csv", csv, false, &format!(", line 3{GROUPED}"));
    }
    let what =
        GROUPED.replace("a number with thousands separators", "a number as a spreadsheet rounds it, such as 1.2E+15");
    let rounded = of_ids(&["999", "1.23457E+15"]);
    refused("exposures/a.parquet", rounded, false, &format!(", row group 0, row 1{what}"));
    let csv = format!("anonymous_id,timestamp,variant,device\n1E+15,1780272000,{},mobile\n", quoted(VARIANT));
    refused("exposures/a.csv", csv, false, &format!(", line 2{what}"));
    // A comma alone makes no number.
    let space = space();
    let file = of_ids(&["1,00", "a,000", "1000,000", "12,345,6", ",000", "1,000 apples", "1234E15", "+15"]);
    let counted = Memory::of([("exposures/a.parquet", file)]).count(&plan(&space)).unwrap();
    assert_eq!(cells(&counted), [(1, 0, 8, 0.0, 0.0)]);
}

#[test]
fn an_id_with_thousands_separators_fails_in_rewards_of_parquet_unless_they_are_others() {
    let space = space();
    let exposures = of_variant(texts(&[VARIANT]));
    let rewards = |names: &[&str]| {
        let columns = vec![
            ("anonymous_id", texts(&["u", "1,000"])),
            ("timestamp", micros(&[T0, T0])),
            ("name", texts(names)),
            ("value", doubles(&[1.0, 1.0])),
        ];
        parquet(columns, 10)
    };
    let with = |rewards: Vec<u8>| {
        Memory::of([("exposures/a.parquet", exposures.clone()), ("rewards/a.parquet", rewards)]).count(&plan(&space))
    };
    let error = with(rewards(&["signup", "signup"])).unwrap_err();
    assert_eq!(error.to_string(), format!("rewards/a.parquet, row group 0, row 1{GROUPED}"));
    assert_eq!(cells(&with(rewards(&["signup", "click"])).unwrap()), [(1, 0, 1, 1.0, 1.0)]);
}

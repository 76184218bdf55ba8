//! Every type and form that a column may have comes to the same cells.

use std::sync::Arc;

use crate::common::{HOUR, Memory, T0, cells, doubles, micros, parquet, plan, skipped, space, strings, texts};
use arrow_array::builder::{MapBuilder, StringBuilder};
use arrow_array::types::{ArrowPrimitiveType, Decimal256Type, Float16Type, Int8Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, FixedSizeBinaryArray, Float32Array,
    Int8Array, Int32Array, Int64Array, NullArray, RecordBatch, StringArray, StructArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field};
use bandit::{Dtype, Factor, RewardType, Space};
use parquet::basic::{LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int96, Int96Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use snapshots::{Plan, SnapshotCounts};

/// Exposures of the users 7 and 8, in the variants 0 and 3, in the contexts 0 and 2 (unknown).
const IDS: [&str; 2] = ["7", "8"];
const TIMES: [i64; 2] = [T0, T0 + HOUR / 2];
const VARIANTS: [&str; 2] = [r#"{"headline":"a","sticky":false}"#, r#"{"headline":"b \"q\"","sticky":true}"#];
const CONTEXTS: [Option<&str>; 2] = [Some(r#"{"device":"mobile"}"#), None];

fn exposures() -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("anonymous_id", texts(&IDS)),
        ("timestamp", micros(&TIMES)),
        ("variant", texts(&VARIANTS)),
        ("context", strings(&CONTEXTS)),
    ]
}

/// One reward of the user 8, half an hour after the exposure.
fn rewards() -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("anonymous_id", texts(&["8"])),
        ("timestamp", micros(&[T0 + HOUR])),
        ("name", texts(&["signup"])),
        ("value", doubles(&[2.0])),
    ]
}

fn with(
    mut columns: Vec<(&'static str, ArrayRef)>,
    name: &str,
    instead: Vec<(&'static str, ArrayRef)>,
) -> Vec<(&'static str, ArrayRef)> {
    columns.retain(|(n, _)| *n != name);
    columns.extend(instead);
    columns
}

fn numeric(space: &Space) -> Plan<'_> {
    Plan { reward: RewardType::Numeric, ..plan(space) }
}

fn counted(exposures: impl Into<bytes::Bytes>, rewards: impl Into<bytes::Bytes>) -> SnapshotCounts {
    let space = space();
    Memory::of([("exposures/a.parquet", exposures.into()), ("rewards/a.parquet", rewards.into())])
        .count(&numeric(&space))
        .unwrap()
}

fn check(what: &str, exposures: Vec<u8>, rewards: Vec<u8>) {
    let counted = counted(exposures, rewards);
    assert_eq!(cells(&counted), [(0, 0, 1, 0.0, 0.0), (3, 2, 1, 2.0, 4.0)], "{what}");
    assert_eq!(skipped(&counted.observations), [("unknown_context_level", 1)].into(), "{what}");
}

fn check_exposures(what: &str, name: &str, instead: Vec<(&'static str, ArrayRef)>) {
    check(what, parquet(with(exposures(), name, instead), 10), parquet(rewards(), 10));
}

fn check_rewards(what: &str, name: &str, instead: Vec<(&'static str, ArrayRef)>) {
    check(what, parquet(exposures(), 10), parquet(with(rewards(), name, instead), 10));
}

fn array(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

#[test]
fn ids_of_any_type() {
    for (what, ids) in [
        ("i8", array(Int8Array::from(vec![7, 8]))),
        ("i32", array(Int32Array::from(vec![7, 8]))),
        ("i64", array(Int64Array::from(vec![7, 8]))),
        ("u64", array(UInt64Array::from(vec![7, 8]))),
        ("decimal", array(Decimal128Array::from(vec![7, 8]).with_precision_and_scale(38, 0).unwrap())),
        ("binary", array(BinaryArray::from_vec(vec![b"7", b"8"]))),
        ("fixed", array(FixedSizeBinaryArray::try_from_iter([b"7", b"8"].into_iter()).unwrap())),
        ("large", array(arrow_array::LargeStringArray::from(vec!["7", "8"]))),
        ("view", array(arrow_array::StringViewArray::from(vec!["7", "8"]))),
        ("dictionary", array(arrow_array::DictionaryArray::<Int8Type>::from_iter(IDS))),
    ] {
        check_exposures(what, "anonymous_id", vec![("anonymous_id", ids)]);
    }
    check_rewards("i64", "anonymous_id", vec![("anonymous_id", array(Int64Array::from(vec![8])))]);
}

#[test]
fn a_binary_uuid_is_its_text() {
    let uuids = [[0x11_u8; 16], [0xab; 16]];
    let field = |name, physical, length, logical| {
        let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::REQUIRED);
        Arc::new(builder.with_length(length).with_logical_type(logical).build().unwrap())
    };
    let schema = Type::group_type_builder("schema").with_fields(vec![
        field("anonymous_id", PhysicalType::FIXED_LEN_BYTE_ARRAY, 16, Some(LogicalType::Uuid)),
        field("timestamp", PhysicalType::INT96, -1, None),
        field("variant", PhysicalType::BYTE_ARRAY, -1, None),
    ]);
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema.build().unwrap()), properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let ids = uuids.map(|id| FixedLenByteArray::from(id.to_vec()));
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<FixedLenByteArrayType>().write_batch(&ids, None, None).unwrap();
    column.close().unwrap();
    // INT96: nanoseconds of the day, then the Julian day; 2026-06-01 is 2,461,193.
    let times = TIMES.map(|t| {
        let nanos = u64::try_from(t - T0).unwrap() * 1_000;
        #[expect(clippy::cast_possible_truncation, reason = "the low half")]
        let time = Int96::from(vec![nanos as u32, (nanos >> 32) as u32, 2_461_193]);
        time
    });
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int96Type>().write_batch(&times, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&VARIANTS.map(ByteArray::from), None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let exposures = writer.into_inner().unwrap();

    let rewards =
        with(rewards(), "anonymous_id", vec![("anonymous_id", texts(&["abababab-abab-abab-abab-abababababab"]))]);
    let counted = counted(exposures, parquet(rewards, 10));
    assert_eq!(cells(&counted), [(0, 2, 1, 0.0, 0.0), (3, 2, 1, 2.0, 4.0)]);
}

#[test]
fn times_of_any_type() {
    let seconds = TIMES.map(|t| t / 1_000_000);
    let millis = TIMES.map(|t| t / 1_000);
    let nanos = TIMES.map(|t| t * 1_000 + 999);
    let dates = ["2026-06-01T00:00:00Z", "2026-06-01 00:30:00"];
    for (what, times) in [
        ("s", array(TimestampSecondArray::from(seconds.to_vec()))),
        ("s with zone", array(TimestampSecondArray::from(seconds.to_vec()).with_timezone("+02:00"))),
        ("ms", array(TimestampMillisecondArray::from(millis.to_vec()))),
        ("ms with zone", array(TimestampMillisecondArray::from(millis.to_vec()).with_timezone("Europe/Berlin"))),
        ("us", array(arrow_array::TimestampMicrosecondArray::from(TIMES.to_vec()))),
        ("ns", array(TimestampNanosecondArray::from(nanos.to_vec()))),
        ("ns with zone", array(TimestampNanosecondArray::from(nanos.to_vec()).with_timezone("UTC"))),
        ("text", texts(&dates)),
        ("text of integers", texts(&[&seconds[0].to_string(), &millis[1].to_string()])),
        ("integer s", array(Int64Array::from(seconds.to_vec()))),
        ("integer ms", array(Int64Array::from(millis.to_vec()))),
        ("integer us", array(UInt64Array::from(TIMES.map(i64::cast_unsigned).to_vec()))),
        (
            "decimal ns",
            array(Decimal128Array::from(nanos.map(i128::from).to_vec()).with_precision_and_scale(38, 0).unwrap()),
        ),
    ] {
        check_exposures(what, "timestamp", vec![("timestamp", times)]);
    }
    check_exposures("other name", "timestamp", vec![("Timestamp_UTC", micros(&TIMES))]);
    // The preferred name wins.
    check_exposures("both names", "timestamp", vec![("timestamp_utc", micros(&[0, 0])), ("TIMESTAMP", micros(&TIMES))]);
}

fn structs(fields: Vec<(&str, ArrayRef)>) -> ArrayRef {
    let fields = fields.into_iter().map(|(name, a)| (Arc::new(Field::new(name, a.data_type().clone(), true)), a));
    array(StructArray::from(fields.collect::<Vec<_>>()))
}

/// Maps of (key, value) texts; `None` is a null value.
fn maps(rows: &[&[(&str, Option<&str>)]]) -> ArrayRef {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in rows {
        for (key, value) in *row {
            builder.keys().append_value(key);
            builder.values().append_option(*value);
        }
        builder.append(true).unwrap();
    }
    array(builder.finish())
}

#[test]
fn variants_of_any_form() {
    let headlines = || texts(&["a", "b \"q\""]);
    let sticky = || array(BooleanArray::from(vec![false, true]));
    for (what, columns) in [
        ("struct", vec![("variant", structs(vec![("sticky", sticky()), ("headline", headlines())]))]),
        ("struct in other case", vec![("VARIANT", structs(vec![("Sticky", sticky()), ("HEADLINE", headlines())]))]),
        (
            "struct of texts",
            vec![("variant", structs(vec![("sticky", texts(&["false", "true"])), ("headline", headlines())]))],
        ),
        (
            "struct with a null more",
            vec![(
                "variant",
                structs(vec![("sticky", sticky()), ("headline", headlines()), ("old", strings(&[None, None]))]),
            )],
        ),
        (
            "map",
            vec![(
                "variant",
                maps(&[
                    &[("headline", Some("a")), ("sticky", Some("false"))],
                    &[("sticky", Some("true")), ("old", None), ("headline", Some("b \"q\""))],
                ]),
            )],
        ),
        ("columns", vec![("headline", headlines()), ("sticky", sticky())]),
        ("columns in other case", vec![("HEADLINE", headlines()), ("Sticky", texts(&["False", "TRUE"]))]),
        ("binary", vec![("variant", array(BinaryArray::from_vec(VARIANTS.map(str::as_bytes).to_vec())))]),
        (
            "one column goes before several",
            vec![("variant", texts(&VARIANTS)), ("headline", texts(&["x", "y"])), ("sticky", sticky())],
        ),
    ] {
        check_exposures(what, "variant", columns);
    }
}

/// Decimals of more than 38 digits, as BigQuery's BIGNUMERIC is written.
fn big_decimals(values: &[i128], scale: i8) -> Decimal256Array {
    let values = values.iter().map(|&v| <Decimal256Type as ArrowPrimitiveType>::Native::from_i128(v));
    Decimal256Array::from_iter_values(values).with_precision_and_scale(76, scale).unwrap()
}

#[test]
fn decimals_of_any_size_count_cells() {
    let space = space();
    let columns =
        |n: ArrayRef, sum: ArrayRef| parquet(vec![("variant", texts(&VARIANTS)), ("n", n), ("reward_sum", sum)], 10);
    let objects = [("cells/a.parquet", columns(array(big_decimals(&[5, 70], 0)), array(big_decimals(&[300, 0], 2))))];
    let counted = Memory::of(objects).count(&plan(&space)).unwrap();
    assert_eq!(cells(&counted), [(0, 2, 5, 3.0, 3.0), (3, 2, 70, 0.0, 0.0)]);
    // A bool reward that is 0 does not count, whatever its type.
    let rewards = with(rewards(), "value", vec![("value", array(big_decimals(&[0], 2)))]);
    let objects = [("exposures/a.parquet", parquet(exposures(), 10)), ("rewards/a.parquet", parquet(rewards, 10))];
    let counted = Memory::of(objects).count(&plan(&space)).unwrap();
    assert_eq!(counted.observations.rewards, 0);
    assert_eq!(skipped(&counted.observations), [("unknown_context_level", 1), ("zero_value", 1)].into());
}

/// The level numbers that a value has as the column `f` of some files, and in the JSON of a variant.
fn levels_in_every_form(space: &Space, json: &str, csv: Option<&str>, arrays: Vec<ArrayRef>) -> Vec<Option<usize>> {
    let head = format!(r#"{{"anonymous_id":"u","timestamp":{T0}"#);
    let nested = format!(r#"{{"f":{json}}}"#);
    let escaped = serde_json::to_string(&nested).unwrap();
    let mut objects: Vec<(&str, bytes::Bytes)> = vec![
        ("exposures/own.jsonl", format!("{head},\"f\":{json}}}\n").into()),
        ("exposures/nested.jsonl", format!("{head},\"variant\":{nested}}}\n").into()),
        ("exposures/text.jsonl", format!("{head},\"variant\":{escaped}}}\n").into()),
    ];
    let file = |columns: Vec<(&'static str, ArrayRef)>| {
        let user = vec![("anonymous_id", texts(&["u"])), ("timestamp", micros(&[T0]))];
        bytes::Bytes::from(parquet([user, columns].concat(), 1))
    };
    objects.push(("exposures/text.parquet", file(vec![("variant", texts(&[&nested]))])));
    for array in arrays {
        objects.push(("exposures/nested.parquet", file(vec![("variant", structs(vec![("f", Arc::clone(&array))]))])));
        objects.push(("exposures/own.parquet", file(vec![("f", array)])));
    }
    if let Some(csv) = csv {
        objects.push(("exposures/own.csv", format!("anonymous_id,timestamp,f\nu,{T0},{csv}\n").into()));
        let field = crate::common::quoted(&nested);
        objects.push(("exposures/text.csv", format!("anonymous_id,timestamp,variant\nu,{T0},{field}\n").into()));
    }
    let level = |object: (&str, bytes::Bytes)| match Memory::of([object]).count(&plan(space)) {
        Ok(counted) => Some(cells(&counted)[0].0),
        Err(error) => {
            assert!(error.to_string().contains("1 unknown_variant"), "{json}: {error}");
            None
        }
    };
    let mut levels: Vec<Option<usize>> = objects.into_iter().map(level).collect();
    // What serving takes.
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    levels.push(snapshots::json_level(&space.design()[0], &value));
    levels
}

#[test]
fn a_value_is_one_level_in_every_format_and_in_serving() {
    let texts_of =
        Space::new(vec![crate::common::factor("f", &["1", "1.5", "0.1", "true", "-7", "1e-7", "A"])], vec![]).unwrap();
    let bool = Factor::new("f", Dtype::Bool, vec!["false".into(), "true".into()]).unwrap();
    let bools = Space::new(vec![bool], vec![]).unwrap();
    let decimal =
        |value: i128, scale: i8| array(Decimal128Array::from(vec![value]).with_precision_and_scale(10, scale).unwrap());
    let float = |value: f32| array(Float32Array::from(vec![value]));
    let text = |value: &str| texts(&[value]);
    let truth = |value: bool| array(BooleanArray::from(vec![value]));
    for (space, json, csv, arrays, level) in [
        (&texts_of, "1", "1", vec![array(Int8Array::from(vec![1])), array(UInt64Array::from(vec![1]))], Some(0)),
        (&texts_of, "1.0", "1.0", vec![doubles(&[1.0]), float(1.0), decimal(100, 2)], Some(0)),
        (&texts_of, "1e0", "1e0", vec![decimal(1, 0), array(big_decimals(&[100], 2))], Some(0)),
        (&texts_of, "1.50", "1.50", vec![doubles(&[1.5]), float(1.5), decimal(150, 2)], Some(1)),
        (&texts_of, "0.1", "0.10", vec![doubles(&[0.1]), float(0.1), decimal(100, 3)], Some(2)),
        (&texts_of, "true", "true", vec![truth(true)], Some(3)),
        (&texts_of, "-7", "-7", vec![array(Int32Array::from(vec![-7])), doubles(&[-7.0])], Some(4)),
        (&texts_of, "0.0000001", "1e-7", vec![doubles(&[1e-7]), float(1e-7), decimal(1, 7)], Some(5)),
        (&texts_of, "\"1\"", "1", vec![text("1")], Some(0)),
        (&texts_of, "\"1.5\"", "1.5", vec![text("1.5")], Some(1)),
        (&texts_of, "\"true\"", "true", vec![text("true")], Some(3)),
        (&texts_of, "\"True\"", "True", vec![text("True")], None),
        (&texts_of, "\"a\"", "a", vec![text("a")], None),
        (&texts_of, "2", "2", vec![doubles(&[2.0]), decimal(200, 2)], None),
        (&texts_of, "null", "", vec![doubles(&[f64::NAN]), array(NullArray::new(1))], None),
        (&bools, "true", "true", vec![truth(true)], Some(1)),
        (&bools, "false", "false", vec![truth(false)], Some(0)),
        (&bools, "\"True\"", "True", vec![text("True")], Some(1)),
        (&bools, "\"FALSE\"", "FALSE", vec![text("FALSE")], Some(0)),
        (&bools, "1", "1", vec![array(Int32Array::from(vec![1]))], None),
        (&bools, "\"yes\"", "yes", vec![text("yes")], None),
    ] {
        for found in levels_in_every_form(space, json, Some(csv), arrays) {
            assert_eq!(found, level, "{json}");
        }
    }
    // CSV alone does not tell a text from a number.
    for found in levels_in_every_form(&texts_of, "\"1.50\"", None, vec![text("1.50")]) {
        assert_eq!(found, None);
    }
}

#[test]
fn contexts_of_any_form() {
    let devices = || strings(&[Some("mobile"), None]);
    for (what, columns) in [
        ("struct", vec![("context", structs(vec![("device", devices()), ("more", doubles(&[1.0, 2.0]))]))]),
        ("map", vec![("context", maps(&[&[("device", Some("mobile")), ("more", Some("x"))], &[]]))]),
        ("column", vec![("device", devices())]),
        ("unlisted", vec![("context", texts(&[r#"{"device":"mobile"}"#, r#"{"device":"tv"}"#]))]),
        ("empty", vec![("context", texts(&[r#"{"device":"mobile"}"#, "{}"]))]),
    ] {
        check_exposures(what, "context", columns);
    }
    for (what, columns) in [("absent", vec![]), ("nulls", vec![("context", array(NullArray::new(2)))])] {
        let space = space();
        let objects = [("exposures/a.parquet", parquet(with(exposures(), "context", columns), 10))];
        let counted = Memory::of(objects).count(&plan(&space)).unwrap();
        assert_eq!(cells(&counted), [(0, 2, 1, 0.0, 0.0), (3, 2, 1, 0.0, 0.0)], "{what}");
    }
}

#[test]
fn a_design_without_context_reads_none() {
    let space = Space::new(space().design().to_vec(), vec![]).unwrap();
    // A type that no context can have.
    let columns = with(exposures(), "context", vec![("context", doubles(&[1.0, 2.0]))]);
    let counted = Memory::of([("exposures/a.parquet", parquet(columns, 10))]).count(&plan(&space)).unwrap();
    assert_eq!(cells(&counted), [(0, 0, 1, 0.0, 0.0), (3, 0, 1, 0.0, 0.0)]);
    assert!(counted.observations.skipped.is_empty());
}

#[test]
fn values_of_any_type() {
    for (what, values) in [
        ("i8", array(Int8Array::from(vec![2]))),
        ("u64", array(UInt64Array::from(vec![2]))),
        (
            "f16",
            array(arrow_array::Float16Array::from(vec![<Float16Type as ArrowPrimitiveType>::Native::from_f32(2.0)])),
        ),
        ("f32", array(Float32Array::from(vec![2.0]))),
        ("decimal", array(Decimal128Array::from(vec![200]).with_precision_and_scale(18, 2).unwrap())),
        ("decimal of 256 bits", array(big_decimals(&[200], 2))),
        ("decimal of 32 bits", array(Decimal128Array::from(vec![20]).with_precision_and_scale(5, 1).unwrap())),
    ] {
        check_rewards(what, "value", vec![("value", values)]);
    }
    let space = space();
    for (value, sum) in [(true, 1.0), (false, 0.0)] {
        let rewards = with(rewards(), "value", vec![("value", array(BooleanArray::from(vec![value])))]);
        let objects = [("exposures/a.parquet", parquet(exposures(), 10)), ("rewards/a.parquet", parquet(rewards, 10))];
        let counted = Memory::of(objects).count(&numeric(&space)).unwrap();
        assert_eq!(counted.cells.reward_sum().to_bits(), f64::to_bits(sum), "{value}");
    }
}

#[test]
fn names_may_be_absent_or_of_other_types() {
    check_rewards("no name", "name", vec![]);
    check_rewards("binary", "name", vec![("NAME", array(BinaryArray::from_vec(vec![b"signup"])))]);
    check_exposures("optimization", "", vec![("optimization_id", strings(&[Some("opt"), None]))]);
    let fixed = FixedSizeBinaryArray::try_from_iter([b"opt", b"opt"].into_iter()).unwrap();
    check_exposures("fixed optimization", "", vec![("OPTIMIZATION_ID", array(fixed))]);
    check_rewards("optimization of a reward", "", vec![("optimization_id", strings(&[None]))]);
}

#[test]
fn names_are_matched_exactly_first() {
    let both =
        vec![("ANONYMOUS_ID", texts(&["1", "2"])), ("anonymous_id", texts(&IDS)), ("Anonymous_Id", texts(&["3", "4"]))];
    check_exposures("exact", "anonymous_id", both);
}

#[test]
fn a_row_group_at_a_time_with_dictionaries_and_without() {
    let space = space();
    let rows = 30_000;
    let variants: Vec<&str> = (0..rows).map(|i| VARIANTS[i % 2]).collect();
    let ids: Vec<String> = (0..rows).map(|i| i.to_string()).collect();
    let batch = RecordBatch::try_from_iter([
        ("anonymous_id", array(StringArray::from(ids))),
        ("timestamp", micros(&vec![T0; rows])),
        ("variant", texts(&variants)),
    ])
    .unwrap();
    for (dictionary, limit) in [(true, 1 << 20), (true, 40), (false, 1 << 20)] {
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(dictionary)
            .set_dictionary_page_size_limit(limit)
            .set_max_row_group_row_count(Some(20_000))
            .build();
        let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        let objects = [("exposures/a.parquet", writer.into_inner().unwrap())];
        let counted = Memory::of(objects).count(&plan(&space)).unwrap();
        assert_eq!(cells(&counted), [(0, 2, 15_000, 0.0, 0.0), (3, 2, 15_000, 0.0, 0.0)], "{dictionary} {limit}");
    }
}

#[test]
fn text_files_in_any_form() {
    let space = space();
    let rewards = r#"{"NAME":"signup","anonymous_id":8,"timestamp":1780275600,"value":"2.0","note":null}"#;
    for (what, ending, exposures) in [
        (
            "JSON with objects, a byte order mark, blank lines and carriage returns",
            "json",
            "\u{feff}{\"anonymous_id\":7,\"timestamp\":1780272000000,\"variant\":{\"headline\":\"a\",\"sticky\":false},\"context\":{\"device\":\"mobile\"}}\r\n\n \
             {\"ANONYMOUS_ID\":\"\\u0038\",\"Timestamp_UTC\":\"2026-06-01 02:30:00+02\",\"variant\":{\"sticky\":\"true\",\"headline\":\"b \\\"q\\\"\"}}",
        ),
        (
            "JSON with factors of their own",
            "ndjson",
            "{\"anonymous_id\":\"7\",\"timestamp\":1780272000,\"headline\":\"a\",\"Sticky\":false,\"device\":\"mobile\"}\n\
             {\"anonymous_id\":\"8\",\"timestamp\":1780273800,\"headline\":\"b \\\"q\\\"\",\"sticky\":\"true\"}\n",
        ),
        (
            "JSON with a name in two cases",
            "jsonl",
            "{\"Anonymous_id\":\"1\",\"anonymous_id\":\"7\",\"ANONYMOUS_ID\":\"2\",\"timestamp\":1780272000,\"headline\":\"a\",\"sticky\":false,\"device\":\"mobile\"}\n\
             {\"anonymous_id\":\"8\",\"timestamp_utc\":1,\"TIMESTAMP\":1780273800,\"headline\":\"b \\\"q\\\"\",\"sticky\":\"true\"}\n",
        ),
        (
            "CSV with factors of their own",
            "csv",
            "\u{feff}anonymous_id,timestamp,headline,sticky,device\n7,1780272000,a,False,mobile\n\"8\",2026-06-01T00:30:00Z,\"b \"\"q\"\"\",true,\\N",
        ),
        (
            "CSV with JSON",
            "csv",
            "ANONYMOUS_ID,TIMESTAMP,VARIANT,CONTEXT\r\n7,2026-06-01 00:00:00 UTC,\"{\"\"headline\"\":\"\"a\"\",\"\"sticky\"\":false}\",\"{\"\"device\"\":\"\"mobile\"\"}\"\r\n\r\n\
             8,1780273800,\"{\"\"headline\"\":\n\"\"b \\\"\"q\\\"\"\"\",\"\"sticky\"\":true}\",\r\n",
        ),
    ] {
        let objects = [(format!("exposures/a.{ending}"), exposures), ("rewards/a.json".to_owned(), rewards)];
        let counted = Memory::of(objects).count(&numeric(&space)).unwrap();
        assert_eq!(cells(&counted), [(0, 0, 1, 0.0, 0.0), (3, 2, 1, 2.0, 4.0)], "{what}");
        assert_eq!(skipped(&counted.observations), [("unknown_context_level", 1)].into(), "{what}");
    }
}

#[test]
fn a_type_says_what_it_is() {
    // Guards the helper that writes structs: a plain text would pass the struct tests too.
    let DataType::Struct(fields) = structs(vec![("a", texts(&["x"]))]).data_type().clone() else { panic!("no struct") };
    assert_eq!(fields.len(), 1);
}

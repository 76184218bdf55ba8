//! The recorded figures: `../../data/evaluation.py` says how they were made.

use serde_json::Value;

/// One part of the file.
pub fn figures(part: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../../data/evaluation.json")).unwrap();
    let part = all.get(part).unwrap_or_else(|| panic!("no part {part}"));
    part.clone()
}

/// A field as a number.
pub fn number(value: &Value, field: &str) -> f64 {
    value[field].as_f64().unwrap_or_else(|| panic!("{field} of {value}"))
}

/// A field as a count.
pub fn count(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("{field} of {value}"))
}

/// A list of numbers.
pub fn numbers(value: &Value) -> Vec<f64> {
    list(value).iter().map(|x| x.as_f64().unwrap()).collect()
}

/// A list.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

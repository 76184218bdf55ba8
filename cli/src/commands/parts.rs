//! Parts of answers as text.

use serde_json::Value;

use crate::screen::{Screen, say};

/// The text at a place of an answer; empty where there is none.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The number at a place of an answer; NaN where there is none.
pub(crate) fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// The elements of the list at a place of an answer.
pub(crate) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// `headline=Save cta_text=Buy`.
pub(crate) fn assignment(value: &Value, pointer: &str) -> String {
    let pairs = value.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    let level = |level: &Value| level.as_str().map_or_else(|| level.to_string(), str::to_owned);
    pairs.map(|(name, value)| format!("{name}={}", level(value))).collect::<Vec<_>>().join(" ")
}

/// `name: value`, one a line, where the value is not empty.
pub(crate) fn facts(screen: Screen, pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{}  {value}\n", screen.heading(&format!("{name:width$}")));
    pairs.iter().filter(|(_, value)| !value.is_empty()).map(line).collect()
}

/// Prints an answer as JSON.
pub(crate) fn say_json(value: &Value) {
    say(&format!("{value:#}"));
}

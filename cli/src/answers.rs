//! Parts of the API's answers as text for people.

use serde_json::Value;

use crate::screen::Screen;
use crate::terminal;

/// The text at a place of an answer, for a terminal; empty where there is none.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => terminal::value(text).into_owned(),
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
    pairs.map(|(name, value)| format!("{}={}", terminal::value(name), text(value, ""))).collect::<Vec<_>>().join(" ")
}

/// `name: value`, one a line, where the value is not empty.
pub(crate) fn facts(screen: Screen, pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{}  {value}\n", screen.heading(&format!("{name:width$}")));
    pairs.iter().filter(|(_, value)| !value.is_empty()).map(line).collect()
}

/// The scale that all intervals of some rows share: from the least lower end to the greatest upper end.
pub(crate) fn scale<'v>(rows: impl Iterator<Item = &'v Value>, lo: &str, hi: &str) -> (f64, f64) {
    rows.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), row| {
        (min.min(number(row, lo)), max.max(number(row, hi)))
    })
}

/// A number with four decimals; nothing for what is none.
pub(crate) fn decimal(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { String::new() }
}

/// `null_id 3, bad_json 1`, of the reasons at a place of an answer.
pub(crate) fn skipped(value: &Value, pointer: &str) -> String {
    let reasons = value.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    reasons.map(|(reason, n)| format!("{} {n}", terminal::value(reason))).collect::<Vec<_>>().join(", ")
}

/// The warnings of an answer, one a line, each with its example.
pub(crate) fn warnings(answer: &Value) -> Vec<(&'static str, String)> {
    let line = |warning: &Value| {
        let example = warning.get("example").map(example).unwrap_or_default();
        ("warning", format!("{}: {}{example}", text(warning, "/code"), text(warning, "/message")))
    };
    list(answer, "/warnings").iter().map(line).collect()
}

/// ` (exposures/a.csv, line 3: device is "mobile ")`.
pub(crate) fn example(example: &Value) -> String {
    let mut shown = text(example, "/object");
    for (name, pointer) in [("line", "/line"), ("row group", "/row_group"), ("row", "/row")] {
        let number = text(example, pointer);
        if !number.is_empty() {
            shown = format!("{shown}, {name} {number}");
        }
    }
    let value = example.get("value").map(|_| format!(" is {:?}", text(example, "/value"))).unwrap_or_default();
    match text(example, "/column") {
        column if column.is_empty() && value.is_empty() => format!(" ({shown})"),
        column => format!(" ({shown}: {column}{value})"),
    }
}

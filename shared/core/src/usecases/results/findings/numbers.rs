//! Numbers out of an answer, and as sentences have them.

use serde_json::Value;

/// A finite number.
pub(super) fn number(value: &Value, pointer: &str) -> Option<f64> {
    value.pointer(pointer)?.as_f64().filter(|number| number.is_finite())
}

/// A count; 0 where there is none.
pub(super) fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// A text; empty where there is none.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A list; empty where there is none.
pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A number of so many digits, with a true minus sign and never `−0.0`.
pub(super) fn decimal(value: f64, digits: usize) -> String {
    let shown = format!("{:.digits$}", value.abs());
    if value < 0.0 && shown.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) { format!("−{shown}") } else { shown }
}

/// `+12.3 %` of a number in per cent.
pub(super) fn signed(percent: f64) -> String {
    let shown = decimal(percent, 1);
    if shown.starts_with('−') || shown == "0.0" { format!("{shown} %") } else { format!("+{shown} %") }
}

/// `6.12 %` of a share.
pub(super) fn share(share: f64) -> String {
    format!("{} %", decimal(100.0 * share, 2))
}

/// `84,022`.
pub(super) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[expect(clippy::cast_precision_loss, reason = "counts of users are far below 2^52")]
pub(super) fn ratio(of: u64, all: u64) -> f64 {
    of as f64 / all as f64
}

//! Numbers of the answers as a report writes them.

use serde_json::Value;

use crate::answers::number;

const NONE: &str = "–";

/// A number with a true minus sign.
fn fixed(value: f64, digits: usize) -> String {
    let shown = format!("{:.digits$}", value.abs());
    if value < 0.0 && shown.bytes().any(|b| (b'1'..=b'9').contains(&b)) { format!("−{shown}") } else { shown }
}

/// `+12.3 %` of per cent.
pub(super) fn signed(percent: f64) -> String {
    if !percent.is_finite() {
        return NONE.to_owned();
    }
    let shown = fixed(percent, 1);
    if shown.starts_with('−') || shown == "0.0" { format!("{shown} %") } else { format!("+{shown} %") }
}

/// `6.1 %` of a share.
pub(super) fn share(value: f64) -> String {
    if value.is_finite() { format!("{} %", fixed(100.0 * value, 1)) } else { NONE.to_owned() }
}

/// A reward: a rate in per cent where it is yes or no, a number where it is an amount.
pub(super) fn reward(value: f64, numeric: bool) -> String {
    match value {
        value if !value.is_finite() => NONE.to_owned(),
        value if numeric => fixed(value, 4),
        value => format!("{} %", fixed(100.0 * value, 2)),
    }
}

/// `84,022`.
pub(super) fn count(value: &Value, pointer: &str) -> String {
    let Some(count) = value.pointer(pointer).and_then(Value::as_u64) else { return NONE.to_owned() };
    let digits = count.to_string();
    let places = digits.chars().enumerate();
    let grouped =
        places.map(
            |(i, digit)| {
                if i > 0 && (digits.len() - i).is_multiple_of(3) { format!(",{digit}") } else { digit.to_string() }
            },
        );
    grouped.collect::<Vec<_>>().concat()
}

/// Both ends of an interval, where there are both.
pub(super) fn ends(value: &Value, pointer: &str) -> Option<[f64; 2]> {
    let [lo, hi] = [0, 1].map(|end| number(value, &format!("{pointer}/{end}")));
    (lo.is_finite() && hi.is_finite()).then_some([lo, hi])
}

/// `−5.0 % … +10.0 %`.
pub(super) fn interval(ends: Option<[f64; 2]>, each: impl Fn(f64) -> String) -> String {
    ends.map_or_else(|| NONE.to_owned(), |[lo, hi]| format!("{} … {}", each(lo), each(hi)))
}

/// The levels of a variant or context, in the order of the factors. As it is: the form of the report makes it harmless.
pub(super) fn levels(value: &Value) -> String {
    let level = |level: &Value| match level {
        Value::String(text) => text.clone(),
        Value::Null => "(unknown)".to_owned(),
        other => other.to_string(),
    };
    value.as_object().into_iter().flatten().map(|(_, value)| level(value)).collect::<Vec<_>>().join(" · ")
}

/// A text as it is.
pub(super) fn plain(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A code of the service as words.
pub(super) fn words(code: &str) -> String {
    code.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        assert_eq!(
            (signed(12.34), signed(-0.04), signed(-5.06), signed(f64::NAN)),
            ("+12.3 %".into(), "0.0 %".into(), "−5.1 %".into(), "–".into())
        );
        assert_eq!((reward(0.0611, false), reward(12.5, true)), ("6.11 %".into(), "12.5000".into()));
        let value = json!({"n": 84_022, "ci": [-5.04, 10.0], "half": [1.0, null]});
        assert_eq!(count(&value, "/n"), "84,022");
        assert_eq!(interval(ends(&value, "/ci"), signed), "−5.0 % … +10.0 %");
        assert_eq!(interval(ends(&value, "/half"), signed), "–");
    }
}

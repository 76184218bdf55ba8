//! What a value is as the level of a factor: one rule for every file format and for serving.
//!
//! A text is itself. A bool is `true` or `false`. A number is the text that JavaScript prints for it, so that `1`, `1.0`
//! and `1e0` are `1`, and `1.50` is `1.5`: integers of 64 bits keep all their digits, any other number is that of a
//! double with the fewest digits that read back as it, from 10⁻⁶ up to 10²¹ without an exponent. A value is the level
//! that has exactly this text; for a bool factor the case does not matter (`True`).
//!
//! A field of CSV has no type. It is the level of its text, and where there is none, that of the number that it writes.

use std::borrow::Cow;

use bandit::{Dtype, Factor};
use serde_json::Value;

/// A value that may be a level.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar<'a> {
    Null,
    Text(&'a str),
    Bool(bool),
    /// A number in any decimal form.
    Number(&'a str),
    /// A text that may stand for a number.
    Untyped(&'a str),
    /// An array or object: no level.
    Nested,
}

/// The level of one factor in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Missing,
    Unknown,
    Known(usize),
}

/// The level of `factor` that is written as `scalar`.
pub(crate) fn level(factor: &Factor, scalar: Scalar<'_>) -> Level {
    let number = |text: &str| known(factor, &number_text(text)?);
    let found = match scalar {
        Scalar::Null => return Level::Missing,
        Scalar::Text(text) => known(factor, text),
        Scalar::Bool(value) => known(factor, if value { "true" } else { "false" }),
        Scalar::Number(text) => number(text),
        Scalar::Untyped(text) => known(factor, text).or_else(|| number(text)).or_else(|| initial(factor, text)),
        Scalar::Nested => None,
    };
    found.map_or(Level::Unknown, Level::Known)
}

/// The level of `factor` that a JSON value is, or `None` for null and what is no level of it. A number is compared as
/// JavaScript prints it (`1.50` is `1.5`), and the levels of a bool factor in any case.
#[must_use]
pub fn json_level(factor: &Factor, value: &Value) -> Option<usize> {
    let found = match value {
        Value::Null => level(factor, Scalar::Null),
        Value::Bool(value) => level(factor, Scalar::Bool(*value)),
        Value::String(text) => level(factor, Scalar::Text(text)),
        Value::Number(number) => level(factor, Scalar::Number(&number.to_string())),
        Value::Array(_) | Value::Object(_) => level(factor, Scalar::Nested),
    };
    match found {
        Level::Known(level) => Some(level),
        Level::Missing | Level::Unknown => None,
    }
}

fn known(factor: &Factor, text: &str) -> Option<usize> {
    match factor.dtype() {
        Dtype::Str => factor.level(text),
        Dtype::Bool => {
            let now = factor.levels().iter().position(|level| level.eq_ignore_ascii_case(text));
            now.or_else(|| factor.level(text))
        }
    }
}

/// `t` and `f`, as PostgreSQL writes a bool.
fn initial(factor: &Factor, text: &str) -> Option<usize> {
    let word = match text {
        "t" | "T" => "true",
        "f" | "F" => "false",
        _ => return None,
    };
    (factor.dtype() == Dtype::Bool).then(|| known(factor, word)).flatten()
}

/// A decimal number as a level's text, or `None` where `text` is no finite number.
fn number_text(text: &str) -> Option<Cow<'_, str>> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    match digits {
        [b'1'..=b'9', rest @ ..] if rest.len() < 18 && rest.iter().all(u8::is_ascii_digit) => {
            return Some(Cow::Borrowed(text));
        }
        // Rust also reads names: inf, nan.
        [b'0'..=b'9' | b'.', ..] => {}
        _ => return None,
    }
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|c| c == b'0') => whole,
        _ => text,
    };
    let integer = whole.parse::<i64>().map(|n| n.to_string()).or_else(|_| whole.parse::<u64>().map(|n| n.to_string()));
    integer.ok().or_else(|| double_text(text.parse().ok()?)).map(Cow::Owned)
}

/// A double as JavaScript prints it, or `None` where it is not finite.
fn double_text(value: f64) -> Option<String> {
    let size = value.abs();
    if size == 0.0 {
        return Some("0".into());
    }
    if (1e-6..1e21).contains(&size) {
        return Some(value.to_string());
    }
    let sign = if size >= 1.0 { "e+" } else { "e" };
    size.is_finite().then(|| format!("{value:e}").replacen('e', sign, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn factor(dtype: Dtype, levels: &[&str]) -> Factor {
        Factor::new("f", dtype, levels.iter().map(|l| (*l).into()).collect()).unwrap()
    }

    #[test]
    fn numbers_as_javascript_prints_them() {
        // What `String(…)` gives in JavaScript, but for the integers of 64 bits that it cannot hold.
        for (number, text) in [
            ("1", "1"),
            ("-17", "-17"),
            ("1.0", "1"),
            ("1.", "1"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("-0.50", "-0.5"),
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0.000", "0"),
            ("007", "7"),
            ("1e0", "1"),
            ("1.5e3", "1500"),
            ("15E-1", "1.5"),
            ("0.1", "0.1"),
            ("0.1000000000000000055511151231257827", "0.1"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("-1.25e-9", "-1.25e-9"),
            ("100000000000000000000", "100000000000000000000"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("1234567890123456789012345", "1.2345678901234568e+24"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
            ("9007199254740993", "9007199254740993"),
            ("12345678901234567.00", "12345678901234567"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(number_text(number).as_deref(), Some(text), "{number}");
        }
        for number in ["", "-", "x", "1x", "--1", "+1", "1e999", "-1e999", "inf", "NaN", "infinity", "1,5", " 1", "."] {
            assert_eq!(number_text(number), None, "{number}");
        }
    }

    proptest! {
        #[test]
        fn a_double_has_one_text_however_it_is_written(value in proptest::num::f64::NORMAL, zeros in 1_usize..4) {
            let text = double_text(value).unwrap();
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
            let point = if value.fract() == 0.0 { "." } else { "" };
            let longer = format!("{value}{point}{}", "0".repeat(zeros));
            for written in [&text, &format!("{value:e}"), &format!("{value:?}"), &value.to_string(), &longer] {
                prop_assert_eq!(number_text(written).unwrap(), text.as_str(), "{}", written);
            }
        }

        #[test]
        fn integers_of_64_bits_keep_their_digits(signed: i64, unsigned: u64) {
            for digits in [signed.to_string(), unsigned.to_string()] {
                for written in [&digits, &format!("{digits}.0")] {
                    prop_assert_eq!(number_text(written).unwrap(), digits.as_str());
                }
            }
        }
    }

    #[test]
    fn values_of_each_type() {
        let texts = factor(Dtype::Str, &["1", "1.5", "1.0", "true"]);
        let bools = factor(Dtype::Bool, &["false", "true"]);
        for (of, scalar, level) in [
            (&texts, Scalar::Text("1"), Level::Known(0)),
            (&texts, Scalar::Text("1.0"), Level::Known(2)),
            (&texts, Scalar::Text("1.50"), Level::Unknown),
            (&texts, Scalar::Text("True"), Level::Unknown),
            (&texts, Scalar::Number("1.0"), Level::Known(0)),
            (&texts, Scalar::Number("1.50"), Level::Known(1)),
            (&texts, Scalar::Number("true"), Level::Unknown),
            (&texts, Scalar::Untyped("1.0"), Level::Known(2)),
            (&texts, Scalar::Untyped("1.00"), Level::Known(0)),
            (&texts, Scalar::Untyped("1.50"), Level::Known(1)),
            (&texts, Scalar::Bool(true), Level::Known(3)),
            (&texts, Scalar::Bool(false), Level::Unknown),
            (&texts, Scalar::Null, Level::Missing),
            (&texts, Scalar::Nested, Level::Unknown),
            (&bools, Scalar::Bool(true), Level::Known(1)),
            (&bools, Scalar::Text("True"), Level::Known(1)),
            (&bools, Scalar::Untyped("FALSE"), Level::Known(0)),
            (&bools, Scalar::Untyped("t"), Level::Known(1)),
            (&bools, Scalar::Untyped("f"), Level::Known(0)),
            (&bools, Scalar::Text("t"), Level::Unknown),
            (&texts, Scalar::Untyped("t"), Level::Unknown),
            (&bools, Scalar::Text(" true"), Level::Unknown),
            (&bools, Scalar::Number("1"), Level::Unknown),
        ] {
            assert_eq!(super::level(of, scalar), level, "{scalar:?}");
        }
    }

    #[test]
    fn a_value_that_a_level_had_before_is_that_level() {
        let texts = factor(Dtype::Str, &["Ship faster", "2"]).with_previous(vec![("Go".into(), 0), ("1.5".into(), 1)]);
        let bools = factor(Dtype::Bool, &["false", "true"]).with_previous(vec![("on".into(), 1)]);
        let (texts, bools) = (texts.unwrap(), bools.unwrap());
        for (of, scalar, level) in [
            (&texts, Scalar::Text("Go"), Level::Known(0)),
            (&texts, Scalar::Text("go"), Level::Unknown),
            (&texts, Scalar::Number("1.50"), Level::Known(1)),
            (&texts, Scalar::Text("Ship faster"), Level::Known(0)),
            (&bools, Scalar::Text("on"), Level::Known(1)),
            (&bools, Scalar::Bool(true), Level::Known(1)),
            (&bools, Scalar::Text("off"), Level::Unknown),
        ] {
            assert_eq!(super::level(of, scalar), level, "{scalar:?}");
        }
        let taken = factor(Dtype::Str, &["a", "b"]).with_previous(vec![("b".into(), 0)]);
        assert!(taken.is_err(), "a level cannot be what another one was");
        let twice = factor(Dtype::Str, &["a", "b"]).with_previous(vec![("c".into(), 0), ("c".into(), 1)]);
        assert!(twice.is_err(), "two levels cannot have been the same");
    }
}

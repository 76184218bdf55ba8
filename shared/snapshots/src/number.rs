//! Numbers of a column.

/// The largest reward, in magnitude: of some hundred million such, the sum of the squares is still a double.
pub(crate) const LARGEST: f64 = 1e150;
/// The largest sum of squares of one cell.
pub(crate) const LARGEST_SQUARES: f64 = 1e300;

/// A value of a numeric column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Null,
    /// Not a number, or not finite.
    Bad,
    /// Finite.
    Value(f64),
}

impl Number {
    pub(crate) fn from_f64(value: f64) -> Self {
        if value.is_finite() { Self::Value(value) } else { Self::Bad }
    }

    /// A number, or `true`/`t` (1) or `false`/`f` (0), as text.
    pub(crate) fn from_text(text: &str) -> Self {
        let text = text.trim_ascii();
        let is = |words: [&str; 2]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        match text.parse() {
            Ok(value) => Self::from_f64(value),
            Err(_) if is(["true", "t"]) => Self::Value(1.0),
            Err(_) if is(["false", "f"]) => Self::Value(0.0),
            Err(_) => Self::Bad,
        }
    }
}

/// Whether a text that is no number looks as if it were meant as one, or as a bool: it has digits, as with thousands separators, a decimal
/// comma, a currency or a unit, or it is a word such as `yes`.
pub(crate) fn is_nearly(text: &str) -> bool {
    const WORDS: [&str; 6] = ["yes", "no", "y", "n", "on", "off"];
    let text = text.trim();
    text.chars().any(char::is_numeric) || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_and_what_is_nearly_one() {
        for text in [
            "47,500.00",
            "1.234,56",
            "12,5",
            "1 000",
            "1\u{a0}000",
            "1'000",
            "1_000",
            "$5",
            "5 €",
            "USD 5",
            "5 EUR",
            "£5.00",
            "5%",
            "(5.00)",
            "-1,5",
            "5-",
            "kr 5",
            "--5",
            "5 apples",
            "1k",
            "0x1F",
            "\u{661}\u{662}",
            "2026-01-02",
            "Yes",
            "off",
        ] {
            assert_eq!(Number::from_text(text), Number::Bad, "{text}");
            assert!(is_nearly(text), "{text}");
        }
        for text in ["", "much", "NaN", "inf", "n/a", "None", "-", "purchased", "none"] {
            assert!(!is_nearly(text), "{text}");
        }
        for (text, value) in
            [("1", 1.0), (" 2.5 ", 2.5), ("1e3", 1000.0), ("T", 1.0), ("f", 0.0), ("False", 0.0), ("+3", 3.0)]
        {
            assert_eq!(Number::from_text(text), Number::Value(value), "{text}");
        }
    }
}

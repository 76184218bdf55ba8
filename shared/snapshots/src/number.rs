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

    /// A number, `true` (1) or `false` (0) as text.
    pub(crate) fn from_text(text: &str) -> Self {
        let text = text.trim_ascii();
        match text.parse() {
            Ok(value) => Self::from_f64(value),
            Err(_) if text.eq_ignore_ascii_case("true") => Self::Value(1.0),
            Err(_) if text.eq_ignore_ascii_case("false") => Self::Value(0.0),
            Err(_) => Self::Bad,
        }
    }
}

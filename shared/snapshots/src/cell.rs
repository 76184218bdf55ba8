//! A field of a record, as it is written, and what it is as an id, a time, a name, a number or a level.

use std::borrow::Cow;

use serde_json::Value;

use crate::batch::{Batch, Claim, Id};
use crate::dress;
use crate::fields::Field;
use crate::level::Scalar;
use crate::number::Number;
use crate::outcomes::Names;
use crate::time;

/// A field of a text record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    /// The record does not have it.
    Absent,
    Null,
    Text(Cow<'a, str>),
    Bool(bool),
    /// A JSON number as it is written.
    Number(Cow<'a, str>),
    /// A number that is none, under the name for that.
    NotANumber,
    /// A JSON object or array as it is written.
    Nested(Cow<'a, str>),
    /// Bytes that are no text.
    Garbled,
}

impl Cell<'_> {
    /// The text, unless it is a word for null.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !dress::is_null_word(text.trim_ascii().as_bytes()) => Some(text),
            _ => None,
        }
    }

    /// Pushes the id to `batch`.
    pub(crate) fn push_id(&self, batch: &mut Batch) {
        let ids = batch.ids.packed();
        match self {
            Self::Absent | Self::Null | Self::NotANumber => ids.push(Id::Null),
            Self::Text(_) => ids.push(self.text().map_or(Id::Null, |text| Id::Text(text.as_bytes()))),
            Self::Number(number) => {
                let is_plain = number.bytes().all(|c| c.is_ascii_digit() || c == b'-' || c == b'.');
                let double = || number.parse().ok().and_then(dress::id_of_double);
                let id = dress::id(number.as_bytes());
                if is_plain && !id.contains(&b'.') {
                    ids.push(Id::Text(&id));
                } else {
                    ids.push(double().as_ref().map_or(Id::Bad, |id| Id::Text(id.as_bytes())));
                }
            }
            Self::Bool(_) | Self::Nested(_) | Self::Garbled => ids.push(Id::Bad),
        }
    }

    pub(crate) fn time(&self) -> i64 {
        match self {
            Self::Absent | Self::Null | Self::NotANumber => time::NULL,
            Self::Text(text) if text.trim_ascii().is_empty() => time::NULL,
            Self::Text(_) => self.text().map_or(time::NULL, time::from_text),
            Self::Number(number) => time::from_text(number),
            Self::Bool(_) | Self::Nested(_) | Self::Garbled => time::BAD,
        }
    }

    pub(crate) fn claim(&self, ours: Names<'_>) -> Claim {
        match self {
            Self::Absent => Claim::Absent,
            Self::Null | Self::NotANumber => Claim::Null,
            Self::Text(text) => match ours.position(|ours| **text == *ours) {
                Some(place) => Claim::Match(place),
                None => self.text().map_or(Claim::Null, |text| Claim::of(text.as_bytes(), ours)),
            },
            Self::Number(text) => Claim::of(text.as_bytes(), ours),
            Self::Bool(_) | Self::Nested(_) | Self::Garbled => Claim::Other,
        }
    }

    pub(crate) fn number(&self) -> Number {
        match self {
            Self::Absent | Self::Null => Number::Null,
            Self::Text(text) if text.trim_ascii().is_empty() => Number::Null,
            Self::Text(text) => match Number::from_text(text) {
                Number::Bad if self.text().is_none() && !text.trim_ascii().eq_ignore_ascii_case("nan") => Number::Null,
                number => number,
            },
            Self::Number(text) => Number::from_text(text),
            Self::Bool(value) => Number::Value(f64::from(u8::from(*value))),
            Self::Nested(_) | Self::Garbled | Self::NotANumber => Number::Bad,
        }
    }

    pub(crate) fn scalar(&self, typed: bool) -> Scalar<'_> {
        match self {
            Self::Absent | Self::Null | Self::NotANumber => Scalar::Null,
            Self::Text(text) if !typed => Scalar::Untyped(text),
            Self::Text(text) => Scalar::Text(text),
            Self::Number(text) => Scalar::Number(text),
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Nested(_) | Self::Garbled => Scalar::Nested,
        }
    }

    /// The text of a variant or context.
    pub(crate) fn json(&self) -> Option<&str> {
        match self {
            Self::Absent | Self::Null | Self::NotANumber => None,
            Self::Text(text) | Self::Number(text) | Self::Nested(text) => Some(text),
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            Self::Garbled => Some("\u{FFFD}"),
        }
    }

    /// What stands there, for messages.
    pub(crate) fn shown(&self) -> &str {
        self.json().unwrap_or("NaN")
    }

    /// Whether a text that is no time, or no number, looks as if it were meant as one.
    pub(crate) fn is_nearly(&self, is: fn(&str) -> bool) -> bool {
        match self {
            Self::Text(text) => is(text),
            _ => false,
        }
    }

    /// Whether two fields are one id.
    pub(crate) fn same_id(&self, other: &Self) -> bool {
        let mut both = Batch::new();
        self.push_id(&mut both);
        other.push_id(&mut both);
        both.ids.get(0) == both.ids.get(1)
    }

    /// The field as a JSON value; JSON text within a text stays text.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Absent | Self::Null | Self::NotANumber | Self::Garbled => Value::Null,
            Self::Text(text) => Value::String(text.to_string()),
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(text) | Self::Nested(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_string()))
            }
        }
    }

    /// A value as a field; what is nested is its JSON text.
    pub(crate) fn of_value(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::String(text) => Self::Text(Cow::Owned(text)),
            // An integer that came as a float is the integer, as everywhere.
            Value::Number(number) => {
                let text = number.to_string();
                Self::Text(Cow::Owned(text.strip_suffix(".0").map_or(text.clone(), str::to_owned)))
            }
            nested @ (Value::Array(_) | Value::Object(_)) => Self::Text(Cow::Owned(nested.to_string())),
        }
    }
}

impl Cell<'_> {
    /// The field where only a scalar may be: an object or an array that was found in its place is none.
    pub(crate) fn for_field(self, field: Field) -> Self {
        let may_be_nested = matches!(field, Field::Variant | Field::Context | Field::Source(_));
        match &self {
            Self::Text(text) if !may_be_nested && text.starts_with(['{', '[']) => Self::Nested(Cow::Borrowed("{}")),
            _ => self,
        }
    }
}

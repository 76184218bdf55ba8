//! The wanted fields of a JSON object.

use std::borrow::Cow;

use memchr::memchr;
use memchr::memmem;
use serde_json::Value;

use super::super::objects::Field;
use crate::cell::Cell;
use crate::fields::{self, Wanted};

/// A wanted column, and how well a name fits it: the lower, the better.
type Fit = (usize, usize);

/// Finds the wanted columns among the fields of objects. Most objects of a file have the same fields in the same order, so that the
/// names of the last one are remembered.
pub(super) struct Columns<'w> {
    wanted: &'w [Wanted],
    last: Vec<(Vec<u8>, Option<Fit>)>,
}

/// Fields whose names are remembered.
const REMEMBERED: usize = 256;

impl<'w> Columns<'w> {
    pub(super) fn new(wanted: &'w [Wanted]) -> Self {
        Self { wanted, last: Vec::new() }
    }

    /// The fields for the wanted columns.
    ///
    /// # Errors
    /// The name of a column that the object has twice.
    pub(super) fn cells<'o>(&mut self, object: &'o [u8], fields: &[Field]) -> Result<Vec<Cell<'o>>, String> {
        let mut found = vec![(usize::MAX, Cell::Absent); self.wanted.len()];
        for (position, field) in fields.iter().enumerate() {
            let Some((column, rank)) = self.fit(position, &object[field.name.clone()]) else { continue };
            let best = &mut found[column];
            if rank == best.0 {
                return Err(String::from_utf8_lossy(&object[field.name.clone()]).into_owned());
            }
            if rank < best.0 {
                *best = (rank, cell(&object[field.value.clone()], self.wanted[column].field));
            }
        }
        Ok(found.into_iter().map(|(_, cell)| cell).collect())
    }

    /// The wanted column that a field is.
    pub(super) fn column(&self, position: usize, name: &[u8]) -> Option<usize> {
        let last = self.last.get(position).filter(|(last, _)| last == name);
        last.map_or_else(|| self.find(name), |(_, fit)| *fit).map(|(column, _)| column)
    }

    fn fit(&mut self, position: usize, name: &[u8]) -> Option<Fit> {
        if let Some((last, fit)) = self.last.get(position).filter(|(last, _)| last == name) {
            debug_assert_eq!(last, name);
            return *fit;
        }
        let fit = self.find(name);
        if position < REMEMBERED {
            self.last.resize_with(self.last.len().max(position + 1), Default::default);
            self.last[position] = (name.to_vec(), fit);
        }
        fit
    }

    /// The column of a name: exactly or in another case, by its first name or a later one.
    fn find(&self, name: &[u8]) -> Option<Fit> {
        let name = text(name)?;
        let names = || {
            let columns = self.wanted.iter().enumerate();
            columns.flat_map(|(column, w)| w.names.iter().enumerate().map(move |(i, name)| (column, i, name)))
        };
        let exact = names().find(|(_, _, known)| **known == *name).map(|(column, i, _)| (column, 2 * i));
        exact.or_else(|| {
            names().find(|(_, _, known)| known.eq_ignore_ascii_case(&name)).map(|(column, i, _)| (column, 2 * i + 1))
        })
    }
}

/// The kind of a value.
pub(super) fn kind(raw: &[u8]) -> &'static str {
    match raw.first() {
        Some(b'"') => "text",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'T' | b'f' | b'F') => "bool",
        Some(b'0'..=b'9' | b'-' | b'+' | b'.') => "number",
        _ => "null",
    }
}

/// The text that is written between quotes; `None` where it is none.
fn text(inner: &[u8]) -> Option<Cow<'_, str>> {
    let plain = std::str::from_utf8(inner).ok()?;
    match memchr(b'\\', inner) {
        None => Some(Cow::Borrowed(plain)),
        // A lone surrogate is valid in the grammar and no text.
        Some(_) => serde_json::from_str(&format!("\"{plain}\"")).ok().map(Cow::Owned),
    }
}

/// The value that is written as `raw`.
fn cell(raw: &[u8], field: fields::Field) -> Cell<'_> {
    match raw {
        [b'"', inner @ .., b'"'] => text(inner).map_or(Cell::Garbled, Cell::Text),
        [b'{' | b'[', ..] => nested(raw, field),
        b"true" | b"True" => Cell::Bool(true),
        b"false" | b"False" => Cell::Bool(false),
        b"null" | b"None" | b"undefined" => Cell::Null,
        b"NaN" | b"nan" => Cell::NotANumber,
        _ => std::str::from_utf8(raw).map_or(Cell::Garbled, |number| Cell::Number(Cow::Borrowed(number))),
    }
}

fn nested(raw: &[u8], field: fields::Field) -> Cell<'_> {
    let Ok(text) = std::str::from_utf8(raw) else {
        return Cell::Nested(Cow::Owned(without_names(&String::from_utf8_lossy(raw)).into_owned()));
    };
    if matches!(field, fields::Field::Variant | fields::Field::Context) {
        return Cell::Nested(without_names(text));
    }
    serde_json::from_str(text).ok().and_then(|value| scalar(&value)).unwrap_or(Cell::Nested(Cow::Borrowed(text)))
}

/// A scalar that its writer has put into an object of its own, to say of what type it is: MongoDB's extended JSON, Avro's unions.
fn scalar(value: &Value) -> Option<Cell<'static>> {
    let Value::Object(object) = value else { return None };
    let (name, inner) = object.iter().next().filter(|_| object.len() == 1)?;
    let is_known = matches!(
        name.as_str(),
        "$date"
            | "$oid"
            | "$uuid"
            | "$numberLong"
            | "$numberInt"
            | "$numberDouble"
            | "$numberDecimal"
            | "$symbol"
            | "string"
            | "long"
            | "int"
            | "double"
            | "float"
            | "boolean"
    );
    if !is_known {
        return None;
    }
    Some(match inner {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Bool(*value),
        Value::Number(number) => Cell::Number(Cow::Owned(number.to_string())),
        Value::String(text) if name.starts_with("$number") => Cell::Number(Cow::Owned(text.clone())),
        Value::String(text) => Cell::Text(Cow::Owned(text.clone())),
        // The date of a number of milliseconds.
        Value::Object(_) if name == "$date" => return scalar(inner),
        Value::Object(_) | Value::Array(_) => return None,
    })
}

/// JSON with null for the names of numbers that JSON does not have.
fn without_names(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if memmem::find(bytes, b"NaN").is_none() && memmem::find(bytes, b"Infinity").is_none() {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        cleaned += &names_as_null(&rest[..quote]);
        let end = string_end(&rest[quote..]) + quote;
        cleaned += &rest[quote..end];
        rest = &rest[end..];
    }
    cleaned += &names_as_null(rest);
    Cow::Owned(cleaned)
}

fn names_as_null(text: &str) -> String {
    text.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null")
}

/// The end of the string at the beginning of a text.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (raw, value) in [
            (r#""a\"b""#, Cell::Text(Cow::Borrowed("a\"b"))),
            (r#""\ud800""#, Cell::Garbled),
            ("1.50", Cell::Number("1.50".into())),
            ("NaN", Cell::NotANumber),
            ("None", Cell::Null),
            (r#"{"$date":"2026-01-02T03:04:05Z"}"#, Cell::Text("2026-01-02T03:04:05Z".into())),
            (r#"{"$date":1767323045123}"#, Cell::Number("1767323045123".into())),
            (r#"{"$date":{"$numberLong":"1767323045123"}}"#, Cell::Number("1767323045123".into())),
            (r#"{"$oid":"65a"}"#, Cell::Text("65a".into())),
            (r#"{"string":"x"}"#, Cell::Text("x".into())),
            (r#"{"long":7}"#, Cell::Number("7".into())),
            (r#"{"other":7}"#, Cell::Nested(r#"{"other":7}"#.into())),
            (r#"{"long":7,"x":1}"#, Cell::Nested(r#"{"long":7,"x":1}"#.into())),
            ("[1]", Cell::Nested("[1]".into())),
        ] {
            assert_eq!(cell(raw.as_bytes(), fields::Field::Time), value, "{raw}");
        }
        assert_eq!(cell(b"\"\xFF\"", fields::Field::Id), Cell::Garbled);
        let levels = r#"{"score": NaN, "a":[-Infinity,Infinity], "NaN":"NaN \" Infinity"}"#;
        let cleaned = r#"{"score": null, "a":[null,null], "NaN":"NaN \" Infinity"}"#;
        assert_eq!(cell(levels.as_bytes(), fields::Field::Context), Cell::Nested(cleaned.into()));
        // A variant is not taken for a scalar.
        assert_eq!(cell(br#"{"string":"x"}"#, fields::Field::Variant), Cell::Nested(r#"{"string":"x"}"#.into()));
    }
}

//! JSON lines.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::rows::{Cell, Rows};
use super::stream::Text;
use crate::error::{Place, SnapshotError};
use crate::fields::{Wanted, resolve};

/// Reads all lines of a file.
///
/// # Errors
/// What the stream and the rows may do wrong, a last line that is cut off, a required column that no line has.
pub(super) fn read(
    text: &mut Text<'_>,
    key: &str,
    wanted: &[Wanted],
    rows: &mut Rows<'_, '_>,
) -> Result<(), SnapshotError> {
    let mut line = 1;
    let mut seen = Seen { columns: vec![false; wanted.len()], first: None };
    // Bytes of the unread text in which there is no newline.
    let mut searched = 0;
    loop {
        if let Some(newline) = memchr(b'\n', &text.unread()[searched..]).map(|at| at + searched) {
            text.check(newline, line)?;
            if !record(&text.unread()[..newline], line, wanted, rows, &mut seen)? {
                rows.push_bad();
            }
            text.take(newline + 1);
            line += 1;
            searched = 0;
            continue;
        }
        searched = text.unread().len();
        if !text.fill(line)? {
            break;
        }
    }
    if !record(text.unread(), line, wanted, rows, &mut seen)? {
        return Err(SnapshotError::undecodable(
            key,
            Place::Line(line),
            "truncated: the last line is no JSON and has no end",
        ));
    }
    seen.check(key, wanted)
}

/// Which columns any line has.
struct Seen {
    columns: Vec<bool>,
    /// The first record.
    first: Option<String>,
}

impl Seen {
    fn check(&self, key: &str, wanted: &[Wanted]) -> Result<(), SnapshotError> {
        let Some(first) = &self.first else { return Ok(()) };
        let seen = wanted.iter().zip(&self.columns).filter(|(_, seen)| **seen);
        let names: Vec<String> = seen.map(|(column, _)| column.names[0].clone()).collect();
        resolve(wanted, &names).map(|_| ()).map_err(|column| {
            let record = serde_json::from_str::<serde_json::Map<_, _>>(first).unwrap_or_default();
            SnapshotError::MissingColumn {
                object: key.into(),
                column,
                found: record.into_iter().map(|(k, _)| k).collect(),
            }
        })
    }
}

/// Takes one line; false where it is no JSON object. Blank lines are nothing.
fn record(
    line: &[u8],
    number: u64,
    wanted: &[Wanted],
    rows: &mut Rows<'_, '_>,
    seen: &mut Seen,
) -> Result<bool, SnapshotError> {
    let bom = if number == 1 { line.strip_prefix(b"\xEF\xBB\xBF") } else { None };
    let line = bom.unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Ok(true);
    }
    let Ok(line) = std::str::from_utf8(line) else { return Ok(false) };
    let mut found = vec![(usize::MAX, Cell::Absent); wanted.len()];
    let mut json = serde_json::Deserializer::from_str(line);
    if json.deserialize_map(Record { wanted, found: &mut found }).is_err() || json.end().is_err() {
        return Ok(false);
    }
    if seen.first.is_none() {
        seen.first = Some(line.into());
    }
    let cells: Vec<Cell<'_>> = found.into_iter().map(|(_, cell)| cell).collect();
    for (seen, cell) in seen.columns.iter_mut().zip(&cells) {
        *seen |= *cell != Cell::Absent;
    }
    rows.push(number, wanted, &cells)?;
    Ok(true)
}

/// Takes the wanted fields out of an object.
struct Record<'w, 'f, 'de> {
    wanted: &'w [Wanted],
    /// The field of each wanted column, with the rank of the name under which it was found.
    found: &'f mut [(usize, Cell<'de>)],
}

impl<'de> Visitor<'de> for Record<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(column) = map.next_key_seed(Name(self.wanted))? {
            let Some((column, rank)) = column.filter(|(column, rank)| *rank <= self.found[*column].0) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            self.found[column] = (rank, cell(map.next_value::<&RawValue>()?.get()));
        }
        Ok(())
    }
}

/// Finds the wanted column of a key, and how well the key fits: exactly or in another case, by the first name or a later one.
#[derive(Clone, Copy)]
struct Name<'w>(&'w [Wanted]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<(usize, usize)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<(usize, usize)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        let names = || {
            let columns = self.0.iter().enumerate();
            columns.flat_map(|(column, w)| w.names.iter().enumerate().map(move |(i, name)| (column, i, name)))
        };
        let exact = names().find(|(_, _, name)| *name == key).map(|(column, i, _)| (column, 2 * i));
        Ok(exact.or_else(|| {
            names().find(|(_, _, name)| name.eq_ignore_ascii_case(key)).map(|(column, i, _)| (column, 2 * i + 1))
        }))
    }
}

/// The value that is written as `raw`, a valid JSON value.
fn cell(raw: &str) -> Cell<'_> {
    match raw.as_bytes() {
        [b'"', inner @ .., b'"'] => match memchr(b'\\', inner) {
            None => Cell::Text(Cow::Borrowed(&raw[1..raw.len() - 1])),
            // A lone surrogate is valid in the grammar and no text.
            Some(_) => serde_json::from_str(raw).map_or(Cell::Nested(raw), |text| Cell::Text(Cow::Owned(text))),
        },
        [b'{' | b'[', ..] => Cell::Nested(raw),
        [b'n', ..] => Cell::Null,
        [b't', ..] => Cell::Bool(true),
        [b'f', ..] => Cell::Bool(false),
        _ => Cell::Number(raw),
    }
}

//! CSV with a header line, in the dialect that the file shows.

use std::borrow::Cow;

use super::Of;
use super::dialect::{Dialect, Record, Scan, names};
use super::magic::is_json;
use super::rows::Rows;
use super::stream::Text;
use crate::cell::Cell;
use crate::error::{Place, SnapshotError};
use crate::fields::{Wanted, duplicate, resolve};
use crate::limits::Limits;

/// Reads all records of a file. A file without any bytes has none.
///
/// # Errors
/// What the stream and the rows may do wrong, a required column that is missing or one that is there twice, a record with another
/// number of fields than the header, quotes that are not closed, a limit, a field that is read and is not UTF-8.
pub(super) fn read(text: &mut Text<'_>, key: &str, of: Of<'_>, rows: &mut Rows<'_, '_>) -> Result<(), SnapshotError> {
    let wanted = of.wanted;
    let limits = rows.limits();
    let mut records =
        Records { text, key, limits, dialect: Dialect::PLAIN, record: Record::default(), line: 1, next: 1 };
    if !records.begin(wanted)? || !records.next()? {
        return Ok(());
    }
    let names = names(&records.record);
    let columns = resolve(wanted, &names).map_err(|column| SnapshotError::MissingColumn {
        object: key.into(),
        column,
        found: names.clone(),
    })?;
    if let Some(column) = duplicate(&columns, &names) {
        return Err(SnapshotError::DuplicateColumn {
            object: key.into(),
            place: Place::Line(records.line),
            column: column.into(),
        });
    }
    for (position, name) in names.iter().enumerate() {
        of.note(name, "text", columns.iter().find(|(_, at)| *at == position).map(|(field, _)| *field));
    }
    of.note_in_path(|field| columns.iter().any(|(of, _)| *of == field));
    let positions: Vec<Option<usize>> = wanted
        .iter()
        .map(|w| columns.iter().find(|(field, _)| *field == w.field).map(|(_, position)| *position))
        .collect();
    while records.next()? {
        if records.record.len() != names.len() {
            let detail = format!("the record has {} fields, the header has {}", records.record.len(), names.len());
            return Err(SnapshotError::undecodable(key, Place::Line(records.line), detail));
        }
        // Files that were put together have the header of each.
        if records.is_header(&names, &columns) {
            continue;
        }
        let mut cells = Vec::with_capacity(wanted.len());
        for position in &positions {
            cells.push(match position {
                None => Cell::Absent,
                Some(position) => match records.field(*position)? {
                    "" | "\\N" => Cell::Null,
                    text => Cell::Text(Cow::Borrowed(text)),
                },
            });
        }
        rows.push(records.line, wanted, &cells)?;
    }
    Ok(())
}

/// The records of a file, one at a time.
struct Records<'r, 'a> {
    text: &'r mut Text<'a>,
    key: &'r str,
    limits: &'r Limits,
    dialect: Dialect,
    record: Record,
    /// The line on which the record begins.
    line: u64,
    /// The line behind the record.
    next: u64,
}

impl Records<'_, '_> {
    /// Goes to the header and finds the dialect; false where there is none.
    fn begin(&mut self, wanted: &[Wanted]) -> Result<bool, SnapshotError> {
        self.text.fill(1)?;
        while self.text.unread().starts_with(b"\xEF\xBB\xBF") {
            self.text.take(3);
        }
        if !self.skip_line_ends()? {
            return Ok(false);
        }
        // Excel says its separator in a line of its own.
        if let [b's', b'e', b'p', b'=', separator, rest @ ..] = self.text.unread()
            && let Some(end) = [&b"\r\n"[..], b"\n"].into_iter().find(|end| rest.starts_with(end))
        {
            let (separator, length) = (*separator, 5 + end.len());
            self.text.take(length);
            self.next += 1;
            self.dialect = Dialect { separator, ..Dialect::of(self.text.unread(), false, wanted, self.limits.fields) };
            return self.skip_line_ends();
        }
        if is_json(self.text.unread()) {
            let detail = "it is JSON, not a table with a header line; give it a name that ends in .jsonl";
            return Err(SnapshotError::undecodable(self.key, Place::Line(self.next), detail));
        }
        self.dialect = Dialect::of(self.text.unread(), self.text.has_ended(), wanted, self.limits.fields);
        Ok(true)
    }

    /// Reads the next record; false at the end.
    fn next(&mut self) -> Result<bool, SnapshotError> {
        if !self.skip_line_ends()? {
            return Ok(false);
        }
        self.line = self.next;
        loop {
            let ended = self.text.has_ended();
            let found = self.dialect.scan(self.text.unread(), ended, self.limits.fields, &mut self.record);
            let wrong = |detail: &str| Err(SnapshotError::undecodable(self.key, Place::Line(self.line), detail));
            match found {
                Scan::Record(length) => {
                    self.text.check(length, self.line)?;
                    self.next += line_ends(&self.text.unread()[..length]);
                    self.text.take(length);
                    return Ok(true);
                }
                Scan::BehindQuote => {
                    return wrong(
                        "a field goes on behind the quote that closes it; a quote before it is not closed, or one within it is not doubled",
                    );
                }
                Scan::TooMany => {
                    return Err(SnapshotError::Limit {
                        object: self.key.into(),
                        place: Place::Line(self.line),
                        what: "the record has more fields".into(),
                        name: "fields",
                        limit: self.limits.fields as u64,
                    });
                }
                Scan::Incomplete { quoted } if ended => {
                    return wrong(if quoted {
                        "truncated: a quote of this record is not closed, to the end of the file"
                    } else {
                        "truncated: the record has no end"
                    });
                }
                Scan::Incomplete { .. } => {
                    self.text.fill(self.line)?;
                }
            }
        }
    }

    /// Goes behind blank lines; false at the end.
    fn skip_line_ends(&mut self) -> Result<bool, SnapshotError> {
        loop {
            let unread = self.text.unread();
            let ends = unread.iter().position(|c| !matches!(c, b'\r' | b'\n')).unwrap_or(unread.len());
            self.next += line_ends(&unread[..ends]);
            self.text.take(ends);
            if !self.text.unread().is_empty() {
                return Ok(true);
            }
            if !self.text.fill(self.next)? {
                return Ok(false);
            }
        }
    }

    /// Whether the record says the names of all columns that are read.
    fn is_header(&self, names: &[String], columns: &[(crate::fields::Field, usize)]) -> bool {
        let is_name = |position: usize| {
            let field = self.record.field(position);
            field.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(field).trim_ascii() == names[position].as_bytes()
        };
        !columns.is_empty() && columns.iter().all(|(_, position)| is_name(*position))
    }

    fn field(&self, i: usize) -> Result<&str, SnapshotError> {
        std::str::from_utf8(self.record.field(i)).map_err(|_| {
            SnapshotError::undecodable(self.key, Place::Line(self.line), format!("field {} is not UTF-8", i + 1))
        })
    }
}

/// The lines that end in a text, as an editor counts them.
fn line_ends(text: &[u8]) -> u64 {
    let ends = memchr::memchr_iter(b'\n', text).count();
    if ends > 0 {
        return ends as u64;
    }
    memchr::memchr_iter(b'\r', text).count() as u64
}

//! JSON as it comes: objects one after the other, a line each or not, in an array or not, with commas or record separators
//! between them.

mod cells;
mod shape;

use super::objects::{Field, Scan, scan};
use super::rows::Rows;
use super::stream::Text;
use super::{Of, Seen};
use crate::cell::Cell;
use crate::error::{Place, SnapshotError};
use crate::fields::Wanted;
use cells::Columns;

/// Reads all objects of a file; which of the columns they have, where there are any.
///
/// # Errors
/// What the stream and the rows may do wrong, an end that is cut off, a limit, and JSON that is
/// no sequence of rows: it is named by what it looks like.
pub(super) fn read(
    text: &mut Text<'_>,
    key: &str,
    of: Of<'_>,
    rows: &mut Rows<'_, '_>,
) -> Result<Option<Seen>, SnapshotError> {
    let wanted = of.wanted;
    let mut reader = Reader {
        text,
        key,
        of,
        wanted,
        columns: Columns::new(wanted),
        seen: vec![false; wanted.len()],
        first: None,
        fields: Vec::new(),
        line: 1,
        array: None,
    };
    while reader.next(rows)? {}
    if let Some(line) = reader.array {
        let detail = format!("truncated: the array that begins on line {line} has no end");
        return Err(SnapshotError::undecodable(key, Place::Line(reader.line), detail));
    }
    let Reader { seen: columns, first, .. } = reader;
    Ok(first.map(|first| Seen { columns, first }))
}

struct Reader<'r, 'a> {
    text: &'r mut Text<'a>,
    key: &'r str,
    of: Of<'r>,
    wanted: &'r [Wanted],
    columns: Columns<'r>,
    /// Which columns any object has.
    seen: Vec<bool>,
    /// The names of the fields of the first object.
    first: Option<Vec<String>>,
    fields: Vec<Field>,
    line: u64,
    /// The line on which an array of objects begins that is not at its end.
    array: Option<u64>,
}

impl Reader<'_, '_> {
    /// Takes what comes next; false at the end.
    fn next(&mut self, rows: &mut Rows<'_, '_>) -> Result<bool, SnapshotError> {
        if !self.skip_separators()? {
            return Ok(false);
        }
        let first = self.text.unread()[0];
        match first {
            b'{' => self.object(rows)?,
            b'[' if self.array.is_none() && self.begins_array()? => {
                self.array = Some(self.line);
                self.text.take(1);
            }
            b']' if self.array.is_some() => {
                self.array = None;
                self.text.take(1);
            }
            _ => {
                if self.first.is_none() && !rows.has_bad() {
                    shape::of_text(self.text.unread(), self.key, self.line, self.wanted)?;
                }
                self.skip_line(rows)?;
            }
        }
        Ok(true)
    }

    /// Goes to the next value; false at the end. Between values there may be white space, commas, record separators and the marks
    /// that files begin with.
    fn skip_separators(&mut self) -> Result<bool, SnapshotError> {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        loop {
            let unread = self.text.unread();
            let mut at = 0;
            while let Some(byte) = unread.get(at) {
                match byte {
                    b'\n' => self.line += 1,
                    b' ' | b'\t' | b'\r' | b',' | 0x1E => {}
                    0xEF if unread[at..].starts_with(MARK) => at += 2,
                    _ => break,
                }
                at += 1;
            }
            self.text.take(at);
            let unread = self.text.unread();
            let may_go_on = unread.len() < MARK.len() && MARK.starts_with(unread);
            if !may_go_on {
                return Ok(true);
            }
            if !self.text.fill(self.line)? {
                return Ok(!self.text.unread().is_empty());
            }
        }
    }

    /// Whether the bracket begins an array of objects, or an empty one.
    fn begins_array(&mut self) -> Result<bool, SnapshotError> {
        loop {
            if let Some(byte) = self.text.unread()[1..].trim_ascii_start().first() {
                return Ok(matches!(byte, b'{' | b']'));
            }
            if !self.text.fill(self.line)? {
                return Ok(false);
            }
        }
    }

    fn object(&mut self, rows: &mut Rows<'_, '_>) -> Result<(), SnapshotError> {
        let limits = rows.limits();
        loop {
            let found = scan(self.text.unread(), limits.nesting, limits.fields, &mut self.fields);
            let beyond = |what: &str, name, limit: usize| {
                Err(SnapshotError::Limit {
                    object: self.key.into(),
                    place: Place::Line(self.line),
                    what: what.into(),
                    name,
                    limit: limit as u64,
                })
            };
            match found {
                Scan::Object(length) => return self.take(length, rows),
                Scan::Bad => return self.skip_line(rows),
                Scan::TooDeep => return beyond("objects and arrays within each other", "nesting", limits.nesting),
                Scan::TooMany => {
                    self.refuse_shape(false)?;
                    return beyond("the record has more fields", "fields", limits.fields);
                }
                Scan::Incomplete => {}
            }
            if self.text.unread().len() > limits.record_bytes {
                self.refuse_shape(false)?;
            }
            if !self.text.fill(self.line)? {
                return self.cut_off(rows);
            }
        }
    }

    /// Takes an object of so many bytes.
    fn take(&mut self, length: usize, rows: &mut Rows<'_, '_>) -> Result<(), SnapshotError> {
        if length > rows.limits().record_bytes {
            self.refuse_shape(true)?;
        }
        self.text.check(length, self.line)?;
        let object = &self.text.unread()[..length];
        if self.first.is_none() {
            self.refuse_shape(true)?;
            self.first = Some(shape::names(object, &self.fields));
            self.note();
        }
        let object = &self.text.unread()[..length];
        let cells = self.columns.cells(object, &self.fields).map_err(|column| SnapshotError::DuplicateColumn {
            object: self.key.into(),
            place: Place::Line(self.line),
            column,
        })?;
        for (seen, cell) in self.seen.iter_mut().zip(&cells) {
            *seen |= *cell != Cell::Absent;
        }
        rows.push(self.line, self.wanted, &cells)?;
        self.line += lines(object);
        self.text.take(length);
        Ok(())
    }

    /// Notes the fields of the first object and the kinds of their values.
    fn note(&self) {
        if self.of.finder.is_none() {
            return;
        }
        let object = self.text.unread();
        let mut has = Vec::new();
        for (position, field) in self.fields.iter().enumerate() {
            let column =
                self.columns.column(position, &object[field.name.clone()]).map(|column| self.wanted[column].field);
            has.extend(column);
            let name = String::from_utf8_lossy(&object[field.name.clone()]).into_owned();
            self.of.note(&name, cells::kind(&object[field.value.clone()]), column);
        }
        self.of.note_in_path(|field| has.contains(&field));
    }

    /// Fails where the first object is no row but has the rows within it.
    fn refuse_shape(&self, whole: bool) -> Result<(), SnapshotError> {
        if self.first.is_some() {
            return Ok(());
        }
        match shape::of_object(self.text.unread(), &self.fields, self.wanted, whole) {
            None => Ok(()),
            Some(detail) => Err(SnapshotError::undecodable(self.key, Place::Line(self.line), detail)),
        }
    }

    /// Counts a line that is no object and goes to the next one.
    fn skip_line(&mut self, rows: &mut Rows<'_, '_>) -> Result<(), SnapshotError> {
        let mut searched = 0;
        loop {
            let unread = self.text.unread();
            if let Some(end) = memchr::memchr(b'\n', &unread[searched..]).map(|at| at + searched) {
                self.text.check(end, self.line)?;
                rows.push_bad();
                self.text.take(end + 1);
                self.line += 1;
                return Ok(());
            }
            searched = unread.len();
            if !self.text.fill(self.line)? {
                return self.cut_off(rows);
            }
        }
    }

    /// An object that goes on to the end of the file. Where its line has an end, the line is no object; else the file is cut off.
    fn cut_off(&mut self, rows: &mut Rows<'_, '_>) -> Result<(), SnapshotError> {
        if memchr::memchr(b'\n', self.text.unread()).is_some() {
            return self.skip_line(rows);
        }
        let detail = "truncated: the last line is no JSON and has no end";
        Err(SnapshotError::undecodable(self.key, Place::Line(self.line), detail))
    }
}

fn lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

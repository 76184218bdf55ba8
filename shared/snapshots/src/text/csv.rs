//! CSV with a header line.

use std::borrow::Cow;

use csv_core::{ReadRecordResult, Reader};

use super::RECORD;
use super::rows::{Cell, Rows};
use super::stream::Text;
use crate::error::{Place, SnapshotError};
use crate::fields::{Wanted, resolve};

/// Reads all records of a file. A file without any bytes has none.
///
/// # Errors
/// What the stream and the rows may do wrong, a required column that is missing, a record with another number of fields than the header, a field
/// that is not UTF-8.
pub(super) fn read(
    text: &mut Text<'_>,
    key: &str,
    wanted: &[Wanted],
    rows: &mut Rows<'_, '_>,
) -> Result<(), SnapshotError> {
    let mut records =
        Records { reader: Reader::new(), text, key, fields: vec![0; 4096], ends: vec![0; 64], count: 0, line: 1 };
    if !records.next()? {
        return Ok(());
    }
    let mut names = Vec::new();
    for i in 0..records.count {
        names.push(records.field(i)?.trim().to_owned());
    }
    let columns = resolve(wanted, &names).map_err(|column| SnapshotError::MissingColumn {
        object: key.into(),
        column,
        found: names.clone(),
    })?;
    let positions: Vec<Option<usize>> = wanted
        .iter()
        .map(|w| columns.iter().find(|(field, _)| *field == w.field).map(|(_, position)| *position))
        .collect();
    while records.next()? {
        if records.count != names.len() {
            let detail = format!("the record has {} fields, the header has {}", records.count, names.len());
            return Err(SnapshotError::undecodable(key, Place::Line(records.line), detail));
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
    reader: Reader,
    text: &'r mut Text<'a>,
    key: &'r str,
    /// The fields of the record, one after the other, and where each ends.
    fields: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
    /// The line on which the record begins.
    line: u64,
}

impl Records<'_, '_> {
    /// Reads the next record; false at the end.
    fn next(&mut self) -> Result<bool, SnapshotError> {
        self.skip_line_ends()?;
        self.line = self.reader.line();
        let (mut length, mut ended) = (0, false);
        self.count = 0;
        loop {
            if self.text.unread().is_empty() && !ended {
                ended = !self.text.fill(self.line)?;
            }
            let (fields, ends) = (&mut self.fields[length..], &mut self.ends[self.count..]);
            let (result, read, written, ends) = self.reader.read_record(self.text.unread(), fields, ends);
            self.text.take(read);
            length += written;
            self.count += ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.fields.len() >= RECORD => {
                    return Err(SnapshotError::RecordTooLong {
                        object: self.key.into(),
                        line: self.line,
                        limit: RECORD,
                    });
                }
                ReadRecordResult::OutputFull => self.fields.resize(2 * self.fields.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    /// Goes to the beginning of the next record: behind the rest of the line end of the last one, and behind blank lines.
    fn skip_line_ends(&mut self) -> Result<(), SnapshotError> {
        loop {
            let unread = self.text.unread();
            let ends = unread.iter().position(|c| !matches!(c, b'\r' | b'\n')).unwrap_or(unread.len());
            let lines = unread[..ends].iter().map(|&c| u64::from(c == b'\n')).sum::<u64>();
            self.reader.set_line(self.reader.line() + lines);
            self.text.take(ends);
            if !self.text.unread().is_empty() || !self.text.fill(self.reader.line())? {
                return Ok(());
            }
        }
    }

    fn field(&self, i: usize) -> Result<&str, SnapshotError> {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        std::str::from_utf8(&self.fields[start..self.ends[i]]).map_err(|_| {
            SnapshotError::undecodable(self.key, Place::Line(self.line), format!("field {} is not UTF-8", i + 1))
        })
    }
}

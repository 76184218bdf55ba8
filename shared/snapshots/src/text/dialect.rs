//! How a CSV file is written: by what its fields are separated, and how a quote within quotes is.

use std::ops::Range;

use memchr::{memchr2, memchr3};

use crate::fields::{Wanted, resolve};

/// Rows after the header that are looked at.
const ROWS: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) separator: u8,
    /// Whether a backslash stands before a quote within quotes. Without it the quote is doubled, and it may be doubled with it.
    pub(super) backslash: bool,
}

/// What a text begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// A record of so many bytes, its line end among them.
    Record(usize),
    /// The text ends before the record does; whether within quotes.
    Incomplete { quoted: bool },
    /// A field goes on behind the quote that closes it.
    BehindQuote,
    /// Fields beyond the limit.
    TooMany,
}

/// A record, taken apart.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The fields, one after the other, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn field(&self, i: usize) -> &[u8] {
        &self.bytes[self.range(i)]
    }

    fn range(&self, i: usize) -> Range<usize> {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        start..self.ends[i]
    }
}

impl Dialect {
    pub(super) const PLAIN: Self = Self { separator: b',', backslash: false };

    /// Takes the record at the beginning of `text` apart. `ended`: nothing comes after the text. `most`: fields that a record may have.
    pub(super) fn scan(self, text: &[u8], ended: bool, most: usize, record: &mut Record) -> Scan {
        record.bytes.clear();
        record.ends.clear();
        let mut at = 0;
        loop {
            let spaces = text[at..].iter().take_while(|c| **c == b' ' && self.separator != b' ').count();
            let end = if text.get(at + spaces) == Some(&b'"') {
                match self.quoted(text, at + spaces + 1, ended, &mut record.bytes) {
                    Ok(end) => end,
                    Err(scan) => return scan,
                }
            } else {
                let length = memchr3(self.separator, b'\n', b'\r', &text[at..]);
                let end = match length {
                    Some(length) => at + length,
                    None if ended => text.len(),
                    None => return Scan::Incomplete { quoted: false },
                };
                record.bytes.extend_from_slice(&text[at..end]);
                end
            };
            record.ends.push(record.bytes.len());
            if record.ends.len() > most {
                return Scan::TooMany;
            }
            match text.get(end) {
                None => return Scan::Record(end),
                Some(b'\r') if text.get(end + 1) == Some(&b'\n') => return Scan::Record(end + 2),
                Some(b'\r') if end + 1 == text.len() && !ended => return Scan::Incomplete { quoted: false },
                Some(b'\r' | b'\n') => return Scan::Record(end + 1),
                Some(_) => at = end + 1,
            }
        }
    }

    /// Takes the field behind a quote; where what follows it begins.
    fn quoted(self, text: &[u8], from: usize, ended: bool, bytes: &mut Vec<u8>) -> Result<usize, Scan> {
        let escape = if self.backslash { b'\\' } else { b'"' };
        let mut at = from;
        loop {
            let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', escape, rest)).map(|found| at + found)
            else {
                return Err(Scan::Incomplete { quoted: true });
            };
            bytes.extend_from_slice(&text[at..found]);
            match (text[found], text.get(found + 1)) {
                (b'"', Some(b'"')) => {
                    bytes.push(b'"');
                    at = found + 2;
                }
                (b'"', None) if ended => return Ok(found + 1),
                (b'"', Some(_)) => {
                    let spaces = text[found + 1..].iter().take_while(|c| **c == b' ').count();
                    let end = found + 1 + spaces;
                    return match text.get(end) {
                        Some(byte) if *byte == self.separator || matches!(byte, b'\n' | b'\r') => Ok(end),
                        None if ended => Ok(end),
                        None => Err(Scan::Incomplete { quoted: false }),
                        Some(_) => Err(Scan::BehindQuote),
                    };
                }
                (_, Some(&next @ (b'"' | b'\\'))) if self.backslash => {
                    bytes.push(next);
                    at = found + 2;
                }
                (_, Some(_)) => {
                    bytes.push(b'\\');
                    at = found + 1;
                }
                (_, None) => return Err(Scan::Incomplete { quoted: true }),
            }
        }
    }

    /// The dialect of a file that begins with `head`: the separator under which its header has the columns that are wanted, and
    /// backslashes where they alone give every row the fields of the header.
    pub(super) fn of(head: &[u8], ended: bool, wanted: &[Wanted], most: usize) -> Self {
        let header = |separator| {
            let mut record = Record::default();
            let dialect = Self { separator, ..Self::PLAIN };
            matches!(dialect.scan(head, ended, most, &mut record), Scan::Record(_)).then(|| names(&record))
        };
        let fits = |separator: &u8| header(*separator).is_some_and(|names| resolve(wanted, &names).is_ok());
        let separator = [b',', b';', b'\t', b'|', 1].into_iter().find(fits).unwrap_or(b',');
        let plain = Self { separator, backslash: false };
        let escaped = Self { separator, backslash: true };
        let backslash = memchr::memmem::find(head, b"\\\"").is_some()
            && !plain.is_proved(head, ended, most)
            && escaped.is_proved(head, ended, most);
        Self { separator, backslash }
    }

    /// Whether the first rows have as many fields as the header, and no field goes on behind its quotes.
    fn is_proved(self, head: &[u8], ended: bool, most: usize) -> bool {
        let mut record = Record::default();
        let mut rest = head;
        let mut fields = None;
        for _ in 0..ROWS {
            while let [b'\r' | b'\n', after @ ..] = rest {
                rest = after;
            }
            if rest.is_empty() {
                return true;
            }
            match self.scan(rest, ended, most, &mut record) {
                Scan::Record(length) => rest = &rest[length..],
                Scan::Incomplete { .. } => return !ended,
                Scan::BehindQuote | Scan::TooMany => return false,
            }
            if *fields.get_or_insert(record.len()) != record.len() {
                return false;
            }
        }
        true
    }
}

/// The names in a header.
pub(super) fn names(header: &Record) -> Vec<String> {
    (0..header.len()).map(|i| String::from_utf8_lossy(header.field(i)).trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Field;
    use proptest::prelude::*;

    fn records(text: &str, dialect: Dialect) -> Result<Vec<Vec<String>>, Scan> {
        let mut rest = text.as_bytes();
        let mut record = Record::default();
        let mut all = Vec::new();
        while !rest.is_empty() {
            match dialect.scan(rest, true, 100, &mut record) {
                Scan::Record(length) => rest = &rest[length..],
                scan => return Err(scan),
            }
            all.push((0..record.len()).map(|i| String::from_utf8(record.field(i).to_vec()).unwrap()).collect());
        }
        Ok(all)
    }

    #[test]
    fn records_are_taken_apart() {
        let backslash = Dialect { separator: b';', backslash: true };
        for (text, dialect, fields) in [
            ("a,b\r\nc,\n", Dialect::PLAIN, &[&["a", "b"][..], &["c", ""]][..]),
            ("a,\"b,\"\"\n\"\rc,d", Dialect::PLAIN, &[&["a", "b,\"\n"], &["c", "d"]]),
            ("a, \"b\" ,c\"d\"\n", Dialect::PLAIN, &[&["a", "b", "c\"d\""]]),
            ("\"\"", Dialect::PLAIN, &[&[""]]),
            ("\"a\\\"", Dialect::PLAIN, &[&["a\\"]]),
            (
                "\"{\\\"a\\\": \\\"x\\\\y\\u00e9\\\"}\";\"b\"\"c\"\n",
                backslash,
                &[&["{\"a\": \"x\\y\\u00e9\"}", "b\"c"]],
            ),
            ("a\\;b\n", backslash, &[&["a\\", "b"]]),
        ] {
            assert_eq!(records(text, dialect).unwrap(), fields, "{text:?}");
        }
        assert_eq!(records("\"a", Dialect::PLAIN), Err(Scan::Incomplete { quoted: true }));
        assert_eq!(records("\"a\\\"", backslash), Err(Scan::Incomplete { quoted: true }));
        assert_eq!(records("\"a\"b\n", Dialect::PLAIN), Err(Scan::BehindQuote));
        assert_eq!(records(&",".repeat(100), Dialect::PLAIN), Err(Scan::TooMany));
    }

    #[test]
    fn dialects_are_told_by_header_and_rows() {
        let column = |name: &str| Wanted { field: Field::Id, names: vec![name.into()], required: true, in_path: None };
        let of = |text: &str| Dialect::of(text.as_bytes(), true, &[column("id"), column("v")], 100);
        for (text, separator, backslash) in [
            ("id,v\n1,2\n", b',', false),
            ("id;v\n1;2\n", b';', false),
            ("x\tID\tv\n1\t2\t3\n", b'\t', false),
            ("\"id\"|\"v\"\n", b'|', false),
            ("id\u{1}v\n1\u{1}2\n", 1, false),
            ("a;b\n", b',', false),
            ("id,v\n1,\"{\\\"a\\\": \\\"b\\\"}\"\n", b',', true),
            ("id,v\n1,\"{\\\"a\\\", \\\"b\\\"}\"\n", b',', true),
            ("id;v\n1;\"\\\"\"\n", b';', true),
            // A path that ends in a backslash.
            ("id,v\n1,\"C:\\\"\n2,\"D:\\\"\n", b',', false),
            ("id,v\n1,\"a\"\"b\\\"\n", b',', false),
            // Neither.
            ("id,v\n1,\"a\"b\"\n", b',', false),
        ] {
            assert_eq!(of(text), Dialect { separator, backslash }, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            rows in prop::collection::vec(prop::collection::vec("[a-c,;\"\\\\ \\n\\r]{0,6}", 2), 1..6),
            separator in prop::sample::select(&b",;\t|"[..]),
            backslash: bool,
            crlf: bool,
        ) {
            let quote = |text: &String| {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
                format!("\"{}\"", if backslash { escaped } else { text.replace('"', "\"\"") })
            };
            let line = |row: &Vec<String>| row.iter().map(quote).collect::<Vec<_>>().join(&char::from(separator).to_string());
            let end = if crlf { "\r\n" } else { "\n" };
            let text: String = rows.iter().map(|row| line(row) + end).collect();
            let dialect = Dialect { separator, backslash };
            prop_assert_eq!(records(&text, dialect).unwrap(), rows);
            // A record that is not at its end is never taken for one.
            let mut record = Record::default();
            let Scan::Record(length) = dialect.scan(text.as_bytes(), true, 100, &mut record) else { panic!("{text}") };
            for end in 0..length - 1 {
                let scan = dialect.scan(&text.as_bytes()[..end], false, 100, &mut record);
                prop_assert!(matches!(scan, Scan::Incomplete { .. }), "{:?} of {:?}", scan, &text[..end]);
            }
        }

        #[test]
        fn nothing_panics(text in "[a,\"\\\\ \\n\\r]{0,40}", backslash: bool, ended: bool) {
            Dialect { separator: b',', backslash }.scan(text.as_bytes(), ended, 5, &mut Record::default());
        }
    }
}

//! What the pages of a row group come to, from their headers, before any of them is decompressed.

use parquet::basic::Type as PhysicalType;
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::fetch::Chunks;
use super::open::ParquetFile;
use crate::batch::ROWS;
use crate::error::{Place, SnapshotError};
use crate::limits::Limits;
use crate::report::cut;

/// Bytes that the texts of one batch of one column may come to where they are copied.
const COPIED: u64 = 64 << 20;
/// Encodings of data pages, by their numbers in the format.
const DICTIONARIES: [i64; 2] = [2, 8];
const DELTA_BYTE_ARRAY: i64 = 7;

/// What the header of a page says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Header {
    uncompressed: i64,
    compressed: i64,
    is_dictionary: bool,
    values: i64,
    encoding: i64,
    /// Its own length.
    length: usize,
}

/// Checks the pages of a row group, and says how many of its rows can be decoded together. `total` counts the bytes to which the files of
/// the folder are decompressed.
///
/// # Errors
/// [`SnapshotError::Limit`], and a header that cannot be read.
pub(super) fn check(
    file: &ParquetFile<'_>,
    row_group: usize,
    chunks: &Chunks,
    limits: &Limits,
    total: &AtomicU64,
) -> Result<usize, SnapshotError> {
    let metadata = file.metadata.metadata().row_group(row_group);
    let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
    let beyond = |what: String, name, limit| {
        Err(SnapshotError::Limit { object: file.key.into(), place: Place::RowGroup(row_group), what, name, limit })
    };
    let (mut at_once, mut all, mut packed) = (0, 0, 0);
    let mut together = ROWS as u64;
    for (leaf, chunk) in metadata.columns().iter().enumerate().filter(|(leaf, _)| file.mask.leaf_included(*leaf)) {
        let column = cut(&chunk.column_path().string());
        let pages = pages(chunks, chunk).ok_or_else(|| {
            let detail = format!("column {column:?}: corrupt: the header of a page cannot be read");
            SnapshotError::undecodable(file.key, Place::RowGroup(row_group), detail)
        })?;
        let uncompressed = |page: &Header| u64::try_from(page.uncompressed).unwrap_or(0);
        let largest = |dictionary: bool| {
            pages.iter().filter(|page| page.is_dictionary == dictionary).map(uncompressed).max().unwrap_or(0)
        };
        at_once += largest(true) + largest(false);
        if at_once > limits.page_bytes {
            let what =
                format!("column {column:?} and those before it: {at_once} bytes of pages decompressed at one time");
            return beyond(what, "page_bytes", limits.page_bytes);
        }
        all += pages.iter().map(uncompressed).sum::<u64>() + 4 * rows;
        packed += u64::try_from(chunk.compressed_size()).unwrap_or(0);
        let values: u64 = pages.iter().filter(|p| !p.is_dictionary).map(|p| u64::try_from(p.values).unwrap_or(0)).sum();
        let is_repeated = metadata.schema_descr().column(leaf).max_rep_level() > 0;
        if is_repeated && values > limits.nested_values {
            return beyond(format!("column {column:?} has {values} values"), "nested_values", limits.nested_values);
        }
        if chunk.column_type() == PhysicalType::BYTE_ARRAY {
            let each = values.div_ceil(rows.max(1)).max(1);
            let longest = longest(chunks, chunk, &pages, rows);
            together = together.min(COPIED / (longest * each).max(1)).max(1);
        }
    }
    // What is repeated costs next to nothing in the file; ratio_from is what it may cost all the same.
    if all > limits.ratio_from.max(packed.saturating_mul(limits.ratio)) && all > 4 * rows * 64 {
        return beyond(format!("{packed} bytes decompress to {all}"), "ratio", limits.ratio);
    }
    let sum = total.fetch_add(all, Ordering::Relaxed) + all;
    if sum > limits.decompressed_bytes {
        let what = format!("{sum} bytes decompressed in this folder");
        return beyond(what, "decompressed_bytes", limits.decompressed_bytes);
    }
    Ok(usize::try_from(together).unwrap_or(ROWS))
}

/// The longest text that the decoder may copy for each row; 1 where it copies none that is not in the pages once.
fn longest(chunks: &Chunks, chunk: &ColumnChunkMetaData, pages: &[Header], rows: u64) -> u64 {
    let data = || pages.iter().filter(|page| !page.is_dictionary);
    // Such a text may repeat all of the one before it.
    let delta = data().filter(|page| page.encoding == DELTA_BYTE_ARRAY).map(|page| page.uncompressed).max();
    let delta = delta.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(1);
    // Where a writer gave up on its dictionary, the codes before are spelled out again.
    let is_mixed = pages.iter().any(|page| page.is_dictionary && page.uncompressed > 1 << 12)
        && data().any(|page| !DICTIONARIES.contains(&page.encoding));
    if !is_mixed {
        return delta;
    }
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let first =
        SerializedPageReader::new(Arc::new(chunks.clone()), chunk, rows, None).and_then(|mut r| r.get_next_page());
    match first {
        Ok(Some(Page::DictionaryPage { buf, .. })) => delta.max(longest_plain(&buf)),
        // The decoder will say what is wrong with it.
        _ => delta,
    }
}

/// The longest of texts that each have their length before them.
fn longest_plain(mut texts: &[u8]) -> u64 {
    let mut longest = 1;
    while let Some((&length, rest)) = texts.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(length);
        longest = longest.max(u64::from(length));
        texts = usize::try_from(length).ok().and_then(|length| rest.get(length..)).unwrap_or_default();
    }
    longest
}

/// The headers of the pages of a column; `None` where one cannot be read.
fn pages(chunks: &Chunks, chunk: &ColumnChunkMetaData) -> Option<Vec<Header>> {
    let (start, length) = chunk.byte_range();
    let bytes = chunks.bytes(start, usize::try_from(length).ok()?)?;
    let mut rest = &bytes[..];
    let (mut pages, mut values) = (Vec::new(), 0);
    while !rest.is_empty() {
        let Some(header) = header(rest) else {
            // What follows the last value is nothing.
            return (values >= chunk.num_values()).then_some(pages);
        };
        let behind = usize::try_from(header.compressed).ok().and_then(|bytes| rest.get(header.length + bytes..));
        if header.uncompressed < 0 || behind.is_none() {
            return (values >= chunk.num_values()).then_some(pages);
        }
        if !header.is_dictionary {
            values += header.values;
        }
        pages.push(header);
        rest = behind.unwrap_or_default();
    }
    Some(pages)
}

/// Reads a page header, a struct of Thrift's compact protocol.
fn header(bytes: &[u8]) -> Option<Header> {
    let mut input = Input { rest: bytes };
    let mut header = Header::default();
    let (mut has_uncompressed, mut has_compressed) = (false, false);
    let mut id = 0;
    while let kind @ 1.. = input.field(&mut id)? {
        match (id, kind) {
            (1, 5) => {
                input.integer()?;
            }
            (2, 5) => {
                header.uncompressed = input.integer()?;
                has_uncompressed = true;
            }
            (3, 5) => {
                header.compressed = input.integer()?;
                has_compressed = true;
            }
            // A data page of either version: values and encoding are their first and their second or fourth field.
            (5, 12) => input.page(&mut header, 2)?,
            (8, 12) => input.page(&mut header, 4)?,
            (7, 12) => {
                header.is_dictionary = true;
                input.skip(12, 0)?;
            }
            _ => input.skip(kind, 0)?,
        }
    }
    header.length = bytes.len() - input.rest.len();
    (has_uncompressed && has_compressed).then_some(header)
}

/// Thrift's compact protocol, as far as it takes to find the end of a struct.
struct Input<'b> {
    rest: &'b [u8],
}

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// An integer whose sign is its last bit.
    fn integer(&mut self) -> Option<i64> {
        let value = self.varint()?;
        let half = i64::try_from(value >> 1).ok()?;
        Some(if value & 1 == 1 { -half - 1 } else { half })
    }

    /// The type of the next field, whose number goes to `id`; 0 at the end of the struct.
    fn field(&mut self, id: &mut i64) -> Option<u8> {
        let byte = self.byte()?;
        let kind = byte & 0x0F;
        if kind == 0 {
            return Some(0);
        }
        *id = match byte >> 4 {
            0 => self.integer()?,
            delta => id.checked_add(i64::from(delta))?,
        };
        Some(kind)
    }

    fn page(&mut self, header: &mut Header, encoding: i64) -> Option<()> {
        let mut id = 0;
        while let kind @ 1.. = self.field(&mut id)? {
            match (id, kind) {
                (1, 5) => header.values = self.integer()?,
                (id, 5) if id == encoding => header.encoding = self.integer()?,
                _ => self.skip(kind, 1)?,
            }
        }
        Some(())
    }

    /// Passes over a value of a type.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > 8 {
            return None;
        }
        match kind {
            1 | 2 => {}
            3 => {
                self.byte()?;
            }
            4..=6 => {
                self.varint()?;
            }
            7 => self.rest = self.rest.get(8..)?,
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.rest = self.rest.get(length..)?;
            }
            12 => {
                let mut id = 0;
                while let kind @ 1.. = self.field(&mut id)? {
                    self.skip(kind, depth + 1)?;
                }
            }
            // No page header has lists, sets or maps.
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers() {
        // Data page: 1: type 0, 2: 300, 3: 7, 5: {1: 10, 2: 0, 3: 3, 4: 3, 5: {1: "x"}}, end.
        let page = [
            0x15, 0, 0x15, 0xD8, 0x04, 0x15, 0x0E, 0x2C, 0x15, 0x14, 0x15, 0, 0x15, 6, 0x15, 6, 0x1C, 0x18, 1, b'x', 0,
            0, 0,
        ];
        let data = Header { uncompressed: 300, compressed: 7, values: 10, length: page.len(), ..Header::default() };
        assert_eq!(header(&page), Some(data));
        // Dictionary page: 7: {1: 4, 2: 0}.
        let page = [0x15, 4, 0x15, 0x50, 0x15, 0x14, 0x4C, 0x15, 8, 0x15, 0, 0, 0];
        let dictionary =
            Header { uncompressed: 40, compressed: 10, is_dictionary: true, length: page.len(), ..Header::default() };
        assert_eq!(header(&page), Some(dictionary));
        for short in 0..page.len() {
            assert_eq!(header(&page[..short]), None);
        }
        assert_eq!(header(&[0]), None);
        assert_eq!(header(&[0x15, 4, 0x19, 0xF5]), None);
    }

    #[test]
    fn the_longest_text() {
        assert_eq!(longest_plain(b"\x02\0\0\0ab\x05\0\0\0abcde\0\0\0\0"), 5);
        assert_eq!(longest_plain(b"\xFF\xFF\xFF\xFFab"), u64::from(u32::MAX));
        assert_eq!(longest_plain(b""), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(header) = header(&bytes) {
                prop_assert!(header.length <= bytes.len());
            }
        }
    }
}

//! What the pages of a row group come to, from their headers, before any of them is decompressed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_schema::{DataType, Schema};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::basic::Type as PhysicalType;
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::fetch::Chunks;
use super::header::{Header, header};
use super::honest;
use crate::batch::ROWS;
use crate::error::{Place, SnapshotError};
use crate::limits::Limits;
use crate::report::cut;

/// Bytes that the texts of one batch of one column may come to where they are copied.
const COPIED: u64 = 64 << 20;
/// Encodings of data pages, by their numbers in the format.
const DICTIONARIES: [i64; 2] = [2, 8];
const DELTA_BYTE_ARRAY: i64 = 7;

/// A row group of which some columns are read.
#[derive(Clone, Copy)]
pub(crate) struct Group<'a> {
    pub(crate) key: &'a str,
    pub(crate) number: usize,
    pub(crate) metadata: &'a RowGroupMetaData,
    pub(crate) mask: &'a ProjectionMask,
    /// The types in which all columns of the file would be read.
    pub(crate) read_as: &'a Schema,
}

impl Group<'_> {
    /// Whether the texts of a leaf column are copied for each row that repeats one. Views of texts point into the pages instead.
    fn is_copied(&self, leaf: usize) -> bool {
        let root = self.metadata.schema_descr().get_column_root_idx(leaf);
        let read_as = self.read_as.fields().get(root).map(|field| field.data_type());
        !matches!(read_as, Some(DataType::Utf8View | DataType::BinaryView))
    }
}

/// Checks the pages of a row group, and says how many of its rows can be decoded together. `total` counts the bytes to which the files of
/// the folder are decompressed.
///
/// # Errors
/// [`SnapshotError::Limit`], and a header that cannot be read or does not tell the truth.
pub(crate) fn check(
    group: Group<'_>,
    chunks: &Chunks,
    limits: &Limits,
    total: &AtomicU64,
) -> Result<usize, SnapshotError> {
    let Group { key, number, metadata, .. } = group;
    let place = Place::RowGroup(number);
    let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
    let beyond = |what: String, name, limit| Err(SnapshotError::Limit { object: key.into(), place, what, name, limit });
    let (mut at_once, mut all, mut packed) = (0, 0, 0);
    let mut together = ROWS as u64;
    for (leaf, chunk) in metadata.columns().iter().enumerate().filter(|(leaf, _)| group.mask.leaf_included(*leaf)) {
        let column = cut(&chunk.column_path().string());
        let corrupt =
            |what: &str| SnapshotError::undecodable(key, place, format!("column {column:?}: corrupt: {what}"));
        let bytes = bytes(chunks, chunk);
        let pages = bytes.as_ref().and_then(|bytes| pages(bytes, chunk));
        let (Some(bytes), Some(pages)) = (&bytes, pages) else {
            return Err(corrupt("the header of a page cannot be read"));
        };
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
        let of = |page: &Header| bytes.get(page.page..page.page + usize::try_from(page.compressed).ok()?);
        if let Some(page) = honest::first_that_is_not(chunk.compression(), &pages, of) {
            return Err(corrupt(&format!("a page comes to more than the {} bytes of its header", page.uncompressed)));
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
            let longest = longest(chunks, chunk, &pages, (rows, group.is_copied(leaf)));
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
fn longest(chunks: &Chunks, chunk: &ColumnChunkMetaData, pages: &[Header], (rows, is_copied): (u64, bool)) -> u64 {
    let data = || pages.iter().filter(|page| !page.is_dictionary);
    // Such a text may repeat all of the one before it.
    let delta = data().filter(|page| page.encoding == DELTA_BYTE_ARRAY).map(|page| page.uncompressed).max();
    let delta = delta.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(1);
    // Where a writer gave up on its dictionary, the codes before are spelled out again.
    let is_mixed = is_copied
        && pages.iter().any(|page| page.is_dictionary && page.uncompressed > 1 << 12)
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

/// The bytes of a column.
fn bytes(chunks: &Chunks, chunk: &ColumnChunkMetaData) -> Option<Bytes> {
    let (start, length) = chunk.byte_range();
    chunks.bytes(start, usize::try_from(length).ok()?)
}

/// The headers of the pages of a column; `None` where one cannot be read.
fn pages(bytes: &Bytes, chunk: &ColumnChunkMetaData) -> Option<Vec<Header>> {
    let mut rest = &bytes[..];
    let (mut pages, mut values) = (Vec::new(), 0);
    while !rest.is_empty() {
        let Some(mut header) = header(rest) else {
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
        header.page = bytes.len() - rest.len() + header.length;
        pages.push(header);
        rest = behind.unwrap_or_default();
    }
    Some(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_text() {
        assert_eq!(longest_plain(b"\x02\0\0\0ab\x05\0\0\0abcde\0\0\0\0"), 5);
        assert_eq!(longest_plain(b"\xFF\xFF\xFF\xFFab"), u64::from(u32::MAX));
        assert_eq!(longest_plain(b""), 1);
    }
}

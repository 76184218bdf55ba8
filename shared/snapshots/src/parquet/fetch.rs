//! The bytes of a row group.

use bytes::{Buf, Bytes};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::open::ParquetFile;
use crate::error::{Place, SnapshotError};
use crate::fetch::fetch;
use crate::source::Source;

/// Column chunks that are at most this far apart are read together.
const GAP: u64 = 64 << 10;
/// The longest single read.
const READ: u64 = 8 << 20;

/// The bytes of a row group's columns, by their position in the file.
#[derive(Clone, Debug)]
pub(crate) struct Chunks {
    size: u64,
    parts: Vec<(u64, Bytes)>,
}

/// The ranges to read for a row group: of its needed columns, in ascending order, near ones together.
fn ranges(file: &ParquetFile<'_>, row_group: usize) -> Vec<(u64, u64)> {
    let mut chunks: Vec<(u64, u64)> = file.chunks(row_group).collect();
    chunks.sort_unstable();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for (start, end) in chunks {
        match ranges.last_mut() {
            Some((from, to)) if start <= *to + GAP && end.max(*to) - *from <= READ => *to = end.max(*to),
            _ => ranges.push((start, end)),
        }
    }
    ranges
}

impl Chunks {
    /// The bytes that reading a row group takes.
    pub(crate) fn weight(file: &ParquetFile<'_>, row_group: usize) -> u64 {
        ranges(file, row_group).iter().map(|(start, end)| end - start).sum()
    }

    /// Reads the needed columns of a row group.
    ///
    /// # Errors
    /// [`SnapshotError::Source`], and [`SnapshotError::Undecodable`] where the file ends before them.
    pub(crate) fn read(source: &dyn Source, file: &ParquetFile<'_>, row_group: usize) -> Result<Self, SnapshotError> {
        let mut parts = Vec::new();
        for (start, end) in ranges(file, row_group) {
            if end > file.end {
                let detail = format!("truncated: a column ends at byte {end}, the rows at {}", file.end);
                return Err(SnapshotError::undecodable(file.key, Place::RowGroup(row_group), detail));
            }
            parts.push((start, read_range(source, file.key, start, end)?));
        }
        Ok(Self { size: file.size, parts })
    }

    /// The bytes of a whole file.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { size: bytes.len() as u64, parts: vec![(0, bytes)] }
    }

    /// The bytes of a column; `None` where they were not read.
    pub(super) fn bytes(&self, start: u64, length: usize) -> Option<Bytes> {
        self.slice(start, Some(length)).ok()
    }

    fn slice(&self, start: u64, length: Option<usize>) -> Result<Bytes, ParquetError> {
        let beyond = || ParquetError::EOF(format!("byte {start} is outside the columns of the row group"));
        let following = self.parts.partition_point(|(from, _)| *from <= start);
        let (from, part) = following.checked_sub(1).and_then(|i| self.parts.get(i)).ok_or_else(beyond)?;
        let begin = usize::try_from(start - from).map_err(|_| beyond())?;
        let end = length.map_or(Some(part.len()), |length| begin.checked_add(length));
        end.filter(|&end| begin <= end && end <= part.len()).map(|end| part.slice(begin..end)).ok_or_else(beyond)
    }
}

/// One column chunk in as many reads as it needs.
fn read_range(source: &dyn Source, key: &str, start: u64, end: u64) -> Result<Bytes, SnapshotError> {
    if end - start <= READ {
        return fetch(source, key, start..end);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(end - start).unwrap_or(0));
    let mut from = start;
    while from < end {
        let to = end.min(from + READ);
        bytes.extend_from_slice(&fetch(source, key, from..to)?);
        from = to;
    }
    Ok(bytes.into())
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Chunks {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.slice(start, None)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.slice(start, Some(length))
    }
}

//! Bytes of an object, checked against what the listing said.

use std::ops::Range;

use bytes::Bytes;

use crate::error::SnapshotError;
use crate::source::{Source, SourceError};

/// The bytes of a range, all of them.
///
/// # Errors
/// [`SnapshotError::Source`]; [`SnapshotError::Changed`] where the object is gone or shorter than it was listed.
pub(crate) fn fetch(source: &dyn Source, key: &str, range: Range<u64>) -> Result<Bytes, SnapshotError> {
    let length = range.end - range.start;
    let changed = |detail: String| SnapshotError::Changed { object: key.into(), detail };
    let bytes = source.read(key, range.clone()).map_err(|error| match error {
        SourceError::Gone(_) => changed(format!("bytes {} to {} are gone", range.start, range.end)),
        source => SnapshotError::Source { object: key.into(), source },
    })?;
    if bytes.len() as u64 != length {
        return Err(changed(format!("{} bytes at {} where {length} were listed", bytes.len(), range.start)));
    }
    Ok(bytes)
}

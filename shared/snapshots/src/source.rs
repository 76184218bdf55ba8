//! Where the bytes of a snapshot come from.

use std::error::Error;
use std::ops::Range;

use bytes::Bytes;

/// One object of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The key relative to the snapshot's prefix, for example `exposures/dt=2026-11-01/part-0.parquet`.
    pub key: String,
    /// The size in bytes.
    pub size: u64,
}

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The store is throttling or away, after retries.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The object, or the bytes of it that were listed, are gone.
    #[error("the object is no longer there as it was listed")]
    Gone(#[source] Box<dyn Error + Send + Sync>),
    /// Anything else.
    #[error("the store failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// Random access to the objects of one snapshot.
///
/// Reads come from several threads at once and may block.
pub trait Source: Send + Sync {
    /// The bytes `range` of the object `key`, all of them.
    ///
    /// # Errors
    /// [`SourceError`] where the bytes cannot be had.
    fn read(&self, key: &str, range: Range<u64>) -> Result<Bytes, SourceError>;
}

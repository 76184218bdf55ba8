//! What a run needs of the place where its objects are.

use std::future::Future;
use std::ops::Range;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::manifest::Pointer;

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The whole key.
    pub key: String,
    /// The size in bytes.
    pub size: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
}

/// Objects, one pointer, a clock and a place to compute.
pub trait Store: Sync {
    /// Why a call failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Now.
    fn now(&self) -> DateTime<Utc>;

    /// The first objects under a prefix whose keys come after `after`, in the order of their keys, `most` at the most.
    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> impl Future<Output = Result<Vec<Listed>, Self::Error>> + Send;

    /// The bytes of an object; `None` where it is not there.
    fn read(&self, key: &str) -> impl Future<Output = Result<Option<Bytes>, Self::Error>> + Send;

    /// A range of an object's bytes; `None` where it is not there.
    fn read_range(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> impl Future<Output = Result<Option<Bytes>, Self::Error>> + Send;

    /// Writes an object, whatever was there.
    fn put(&self, key: &str, bytes: Bytes) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Deletes an object, whether it was there or not.
    fn delete(&self, key: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Moves the organization's pointer to the next manifest, if it is still where this run found it. `false`: it is not, and
    /// stays.
    fn move_pointer(
        &self,
        from: Option<&Pointer>,
        to: &Pointer,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Computes something that takes long, where it keeps nobody waiting.
    fn offload<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, Self::Error>> + Send;
}

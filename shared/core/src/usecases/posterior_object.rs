//! Reads parts of a posterior's object (safetensors) by their ranges: the header, then one tensor.

use bandit::stored::{Header, StoredError};
use bytes::Bytes;

use crate::error::ApiError;
use crate::store::Bucket;

/// Bytes of a posterior's object that are read at first: the header of all but the largest models.
const FIRST_READ: u64 = 65_536;

/// Reads one tensor of a posterior's object.
pub(super) async fn read_tensor(bucket: &Bucket, object: &str, name: &str) -> Result<Bytes, ApiError> {
    let broken = |e: StoredError| ApiError::internal(format!("{object}: {e}"));
    let mut head = bucket.read(object, 0..FIRST_READ).await?;
    let length = Header::length(&head).map_err(broken)?;
    if length > head.len() as u64 {
        head = bucket.read(object, 0..length).await?;
    }
    let range = Header::parse(&head).and_then(|header| header.range(name)).map_err(broken)?;
    Ok(bucket.read(object, range).await?)
}

//! Reads parts of a posterior's object (safetensors) by their ranges: the header, then one tensor.

use std::collections::BTreeMap;

use bandit::stored::{Header, StoredError};
use bytes::Bytes;
use uuid::Uuid;

use crate::echo::quoted;
use crate::error::ApiError;
use crate::store::Bucket;

/// Bytes of a posterior's object that are read at first: the header of all but the largest models.
const FIRST_READ: u64 = 65_536;

/// What an object has to say of where it comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Provenance<'a> {
    /// The model.
    pub(super) model: Uuid,
    /// What it was trained on, where the record says so.
    pub(super) snapshot: Option<&'a str>,
}

impl Provenance<'_> {
    /// Whether the metadata of an object say this.
    ///
    /// # Errors
    /// [`ApiError::Internal`] where they say otherwise: an object of another model lies in this one's place.
    pub(super) fn check(&self, object: &str, metadata: &BTreeMap<String, String>) -> Result<(), ApiError> {
        let model = self.model.to_string();
        let expected = [("model_id", Some(model.as_str())), ("snapshot_id", self.snapshot)];
        for (key, expected) in expected {
            let found = metadata.get(key).map(String::as_str);
            if expected.is_some() && found != expected {
                let [found, expected] = [found, expected].map(|text| text.map_or_else(|| "none".to_owned(), quoted));
                return Err(ApiError::internal(format!("{object}: its {key} is {found}, and not {expected}")));
            }
        }
        Ok(())
    }
}

/// Reads one tensor of a posterior's object.
///
/// # Errors
/// [`ApiError::Internal`] where the object is damaged or is not of this provenance, and storage errors.
pub(super) async fn read_tensor(
    bucket: &Bucket,
    object: &str,
    provenance: Provenance<'_>,
    name: &str,
) -> Result<Bytes, ApiError> {
    let broken = |e: StoredError| ApiError::internal(format!("{object}: {e}"));
    let mut head = bucket.read(object, 0..FIRST_READ).await?;
    let length = Header::length(&head).map_err(broken)?;
    if length > head.len() as u64 {
        head = bucket.read(object, 0..length).await?;
    }
    let header = Header::parse(&head).map_err(broken)?;
    provenance.check(object, header.metadata())?;
    let range = header.range(name).map_err(broken)?;
    let (expected, bytes) = (range.end - range.start, bucket.read(object, range).await?);
    if bytes.len() as u64 != expected {
        let found = bytes.len();
        return Err(ApiError::internal(format!("{object}: it ends within {name}, after {found} of {expected} bytes")));
    }
    Ok(bytes)
}

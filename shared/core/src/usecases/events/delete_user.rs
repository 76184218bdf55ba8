//! Deleting a user: a tombstone at once; compaction takes the user's events out of the parts.

use ::events::erase::Request;
use ::events::layout::{root, tombstone_key};
use aws_sdk_s3::primitives::ByteStream;

use crate::app::App;
use crate::error::{ApiError, Detail};

impl App {
    /// Has all events of a user removed that were received until now.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`] for an id that no event can have, and storage errors.
    pub async fn delete_user_events(
        &self,
        organization: &str,
        request_id: &str,
        anonymous_id: &str,
    ) -> Result<(), ApiError> {
        let bytes = anonymous_id.len();
        if !(1..=1024).contains(&bytes) {
            let message = format!("it has {bytes} bytes; the id of an event has 1 to 1024");
            return Err(ApiError::invalid_at(vec![Detail::new("anonymous_id", message)]));
        }
        let request = Request { anonymous_id: self.visitor_ids.kept(organization, anonymous_id).into_owned() };
        let json = serde_json::to_vec(&request).map_err(ApiError::internal)?;
        let key = format!("{}{}", root(organization), tombstone_key(self.clock.now(), request_id));
        Ok(self.bucket.put(&key, ByteStream::from(json)).await?)
    }
}

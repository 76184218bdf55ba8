//! Flushing: an object asks for a compaction at once, as requests to train are objects.

use aws_sdk_s3::primitives::ByteStream;
use serde_json::json;

use crate::app::App;
use crate::domain::rfc3339;
use crate::error::ApiError;
use crate::store::flush_key;

impl App {
    /// Has the events of an organization compacted and published at once, behind the bucket's notification.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn flush_events(&self, organization: &str) -> Result<(), ApiError> {
        let request = json!({"requested_at": rfc3339(self.clock.now())}).to_string();
        Ok(self.bucket.put(&flush_key(organization), ByteStream::from(request.into_bytes())).await?)
    }
}

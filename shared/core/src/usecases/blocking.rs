//! Blocking work, such as fits and decoding, off the threads that answer requests.

use crate::error::ApiError;

/// Runs `work` off the threads that answer requests.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| ApiError::internal(format!("the computation died: {e}")))
}

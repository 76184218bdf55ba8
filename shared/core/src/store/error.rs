//! What storage can answer besides what was asked for.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::causes::causes;
use crate::error::ApiError;

/// A storage call that did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The condition of a conditional write did not hold; nothing was written.
    #[error("the condition of {operation} does not hold")]
    Condition {
        /// The call.
        operation: &'static str,
        /// Which item of a transaction failed, from 0; 0 for a single write.
        item: usize,
    },
    /// Throttled, timed out or unreachable, after retries.
    #[error("{operation}: {cause}")]
    Unavailable {
        /// The call.
        operation: &'static str,
        /// For the log.
        cause: String,
    },
    /// Anything else.
    #[error("{operation}: {cause}")]
    Fault {
        /// The call.
        operation: &'static str,
        /// For the log.
        cause: String,
    },
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => {
                Self::Unavailable { cause: error.to_string(), retry_after: Duration::from_secs(2) }
            }
            // A caller that expects a failed condition handles it before this.
            StoreError::Condition { .. } | StoreError::Fault { .. } => Self::internal(error),
        }
    }
}

const THROTTLES: &[&str] = &[
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "Throttling",
    "TransactionInProgressException",
    "InternalServerError",
    "InternalError",
    "ServiceUnavailable",
    "SlowDown",
    "RequestTimeout",
];

/// Sorts an SDK error by what can be done about it.
pub(super) fn sort<E, R>(operation: &'static str, error: &SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let code = error.code().unwrap_or_default();
    let cause = match error {
        SdkError::ServiceError(e) => {
            format!("{code}: {}", e.err().message().unwrap_or("no message"))
        }
        other => causes(other),
    };
    match error {
        SdkError::ServiceError(_) if code == "ConditionalCheckFailedException" => {
            StoreError::Condition { operation, item: 0 }
        }
        SdkError::ServiceError(_) if THROTTLES.contains(&code) => StoreError::Unavailable { operation, cause },
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            StoreError::Unavailable { operation, cause }
        }
        _ => StoreError::Fault { operation, cause },
    }
}

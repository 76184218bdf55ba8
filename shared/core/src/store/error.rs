//! Storage errors: what a store can answer besides what was asked for, sorted by whether a retry may help.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::error::ApiError;
use crate::error_chain::error_chain;

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
    /// Another write to the same item was under way at that moment, also after retries; nothing was written.
    #[error("{operation}: {cause}")]
    Contended {
        /// The call.
        operation: &'static str,
        /// For the log.
        cause: String,
    },
    /// Another attempt has taken over the work of a request with an `Idempotency-Key`; nothing was written.
    #[error("another attempt under the same Idempotency-Key has taken over")]
    Superseded,
    /// The object that was to be read is not there, or not the bytes of it.
    #[error("{operation}: {cause}")]
    Gone {
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
            StoreError::Unavailable { .. } | StoreError::Contended { .. } => {
                Self::Unavailable { cause: error.to_string(), retry_after: Duration::from_secs(2) }
            }
            StoreError::Superseded => Self::Conflict {
                message: "another call with this Idempotency-Key has taken over; ask again with the same key"
                    .to_owned(),
                retry_after: Some(Duration::from_secs(1)),
            },
            // A caller that expects a failed condition handles it before this.
            StoreError::Condition { .. } | StoreError::Gone { .. } | StoreError::Fault { .. } => Self::internal(error),
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

/// Codes of a write that met another one to the same item or object.
const CONTENTIONS: &[&str] = &["TransactionConflictException", "ConditionalRequestConflict", "OperationAborted"];

/// How long to wait before a write that met another one is tried again, each time.
pub(super) const PAUSES: [Duration; 4] =
    [Duration::from_millis(20), Duration::from_millis(40), Duration::from_millis(80), Duration::from_millis(160)];

/// Whether a status says that the store is throttling or not well. An answer to HEAD has no body, and so no code.
fn is_passing(status: u16) -> bool {
    status == 429 || status >= 500
}

/// Sorts an SDK error by what can be done about it.
pub(super) fn sort<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.code().unwrap_or_default();
    let cause = match error {
        SdkError::ServiceError(e) => {
            format!("{} {code}: {}", e.raw().status().as_u16(), e.err().message().unwrap_or("no message"))
        }
        other => error_chain(other),
    };
    match error {
        SdkError::ServiceError(_) if code == "ConditionalCheckFailedException" => {
            StoreError::Condition { operation, item: 0 }
        }
        SdkError::ServiceError(_) if CONTENTIONS.contains(&code) => StoreError::Contended { operation, cause },
        SdkError::ServiceError(e) if THROTTLES.contains(&code) || is_passing(e.raw().status().as_u16()) => {
            StoreError::Unavailable { operation, cause }
        }
        SdkError::ServiceError(_) if matches!(code, "NoSuchKey" | "InvalidRange") => {
            StoreError::Gone { operation, cause }
        }
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            StoreError::Unavailable { operation, cause }
        }
        _ => StoreError::Fault { operation, cause },
    }
}

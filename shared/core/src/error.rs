//! `ApiError`: what can go wrong, with a stable code, a message for the client and a cause for the log.

use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use crate::echo::{MOST_CHARACTERS, cut, quoted};

/// Places of faults that an answer names.
pub const MOST_DETAILS: usize = 100;

/// Characters of the message of one place. What it quotes is cut where it is quoted; this holds whatever made the message.
const MOST_MESSAGE: usize = 2_000;

/// One fault in a request, at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Detail {
    /// Where, as a path from the top of the body: `training_data_config.design_factors[0].levels`.
    pub field: String,
    /// What is wrong there, with the value, and what would be right.
    pub message: String,
}

impl Detail {
    /// A fault at `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        Self { field: cut(&field, MOST_CHARACTERS).into_owned(), message: cut(&message, MOST_MESSAGE).into_owned() }
    }
}

/// Every way in which a request ends without success. The text of a variant is for the client; `cause`, where
/// there is one, is for the log and never leaves the service. `http::envelope` maps them to statuses.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApiError {
    /// The request itself is wrong.
    #[error("{message}")]
    InvalidRequest {
        /// What is wrong and what would be right.
        message: String,
        /// The places, where the fault has some.
        details: Vec<Detail>,
    },
    /// There is no token, or none that is good.
    #[error("{message}")]
    Unauthorized {
        /// What the token lacks.
        message: String,
    },
    /// The token is good but does not cover this.
    #[error("this token lacks the scope {scope:?} that this request needs")]
    Forbidden {
        /// The scope that is missing.
        scope: &'static str,
    },
    /// Events for an optimization of somebody else, or of nobody.
    #[error(
        "events[{index}].optimization_id: {id} is not an optimization of this organization; none of the events was stored"
    )]
    ForeignOptimization {
        /// The first such event.
        index: usize,
        /// The optimization.
        id: Uuid,
    },
    /// No such thing in this organization.
    #[error("there is no {what} {} in this organization", quoted(id))]
    NotFound {
        /// The kind of thing.
        what: &'static str,
        /// Its id as given.
        id: String,
    },
    /// No such optimization anywhere: serving takes no token, and so knows no organization.
    #[error("there is no optimization {id:?}")]
    NotServed {
        /// Its id as given.
        id: String,
    },
    /// No such path.
    #[error("there is nothing at {}; see the API reference for the paths that exist", quoted(path))]
    UnknownPath {
        /// The path as given.
        path: String,
    },
    /// A known path, with a method that it does not have.
    #[error("{} does not support {}; it supports {allow}", quoted(path), cut(method, MOST_CHARACTERS))]
    MethodNotAllowed {
        /// The path as given.
        path: String,
        /// The method as given.
        method: String,
        /// The methods that it has, separated by commas.
        allow: String,
    },
    /// The state of things does not permit this.
    #[error("{message}")]
    Conflict {
        /// What stands in the way.
        message: String,
        /// When it may be over, where that is known.
        retry_after: Option<Duration>,
    },
    /// The body is over the limit.
    #[error("the body has {bytes} bytes; at most {limit} are accepted")]
    PayloadTooLarge {
        /// Size of the body in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// There is nothing to train on.
    #[error("{message}")]
    NoObservations {
        /// Where was searched and what was skipped.
        message: String,
    },
    /// The snapshot cannot be read.
    #[error("{message}")]
    InvalidSnapshot {
        /// The object, the place in it and the value.
        message: String,
    },
    /// The model cannot be fitted to what was read: the iteration or the sampler did not get there, or the numbers do not
    /// tell enough.
    #[error(
        "the model could not be fitted to this snapshot: {reason}; nothing changed, and the posterior in force stays. {advice}"
    )]
    NotFitted {
        /// What did not converge, with its figures.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// The `Idempotency-Key` is another request's.
    #[error(
        "this Idempotency-Key was used within the last 24 hours with another path or body; send the same request with it, or \
         another key"
    )]
    IdempotencyMismatch,
    /// A fault of ours.
    #[error("something went wrong on our side; the log has the cause under this request id")]
    Internal {
        /// For the log.
        cause: String,
    },
    /// Storage is throttling or away.
    #[error("storage is not answering at the moment; try again")]
    Unavailable {
        /// For the log.
        cause: String,
        /// When to come back.
        retry_after: Duration,
    },
    /// The function's time is nearly over.
    #[error("this request was not answered in time; try again")]
    OutOfTime {
        /// When to come back.
        retry_after: Duration,
    },
    /// The keys of the tokens' issuer cannot be fetched.
    #[error("the issuer of this token is not answering at the moment, so the token cannot be checked; try again")]
    IssuerUnavailable {
        /// For the log.
        cause: String,
        /// When to come back.
        retry_after: Duration,
    },
}

impl ApiError {
    /// A wrong request, with no particular place.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidRequest { message: message.into(), details: Vec::new() }
    }

    /// A wrong request, with its places; the message is the first of them. An answer names the first hundred.
    #[must_use]
    pub fn invalid_at(details: impl IntoIterator<Item = Detail>) -> Self {
        let mut rest = details.into_iter();
        let details: Vec<Detail> = rest.by_ref().take(MOST_DETAILS).collect();
        let more = rest.count();
        let message = match details.as_slice() {
            [] => "the request is invalid".to_owned(),
            [one] => format!("{}: {}", one.field, one.message),
            [first, others @ ..] if more == 0 => {
                format!("{}: {} (and {} more, see details)", first.field, first.message, others.len())
            }
            [first, others @ ..] => format!(
                "{}: {} (and {} more; details has the first {MOST_DETAILS})",
                first.field,
                first.message,
                others.len() + more
            ),
        };
        Self::InvalidRequest { message, details }
    }

    /// A conflict that does not pass by itself.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict { message: message.into(), retry_after: None }
    }

    /// A fault of ours; `cause` is for the log.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal { cause: cause.to_string() }
    }

    /// The stable code that clients, logs and `last_error` get. The statuses are `http::envelope`'s alone.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest { .. } => "invalid_request",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } | Self::ForeignOptimization { .. } => "forbidden",
            Self::NotFound { .. } | Self::NotServed { .. } | Self::UnknownPath { .. } => "not_found",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::Conflict { .. } => "conflict",
            Self::PayloadTooLarge { .. } => "payload_too_large",
            Self::NoObservations { .. } => "no_observations",
            Self::InvalidSnapshot { .. } => "invalid_snapshot",
            Self::NotFitted { .. } => "not_fitted",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::Internal { .. } => "internal",
            Self::Unavailable { .. } | Self::IssuerUnavailable { .. } | Self::OutOfTime { .. } => "unavailable",
        }
    }

    /// What the log gets besides the message.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Internal { cause } | Self::Unavailable { cause, .. } | Self::IssuerUnavailable { cause, .. } => {
                Some(cause)
            }
            Self::OutOfTime { .. } => Some("the function's time was nearly over"),
            _ => None,
        }
    }

    /// The message as it is kept, and read under another request's id: it names the request whose log has the cause.
    #[must_use]
    pub fn kept(&self, request_id: Option<&str>) -> String {
        match (self, request_id) {
            (Self::Internal { .. }, Some(id)) => {
                format!("something went wrong on our side; the log has the cause under the request id {id}")
            }
            (Self::Internal { .. }, None) => {
                "something went wrong on our side; the log has the cause at the time of this error".to_owned()
            }
            _ => self.message(),
        }
    }

    /// The client's message, of at most 2,000 characters; what is beyond is counted.
    #[must_use]
    pub fn message(&self) -> String {
        shortened(self.to_string())
    }
}

/// Characters of a message.
const LONGEST: usize = 2_000;

/// A message of at most 2,000 characters: what is beyond is counted, in place of its end.
fn shortened(message: String) -> String {
    let length = message.chars().count();
    if length <= LONGEST {
        return message;
    }
    // Room for the count.
    let kept = LONGEST - 40;
    let end = message.char_indices().nth(kept).map_or(message.len(), |(at, _)| at);
    format!("{}… ({} more characters)", &message[..end], length - kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_and_the_rest_counted() {
        let of = |length: usize| ApiError::InvalidSnapshot { message: "ü".repeat(length) };
        for length in [0, 1, 2_000] {
            assert_eq!(of(length).message(), "ü".repeat(length));
        }
        for length in [2_001, 500_000] {
            let (message, kept) = (of(length).message(), of(length).kept(None));
            assert!(message.chars().count() <= 2_000, "{} characters", message.chars().count());
            assert!(message.ends_with(&format!("ü… ({} more characters)", length - 1_960)), "{message}");
            assert_eq!(message, kept);
        }
    }
}

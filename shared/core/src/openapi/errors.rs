//! Every error, by its status.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::parameters;
use crate::error::ApiError;
use crate::http::status;

/// When an error is answered. A new one does not compile until it is described here, and listed below.
fn about(error: &ApiError) -> &'static str {
    match error {
        ApiError::InvalidRequest { .. } => {
            "malformed JSON, a wrong type, an unknown name, an id that is no UUID, a value out of range"
        }
        ApiError::Unauthorized { .. } => {
            "the token is missing, malformed, expired, of another issuer or audience, unknown or revoked"
        }
        ApiError::Forbidden { .. } => "the token is good but lacks the scope",
        ApiError::ForeignOptimization { .. } => {
            "an event names an optimization that is not of this organization; nothing is stored"
        }
        ApiError::NotFound { .. } => {
            "no such thing in this organization; a thing of another organization answers exactly so"
        }
        ApiError::NotServed { .. } => "no such optimization, where no token is needed",
        ApiError::UnknownPath { .. } => "no such path",
        ApiError::MethodNotAllowed { .. } => "the path has other methods; `Allow` names them",
        ApiError::Conflict { .. } => {
            "another run holds the model, the model is archived, or the optimization has a model, has none, or does not serve"
        }
        ApiError::PayloadTooLarge { .. } => "the body has more than 1,000,000 bytes, or of events more than 5,000,000",
        ApiError::NoObservations { .. } => {
            "no complete snapshot yet, or one with nothing usable: the message names what was searched and counts what was skipped"
        }
        ApiError::InvalidSnapshot { .. } => {
            "a snapshot that cannot be read: the message names the object, the place in it, and the value"
        }
        ApiError::NotFitted { .. } => {
            "the model could not be fitted to these data: the message has figures, and what helps"
        }
        ApiError::IdempotencyMismatch => "the `Idempotency-Key` was used with another path or body",
        ApiError::Internal { .. } => "a fault of ours; the log has the cause under the request id",
        ApiError::Unavailable { .. } => "storage is throttling or away; `Retry-After` says when to come back",
        ApiError::OutOfTime { .. } => "the request was not answered in the function's time",
        ApiError::IssuerUnavailable { .. } => "the keys of the tokens' issuer cannot be fetched",
    }
}

/// One of each.
fn all() -> Vec<ApiError> {
    let (text, retry_after) = (String::new, Duration::ZERO);
    vec![
        ApiError::invalid(""),
        ApiError::Unauthorized { message: text() },
        ApiError::Forbidden { scope: "" },
        ApiError::ForeignOptimization { index: 0, id: uuid::Uuid::nil() },
        ApiError::NotFound { what: "", id: text() },
        ApiError::NotServed { id: text() },
        ApiError::UnknownPath { path: text() },
        ApiError::MethodNotAllowed { path: text(), method: text(), allow: text() },
        ApiError::conflict(""),
        ApiError::PayloadTooLarge { bytes: 0, limit: 0 },
        ApiError::NoObservations { message: text() },
        ApiError::InvalidSnapshot { message: text() },
        ApiError::NotFitted { reason: text(), advice: "" },
        ApiError::IdempotencyMismatch,
        ApiError::internal(""),
        ApiError::Unavailable { cause: text(), retry_after },
        ApiError::OutOfTime { retry_after },
        ApiError::IssuerUnavailable { cause: text(), retry_after },
    ]
}

/// The headers that errors of a status have.
fn headers(status: u16) -> &'static [&'static str] {
    match status {
        401 => &["WWW-Authenticate"],
        405 => &["Allow"],
        // A conflict that passes by itself says when.
        409 | 429 | 503 => &["Retry-After"],
        _ => &[],
    }
}

/// The responses that tell an error, one per status, whose schema is `error`.
pub(super) fn responses(error: &Value) -> Value {
    let mut described: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    // The gateway throttles by itself, before any function runs.
    described.insert(429, vec!["`rate_limited`: too many requests; `Retry-After` says when to come back.".to_owned()]);
    for one in all() {
        let lines = described.entry(status(&one).as_u16()).or_default();
        lines.push(format!("`{}`: {}.", one.code(), about(&one)));
    }
    let response = |(status, lines): (u16, Vec<String>)| {
        let mut response = json!({
            "description": lines.join("\n\n"),
            "content": {"application/json": {"schema": error}},
        });
        if !headers(status).is_empty() {
            let named = headers(status).iter().map(|name| ((*name).to_owned(), parameters::header(name)));
            response["headers"] = Value::Object(named.collect());
        }
        (status.to_string(), response)
    };
    Value::Object(described.into_iter().map(response).collect::<Map<_, _>>())
}

//! The envelope of every answer, success and error, and the only table from errors to statuses.

use lambda_http::http::{HeaderName, HeaderValue, StatusCode, header};
use lambda_http::{Body, Response};
use serde::Serialize;

use crate::error::{ApiError, Detail};

/// Bytes of an answer that tells an error, at most.
const FAILURE_BYTES: usize = 256_000;

/// What every answer says of itself.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Meta {
    /// `req_` and the gateway's request id.
    pub request_id: String,
    /// The organization of the token. Absent where there is no token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    /// Where the next page begins. Absent where nothing follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Success<'a, T> {
    #[serde(flatten)]
    body: &'a T,
    meta: &'a Meta,
}

/// Every answer that tells an error.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(rename = "Error"))]
pub(crate) struct Failure<'a> {
    /// What went wrong.
    error: Problem<'a>,
    /// The request, as the log knows it.
    meta: Meta,
}

/// What went wrong.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
struct Problem<'a> {
    /// The stable code.
    code: &'static str,
    /// What is wrong, with which value, and what would be right.
    message: String,
    /// The places, where the fault has some.
    #[serde(skip_serializing_if = "<[Detail]>::is_empty")]
    details: &'a [Detail],
}

/// The status of an error.
#[must_use]
pub fn status(error: &ApiError) -> StatusCode {
    match error {
        ApiError::InvalidRequest { .. } => StatusCode::BAD_REQUEST,
        ApiError::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
        ApiError::Forbidden { .. } | ApiError::ForeignOptimization { .. } => StatusCode::FORBIDDEN,
        ApiError::NotFound { .. } | ApiError::NotServed { .. } | ApiError::UnknownPath { .. } => StatusCode::NOT_FOUND,
        ApiError::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
        ApiError::Conflict { .. } => StatusCode::CONFLICT,
        ApiError::PayloadTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        ApiError::NoObservations { .. }
        | ApiError::InvalidSnapshot { .. }
        | ApiError::NotFitted { .. }
        | ApiError::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        ApiError::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        ApiError::Unavailable { .. } | ApiError::IssuerUnavailable { .. } | ApiError::OutOfTime { .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// A JSON answer: the fields of `body` at the top level, and `meta`.
///
/// # Errors
/// [`ApiError::Internal`] if `body` does not serialise to an object.
pub fn success<T: Serialize>(status: StatusCode, body: &T, meta: &Meta) -> Result<Response<Body>, ApiError> {
    let text = serde_json::to_string(&Success { body, meta })
        .map_err(|e| ApiError::internal(format!("the answer does not serialise: {e}")))?;
    Ok(json(status, text))
}

/// A JSON answer whose text is at hand, without an envelope: for documents whose form others have laid down.
#[must_use]
pub fn json_document(text: &'static str) -> Response<Body> {
    json(StatusCode::OK, text.to_owned())
}

/// The answer that tells an error.
#[must_use]
pub fn failure(error: &ApiError, request_id: &str) -> Response<Body> {
    let (status, code) = (status(error), error.code());
    let details: &[Detail] = match error {
        ApiError::InvalidRequest { details, .. } => details,
        _ => &[],
    };
    let meta = Meta { request_id: request_id.to_owned(), organization_id: None, next_cursor: None };
    let message = error.message();
    let details = fitting(details, FAILURE_BYTES.saturating_sub(1_000 + json_bytes(&message)));
    let problem = Problem { code, message, details };
    // Strings and lists of strings always serialise; the fallback keeps the envelope whatever happens.
    let text = serde_json::to_string(&Failure { error: problem, meta })
        .unwrap_or_else(|_| format!(r#"{{"error":{{"code":"{code}","message":""}},"meta":{{}}}}"#));
    let mut response = json(status, text);
    let mut add = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    match error {
        ApiError::Unauthorized { .. } => add(header::WWW_AUTHENTICATE, "Bearer"),
        ApiError::MethodNotAllowed { allow, .. } => add(header::ALLOW, allow),
        ApiError::Unavailable { retry_after, .. }
        | ApiError::OutOfTime { retry_after }
        | ApiError::IssuerUnavailable { retry_after, .. }
        | ApiError::Conflict { retry_after: Some(retry_after), .. } => {
            // Rounded up: whoever comes back then does not come too early.
            add(header::RETRY_AFTER, &retry_after.as_millis().div_ceil(1000).max(1).to_string());
        }
        _ => {}
    }
    response
}

fn json_bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |json| json.len())
}

/// As many of the details as take no more than so many bytes.
fn fitting(details: &[Detail], bytes: usize) -> &[Detail] {
    let mut taken = 0;
    let full = details.iter().position(|detail| {
        taken += json_bytes(detail) + 1;
        taken > bytes
    });
    &details[..full.unwrap_or(details.len())]
}

fn json(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::Text(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn retry_after(retry_after: Duration) -> String {
        let error = ApiError::Unavailable { cause: String::new(), retry_after };
        let response = failure(&error, "req_1");
        response.headers()[header::RETRY_AFTER].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_model_that_could_not_be_fitted_is_the_fault_of_the_data() {
        let error =
            ApiError::NotFitted { reason: "Newton's method did not converge (residual 5e-1)".to_owned(), advice: "" };
        let response = failure(&error, "req_1");
        assert_eq!(response.status().as_u16(), 422);
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["error"]["code"], "not_fitted", "{body}");
        assert!(body["error"]["message"].as_str().unwrap().contains("residual 5e-1"), "{body}");
    }

    #[test]
    fn no_error_is_larger_than_256_kb() {
        // Control characters are the longest as JSON: six bytes each.
        let long = "\u{1}".repeat(10_000);
        let mut errors = vec![
            ApiError::invalid_at((0..74_000).map(|_| Detail::new(long.as_str(), long.as_str()))),
            ApiError::invalid(long.as_str()),
            ApiError::NotFound { what: "model", id: long.clone() },
            ApiError::UnknownPath { path: long.clone() },
            ApiError::MethodNotAllowed { path: long.clone(), method: long.clone(), allow: "GET".to_owned() },
            ApiError::InvalidSnapshot { message: long.clone() },
        ];
        let short = ApiError::invalid_at((0..74_000).map(|n| Detail::new(format!("bias.n{n}"), "it is unknown")));
        errors.push(short);
        for error in &errors {
            let response = failure(error, "req_1");
            assert!(response.body().len() <= FAILURE_BYTES, "{} bytes", response.body().len());
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(body["error"]["code"], error.code());
            assert!(error.kept(None).len() < 20_000, "{}", error.kept(None).len());
        }
        let body: serde_json::Value = serde_json::from_slice(failure(&errors[6], "req_1").body()).unwrap();
        assert_eq!(body["error"]["details"].as_array().unwrap().len(), 100);
        let expected = "bias.n0: it is unknown (and 73999 more; details has the first 100)";
        assert_eq!(body["error"]["message"], expected);
    }

    #[test]
    fn a_client_is_not_told_to_come_back_too_early() {
        for (millis, seconds) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (40_000, "40"), (40_500, "41")] {
            assert_eq!(retry_after(Duration::from_millis(millis)), seconds, "{millis} ms");
        }
    }
}

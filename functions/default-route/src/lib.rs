//! Every request line that no endpoint has: 404 for an unknown path, 405 for a known one with another method.

use fulcrum_core::http::{Match, find, path};
use fulcrum_core::{ApiError, App};
use lambda_http::{Body, Request, Response};

/// Answers the endpoint, always with an error.
///
/// # Errors
/// [`ApiError`].
#[expect(clippy::unused_async, reason = "handlers are async")]
pub async fn handle(_: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let (method, path) = (request.method().as_str(), path(&request));
    Err(match find(method, path) {
        Match::OtherMethod { allow } => {
            ApiError::MethodNotAllowed { path: path.to_owned(), method: method.to_owned(), allow }
        }
        Match::Unknown => ApiError::UnknownPath { path: path.to_owned() },
        // The gateway sends a known request line to its own endpoint, never here.
        Match::Found { .. } => ApiError::internal(format!("{method} {path} reached the default route")),
    })
}

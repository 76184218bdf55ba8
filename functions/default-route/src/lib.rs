//! Every request line that no endpoint has: 404 for an unknown path, 405 for a known one with another method, and 204 for OPTIONS
//! on a serving route: the gateway may leave it to this function to answer the browser's question whether a page may call, and
//! a browser takes any other status for a no. The headers of the answer are the gateway's.

use fulcrum_core::http::{Match, find, is_serving, path};
use fulcrum_core::{ApiError, App};
use lambda_http::http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
#[expect(clippy::unused_async, reason = "handlers are async")]
pub async fn handle(_: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let (method, path) = (request.method().as_str(), path(&request));
    if request.method() == Method::OPTIONS
        && is_serving(path)
        && let Match::OtherMethod { allow } = find(method, path)
    {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NO_CONTENT;
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_str(&allow).map_err(ApiError::internal)?);
        return Ok(response);
    }
    Err(match find(method, path) {
        Match::OtherMethod { allow } => {
            ApiError::MethodNotAllowed { path: path.to_owned(), method: method.to_owned(), allow }
        }
        Match::Unknown => ApiError::UnknownPath { path: path.to_owned() },
        // The gateway sends a known request line to its own endpoint, never here.
        Match::Found { .. } => ApiError::internal(format!("{method} {path} reached the default route")),
    })
}

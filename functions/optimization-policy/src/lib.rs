//! `GET /api/v2/optimizations/{id}/policy`: the compiled policy, for clients that serve by themselves. No token.

use fulcrum_core::http::{path_id, query, request_id, respond_open};
use fulcrum_core::{ApiError, App};
use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    query(&request, &[])?;
    let policy = app.policy(path_id(&request)?).await?;
    let etag = policy.etag();
    let known = request.headers().get_all(header::IF_NONE_MATCH).iter();
    let unchanged = known.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag == etag || Some(tag) == etag.strip_prefix("W/")
    });
    let mut response = if unchanged {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        respond_open(request_id(&request), &policy.document())?
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_str(&etag).map_err(ApiError::internal)?);
    let cache = format!("public, max-age={}", app.serving.seconds());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_str(&cache).map_err(ApiError::internal)?);
    Ok(response)
}

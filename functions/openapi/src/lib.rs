//! `GET /api/v2/openapi.json`: the description of the API, as docs/openapi.json has it. No token.

use fulcrum_core::http::{json_document, query};
use fulcrum_core::{ApiError, App};
use lambda_http::{Body, Request, Response};

/// A test of `e2e` holds the file against the code's types; the function embeds it, and needs none of what makes it.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
#[expect(clippy::unused_async, reason = "handlers are async")]
pub async fn handle(_: &App, request: Request) -> Result<Response<Body>, ApiError> {
    query(&request, &[])?;
    Ok(json_document(DOCUMENT))
}

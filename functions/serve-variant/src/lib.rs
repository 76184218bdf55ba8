//! `POST /api/v2/optimizations/{id}/serve`: the variant that a visitor sees. No token, nothing written.

use fulcrum_core::domain::Visitor;
use fulcrum_core::http::{body, path_id, query, request_id, respond_open};
use fulcrum_core::{ApiError, App};
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    query(&request, &[])?;
    let id = path_id(&request)?;
    let visitor: Visitor = body(&request)?;
    let decision = app.serve(id, &visitor).await?;
    respond_open(request_id(&request), &decision)
}

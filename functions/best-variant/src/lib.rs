//! `POST /api/v2/optimizations/best-variant`: as `serve-variant`, with the optimization's id in the body.

use fulcrum_core::domain::{NamedVisitor, Visitor, parse_uuid};
use fulcrum_core::http::{body, query, request_id, respond_open};
use fulcrum_core::{ApiError, App};
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    query(&request, &[])?;
    let named: NamedVisitor = body(&request)?;
    let id = parse_uuid("optimization_id", &named.optimization_id)?;
    let NamedVisitor { anonymous_id, context, dry_run, .. } = named;
    let decision = app.serve(id, &Visitor { anonymous_id, context, dry_run }).await?;
    respond_open(request_id(&request), &decision)
}

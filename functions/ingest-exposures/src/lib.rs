//! `POST /api/v2/ingest/exposures`: takes exposures, and answers when they are durable.

use fulcrum_core::domain::Scope;
use fulcrum_core::http::{EVENTS_BODY_LIMIT, body_bytes, query};
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::EventsWrite).await?;
    query(&request, &[])?;
    let body = body_bytes(&request, EVENTS_BODY_LIMIT)?;
    let ingested = app.ingest_exposures(&call.caller.organization_id, &call.request_id, body).await?;
    let status = if ingested.rejected.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    call.respond(status, &ingested)
}

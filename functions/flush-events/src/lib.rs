//! `POST /api/v2/ingest/flush`: has the events compacted and published at once.

use fulcrum_core::domain::{FlushingView, Scope};
use fulcrum_core::http::query;
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
    app.flush_events(&call.caller.organization_id).await?;
    call.respond(StatusCode::ACCEPTED, &FlushingView { status: "flushing" })
}

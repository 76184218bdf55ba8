//! `DELETE /api/v2/ingest/users/{anonymous_id}`: removes a user's events, within a day.

use fulcrum_core::domain::{DeletingView, Scope};
use fulcrum_core::http::{path_text, query};
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
    let user = path_text(&request);
    app.delete_user_events(&call.caller.organization_id, &call.request_id, &user).await?;
    call.respond(StatusCode::ACCEPTED, &DeletingView { status: "deleting" })
}

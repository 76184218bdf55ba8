//! `GET /api/v2/optimizations/{id}/results`: what happened, measured.

use fulcrum_core::auth::Scope;
use fulcrum_core::http::{path_id, query};
use fulcrum_core::usecases::Span;
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::ModelsRead).await?;
    let query = query(&request, &["from", "to"])?;
    let date = |name| query.parse(name, "a date such as 2026-01-31");
    let span = Span::new(date("from")?, date("to")?)?;
    let results = app.results(&call.caller.organization_id, path_id(&request)?, &span).await?;
    call.respond(StatusCode::OK, &results)
}

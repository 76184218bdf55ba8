//! `GET /api/v2/optimizations/{id}`: one optimization.

use fulcrum_core::auth::Scope;
use fulcrum_core::http::{path_id, query};
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::ModelsRead).await?;
    query(&request, &[])?;
    let found = app.optimization(&call.caller.organization_id, path_id(&request)?).await?;
    call.respond(StatusCode::OK, &found.view())
}

//! `POST /api/v2/optimizations`: a new optimization with its first model.

use fulcrum_core::auth::Scope;
use fulcrum_core::http::{body, query};
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::ModelsWrite).await?;
    query(&request, &[])?;
    let made =
        app.on_behalf_of(&call.caller).create_optimization(&call.caller.organization_id, body(&request)?).await?;
    call.respond(StatusCode::CREATED, &made.view())
}

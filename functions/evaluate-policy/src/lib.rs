//! `POST /api/v2/optimizations/{id}/evaluate`: what other policies would have earned on what was logged.

use fulcrum_core::auth::Scope;
use fulcrum_core::domain::EvaluatePolicies;
use fulcrum_core::http::{body, path_id, query};
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
    let id = path_id(&request)?;
    let policies: EvaluatePolicies = body(&request)?;
    let evaluated = app.evaluate(&call.caller.organization_id, id, &policies).await?;
    call.respond(StatusCode::OK, &evaluated)
}

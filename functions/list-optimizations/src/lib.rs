//! `GET /api/v2/optimizations`: the optimizations of the organization, newest `updated_at` first.

use fulcrum_core::auth::Scope;
use fulcrum_core::domain::OptimizationView;
use fulcrum_core::http::query;
use fulcrum_core::usecases::WithModel;
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;

#[derive(Serialize)]
struct Optimizations<'a> {
    optimizations: Vec<OptimizationView<'a>>,
}

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::ModelsRead).await?;
    query(&request, &[])?;
    let all = app.optimizations(&call.caller.organization_id).await?;
    let optimizations = all.iter().map(WithModel::view).collect();
    call.respond(StatusCode::OK, &Optimizations { optimizations })
}

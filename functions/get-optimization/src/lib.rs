//! `GET /api/v2/optimizations/{id}`: one optimization, with what its model learns from.

use fulcrum_core::auth::Scope;
use fulcrum_core::domain::OptimizationDetailView;
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
    let (optimization, model) = app.optimization(&call.caller.organization_id, path_id(&request)?).await?;
    let view = OptimizationDetailView::new(&optimization, model.as_ref(), app.clock.now());
    call.respond(StatusCode::OK, &view)
}

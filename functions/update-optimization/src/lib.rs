//! `PATCH /api/v2/optimizations/{id}`: another name or status.

use fulcrum_core::auth::Scope;
use fulcrum_core::http::{body, path_id, query};
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
    let id = path_id(&request)?;
    let changed =
        app.on_behalf_of(&call.caller).update_optimization(&call.caller.organization_id, id, body(&request)?).await?;
    call.respond(StatusCode::OK, &changed.view())
}

//! `DELETE /api/v2/models/{id}`: archives a model.

use fulcrum_core::auth::Scope;
use fulcrum_core::domain::{Deleted, Status};
use fulcrum_core::http::{path_id, query};
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
    app.on_behalf_of(&call.caller).delete_model(&call.caller.organization_id, id).await?;
    call.respond(StatusCode::OK, &Deleted { id, status: Status::Archived })
}

//! `POST /api/v2/models/{id}/rollback`: an earlier posterior in force again.

use fulcrum_core::auth::Scope;
use fulcrum_core::domain::{ModelDetailView, RollBackModel};
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
    let RollBackModel { posterior_version } = body(&request)?;
    let model = app.on_behalf_of(&call.caller).rollback(&call.caller.organization_id, id, posterior_version).await?;
    call.respond(StatusCode::OK, &ModelDetailView::new(&model, app.clock.now()))
}

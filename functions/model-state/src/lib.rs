//! `GET /api/v2/models/{id}/state`: what the model believes.

use fulcrum_core::auth::Scope;
use fulcrum_core::http::{Paging, cursor, path_id, query};
use fulcrum_core::usecases::is_place_in_state;
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::ModelsRead).await?;
    let paging = Paging::of_places(&query(&request, &["limit", "cursor"])?, is_place_in_state)?;
    let options = paging.options(app.answer_bytes);
    let (state, next) = app.model_state(&call.caller.organization_id, path_id(&request)?, &options).await?;
    call.respond_page(StatusCode::OK, &state, next.as_deref().map(cursor))
}

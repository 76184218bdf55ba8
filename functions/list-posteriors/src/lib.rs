//! `GET /api/v2/models/{id}/posteriors`: the versions of a model's posterior, newest first.

use fulcrum_core::auth::Scope;
use fulcrum_core::domain::PosteriorView;
use fulcrum_core::http::{path_id, query};
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;

#[derive(Serialize)]
struct Posteriors<'a> {
    posteriors: Vec<PosteriorView<'a>>,
}

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::ModelsRead).await?;
    query(&request, &[])?;
    let (model, records, timeline) = app.posteriors(&call.caller.organization_id, path_id(&request)?).await?;
    let posteriors = records.iter().map(|record| PosteriorView::new(record, &model, &timeline)).collect();
    call.respond(StatusCode::OK, &Posteriors { posteriors })
}

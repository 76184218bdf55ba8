//! `GET /api/v2/models/{id}/posteriors`: the versions of a model's posterior, newest first.

use fulcrum_core::auth::Scope;
use fulcrum_core::domain::{PosteriorView, Posteriors};
use fulcrum_core::http::{Paging, cursor, path_id, query};
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::ModelsRead).await?;
    let is_version = |text: &str| text.parse::<u64>().is_ok_and(|version| version.to_string() == text);
    let paging = Paging::of_places(&query(&request, &["limit", "cursor"])?, is_version)?;
    let options = paging.options(app.answer_bytes);
    let (model, page, timeline) = app.posteriors(&call.caller.organization_id, path_id(&request)?, &options).await?;
    let posteriors = page.items.iter().map(|record| PosteriorView::new(record, &model, &timeline)).collect();
    let next = page.next.as_deref().map(cursor);
    call.respond_page(StatusCode::OK, &Posteriors { posteriors }, next)
}

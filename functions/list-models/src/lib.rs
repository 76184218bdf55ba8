//! `GET /api/v2/models`: the models of the organization, newest `updated_at` first.

use fulcrum_core::auth::Scope;
use fulcrum_core::domain::{ModelView, Models};
use fulcrum_core::http::{Paging, cursor, query};
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::ModelsRead).await?;
    let query = query(&request, &["include_archived", "limit", "cursor"])?;
    let paging = Paging::of(&query, "MODEL")?;
    let options = paging.options(app.answer_bytes);
    let page = app.table.models(&call.caller.organization_id, &options).await?;
    let now = app.clock.now();
    let models = page.items.iter().map(|model| ModelView::new(model, now)).collect();
    let next = page.next.as_deref().map(cursor);
    call.respond_page(StatusCode::OK, &Models { models }, next)
}

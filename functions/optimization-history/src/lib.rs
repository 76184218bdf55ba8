//! `GET /api/v2/optimizations/{id}/history`: who changed what and when, newest first.

use fulcrum_core::auth::Scope;
use fulcrum_core::domain::{ChangeView, History};
use fulcrum_core::http::{Paging, cursor, path_id, query};
use fulcrum_core::store::{CHANGE, ListOptions};
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::ModelsRead).await?;
    let query = query(&request, &["limit", "cursor"])?;
    let paging = Paging::of(&query, CHANGE)?;
    let options = ListOptions {
        include_archived: true,
        limit: paging.limit,
        cursor: paging.cursor.as_deref(),
        max_bytes: app.answer_bytes,
    };
    let page = app.history(&call.caller.organization_id, path_id(&request)?, &options).await?;
    let history = page.items.iter().map(ChangeView::new).collect();
    let next = page.next.as_deref().map(cursor);
    call.respond_page(StatusCode::OK, &History { history }, next)
}

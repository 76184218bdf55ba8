//! `GET /api/v2/optimizations`: the optimizations of the organization, newest first, with what their models are and promise.

use fulcrum_core::auth::Scope;
use fulcrum_core::domain::Optimizations;
use fulcrum_core::echo::quoted;
use fulcrum_core::error::Detail;
use fulcrum_core::http::{Paging, cursor, query};
use fulcrum_core::store::ListOrder;
use fulcrum_core::usecases::WithModel;
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::ModelsRead).await?;
    let query = query(&request, &["limit", "order_by", "include_archived", "cursor"])?;
    let order = match query.text("order_by") {
        None | Some("updated_at") => ListOrder::UpdatedAt,
        Some("created_at") => ListOrder::CreatedAt,
        Some(other) => {
            let message = format!("{} is not updated_at or created_at", quoted(other));
            return Err(ApiError::invalid_at([Detail::new("order_by", message)]));
        }
    };
    let paging = Paging::of(&query, order.kind())?;
    let options = paging.options(app.answer_bytes);
    let page = app.optimizations(&call.caller.organization_id, order, &options).await?;
    let optimizations = page.items.iter().map(WithModel::view).collect();
    let next = page.next.as_deref().map(cursor);
    call.respond_page(StatusCode::OK, &Optimizations { optimizations }, next)
}

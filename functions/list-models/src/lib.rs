//! `GET /api/v2/models`: the models of the organization, newest `updated_at` first.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fulcrum_core::auth::Scope;
use fulcrum_core::domain::ModelView;
use fulcrum_core::echo::quoted;
use fulcrum_core::error::Detail;
use fulcrum_core::http::query;
use fulcrum_core::store::is_place_of_model;
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::Serialize;

#[derive(Serialize)]
struct Models<'a> {
    models: Vec<ModelView<'a>>,
}

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::ModelsRead).await?;
    let query = query(&request, &["include_archived", "limit", "cursor"])?;
    let include_archived = query.parse("include_archived", "true or false")?.unwrap_or(false);
    let limit = query.parse::<usize>("limit", "a whole number of 1 to 100")?;
    if let Some(limit) = limit.filter(|limit| !(1..=100).contains(limit)) {
        return Err(ApiError::invalid_at([Detail::new("limit", format!("{limit} is not between 1 and 100"))]));
    }
    let cursor = query.text("cursor").map(decode_cursor).transpose()?;
    let organization = &call.caller.organization_id;
    let page = app.table.models(organization, include_archived, limit, cursor.as_deref(), app.answer_bytes).await?;
    let now = app.clock.now();
    let models = page.items.iter().map(|model| ModelView::new(model, now)).collect();
    let next = page.next.map(|order| URL_SAFE_NO_PAD.encode(order));
    call.respond_page(StatusCode::OK, &Models { models }, next)
}

fn decode_cursor(text: &str) -> Result<String, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let order = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|order| is_place_of_model(order));
    order.ok_or_else(|| {
        let message = format!("{} is not a cursor; send meta.next_cursor of the page before", quoted(text));
        ApiError::invalid_at([Detail::new("cursor", message)])
    })
}

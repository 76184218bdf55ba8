//! `POST /api/v2/models/{id}/train`: trains a model, or enqueues the run where the client does not wait.

use fulcrum_core::auth::Scope;
use fulcrum_core::domain::{QueuedView, Status, TrainModel, TrainedView};
use fulcrum_core::http::{body, path_id, query};
use fulcrum_core::usecases::TrainResponse;
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use lambda_http::{Body, Request, Response};

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::ModelsWrite).await?;
    query(&request, &[])?;
    let id = path_id(&request)?;
    let TrainModel { bias } = body(&request)?;
    let app = app.on_behalf_of(&call.caller).for_request(&request);
    let later = prefers_async(request.headers());
    let run = match app.train(&call.caller.organization_id, id, bias, later).await? {
        TrainResponse::Trained(run) => run,
        TrainResponse::Queued => {
            let queued = QueuedView { model_id: id, status: Status::Training };
            let mut response = call.respond(StatusCode::ACCEPTED, &queued)?;
            if later {
                let applied = HeaderName::from_static("preference-applied");
                response.headers_mut().insert(applied, HeaderValue::from_static("respond-async"));
            }
            return Ok(response);
        }
    };
    let answer = TrainedView {
        model_id: id,
        status: Status::Trained,
        in_sample_metrics: run.posterior.in_sample_metrics,
        posterior_version: run.posterior.posterior_version,
        snapshot_id: &run.posterior.snapshot_id,
        observations: &run.posterior.observations,
        warnings: &run.posterior.warnings,
        duration_ms: run.duration_ms,
        joined: run.joined,
    };
    call.respond(StatusCode::OK, &answer)
}

/// Whether the client would rather not wait: `Prefer: respond-async` (RFC 7240), among others or alone, in any case.
fn prefers_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    preferences.any(|preference| {
        let name = preference.split(';').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("respond-async")
    })
}

//! `POST /api/v2/models/{id}/train`: a training run, from hold to answer.

use std::collections::BTreeMap;

use fulcrum_core::auth::Scope;
use fulcrum_core::domain::{InSampleMetrics, Observations, Status};
use fulcrum_core::http::{body, path_id, query};
use fulcrum_core::{ApiError, App, Call};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Train {
    #[serde(default)]
    bias: BTreeMap<String, f64>,
}

#[derive(Serialize)]
struct Trained<'a> {
    model_id: String,
    status: Status,
    in_sample_metrics: InSampleMetrics,
    posterior_version: u64,
    snapshot_id: &'a str,
    observations: &'a Observations,
    duration_ms: u64,
}

/// Answers the endpoint.
///
/// # Errors
/// [`ApiError`].
pub async fn handle(app: &App, request: Request) -> Result<Response<Body>, ApiError> {
    let call = Call::begin(app, &request, Scope::ModelsWrite).await?;
    query(&request, &[])?;
    let id = path_id(&request)?;
    let Train { bias } = body(&request)?;
    let run = app.train(&call.caller.organization_id, id, bias).await?;
    let answer = Trained {
        model_id: id.to_string(),
        status: Status::Trained,
        in_sample_metrics: run.posterior.in_sample_metrics,
        posterior_version: run.posterior.posterior_version,
        snapshot_id: &run.posterior.snapshot_id,
        observations: &run.posterior.observations,
        duration_ms: run.duration_ms,
    };
    call.respond(StatusCode::OK, &answer)
}

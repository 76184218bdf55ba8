//! What others are told of a run.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::domain::{Model, PosteriorRecord, rfc3339};
use crate::error::ApiError;
use crate::log_fields::log_field;
use crate::notifications::{Notification, Subject};
use crate::usecases::results::Notice;

/// An event about a model.
fn about(model: &Model, subject: Subject, at: DateTime<Utc>, more: Value) -> Notification {
    let mut detail = Map::from_iter([
        ("organization_id".to_owned(), json!(model.organization_id)),
        ("optimization_id".to_owned(), json!(model.optimization_id)),
        ("model_id".to_owned(), json!(model.id)),
    ]);
    if let Value::Object(more) = more {
        detail.extend(more);
    }
    Notification { subject, at, detail }
}

/// The names of what was found.
pub(super) fn names(found: &[(String, Value)]) -> Vec<String> {
    found.iter().map(|(name, _)| name.clone()).collect()
}

/// What is new of what was found: `before` is what the run before found.
fn news(found: &[(String, Value)], before: Option<&Vec<String>>) -> Vec<Value> {
    let is_new = |name: &String| before.is_none_or(|before| !before.contains(name));
    found.iter().filter(|(name, _)| is_new(name)).map(|(_, figures)| figures.clone()).collect()
}

/// What is told of a run that put a version in force: that it did, and what it found that the run before it did not.
pub(super) fn of_run(
    model: &Model,
    posterior: &PosteriorRecord,
    notice: &Notice,
    on_baseline: bool,
) -> Vec<Notification> {
    let at = posterior.trained_at;
    let version = json!({
        "posterior_version": posterior.posterior_version, "snapshot_id": posterior.snapshot_id,
    });
    let with = |name: &str, value: Value| {
        let mut with = version.clone();
        with[name] = value;
        with
    };
    let mut trained = with("trained_at", json!(rfc3339(at)));
    trained["exposures"] = json!(posterior.observations.exposures);
    trained["baseline_served"] = json!(on_baseline);
    if let Some(summary) = &posterior.summary {
        trained["estimated_improvement_percent"] = json!(summary.lift);
        trained["improvement_probability"] = json!(summary.confidence);
        trained["measured"] = json!(summary.measured);
    }
    let mut told = vec![about(model, Subject::Trained, at, trained)];
    let before = model.posterior.as_ref();
    let violated = news(&notice.guardrails, before.map(|before| &before.violated_guardrails));
    if !violated.is_empty() {
        let mut more = with("guardrails", json!(violated));
        more["baseline_served"] = json!(on_baseline);
        told.push(about(model, Subject::GuardrailViolated, at, more));
    }
    let problems = news(&notice.problems, before.map(|before| &before.failed_checks));
    if !problems.is_empty() {
        told.push(about(model, Subject::DataSuspect, at, with("problems", json!(problems))));
    }
    told
}

impl App {
    /// Tells of a run that failed. What ended since another run or somebody's decision came before it is no failure.
    pub(super) async fn tell_of_failure(&self, model: &Model, error: &ApiError) {
        if matches!(error, ApiError::Conflict { .. }) {
            return;
        }
        let message = error.kept(log_field("request_id").as_deref());
        let version = model.posterior.as_ref().map_or(0, |posterior| posterior.posterior_version);
        let more = json!({"error": {"code": error.code(), "message": message}, "posterior_version": version});
        let failed = about(model, Subject::TrainingFailed, self.clock.now(), more);
        Box::pin(self.notifications.tell(&failed)).await;
    }
}

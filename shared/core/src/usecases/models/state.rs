//! The state of a model: what it believes, as its last good training wrote it down.

use bandit::{Policy, propensity};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::domain::{Model, PosteriorRecord, rfc3339, variant_json};
use crate::error::ApiError;
use crate::usecases::posterior_object::{Provenance, read_tensor};

impl App {
    /// The state of a model, in the fields of the API. Before the first training it holds no belief, only what is
    /// served: every allowed variant alike.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], and storage errors.
    pub async fn model_state(&self, organization: &str, id: Uuid) -> Result<Map<String, Value>, ApiError> {
        let model = self.model(organization, id).await?;
        let mut state = Map::new();
        state.insert("model_id".into(), json!(model.id));
        state.insert("model_type".into(), json!(model.model_type));
        let posterior = model.posterior.as_ref();
        state.insert("posterior_version".into(), json!(posterior.map_or(0, |p| p.posterior_version)));
        state.insert("trained_at".into(), json!(posterior.map(|p| rfc3339(p.trained_at))));
        state.insert("skipped".into(), json!(posterior.map(|p| &p.observations.skipped)));
        state.insert("warnings".into(), json!(posterior.map_or(&[][..], |p| p.warnings.as_slice())));
        let report = match posterior {
            Some(posterior) => self.report(id, posterior).await?,
            None => untrained(&model, self.holdout_share(&model).await?)?,
        };
        state.extend(report);
        Ok(state)
    }

    /// Reads only the report out of a posterior's object: the header, then the report's range.
    async fn report(&self, model: Uuid, posterior: &PosteriorRecord) -> Result<Map<String, Value>, ApiError> {
        let provenance = Provenance { model, snapshot: Some(&posterior.snapshot_id) };
        let bytes = read_tensor(&self.bucket, &posterior.object, provenance, "state").await?;
        serde_json::from_slice(&bytes).map_err(|e| ApiError::internal(format!("{}: {e}", posterior.object)))
    }
}

/// The state before the first training: nothing is believed, every allowed variant is served alike, and the baseline to the
/// holdout besides.
fn untrained(model: &Model, holdout_share: f64) -> Result<Map<String, Value>, ApiError> {
    let space = model.checked()?.space;
    let policy = Policy::uniform(&space);
    let row = policy.as_ref().and_then(|policy| policy.row(0));
    let row = row.ok_or_else(|| ApiError::internal(format!("model {} allows no variant", model.id)))?;
    let variants: Vec<Value> = (0..space.variants())
        .map(|index| {
            let weight = propensity(row, index, holdout_share);
            json!({
                "index": index, "variant": variant_json(&space, index), "n": 0, "reward_sum": 0.0,
                "rate": null, "expected_reward_mean": null, "expected_reward_lo": null, "expected_reward_hi": null,
                "prob_best": null, "expected_loss": null, "weight": weight,
            })
        })
        .collect();
    let Value::Object(report) = json!({
        "observations": 0, "variants": variants, "contexts": [], "factors": [], "interactions": [],
        "estimated_improvement_percent": null, "estimated_improvement_interval": null,
        "best_vs_baseline_percent": null, "best_vs_baseline_interval": null,
        "improvement_probability": null, "estimated_progress": null, "diagnostics": null,
    }) else {
        return Err(ApiError::internal("an object literal is no object"));
    };
    Ok(report)
}

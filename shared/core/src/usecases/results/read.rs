//! Reads what the latest run stored.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::answer::answer;
use super::span::Span;
use crate::app::App;
use crate::domain::StoredResults;
use crate::error::ApiError;
use crate::store::results_key;

impl App {
    /// What happened in an optimization, as the latest training run measured it.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] for an unknown optimization and where no run has measured anything, and storage errors.
    pub async fn results(&self, organization: &str, id: Uuid, span: &Span) -> Result<Map<String, Value>, ApiError> {
        let missing = |what| ApiError::NotFound { what, id: id.to_string() };
        let optimization = self.table.optimization(organization, id).await?.ok_or_else(|| missing("optimization"))?;
        let model = optimization.model_id.ok_or_else(|| missing("model of the optimization"))?;
        let model = self.model(organization, model).await?;
        // The latest run's, also after a rollback: results are what happened.
        let version = model.measured_version.ok_or_else(|| missing("training run with results of the optimization"))?;
        let key = results_key(organization, &model.id.to_string(), version);
        let bytes = self.bucket.read_all(&key).await?;
        let stored: StoredResults =
            serde_json::from_slice(&bytes).map_err(|e| ApiError::internal(format!("{key}: {e}")))?;
        answer(&model.checked()?.space, &stored, span)
    }
}

//! Reads the policies of past versions: of the object that has all of them, and of single posteriors.

use bandit::{Policy, PolicyHistory, Space};

use super::posterior_object::{Provenance, read_tensor};
use crate::app::App;
use crate::domain::Model;
use crate::error::ApiError;
use crate::log_fields::log_field;
use crate::store::{policies_key, posterior_key};

impl App {
    /// The policies that the last run of a model wrote, with what their versions expect. What is damaged is logged and counts as missing.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) async fn stored_policies(
        &self,
        model: &Model,
        space: &Space,
    ) -> Result<Option<PolicyHistory>, ApiError> {
        let key = policies_key(&model.organization_id, &model.id.to_string());
        let Some(bytes) = self.bucket.read_if_there(&key).await? else { return Ok(None) };
        let read = PolicyHistory::from_bytes(space, &bytes);
        Ok(read.map_err(|error| unreadable(model, &format!("{key}: {error}"))).ok())
    }

    /// The policy of a version in its posterior; `None` where that is not kept any more, or is damaged, which is logged.
    ///
    /// # Errors
    /// Where the store is away.
    pub(super) async fn past_policy(&self, model: &Model, version: u64) -> Result<Option<Policy>, ApiError> {
        let object = posterior_key(&model.organization_id, &model.id.to_string(), version);
        let provenance = Provenance { model: model.id, snapshot: None };
        let bytes = match read_tensor(&self.bucket, &object, provenance, "policy").await {
            Ok(bytes) => bytes,
            Err(error @ ApiError::Unavailable { .. }) => return Err(error),
            // Versions that are not kept any more have none.
            Err(error) => {
                unreadable(model, error.cause().unwrap_or(&object));
                return Ok(None);
            }
        };
        Ok(Policy::from_bytes(&bytes).map_err(|error| unreadable(model, &format!("{object}: {error}"))).ok())
    }
}

fn unreadable(model: &Model, cause: &str) {
    let request_id = log_field("request_id");
    tracing::warn!(request_id, model_id = %model.id, cause, "the policy of a past version is not known");
}

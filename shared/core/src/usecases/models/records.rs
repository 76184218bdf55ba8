//! Models: create, get, delete.

use std::time::Duration;

use uuid::Uuid;

use crate::app::App;
use crate::domain::{
    Aspects, ChangeKind, Model, NewModel, Optimization, OptimizationStatus, Served, ServedVersion, parse_uuid,
};
use crate::error::ApiError;
use crate::keyed_work::{Effect, KeyedWork};
use crate::store::StoreError;

/// How often the archiving of a model is tried whose optimization changes at that moment.
const MOST_ATTEMPTS: u32 = 5;

impl App {
    /// A model of an organization.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], and storage errors.
    pub async fn model(&self, organization: &str, id: Uuid) -> Result<Model, ApiError> {
        let model = self.table.model(organization, id).await?;
        model.ok_or_else(|| ApiError::NotFound { what: "model", id: id.to_string() })
    }

    /// Makes a model, and its optimization where none is named.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`] for a configuration that breaks a rule, [`ApiError::NotFound`] for an unknown optimization,
    /// [`ApiError::Conflict`] for one that has a model, and storage errors.
    pub async fn create_model(&self, organization: &str, new: NewModel) -> Result<Model, ApiError> {
        if let Some(Effect::Model(id)) = KeyedWork::already_done() {
            return self.model(organization, id).await;
        }
        let parent = new.optimization_id.as_deref().map(|id| parse_uuid("optimization_id", id)).transpose()?;
        let now = self.clock.now();
        let optimization = parent.unwrap_or_else(Uuid::new_v4);
        let model = Model::untrained(organization, optimization, new.model_type, new.training_data_config, now)?;
        let Some(parent) = parent else {
            let name = model.config.reward.name.clone();
            self.create_both(model.clone(), name, None, 0.0).await?;
            return Ok(model);
        };
        let served = Served::untrained(model.id, model.model_type, model.config.clone());
        let (before, after) = (Aspects::served(ServedVersion::NOTHING), Aspects::served(&served));
        let change = self.change((organization, parent), ChangeKind::ModelCreated, before, after);
        // Few are archived, so that the first attempt does without reading whether it is.
        let mut archived = false;
        loop {
            match self.table.create_model(&model, &served, archived, &change).await {
                Ok(()) => return Ok(model),
                Err(StoreError::Condition { item: 0, .. }) => {
                    let found = self.table.optimization(organization, parent).await?;
                    let is_free = |found: &Optimization| found.model_id.is_none() && is_archived(found.status);
                    if archived || !found.as_ref().is_some_and(is_free) {
                        return Err(occupied(parent, found.as_ref()));
                    }
                    archived = true;
                }
                Err(other) => return Err(other.into()),
            }
        }
    }

    /// Archives a model; doing it again changes nothing.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], and storage errors.
    pub async fn delete_model(&self, organization: &str, id: Uuid) -> Result<(), ApiError> {
        let model = self.model(organization, id).await?;
        if model.archived_at.is_some() {
            return Ok(());
        }
        let mut attempts_left = MOST_ATTEMPTS;
        loop {
            let parent = self.table.optimization(organization, model.optimization_id).await?;
            let on_baseline = parent.as_ref().is_some_and(|parent| parent.status_reason.is_some());
            let status = parent.map_or(OptimizationStatus::Live, |parent| parent.status);
            let before = Aspects::served(ServedVersion::of_model(&model, status, on_baseline));
            let after = Aspects::served(ServedVersion::NOTHING);
            let change = self.change((organization, model.optimization_id), ChangeKind::ModelArchived, before, after);
            attempts_left -= 1;
            match self.table.archive(&model, status, &change).await {
                Ok(()) => return Ok(()),
                Err(refused @ StoreError::Condition { item, .. }) => {
                    match self.model(organization, id).await?.archived_at {
                        // Somebody else archived it in between: it is as it was asked to be.
                        Some(_) => return Ok(()),
                        // The optimization has another status since it was read.
                        None if item == 1 && attempts_left > 0 => {}
                        None => {
                            let cause = format!("model {id} is not archived, and cannot be: {refused}");
                            return Err(ApiError::internal(cause));
                        }
                    }
                }
                Err(other) => return Err(other.into()),
            }
        }
    }
}

fn is_archived(status: OptimizationStatus) -> bool {
    status == OptimizationStatus::Archived
}

/// Why an optimization takes no new model: it is missing, or it had one at that moment and perhaps has it still.
fn occupied(optimization: Uuid, found: Option<&Optimization>) -> ApiError {
    match found.map(|found| found.model_id) {
        None => ApiError::NotFound { what: "optimization", id: optimization.to_string() },
        Some(Some(model)) => ApiError::conflict(format!(
            "optimization {optimization} has the active model {model}; delete that one first"
        )),
        Some(None) => ApiError::Conflict {
            message: format!("the model of optimization {optimization} was deleted at this moment; try again"),
            retry_after: Some(Duration::from_secs(1)),
        },
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn a_model_that_was_just_deleted_stands_in_nobodys_way() {
        let (id, model) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut found = Optimization {
            id,
            organization_id: "org".into(),
            name: "n".into(),
            status: OptimizationStatus::Live,
            model_id: Some(model),
            reward_metric_id: None,
            holdout_percentage: 0.0,
            summary: None,
            status_reason: None,
            overruled_at: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        };
        assert!(matches!(occupied(id, None), ApiError::NotFound { .. }));
        assert!(occupied(id, Some(&found)).to_string().ends_with(&format!("{model}; delete that one first")));
        found.model_id = None;
        let race = occupied(id, Some(&found));
        assert!(race.to_string().ends_with("try again"), "{race}");
        assert!(matches!(race, ApiError::Conflict { retry_after: Some(_), .. }), "{race:?}");
    }
}

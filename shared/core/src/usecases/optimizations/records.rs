//! Optimizations: create, get, list, update.

use std::collections::HashMap;

use uuid::Uuid;

use crate::app::App;
use crate::domain::{
    Model, NewOptimization, Optimization, OptimizationStatus, OptimizationView, PatchOptimization, Served, Serving,
    Status,
};
use crate::echo::quoted;
use crate::error::{ApiError, Detail};
use crate::store::{OptimizationChange, StoreError};

/// An optimization with the status of its model.
#[derive(Clone, Debug)]
pub struct WithModel {
    /// The optimization.
    pub optimization: Optimization,
    /// What its model is now; absent where it has none.
    pub model_status: Option<Status>,
}

impl WithModel {
    /// As the API shows it.
    #[must_use]
    pub fn view(&self) -> OptimizationView<'_> {
        OptimizationView::new(&self.optimization, self.model_status)
    }
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if (1..=256).contains(&name.chars().count()) {
        return Ok(());
    }
    Err(ApiError::invalid_at([Detail::new("name", format!("{} is not a string of 1 to 256 characters", quoted(name)))]))
}

/// The least share of users, in percent: one in a hundred million. What is less is a slip, not a holdout.
const LEAST_HOLDOUT: f64 = 1e-6;

fn check_holdout(percentage: f64) -> Result<(), ApiError> {
    let message = if !(0.0..=50.0).contains(&percentage) {
        format!("{percentage} is not between 0 and 50 percent")
    } else if percentage > 0.0 && percentage < LEAST_HOLDOUT {
        format!("{percentage:e} is less than {LEAST_HOLDOUT} percent; send 0 for no holdout")
    } else {
        return Ok(());
    };
    Err(ApiError::invalid_at([Detail::new("holdout_percentage", message)]))
}

fn not_found(id: Uuid) -> ApiError {
    ApiError::NotFound { what: "optimization", id: id.to_string() }
}

impl App {
    /// Makes an optimization with its first model, both or neither.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`], and storage errors.
    pub async fn create_optimization(&self, organization: &str, new: NewOptimization) -> Result<WithModel, ApiError> {
        check_name(&new.name)?;
        // Of the two zeros the positive one.
        let holdout = new.holdout_percentage.unwrap_or(0.0) + 0.0;
        check_holdout(holdout)?;
        let now = self.clock.now();
        let id = Uuid::new_v4();
        let model = Model::untrained(organization, id, new.model_type, new.training_data_config, now)?;
        let optimization = self.create_both(model, new.name, holdout).await?;
        Ok(WithModel { optimization, model_status: Some(Status::Untrained) })
    }

    /// Writes a new model and its new optimization.
    pub(in crate::usecases) async fn create_both(
        &self,
        model: Model,
        name: String,
        holdout: f64,
    ) -> Result<Optimization, ApiError> {
        let optimization = Optimization {
            id: model.optimization_id,
            organization_id: model.organization_id.clone(),
            name,
            status: OptimizationStatus::Live,
            model_id: Some(model.id),
            holdout_percentage: holdout,
            created_at: model.created_at,
            updated_at: model.created_at,
        };
        let serving = Serving {
            optimization_id: optimization.id,
            organization_id: optimization.organization_id.clone(),
            status: optimization.status,
            holdout_percentage: holdout,
            served: Some(Served::untrained(model.id, model.model_type, model.config.clone())),
        };
        self.table.create_both(&optimization, &model, &serving).await?;
        Ok(optimization)
    }

    /// The optimizations of an organization, newest `updated_at` first, with the status of their models.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn optimizations(&self, organization: &str) -> Result<Vec<WithModel>, ApiError> {
        let optimizations = self.table.optimizations(organization).await?;
        let models = self.table.models(organization, false, None, None, usize::MAX).await?;
        let now = self.clock.now();
        let statuses: HashMap<Uuid, Status> = models.items.iter().map(|m| (m.id, m.status(now))).collect();
        let with_model = |optimization: Optimization| {
            let model_status = optimization.model_id.and_then(|id| statuses.get(&id).copied());
            WithModel { optimization, model_status }
        };
        Ok(optimizations.into_iter().map(with_model).collect())
    }

    /// An optimization of an organization, with the status of its model.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], and storage errors.
    pub async fn optimization(&self, organization: &str, id: Uuid) -> Result<WithModel, ApiError> {
        let optimization = self.table.optimization(organization, id).await?.ok_or_else(|| not_found(id))?;
        let model = match optimization.model_id {
            Some(model) => self.table.model(organization, model).await?,
            None => None,
        };
        Ok(WithModel { optimization, model_status: model.map(|m| m.status(self.clock.now())) })
    }

    /// Changes an optimization's name or status. Serving follows the status within its cache time.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`], [`ApiError::NotFound`], and storage errors.
    pub async fn update_optimization(
        &self,
        organization: &str,
        id: Uuid,
        patch: PatchOptimization,
    ) -> Result<WithModel, ApiError> {
        if let Some(name) = &patch.name {
            check_name(name)?;
        }
        if patch.name.is_none() && patch.status.is_none() {
            return Err(ApiError::invalid("there is nothing to change; send name, status or both"));
        }
        let change = OptimizationChange { name: patch.name, status: patch.status, at: self.clock.now() };
        match self.table.change_optimization(organization, id, &change).await {
            Ok(()) => self.optimization(organization, id).await,
            Err(StoreError::Condition { .. }) => Err(not_found(id)),
            Err(other) => Err(other.into()),
        }
    }
}

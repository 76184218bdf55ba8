//! Optimizations: create, get, list, update.

use std::collections::HashMap;
use std::time::Duration;

use uuid::Uuid;

use crate::app::App;
use crate::domain::{
    Aspects, Change, ChangeKind, Model, NewOptimization, Optimization, OptimizationStatus, OptimizationView,
    PatchOptimization, Served, ServedVersion, Serving, Status,
};
use crate::echo::quoted;
use crate::error::{ApiError, Detail};
use crate::keyed_work::{Effect, KeyedWork};
use crate::store::{ListOptions, ListOrder, Page, ServingChange, StoreError};

/// How often a change is tried that meets others.
const MOST_ATTEMPTS: u32 = 5;

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

fn check_text(field: &str, text: &str) -> Result<(), ApiError> {
    if (1..=256).contains(&text.chars().count()) {
        return Ok(());
    }
    Err(ApiError::invalid_at([Detail::new(field, format!("{} is not a string of 1 to 256 characters", quoted(text)))]))
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
        if let Some(Effect::Model(id)) = KeyedWork::already_done() {
            let model = self.model(organization, id).await?;
            let model_status = Some(model.status(self.clock.now()));
            let (optimization, _) = self.optimization(organization, model.optimization_id).await?;
            return Ok(WithModel { optimization, model_status });
        }
        check_text("name", &new.name)?;
        if let Some(metric) = &new.reward_metric_id {
            check_text("reward_metric_id", metric)?;
        }
        // Of the two zeros the positive one.
        let holdout = new.holdout_percentage.unwrap_or(0.0) + 0.0;
        check_holdout(holdout)?;
        let now = self.clock.now();
        let id = Uuid::new_v4();
        let model = Model::untrained(organization, id, new.model_type, new.training_data_config, now)?;
        let optimization = self.create_both(model, new.name, new.reward_metric_id, holdout).await?;
        Ok(WithModel { optimization, model_status: Some(Status::Untrained) })
    }

    /// Writes a new model and its new optimization.
    pub(in crate::usecases) async fn create_both(
        &self,
        model: Model,
        name: String,
        reward_metric_id: Option<String>,
        holdout_percentage: f64,
    ) -> Result<Optimization, ApiError> {
        let optimization = Optimization {
            id: model.optimization_id,
            organization_id: model.organization_id.clone(),
            name,
            status: OptimizationStatus::Live,
            model_id: Some(model.id),
            reward_metric_id,
            holdout_percentage,
            summary: None,
            status_reason: None,
            overruled_at: None,
            created_at: model.created_at,
            updated_at: model.created_at,
        };
        let serving = Serving {
            optimization_id: optimization.id,
            organization_id: optimization.organization_id.clone(),
            status: optimization.status,
            holdout_percentage: optimization.holdout_percentage,
            served: Some(Served::untrained(model.id, model.model_type, model.config.clone())),
        };
        let after = Aspects::all(&optimization, ServedVersion::of_model(&model, optimization.status, false));
        let change =
            self.change((&model.organization_id, optimization.id), ChangeKind::Created, Aspects::default(), after);
        self.table.create_both(&optimization, &model, &serving, &change).await?;
        Ok(optimization)
    }

    /// The optimizations of an organization, newest first, with the status of their models, and where the next page begins. It
    /// reads no posterior, and of the models nothing but what says their status.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn optimizations(
        &self,
        organization: &str,
        order: ListOrder,
        options: &ListOptions<'_>,
    ) -> Result<Page<WithModel>, ApiError> {
        let Page { items, next } = self.table.optimizations(organization, order, options).await?;
        let models: Vec<Uuid> = items.iter().filter_map(|found| found.model_id).collect();
        let now = self.clock.now();
        let standings = self.table.standings(organization, &models).await?;
        let statuses: HashMap<Uuid, Status> = standings.iter().map(|m| (m.id, m.status(now))).collect();
        let with_model = |optimization: Optimization| {
            let model_status = optimization.model_id.and_then(|id| statuses.get(&id).copied());
            WithModel { optimization, model_status }
        };
        Ok(Page { items: items.into_iter().map(with_model).collect(), next })
    }

    /// An optimization of an organization, with its model, if it has one.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], and storage errors.
    pub async fn optimization(&self, organization: &str, id: Uuid) -> Result<(Optimization, Option<Model>), ApiError> {
        let optimization = self.table.optimization(organization, id).await?.ok_or_else(|| not_found(id))?;
        let model = match optimization.model_id {
            Some(model) => self.table.model(organization, model).await?,
            None => None,
        };
        Ok((optimization, model))
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
            check_text("name", name)?;
        }
        if patch.name.is_none() && patch.status.is_none() {
            return Err(ApiError::invalid("there is nothing to change; send name, status or both"));
        }
        for _ in 0..MOST_ATTEMPTS {
            let before = self.table.optimization(organization, id).await?.ok_or_else(|| not_found(id))?;
            let serving = match patch.status {
                Some(status) => Some(self.serving_under(status, organization, id).await?),
                None => None,
            };
            let change = self.change_by(&patch, &before, serving.as_ref());
            match self.table.change_optimization((&patch, before.status), serving.as_ref(), &change).await {
                Ok(()) => {
                    let (optimization, model) = self.optimization(organization, id).await?;
                    let now = self.clock.now();
                    return Ok(WithModel { optimization, model_status: model.map(|model| model.status(now)) });
                }
                // Another version came into force, or another status, since this was read.
                Err(StoreError::Condition { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(ApiError::Conflict {
            message: format!("what optimization {id} serves keeps changing at this moment; try again"),
            retry_after: Some(Duration::from_secs(1)),
        })
    }

    /// What a patch changes, for the history.
    fn change_by(&self, patch: &PatchOptimization, of: &Optimization, serving: Option<&ServingChange>) -> Change {
        let (mut before, mut after) = (Aspects::default(), Aspects::default());
        if let Some(name) = patch.name.as_ref().filter(|name| **name != of.name) {
            (before.name, after.name) = (Some(of.name.clone()), Some(name.clone()));
        }
        if let Some((status, serving)) = patch.status.zip(serving) {
            if status != serving.before.status {
                (before.status, after.status) = (Some(serving.before.status), Some(status));
            }
            if let Some((was, is)) = serving.before.served.as_ref().zip(serving.served.as_ref()) {
                (before.served, after.served) = (Some(was.into()), Some(is.into()));
                let reason = of.status_reason.as_ref().filter(|_| was.baseline);
                before.violated_guardrails = reason.map(|reason| reason.guardrails.clone()).unwrap_or_default();
            }
        }
        self.change((&of.organization_id, of.id), ChangeKind::Updated, before, after)
    }

    /// What serving reads of an optimization now, and what it is to serve under a status.
    async fn serving_under(
        &self,
        status: OptimizationStatus,
        organization: &str,
        id: Uuid,
    ) -> Result<ServingChange, ApiError> {
        let before = self.table.serving(id).await?.filter(|serving| serving.organization_id == organization);
        let before = before.ok_or_else(|| not_found(id))?;
        let served = match &before.served {
            Some(served) => self.served_under(status, served).await?,
            None => None,
        };
        Ok(ServingChange { before, served })
    }
}

//! Serving a visitor: a pure function of (optimization, anonymous id, context, posterior in force), behind a cache.

use bandit::{RowRef, choose, hold_out, propensity};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::app::App;
use crate::domain::{Visitor, context_number, variant_json};
use crate::error::{ApiError, Detail};

/// What a visitor is served.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Decision {
    /// The optimization.
    pub optimization_id: Uuid,
    /// The model.
    pub model_id: Uuid,
    /// The posterior in force; 0 before the first training.
    pub posterior_version: u64,
    /// The variant: a level for each design factor.
    #[cfg_attr(
        feature = "openapi",
        schemars(with = "std::collections::BTreeMap<String, crate::domain::described::Level>")
    )]
    pub variant: Map<String, Value>,
    /// Its number, counted from 0; 0 is the baseline.
    pub variant_index: usize,
    /// Whether the visitor belongs to the holdout.
    pub holdout: bool,
    /// The probability with which this variant is served in this context, holdout included: in [0, 1].
    pub propensity: f64,
}

impl App {
    /// Serves a visitor.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`] for an anonymous id that is none, [`ApiError::NotFound`], [`ApiError::Conflict`] where
    /// the optimization is not live or has no model, and storage errors.
    pub async fn serve(&self, optimization: Uuid, visitor: &Visitor) -> Result<Decision, ApiError> {
        let id = &visitor.anonymous_id;
        if !(1..=1024).contains(&id.len()) {
            let message = format!("it has {} bytes; 1 to 1024 are allowed", id.len());
            return Err(ApiError::invalid_at([Detail::new("anonymous_id", message)]));
        }
        let cached = self.cached_optimization(optimization).await?;
        let id = &*self.visitor_ids.kept(&cached.organization_id, id);
        let ready = cached.serving(optimization)?;
        let space = &ready.checked.space;
        let context = context_number(space, &visitor.context);
        let share = cached.holdout_percentage / 100.0;
        let text = optimization.to_string();
        let holdout = hold_out(&text, id, cached.holdout_percentage);
        let decide = |row: RowRef<'_>| {
            let index = if holdout { 0 } else { choose(&text, id, row, &ready.keys) };
            (index, propensity(row, index, share))
        };
        let (variant_index, propensity) = match ready.policy.row(context) {
            Some(row) => decide(row),
            None => decide(Box::pin(self.lazy_policy_row(&text, ready, context)).await?.as_ref().as_ref()),
        };
        Ok(Decision {
            optimization_id: optimization,
            model_id: ready.served.model_id,
            posterior_version: ready.served.posterior_version,
            variant: variant_json(space, variant_index),
            variant_index,
            holdout,
            propensity,
        })
    }
}

//! Serving: a pure function of (optimization, anonymous id, context, posterior in force), behind a cache.

use bandit::{RowRef, choose, hold_out, propensity};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::app::App;
use crate::domain::{context_number, variant_json};
use crate::error::{ApiError, Detail};
use crate::http::null_is_absent;

/// The body of `POST /api/v2/optimizations/{id}/serve`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visitor {
    /// Who is served: the same id, the same variant.
    pub anonymous_id: String,
    /// What is known of the visitor.
    #[serde(default, deserialize_with = "null_is_absent")]
    pub context: Map<String, Value>,
    /// Reserved: serving writes nothing, so that this changes nothing.
    #[serde(default, deserialize_with = "null_is_absent")]
    pub dry_run: bool,
}

/// What a visitor is served.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The optimization.
    pub optimization_id: Uuid,
    /// The model.
    pub model_id: Uuid,
    /// The posterior in force; 0 before the first training.
    pub posterior_version: u64,
    /// The variant.
    pub variant: Map<String, Value>,
    /// Its number.
    pub variant_index: usize,
    /// Whether the visitor belongs to the holdout.
    pub holdout: bool,
    /// The probability with which this variant is served in this context, holdout included.
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
            let message = format!("it has {} bytes; 1 to 1024 are possible", id.len());
            return Err(ApiError::invalid_at(vec![Detail::new("anonymous_id", message)]));
        }
        let at_hand = self.at_hand(optimization).await?;
        let ready = at_hand.serving(optimization)?;
        let space = &ready.checked.space;
        let context = context_number(space, &visitor.context);
        let share = at_hand.holdout_percentage / 100.0;
        let text = optimization.to_string();
        let holdout = hold_out(&text, id, at_hand.holdout_percentage);
        let decide = |row: RowRef<'_>| {
            let index = if holdout { 0 } else { choose(&text, id, row) };
            (index, propensity(row, index, share))
        };
        let (variant_index, propensity) = match ready.policy.row(context) {
            Some(row) => decide(row),
            None => decide(Box::pin(self.drawn_row(&text, ready, context)).await?.as_ref().as_ref()),
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

//! Serving: a pure function of (optimization, anonymous id, context, posterior in force), behind a cache.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bandit::{CompileLimits, Policy, PolicyOptions, Row, choose, draw_row, hold_out, propensity, serving_seed};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::train::blocking;
use crate::app::App;
use crate::domain::{Checked, OptimizationStatus, Served, context_number, variant_json};
use crate::error::{ApiError, Detail};

/// Optimizations that one process keeps at hand.
const MOST_CACHED: usize = 1_000;

/// Rows of uncompiled contexts that one posterior keeps at hand.
const MOST_ROWS: usize = 10_000;

/// The body of `POST /api/v2/optimizations/{id}/serve`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visitor {
    /// Who is served: the same id, the same variant.
    pub anonymous_id: String,
    /// What is known of the visitor.
    #[serde(default)]
    pub context: Map<String, Value>,
    /// Reserved: serving writes nothing, so that this changes nothing.
    #[serde(default)]
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

/// A version of a model, ready to serve.
pub(super) struct Ready {
    pub(super) served: Served,
    pub(super) checked: Checked,
    pub(super) policy: Policy,
    posterior: OnceCell<bandit::Posterior>,
    rows: Mutex<HashMap<u64, Arc<Row>>>,
}

/// An optimization at hand, with the time until which it need not be read again.
#[derive(Clone)]
struct AtHand {
    until: DateTime<Utc>,
    optimization: Arc<OptimizationAtHand>,
}

pub(super) struct OptimizationAtHand {
    status: OptimizationStatus,
    pub(super) holdout_percentage: f64,
    ready: Option<Arc<Ready>>,
}

impl OptimizationAtHand {
    /// What it serves, if it does.
    pub(super) fn serving(&self, id: Uuid) -> Result<&Arc<Ready>, ApiError> {
        if self.status != OptimizationStatus::Live {
            let status = self.status.as_str();
            return Err(ApiError::conflict(format!("optimization {id} is {status}; only a live one serves")));
        }
        self.ready.as_ref().ok_or_else(|| {
            ApiError::conflict(format!(
                "optimization {id} has no model: it was deleted; create a new model for it to serve again"
            ))
        })
    }
}

/// The optimizations that this process serves, read again after the cache time.
#[derive(Clone)]
pub struct ServingCache {
    time: TimeDelta,
    at_hand: Arc<Mutex<HashMap<Uuid, AtHand>>>,
}

impl ServingCache {
    /// A cache that trusts what it has read for `time`.
    #[must_use]
    pub fn new(time: TimeDelta) -> Self {
        Self { time, at_hand: Arc::default() }
    }

    /// The cache time in seconds.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.time.num_seconds()
    }

    fn get(&self, id: Uuid) -> Option<AtHand> {
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn put(&self, id: Uuid, value: AtHand) {
        let mut at_hand = self.at_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if at_hand.len() >= MOST_CACHED && !at_hand.contains_key(&id) {
            let oldest = at_hand.iter().min_by_key(|(_, value)| value.until).map(|(id, _)| *id);
            oldest.and_then(|id| at_hand.remove(&id));
        }
        at_hand.insert(id, value);
    }
}

impl App {
    /// Serves a visitor.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`] for an id that is none, [`ApiError::NotFound`], [`ApiError::Conflict`] where the optimization
    /// is not live or has no model, and storage errors.
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
        let decide = |row: bandit::RowRef<'_>| {
            let index = if holdout { 0 } else { choose(&text, id, row) };
            (index, propensity(row, index, share))
        };
        let (variant_index, propensity) = match ready.policy.row(context) {
            Some(row) => decide(row),
            None => decide(self.drawn_row(&text, ready, context).await?.as_ref().as_ref()),
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

    pub(super) async fn at_hand(&self, id: Uuid) -> Result<Arc<OptimizationAtHand>, ApiError> {
        let now = self.clock.now();
        let before = self.serving.get(id);
        if let Some(fresh) = before.as_ref().filter(|at_hand| at_hand.until > now) {
            return Ok(Arc::clone(&fresh.optimization));
        }
        let serving = self.table.serving(id).await?;
        let serving = serving.ok_or_else(|| ApiError::NotFound { what: "optimization", id: id.to_string() })?;
        let ready = match serving.served {
            None => None,
            Some(served) => {
                let earlier = before.and_then(|at_hand| at_hand.optimization.ready.clone());
                let same = |r: &Arc<Ready>| {
                    (r.served.model_id, r.served.posterior_version) == (served.model_id, served.posterior_version)
                };
                match earlier.filter(same) {
                    Some(ready) => Some(ready),
                    None => Some(Arc::new(self.make_ready(served).await?)),
                }
            }
        };
        let optimization = Arc::new(OptimizationAtHand {
            status: serving.status,
            holdout_percentage: serving.holdout_percentage,
            ready,
        });
        let until = now + self.serving.time;
        self.serving.put(id, AtHand { until, optimization: Arc::clone(&optimization) });
        Ok(optimization)
    }

    async fn make_ready(&self, mut served: Served) -> Result<Ready, ApiError> {
        let checked = Checked::new(served.model_type, served.config.clone())?;
        let policy = match (served.policy.take(), &served.object) {
            (Some(bytes), _) => Policy::from_bytes(&bytes).map_err(ApiError::internal)?,
            (None, Some(object)) => {
                let bytes = self.tensor(object, "policy").await?;
                Policy::from_bytes(&bytes).map_err(|e| ApiError::internal(format!("{object}: {e}")))?
            }
            (None, None) => Policy::uniform(&checked.space)
                .ok_or_else(|| ApiError::internal(format!("model {} allows no variant", served.model_id)))?,
        };
        Ok(Ready { served, checked, policy, posterior: OnceCell::new(), rows: Mutex::default() })
    }

    /// The row of a context that was not compiled, drawn from the posterior once and then at hand.
    async fn drawn_row(&self, optimization: &str, ready: &Arc<Ready>, context: u64) -> Result<Arc<Row>, ApiError> {
        let known = ready.rows.lock().unwrap_or_else(PoisonError::into_inner).get(&context).cloned();
        if let Some(row) = known {
            return Ok(row);
        }
        ready.posterior.get_or_try_init(|| self.posterior(&ready.served)).await?;
        let seed = serving_seed(optimization, ready.served.posterior_version, context);
        let (of, version) = (Arc::clone(ready), ready.served.posterior_version);
        let draw = move || {
            let missing = || ApiError::internal(format!("version {version} has a policy with holes and no posterior"));
            let posterior = of.posterior.get().ok_or_else(missing)?;
            let options = PolicyOptions {
                bias: &of.served.bias,
                exploration: of.checked.settings.exploration,
                limits: CompileLimits::default(),
                threads: 1,
            };
            draw_row(&of.checked.space, posterior, &options, context, &seed).map_err(ApiError::internal)
        };
        let row = Arc::new(blocking(draw).await??);
        let mut rows = ready.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() >= MOST_ROWS {
            rows.clear();
        }
        rows.insert(context, Arc::clone(&row));
        Ok(row)
    }

    async fn posterior(&self, served: &Served) -> Result<bandit::Posterior, ApiError> {
        let object = served.object.clone().unwrap_or_default();
        let bytes = self.bucket.read_all(&object).await?;
        let stored = blocking(move || bandit::stored::decode(&bytes)).await?;
        stored.map(|stored| stored.posterior).map_err(|e| ApiError::internal(format!("{object}: {e}")))
    }
}

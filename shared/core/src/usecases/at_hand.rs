//! What a process keeps of the optimizations that it serves: one read per cache time, nothing decoded twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bandit::{Policy, Row};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::drawn::Posteriors;
use crate::app::App;
use crate::domain::{Checked, OptimizationStatus, Served};
use crate::error::ApiError;

/// Optimizations that one process keeps at hand.
const MOST_CACHED: usize = 1_000;

/// A version of a model, ready to serve.
pub(super) struct Ready {
    pub(super) served: Served,
    pub(super) checked: Checked,
    pub(super) policy: Policy,
    /// Rows of contexts that the policy has none for.
    pub(super) rows: Mutex<HashMap<u64, Arc<Row>>>,
}

impl Ready {
    fn is(&self, other: &Served) -> bool {
        (self.served.model_id, self.served.posterior_version) == (other.model_id, other.posterior_version)
    }
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
    pub(super) posteriors: Posteriors,
}

impl ServingCache {
    /// A cache that trusts what it has read for `time`.
    #[must_use]
    pub fn new(time: TimeDelta) -> Self {
        Self { time, at_hand: Arc::default(), posteriors: Posteriors::default() }
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
    /// An optimization as serving knows it: from the cache within its time, else by one read of its record. What a version
    /// needs besides the record is read once per version.
    pub(super) async fn at_hand(&self, id: Uuid) -> Result<Arc<OptimizationAtHand>, ApiError> {
        let now = self.clock.now();
        let before = self.serving.get(id);
        if let Some(fresh) = before.as_ref().filter(|at_hand| at_hand.until > now) {
            return Ok(Arc::clone(&fresh.optimization));
        }
        // A future of its own on the heap: the warm path stays small.
        let optimization = Arc::new(Box::pin(self.read_again(id, before)).await?);
        let until = now + self.serving.time;
        self.serving.put(id, AtHand { until, optimization: Arc::clone(&optimization) });
        Ok(optimization)
    }

    async fn read_again(&self, id: Uuid, before: Option<AtHand>) -> Result<OptimizationAtHand, ApiError> {
        let serving = self.table.serving(id).await?;
        let serving = serving.ok_or_else(|| ApiError::NotFound { what: "optimization", id: id.to_string() })?;
        let ready = match serving.served {
            None => None,
            Some(served) => {
                let earlier = before.and_then(|at_hand| at_hand.optimization.ready.clone());
                match earlier.filter(|ready| ready.is(&served)) {
                    Some(ready) => Some(ready),
                    None => Some(Arc::new(self.make_ready(served).await?)),
                }
            }
        };
        Ok(OptimizationAtHand { status: serving.status, holdout_percentage: serving.holdout_percentage, ready })
    }

    async fn make_ready(&self, mut served: Served) -> Result<Ready, ApiError> {
        // A stored configuration was checked when it came in; a visitor is not to blame for it.
        let checked = Checked::new(served.model_type, served.config.clone())
            .map_err(|e| ApiError::internal(format!("the stored configuration of model {}: {e}", served.model_id)))?;
        let policy = match (served.policy.take(), &served.object) {
            (Some(bytes), _) => Policy::from_bytes(&bytes)
                .map_err(|e| ApiError::internal(format!("the stored policy of model {}: {e}", served.model_id)))?,
            (None, Some(object)) => {
                let bytes = self.tensor(object, "policy").await?;
                Policy::from_bytes(&bytes).map_err(|e| ApiError::internal(format!("{object}: {e}")))?
            }
            (None, None) => Policy::uniform(&checked.space)
                .ok_or_else(|| ApiError::internal(format!("model {} allows no variant", served.model_id)))?,
        };
        Ok(Ready { served, checked, policy, rows: Mutex::default() })
    }
}

//! What a process keeps of the optimizations that it serves: one read per cache time, nothing decoded twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bandit::{Coverage, Policy};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::drawn::{DrawnRows, MOST_DRAWN_BYTES, Posteriors};
use crate::app::App;
use crate::domain::{Checked, OptimizationStatus, Served};
use crate::error::ApiError;
use crate::log_fields::log_field;

/// Optimizations that one process keeps at hand, ids of nothing included.
const MOST_CACHED: usize = 1_000;

/// What they may take in memory together: a quarter of a function's.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// How long what is at hand is served after its cache time while storage is away.
const STALE: TimeDelta = TimeDelta::minutes(5);

/// A version of a model, ready to serve.
pub(super) struct Ready {
    pub(super) served: Served,
    pub(super) checked: Checked,
    pub(super) policy: Policy,
    /// Rows of contexts that the policy has none for.
    pub(super) rows: Mutex<DrawnRows>,
    /// What it may take in memory, its drawn rows included.
    bytes: usize,
}

/// An estimate of what a version takes in memory: its configuration a few times its JSON, two numbers of 4 bytes for each
/// entry of the policy, and the room for drawn rows where there are contexts without a row.
fn bytes(served: &Served, policy: &Policy) -> usize {
    let configuration = serde_json::to_string(&served.config).map_or(0, |json| json.len());
    let drawn = if policy.coverage() == Coverage::ObservedContexts { MOST_DRAWN_BYTES } else { 0 };
    4 * configuration + 24 * policy.rows() + 8 * policy.entries() + drawn
}

impl Ready {
    fn is(&self, other: &Served) -> bool {
        (self.served.model_id, self.served.posterior_version) == (other.model_id, other.posterior_version)
    }
}

/// What is known of an id, with the time until which it need not be read again.
#[derive(Clone)]
struct AtHand {
    until: DateTime<Utc>,
    /// Until when it is served although it could not be read again: [`STALE`] after the cache time of the last good read.
    stale_until: DateTime<Utc>,
    /// `None`: there is no such optimization.
    optimization: Option<Arc<OptimizationAtHand>>,
}

impl AtHand {
    fn answer(&self, id: Uuid) -> Result<Arc<OptimizationAtHand>, ApiError> {
        self.optimization.clone().ok_or_else(|| unknown(id))
    }

    fn bytes(&self) -> usize {
        self.optimization.as_ref().map_or(0, |optimization| optimization.bytes())
    }
}

fn unknown(id: Uuid) -> ApiError {
    ApiError::NotFound { what: "optimization", id: id.to_string() }
}

pub(super) struct OptimizationAtHand {
    status: OptimizationStatus,
    pub(super) holdout_percentage: f64,
    ready: Option<Arc<Ready>>,
}

impl OptimizationAtHand {
    fn bytes(&self) -> usize {
        self.ready.as_ref().map_or(0, |ready| ready.bytes)
    }

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
    kept: Arc<Mutex<Kept>>,
    pub(super) posteriors: Posteriors,
}

/// What is at hand, and who reads it again.
#[derive(Default)]
struct Kept {
    at_hand: HashMap<Uuid, AtHand>,
    /// Of each id that is being read: whoever has the lock reads, the others wait and find what was read.
    turns: HashMap<Uuid, Weak<Turn>>,
}

type Turn = tokio::sync::Mutex<()>;

impl Kept {
    fn put(&mut self, id: Uuid, value: AtHand, most_bytes: usize) {
        self.at_hand.remove(&id);
        let mut bytes: usize = self.at_hand.values().map(AtHand::bytes).sum();
        while !self.at_hand.is_empty() && (self.at_hand.len() >= MOST_CACHED || bytes + value.bytes() > most_bytes) {
            // Ids of nothing go first: anybody can send them.
            let oldest = self.at_hand.iter().min_by_key(|(_, kept)| (kept.optimization.is_some(), kept.until));
            let Some(oldest) = oldest.map(|(id, _)| *id) else { break };
            bytes -= self.at_hand.remove(&oldest).map_or(0, |removed| removed.bytes());
        }
        self.at_hand.insert(id, value);
    }
}

impl ServingCache {
    /// A cache that trusts what it has read for `time`.
    #[must_use]
    pub fn new(time: TimeDelta) -> Self {
        Self { time, kept: Arc::default(), posteriors: Posteriors::default() }
    }

    /// The cache time in seconds.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.time.num_seconds()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: Uuid) -> Option<AtHand> {
        self.kept().at_hand.get(&id).cloned()
    }

    fn put(&self, id: Uuid, value: AtHand) {
        self.kept().put(id, value, MOST_BYTES);
    }

    fn turn(&self, id: Uuid) -> Arc<Turn> {
        let mut kept = self.kept();
        if let Some(turn) = kept.turns.get(&id).and_then(Weak::upgrade) {
            return turn;
        }
        kept.turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::default());
        kept.turns.insert(id, Arc::downgrade(&turn));
        turn
    }
}

impl App {
    /// An optimization as serving knows it: from the cache within its time, else by one read of its record, whoever asks at the
    /// same moment. What a version needs besides the record is read once per version.
    pub(super) async fn at_hand(&self, id: Uuid) -> Result<Arc<OptimizationAtHand>, ApiError> {
        let now = self.clock.now();
        if let Some(fresh) = self.serving.get(id).filter(|at_hand| at_hand.until > now) {
            return fresh.answer(id);
        }
        // A future of its own on the heap: the warm path stays small.
        Box::pin(self.refreshed(id)).await
    }

    async fn refreshed(&self, id: Uuid) -> Result<Arc<OptimizationAtHand>, ApiError> {
        let turn = self.serving.turn(id);
        let _ours = turn.lock().await;
        let now = self.clock.now();
        let before = self.serving.get(id);
        if let Some(fresh) = before.as_ref().filter(|at_hand| at_hand.until > now) {
            return fresh.answer(id);
        }
        let until = now + self.serving.time;
        let optimization = match self.read_again(id, before.as_ref()).await {
            Ok(read) => Some(Arc::new(read)),
            Err(ApiError::NotFound { .. }) => None,
            Err(error) => return self.stale(id, before, &error).ok_or(error),
        };
        let at_hand = AtHand { until, stale_until: until + STALE, optimization };
        self.serving.put(id, at_hand.clone());
        at_hand.answer(id)
    }

    /// What was at hand before, for as long as it may stand in for a store that is away. It is tried again after another cache
    /// time, since each try costs its visitor the time-out of the store.
    fn stale(&self, id: Uuid, before: Option<AtHand>, error: &ApiError) -> Option<Arc<OptimizationAtHand>> {
        let now = self.clock.now();
        let before =
            before.filter(|at_hand| matches!(error, ApiError::Unavailable { .. }) && at_hand.stale_until > now)?;
        let optimization = before.optimization.clone()?;
        if before.until + STALE == before.stale_until {
            let cause = error.cause();
            let request_id = log_field("request_id");
            tracing::warn!(request_id, optimization_id = %id, cause, "storage is away; serving what is at hand");
        }
        let until = (now + self.serving.time).min(before.stale_until);
        self.serving.put(id, AtHand { until, ..before });
        Some(optimization)
    }

    async fn read_again(&self, id: Uuid, before: Option<&AtHand>) -> Result<OptimizationAtHand, ApiError> {
        let serving = self.table.serving(id).await?.ok_or_else(|| unknown(id))?;
        let ready = match serving.served {
            None => None,
            Some(served) => {
                let earlier = before.and_then(|at_hand| at_hand.optimization.as_ref()?.ready.clone());
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
        let bytes = bytes(&served, &policy);
        Ok(Ready { served, checked, policy, rows: Mutex::default(), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// An optimization whose version takes so many bytes.
    fn of(bytes: usize, until: i64) -> AtHand {
        let config = serde_json::from_value(serde_json::json!({
            "design_factors": [{"name": "a", "dtype": "bool", "levels": [false, true]}],
            "reward": {"name": "r", "type": "bool"},
            "attribution": {"type": "last_touch", "conversion_window_hours": 1},
        }));
        let served = Served::untrained(Uuid::nil(), bandit::ModelType::Mab, config.unwrap());
        let checked = Checked::new(served.model_type, served.config.clone()).unwrap();
        let policy = Policy::uniform(&checked.space).unwrap();
        let ready = Arc::new(Ready { served, checked, policy, rows: Mutex::default(), bytes });
        let status = OptimizationStatus::Live;
        let optimization = OptimizationAtHand { status, holdout_percentage: 0.0, ready: Some(ready) };
        AtHand { until: at(until), stale_until: at(until) + STALE, optimization: Some(Arc::new(optimization)) }
    }

    fn nothing(until: i64) -> AtHand {
        AtHand { optimization: None, ..of(0, until) }
    }

    fn ids(kept: &Kept) -> Vec<u128> {
        let mut ids: Vec<u128> = kept.at_hand.keys().map(Uuid::as_u128).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn what_is_at_hand_is_bounded_by_its_bytes() {
        let mut kept = Kept::default();
        for (id, value) in [(1, of(40, 1)), (2, of(40, 2)), (3, nothing(9))] {
            kept.put(Uuid::from_u128(id), value, 100);
        }
        assert_eq!(ids(&kept), [1, 2, 3]);
        // In its own place it takes no more.
        kept.put(Uuid::from_u128(1), of(60, 3), 100);
        assert_eq!(ids(&kept), [1, 2, 3]);
        // The id of nothing goes first, then the one that was read first.
        kept.put(Uuid::from_u128(4), of(30, 4), 100);
        assert_eq!(ids(&kept), [1, 4]);
        kept.put(Uuid::from_u128(5), of(1_000, 5), 100);
        assert_eq!(ids(&kept), [5], "one that is too large alone is kept alone");
    }

    #[test]
    fn what_is_at_hand_is_bounded_by_its_number() {
        let mut kept = Kept::default();
        kept.put(Uuid::from_u128(0), of(1, 0), MOST_BYTES);
        for id in 1..=1_500 {
            kept.put(Uuid::from_u128(id), nothing(i64::try_from(id).unwrap()), MOST_BYTES);
        }
        assert_eq!(kept.at_hand.len(), MOST_CACHED);
        assert!(kept.at_hand.contains_key(&Uuid::from_u128(0)), "ids of nothing put out an optimization");
    }
}

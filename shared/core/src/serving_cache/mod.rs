//! The serving cache: what a process keeps in memory of the optimizations that it serves, bounded in number and bytes. It
//! reads nothing itself; `usecases::optimizations` fills it.

mod policy_rows;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bandit::{Coverage, Policy, Row, VariantKeys};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

pub(crate) use self::policy_rows::PosteriorSlot;
use self::policy_rows::{LazyPolicyRows, MOST_LAZY_ROW_BYTES, PosteriorCache};
use crate::domain::{Checked, OptimizationStatus, Served};
use crate::error::ApiError;

/// Optimizations that one process caches, unknown ids included.
const MOST_CACHED: usize = 1_000;

/// What they may take in memory together: a quarter of a function's.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// How long a cached optimization is served after its cache time while storage is away.
pub(crate) const STALE: TimeDelta = TimeDelta::minutes(5);

/// A version of a model, ready to serve.
pub(crate) struct ReadyVersion {
    pub(crate) served: Served,
    pub(crate) checked: Checked,
    pub(crate) policy: Policy,
    /// What the hash knows the variants by.
    pub(crate) keys: VariantKeys,
    /// Policy rows of contexts that were not compiled, as far as they were asked for.
    rows: Mutex<LazyPolicyRows>,
    /// What it may take in memory, its lazily computed rows included.
    bytes: usize,
}

/// An estimate of what a version takes in memory: its configuration a few times its JSON, a key for each variant, two numbers
/// of 4 bytes for each entry of the policy, and the room for lazily computed rows where there are contexts without a compiled one.
fn bytes(served: &Served, policy: &Policy) -> usize {
    let configuration = serde_json::to_string(&served.config).map_or(0, |json| json.len());
    let lazy_rows = if policy.coverage() == Coverage::ObservedContexts { MOST_LAZY_ROW_BYTES } else { 0 };
    4 * configuration + 8 * policy.variants() + 24 * policy.rows() + 8 * policy.entries() + lazy_rows
}

impl ReadyVersion {
    /// A version with what was read and compiled of it.
    pub(crate) fn new(served: Served, checked: Checked, policy: Policy, keys: VariantKeys) -> Self {
        let bytes = bytes(&served, &policy);
        Self { served, checked, policy, keys, rows: Mutex::default(), bytes }
    }

    /// Whether it is this version.
    pub(crate) fn is(&self, other: &Served) -> bool {
        let of = |served: &Served| (served.model_id, served.posterior_version, served.frozen, served.baseline);
        of(&self.served) == of(other)
    }

    /// The row of a context that was computed lazily before.
    pub(crate) fn lazy_row(&self, context: u64) -> Option<Arc<Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).get(context)
    }

    /// Keeps such a row.
    pub(crate) fn put_lazy_row(&self, context: u64, row: &Arc<Row>) {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).put(context, row);
    }
}

/// What is known of an id, with the time until which it need not be read again.
#[derive(Clone)]
pub(crate) struct CacheEntry {
    pub(crate) until: DateTime<Utc>,
    /// Until when it is served although it could not be read again: [`STALE`] after the cache time of the last good read.
    pub(crate) stale_until: DateTime<Utc>,
    /// `None`: there is no such optimization.
    pub(crate) optimization: Option<Arc<CachedOptimization>>,
}

impl CacheEntry {
    /// The optimization, or that there is none.
    pub(crate) fn answer(&self, id: Uuid) -> Result<Arc<CachedOptimization>, ApiError> {
        self.optimization.clone().ok_or_else(|| unknown(id))
    }

    fn bytes(&self) -> usize {
        self.optimization.as_ref().map_or(0, |optimization| optimization.bytes())
    }
}

/// The answer for an id of no optimization.
pub(crate) fn unknown(id: Uuid) -> ApiError {
    ApiError::NotServed { id: id.to_string() }
}

/// An optimization as serving knows it.
pub(crate) struct CachedOptimization {
    /// Whose it is.
    pub(crate) organization_id: String,
    pub(crate) status: OptimizationStatus,
    pub(crate) holdout_percentage: f64,
    pub(crate) ready: Option<Arc<ReadyVersion>>,
}

impl CachedOptimization {
    fn bytes(&self) -> usize {
        self.ready.as_ref().map_or(0, |ready| ready.bytes)
    }

    /// What it serves, if it does.
    pub(crate) fn serving(&self, id: Uuid) -> Result<&Arc<ReadyVersion>, ApiError> {
        if self.status == OptimizationStatus::Archived {
            return Err(ApiError::conflict(format!(
                "optimization {id} is archived; only a live or completed one serves"
            )));
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
    entries: Arc<Mutex<Entries>>,
    posteriors: PosteriorCache,
}

/// The entries, and who loads them.
#[derive(Default)]
struct Entries {
    by_id: HashMap<Uuid, CacheEntry>,
    /// Of each id that is being read: whoever has the lock reads, the others wait and find what was read.
    load_locks: HashMap<Uuid, Weak<LoadLock>>,
}

/// Held by whoever loads an optimization.
pub(crate) type LoadLock = tokio::sync::Mutex<()>;

impl Entries {
    fn put(&mut self, id: Uuid, value: CacheEntry, most_bytes: usize) {
        self.by_id.remove(&id);
        let mut bytes: usize = self.by_id.values().map(CacheEntry::bytes).sum();
        while !self.by_id.is_empty() && (self.by_id.len() >= MOST_CACHED || bytes + value.bytes() > most_bytes) {
            // Unknown ids go first: anybody can send them.
            let oldest = self.by_id.iter().min_by_key(|(_, entry)| (entry.optimization.is_some(), entry.until));
            let Some(oldest) = oldest.map(|(id, _)| *id) else { break };
            bytes -= self.by_id.remove(&oldest).map_or(0, |removed| removed.bytes());
        }
        self.by_id.insert(id, value);
    }
}

impl ServingCache {
    /// A cache that trusts what it has read for `time`.
    #[must_use]
    pub fn new(time: TimeDelta) -> Self {
        Self { time, entries: Arc::default(), posteriors: PosteriorCache::default() }
    }

    /// The cache time in seconds.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.time.num_seconds()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of an id, fresh or not.
    pub(crate) fn get(&self, id: Uuid) -> Option<CacheEntry> {
        self.entries().by_id.get(&id).cloned()
    }

    /// Keeps what was read of an id.
    pub(crate) fn put(&self, id: Uuid, value: CacheEntry) {
        self.entries().put(id, value, MOST_BYTES);
    }

    /// The lock of an id's load: one request reads, the others wait.
    pub(crate) fn load_lock(&self, id: Uuid) -> Arc<LoadLock> {
        let mut entries = self.entries();
        if let Some(lock) = entries.load_locks.get(&id).and_then(Weak::upgrade) {
            return lock;
        }
        entries.load_locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(LoadLock::default());
        entries.load_locks.insert(id, Arc::downgrade(&lock));
        lock
    }

    /// How long an entry is trusted.
    pub(crate) fn time(&self) -> TimeDelta {
        self.time
    }

    /// The place of an object's posterior among those that rows were computed from last; empty until somebody has read it.
    pub(crate) fn posterior_slot(&self, object: &str) -> PosteriorSlot {
        self.posteriors.slot(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// An optimization whose version takes so many bytes.
    fn of(bytes: usize, until: i64) -> CacheEntry {
        let config = serde_json::from_value(serde_json::json!({
            "design_factors": [{"name": "a", "dtype": "bool", "levels": [false, true]}],
            "reward": {"name": "r", "type": "bool"},
            "attribution": {"type": "last_touch", "conversion_window_hours": 1},
        }));
        let served = Served::untrained(Uuid::nil(), bandit::ModelType::Mab, config.unwrap());
        let checked = Checked::new(served.model_type, served.config.clone()).unwrap();
        let policy = Policy::uniform(&checked.space).unwrap();
        let keys = VariantKeys::of(&checked.space).unwrap();
        let ready = Arc::new(ReadyVersion { served, checked, policy, keys, rows: Mutex::default(), bytes });
        let status = OptimizationStatus::Live;
        let organization_id = "org_test".to_owned();
        let optimization = CachedOptimization { organization_id, status, holdout_percentage: 0.0, ready: Some(ready) };
        CacheEntry { until: at(until), stale_until: at(until) + STALE, optimization: Some(Arc::new(optimization)) }
    }

    fn nothing(until: i64) -> CacheEntry {
        CacheEntry { optimization: None, ..of(0, until) }
    }

    fn ids(entries: &Entries) -> Vec<u128> {
        let mut ids: Vec<u128> = entries.by_id.keys().map(Uuid::as_u128).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn the_cache_is_bounded_by_its_bytes() {
        let mut entries = Entries::default();
        for (id, value) in [(1, of(40, 1)), (2, of(40, 2)), (3, nothing(9))] {
            entries.put(Uuid::from_u128(id), value, 100);
        }
        assert_eq!(ids(&entries), [1, 2, 3]);
        // In its own place it takes no more.
        entries.put(Uuid::from_u128(1), of(60, 3), 100);
        assert_eq!(ids(&entries), [1, 2, 3]);
        // The unknown id goes first, then the one that was read first.
        entries.put(Uuid::from_u128(4), of(30, 4), 100);
        assert_eq!(ids(&entries), [1, 4]);
        entries.put(Uuid::from_u128(5), of(1_000, 5), 100);
        assert_eq!(ids(&entries), [5], "one that is too large alone is kept alone");
    }

    #[test]
    fn the_cache_is_bounded_by_its_number() {
        let mut entries = Entries::default();
        entries.put(Uuid::from_u128(0), of(1, 0), MOST_BYTES);
        for id in 1..=1_500 {
            entries.put(Uuid::from_u128(id), nothing(i64::try_from(id).unwrap()), MOST_BYTES);
        }
        assert_eq!(entries.by_id.len(), MOST_CACHED);
        assert!(entries.by_id.contains_key(&Uuid::from_u128(0)), "unknown ids evicted an optimization");
    }
}

//! The optimizations that ingestion has looked up lately, so that a request needs no read for each of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bandit::Space;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// Optimizations that one process keeps.
const MOST_CACHED: usize = 1_000;

/// What ingestion knows of an optimization.
#[derive(Debug)]
pub struct KnownOptimization {
    /// Whose it is.
    pub organization_id: String,
    /// The factors of its model; absent where it has none.
    pub space: Option<Space>,
}

type Entries = HashMap<Uuid, (DateTime<Utc>, Arc<KnownOptimization>)>;

/// The cache.
#[derive(Clone)]
pub struct IngestCache {
    time: TimeDelta,
    entries: Arc<Mutex<Entries>>,
}

impl IngestCache {
    /// A cache that trusts what it has read for `time`.
    #[must_use]
    pub fn new(time: TimeDelta) -> Self {
        Self { time, entries: Arc::default() }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of an id at a moment.
    pub(crate) fn get(&self, id: Uuid, now: DateTime<Utc>) -> Option<Arc<KnownOptimization>> {
        self.entries().get(&id).filter(|(until, _)| *until > now).map(|(_, known)| Arc::clone(known))
    }

    /// Keeps what was read.
    pub(crate) fn put(&self, id: Uuid, known: Arc<KnownOptimization>, now: DateTime<Utc>) {
        let mut entries = self.entries();
        if entries.len() >= MOST_CACHED {
            entries.retain(|_, (until, _)| *until > now);
        }
        if entries.len() >= MOST_CACHED {
            entries.clear();
        }
        entries.insert(id, (now + self.time, known));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cached_is_trusted_for_its_time_and_bounded() {
        let cache = IngestCache::new(TimeDelta::seconds(30));
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let known = Arc::new(KnownOptimization { organization_id: "org_1".into(), space: None });
        for id in 0..1_500 {
            cache.put(Uuid::from_u128(id), Arc::clone(&known), at(0));
        }
        assert!(cache.entries().len() <= MOST_CACHED);
        assert!(cache.get(Uuid::from_u128(1_499), at(29)).is_some());
        assert!(cache.get(Uuid::from_u128(1_499), at(30)).is_none());
    }
}
